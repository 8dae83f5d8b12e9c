"""Real programs, started and stopped for a test: what is missing is named, and the test skipped."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clock import GUARD

FOLDER = Path(__file__).parents[2] / ".stacks"
"""What `make stacks` installs: an environment for each program that is a package of Python."""


def program(name: str) -> str:
    """The path of a program of the system. Skips the test where it is not installed."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {name})")
    return found


def python_of(environment: str) -> str:
    """The interpreter of one of the environments. Skips the test where it was not made."""
    found = FOLDER / environment / "bin" / "python"
    if not (FOLDER / environment / ".ready").exists():
        pytest.skip(f"{environment} is not installed: make stacks")
    return str(found)


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    patience: float = GUARD,
) -> Iterator[Path]:
    """A program for the block, from the moment at which it listens. Gives the file of its output."""
    output = folder / "output.log"
    with output.open("wb") as file:
        started = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        _wait(started, port, output, patience)
        yield output
    finally:
        started.terminate()
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def _wait(started: subprocess.Popen[bytes], port: int, output: Path, patience: float) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if started.poll() is not None:
            pytest.fail(f"it ended at once:\n{output.read_text(errors='replace')[-2000:]}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"it does not listen:\n{output.read_text(errors='replace')[-2000:]}")
