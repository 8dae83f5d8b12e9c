"""The one place where the bytes of a response are handed to the socket."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

_log = logging.getLogger("agentkit.emulator")


class Cut(Exception):
    """The connection is to break off here."""


@dataclass(slots=True)
class Outgoing:
    """A response on its way out; it is called as an ASGI application.

    `delay` are seconds before the first byte, `pause` between two pieces of the body. `hang` stays silent after the
    body and never ends it; `cut_after` drops the connection after so many bytes of it. `left` is called when the
    client goes before the end.
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        feeding = asyncio.create_task(self._feed(send, with_body=scope.get("method") != "HEAD"))
        watching = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((feeding, watching), return_when=asyncio.FIRST_COMPLETED)
            if not feeding.done() and self.left is not None:
                self.left()
        finally:
            for task in (feeding, watching):
                task.cancel()
            results = await asyncio.gather(feeding, watching, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                if not isinstance(result, Cut):
                    _log.error("the response broke off", exc_info=result)
                raise result

    async def _feed(self, send: Send, *, with_body: bool) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        headers = {"content-type": self.content_type, **{name.lower(): value for name, value in self.headers.items()}}
        if isinstance(self.body, bytes):
            headers.setdefault("content-length", str(len(self.body)))
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        sent = 0
        async for piece in self._pieces() if with_body else _nothing():
            if self.cut_after is not None and sent + len(piece) >= self.cut_after:
                await send(_part(piece[: self.cut_after - sent]))
                await asyncio.sleep(0.02)  # let the bytes leave before the connection does
                raise Cut
            await send(_part(piece))
            sent += len(piece)
            if self.pause:
                await asyncio.sleep(self.pause)
        if self.hang:
            await asyncio.Event().wait()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pieces(self) -> AsyncIterator[bytes]:
        if isinstance(self.body, bytes):
            yield self.body[:-1] if self.hang else self.body  # a whole body would end the response
        else:
            async for piece in self.body:
                yield piece


async def _nothing() -> AsyncIterator[bytes]:
    for piece in ():
        yield piece


def _part(piece: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": piece, "more_body": True}


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
