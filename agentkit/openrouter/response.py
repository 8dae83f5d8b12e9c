"""One reply while it arrives: its bytes go through the spool, its JSON objects to the decoder, and
a time-out ends it when nothing comes any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Protocol, TypeVar

from agentkit.errors import AgentkitError, OutcomeUnknown, ProtocolError
from agentkit.images.retriever import Downloads
from agentkit.images.spool import Spool
from agentkit.openrouter.errors import GENERATION_ID, translated
from agentkit.openrouter.fair import FairShare
from agentkit.wire.json import UnreadableJson, read_object
from agentkit.wire.pages import described
from agentkit.wire.sse import DONE, EventStream
from agentkit.wire.types import JsonObject

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
MAX_BODY = 16 * 1024 * 1024
"""Most bytes of one buffered reply, pictures not counted. Parsed JSON may take twenty times its
bytes of memory.
"""
MAX_STREAM = 128 * 1024 * 1024
"""Most bytes of one stream, pictures not counted. It may be more, since no more than one event of a
stream is in memory (`sse.MAX_LINE`), and each token comes in some hundred bytes of JSON."""
MAX_EVENTS = 1_000_000
"""Most events of one stream, empty ones too. The longest answers have some hundred thousand."""
END_WAIT = 0.2
"""Seconds that a stream's body may take to end once it has said `[DONE]`."""


class Response(Protocol):
    """What is read of a response: one of the HTTP client, or one that a ledger has kept."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def aiter_raw(self) -> AsyncIterator[bytes]: ...

    def aiter_bytes(self) -> AsyncIterator[bytes]: ...


class OpenResponse(Response, Protocol):
    """A response whose body has still to be read."""

    def as_httpx2(self, method: str, url: str) -> httpx2.Response:
        """The same as httpx2's response to such a request."""
        ...

    async def aclose(self) -> None: ...


class Recorder(Protocol):
    """Writes a reply down while it arrives."""

    async def head(self, status: int, headers: Mapping[str, str]) -> None: ...

    def recorded(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]: ...


class CutReply(Exception):
    """What a ledger has kept of a reply is not the whole."""


Take = Callable[[JsonObject], bool | None]
"""Takes a JSON object of a reply, and says whether it was the last."""


class IdleTimeout:
    """The time-out of a body: `first_byte` seconds until its first bytes, `idle` seconds between
    any two later ones.

    Moving a timer costs as much as reading a chunk, so it is moved at most 64 times in each `idle`,
    and may end the reply that much late.
    """

    def __init__(self, first_byte: float, idle: float, generation_id: str | None = None) -> None:
        self._limit, self._idle = first_byte, idle
        self._generation_id = generation_id
        self._clock = asyncio.timeout(first_byte)
        self._now = asyncio.get_running_loop().time
        self._fresh_until = 0.0

    async def watch(self, reading: Awaitable[T]) -> T:
        """The result of `reading`. Raises `OutcomeUnknown` when nothing came for too long."""
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
        """Restart the idle timer. Call it whenever bytes arrive."""
        now = self._now()
        # A timer that has expired cannot be moved.
        if now >= self._fresh_until and not self._clock.expired():
            self._limit = self._idle
            self._fresh_until = now + self._idle / 64
            self._clock.reschedule(self._fresh_until + self._idle)


async def chunks_of(
    response: Response, timer: IdleTimeout, generation_id: str | None = None
) -> AsyncGenerator[bytes]:
    """The body as it arrives, decompressed. Raises `OutcomeUnknown` when the connection breaks."""
    encoded = "content-encoding" in response.headers
    handled = sys.exception()
    problem: str | None = None
    try:
        async for chunk in response.aiter_bytes() if encoded else response.aiter_raw():
            timer.reset()
            yield chunk
    except CutReply as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - `translated` tells them apart by their causes
        told = translated(error, handled, "the service")
        problem = f"the connection broke while the reply came: {told}"
    if problem is not None:
        raise OutcomeUnknown(problem, generation_id=generation_id)


