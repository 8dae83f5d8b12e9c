"""An emulator in a process of its own, so that what it holds is not counted."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection

from agentkit.emulator import Emulator


@contextlib.contextmanager
def emulator() -> Iterator[str]:
    """Its `base_url`."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_serve, args=(there,), daemon=True)
    child.start()
    try:
        yield here.recv()
    finally:
        here.send("end")
        child.join(30)
        child.kill()
        child.join()
        here.close()
        there.close()


def _serve(pipe: Connection) -> None:
    with Emulator() as running:
        pipe.send(running.base_url)
        pipe.recv()
