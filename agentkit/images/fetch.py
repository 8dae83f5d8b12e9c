"""Pictures behind URLs, fetched as if every URL came from an enemy, since the text around it may
have.

The name is resolved here, every address that it has is checked, and the connection goes to a
checked address with the name in `Host` and in the TLS handshake: a DNS that changes its answer
changes nothing. Redirects are followed by hand, each checked anew. No environment proxy, no cookie,
no key is ever used, and no connection is used twice.
"""

from __future__ import annotations

import asyncio
import re
import socket
import zlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from agentkit._check import argument, check_kind, check_number, check_pattern, refused
from agentkit._tls import trusted
from agentkit.errors import ImageError, StoreError, UsageError
from agentkit.images.addresses import Address, Target, may_connect, read_address
from agentkit.images.drafts import SafeDraft
from agentkit.images.inspect import BrokenImage, Stored, inspect_stored
from agentkit.images.store import ImageStore
from agentkit.values.blobs import storing
from agentkit.values.image_header import HEAD, MAX_PIXELS, describe, sniff
from agentkit.wire.headers import retry_after

if TYPE_CHECKING:
    import httpx2
    from tenacity import AsyncRetrying, RetryCallState

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_IMAGE_PATH = re.compile(r"\.(?:png|jpe?g|webp|gif|avif|bmp|tiff?|svg)\Z", re.IGNORECASE)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({408, 425, 429})
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 30.0
_INFLATED = 1 << 16


class _TryAgain(ImageError):
    """It failed in a way that may pass, `after` so many seconds, where the server said so."""

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


@lru_cache(maxsize=64)
def _origin_of(url: str) -> tuple[str, str, int]:
    """A fetcher is made for each run, but `base_url` is hardly ever another."""
    return Target.parse(url).origin


