"""Where pictures are kept: content-addressed, written whole or not at all.

A store hands out drafts. Bytes go into a draft as they arrive; `keep` makes them a stored picture,
named by their own sha256, and `discard` leaves no trace. A store of one's own (a bucket, a
database) implements `ImageStore`: four methods.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import threading
import time
import weakref
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from agentkit.errors import StoreError, UsageError
from agentkit.images.drafts import Draft, ImageStore, MemoryDraft
from agentkit.values.image_header import EXTENSIONS, HEAD, sniff

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SUFFIXES = (*EXTENSIONS.values(), "bin")
_STALE = 24 * 3600.0


def check_sha256(sha256: str) -> str:
    """`sha256` itself. Raises `UsageError` unless it is 64 lowercase hex digits: an id never
    becomes a path.
    """
    if not isinstance(sha256, str) or not _SHA256.match(sha256):
        raise UsageError(f"a picture's sha256 is 64 lowercase hex digits, not {str(sha256)[:80]!r}")
    return sha256


def checked_store(owner: str, store: object) -> ImageStore:
    """A store. Raises `UsageError` that says which of its methods are missing."""
    missing = [
        name
        for name in ("create", "delete", "open", "size")
        if not callable(getattr(store, name, None))
    ]
    if missing:
        made = (
            f"FileImageStore({store!r:.80})"
            if isinstance(store, str | os.PathLike)
            else "FileImageStore('pictures')"
        )
        raise UsageError(
            f"{owner}(store={store!r:.80}): accepted is an image store, {made} "
            f"say; this has no {', '.join(missing)}"
        )
    return cast("ImageStore", store)


def _folder(path: object) -> Path:
    given: object = (
        os.fspath(cast("os.PathLike[str]", path)) if isinstance(path, os.PathLike) else path
    )
    if isinstance(given, str) and "\0" not in given:
        with contextlib.suppress(RuntimeError):  # there is no such user
            return Path(given).expanduser().absolute()
    raise UsageError(f"FileImageStore({path!r:.200}): accepted is the path of a folder")


class MemoryImageStore:
    """Pictures in memory, for tests and short-lived programs. Nothing outlives the process."""

    def __init__(self) -> None:
        self._shelf: dict[str, bytes] = {}

    def create(self) -> Draft:
        """A new, empty draft."""
        return MemoryDraft(self._shelf)

    def open(self, sha256: str) -> BinaryIO:
        """A stored picture as a file, from its start. Raises `FileNotFoundError` if it is not
        there.
        """
        try:
            return BytesIO(self._shelf[check_sha256(sha256)])
        except KeyError:
            raise FileNotFoundError(f"no picture {sha256[:12]}… in this store") from None

    def delete(self, sha256: str) -> bool:
        """Remove a picture. Returns whether it was there."""
        return self._shelf.pop(check_sha256(sha256), None) is not None

    def size(self) -> int:
        """The bytes of all stored pictures."""
        return sum(map(len, list(self._shelf.values())))


class FileImageStore:
    """Pictures as files: `FOLDER/ab/abcdef….png`, not encrypted, readable by their owner alone.

    `path` is the folder; by default `AGENTKIT_STORE`, else `agentkit/images` in the user's cache
    folder. It is made when the first picture is written. Several processes may share it.

    `max_bytes` bounds the whole store: a picture beyond it is refused, and none is pushed out.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, max_bytes: int | None = None
    ) -> None:
        fits = max_bytes is None or (
            isinstance(max_bytes, int) and not isinstance(max_bytes, bool) and max_bytes > 0
        )
        if not fits:
            raise UsageError(
                f"FileImageStore(max_bytes={max_bytes!r:.80}): accepted is a positive "
                "number of bytes, or None for no bound"
            )
        if path is None:
            path = os.environ.get("AGENTKIT_STORE") or None
        if path is None:
            import platformdirs

            path = platformdirs.user_cache_path("agentkit") / "images"
        self.path = _folder(path)
        self.max_bytes = max_bytes
        self._swept = False

    def __repr__(self) -> str:
        return f"FileImageStore({str(self.path)!r})"

    def __eq__(self, other: object) -> bool:
        """Two are equal that keep their pictures in one folder: a picture of one need not be copied
        into the other.
        """
        return self.path == other.path if isinstance(other, FileImageStore) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.path)

    def create(self) -> Draft:
        """A new, empty draft. Raises `StoreError` if the folder cannot be written or is full."""
        self._check_writable()
        if not self._swept:
            self._swept = True
            self._sweep()
        self.check_room(1)
        return FileDraft(self)

    def open(self, sha256: str) -> BinaryIO:
        """A stored picture as a file, from its start. Raises `FileNotFoundError` if it is not
        there.
        """
        for path in self._places(sha256):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                return self._open_file(path)
        raise FileNotFoundError(f"no picture {sha256[:12]}… in {self.path}")

    def delete(self, sha256: str) -> bool:
        """Remove a picture. Returns whether it was there."""
        found = False
        for path in self._places(sha256):
            try:
                path.unlink()
                found = True
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise self.trouble("delete from", error) from error
        return found

    def size(self) -> int:
        """The bytes of all stored pictures."""
        total = 0
        for folder in self._scan(self.path):
            if len(folder.name) == 2 and folder.is_dir(follow_symlinks=False):
                for file in self._scan(Path(folder.path)):
                    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                        total += file.stat(follow_symlinks=False).st_size
        return total

    def check_room(self, more: int) -> None:
        """Raise `StoreError` where `more` bytes would go beyond `max_bytes`."""
        if self.max_bytes is not None and (size := self.size()) + more > self.max_bytes:
            raise StoreError(
                f"the image store {self.path} is full: it holds {size} of "
                f"max_bytes={self.max_bytes}; "
                "delete pictures, or set a larger max_bytes"
            )

    def trouble(self, doing: str, error: OSError) -> StoreError:
        """What to raise for `error`: names the folder and what the system said."""
        return StoreError(f"cannot {doing} the image store {self.path}: {error.strerror or error}")

    def _places(self, sha256: str) -> list[Path]:
        folder = self.path / check_sha256(sha256)[:2]
        return (
            [] if folder.is_symlink() else [folder / f"{sha256}.{suffix}" for suffix in _SUFFIXES]
        )

    def _check_writable(self) -> None:
        folder = self.path
        while not os.path.lexists(folder) and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            raise StoreError(
                f"cannot write to the image store {self.path}: {folder} is not a folder"
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StoreError(
                f"cannot write to the image store {self.path}: {folder} is not writable"
            )

    def _open_file(self, path: Path) -> BinaryIO:
        try:
            descriptor = os.open(path, READ_ONLY)
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError as error:
            if path.is_symlink():
                raise FileNotFoundError(f"{path} is a link, which is not followed") from None
            raise self.trouble("read from", error) from error
        return os.fdopen(descriptor, "rb")

    def _scan(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self.trouble("read", error) from error

    def _sweep(self) -> None:
        """Remove what a process that was killed left behind a day ago or more."""
        for entry in self._scan(self.path):
            if entry.name.endswith(PARTIAL) and entry.is_file(follow_symlinks=False):
                # Another process swept it, or it is not ours: it can wait.
                with contextlib.suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE:
                        Path(entry.path).unlink()


#: How the name of a file that is not a picture yet ends.
PARTIAL = ".part"
READ_ONLY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
#: Below this many bytes, a draft gathers before it hashes and writes: system calls cost more than
#: copies.
_GATHER = 1 << 16


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
    """A temporary file beside the pictures; none is made before `_GATHER` bytes have come, or
    `keep` is called.
    """

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
        self._cleanup: weakref.finalize[..., FileDraft] | None = (
            None  # also where a draft is simply forgotten
        )
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
        # The disk is full: what it has not taken comes from memory.
        with contextlib.suppress(OSError):
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
        return (
            self._store.path
            / sha256[:2]
            / f"{sha256}.{EXTENSIONS.get(sniff(self._head) or '', 'bin')}"
        )

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
        self._store.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor, self._path = tempfile.mkstemp(
            suffix=PARTIAL, prefix=".", dir=self._store.path
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
