"""One reply while it arrives: its bytes through the spool, its JSON to whoever reads, and a
time-out that minds the silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from agentkit.errors import AgentkitError, OutcomeUnknown, ProtocolError
from agentkit.images.spool import Spool
from agentkit.openrouter.errors import GENERATION_ID, translated
from agentkit.wire.json import UnreadableJson, read_object
from agentkit.wire.sse import DONE, EventStream
from agentkit.wire.types import JsonObject

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
MAX_BODY = 16 * 1024 * 1024
"""Bytes of one buffered reply, pictures not counted. As values, JSON may take twenty times its
bytes.
"""
MAX_STREAM = 128 * 1024 * 1024
"""The same of a stream, of which no more is held than an event (`sse.MAX_LINE`) and what it adds:
each token comes in some hundred bytes of JSON."""
MAX_EVENTS = 1_000_000
"""Events of one stream, empty ones too. The longest answers have some hundred thousand."""
END_WAIT = 0.2
"""Seconds that a stream's body may take to end once it has said `[DONE]`."""


class IdleTimeout:
    """The time-out of a body: so many seconds until its first bytes, so many between any two later
    ones.

    To move a time-out costs as much as to read a chunk, so it is moved 64 times in each `idle` at
    most, and may strike that much late.
    """

    def __init__(self, first_byte: float, idle: float, generation_id: str | None = None) -> None:
        self._limit, self._idle = first_byte, idle
        self._generation_id = generation_id
        self._clock = asyncio.timeout(first_byte)
        self._now = asyncio.get_running_loop().time
        self._fresh_until = 0.0

    async def watch(self, reading: Awaitable[T]) -> T:
        """What `reading` gives. Raises `OutcomeUnknown` where nothing came for too long."""
        try:
            async with self._clock:
                return await reading
        except TimeoutError:
            if not self._clock.expired():
                raise
        words = (
            f"nothing more came for {self._limit:g} s: the request may "
            "have been carried out and billed"
        )
        raise OutcomeUnknown(words, generation_id=self._generation_id)

    def reset(self) -> None:
        """Bytes came."""
        now = self._now()
        # One that has struck cannot be moved.
        if now >= self._fresh_until and not self._clock.expired():
            self._limit = self._idle
            self._fresh_until = now + self._idle / 64
            self._clock.reschedule(self._fresh_until + self._idle)


async def chunks_of(
    response: httpx2.Response, silence: IdleTimeout, generation_id: str | None = None
) -> AsyncGenerator[bytes]:
    """The body as it arrives. Raises `OutcomeUnknown` for a connection that broke."""
    encoded = "content-encoding" in response.headers
    handled = sys.exception()
    problem: AgentkitError | None = None
    try:
        async for chunk in response.aiter_bytes() if encoded else response.aiter_raw():
            silence.reset()
            yield chunk
    except Exception as error:  # noqa: BLE001 - `translated` tells them apart by their causes
        problem = translated(error, handled)
    if problem is not None:
        raise OutcomeUnknown(
            f"the connection broke while the reply came: {problem}", generation_id=generation_id
        )


async def whole(
    chunks: AsyncIterator[bytes],
    spool: Spool | None = None,
    generation_id: str | None = None,
    pieces: deque[bytes] | None = None,
) -> bytes:
    """All of them, which are gathered in `pieces`. Raises `ProtocolError` where they are too
    many.
    """
    pieces = deque() if pieces is None else pieces
    size = 0
    async for chunk in chunks:
        pieces.append(chunk if spool is None else spool.feed(chunk))
        size += len(pieces[-1])
        if size > MAX_BODY:
            pieces.clear()  # too much to look for its beginning, which would be joined once more
            raise ProtocolError(
                f"the reply is longer than {MAX_BODY} bytes", generation_id=generation_id
            )
    if spool is not None:
        pieces.append(spool.close())
    return b"".join(pieces)


