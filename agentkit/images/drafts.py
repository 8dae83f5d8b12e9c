"""Bytes on their way into a store."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import weakref
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from agentkit.errors import StoreError
from agentkit.media import EXTENSIONS, HEAD, sniff

if TYPE_CHECKING:
    from agentkit.images.store import FileImageStore, ImageStore

#: How the name of a file that is not a picture yet ends.
PARTIAL = ".part"
READ_ONLY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
#: Below this many bytes, a draft gathers before it hashes and writes: system calls cost more than copies.
_GATHER = 1 << 16


class Draft(Protocol):
    """Bytes on their way into a store."""

    @property
    def size(self) -> int:
        """Bytes written so far."""
        ...

    @property
    def sha256(self) -> str:
        """The digest of what was written so far."""
        ...

    def write(self, data: bytes | memoryview) -> None:
        """Append. Raises `StoreError`; the bytes can be had by `read_back` even then."""
        ...

    def read_back(self) -> BinaryIO:
        """What was written so far, from its start. Writing may go on afterwards."""
        ...

    def keep(self) -> str:
        """Make it a stored picture, whole or not at all, and return its sha256.

        Raises `StoreError`: where that was the disk's fault, `read_back` still works.
        """
        ...

    def discard(self) -> None:
        """Leave no trace. May be called twice, and after `keep`, where it does nothing."""
        ...


class MemoryDraft:
    """A draft in memory. `shelf` is where `keep` puts the bytes; without one, it cannot be kept."""

    def __init__(self, shelf: dict[str, bytes] | None = None) -> None:
        self._shelf = shelf
        self._data = bytearray()
        self._hash = hashlib.sha256()
        self._open = True

    @property
    def size(self) -> int:
        return len(self._data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes | memoryview) -> None:
        if not self._open:
            raise StoreError("this draft was kept or discarded: nothing can be written to it")
        self._data += data
        self._hash.update(data)

    def read_back(self) -> BinaryIO:
        return BytesIO(bytes(self._data))

    def keep(self) -> str:
        if not self._open or self._shelf is None:
            raise StoreError("this draft was discarded, or has no store: it cannot be kept")
        self._open = False
        self._shelf[self.sha256] = bytes(self._data)
        self._data.clear()
        return self.sha256

    def discard(self) -> None:
        self._open = False
        self._data.clear()


class SafeDraft:
    """A draft whose writing never fails: where the store refuses, the bytes go on in memory.

    `trouble` is then the store's error: a picture that was paid for is not lost to a full disk. The caller bounds the size.
    """

    def __init__(self, store: ImageStore) -> None:
        self.trouble: StoreError | None = None
        try:
            self.draft: Draft = store.create()
        except StoreError as error:
            self.trouble = error
            self.draft = MemoryDraft()

    def write(self, data: bytes | memoryview) -> None:
        try:
            self.draft.write(data)
        except StoreError as error:
            self.trouble = error
            refused, self.draft = self.draft, MemoryDraft()
            with refused.read_back() as file:
                self.draft.write(file.read())
            refused.discard()


def _forget(path: str, descriptor: int = -1) -> None:
    if descriptor >= 0:
        os.close(descriptor)
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
        file = os.fdopen(os.open(self._path, READ_ONLY), "rb")
        if not self._waiting:
            return file
        with file:
            return BytesIO(file.read(self._written) + self._waiting)

    def keep(self) -> str:
        with self._lock:
            if self._kept is not None:
                return self._kept
            if not self._open:
                raise StoreError("this draft was discarded: it cannot be kept")
            self._store.check_room(self.size)
            try:
                self._flush()
                self._commit()
            except OSError as error:
                raise self._store.trouble("write to", error) from error
            self._open = False
            if self._cleanup is not None:
                self._cleanup.detach()
            self._cleanup = None
            self._kept = self.sha256
            return self._kept

    def discard(self) -> None:
        with self._lock:
            self._open = False
            self._waiting.clear()
            if self._cleanup is not None:
                self._cleanup()

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
        self._cleanup = weakref.finalize(self, _forget, self._path, self._descriptor)

    def _close(self) -> None:
        """Close the file and leave it there: Windows renames no open file."""
        if self._cleanup is not None:
            self._cleanup.detach()
        self._cleanup = weakref.finalize(self, _forget, self._path)
        os.close(self._descriptor)
        self._descriptor = -1

    def _commit(self) -> None:
        sha256 = self.sha256
        folder = self._store.path / sha256[:2]
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink():
            raise NotADirectoryError(20, f"{folder.name} in it is a link, which is not followed")
        target = folder / f"{sha256}.{EXTENSIONS.get(sniff(self._head) or '', 'bin')}"
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
