"""A picture on its way into a folder: a temporary file beside the pictures, renamed when it is
whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from typing import BinaryIO

from typing_extensions import Buffer

from agentkit._files import sync_folder
from agentkit.errors import StoreError
from agentkit.images.checked_files import READ_ONLY, CheckedFiles
from agentkit.values.image_header import EXTENSIONS, HEAD, sniff

PARTIAL = ".part"
"""Suffix of a file that is not a picture yet."""
_GATHER = 1 << 16
"""Bytes that a draft gathers before it hashes and writes: system calls cost more than copies."""
_COPY = 1 << 20
"""Bytes that are copied at once."""


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
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            Path(path).unlink()


class FileDraft:
    """A temporary file in `folder`, made when `_GATHER` bytes have come or `keep` is called.

    The folder may vanish meanwhile: the open file still has the bytes, and the folder is made
    again. `adding` is a block in which a picture of so many bytes is put into the store; it raises
    `StoreError` if that does not fit. `files` tells whether a picture is there and whole.
    """

    def __init__(
        self,
        folder: Path,
        files: CheckedFiles,
        adding: Callable[[int], AbstractContextManager[None]],
    ) -> None:
        self._folder = folder
        self._files = files
        self._adding = adding
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

    def _reopened(self) -> BinaryIO:
        """The temporary file from its start, also where it has gone from its folder."""
        if self._descriptor >= 0 and hasattr(os, "pread"):
            return BufferedReader(OpenFile(os.dup(self._descriptor)), _COPY)
        return self._opened(self._path)  # Windows lets nobody delete an open file

    def _read_so_far(self) -> BinaryIO:
        if self._written == 0:
            return BytesIO(bytes(self._waiting))
        # On a full disk, the bytes that it has not taken come from memory.
        with contextlib.suppress(OSError):
            self._flush()
        file = self._reopened()
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
        with self._adding(self.size):
            try:
                self._flush()
                self._commit(target)
            except OSError as error:
                raise folder_error(self._folder, "write to", error) from error
        if self._cleanup is not None:
            self._cleanup()  # closes the file, whose name has changed
        return target

    def _target(self) -> Path:
        sha256 = self.sha256
        suffix = EXTENSIONS.get(sniff(self._head) or "", "bin")
        return self._folder / sha256[:2] / f"{sha256}.{suffix}"

    def _lies_at(self, target: Path) -> bool:
        """Is it in the store already, and whole? A link is none of ours."""
        return not target.parent.is_symlink() and self._files.is_whole(target, self.sha256)

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

    def _commit(self, target: Path) -> None:
        folder = target.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink():
            raise NotADirectoryError(20, f"{folder.name} in it is a link, which is not followed")
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
        if os.name == "nt":
            self._close()
        try:
            Path(self._path).replace(target)
        except FileNotFoundError:
            self._copy_to(target)
        sync_folder(folder)

    def _close(self) -> None:
        """Close the file and leave it there: Windows renames no open file."""
        if self._cleanup is not None:
            self._cleanup.detach()
        self._cleanup = weakref.finalize(self, _forget, self._path, self._owner)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _copy_to(self, target: Path) -> None:
        """Write the picture anew: the temporary file has gone from its folder, but is open."""
        descriptor, path = tempfile.mkstemp(suffix=PARTIAL, prefix=".", dir=self._folder)
        try:
            with self._reopened() as source, os.fdopen(descriptor, "wb") as copy:
                while chunk := source.read(_COPY):
                    copy.write(chunk)
                copy.flush()
                os.fsync(copy.fileno())
            Path(path).replace(target)
        finally:
            with contextlib.suppress(OSError):  # it was renamed
                Path(path).unlink()


class OpenFile(RawIOBase):
    """Reads an open file by its descriptor, which it closes, from a position of its own."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._at = 0

    def fileno(self) -> int:
        return self._descriptor

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        if start is None:
            start = os.fstat(self._descriptor).st_size
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        with memoryview(buffer) as view, view.cast("B") as octets:
            data = os.pread(self._descriptor, len(octets), self._at)
            octets[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
