"""Files whose names are the digests of their bytes, opened only where that is so.

To hash a picture at each reading would cost more than to read it. So a file that was hashed is
remembered by what the system says of it (its inode, length, and times), and hashed again once that
has changed: an edit, a repair, a copy of a backup.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
from pathlib import Path
from typing import BinaryIO

READ_ONLY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_CHUNK = 1 << 18
_KNOWN = 16_384
"""Files that are remembered."""
_TICK = 20_000_000
"""Nanoseconds within which a file system may give two changes one time."""
_COARSE_TICK = 2_000_000_000
"""The same for file systems that count in whole seconds."""

Signature = tuple[int, int, int, int, int]


class DamagedFile(FileNotFoundError):
    """What lies there is not the picture of that name: there is none to be had."""


class CheckedFiles:
    """Opens files, and remembers which of them were found whole. Any thread may use it."""

    def __init__(self) -> None:
        self._whole: dict[Path, Signature] = {}
        self._places: dict[str, Path] = {}
        """sha256 → the file that was found whole."""
        self._lock = threading.Lock()

    def open(self, path: Path, sha256: str) -> BinaryIO:
        """The file, from its start; a link is not followed. Raises `DamagedFile` where its digest
        is another, and `OSError` as `os.open` does.
        """
        file = os.fdopen(os.open(path, READ_ONLY), "rb")
        try:
            self._check(file, path, sha256)
        except BaseException:
            file.close()
            raise
        return file

    def is_unchanged(self, sha256: str) -> bool:
        """Whether a file of this digest was found whole, and the system says the same of it still.
        It is not opened.
        """
        path = self._places.get(sha256)
        if path is None:
            return False
        try:
            found = _signature(os.lstat(path))
        except OSError:
            return False
        return self._whole.get(path) == found

    def is_whole(self, path: Path, sha256: str) -> bool:
        """Whether this file is there, and has this digest."""
        try:
            self.open(path, sha256).close()
        except OSError:
            return False
        return True

    def _check(self, file: BinaryIO, path: Path, sha256: str) -> None:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise DamagedFile(f"{path} is no file")
        signature = _signature(info)
        if self._whole.get(path) == signature:
            return
        began = time.time_ns()
        if _digest(file) != sha256:
            raise DamagedFile(f"{path} is damaged: its bytes are not those of its name")
        file.seek(0)
        changed = max(info.st_mtime_ns, info.st_ctime_ns)
        tick = _TICK if changed % 1_000_000_000 else _COARSE_TICK
        # A file that changed only now may change once more without another time.
        if abs(began - changed) > tick:
            with self._lock:
                self._whole[path], self._places[sha256] = signature, path
                if len(self._whole) > _KNOWN:
                    del self._whole[next(iter(self._whole))]
                if len(self._places) > _KNOWN:
                    del self._places[next(iter(self._places))]


def _signature(info: os.stat_result) -> Signature:
    return (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
