"""What is compared with a floor: raw sockets, the shortest correct code, a plain `AsyncOpenAI`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import pybase64

from agentkit import Agent, FetchPolicy, FileImageStore, OpenRouter, TextDelta
from agentkit.sessions import Sessions
from tests.benchmarks.past import Row
from tests.benchmarks.replies import MODEL
from tests.benchmarks.sessions import bytes_written
from tests.benchmarks.subjects import PROMPT

FIRST_TOKEN_GOAL = 0.002
WINDOW = 25
"""Turns whose median is compared: at the begin and at the end."""
_SDK = """
import asyncio, sys, openai
async def main():
    async with openai.AsyncOpenAI(api_key="k", base_url=sys.argv[1]) as client:
        said = [{"role": "user", "content": "Hello"}]
        await client.chat.completions.create(model="m", messages=said)
asyncio.run(main())
"""
_OURS = """
import asyncio, sys
from agentkit import Agent, FileImageStore, OpenRouter
async def main():
    store = FileImageStore(sys.argv[2])
    async with OpenRouter(api_key="k", base_url=sys.argv[1]) as client:
        await Agent("openai/gpt-5.2", client=client, store=store).run("Hello")
asyncio.run(main())
"""


async def rows(origin: str, folder: Path, *, megabytes: int, turns: int, samples: int) -> list[Row]:
    """All of them. `megabytes` is the size of the large picture, `turns` how many a saved
    conversation has."""
    return [
        await asyncio.to_thread(cold_start, origin, folder, samples),
        await first_token(origin, folder, samples * 5),
        await download(origin, folder, samples * 3),
        await large_picture(origin, folder, megabytes, samples),
        await saved_bytes(origin, folder, turns),
    ]


def cold_start(origin: str, folder: Path, samples: int) -> Row:
    """CPU time of a new process up to its first answer, beside the same with an `AsyncOpenAI`."""
    taken: dict[str, list[float]] = {_SDK: [], _OURS: []}
    for number in range(samples + 1):
        for code, seconds in taken.items():
            arguments = [f"{origin}/plain-1", str(folder / "cold")]
            began = _of_children()
            subprocess.run([sys.executable, "-c", code, *arguments], check=True)
            if number:
                seconds.append(_of_children() - began)
    ours, floor = median(taken[_OURS]), median(taken[_SDK])
    return Row("cold start to the first answer, to AsyncOpenAI", ours, floor, 1.0, "s")


def _of_children() -> float:
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def first_token(origin: str, folder: Path, samples: int) -> Row:
    """Wall time until the user has the first words of a stream, above that of a raw socket which
    parses the first event, beside 2 ms."""
    store = FileImageStore(folder / "store")
    host, _, port = origin.partition("://")[2].partition(":")
    taken: dict[str, list[float]] = {"ours": [], "floor": []}
    async with OpenRouter(api_key="sk-or-bench", base_url=f"{origin}/deltas-50") as client:
        agent: Agent[Any] = Agent(MODEL, client=client, store=store)
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in range(samples + 1):
            ours, began = math.inf, time.perf_counter()
            async with agent.stream(PROMPT) as stream:
                async for event in stream:
                    if isinstance(event, TextDelta):
                        ours = time.perf_counter() - began
                        break
                await stream.finish()
            floor = await _first_event(reader, writer)
            if number:
                taken["ours"].append(ours)
                taken["floor"].append(floor)
        writer.close()
    more = median(taken["ours"]) - median(taken["floor"])
    title = "time to the first token above a raw socket's, to 2 ms"
    return Row(title, max(more, 0.0), FIRST_TOKEN_GOAL, 1.0, "s")


async def _first_event(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    """Seconds until the first event of a stream is parsed. The rest of it is read."""
    body = json.dumps({"model": MODEL, "stream": True}).encode()
    head = f"POST /deltas-50/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    began = time.perf_counter()
    writer.write(head.encode() + body)
    while not (line := await reader.readline()).startswith(b"data: "):
        pass
    json.loads(line[6:])
    seconds = time.perf_counter() - began
    while await reader.readline() != b"data: [DONE]\n":
        pass
    await reader.readuntil(b"0\r\n\r\n")
    return seconds


async def download(origin: str, folder: Path, samples: int) -> Row:
    """CPU time of a picture of 1 MB behind a URL, into the store, beside raw httpx2 that writes it
    to a file under its digest."""
    url = f"{origin}/file-1/a.png"
    async with OpenRouter(api_key="sk-or-bench", base_url=origin) as client, _raw() as http:
        fetcher = client.fetcher(FetchPolicy(), FileImageStore(folder / "fetched"))

        async def floor() -> None:
            data = (await http.get(url)).content
            (folder / hashlib.sha256(data).hexdigest()).write_bytes(data)

        ours, base = await _cpu([lambda: fetcher.fetch(url), floor], samples)
    return Row("download of a picture of 1 MB, to raw httpx2", ours, base, 1.3, "s")


def _raw() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(timeout=httpx2.Timeout(120))


async def large_picture(origin: str, folder: Path, megabytes: int, samples: int) -> Row:
    """CPU time of a reply with a large picture, beside a raw socket that decodes its base64 into a
    file while it arrives."""
    host, _, port = origin.partition("://")[2].partition(":")
    base, reader_limit = f"{origin}/image-{megabytes}", 1 << 20
    async with OpenRouter(api_key="sk-or-bench", base_url=base) as client:
        agent: Agent[Any] = Agent(MODEL, client=client, store=FileImageStore(folder / "large"))
        reader, writer = await asyncio.open_connection(host, int(port), limit=reader_limit)

        async def floor() -> None:
            head = f"POST /image-{megabytes}/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n"
            writer.write(head.encode() + b"{}")
            await _spooled(reader, folder / "spooled.png")

        ours, base_seconds = await _cpu([lambda: agent.run(PROMPT), floor], samples)
        writer.close()
    title = f"{megabytes} MB image, to a socket that spools it"
    return Row(title, ours, base_seconds, 1.2, "s")


async def _spooled(reader: asyncio.StreamReader, path: Path) -> None:
    """Decode the picture of a reply into a file, and its digest beside that."""
    head = await reader.readuntil(b"\r\n\r\n")
    left = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    before = await reader.readuntil(b";base64,")
    left -= len(before)
    digest, kept = hashlib.sha256(), b""
    with path.open("wb") as file:
        while left > 0:
            piece = await reader.read(min(left, 1 << 18))
            left -= len(piece)
            text, ended, _ = (kept + piece).partition(b'"')
            whole = len(text) - len(text) % 4
            data = pybase64.b64decode(text[:whole])
            digest.update(data)
            file.write(data)
            kept = text[whole:]
            if ended:
                break
    await reader.readexactly(left)
    digest.hexdigest()


async def saved_bytes(origin: str, folder: Path, turns: int) -> Row:
    """Bytes that are written for each of the last turns of a saved conversation, its call ledger
    included, beside those of the first ones."""
    sessions = Sessions(f"sqlite:///{folder}/grown.db", store=FileImageStore(folder / "store"))
    found: list[int] = []
    async with OpenRouter(api_key="sk-or-bench", base_url=f"{origin}/plain-1") as client:
        agent: Agent[Any] = Agent(MODEL, client=client, store=sessions.store)
        chat = agent.conversation("eve", sessions=sessions)
        for _ in range(turns):
            before = bytes_written()
            await chat.send(PROMPT)
            found.append(bytes_written() - before)
    sessions.close()
    late, early = median(found[-WINDOW:]), median(found[1 : WINDOW + 1] or found)
    title = f"bytes written by a saved turn: number {turns:,}, to the first"
    return Row(title, late, early, 1.2, "B")


async def _cpu(works: list[Callable[[], Awaitable[object]]], samples: int) -> list[float]:
    """Medians of interleaved samples; one of each before that is not counted."""
    taken: list[list[float]] = [[] for _ in works]
    for number in range(samples + 1):
        for work, seconds in zip(works, taken, strict=True):
            began = time.process_time()
            await work()
            if number:
                seconds.append(time.process_time() - began)
    return [median(each) for each in taken]
