"""The openai SDK as transport: its connection pool, proxies and time-outs, with our own bodies and our own decoding.

What the SDK would do by itself and must not is off: it sends nothing again (`agentkit.openrouter.retry` decides that),
follows no redirect, reads no error body to its end, and adds no header of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import quote, urlsplit
from weakref import WeakKeyDictionary

from agentkit.errors import AgentkitError, MissingKey, OutcomeUnknown, ProtocolError, UsageError
from agentkit.images.spool import Spool
from agentkit.images.store import ImageStore
from agentkit.openrouter.body import content_of
from agentkit.openrouter.guard import GENERATION_ID, http_client, redacted, translated
from agentkit.openrouter.lookup import PATIENCE, look_up
from agentkit.openrouter.pool import Lane, Pool
from agentkit.values import Pieces
from agentkit.wire.generation import Generation
from agentkit.wire.model import JsonObject
from agentkit.wire.sse import DONE, EventStream
from agentkit.wire.text import UnreadableJson, read_object

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
BASE_URL = "https://openrouter.ai/api/v1"
MAX_BODY = 128 * 1024 * 1024
"""Bytes of one reply, pictures not counted."""
END_WAIT = 0.2
"""Seconds that a stream's body may take to end once it has said `[DONE]`."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. Pictures take minutes, during which only comments come; the total is `Limits.seconds` of each run."""

    connect: float = 10
    first_byte: float = 300
    idle: float = 300
    pool: float = 60
    lookup: float = PATIENCE
    """For how long `GET /generation` is asked what became of a request whose reply was lost; 0: not at all."""

    def __post_init__(self) -> None:
        for name in ("connect", "first_byte", "idle", "pool", "lookup"):
            value: object = getattr(self, name)
            fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
            if not fits or (value == 0 and name != "lookup"):
                least = "of at least 0" if name == "lookup" else "above 0"
                raise UsageError(f"Timeouts({name}={value!r}): accepted is a finite number of seconds {least}")


class Secret:
    """A string that no repr, log or traceback shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(…)" if self._value else "Secret(none)"


def _header(value: str | None) -> str | None:
    """A header's value: what is not ASCII is percent-encoded."""
    return value if value is None or value.isascii() else quote(value, safe=" ")


class OpenRouter:
    """A connection to OpenRouter, shared by any number of agents; it keeps one connection pool for each event loop.

    `api_key` and `base_url` default to `OPENROUTER_API_KEY` and `OPENROUTER_BASE_URL`. Use it as an async context
    manager, or call `close()`. Raises `MissingKey` at the first request where there is no key.

    >>> OpenRouter(api_key="sk-or-v1-0123", app_name="My painter")
    OpenRouter('https://openrouter.ai/api/v1')
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        app_name: str | None = None,
        app_url: str | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._key = Secret((api_key if api_key is not None else os.environ.get("OPENROUTER_API_KEY", "")).strip())
        self.base_url = (base_url or os.environ.get("OPENROUTER_BASE_URL") or BASE_URL).rstrip("/")
        parts = urlsplit(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError(
                f"OpenRouter(base_url={redacted(self.base_url)!r}): accepted is an http or https URL such as {BASE_URL!r}"
            )
        if parts.username or parts.password:
            raise UsageError("OpenRouter(base_url=…) must not hold a user name or password; accepted is api_key=")
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.timeouts = timeouts or Timeouts()
        if not self._key.reveal().isascii() or not self._key.reveal().isprintable():
            raise UsageError("OpenRouter(api_key=…): accepted are the printable ASCII characters of a key")
        self._headers = {"HTTP-Referer": _header(app_url), "X-OpenRouter-Title": _header(app_name)}
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = WeakKeyDictionary()
        weakref.finalize(self, _forget, self._pools).atexit = False

    def __repr__(self) -> str:
        return f"OpenRouter({self.base_url!r})"

    def same_as(self, other: OpenRouter) -> bool:
        """Whether both speak to the same address with the same key: the environment may have changed in between."""
        return self.base_url == other.base_url and self._key.reveal() == other._key.reveal()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections of this event loop. A later request opens new ones."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.close()

    async def _pool(self) -> Pool:
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            if not self._key:
                raise MissingKey(
                    "there is no API key: set OPENROUTER_API_KEY (or pass OpenRouter(api_key=…)), or start the emulator with "
                    "`agentkit emulator` and set OPENROUTER_BASE_URL to the address it prints, with any key"
                )
            for other in [each for each in self._pools if each.is_closed()]:
                del self._pools[other]
            pool = self._pools[loop] = Pool(self._lanes())
            await pool.watch()
        return pool

    def _lanes(self) -> Callable[[], Lane]:
        """Makes the lanes of one pool; reading the system's certificates takes long, so they share what was read."""
        import httpx2
        from openai import AsyncOpenAI

        key, base_url, headers, timeouts = self._key, self.base_url, self._headers, self.timeouts
        tls = httpx2.create_ssl_context()

        def open_lane() -> Lane:
            read = max(timeouts.first_byte, timeouts.idle)
            http = http_client(
                headers, tls=tls, secret=key.reveal, connect=timeouts.connect, read=read, pool=timeouts.pool
            )
            sdk = AsyncOpenAI(
                api_key=key.reveal(), base_url=base_url, http_client=http, max_retries=0, timeout=http.timeout
            )
            return Lane(sdk, http)

        return open_lane

    @contextlib.asynccontextmanager
    async def exchange(self, path: str, body: Pieces, store: ImageStore) -> AsyncGenerator[Exchange]:
        """Send one request and read its reply. The connection is closed at the end of the block, come what may.

        Raises `APIError` for an error status, `ConnectionFailed` where nothing was sent, `OutcomeUnknown` where the
        connection broke after that.
        """
        pool = await self._pool()
        content, length = content_of(body, store)
        lane = pool.take()
        try:
            response = await _guarded(lane.post(path, content, length))
            try:
                yield Exchange(response, Spool(store))
            finally:
                await response.aclose()
        finally:
            await pool.give_back(lane)

    async def get(self, path: str) -> JsonObject:
        """A JSON object by GET: the catalogue, `/generation`, `/key`. Raises as `exchange` does."""
        pool = await self._pool()
        lane = pool.take()
        try:
            response = await _guarded(lane.get(path))
            return read_object(await _guarded(response.aread()))
        except UnreadableJson as error:
            raise ProtocolError(f"GET {path} gave no JSON object: {error}") from None
        finally:
            await pool.give_back(lane)

    async def generation(self, generation_id: str, *, seconds: float | None = None) -> Generation | None:
        """What OpenRouter remembers of a request: whether it was carried out, and what it cost. None where that cannot be had.

        `generation_id` is an error's, or that of a reply. An unknown one is asked for again for `seconds`, by default
        `Timeouts.lookup`, since the record is written some time after the request has ended.
        """
        patience = self.timeouts.lookup if seconds is None else min(seconds, self.timeouts.lookup)
        return await look_up(self, generation_id, seconds=patience) if patience > 0 else None


