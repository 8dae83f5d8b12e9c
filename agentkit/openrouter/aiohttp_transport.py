"""httpx2 on aiohttp's sockets, which read a streamed delta in a quarter of the time, and a thousand
at once in a fifth.

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
from collections.abc import AsyncGenerator, AsyncIterator
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import aiohttp
import httpx2
from yarl import URL

from agentkit.openrouter.delivery import Delivery

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
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """An httpx2 transport without a limit on the number of connections.

    Raises httpx2's own errors: `ConnectError`, `ConnectTimeout` and `ProxyError` only if nothing
    was sent. It keeps three of a request's time-outs (the extension `timeout`): `connect` covers
    host name, connection and TLS handshake together, `write` each slice of the body, `read` the
    wait for the headers. Whoever reads the body limits the time for it.
    """

    def __init__(
        self, *, tls: ssl.SSLContext, keepalive: float, proxy: httpx2.Proxy | None = None
    ) -> None:
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

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._session.closed:
            raise httpx2.ConnectError("the client has been closed")
        was_quiet = await self._notice_closed_connections()
        waits: dict[str, float | None] = request.extensions.get("timeout", {})
        body = _Outgoing(request, waits.get("write"), watched=was_quiet)
        headers = request.headers.multi_items()
        # A proxy reads these itself. For https they go with the request for a tunnel instead.
        if request.url.scheme == "http":
            headers += self._proxy_headers
        try:
            reply = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=headers,
                data=body if body.expected else None,
                allow_redirects=False,
                timeout=_timeout(waits.get("connect"), waits.get("read")),
                proxy=self._proxy,
                proxy_headers=self._proxy_headers,
            )
        except Exception as error:
            body.abort()
            if body.failure is not None:
                raise body.failure from None
            mapped = _mapped(error)
            if body.expected and not body.begun and not isinstance(mapped, _NOT_SENT):
                mapped = httpx2.ConnectError(f"{error}, before the request was written")
            elif isinstance(error, aiohttp.ServerDisconnectedError) and body.nothing_arrived():
                mapped = httpx2.ConnectError(f"{error}, before the request reached it")
            raise mapped from error
        except BaseException:
            body.abort()
            raise
        finally:
            body.forget()
        arriving = _Arriving(reply)
        arriving.stop_watching()
        return httpx2.Response(reply.status, headers=list(reply.raw_headers), stream=arriving)

    async def aclose(self) -> None:
        await self._session.close()

    async def _notice_closed_connections(self) -> bool:
        """Give a busy event loop the time to notice which kept connections the server has closed.
        Returns whether there was any reason to.

        Otherwise the request would go into a closed connection, and its outcome would be unknown.
        """
        now = self._clock()
        was_quiet = now - self._last_used > _QUIET
        if was_quiet:
            # One pass each: the socket is read, its TLS record, and the connection is dropped.
            for _ in range(3):
                await asyncio.sleep(0)
        self._last_used = now
        return was_quiet


class _QuietConnector(aiohttp.TCPConnector):
    def __del__(self, _warnings: object = None) -> None:
        """Say nothing: the sockets close with the connections, which go now."""


class _Outgoing(aiohttp.Payload):
    """A request's body on its way out.

    It keeps the connection, to abort it after an error: an ordinary close would first send what is
    still buffered, and a peer that reads no more would delay that for ever.
    """

    def __init__(self, request: httpx2.Request, wait: float | None, *, watched: bool) -> None:
        super().__init__(request.stream, content_type="application/json")
        self._watched = watched
        self._delivery: Delivery | None = None
        self._stream = request.stream
        self._wait = wait
        self._transport: asyncio.Transport | None = None
        self.expected = int(request.headers.get("content-length", 0))
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
        connection = self._transport and self._transport.get_extra_info("socket")
        if self._watched and connection is not None:
            self._delivery = Delivery(connection)
        if isinstance(self._stream, httpx2.ByteStream) and self.expected <= _AT_ONCE:
            await self._send(writer, b"".join(self._stream))
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
        if sent != self.expected:
            self.failure = httpx2.LocalProtocolError(
                f"a body of {self.expected} bytes turned out to have {sent}"
            )
            raise self.failure

    async def _send(self, writer: AbstractStreamWriter, piece: bytes) -> None:
        self.begun = self.begun or (
            self._transport is not None and not self._transport.is_closing()
        )
        await writer.write(piece)

    async def _slices(self) -> AsyncGenerator[bytes]:
        try:
            async for piece in cast("httpx2.AsyncByteStream", self._stream):
                for start in range(0, len(piece), _SLICE):
                    yield piece[start : start + _SLICE]
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
                yield piece

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


class _Arriving(httpx2.AsyncByteStream):
    """A reply's body while it arrives. Closing it before its end aborts the connection."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply

    def stop_watching(self) -> None:
        """End aiohttp's read time-out, since whoever reads the body limits the time for it."""
        if (connection := self._reply.connection) is not None and (
            protocol := connection.protocol
        ) is not None:
            protocol.read_timeout = None
            protocol.start_timeout()  # without a time-out this only stops the running timer

    async def __aiter__(self) -> AsyncIterator[bytes]:
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


@lru_cache(maxsize=16)
def _timeout(connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect, sock_read=read)


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
