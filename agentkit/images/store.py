"""Where pictures are kept: content-addressed, written whole or not at all.

A store hands out drafts. Bytes go into a draft as they arrive; `keep` makes them a stored picture,
named by their own sha256, and `discard` leaves no trace. A store of one's own (a bucket, a
database) implements `ImageStore`: four methods.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from agentkit._check import check_number, refused
from agentkit._log import logger
from agentkit.errors import StoreError, UsageError
from agentkit.images.checked_files import CheckedFiles, DamagedFile
from agentkit.images.file_draft import PARTIAL, FileDraft, folder_error
from agentkit.images.folder_size import FolderSize
from agentkit.values import Blobs
from agentkit.values.image_header import EXTENSIONS

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SUFFIXES = (*EXTENSIONS.values(), "bin")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_STALE = 24 * 3600.0
_CHUNK = 1 << 16


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


class ImageStore(Blobs, Protocol):
    """Where pictures are kept, by the sha256 of their bytes."""

    def create(self) -> Draft:
        """A new, empty draft. Raises `StoreError` where it is known already that nothing can be
        written.
        """
        ...

    def open(self, sha256: str) -> BinaryIO:
        """A stored picture, from its start. Raises `FileNotFoundError` where it is not there."""
        ...

    def delete(self, sha256: str) -> bool:
        """Remove a picture; False where it was not there."""
        ...

    def size(self) -> int:
        """The bytes of all stored pictures."""
        ...


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
    if isinstance(given, str) and _URL.match(given):
        raise refused(
            "FileImageStore({!r})", given, "is the path of a folder; for a URL: ObjectImageStore"
        )
    if isinstance(given, str) and "\0" not in given:
        with contextlib.suppress(RuntimeError):  # there is no such user
            return Path(given).expanduser().absolute()
    raise refused("FileImageStore({!r})", cast("object", path), "is the path of a folder")


def _on_event_loop() -> bool:
    """Whether the caller would stop an event loop by waiting."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


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
        data = self._shelf.get(check_sha256(sha256))
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            raise FileNotFoundError(f"no picture {sha256[:12]}… in this store")
        return BytesIO(data)

    def delete(self, sha256: str) -> bool:
        """Remove a picture. Returns whether it was there."""
        return self._shelf.pop(check_sha256(sha256), None) is not None

    def size(self) -> int:
        """The bytes of all stored pictures."""
        return sum(map(len, list(self._shelf.values())))


class MemoryDraft:
    """A draft in memory. `keep` puts its bytes on the `shelf`."""

    def __init__(self, shelf: dict[str, bytes]) -> None:
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
        if not self._open:
            raise StoreError("this draft was kept or discarded: it cannot be kept")
        self._open = False
        self._shelf[self.sha256] = bytes(self._data)
        self._data.clear()
        return self.sha256

    def discard(self) -> None:
        self._open = False
        self._data.clear()