async def _guarded(work: Awaitable[T]) -> T:
    """The result, or our own error, raised outside of any handler so that it holds on to nothing of the SDK's."""
    handled = sys.exception()
    problem: AgentkitError | None = None
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - `translated` tells them apart by their causes
        problem = translated(error, handled)
    raise problem


def _forget(pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Pool]) -> None:
    """Close the connections of a client that was dropped without `close`, each on the loop that it belongs to."""
    for loop, pool in list(pools.items()):
        if loop.is_running():
            loop.call_soon_threadsafe(pool.forget)


class Exchange:
    """One reply while it arrives."""

    def __init__(self, response: httpx2.Response, spool: Spool) -> None:
        self._response = response
        self.spool = spool
        self.generation_id: str | None = response.headers.get(GENERATION_ID)
        self.is_stream = "text/event-stream" in response.headers.get("content-type", "").lower()
        self.done = False
        """Whether the stream said `[DONE]`, or the body was read to its end."""

    async def read(self, take: Callable[[JsonObject], None]) -> None:
        """Give `take` each JSON object of the reply as it arrives: of a stream its events, else the one that the body is.

        Raises `ProtocolError` for what is no JSON, `OutcomeUnknown` for a broken connection.
        """
        if not self.is_stream:
            take(await self._whole())
            return
        stream, spool, chunks = EventStream(), self.spool, self._chunks()
        size = 0
        async for chunk in chunks:
            lines = spool.feed(chunk)
            size += len(lines)
            if size > MAX_BODY:
                raise ProtocolError(f"the reply is longer than {MAX_BODY} bytes", generation_id=self.generation_id)
            for data in stream.feed(lines):
                if data == DONE:
                    self.done = True
                    await self._drain(chunks)
                    return
                take(self._read(data))
        for data in (*stream.feed(spool.close()), *stream.close()):
            if data != DONE:
                take(self._read(data))

    async def _drain(self, chunks: AsyncIterator[bytes]) -> None:
        """Read the end of the body, which comes with `[DONE]`: only then can the connection serve the next request."""
        with contextlib.suppress(TimeoutError, AgentkitError):  # then the connection is closed, not used again
            async with asyncio.timeout(END_WAIT):
                async for _ in chunks:
                    pass

    async def _whole(self) -> JsonObject:
        pieces: list[bytes] = []
        size = 0
        async for chunk in self._chunks():
            pieces.append(self.spool.feed(chunk))
            size += len(pieces[-1])
            if size > MAX_BODY:
                raise ProtocolError(f"the reply is longer than {MAX_BODY} bytes", generation_id=self.generation_id)
        pieces.append(self.spool.close())
        self.done = True
        return self._read(b"".join(pieces))

    async def _chunks(self) -> AsyncIterator[bytes]:
        encoded = "content-encoding" in self._response.headers
        handled = sys.exception()
        problem: AgentkitError | None = None
        try:
            async for chunk in self._response.aiter_bytes() if encoded else self._response.aiter_raw():
                yield chunk
        except Exception as error:  # noqa: BLE001 - `translated` tells them apart by their causes
            problem = translated(error, handled)
        if problem is not None:
            words = f"the connection broke while the reply came: {problem}"
            raise OutcomeUnknown(words, generation_id=self.generation_id)

    def _read(self, data: bytes) -> JsonObject:
        try:
            return read_object(data)
        except UnreadableJson as error:
            start = data[:60].decode("utf-8", "replace").strip()
            what = "HTML" if start.startswith("<") else "nothing" if not start else f"{start!r}…"
            raise ProtocolError(
                f"the reply is no JSON object but {what} ({error})", generation_id=self.generation_id
            ) from None
