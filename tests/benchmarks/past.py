"""What must not grow: with what lies behind a conversation, with how much has arrived at once, and
with how many streams are ready.
"""

from __future__ import annotations

import asyncio
import gc
import io
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, cast

import httpx2
import openai
from PIL import Image as Pillow

from agentkit import Agent, FileImageStore, Image, OpenRouter, Text, TextDelta
from agentkit.conversation import Conversation
from agentkit.values import Message
from tests.benchmarks.replies import MODEL
from tests.benchmarks.subjects import PROMPT

BEAT = 0.005


@dataclass(frozen=True)
class Row:
    """One figure, with what it is compared with: their quotient is to be at most `goal`."""

    title: str
    ours: float
    floor: float
    goal: float
    unit: str

    @property
    def ratio(self) -> float:
        return self.ours / self.floor if self.floor else 0.0


async def rows(origin: str, folder: Path, *, turns: int, pictures: int, streams: int) -> list[Row]:
    """All of them; `turns`, `pictures` and `streams` say how much there is."""
    client = OpenRouter(api_key="sk-or-bench", base_url=f"{origin}/plain-1")
    store = FileImageStore(folder / "store")
    agent: Agent[Any] = Agent(MODEL, client=client, store=store)
    found: list[Row] = []
    try:
        for title, many, few in (
            (f"text turn behind {turns:,} others, above the first", _texts(turns), _texts(0)),
            (
                f"text turn behind {pictures:,} pictures, above one",
                _drawings(store, pictures),
                _drawings(store, 1),
            ),
        ):
            found.append(await _grown(title, origin, agent, many, few))
        short = await _behind(agent, [])
        long = await _behind(agent, _texts(turns))
        forks = [_timed(chat.fork, 200) for chat in (long, short)]
        found.append(Row(f"fork at {turns:,} turns, to 1", *forks, goal=2.0, unit="s"))
    finally:
        await client.close()
    found.append(await _first_of_a_burst(origin, store))
    found.append(await _heartbeat(origin, store, streams))
    return found


def _texts(turns: int) -> list[Message]:
    messages: list[Message] = []
    for number in range(turns):
        said = f"Question number {number}: how is the weather today?"
        raw = json.dumps({"role": "assistant", "content": PROMPT}).encode()
        reply = Message("assistant", (Text(PROMPT),), ((raw,),), "chat", MODEL)
        messages += (Message("user", (Text(said),)), reply)
    return messages


