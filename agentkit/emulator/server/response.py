"""The one place where the bytes of a response are handed to the connection."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from starlette.types import Receive, Scope, Send

from agentkit.emulator.faults.strike_point import StrikePoint
from agentkit.emulator.faults.values import Socket
from agentkit.emulator.server.connection import Connection

REACH = 128  # bytes in which the ending of a base64 text surely fits
_log = logging.getLogger("agentkit.emulator")


class ConnectionCut(Exception):
    """The connection is to break off here."""


@dataclass(slots=True)
class DeliveryCallbacks:
    """Called when bytes are in the socket: the status, a picture (by SHA-256), the whole reply."""

    answered: Callable[[int], None]
    delivered: Callable[[str], None]
    completed: Callable[[], None]


@dataclass(slots=True)
class Outgoing:
    """A response on its way out; it is called as an ASGI application.

    `delay` are seconds before the first byte, `pause` between two pieces of the body. `hang` stays
    silent after the body and never ends it; `cut_after` drops the connection after so many bytes of
    it; `fault` is what else happens to the bytes. `left` is called when the connection ends before
    the response does. `endings` are the ends of the base64 texts that the witness looks for, by
    SHA-256, known by the time that they are sent.
    """

    status: int
    content_type: str
    body: bytes | AsyncIterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delay: float = 0.0
    pause: float = 0.0
    hang: bool = False
    cut_after: int | None = None
    left: Callable[[], None] | None = None
    fault: Socket | None = None
    witness: DeliveryCallbacks | None = None
    endings: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    _before: bytes = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["state"]["connection"]
        connection.calm()
        feeding = asyncio.create_task(
            self._feed(send, connection, with_body=scope.get("method") != "HEAD")
        )
        watching = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((feeding, watching), return_when=asyncio.FIRST_COMPLETED)
            if self.left is not None and (not feeding.done() or feeding.exception() is not None):
                self.left()
        finally:
            for task in (feeding, watching):
                task.cancel()
            results = await asyncio.gather(feeding, watching, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                if not isinstance(result, ConnectionCut):
                    _log.error("the response broke off", exc_info=result)
                raise result

    async def _feed(self, send: Send, connection: Connection, *, with_body: bool) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.fault is not None and self.fault.at == "response":
            connection.arm(self.fault, after=self.fault.byte)
        await self._send(
            send,
            connection,
            {"type": "http.response.start", "status": self.status, "headers": self._headers()},
        )
        if self.witness is not None:
            connection.mark(partial(self.witness.answered, self.status))
        if with_body:
            await self._feed_body(send, connection)
        if self.hang:
            await asyncio.Event().wait()
        await self._send(
            send, connection, {"type": "http.response.body", "body": b"", "more_body": False}
        )
        if self.witness is not None:
            connection.mark(self.witness.completed)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        headers = {
            "content-type": self.content_type,
            **{name.lower(): value for name, value in self.headers.items()},
        }
        if isinstance(self.body, bytes) and self._framed:
            headers.setdefault("content-length", str(len(self.body)))
        return [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ]

    @property
    def _framed(self) -> bool:
        """Whether `Content-Length` is sent.

        It cannot be where a fault ends the body early, or strikes at the mark of its end.
        """
        told = self.fault is None or (self.fault.action != "end" and self.fault.at != "end")
        return isinstance(self.body, bytes) and told

    async def _feed_body(self, send: Send, connection: Connection) -> None:
        sent = 0
        spot = StrikePoint(self.fault) if self.fault is not None else None
        async for piece in self._pieces():
            if self.cut_after is not None and sent + len(piece) >= self.cut_after:
                await self._part(send, connection, piece[: self.cut_after - sent])
                await asyncio.sleep(0.02)  # let the bytes leave before the connection does
                raise ConnectionCut
            for part, struck in [(piece, False)] if spot is None else spot.split(piece):
                await self._part(send, connection, part)
                if struck and await self._struck(send, connection):
                    raise ConnectionCut
            sent += len(piece)
            if self.pause:
                await asyncio.sleep(self.pause)
        if spot is not None and spot.at_end() and await self._struck(send, connection):
            raise ConnectionCut

    async def _struck(self, send: Send, connection: Connection) -> bool:
        """The fault strikes here; whether it ends the response."""
        assert self.fault is not None  # noqa: S101 - only a fault has a spot
        if self.fault.action == "end":
            await self._send(
                send, connection, {"type": "http.response.body", "body": b"", "more_body": False}
            )
            return True
        connection.arm(self.fault)
        return connection.dead

    async def _part(self, send: Send, connection: Connection, part: bytes) -> None:
        if not part:
            return
        await self._send(
            send, connection, {"type": "http.response.body", "body": part, "more_body": True}
        )
        if self.witness is None:
            return
        trailing = 0 if self._framed else 2  # the CRLF after a chunk
        seen = self._before + part  # an ending may be split between two parts
        for sha256, ending in self.endings.items():
            found = seen.rfind(ending)
            # The quote that ends it has to be there too.
            beyond = len(seen) - found - len(ending) - 1
            if found >= 0 and 0 <= beyond < len(part):
                connection.mark(partial(self.witness.delivered, sha256), back=trailing + beyond)
        self._before = seen[-REACH:]

    async def _send(self, send: Send, connection: Connection, message: dict[str, object]) -> None:
        await send(message)
        if connection.dead:
            raise ConnectionCut

    async def _pieces(self) -> AsyncIterator[bytes]:
        if isinstance(self.body, bytes):
            yield self.body[:-1] if self.hang else self.body  # a whole body would end the response
        else:
            async for piece in self.body:
                yield piece


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