class FileImageStore:
    """Pictures as files: `FOLDER/ab/abcdef….png`, not encrypted, readable by their owner alone.

    `path` is the folder; by default `AGENTKIT_STORE`, else `agentkit/images` in the user's data
    folder; what earlier versions put into the user's cache folder is found there still. It is made
    when the first picture is written. Several processes may share it.

    `max_bytes` bounds the whole store: a picture beyond it is refused, and none is pushed out.
    Processes that share the folder may pass it by what they write within ten seconds.

    A picture is read only where its digest is its name. What was damaged is not there, until the
    same picture arrives again.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, max_bytes: int | None = None
    ) -> None:
        if max_bytes is not None:
            check_number(
                "FileImageStore(max_bytes={!r})",
                max_bytes,
                whole=True,
                least=1,
                unit="bytes",
                also=", or None for no bound",
            )
        if path is None:
            path = os.environ.get("AGENTKIT_STORE") or None
        self._former: Path | None = None  # where the pictures of earlier versions are
        if path is None:
            import platformdirs

            path = platformdirs.user_data_path("agentkit") / "images"
            self._former = platformdirs.user_cache_path("agentkit") / "images"
        self.path = _folder(path)
        self.max_bytes = max_bytes
        self._files = CheckedFiles()
        self._size = FolderSize(self.path, self._scan)
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
        """A new, empty draft. Raises `StoreError` if the folder cannot be written or is full.

        An event loop does not wait until the pictures of a large, bounded store have been counted:
        where nobody has counted them yet, `keep` does it, or `check_room` before.
        """
        self._check_writable()
        if not self._swept:
            self._swept = True
            self._sweep()
        if self.max_bytes is not None:
            total = self._size.known
            if total is None and not _on_event_loop():
                total = self._size.recent()
            self._check_bound(total or 0, 1)
        return FileDraft(self.path, self._files, self._adding)

    def open(self, sha256: str) -> BinaryIO:
        """A stored picture as a file, from its start. Raises `FileNotFoundError` if it is not
        there, or what is there is damaged.

        The digest is checked once, and again when the file has changed.
        """
        damaged: DamagedFile | None = None
        for path in self._places(sha256):
            try:
                return self._open_file(path, sha256)
            except DamagedFile as error:
                damaged = error
                logger().warning("picture_damaged", path=str(path))
            except (FileNotFoundError, NotADirectoryError):
                continue
        raise damaged or FileNotFoundError(f"no picture {sha256[:12]}… in {self.path}")

    def is_unchanged(self, sha256: str) -> bool:
        """Whether a picture that was read before is there still, whole: it is not opened for that.
        False where it was not read yet.
        """
        return self._files.is_unchanged(check_sha256(sha256))

    def delete(self, sha256: str) -> bool:
        """Remove a picture. Returns whether it was there."""
        found = False
        for path in self._places(sha256):
            try:
                size = path.lstat().st_size
                path.unlink()
                found = True
                if path.is_relative_to(self.path):
                    self._size.add(-size)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise folder_error(self.path, "delete from", error) from error
        return found

    def path_of(self, sha256: str) -> Path | None:
        """The file of a picture; None where it is not there. Whether the file is whole, only `open`
        says.
        """
        places = self._places(sha256)
        return next((path for path in places if path.is_file() and not path.is_symlink()), None)

    def size(self) -> int:
        """The bytes of all stored pictures, but those of earlier versions in the cache folder."""
        return self._size.count()

    def check_room(self, more: int) -> None:
        """Raise `StoreError` where the disk has no room for `more` bytes, or they would go beyond
        `max_bytes`. May take a second the first time: not for event loops.
        """
        self._check_writable()
        if self.max_bytes is not None:
            self._check_bound(self._size.recent(), more)
        try:
            free = shutil.disk_usage(self._existing()).free
        except OSError as error:
            raise folder_error(self.path, "write to", error) from error
        if free < more:
            raise StoreError(
                f"cannot write to the image store {self.path}: its disk has {free} bytes left, "
                f"and {more} are wanted for pictures"
            )

    def _check_bound(self, total: int, more: int) -> None:
        if self.max_bytes is not None and total + more > self.max_bytes:
            raise StoreError(
                f"the image store {self.path} is full: it holds {total} of "
                f"max_bytes={self.max_bytes}; "
                "delete pictures, or set a larger max_bytes"
            )

    def _adding(self, size: int) -> AbstractContextManager[None]:
        """The block in which a picture is added."""
        return (
            nullcontext() if self.max_bytes is None else self._size.adding(size, self._check_bound)
        )

    def _places(self, sha256: str) -> Iterator[Path]:
        """Where it may be. Most pictures are at the first of them: the others are not made up."""
        check_sha256(sha256)
        for each in (self.path, self._former):
            if each is not None and not (folder := each / sha256[:2]).is_symlink():
                for suffix in _SUFFIXES:
                    yield folder / f"{sha256}.{suffix}"

    def _existing(self) -> Path:
        """The folder, or the nearest one above it that is there."""
        folder = self.path
        while not os.path.lexists(folder) and folder != folder.parent:
            folder = folder.parent
        return folder

    def _check_writable(self) -> None:
        folder = self._existing()
        if not folder.is_dir():
            raise StoreError(
                f"cannot write to the image store {self.path}: {folder} is not a folder"
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StoreError(
                f"cannot write to the image store {self.path}: {folder} is not writable"
            )

    def _open_file(self, path: Path, sha256: str) -> BinaryIO:
        try:
            return self._files.open(path, sha256)
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError as error:
            if path.is_symlink():
                raise FileNotFoundError(f"{path} is a link, which is not followed") from None
            raise folder_error(self.path, "read from", error) from error

    def _scan(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise folder_error(self.path, "read", error) from error

    def recover(self, sha256: str) -> bool:
        """Keep a picture that a process which died had written and not kept yet. Returns whether
        there was one.
        """
        for entry in self._scan(self.path):
            if not entry.name.endswith(PARTIAL) or not entry.is_file(follow_symlinks=False):
                continue
            draft = self.create()
            try:
                with contextlib.suppress(FileNotFoundError), Path(entry.path).open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        draft.write(chunk)
                if draft.sha256 == check_sha256(sha256):
                    return draft.keep() == sha256
            finally:
                draft.discard()
        return False

    def _sweep(self) -> None:
        """Remove what a process that was killed left behind a day ago or more."""
        for entry in self._scan(self.path):
            if entry.name.endswith(PARTIAL) and entry.is_file(follow_symlinks=False):
                # Another process swept it, or it is not ours: it can wait.
                with contextlib.suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE:
                        Path(entry.path).unlink()