async def read_all(
    chunks: AsyncIterator[bytes],
    spool: Spool | None = None,
    generation_id: str | None = None,
    pieces: deque[bytes] | None = None,
    start: bytes = b"",
) -> bytes:
    """All chunks joined, each through the spool if there is one, behind the `start` that was taken
    from them. What has arrived so far stands in `pieces`. Raises `ProtocolError` for more than
    `MAX_BODY` bytes.
    """
    pieces = deque() if pieces is None else pieces
    pieces.append(start if spool is None or not start else spool.feed(start))
    size = len(pieces[-1])
    async for chunk in chunks:
        pieces.append(chunk if spool is None else spool.feed(chunk))
        size += len(pieces[-1])
        if size > MAX_BODY:
            break
    if size > MAX_BODY:
        pieces.clear()  # so that nobody joins so much once more, to look for pictures in it
        raise ProtocolError(
            f"the reply is longer than {MAX_BODY} bytes", generation_id=generation_id
        )
    if spool is not None:
        pieces.append(spool.close())
    return b"".join(pieces)


class Exchange:
    """One reply while it arrives. `first_byte` and `idle` are in seconds, as in `Timeouts`."""

    def __init__(
        self,
        response: Response,
        spool: Spool,
        *,
        first_byte: float,
        idle: float,
        turns: FairShare | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`close` closes the connection, where there is one. `turns` shares the event loop with
        other replies; None: it is held until all is read.
        """
        self._response, self._turns, self._close = response, turns, close
        self._first_byte, self._idle = first_byte, idle
        self.spool = spool
        self.generation_id: str | None = response.headers.get(GENERATION_ID)
        self.is_stream = "text/event-stream" in response.headers.get("content-type", "").lower()
        """Whether the reply is a stream of events. Its first bytes decide, once they are there:
        some gateways declare one type and send the other.
        """
        self.done = False
        """Whether the stream ended with `[DONE]`, or the body was read to its end."""
        self.torn = False
        """Whether the stream ended inside an event."""
        self._lines = EventStream()
        self._unread: deque[bytes] = deque()
        """Events, or pieces of a body, that have arrived and were not passed on yet."""
        self.downloads: Downloads | None = None
        """Remembers what was downloaded for the reply, where a ledger is kept."""
        self._recorder: Recorder | None = None
        self._cancelled: asyncio.CancelledError | None = None
        """A cancellation that came while something that had arrived was still to be passed on."""

    async def close(self) -> None:
        """Close the connection. One whose body was read to its end serves the next request."""
        if self._close is not None:
            await self._close()

    async def record(self, recorder: Recorder) -> None:
        """Have the reply written down: its headers now, its bytes before they are read."""
        await recorder.head(self._response.status_code, self._response.headers)
        self._recorder = recorder

    async def read(self, take: Take) -> None:
        """Pass each JSON object of the reply to `take` as it arrives: the events of a stream, or
        the one object of a buffered body.

        Raises `ProtocolError` for what is no JSON object, `OutcomeUnknown` when the connection
        breaks or nothing comes any more.
        """
        timer = IdleTimeout(self._first_byte, self._idle, self.generation_id)
        chunks = chunks_of(self._response, timer, self.generation_id)
        if self._recorder is not None:
            chunks = self._recorder.recorded(chunks)
        try:
            await timer.watch(self._read(chunks, take))
        except BaseException:
            # A picture that was paid for may stand in what was not passed on.
            unread = [*self._unread]
            if self.is_stream:
                unread += [b"\n", self._lines.rest()]
            self.spool.salvage(unread)
            raise

    async def _read(self, chunks: AsyncGenerator[bytes], take: Take) -> None:
        start, size = b"", 0
        async for chunk in chunks:
            start = (start + chunk).lstrip(_BLANK)
            size += len(chunk)
            found = _is_stream(start, declared=self.is_stream)
            if found is not None:
                self.is_stream = found
                break
            if size > MAX_BODY:
                raise self._refusal(f"the reply begins with more than {MAX_BODY} bytes of nothing")
        if self.is_stream:
            await self._read_stream(_with_start(start, chunks), take)
        else:
            await self._read_body(start, chunks, take)

    async def _read_stream(self, chunks: AsyncIterator[bytes], take: Take) -> None:
        stream, spool, unread = self._lines, self.spool, self._unread
        size = events = 0
        async for chunk in chunks:
            ends = math.inf if self._turns is None else await self._turn()
            lines = spool.feed(chunk)
            size += len(lines)
            if size > MAX_STREAM:
                raise self._refusal(f"the reply is longer than {MAX_STREAM} bytes")
            unread.extend(stream.feed(lines))
            events += len(unread)
            if events > MAX_EVENTS:
                raise self._refusal(f"the reply has more than {MAX_EVENTS} events")
            while unread:
                data = unread[0]
                if data == DONE:
                    self.done = True
                    await self._end(chunks)
                    return
                # An event may be empty: it keeps the connection alive.
                if data and take(self._parsed(data)):
                    self.done = DONE in unread
                    await self._end(chunks)
                    return
                unread.popleft()
                if unread and monotonic() >= ends:
                    ends = await self._turn()
            if self._cancelled is not None:
                raise self._cancelled
        unread.extend(stream.feed(spool.close()))
        while unread:
            if unread[0] and unread[0] != DONE:
                take(self._parsed(unread[0]))
            unread.popleft()
        rest = stream.rest()
        if not self._pass_on_last(stream.close(), take):
            spool.salvage((rest,))
            self.torn = bool(rest.strip())

    async def _turn(self) -> float:
        """Wait until it is this reply's turn; the time at which that ends. A cancellation is kept
        until what has arrived is passed on: it may hold a picture that was paid for, or its cost.
        """
        if self._turns is None or self._cancelled is not None:
            return math.inf
        try:
            return await self._turns.turn()
        except asyncio.CancelledError as error:
            self._cancelled = error
            return math.inf

    def _pass_on_last(self, events: list[bytes], take: Take) -> bool:
        """Pass on a last event whose blank line did not come. False if it was cut inside, and so
        cannot be read.
        """
        for data in events:
            if data and data != DONE:
                try:
                    found = read_object(data)
                except UnreadableJson:
                    return False
                take(found)
        return bool(events)

    async def _end(self, chunks: AsyncIterator[bytes]) -> None:
        if self._cancelled is not None:
            raise self._cancelled
        await self._drain(chunks)

    async def _drain(self, chunks: AsyncIterator[bytes]) -> None:
        """Read the end of the body, which comes with `[DONE]` or the last event: only then can the
        connection serve the next request.
        """
        # Where the end does not come, the connection is closed instead.
        with contextlib.suppress(TimeoutError, AgentkitError):
            async with asyncio.timeout(END_WAIT):
                async for chunk in chunks:
                    if not self.done:
                        self.done = DONE in self._lines.feed(self.spool.feed(chunk))

    async def _read_body(self, start: bytes, chunks: AsyncIterator[bytes], take: Take) -> None:
        body = await read_all(chunks, self.spool, self.generation_id, self._unread, start)
        self.done = True
        take(self._parsed(body))

    def _parsed(self, data: bytes) -> JsonObject:
        try:
            return read_object(data)
        except UnreadableJson as error:
            found = described(data)
            refusal = self._refusal(f"the reply is no JSON object but {found} ({error})")
        raise refusal

    def _refusal(self, words: str) -> ProtocolError:
        return ProtocolError(words, generation_id=self.generation_id)


_BLANK = b"\xef\xbb\xbf \t\r\n"
_FIELDS = (b":", b"data:", b"event:", b"id:", b"retry:")


def _is_stream(start: bytes, *, declared: bool) -> bool | None:
    """Whether a reply that starts so, white space apart, is a stream of events: one starts with a
    field or a comment, JSON or HTML do not, and of other words the declared type decides. None
    where more bytes are needed.
    """
    if start[:1] in (b"{", b"[", b"<"):
        return False
    if start.startswith(_FIELDS):
        return True
    return None if any(field.startswith(start) for field in _FIELDS) else declared


async def _with_start(start: bytes, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    yield start
    async for chunk in chunks:
        yield chunk
