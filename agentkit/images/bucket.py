"""The door to object stores: obstore, which is imported when a store is first used, in the words of
a store of pictures. Its errors never leave: they tell of requests, which hold signatures.
"""

from __future__ import annotations

import importlib
import os
import re
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from agentkit._check import refused
from agentkit._files import sync_folder
from agentkit.errors import StoreError, UsageError
from agentkit.images.bucket_errors import Broken, Missing, explained

SCHEMES = ("s3", "gs", "az", "file")
_ACCEPTED = "is s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or file:///FOLDER"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SEGMENT = re.compile(r"[^\x00-\x1f\x7f/\\?#%*\[\]{}^`<>\"|~]+\Z")
_CHUNK = 1 << 18
_LISTED = 1000
"""Objects of one request for a listing: services give no more."""
_OPTIONS: dict[str, Any] = {
    "connect_timeout": timedelta(seconds=5),
    # Of one request, with its picture, which may be 30 MB on a slow line. obstore's own is 30 s.
    "timeout": timedelta(seconds=180),
    # Without a byte; a service that hangs is given up before the whole time is over.
    "read_timeout": timedelta(seconds=60),
}
_RETRIES: dict[str, Any] = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=90),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=5),
        "base": 2,
    },
}
_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before a write whose connection broke is tried again: where every fifth one breaks, one
of a hundred thousand is given up.
"""
_LOOPBACK = re.compile(r"http://(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?(/|\Z)")
_ENDPOINTS = ("endpoint", "endpoint_url", "aws_endpoint", "aws_endpoint_url")
_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def is_url(text: str) -> bool:
    """Whether this is meant as the URL of an object store, be it one that is not known, rather than
    as a folder.
    """
    return _URL.match(text) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object store is. `bucket` is empty for a folder, whose `path` begins with `/`."""

    scheme: str
    bucket: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}{'/' if self.bucket and self.path else ''}{self.path}"

    @classmethod
    def parse(cls, url: object) -> Address:
        """Raises `UsageError`, which shows nothing of a URL that may hold a password."""
        if not isinstance(url, str) or not url.isprintable():
            raise refused("ObjectImageStore({!r})", url, _ACCEPTED)
        try:
            parts = urlsplit(url)
        except ValueError:
            raise refused("ObjectImageStore({!r})", url, _ACCEPTED) from None
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise UsageError(
                f"ObjectImageStore('{parts.scheme}://…'): accepted {_ACCEPTED}; keys, passwords "
                "and options are not in the URL: they come from the environment, or config={…}"
            )
        path = unquote(parts.path)
        if parts.scheme == "file":
            if parts.netloc not in {"", "localhost"} or not path.strip("/") or "\0" in path:
                raise refused("ObjectImageStore({!r})", url, _ACCEPTED)
            return cls("file", "", path)
        segments = [each for each in path.split("/") if each]
        is_clean = all(
            _SEGMENT.match(each) and each not in {".", ".."} for each in (parts.netloc, *segments)
        )
        if parts.scheme not in SCHEMES or ":" in parts.netloc or not is_clean:
            raise refused("ObjectImageStore({!r})", url, _ACCEPTED)
        return cls(parts.scheme, parts.netloc, "/".join(segments))


class _Runtime:
    """The threads of obstore, of which a process has one set. A child of a fork has none, and
    would wait for ever.
    """

    def __init__(self) -> None:
        self._owner: int | None = None

    def enter(self, url: str) -> None:
        """Raise `StoreError` where this process cannot use them."""
        if self._owner is None:
            self._owner = os.getpid()
        elif self._owner != os.getpid():
            raise StoreError(
                f"cannot use the image store {url}: this process was forked from one that had used "
                "an object store; start it by spawn, or use the store after the fork only"
            )


_runtime = _Runtime()


