"""Requests on aiohttp's sockets, which read a streamed delta in a quarter of httpx2's time, and a
thousand at once in a fifth. No request or response of httpx2's is built on the way, since that
takes longer than the sending does; errors have httpx2's names, as those of the other transports do.
What asks for httpx2's own (`handle_async_request`, for the SDK) has it over the same connections.

The SDK has such a transport too, but it calls a reset, a hang-up after the POST and an unknown host
name alike a connect time-out, so a caller that trusts these names pays for a picture twice. It also
keeps cookies, and has no time-out for writing a request. Here an error says that nothing was sent
only in three cases: aiohttp had no connection yet (`ClientConnectorError`,
`ConnectionTimeoutError`), no byte of the body was written, or the server had hung up before any of
it came (`Delivery`). aiohttp itself repeats a request when a kept connection turns out to be
closed, but never a POST.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

import aiohttp
import httpx2
from yarl import URL

from agentkit.openrouter.delivery import Delivery
from agentkit.openrouter.transport import NO_HEADERS, Content, Waits

if TYPE_CHECKING:
    import ssl

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http import StreamWriter

_SLICE = 256 * 1024
_AT_ONCE = 64 * 1024
"""A body of at most so many bytes is written at once, without a time-out."""
_LONG_HEADER = 64 * 1024
_QUIET = 0.05
"""Seconds without a request, after which a kept connection may have been closed unnoticed."""
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive"}
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """An httpx2 transport without a limit on the number of connections. `send` is the short way
    over the same connections; each request that takes it has the same `headers`.

    Raises httpx2's own errors: `ConnectError`, `ConnectTimeout` and `ProxyError` only if nothing
    was sent. Of the `waits`, `connect` covers host name, connection and TLS handshake together,
    `read` is the wait for the headers, `write` that for each slice of the body. Whoever reads the
    body limits the time for it.
    """

    def __init__(
        self,
        waits: Waits,
        *,
        tls: ssl.SSLContext,
        keepalive: float,
        proxy: httpx2.Proxy | None = None,
    ) -> None:
        self.headers = dict(_HEADERS)
        """What goes with each request that is sent by `send`."""
        self._write_wait = waits.write
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=waits.connect, sock_read=waits.read
        )
        self._proxy = URL(str(proxy.url)) if proxy is not None else None
        self._proxy_headers = _proxy_headers(proxy) if proxy is not None else []
        self._session = aiohttp.ClientSession(
            connector=_QuietConnector(
                ssl=tls, limit=0, keepalive_timeout=keepalive, resolver=aiohttp.ThreadedResolver()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=_LONG_HEADER,
            max_field_size=_LONG_HEADER,
        )
        # A user's own event loop may end without closing what ran on it: aiohttp would print that.
        # Not at the end of the process: the connections would go before their loop, and say so.
        weakref.finalize(self, self._session.detach).atexit = False
        self._clock = asyncio.get_running_loop().time
        self._last_used = 0.0
        self._used: WeakKeyDictionary[asyncio.Transport, float] = WeakKeyDictionary()
        """When a request was last written to each connection."""

    async def send(
        self,
        method: str,
        url: str,
        content: Content = None,
        headers: Mapping[str, str] = NO_HEADERS,
        *,
        bare: bool = False,
    ) -> Arriving:
        """The open response, whatever its status, of which only the headers were read. `headers`
        go beside those of all requests, or without these where it is `bare`; `Content-Length` is
        among them where there is a body.
        """
        if self._session.closed:
            raise httpx2.ConnectError("the client has been closed")
        address = _address(url)
        if self._may_have_closed():
            await _notice_closed_connections()
        sent = [*headers.items()] if bare else [*self.headers.items(), *headers.items()]
        # A proxy reads these itself. For https they go with the request for a tunnel instead.
        if self._proxy_headers and address.scheme == "http":
            sent += self._proxy_headers
        length = int(headers.get("Content-Length", 0))
        body = _Outgoing(content, length, self._write_wait, self._was_idle) if length else None
        try:
            reply = await self._session.request(
                method,
                address,
                headers=sent,
                data=body,
                allow_redirects=False,
                timeout=self._timeout,
                proxy=self._proxy,
                proxy_headers=self._proxy_headers,
            )
        except Exception as error:
            if body is not None and body.failure is not None:
                body.abort()
                raise body.failure from None
            raise _failure(error, body) from error
        except BaseException:
            if body is not None:
                body.abort()
            raise
        finally:
            if body is not None:
                body.forget()
        return Arriving(reply)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The same for a request of httpx2's, which has all its headers."""
        content, headers = await request.aread(), dict(request.headers)
        if content:
            headers.pop("transfer-encoding", None)
            headers["Content-Length"] = headers.pop("content-length", str(len(content)))
        reply = await self.send(request.method, str(request.url), content, headers, bare=True)
        return reply.as_httpx2(request.method, str(request.url))

    async def aclose(self) -> None:
        await self._session.close()

    def _may_have_closed(self) -> bool:
        """Whether there was time for the server to close a kept connection."""
        now = self._clock()
        was_quiet = now - self._last_used > _QUIET
        self._last_used = now
        return was_quiet

    def _was_idle(self, connection: asyncio.Transport) -> bool:
        """Whether the server had time to close this one, whatever others carried meanwhile."""
        now, before = self._clock(), self._used.get(connection)
        self._used[connection] = now
        return before is not None and now - before > _QUIET


