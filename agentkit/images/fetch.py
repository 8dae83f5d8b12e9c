"""Pictures behind URLs, fetched into a store: which may be, how often it is tried, and how long."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, cast

from agentkit.errors import APIError, ImageError, NotRecorded, RunError, StoreError
from agentkit.images.addresses import Target
from agentkit.images.connections import PictureConnections
from agentkit.images.download import Downloader
from agentkit.images.drafts import SafeDraft
from agentkit.images.fetch_policy import FetchPolicy
from agentkit.images.inspect import BrokenImage, Stored, inspect_stored
from agentkit.images.resolve import Resolve, TemporaryFailure, resolve_name
from agentkit.images.route import Routes
from agentkit.images.store import ImageStore
from agentkit.network.tls import Tls
from agentkit.values.blobs import storing

if TYPE_CHECKING:
    import httpx2
    from tenacity import AsyncRetrying, RetryCallState

_IMAGE_PATH = re.compile(r"\.(?:png|jpe?g|webp|gif|avif|hei[cf]|bmp|tiff?|svg)\Z", re.IGNORECASE)


@lru_cache(maxsize=64)
def _origin_of(url: str) -> tuple[str, str, int]:
    """A fetcher is made for each run, but `base_url` is hardly ever another."""
    return Target.parse(url).origin


Reading = Callable[[Callable[[bytes], None]], Awaitable[None]]
"""Hands on the bytes of one picture as they arrive."""
Arrived = Callable[[str], None]


def _may_pass(status: int | None) -> bool:
    return status is None or status >= 500 or status in {408, 425, 429}


class Fetcher:
    """Fetches pictures into a store. `origin`, the `scheme://host:port` of `base_url`, is trusted
    wherever it lies. `tls` has the client's certificates.

    `resolve` gives the addresses of a host name and port; `transport` carries the requests, which
    name checked addresses in their URLs. `connections` keeps connections between two pictures;
    without it, each picture has its own. One fetcher serves many tasks, and any event loop.
    """

    def __init__(
        self,
        policy: FetchPolicy,
        store: ImageStore,
        *,
        origin: str | None = None,
        tls: Tls | None = None,
        resolve: Resolve | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        connections: PictureConnections | None = None,
    ) -> None:
        self.policy = policy
        self._store = store
        self._origin = None if origin is None else _origin_of(origin)
        self._transport = transport
        routes = Routes(policy, self._origin, resolve or resolve_name, tls)
        kept = PictureConnections(0) if connections is None else connections
        self._downloader = Downloader(policy, store, routes, transport, kept)

    def in_prose(self, url: str, *, bare: bool) -> bool:
        """May a URL that was found in prose be fetched? One that is `bare` (a link, no Markdown
        image) only if it looks like a picture's."""
        try:
            target = Target.parse(url)
        except ImageError:
            return False
        if target.origin != self._origin and not self.policy.allows(target.host):
            return False
        return (
            not bare
            or target.host.startswith("images.")
            or _IMAGE_PATH.search(target.path) is not None
        )

    async def fetch(self, url: str, arrived: Arrived | None = None) -> Stored:
        """The picture at `url`, in the store. Once its bytes are there, and before they are kept,
        `arrived` is told its sha256, in a thread. Raises `ImageError` with the reason in one line;
        where bytes did arrive that are no whole picture, it is a `BrokenImage` that says where they
        are."""
        target = Target.parse(url)
        try:
            async with asyncio.timeout(self.policy.seconds) as deadline:
                retrying = self._retrying(deadline.when() or 0.0)
                draft = cast("SafeDraft", await retrying(self._downloader.download, target))
        except TimeoutError:
            raise ImageError(f"it took longer than {self.policy.seconds:g} s") from None
        # From here on the thread owns the draft: cancelled or not, it is kept whole or leaves no
        # trace.
        return await asyncio.to_thread(self._keep, draft, arrived)

    async def fetch_file(self, url: str) -> str:
        """The sha256 of the file at `url`, whatever it is, in the store. Raises `ImageError` with
        the reason in one line, and `StoreError`.
        """
        target = Target.parse(url)
        try:
            async with asyncio.timeout(self.policy.seconds) as deadline:
                retrying = self._retrying(deadline.when() or 0.0)
                download = partial(self._downloader.download, any_kind=True)
                draft = cast("SafeDraft", await retrying(download, target))
        except TimeoutError:
            raise ImageError(f"it took longer than {self.policy.seconds:g} s") from None
        return await asyncio.to_thread(_kept, draft)

    async def take(self, read: Reading, arrived: Arrived | None = None) -> Stored:
        """The picture that `read` hands on, in the store. It is called again if it fails and may
        succeed. Raises as `fetch` does.
        """
        try:
            async with asyncio.timeout(self.policy.seconds) as deadline:
                retrying = self._retrying(deadline.when() or 0.0)
                draft = cast("SafeDraft", await retrying(self._read, read))
        except TimeoutError:
            raise ImageError(f"it took longer than {self.policy.seconds:g} s") from None
        return await asyncio.to_thread(self._keep, draft, arrived)

    async def take_file(self, read: Reading) -> str:
        """The sha256 of the file that `read` hands on, whatever it is, in the store. Raises as
        `fetch_file` does.
        """
        try:
            async with asyncio.timeout(self.policy.seconds) as deadline:
                retrying = self._retrying(deadline.when() or 0.0)
                draft = cast("SafeDraft", await retrying(self._read, read))
        except TimeoutError:
            raise ImageError(f"it took longer than {self.policy.seconds:g} s") from None
        return await asyncio.to_thread(_kept, draft)

    async def _read(self, read: Reading) -> SafeDraft:
        draft = SafeDraft(self._store)

        def take(chunk: bytes) -> None:
            if draft.size + len(chunk) > self.policy.max_bytes:
                raise ImageError(f"too large: more than {self.policy.max_bytes} bytes")
            draft.write(chunk)

        try:
            await read(take)
        except RunError as error:
            draft.discard()
            may_pass = not isinstance(error, NotRecorded)
            if isinstance(error, APIError):
                may_pass = _may_pass(error.status)
            raise (TemporaryFailure if may_pass else ImageError)(str(error)[:200]) from None
        except BaseException:
            draft.discard()
            raise
        return draft

    async def close(self) -> None:
        """Close the transport that was given. A fetcher holds nothing else between two pictures."""
        if self._transport is not None:
            await self._transport.aclose()

    def _retrying(self, deadline: float) -> AsyncRetrying:
        """Attempts with a random pause, or with the one that the server asks for, if it ends before
        the `deadline`.
        """
        import tenacity

        loop = asyncio.get_running_loop()
        pause = tenacity.wait_random_exponential(multiplier=0.2, max=3)

        def asked(state: RetryCallState) -> float | None:
            error = state.outcome.exception() if state.outcome is not None else None
            return error.after if isinstance(error, TemporaryFailure) else None

        def again(error: BaseException) -> bool:
            return (
                isinstance(error, TemporaryFailure)
                and loop.time() + (error.after or 0.0) < deadline
            )

        return tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self.policy.attempts),
            wait=lambda state: pause(state) if (given := asked(state)) is None else given,
            retry=tenacity.retry_if_exception(again),
            reraise=True,
        )

    def _keep(self, draft: SafeDraft, arrived: Arrived | None) -> Stored:
        try:
            try:
                if arrived is not None:
                    arrived(draft.sha256)
                sha256 = draft.keep()
            except StoreError as error:
                with storing("read from"), draft.read_back() as file:
                    raise BrokenImage(str(error), data=file.read()) from None
            return inspect_stored(self._store, sha256, max_pixels=self.policy.max_pixels)
        finally:
            draft.discard()


def _kept(draft: SafeDraft) -> str:
    try:
        return draft.keep()
    finally:
        draft.discard()
