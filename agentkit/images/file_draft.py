"""Bytes on their way into a folder of pictures."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import threading
import weakref
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from agentkit.errors import StoreError
from agentkit.values.image_header import EXTENSIONS, HEAD, sniff

if TYPE_CHECKING:
    from agentkit.images.store import FileImageStore

#: How the name of a file that is not a picture yet ends.
PARTIAL = ".part"
READ_ONLY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
#: Below this many bytes, a draft gathers before it hashes and writes: system calls cost more than copies.
_GATHER = 1 << 16


def _forget(path: str, owner: int, descriptor: int = -1) -> None:
    """`owner` is the process that made the file: one that it forks ends with the same clean-up, and must not take it away."""
    if descriptor >= 0:
        os.close(descriptor)
    if os.getpid() == owner:
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()


class FileDraft:
    """A temporary file beside the pictures; none is made before `_GATHER` bytes have come, or `keep` is called."""

    def __init__(self, store: FileImageStore) -> None:
        self._store = store
        self._hash = hashlib.sha256()
        self._head = b""
        self._waiting = bytearray()  # not in the file yet
        self._hashed = 0  # bytes of `_waiting` that are in the hash
        self._written = 0
        self._descriptor = -1
        self._path = ""
        self._owner = os.getpid()
        self._cleanup: weakref.finalize[..., FileDraft] | None = None  # also where a draft is simply forgotten
        self._kept: str | None = None
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
                raise self._store.trouble("write to", error) from error

    def read_back(self) -> BinaryIO:
        if self._kept is not None:
            return self._store.open(self._kept)
        if not self._open:
            raise StoreError("this draft was discarded: it cannot be read")
        if self._written == 0:
            return BytesIO(bytes(self._waiting))
        with contextlib.suppress(OSError):  # the disk is full: what it has not taken comes from memory
            self._flush()
        try:
            file = os.fdopen(os.open(self._path, READ_ONLY), "rb")
            if not self._waiting:
                return file
            with file:
                return BytesIO(file.read(self._written) + self._waiting)
        except OSError as error:
            raise self._store.trouble("read from", error) from error

    def keep(self) -> str:
        with self._lock:
            if self._kept is not None:
                return self._kept
            if not self._open:
                raise StoreError("this draft was discarded: it cannot be kept")
            target = self._target()
            if self._lies_at(target):  # and needs no room, no writing, no waiting for the disk
                self._clear()
            else:
                self._store.check_room(self.size)
                try:
                    self._flush()
                    self._commit(target)
                except OSError as error:
                    raise self._store.trouble("write to", error) from error
                if self._cleanup is not None:
                    self._cleanup.detach()
            self._open = False
            self._cleanup = None
            self._kept = self.sha256
            return self._kept

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

    def _target(self) -> Path:
        sha256 = self.sha256
        return self._store.path / sha256[:2] / f"{sha256}.{EXTENSIONS.get(sniff(self._head) or '', 'bin')}"

    def _lies_at(self, target: Path) -> bool:
        """Is it in the store already? A link is none of ours, and a file of another length was damaged."""
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
        self._store.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor, self._path = tempfile.mkstemp(suffix=PARTIAL, prefix=".", dir=self._store.path)
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
