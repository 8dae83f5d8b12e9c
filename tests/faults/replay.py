"""A server that replays recorded bytes: cut at any byte, cleanly or not, and in slices of any
size.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentkit import Agent, Limits, OpenRouter, tool
from agentkit.errors import AgentkitError, RunError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.studio import Studio
from tests.clock import FOREVER
from tests.faults.streams import Recorded

WAIT = 60.0
"""Seconds that a client waits for the next bytes: each body ends at once, so this is a hang."""

LAST = {
    "chat": b'{"id":"gen-2","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Done."}}]}',
    "responses": b'{"id":"gen-2","object":"response","status":"completed","output":[{"type":"message","role":"assistant",'
    b'"status":"completed","content":[{"type":"output_text","text":"Done.","annotations":[]}]}]}',
}  # fmt: skip
EVENTS, JSON = "text/event-stream", "application/json"


@dataclass
class Play:
    """What the server sends to one client, which is known by its key."""

    pieces: Sequence[bytes]
    kind: str = JSON
    length: int | None = None
    """What is told of the body's length; None: it ends with the connection, as if it were whole."""
    last: bytes = b""
    posts: int = 0
    slow: bool = False


@dataclass
class Replayer:
    """One server for any number of clients at once."""

    url: str = ""
    plays: dict[str, Play] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self._handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            writer.close()
            self.tasks.discard(task)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n"))
        }
        await reader.readexactly(int(lines.get("content-length", "0")))
        play = self.plays.get(lines.get("authorization", "").removeprefix("Bearer "))
        if not head.startswith("POST") or play is None:
            writer.write(b"HTTP/1.1 404 No\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
        else:
            play.posts += 1
            await self._answer(play, writer)

    async def _answer(self, play: Play, writer: asyncio.StreamWriter) -> None:
        again = play.posts > 1
        length = len(play.last) if again else play.length
        told = "" if length is None else f"content-length: {length}\r\n"
        kind = JSON if again else play.kind
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nx-generation-id: gen-1\r\nconnection: close\r\n{told}\r\n"
        writer.write(head.encode())
        for piece in [play.last] if again else play.pieces:
            writer.write(piece)
            if play.slow:
                await writer.drain()
                await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def replaying() -> AsyncIterator[Replayer]:
    replayer = Replayer()
    server = await asyncio.start_server(replayer.handle, "127.0.0.1", 0)
    replayer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"
    try:
        yield replayer
    finally:
        server.close()
        for task in list(replayer.tasks):
            task.cancel()
        await asyncio.gather(*replayer.tasks, return_exceptions=True)


@dataclass
class Heard:
    """What the client made of it."""

    answer: Any = None
    error: BaseException | None = None
    posts: int = 0
    ran: int = 0
    store: MemoryImageStore = field(default_factory=MemoryImageStore)

    @property
    def so_far(self) -> Any:
        if not isinstance(self.error, RunError):
            return self.answer
        return self.error.drawing or self.error.answer_so_far


async def hear(
    replayer: Replayer,
    client: OpenRouter,
    key: str,
    api: str,
    pieces: Sequence[bytes],
    *,
    stream: bool,
    length: int | None,
    slow: bool = False,
    seconds: float = FOREVER,
    kind: str | None = None,
) -> Heard:
    """Ask once, and be told these bytes."""
    play = Play(pieces, kind or (EVENTS if stream else JSON), length, LAST.get(api, b""), slow=slow)
    replayer.plays[key] = play
    heard = Heard()

    @tool
    def note(text: str) -> str:
        """Write something down."""
        heard.ran += 1
        return f"noted {text}"

    try:
        if api == "images":
            studio = Studio("a/b", client=client, store=heard.store, checks=False, seconds=seconds)
            heard.answer = await _drawn(studio, stream=stream)
        else:
            dialect: Any = api
            agent = Agent(
                "a/b",
                api=dialect,
                client=client,
                store=heard.store,
                tools=[note],
                limits=Limits(seconds=seconds),
            )
            heard.answer = await _asked(agent, stream=stream)
    except AgentkitError as error:
        heard.error = error
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        heard.error = error
    heard.posts = play.posts
    return heard


async def _drawn(studio: Studio, *, stream: bool) -> Any:
    if not stream:
        return await studio.draw("go", n=2)
    async with studio.stream("go", n=2) as watched:
        return await watched.finish()


async def _asked(agent: Agent[Any], *, stream: bool) -> Any:
    if not stream:
        return await agent.run("go")
    async with agent.stream("go") as watched:
        return await watched.finish()


class Ears:
    """Several clients of one replayer, each with a key of its own, for work in parallel."""

    def __init__(self, replayer: Replayer, count: int) -> None:
        self.replayer = replayer
        waits = Timeouts(connect=WAIT, first_byte=WAIT, idle=WAIT, lookup=0)
        self._free: asyncio.Queue[tuple[str, OpenRouter]] = asyncio.Queue()
        self._all = [
            (
                f"key-{number}",
                OpenRouter(api_key=f"key-{number}", base_url=replayer.url, timeouts=waits),
            )
            for number in range(count)
        ]
        for each in self._all:
            self._free.put_nowait(each)

    async def hear(self, api: str, pieces: Sequence[bytes], **more: Any) -> Heard:
        key, client = await self._free.get()
        try:
            return await hear(self.replayer, client, key, api, pieces, **more)
        finally:
            self._free.put_nowait((key, client))

    async def close(self) -> None:
        for _, client in self._all:
            await client.close()


@contextlib.asynccontextmanager
async def ears(count: int = 8) -> AsyncIterator[Ears]:
    async with replaying() as replayer:
        made = Ears(replayer, count)
        try:
            yield made
        finally:
            await made.close()


def sliced(body: bytes, chance: random.Random, most: int) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        size = chance.randint(1, most)
        yield body[at : at + size]
        at += size


def cut_is_right(one: Recorded, whole: Heard, cut: int, heard: Heard, *, clean: bool) -> str | None:
    """Why this is not what a cut at that byte has to give; None where it is."""
    from agentkit.errors import APIError, OutcomeUnknown, ProtocolError, StreamInterrupted

    done = one.stream and not one.fails and cut >= one.finish
    almost = clean and one.stream and not one.fails and one.finish - 3 <= cut < one.finish
    """All but the blank line: an event may count that ends with the stream."""
    if (done or almost) and heard.error is None:
        return (
            None
            if essence(heard) == essence(whole)
            else f"another answer: {heard.answer!r}, not {whole.answer!r}"
        )
    if heard.error is None and one.fails:
        return "success, though the reply is an error"
    if heard.error is None and cut == len(one.body):
        return None if summary(heard) == summary(whole) else "another answer than the whole"
    if (
        cut >= one.finish
        and not one.fails
        and (one.stream or (clean and cut == len(one.body)))
        and heard.error is not None
    ):
        return f"{type(heard.error).__name__} though the finish was there: {heard.error}"
    if heard.error is None:
        some = (
            clean
            and one.api == "images"
            and one.stream
            and len(heard.answer.images) == whole_pictures(one, cut)
        )
        return (
            None if some else "success without a finish"
        )  # of the Image API `n` is an upper bound
    if type(heard.error) not in (
        OutcomeUnknown,
        StreamInterrupted,
        *((ProtocolError,) if clean else ()),
    ) and not (one.fails and isinstance(heard.error, APIError)):
        return f"{type(heard.error).__name__}: {heard.error}"
    if heard.so_far is None:
        return "nothing of what had arrived"
    if heard.ran or heard.posts != 1:
        return f"a tool ran {heard.ran} times, {heard.posts} POSTs"
    said, full = (squeezed(getattr(each.so_far, "text", "")) for each in (heard, whole))
    if not full.startswith(said):
        return f"the text so far is {said!r}"
    for end, data in one.pictures:
        if cut >= end and not in_store(heard, data):
            return "a picture that had arrived is lost"
    return None


def whole_pictures(one: Recorded, cut: int) -> int:
    return sum(cut >= end for end, _ in one.pictures)


def squeezed(text: str) -> str:
    return "".join(text.split())


def in_store(heard: Heard, data: bytes) -> bool:
    import hashlib

    try:
        heard.store.open(hashlib.sha256(data).hexdigest()).close()
    except FileNotFoundError:
        return False
    return True


def essence(heard: Heard) -> Any:
    """What stands once the finish was seen; what was used may come behind it."""
    answer = heard.answer
    images = [each.sha256 for each in answer.images]
    return getattr(answer, "text", ""), images, getattr(answer, "status", ""), heard.ran


def summary(heard: Heard) -> Any:
    """What two runs of the same bytes have to agree on."""
    answer = heard.answer
    if heard.error is not None:
        so_far = heard.so_far
        return (
            type(heard.error),
            str(heard.error),
            getattr(so_far, "text", ""),
            [each.sha256 for each in so_far.images],
        )
    if not hasattr(answer, "text"):
        return [each.sha256 for each in answer.images], answer.usage.cost_usd
    raw = [message.raw for message in answer.messages]
    return (
        answer.text,
        [each.sha256 for each in answer.images],
        answer.usage,
        answer.status,
        raw,
        heard.ran,
    )