async def _notice_closed_connections() -> None:
    """Give a busy event loop the time to notice which kept connections the server has closed.

    Otherwise the request would go into a closed connection, and its outcome would be unknown.
    """
    # One pass each: the socket is read, its TLS record, and the connection is dropped.
    for _ in range(3):
        await asyncio.sleep(0)


def _failure(error: Exception, body: _Outgoing | None) -> Exception:
    """The error to raise for one of a request, whose connection is given up."""
    mapped = _mapped(error)
    if body is None:
        return mapped
    body.abort()
    if not body.begun and not isinstance(mapped, _NOT_SENT):
        return httpx2.ConnectError(f"{error}, before the request was written")
    if isinstance(error, aiohttp.ServerDisconnectedError) and body.nothing_arrived():
        return httpx2.ConnectError(f"{error}, before the request reached it")
    return mapped


class _QuietConnector(aiohttp.TCPConnector):
    def __del__(self, _warnings: object = None) -> None:
        """Say nothing: the sockets close with the connections, which go now."""


class _Outgoing(aiohttp.Payload):
    """A request's body on its way out.

    It keeps the connection, to abort it after an error: an ordinary close would first send what is
    still buffered, and a peer that reads no more would delay that for ever.
    """

    def __init__(
        self,
        content: Content,
        length: int,
        wait: float | None,
        was_idle: Callable[[asyncio.Transport], bool],
    ) -> None:
        super().__init__(content, content_type="application/json")
        self._was_idle = was_idle
        self._delivery: Delivery | None = None
        self._content = content
        self._wait = wait
        self._transport: asyncio.Transport | None = None
        self._expected = length
        self.begun = False
        """Whether a byte of the body may have been sent. The headers go out with the first one."""
        self.failure: Exception | None = None
        """An error of the body itself, which is raised in place of aiohttp's error."""

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002 - the name is the base class's
    ) -> None:
        self._transport = cast("StreamWriter", writer).transport
        if self._transport is not None and self._was_idle(self._transport):
            connection = self._transport.get_extra_info("socket")
            self._delivery = None if connection is None else Delivery(connection)
        if isinstance(self._content, bytes) and len(self._content) == self._expected <= _AT_ONCE:
            await self._send(writer, self._content)
            return
        sent, now = 0, asyncio.get_running_loop().time
        async with (
            asyncio.timeout(self._wait) as clock,
            contextlib.aclosing(self._slices()) as slices,
        ):
            async for piece in slices:
                await self._send(writer, piece)
                sent += len(piece)
                clock.reschedule(None if self._wait is None else now() + self._wait)
        if sent != self._expected:
            self.failure = httpx2.LocalProtocolError(
                f"a body of {self._expected} bytes turned out to have {sent}"
            )
            raise self.failure

    async def _send(self, writer: AbstractStreamWriter, piece: bytes | memoryview) -> None:
        self.begun = self.begun or (
            self._transport is not None and not self._transport.is_closing()
        )
        await writer.write(piece)

    async def _slices(self) -> AsyncGenerator[memoryview]:
        try:
            async for piece in _pieces(self._content):
                view = memoryview(piece)  # slices of it are no copies
                for start in range(0, len(piece), _SLICE):
                    yield view[start : start + _SLICE]
        except Exception as error:
            self.failure = error
            raise

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body for a recorder of traffic, which keeps it and sends a copy in its place: when,
        is not seen here, so from now on it counts as sent.
        """
        self.begun = True
        async with contextlib.aclosing(self._slices()) as slices:
            async for piece in slices:
                yield bytes(piece)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002
        raise TypeError("a body that streams is not held as text")

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def nothing_arrived(self) -> bool:
        """Whether the server, which has hung up, surely had nothing of the request."""
        return self._delivery is not None and self._delivery.nothing_arrived()

    def forget(self) -> None:
        """No longer watch what arrives."""
        if self._delivery is not None:
            self._delivery.close()


async def _pieces(content: Content) -> AsyncGenerator[bytes]:
    if content is None or isinstance(content, bytes):
        yield content or b""
        return
    async for piece in content:
        yield piece


class Arriving:
    """A reply while its body arrives. Closing it before its end aborts the connection."""

    __slots__ = ("_reply", "headers", "status_code")

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply
        self.status_code = reply.status
        self.headers = _headers(reply.raw_headers)
        """By their names in small letters."""
        # Whoever reads the body limits the time for it, so aiohttp's read time-out ends here.
        if (connection := reply.connection) is not None and (
            protocol := connection.protocol
        ) is not None:
            protocol.read_timeout = None
            protocol.start_timeout()  # without a time-out this only stops the running timer

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The body, decompressed."""
        reply = self._reply
        return self.as_httpx2(reply.method, str(reply.url)).aiter_bytes()

    def as_httpx2(self, method: str, url: str) -> httpx2.Response:
        """The same as a response of httpx2's to such a request."""
        return httpx2.Response(
            self.status_code,
            headers=list(self._reply.raw_headers),
            stream=_Stream(self),
            request=httpx2.Request(method, url),
        )

    async def aiter_raw(self) -> AsyncGenerator[bytes]:
        """The body, as it arrives."""
        content = self._reply.content
        try:
            async for chunk in content.iter_any():
                yield chunk
        except asyncio.CancelledError:
            if content.exception() is None and (arrived := content.read_nowait()):
                # A reader for whom these bytes are the end would never see this cancellation, so
                # the task is cancelled once more, at its next wait; it counts as one.
                if (task := asyncio.current_task()) is not None:
                    task.uncancel()
                    task.cancel()
                # The bytes may hold the end of a picture, so they are passed on first.
                yield arrived
                await asyncio.sleep(0)
            raise
        except Exception as error:
            raise _mapped(error) from error

    async def aclose(self) -> None:
        if (connection := self._reply.connection) is not None and connection.transport is not None:
            connection.transport.abort()
        self._reply.close()