class Bucket:
    """Objects below one prefix. Each method blocks, may be called from any thread, and raises
    `StoreError`.
    """

    def __init__(self, address: Address, config: Mapping[str, Any], credentials: Any) -> None:
        self.address, self.url = address, str(address)
        self._config, self._credentials = dict(config), credentials
        self._retries = _RETRIES
        self._lock = threading.Lock()
        self._store: Any = None

    def put(self, key: str, data: Any, media_type: str | None, *, replace: bool = False) -> bool:
        """Write an object, whole or not at all. False where there is one already.

        obstore repeats no write of which it does not know whether it was carried out. Here it may
        be: it would write the same bytes.
        """
        for pause in _PAUSES:
            try:
                return self._put(key, data, media_type, replace=replace)
            except Broken:
                time.sleep(pause)
        return self._put(key, data, media_type, replace=replace)

    def _put(self, key: str, data: Any, media_type: str | None, *, replace: bool) -> bool:
        is_folder = self.address.scheme == "file"
        is_new = True
        with self._using("write to") as (obstore, store):
            if is_folder:
                self._file(key).parent.mkdir(mode=0o700, exist_ok=True)
            told = {"Content-Type": media_type} if media_type and not is_folder else {}
            mode = "overwrite" if replace else "create"
            try:
                # In one request: parts that were cut off would lie there, and be paid for.
                obstore.put(store, key, data, mode=mode, attributes=told, use_multipart=False)
            except obstore.exceptions.AlreadyExistsError:
                is_new = False
            if is_folder:
                _secure(self._file(key))
        return is_new

    def get(self, key: str) -> Iterator[bytes]:
        """The bytes of an object. Raises `FileNotFoundError` where it is not there.

        obstore goes on with a body that was cut, but not where the service is busy just then: it is
        begun anew here, since under one key there are always the same bytes.
        """
        given = 0
        for pause in (*_PAUSES, None):
            stream = self._stream(key)  # tried several times by obstore, and not anew here
            try:
                for chunk in self._rest(stream, given):
                    given += len(chunk)
                    yield chunk
            except Missing:  # deleted meanwhile
                raise FileNotFoundError(key) from None
            except StoreError:
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                return

    def _stream(self, key: str) -> Iterator[bytes]:
        try:
            with self._using("read from") as (obstore, store):
                stream: Iterator[bytes] = obstore.get(store, key).stream(min_chunk_size=_CHUNK)
        except Missing:
            raise FileNotFoundError(key) from None
        return stream

    def _rest(self, stream: Iterator[bytes], given: int) -> Iterator[bytes]:
        """What comes after so many bytes."""
        while True:
            with self._using("read from"):
                chunk = next(stream, None)
            if chunk is None:
                return
            if given < len(chunk):
                yield chunk[given:] if given else chunk
            given = max(0, given - len(chunk))

    def has(self, key: str) -> bool:
        """Whether an object is there."""
        try:
            with self._using("read from") as (obstore, store):
                obstore.head(store, key)
        except Missing:
            # The head of a reply does not tell a bucket that is missing from an object that is.
            next(self.sizes(), None)
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove an object. It may be gone already."""
        try:
            with self._using("delete from") as (obstore, store):
                obstore.delete(store, key)
        except Missing:
            return

    def sizes(self) -> Iterator[tuple[str, int]]:
        """The key and the size in bytes of each object."""
        try:
            with self._using("list") as (obstore, store):
                pages: Iterator[Any] = iter(obstore.list(store, chunk_size=_LISTED))
            while True:
                with self._using("list"):
                    page = next(pages, None)
                if page is None:
                    return
                for each in page:
                    yield str(each["path"]), int(each["size"])
        except Missing:  # a folder that nobody has made yet
            return

    @contextmanager
    def _using(self, doing: str) -> Generator[tuple[Any, Any]]:
        """The library and its store; what is raised in the block becomes a `StoreError`."""
        obstore = _obstore()
        _runtime.enter(self.url)
        try:
            yield obstore, self._opened(obstore)
        except (StoreError, UsageError, GeneratorExit):
            raise
        except Exception as error:  # noqa: BLE001 - of the user's credential provider, too
            raise explained(self.url, doing, error) from None

    def _opened(self, obstore: Any) -> Any:
        with self._lock:
            if self._store is None:
                self._store = self._made(obstore)
            return self._store

    def _file(self, key: str) -> Path:
        return Path(self.address.path) / key

    def _made(self, obstore: Any) -> Any:
        stores, address = obstore.store, self.address
        if address.scheme == "file":
            Path(address.path).mkdir(mode=0o700, parents=True, exist_ok=True)
            return stores.LocalStore(address.path)
        kinds = {"s3": stores.S3Store, "gs": stores.GCSStore, "az": stores.AzureStore}
        given: dict[str, Any] = {
            "prefix": address.path or None,
            "config": self._config or None,
            "client_options": _OPTIONS | ({"allow_http": True} if self._is_local() else {}),
            "retry_config": self._retries,
        }
        if self._credentials is not None:
            given["credential_provider"] = self._credentials
        try:
            return kinds[address.scheme](address.bucket, **given)
        except obstore.exceptions.UnknownConfigurationKeyError as error:
            named = re.search(r"Configuration key: '([\w.-]{1,60})'", str(error))
            raise UsageError(
                f"ObjectImageStore({self.url!r}, config=…): for {address.scheme}:// there is no "
                f"option {named[1] if named else 'of such a name'!r} in obstore"
            ) from None

    def _is_local(self) -> bool:
        """Whether the service is on this machine, where no TLS is needed."""
        given = [str(self._config[name]) for name in _ENDPOINTS if name in self._config]
        given = given or [os.environ[name] for name in _ENDPOINT_VARIABLES if name in os.environ]
        return bool(given) and _LOOPBACK.match(given[0]) is not None


def _secure(path: Path) -> None:
    """Make a file its owner's alone, and last."""
    path.chmod(0o600)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        # Windows syncs only what is open for writing.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def _obstore() -> Any:
    try:
        library = importlib.import_module("obstore")
        importlib.import_module("obstore.exceptions")
        importlib.import_module("obstore.store")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "obstore":
            raise
        raise UsageError(
            "pictures in object stores need one more package: "
            "pip install 'agentkit-openrouter[stores]'"
        ) from None
    return library