def _drawings(store: FileImageStore, count: int) -> list[Message]:
    messages: list[Message] = []
    for number in range(count):
        file = io.BytesIO()
        Pillow.new("RGB", (2, 2), (number % 256, number // 256, 7)).save(file, "PNG")
        draft = store.create()
        draft.write(file.getvalue())
        image = Image(draft.keep(), "image/png", len(file.getvalue()), name=f"img_{number + 1}")
        drawn = Message("assistant", (Text(f"Picture {number}"), image), model=MODEL)
        messages += (Message("user", (Text(f"Draw {number}"),)), drawn)
    return messages


async def _behind(agent: Agent[Any], messages: list[Message]) -> Conversation[Any]:
    """A conversation behind which these messages lie, and a first turn."""
    run = (await agent.run(PROMPT)).run
    whole = (*messages, *run.messages)
    images = tuple(image for message in messages for image in message.images)
    grown = run.replace(messages=whole, start=len(messages), images=images)
    chat = agent.conversation(run=grown)
    await chat.send(PROMPT)
    return chat


async def _body(store: FileImageStore, messages: list[Message]) -> bytes:
    """What is sent with a turn behind which these messages lie."""
    bodies: list[bytes] = []
    message = {"role": "assistant", "content": PROMPT}
    told = {"choices": [{"finish_reason": "stop", "message": message}]}

    async def answer(request: httpx2.Request) -> httpx2.Response:
        bodies.append(await request.aread())
        return httpx2.Response(200, json=told)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    base = "http://127.0.0.1:9/v1"
    sdk = openai.AsyncOpenAI(api_key="sk-or-bench", base_url=base, http_client=http)
    client = OpenRouter(openai_client=sdk)
    agent: Agent[Any] = Agent(MODEL, client=client, store=store, checks=False)
    await _behind(agent, messages)
    await http.aclose()
    return bodies[-1]


async def _grown(
    title: str, origin: str, agent: Agent[Any], many: list[Message], few: list[Message]
) -> Row:
    """CPU of a turn behind many messages above that behind a few, beside that of a socket."""
    long, short = await _behind(agent, many), await _behind(agent, few)
    store = cast("FileImageStore", agent.store)
    bodies = [await _body(store, messages) for messages in (many, few)]
    seconds: dict[str, list[float]] = {"long": [], "short": [], "socket": [], "little": []}
    reader, writer = await asyncio.open_connection(*_place(origin))
    work: dict[str, Callable[[], Awaitable[object]]] = {
        "long": lambda: long.send(PROMPT),
        "short": lambda: short.send(PROMPT),
        "socket": lambda: _posted(reader, writer, bodies[0]),
        "little": lambda: _posted(reader, writer, bodies[1]),
    }
    for number in range(12):
        for name, each in work.items():
            gc.collect()
            began = time.process_time()
            await each()
            if number:
                seconds[name].append(time.process_time() - began)
    writer.close()
    taken = {name: median(each) for name, each in seconds.items()}
    floor = max(taken["socket"] - taken["little"], 1e-6)
    return Row(title, max(taken["long"] - taken["short"], 0.0), floor, 1.5, "s")


def _place(origin: str) -> tuple[str, int]:
    host, _, port = origin.partition("://")[2].partition(":")
    return host, int(port)


async def _posted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> Any:
    """The answer to a POST, over a socket alone."""
    head = f"POST /plain-1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    told = await reader.readuntil(b"\r\n\r\n")
    length = told.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return json.loads(await reader.readexactly(int(length)))


def _timed(work: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


async def _first_of_a_burst(origin: str, store: FileImageStore) -> Row:
    """CPU time of a request whose reply is 5,000 deltas in one burst, until the user sees the first
    of them, beside 5 ms."""
    taken: list[float] = []
    async with OpenRouter(api_key="sk-or-bench", base_url=f"{origin}/deltas-5000") as client:
        agent: Agent[Any] = Agent(MODEL, client=client, store=store)
        for _ in range(7):
            began = time.process_time()
            async with agent.stream(PROMPT) as stream:
                async for event in stream:
                    if isinstance(event, TextDelta):
                        taken.append(time.process_time() - began)
                        break
                await stream.finish()
    return Row("first of 5,000 deltas in one burst, to 5 ms", median(taken), 0.005, 1.0, "s")


async def _heartbeat(origin: str, store: FileImageStore, streams: int) -> Row:
    """The longest stop of a heartbeat while so many streams are ready, beside that of readers that
    only parse each event."""
    async with OpenRouter(api_key="sk-or-bench", base_url=f"{origin}/deltas-500") as client:
        agent: Agent[Any] = Agent(MODEL, client=client, store=store)

        async def ours() -> None:
            async with agent.stream(PROMPT) as stream:
                await stream.finish()

        async def floor() -> None:
            reader, writer = await asyncio.open_connection(*_place(origin))
            body = b'{"stream":true}'
            head = "POST /deltas-500/chat/completions HTTP/1.1\r\nContent-Length: 15\r\n\r\n"
            writer.write(head.encode() + body)
            while (line := await reader.readline()) != b"data: [DONE]\n":
                if line.startswith(b"data: "):
                    json.loads(line[6:])
            writer.close()

        await ours()
        stops = [await _longest_stop(work, streams) for work in (ours, floor)]
    title = f"longest stop of a heartbeat beside {streams} ready streams"
    return Row(title, *stops, goal=0.5, unit="s")


async def _longest_stop(work: Callable[[], Awaitable[None]], streams: int) -> float:
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(BEAT)
            longest = max(longest, time.perf_counter() - began - BEAT)

    beating = asyncio.create_task(beat())
    await asyncio.gather(*(work() for _ in range(streams)))
    beating.cancel()
    return longest
