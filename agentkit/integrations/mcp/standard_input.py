"""The lines of stdin, read so that a server can end while it waits for one."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Generator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress

from agentkit.errors import UsageError

_STDIN = 0


class InputLines:
    """The lines of a descriptor. A thread that reads cannot be interrupted: this one is a daemon,
    so that neither Ctrl-C nor the end of the program waits for it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def __aiter__(self) -> AsyncIterator[str]:
        lines: asyncio.Queue[str | None] = asyncio.Queue(1)
        loop = asyncio.get_running_loop()
        reader = threading.Thread(
            target=_read, args=(self._descriptor, loop, lines), name="mcp-stdin", daemon=True
        )
        reader.start()
        while (line := await lines.get()) is not None:
            yield line


def _read(
    descriptor: int, loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str | None]
) -> None:
    """Hand each line to the loop, and None at the end. A loop that ended wants no more."""

    def put(line: str | None) -> None:
        coming = lines.put(line)
        try:
            asyncio.run_coroutine_threadsafe(coming, loop).result()
        finally:
            coming.close()

    with (
        suppress(RuntimeError, CancelledError),
        os.fdopen(descriptor, encoding="utf-8", errors="replace", newline="\n") as file,
    ):
        with suppress(OSError):  # what cannot be read has ended
            for line in file:
                put(line)
        put(None)


@contextmanager
def own_stdin() -> Generator[InputLines]:
    """The lines of stdin, which tools and their children find empty meanwhile: it belongs to the
    protocol. Raises `UsageError` where it is closed.
    """
    if sys.stdin is None:
        raise UsageError("run_stdio(): stdin is closed, so no client can be heard")
    wire, back = os.dup(_STDIN), os.dup(_STDIN)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, _STDIN)
    os.close(empty)
    try:
        yield InputLines(wire)
    finally:
        os.dup2(back, _STDIN)
        os.close(back)