class Fetcher:
    """Fetches pictures into a store. `origin`, the `scheme://host:port` of `base_url`, is trusted
    wherever it lies.

    `resolve` gives the addresses of a host name and port; `transport` carries the requests, which
    name checked addresses in their URLs. One fetcher serves many tasks, and any event loop.
    """

    def __init__(
        self,
        policy: FetchPolicy,
        store: ImageStore,
        *,
        origin: str | None = None,
        resolve: Resolve | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.policy = policy
        self._store = store
        self._origin = None if origin is None else _origin_of(origin)
        self._resolve = resolve or _resolve
        self._transport = transport

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

    async def fetch(self, url: str) -> Stored:
        """The picture at `url`, in the store. Raises `ImageError` with the reason in one line;
        where bytes did arrive that are no whole picture, it is a `BrokenImage` that says where they
        are."""
        target = Target.parse(url)
        try:
            async with asyncio.timeout(self.policy.seconds) as deadline:
                draft = cast(
                    "SafeDraft",
                    await self._retrying(deadline.when() or 0.0)(self._download, target),
                )
        except TimeoutError:
            raise ImageError(f"it took longer than {self.policy.seconds:g} s") from None
        # From here on the thread owns the draft: cancelled or not, it is kept whole or leaves no
        # trace.
        return await asyncio.to_thread(self._keep, draft)

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
            return error.after if isinstance(error, _TryAgain) else None

        def again(error: BaseException) -> bool:
            return isinstance(error, _TryAgain) and loop.time() + (error.after or 0.0) < deadline

        return tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self.policy.attempts),
            wait=lambda state: pause(state) if (given := asked(state)) is None else given,
            retry=tenacity.retry_if_exception(again),
            reraise=True,
        )

    def _keep(self, draft: SafeDraft) -> Stored:
        try:
            try:
                sha256 = draft.keep()
            except StoreError as error:
                with storing("read from"), draft.read_back() as file:
                    raise BrokenImage(str(error), data=file.read()) from None
            return inspect_stored(self._store, sha256, max_pixels=self.policy.max_pixels)
        finally:
            draft.discard()

    async def _download(self, target: Target) -> SafeDraft:
        import httpx2

        async with self._carrier() as transport:
            try:
                for _ in range(self.policy.redirects + 1):
                    found = await self._get(transport, target)
                    if isinstance(found, SafeDraft):
                        return found
                    target = found
            except httpx2.TimeoutException:
                raise _TryAgain("timed out") from None
            except httpx2.InvalidURL:
                raise ImageError("not fetched: this is no URL") from None
            except httpx2.RemoteProtocolError as error:
                raise _TryAgain(f"the connection broke ({error})"[:200]) from None
            except httpx2.TransportError as error:
                raise _TryAgain(f"no connection ({error or type(error).__name__})"[:200]) from None
        raise ImageError(f"more than {self.policy.redirects} redirects")

    @asynccontextmanager
    async def _carrier(self) -> AsyncGenerator[httpx2.AsyncBaseTransport]:
        """The transport. Without one of the user's, a new one for each picture: a pooled connection
        would be found by its address, and serve a second host with the TLS session of the first."""
        if self._transport is not None:
            yield self._transport
            return
        import httpx2

        try:
            tls = trusted()
        except UsageError as error:
            raise ImageError(str(error)) from error
        async with httpx2.AsyncHTTPTransport(
            verify=tls,
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),
        ) as transport:
            yield transport

    async def _get(
        self, transport: httpx2.AsyncBaseTransport, target: Target
    ) -> SafeDraft | Target:
        """One GET: the picture's bytes, or where it redirects to."""
        response = await self._send(transport, target)
        try:
            if response.status_code in _REDIRECTS:
                location = response.headers.get("location")
                if not location:
                    raise ImageError(f"HTTP {response.status_code} without a target")
                return target.join(location)
            _check_status(response)
            return await self._read(response)
        finally:
            await response.aclose()

    async def _send(self, transport: httpx2.AsyncBaseTransport, target: Target) -> httpx2.Response:
        import httpx2

        unreachable: httpx2.TransportError | None = None
        for address in await self._addresses(target):
            try:
                return await transport.handle_async_request(self._request(target, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                unreachable = error
        raise unreachable or _TryAgain(f"the host {target.host} has no address")

    def _request(self, target: Target, address: Address) -> httpx2.Request:
        import httpx2

        seconds = self.policy.seconds
        idle = min(_IDLE_SECONDS, seconds)
        return httpx2.Request(
            "GET",
            target.at(address),
            headers={
                "Host": target.authority,
                "Accept": "image/*",
                "Accept-Encoding": "identity",
                "User-Agent": "agentkit",
                "Connection": "close",
            },
            extensions={
                "sni_hostname": target.host,
                "timeout": {
                    "connect": min(_CONNECT_SECONDS, seconds),
                    "read": idle,
                    "write": idle,
                    "pool": seconds,
                },
            },
        )

    async def _addresses(self, target: Target) -> list[Address]:
        """Those of the host, all of them checked: one bad one rejects."""
        if target.address is not None:
            found = [read_address(str(target.address))]
        else:
            try:
                found = [
                    read_address(each) for each in await self._resolve(target.host, target.port)
                ]
            except socket.gaierror as error:
                failure = _TryAgain if error.errno == socket.EAI_AGAIN else ImageError
                raise failure(f"the host {target.host} is not known") from None
            except OSError as error:
                raise _TryAgain(
                    f"the host {target.host} cannot be looked up ({error.strerror or error})"
                ) from None
        if target.origin != self._origin:
            for address in found:
                if not may_connect(address, private=self.policy.private):
                    raise ImageError(f"not fetched: {target.host} is no public address")
        return list(dict.fromkeys(found))

    async def _read(self, response: httpx2.Response) -> SafeDraft:
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self.policy.max_bytes:
            raise self._too_large()
        draft = SafeDraft(self._store)
        try:
            head = b""
            async for chunk in _decoded(response):
                if len(head) < HEAD:
                    head = (head + chunk)[:HEAD]
                    if len(head) == HEAD:
                        _check_head(head, response)
                if draft.size + len(chunk) > self.policy.max_bytes:
                    raise self._too_large()
                draft.write(chunk)
            if len(head) < HEAD:
                _check_head(head, response)
        except BaseException:
            draft.discard()
            raise
        return draft

    def _too_large(self) -> ImageError:
        return ImageError(f"too large: more than {self.policy.max_bytes} bytes")


def _check_status(response: httpx2.Response) -> None:
    status = response.status_code
    if status in _TRY_AGAIN or status >= 500:
        after = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
        asked = "" if after is None else f": come back in {after:.0f} s"
        raise _TryAgain(f"HTTP {status}{asked}", after=after)
    if status in {403, 404, 410}:
        raise ImageError(f"HTTP {status}: expired?")
    if status != 200:
        raise ImageError(f"HTTP {status}")


def _check_head(head: bytes, response: httpx2.Response) -> None:
    if sniff(head) is None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        claimed = (
            kind if kind.isascii() and kind.isprintable() and not kind.startswith("image/") else ""
        )
        raise ImageError(
            f"not a picture ({claimed[:60] or (describe(head) if head else 'no bytes at all')})"
        )


def _raw(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The bytes as they arrive. Not `aiter_raw`, which refuses the ready-made responses of a
    transport for tests.
    """
    stream = response.stream
    if not isinstance(stream, AsyncIterable):
        raise UsageError(
            "the transport gave a response that cannot be read "
            f"asynchronously: {type(stream).__name__}"
        )
    return aiter(stream)


async def _decoded(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The body. A server that compresses unasked is tolerated, in small steps: a bomb meets the
    limit before memory does.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        async for chunk in _raw(response):
            yield chunk
        return
    if encoding not in {"gzip", "deflate"}:
        raise ImageError(f"its content encoding {encoding[:20]!r} was not asked for")
    inflate = zlib.decompressobj(wbits=47 if encoding == "gzip" else zlib.MAX_WBITS)
    async for chunk in _raw(response):
        for piece in _inflated(inflate, chunk):
            yield piece
    if not inflate.eof:
        raise ImageError("cut off: its compressed body does not end")


def _inflated(inflate: zlib._Decompress, chunk: bytes) -> Iterable[bytes]:  # pyright: ignore[reportPrivateUsage]
    try:
        while chunk and not inflate.eof:
            yield inflate.decompress(chunk, _INFLATED)
            chunk = inflate.unconsumed_tail
    except zlib.error:
        raise ImageError("its content encoding is broken") from None


async def _resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


_HOST_PATTERN = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def _host_patterns(hosts: object) -> tuple[str, ...]:
    """The hosts in lowercase. Raises `UsageError` for what is no host name or pattern."""
    accepted = "a tuple of host names such as 'example.com' or '*.example.com'"
    where = "FetchPolicy(hosts={!r})"
    if isinstance(hosts, str) or not isinstance(hosts, Iterable):
        raise refused(where, hosts, f"is {accepted}")
    names = [
        each.lower() if isinstance(each, str) else each for each in cast("Iterable[object]", hosts)
    ]
    return tuple([check_pattern(where, each, _HOST_PATTERN, accepted) for each in names])


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """From where pictures may be downloaded, and how large they may be.

    A URL in an image field of a reply may lie on any public address, and on the host of `base_url`.
    `hosts` governs the URLs that are found in text. Raises `UsageError` for a wrong value.
    """

    hosts: tuple[str, ...] = ("openrouter.ai", "*.openrouter.ai")
    """Host names. `*.example.com` stands for all names under it."""
    max_bytes: int = 64 << 20
    """Bytes of one picture."""
    max_pixels: int = MAX_PIXELS
    """Pixels of one picture, width × height."""
    private: bool = False
    """Whether addresses of private networks are allowed. Link-local addresses never are."""
    seconds: float = 60.0
    """For one picture, all attempts and redirects included."""
    redirects: int = 5
    """How many redirects are followed."""
    attempts: int = 3
    """How often a download is tried."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "hosts", _host_patterns(self.hosts))
        for name, least in (("max_bytes", 1), ("max_pixels", 1), ("redirects", 0), ("attempts", 1)):
            where = argument("FetchPolicy", name)
            check_number(where, getattr(self, name), whole=True, least=least)
        check_number("FetchPolicy(seconds={!r})", self.seconds, above=0, unit="seconds")
        check_kind("FetchPolicy(private={!r})", self.private, bool, "True or False")

    def allows(self, host: str) -> bool:
        """Whether this host is named by `hosts`."""
        return any(
            host.endswith(each[1:]) if each.startswith("*.") else host == each
            for each in self.hosts
        )
