"""One attempt to download a picture, as if its URL came from an enemy, since the text around it may
have.

`agentkit.images.route` says how the request goes out. Redirects are followed by hand, each checked
anew. No environment proxy, no cookie and no key is ever used. `agentkit.images.connections` says
which connections serve twice.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agentkit.errors import ImageError, UsageError
from agentkit.images.addresses import Target
from agentkit.images.connections import Line, PictureConnections
from agentkit.images.drafts import SafeDraft
from agentkit.images.fetch_policy import FetchPolicy
from agentkit.images.resolve import TemporaryFailure
from agentkit.images.route import Route, Routes, refused_by_proxy, told
from agentkit.images.store import ImageStore
from agentkit.values.image_header import HEAD, describe, sniff
from agentkit.wire.headers import retry_after

if TYPE_CHECKING:
    import httpx2

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({408, 425, 429})
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 30.0
_INFLATED = 1 << 16
"""Bytes of a compressed body that are unpacked at a time."""


class Downloader:
    """Downloads pictures into drafts of `store`, by `routes`. Requests go over `transport`, or else
    over `connections`.
    """

    def __init__(
        self,
        policy: FetchPolicy,
        store: ImageStore,
        routes: Routes,
        transport: httpx2.AsyncBaseTransport | None,
        connections: PictureConnections,
    ) -> None:
        self._policy = policy
        self._store = store
        self._routes = routes
        self._transport = transport
        self._connections = connections

    async def download(self, target: Target, *, any_kind: bool = False) -> SafeDraft:
        """The bytes of the picture, or of a file of any kind, redirects followed. Raises
        `ImageError`, and `TemporaryFailure` if another attempt may succeed.
        """
        for _ in range(self._policy.redirects + 1):
            route = await self._routes.to(target)
            with told(route):
                found = await self._get(route, any_kind=any_kind)
            if isinstance(found, SafeDraft):
                return found
            target = found
        raise ImageError(f"more than {self._policy.redirects} redirects")

    async def _get(self, route: Route, *, any_kind: bool) -> SafeDraft | Target:
        """One GET: the picture's bytes, or where it redirects to."""
        async with self._sent(route, "*/*" if any_kind else "image/*") as response:
            if response.status_code in _REDIRECTS:
                location = response.headers.get("location")
                if not location:
                    raise ImageError(f"HTTP {response.status_code} without a target")
                return route.target.join(location)
            if response.status_code == 407 and route.proxy is not None:
                raise refused_by_proxy("407", route)
            _check_status(response)
            return await self._read(response, any_kind=any_kind)

    @asynccontextmanager
    async def _sent(self, route: Route, accept: str) -> AsyncGenerator[httpx2.Response]:
        """The open response, over the user's transport or a connection of ours."""
        if self._transport is not None:
            response = await self._send_to_addresses(self._transport, route, accept)
            try:
                yield response
            finally:
                await response.aclose()
            return
        line, response = await self._opened(route, accept)
        try:
            yield response
        finally:
            try:
                await response.aclose()
            finally:
                await self._connections.put_back(line)

    async def _opened(self, route: Route, accept: str) -> tuple[Line, httpx2.Response]:
        """The response, over a connection that was kept or a new one."""
        rules = await self._routes.rules(route)
        kept = await self._connections.take(rules)
        if kept is not None:
            response = await self._send_again(kept, route, accept)
            if response is not None:
                return kept, response
        line = self._routes.line(route, rules)
        return line, await self._send_by_name(line, route.target, accept)

    async def _send_again(self, line: Line, route: Route, accept: str) -> httpx2.Response | None:
        """The response over a connection that was kept; None if it broke before one came, as it
        does where the server has just hung up: a GET may be sent anew.
        """
        import httpx2

        try:
            await self._routes.check_kept(route)
        except BaseException:
            await line.close()
            raise
        try:
            return await self._send_by_name(line, route.target, accept)
        except (httpx2.RemoteProtocolError, httpx2.NetworkError):
            if not line.was_kept:
                raise
            return None

    async def _send_by_name(self, line: Line, target: Target, accept: str) -> httpx2.Response:
        """The response over this connection, which is closed if there is none."""
        import httpx2

        line.begin()
        try:
            while True:
                try:
                    request = self._request(target, target.host, accept)
                    return await line.transport.handle_async_request(request)
                except (httpx2.ConnectError, httpx2.ConnectTimeout):
                    if not line.host.has_another:
                        raise
        except BaseException:
            await line.close()
            raise

    async def _send_to_addresses(
        self, transport: httpx2.AsyncBaseTransport, route: Route, accept: str
    ) -> httpx2.Response:
        import httpx2

        target = route.target
        unreachable: httpx2.TransportError | None = None
        for host in await self._routes.hosts(route):
            try:
                request = self._request(target, host, accept)
                return await transport.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                unreachable = error
        raise unreachable or TemporaryFailure(f"the host {target.host} has no address")

    def _request(self, target: Target, host: str, accept: str) -> httpx2.Request:
        """`host` is the name, or one of its addresses."""
        import httpx2

        seconds = self._policy.seconds
        idle = min(_IDLE_SECONDS, seconds)
        return httpx2.Request(
            "GET",
            target.at(host),
            headers={
                "Host": target.authority,
                "Accept": accept,
                "Accept-Encoding": "identity",
                "User-Agent": "agentkit",
                "Connection": "keep-alive" if self._connections.keeps else "close",
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

    async def _read(self, response: httpx2.Response, *, any_kind: bool) -> SafeDraft:
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self._policy.max_bytes:
            raise self._too_large()
        draft = SafeDraft(self._store)
        try:
            head = b""
            async for chunk in _decoded(response):
                if len(head) < HEAD and not any_kind:
                    head = (head + chunk)[:HEAD]
                    if len(head) == HEAD:
                        _check_head(head, response)
                if draft.size + len(chunk) > self._policy.max_bytes:
                    raise self._too_large()
                draft.write(chunk)
            if len(head) < HEAD and not any_kind:
                _check_head(head, response)
        except BaseException:
            draft.discard()
            raise
        return draft

    def _too_large(self) -> ImageError:
        return ImageError(f"too large: more than {self._policy.max_bytes} bytes")


def _check_status(response: httpx2.Response) -> None:
    status = response.status_code
    if status in _TRY_AGAIN or status >= 500:
        after = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
        asked = "" if after is None else f": come back in {after:.0f} s"
        raise TemporaryFailure(f"HTTP {status}{asked}", after=after)
    if status in {403, 404, 410}:
        raise ImageError(f"HTTP {status}: expired?")
    if status != 200:
        raise ImageError(f"HTTP {status}")


def _check_head(head: bytes, response: httpx2.Response) -> None:
    if sniff(head) is None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        is_readable = kind.isascii() and kind.isprintable()
        claimed = kind[:60] if is_readable and not kind.startswith("image/") else ""
        found = describe(head) if head else "no bytes at all"
        raise ImageError(f"not a picture ({claimed or found})")


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
