"""A real file system of a few kilobytes or megabytes, to be filled. Where none may be mounted, the
tests that need it are skipped.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """`folder`, made if need be, on a disk that holds so much."""
    if not sys.platform.startswith("linux"):
        pytest.skip("a small disk is mounted on Linux only")
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={kilobytes}k,mode=0700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], capture_output=True, check=True)


def fill(folder: Path, *, leaving: int = 0) -> Path:
    """Take the room of the disk on which `folder` lies, but `leaving` bytes. Returns the file that
    takes it.
    """
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(max(0, ballast.stat().st_size - leaving))
    return ballast


def remount(folder: Path, *, writable: bool) -> None:
    """Make the disk on which `folder` is mounted read-only, or writable again."""
    how = f"remount,{'rw' if writable else 'ro'}"
    subprocess.run(["mount", "-o", how, folder], capture_output=True, check=True)
