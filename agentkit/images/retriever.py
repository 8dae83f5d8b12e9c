"""Puts the values that stand for pictures in one reply into the store, each of them once.

A value is a URL, short base64, or a reference that the spool left in place of longer base64.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from agentkit._log import logger
from agentkit._sync import in_background
from agentkit.errors import ImageError, StoreError
from agentkit.images.drafts import recovered
from agentkit.images.fetch import Arrived, Fetcher
from agentkit.images.inspect import BrokenImage, Stored, inspect_stored, store_bytes
from agentkit.images.spool import Spool, too_many_bytes
from agentkit.images.store import ImageStore
from agentkit.values.blobs import opened
from agentkit.wire.base64text import decode_base64
from agentkit.wire.shapes import is_url
from agentkit.wire.types import CONTAINER_FILE

MOST_AT_ONCE = 8
"""Pictures of one reply that are fetched at the same time."""
TOO_LATE = "not fetched: the run ended before its download did, FetchPolicy(grace=…) included"
"""Why a picture is not there whose run was over."""


Files = Callable[[str, str, Callable[[bytes], None]], Awaitable[None]]
"""Reads a file in the container of a server tool, by the ids of both, and hands its bytes on."""


def is_remote(value: str) -> bool:
    """Whether bytes have to be fetched for it."""
    return is_url(value) or value.startswith(CONTAINER_FILE)


class Downloads(Protocol):
    """What was downloaded for a reply, which may be read again when its URLs have died."""

    def known(self, url: str) -> str | None:
        """The sha256 of the picture that was behind this URL; None where that is not known."""
        ...

    def keep(self, url: str, sha256: str) -> None:
        """Remember a picture that has arrived and is about to be stored. Called in a thread."""
        ...


def too_many(most: int) -> str:
    """Why a picture beyond so many is not kept."""
    return (
        f"the reply has more than {most} pictures: those beyond are not kept; "
        "FetchPolicy(most_pictures=…) keeps more"
    )


class Retriever:
    """The values of one reply, and what became of each. `in` tells whether one was started."""

    def __init__(
        self,
        spool: Spool,
        store: ImageStore,
        fetcher: Fetcher,
        files: Files | None = None,
        downloads: Downloads | None = None,
    ) -> None:
        self._files = files
        self._known_downloads = downloads
        self._spool = spool
        self._store = store
        self._fetcher = fetcher
        self._tasks: dict[str, asyncio.Task[Stored]] = {}
        self._gate = asyncio.Semaphore(MOST_AT_ONCE)
        self._downloads = 0
        self._downloaded_bytes = 0
        self._is_abandoned = False

    def __contains__(self, value: str) -> bool:
        return value in self._tasks

    def start(self, value: str) -> asyncio.Task[Stored]:
        """The task that stores the value; it is begun at the first call."""
        if value not in self._tasks:
            self._tasks[value] = in_background(self._store_value(value))
        return self._tasks[value]

    def stored(self, value: str) -> Stored | None:
        """The picture of a value; None if it failed, or is not stored yet."""
        task = self._tasks.get(value)
        if task is None or not task.done() or task.cancelled():
            return None
        return task.result() if task.exception() is None else None

    async def get(self, value: str) -> Stored:
        """The picture of a value, once it is stored. Raises `ImageError` and `StoreError`."""
        task = self.start(value)
        if not task.done():
            await asyncio.wait([task])
        if task.cancelled():
            raise ImageError(TOO_LATE)
        return task.result()

    def forget_cancelled(self) -> None:
        """Let what was cancelled be started again."""
        for value, task in list(self._tasks.items()):
            if task.cancelled() or task.cancelling():
                del self._tasks[value]

    def is_downloading(self, value: str) -> bool:
        """Whether bytes of this value are still to come from elsewhere."""
        task = self._tasks.get(value)
        return is_remote(value) and task is not None and not task.done()

    def abandon(self) -> None:
        """Stop the downloads; those that have not ended fail. No other work waits for a network."""
        self._is_abandoned = True
        for value, task in self._tasks.items():
            if is_remote(value):
                task.cancel()

    async def close(self) -> None:
        """Stop whatever still goes on, and wait until it has stopped."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def leftover(self, value: str, error: ImageError | StoreError) -> bytes | None:
        """Bytes that the store would not take, because the disk is full say."""
        blob = self._spool.blobs.get(value)
        try:
            if blob is not None:
                return blob.take()
            if isinstance(error, StoreError) and not is_remote(value):
                return decode_base64(value)
        except ImageError:
            return None
        return error.data if isinstance(error, BrokenImage) else None

    async def _store_value(self, value: str) -> Stored:
        blob = self._spool.blobs.get(value)
        if blob is not None:
            return await asyncio.to_thread(blob.keep)
        if is_remote(value):
            return await self._downloaded(value)
        return await asyncio.to_thread(self._store_base64, value)

    def _store_base64(self, value: str) -> Stored:
        return store_bytes(self._store, decode_base64(value))

    async def _downloaded(self, url: str) -> Stored:
        """The picture behind a URL: the one that was there before, if it was downloaded once."""
        downloads = self._known_downloads
        if downloads is None:
            return await self._download(url, None)
        if (sha256 := downloads.known(url)) is not None:
            try:
                return await asyncio.to_thread(self._found, sha256)
            except FileNotFoundError:
                logger().warning("download_repeated", sha256=sha256)
        return await self._download(url, partial(downloads.keep, url))

    def _found(self, sha256: str) -> Stored:
        """A picture that was downloaded before. Raises `FileNotFoundError` if it is not there."""
        try:
            opened(self._store, sha256).close()
        except FileNotFoundError:
            if not recovered(self._store, sha256):
                raise
        return inspect_stored(self._store, sha256, max_pixels=self._fetcher.policy.max_pixels)

    async def _download(self, url: str, arrived: Arrived | None) -> Stored:
        if self._is_abandoned:
            raise ImageError(TOO_LATE)
        most = self._spool.max_total_bytes
        async with self._gate:
            if self._downloaded_bytes > most:
                raise ImageError(too_many_bytes(most))
            if self._downloads >= self._fetcher.policy.most_pictures:
                raise ImageError(too_many(self._fetcher.policy.most_pictures))
            self._downloads += 1
            if is_url(url):
                stored = await self._fetcher.fetch(url, arrived)
            else:
                stored = await self._take_file(url, arrived)
            self._downloaded_bytes += stored.size
            return stored

    async def _take_file(self, value: str, arrived: Arrived | None) -> Stored:
        """A picture that a server tool left in its container."""
        files = self._files
        if files is None:
            raise ImageError("files of containers are not fetched here")
        container, _, file = value.removeprefix(CONTAINER_FILE).partition("/")
        return await self._fetcher.take(lambda take: files(container, file, take), arrived)
