"""Pictures in an object store: S3, Google Cloud Storage, Azure, or a folder in the same form."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from agentkit._check import refused
from agentkit._log import logger
from agentkit.errors import StoreError
from agentkit.images.bucket import Address, Bucket
from agentkit.images.checked_files import DamagedFile
from agentkit.images.file_draft import folder_error
from agentkit.images.local_copies import LocalCopies
from agentkit.images.store import Draft, FileImageStore, check_sha256
from agentkit.values.image_header import HEAD, sniff

_KEY = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}\Z")
_PROBE = "agentkit-check"
_PROBED = b"agentkit keeps pictures here, and has looked whether it may.\n"
_FRESH_SECONDS = 60.0
"""How long the store is taken to be as it was found."""


class ObjectImageStore:
    """Pictures in an object store, which any number of machines share: objects
    `PREFIX/ab/abcdef…`, named by the sha256 of their bytes.

    `url` is `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, or
    `file:///folder`. It needs the extra `stores`; credentials come from the environment, as obstore
    reads it (`AWS_ACCESS_KEY_ID`, `GOOGLE_SERVICE_ACCOUNT`, `AZURE_STORAGE_ACCOUNT_NAME`, …), from
    `config`, a mapping of obstore's options (`{"endpoint": …, "region": …}`), or from
    `credentials`, one of its credential providers. None of them is ever shown.

    A picture arrives in a file in the folder `spool` (by default in the user's cache folder) and is
    put into the store in one request, only where it is not there yet. What is read is fetched as a
    whole into a file without a name, and given out if its digest is right; for a minute it is not
    fetched again. Memory does not grow with the picture.

    Nothing is asked of the service before the store is first used: `check()` asks at once.
    """

    def __init__(
        self,
        url: str,
        *,
        config: Mapping[str, Any] | None = None,
        credentials: Any = None,
        spool: str | os.PathLike[str] | None = None,
    ) -> None:
        address = Address.parse(url)
        if config is not None and not isinstance(config, Mapping):
            accepted = "is a mapping of obstore's options, or None"
            raise refused("ObjectImageStore(config=…)", config, accepted)
        self.url = str(address)
        self._endpoint = str((config or {}).get("endpoint", ""))
        self._bucket = Bucket(address, config or {}, credentials)
        self._spool = _Spool(_default_spool() if spool is None else spool, self)
        self._copies = LocalCopies()
        self._found_at = -_FRESH_SECONDS

    def __repr__(self) -> str:
        return f"ObjectImageStore({self.url!r})"

    def __eq__(self, other: object) -> bool:
        """Two are equal that keep their pictures in one place: a picture of one need not be copied
        into the other.
        """
        if not isinstance(other, ObjectImageStore):
            return NotImplemented
        return (self.url, self._endpoint) == (other.url, other._endpoint)

    def __hash__(self) -> int:
        return hash((self.url, self._endpoint))

    def create(self) -> Draft:
        """A new, empty draft. Raises `StoreError` if the folder `spool` cannot be written. The
        service is asked when the draft is kept.
        """
        return self._spool.create()

    def open(self, sha256: str) -> BinaryIO:
        """A stored picture as a file, from its start. Raises `FileNotFoundError` if it is not
        there, or what is there is damaged, and `StoreError`. Blocks until all of it is here.
        """
        key = _key(sha256)
        copy = self._copies.open(sha256)
        if copy is not None:
            return copy
        file = self._spool.unnamed()
        try:
            size = self._fetch(key, file, sha256)
            self._copies.add(sha256, file, size)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def url_of(self, sha256: str) -> str:
        """The URL of a picture, which only those with rights to the bucket can read. Whether it is
        there, only `open` says.
        """
        return f"{self.url}/{_key(sha256)}"

    def delete(self, sha256: str) -> bool:
        """Remove a picture. Returns whether it was there. Raises `StoreError`."""
        key = _key(sha256)
        self._copies.drop(sha256)
        if not self._bucket.has(key):  # a service deletes what is not there without a word
            return False
        self._bucket.delete(key)
        return True

    def size(self) -> int:
        """The bytes of all stored pictures: lists them all, one request for each thousand. Raises
        `StoreError`.
        """
        return sum(size for key, size in self._bucket.sizes() if _KEY.match(key))

    def check(self) -> None:
        """Raise `StoreError` where pictures cannot be written, read or listed, with what to do:
        a bucket that is missing, credentials that are wrong, rights that are not there. Writes an
        object `agentkit-check` of a few bytes. Blocks.
        """
        self._bucket.put(_PROBE, _PROBED, "text/plain", replace=True)
        if b"".join(self._bucket.get(_PROBE)) != _PROBED:
            raise StoreError(
                f"the image store {self.url} gives back other bytes than were written to it"
            )
        next(self._bucket.sizes(), None)
        self._found_at = time.monotonic()

    def check_room(self, more: int) -> None:
        """Raise `StoreError` where the disk of the spool has no room for `more` bytes, or, looked
        at once a minute, as `check` does. Blocks.
        """
        self._spool.check_room(more)
        if time.monotonic() - self._found_at > _FRESH_SECONDS:
            self.check()

    def recover(self, sha256: str) -> bool:
        """Keep a picture that a process of this machine which died had spooled and not kept yet.
        Returns whether there was one.
        """
        return self._spool.recover(sha256)

    def put(self, spooled: Draft) -> None:
        """Put a picture into the store, unless it is there. For the drafts of `create`."""
        sha256 = spooled.sha256
        key = _key(sha256)
        with spooled.read_back() as file:
            media_type = sniff(file.read(HEAD))
            if not self._bucket.put(key, _whole(file, spooled.size), media_type):
                self._mend(key, sha256, file, spooled.size)
            self._copies.add(sha256, file, spooled.size)
        self._found_at = time.monotonic()

    def _mend(self, key: str, sha256: str, file: BinaryIO, size: int) -> None:
        """Write anew what is there under this name and is another thing: it was damaged."""
        try:
            for _ in self._checked(key, sha256):
                continue
        except FileNotFoundError:
            self._bucket.put(key, _whole(file, size), None, replace=True)

    def _fetch(self, key: str, file: BinaryIO, sha256: str) -> int:
        size = 0
        for chunk in self._checked(key, sha256):
            try:
                file.write(chunk)
            except OSError as error:
                raise folder_error(self._spool.path, "write to the spool of", error) from error
            size += len(chunk)
        return size

    def _checked(self, key: str, sha256: str) -> Iterator[bytes]:
        """The bytes of a picture. Raises `FileNotFoundError` where it is not there, and at the end
        where those were not its bytes.
        """
        digest = hashlib.sha256()
        try:
            for chunk in self._bucket.get(key):
                digest.update(chunk)
                yield chunk
        except FileNotFoundError:
            raise FileNotFoundError(f"no picture {sha256[:12]}… in {self.url}") from None
        if digest.hexdigest() != sha256:
            logger().warning("picture_damaged", path=f"{self.url}/{key}")
            raise DamagedFile(f"{self.url}/{key} is damaged: its bytes are not those of its name")


class Shelf(Protocol):
    """Where the pictures of a spool are kept."""

    def put(self, spooled: Draft) -> None:
        """Keep a picture, whole or not at all. Raises `StoreError`."""
        ...

    def open(self, sha256: str) -> BinaryIO:
        """A picture that is kept, from its start."""
        ...


class _Spool(FileImageStore):
    """The folder through which pictures arrive. Nothing is kept there: `keep` takes them away."""

    def __init__(self, path: str | os.PathLike[str], shelf: Shelf) -> None:
        super().__init__(path)
        self._shelf = shelf

    def create(self) -> Draft:
        return ObjectDraft(super().create(), self._shelf)

    def unnamed(self) -> BinaryIO:
        """A new file without a name, which its owner alone can read, and which is gone when it is
        closed. Raises `StoreError`.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cast("BinaryIO", tempfile.TemporaryFile(dir=self.path))
        except OSError as error:
            raise folder_error(self.path, "write to the spool of", error) from error


class ObjectDraft:
    """A picture in the spool. Where the shelf does not take it, `read_back` still works, and `keep`
    may be called again.
    """

    def __init__(self, spooled: Draft, shelf: Shelf) -> None:
        self._spooled, self._shelf = spooled, shelf
        self._is_kept = False
        self._lock = threading.Lock()  # a discard from another thread waits for a keep

    @property
    def size(self) -> int:
        return self._spooled.size

    @property
    def sha256(self) -> str:
        return self._spooled.sha256

    def write(self, data: bytes | memoryview) -> None:
        self._spooled.write(data)

    def read_back(self) -> BinaryIO:
        if self._is_kept:
            return self._shelf.open(self.sha256)
        return self._spooled.read_back()

    def keep(self) -> str:
        with self._lock:
            if not self._is_kept:
                self._shelf.put(self._spooled)
                self._is_kept = True
                self._spooled.discard()
            return self._spooled.sha256

    def discard(self) -> None:
        with self._lock:
            self._spooled.discard()


def _key(sha256: str) -> str:
    return f"{check_sha256(sha256)[:2]}/{sha256}"


def _whole(file: BinaryIO, size: int) -> mmap.mmap | bytes:
    """The bytes of a spooled picture: those of a file stay on the disk."""
    if isinstance(file, BytesIO) or size == 0:
        return file.getvalue() if isinstance(file, BytesIO) else b""
    return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)


def _default_spool() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("agentkit") / "spool"