class _Stream(httpx2.AsyncByteStream):
    """The body of a reply, for what reads it with httpx2."""

    def __init__(self, reply: Arriving) -> None:
        self._reply = reply

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._reply.aiter_raw()

    async def aclose(self) -> None:
        await self._reply.aclose()


@lru_cache(maxsize=64)
def _address(url: str) -> URL:
    """To parse an address takes as long as to build the rest of a request."""
    return URL(url, encoded=True)


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in raw:
        name, text = key.decode("iso-8859-1").lower(), value.decode("iso-8859-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def _mapped(error: Exception) -> Exception:
    """The httpx2 error for one of aiohttp's. An error that is not known to come before the request
    was sent counts as one that came after.
    """
    words = str(error)
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx2.ConnectTimeout(words)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return httpx2.ProxyError(words)
        case aiohttp.ClientConnectorError():
            return httpx2.ConnectError(words)
        case aiohttp.InvalidURL():
            return httpx2.UnsupportedProtocol(words)
        case aiohttp.ServerTimeoutError():
            return httpx2.ReadTimeout(words)
        case TimeoutError():
            return httpx2.WriteTimeout(words)
        case (
            aiohttp.ServerDisconnectedError()
            | aiohttp.ClientPayloadError()
            | aiohttp.ClientResponseError()
        ):
            return httpx2.RemoteProtocolError(words)
        case _:
            return httpx2.ReadError(words)


def _proxy_headers(proxy: httpx2.Proxy) -> list[tuple[str, str]]:
    headers = proxy.headers.multi_items()
    if proxy.raw_auth is not None:
        user, password = proxy.raw_auth
        headers.append(
            ("Proxy-Authorization", "Basic " + b64encode(user + b":" + password).decode("ascii"))
        )
    return headers
