"""Files that are written whole or not at all: a full disk, a crash or a second writer leaves what
was there before. No link is followed: one that stands in the place of a file is replaced by it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

_NEW = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)


def write_whole(target: Path, pieces: Iterable[bytes], *, mode: int = 0o666) -> None:
    """Write one file, which lasts when this returns. The umask is taken from its `mode`. Raises
    `OSError`, or what `pieces` raises.
    """
    write_together({target: pieces}, mode=mode)


def write_together(files: Mapping[Path, Iterable[bytes]], *, mode: int = 0o666) -> None:
    """Write files of which none takes its name before all are on the disk."""
    written: dict[Path, Path] = {}
    try:
        for target, pieces in files.items():
            # Each its own name: threads may write to one path.
            written[target] = partial = target.with_name(f".{secrets.token_hex(8)}.part")
            _write(partial, pieces, mode)
        for target, partial in written.items():
            partial.replace(target)
    finally:
        for partial in written.values():
            with contextlib.suppress(OSError):  # renamed, or never made
                partial.unlink()
    for folder in {target.parent for target in files}:
        sync_folder(folder)


def _write(partial: Path, pieces: Iterable[bytes], mode: int) -> None:
    with os.fdopen(os.open(partial, _NEW, mode), "wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make new names in it last. Windows can neither open a folder nor needs it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
