"""A picture on its way into a folder: a temporary file beside the pictures, renamed when it is
whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import threading
import weakref
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from agentkit.errors import StoreError
from agentkit.values.image_header import EXTENSIONS, HEAD, sniff

PARTIAL = ".part"
"""Suffix of a file that is not a picture yet."""
READ_ONLY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_GATHER = 1 << 16
"""Bytes that a draft gathers before it hashes and writes: system calls cost more than copies."""


def folder_error(folder: Path, doing: str, error: OSError) -> StoreError:
    """What to raise for `error`: names the folder and what the system said."""
    return StoreError(f"cannot {doing} the image store {folder}: {error.strerror or error}")


def _forget(path: str, owner: int, descriptor: int = -1) -> None:
    """`owner` is the process that made the file: one that it forks ends with the same clean-up, and
    must not take it away.
    """
    if descriptor >= 0:
        os.close(descriptor)
    if os.getpid() == owner:
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()


class FileDraft:
    """A temporary file in `folder`, made when `_GATHER` bytes have come or `keep` is called.

    `check_room` raises `StoreError` if a picture of so many bytes does not fit into the store.
    """

    def __init__(self, folder: Path, check_room: Callable[[int], None]) -> None:
        self._folder = folder
        self._check_room = check_room
        self._hash = hashlib.sha256()
        self._head = b""
        self._waiting = bytearray()  # not in the file yet
        self._hashed = 0  # bytes of `_waiting` that are in the hash
        self._written = 0
        self._descriptor = -1
        self._path = ""
        self._owner = os.getpid()
        # Removes the file, also of a draft that nobody kept or discarded.
        self._cleanup: weakref.finalize[..., FileDraft] | None = None
        self._kept: Path | None = None
        self._open = True
        self._lock = threading.Lock()  # a discard from another thread waits for a keep

    @property
    def size(self) -> int:
        return self._written + len(self._waiting)

    @property
    def sha256(self) -> str:
        self._digest()
        return self._hash.hexdigest()

    def write(self, data: bytes | memoryview) -> None:
        if not self._open:
            raise StoreError("this draft was kept or discarded: nothing can be written to it")
        if len(self._head) < HEAD:
            self._head += bytes(data[: HEAD - len(self._head)])
        self._waiting += data
        if len(self._waiting) >= _GATHER:
            try:
                self._flush()
            except OSError as error:
                raise folder_error(self._folder, "write to", error) from error

    def read_back(self) -> BinaryIO:
        if self._kept is None and not self._open:
            raise StoreError("this draft was discarded: it cannot be read")
        try:
            return self._opened(self._kept) if self._kept is not None else self._read_so_far()
        except OSError as error:
            raise folder_error(self._folder, "read from", error) from error

    def keep(self) -> str:
        with self._lock:
            if self._kept is None:
                self._kept = self._keep()
                self._open = False
                self._cleanup = None
            return self.sha256

    def discard(self) -> None:
        with self._lock:
            self._open = False
            self._clear()

    def _clear(self) -> None:
        self._digest()
        self._written, self._hashed = self.size, 0  # what it has told of itself stays so
        self._waiting.clear()
        if self._cleanup is not None:
            self._cleanup()

    def _opened(self, path: str | Path) -> BinaryIO:
        return os.fdopen(os.open(path, READ_ONLY), "rb")

    def _read_so_far(self) -> BinaryIO:
        if self._written == 0:
            return BytesIO(bytes(self._waiting))
        # On a full disk, the bytes that it has not taken come from memory.
        with contextlib.suppress(OSError):
            self._flush()
        file = self._opened(self._path)
        if not self._waiting:
            return file
        with file:
            return BytesIO(file.read(self._written) + self._waiting)

    def _keep(self) -> Path:
        if not self._open:
            raise StoreError("this draft was discarded: it cannot be kept")
        target = self._target()
        if self._lies_at(target):  # and needs no room, no writing, no waiting for the disk
            self._clear()
            return target
        self._check_room(self.size)
        try:
            self._flush()
            self._commit(target)
        except OSError as error:
            raise folder_error(self._folder, "write to", error) from error
        if self._cleanup is not None:
            self._cleanup.detach()
        return target

    def _target(self) -> Path:
        sha256 = self.sha256
        suffix = EXTENSIONS.get(sniff(self._head) or "", "bin")
        return self._folder / sha256[:2] / f"{sha256}.{suffix}"

    def _lies_at(self, target: Path) -> bool:
        """Is it in the store already? A link is none of ours, and a file of another length was
        damaged.
        """
        if target.parent.is_symlink():
            return False
        try:
            info = target.lstat()
        except OSError:  # it cannot be looked at: `_commit` says why
            return False
        return stat.S_ISREG(info.st_mode) and info.st_size == self.size

    def _digest(self) -> None:
        if self._hashed < len(self._waiting):
            with memoryview(self._waiting) as view:
                self._hash.update(view[self._hashed :])
            self._hashed = len(self._waiting)

    def _flush(self) -> None:
        if not self._path:
            self._begin()
        self._digest()
        while self._waiting:
            done = os.write(self._descriptor, self._waiting)
            self._written += done
            self._hashed -= done
            del self._waiting[:done]

    def _begin(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor, self._path = tempfile.mkstemp(
            suffix=PARTIAL, prefix=".", dir=self._folder
        )
        self._cleanup = weakref.finalize(self, _forget, self._path, self._owner, self._descriptor)

    def _close(self) -> None:
        """Close the file and leave it there: Windows renames no open file."""
        if self._cleanup is not None:
            self._cleanup.detach()
        self._cleanup = weakref.finalize(self, _forget, self._path, self._owner)
        os.close(self._descriptor)
        self._descriptor = -1

    def _commit(self, target: Path) -> None:
        folder = target.parent
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink():
            raise NotADirectoryError(20, f"{folder.name} in it is a link, which is not followed")
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
            self._close()
        Path(self._path).replace(target)
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Make the new name last. Windows can neither open a folder nor needs it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