class Exchange:
    """One reply while it arrives. `first_byte` and `idle` are in seconds, as in `Timeouts`."""

    def __init__(
        self, response: httpx2.Response, spool: Spool, *, first_byte: float, idle: float
    ) -> None:
        self._response = response
        self._first_byte, self._idle = first_byte, idle
        self.spool = spool
        self.generation_id: str | None = response.headers.get(GENERATION_ID)
        self.is_stream = "text/event-stream" in response.headers.get("content-type", "").lower()
        self.done = False
        """Whether the stream said `[DONE]`, or the body was read to its end."""
        self.torn = False
        """Whether the stream ended inside an event."""
        self._lines = EventStream()
        self._unread: deque[bytes] = deque()
        """What has come and was not given on yet."""

    async def read(self, take: Callable[[JsonObject], None]) -> None:
        """Give `take` each JSON object of the reply as it arrives: of a stream its events, else the
        one that the body is.

        Raises `ProtocolError` for what is no JSON, `OutcomeUnknown` for a connection that broke or
        fell silent.
        """
        silence = IdleTimeout(self._first_byte, self._idle, self.generation_id)
        chunks = chunks_of(self._response, silence, self.generation_id)
        try:
            await silence.watch(
                self._events(chunks, take) if self.is_stream else self._whole(chunks, take)
            )
        except BaseException:
            self.spool.salvage(
                self._unread if not self.is_stream else (*self._unread, b"\n", self._lines.rest())
            )
            raise

    async def _events(
        self, chunks: AsyncIterator[bytes], take: Callable[[JsonObject], None]
    ) -> None:
        stream, spool, unread = self._lines, self.spool, self._unread
        size = events = 0
        async for chunk in chunks:
            lines = spool.feed(chunk)
            size += len(lines)
            if size > MAX_STREAM:
                raise ProtocolError(
                    f"the reply is longer than {MAX_STREAM} bytes", generation_id=self.generation_id
                )
            unread.extend(stream.feed(lines))
            events += len(unread)
            if events > MAX_EVENTS:
                raise ProtocolError(
                    f"the reply has more than {MAX_EVENTS} events", generation_id=self.generation_id
                )
            while unread:
                data = unread[0]
                if data == DONE:
                    self.done = True
                    await self._drain(chunks)
                    return
                if data:  # an event may be empty: it keeps the connection alive
                    take(self._read(data))
                unread.popleft()
        unread.extend(stream.feed(spool.close()))
        while unread:
            if unread[0] and unread[0] != DONE:
                take(self._read(unread[0]))
            unread.popleft()
        rest = stream.rest()
        if not self._last(stream.close(), take):
            spool.salvage((rest,))
            self.torn = bool(rest.strip())

    def _last(self, events: list[bytes], take: Callable[[JsonObject], None]) -> bool:
        """Give on an event whose blank line did not come; whether it could be read, and was not cut
        inside.
        """
        for data in events:
            if data and data != DONE:
                try:
                    found = read_object(data)
                except UnreadableJson:
                    return False
                take(found)
        return bool(events)

    async def _drain(self, chunks: AsyncIterator[bytes]) -> None:
        """Read the end of the body, which comes with `[DONE]`: only then can the connection serve
        the next request.
        """
        # Then the connection is closed, not used again.
        with contextlib.suppress(TimeoutError, AgentkitError):
            async with asyncio.timeout(END_WAIT):
                async for _ in chunks:
                    pass

    async def _whole(
        self, chunks: AsyncIterator[bytes], take: Callable[[JsonObject], None]
    ) -> None:
        body = await whole(chunks, self.spool, self.generation_id, self._unread)
        self.done = True
        take(self._read(body))

    def _read(self, data: bytes) -> JsonObject:
        try:
            return read_object(data)
        except UnreadableJson as error:
            start = data[:60].decode("utf-8", "replace").strip()
            what = "HTML" if start.startswith("<") else "nothing" if not start else f"{start!r}…"
            raise ProtocolError(
                f"the reply is no JSON object but {what} ({error})",
                generation_id=self.generation_id,
            ) from None
