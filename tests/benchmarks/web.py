"""What the chat server does under load: `python -m tests.benchmarks.web [--streams N] [--seconds N]`.

- streams that are open at once, each with 20 deltas a second of a model in another process: the lag
  of the server's loop, the longest gap between two chunks that a reader saw, and memory a stream
- the list of 1,000 conversations, and a conversation of 200 turns with 100 pictures
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import uvicorn

from agentkit import Agent, FileImageStore, Image, ImageGeneration, OpenRouter, Run
from agentkit.conversation_record import Shown
from agentkit.emulator import Draw, Emulator, Reply, Say
from agentkit.sessions import Sessions
from agentkit.values import replace
from agentkit.web import WebApp, app
from tests.web_server import Served, serving_app

TITLE = "chat server"
TOKEN = "a-token-of-the-benchmark"
GOALS = {"lag": 0.1, "gap": 1.0, "memory": 1024.0, "list": 0.3, "open": 0.3}
"""Seconds, and KiB a stream."""
PACE = 20
"""Deltas a second."""
DELTA = "word "
TICK = 0.005
CHATS, TURNS = 1_000, 200


@dataclass(frozen=True)
class Load:
    """The figures of many streams."""

    lag: float
    longest_lag: float
    gap: float
    deltas: float
    """Seen a second and stream."""
    memory: float
    """KiB a stream."""
    cpu: float
    """Seconds of a processor that the server used, a second."""
    cost: float
    """Microseconds of a processor that it used for each delta of the model."""


def model(streams: int, seconds: int) -> None:
    """An emulator, until its input ends."""
    words = DELTA * (PACE * seconds)
    with Emulator(chunk_delay=1 / PACE) as emulator:
        emulator.play([Reply([Say(words)], chunk=len(DELTA)) for _ in range(streams + 1)])
        print(emulator.base_url, flush=True)
        sys.stdin.read()


def server(base_url: str, folder: str) -> None:
    """A chat server whose loop is watched, until its input ends."""

    async def serve() -> None:
        client = OpenRouter(base_url=base_url, api_key="sk-or-bench")
        store = FileImageStore(f"{folder}/store")
        agent = Agent("openai/gpt-5.2", client=client, store=store, checks=False)
        sessions = Sessions(f"sqlite:///{folder}/load.db", store=store)
        watched = _Watched(app(agent, sessions=sessions, token=TOKEN))
        config = uvicorn.Config(watched, port=0, log_level="error", access_log=False)
        serving = uvicorn.Server(config)
        task = asyncio.create_task(serving.serve())
        while not serving.started:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.01)
        print(serving.servers[0].sockets[0].getsockname()[1], flush=True)
        watch = asyncio.create_task(watched.watch())
        await asyncio.to_thread(sys.stdin.read)
        watch.cancel()
        serving.should_exit = True
        await task
        await client.close()

    asyncio.run(serve())


class _Watched:
    """The application, and how late its loop is."""

    def __init__(self, web: WebApp) -> None:
        self._web = web
        self._lags: list[float] = []

    async def watch(self) -> None:
        clock = time.perf_counter
        while True:
            due = clock() + TICK
            await asyncio.sleep(TICK)
            self._lags.append(clock() - due)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != "/figures":
            await self._web(scope, receive, send)
            return
        lags, self._lags = self._lags, []
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        told = {"lags": lags, "memory": memory, "cpu": time.process_time()}
        head = {"type": "http.response.start", "status": 200, "headers": []}
        await send(head)
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})


def loaded(streams: int, seconds: int) -> Load:
    """The figures of so many streams at once."""
    command = [sys.executable, "-m", "tests.benchmarks.web"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    size = ["--streams", str(streams), "--seconds", str(seconds)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([*command, *size, "--model"], **pipes) as emulator,
        subprocess.Popen(
            [*command, "--server", emulator.stdout.readline().strip(), "--folder", folder], **pipes
        ) as serving,
    ):
        served = Served(int(serving.stdout.readline()))
        try:
            return asyncio.run(_read_all(served, streams, seconds))
        finally:
            serving.stdin.close()
            serving.wait()
            emulator.stdin.close()


async def _read_all(served: Served, streams: int, seconds: int) -> Load:
    await _read(served.port, "first")  # whatever is imported, and made once, is there
    before = await asyncio.to_thread(_figures, served)
    began = time.perf_counter()
    seen = await asyncio.gather(*(_read(served.port, f"chat-{each}") for each in range(streams)))
    taken = time.perf_counter() - began
    after = await asyncio.to_thread(_figures, served)
    grown = after["memory"] - before["memory"]
    used = after["cpu"] - before["cpu"]
    return Load(
        quantiles(after["lags"], n=100)[98],
        max(after["lags"]),
        max(gap for gap, _ in seen),
        sum(count for _, count in seen) / taken / streams,
        grown / streams,
        used / taken,
        used / (streams * seconds * PACE) * 1e6,
    )


def _figures(served: Served) -> Any:
    return served.ask("GET", "/figures").json()


async def _read(port: int, chat: str) -> tuple[float, int]:
    """The longest gap in a stream, and its deltas."""
    said = {"role": "user", "parts": [{"type": "text", "text": "Count"}]}
    body = json.dumps({"id": chat, "messages": [said]})
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST /api/chat HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {TOKEN}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"connection: close\r\n\r\n{body}".encode()
    )
    gap, count, last, is_ended = 0.0, 0, None, False
    while data := await reader.read(1 << 16):
        now = time.perf_counter()
        here = data.count(b'"text-delta"')
        if here and last is not None:
            gap = max(gap, now - last)
        last = now if here else last
        count += here
        is_ended = is_ended or b"[DONE]" in data
    writer.close()
    assert is_ended, "a stream broke off"
    return gap, count


def opened(samples: int = 5) -> dict[str, float]:
    """Seconds for the list, and for one conversation."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        agent, sessions = _filled(folder)
        web = app(agent, sessions=sessions, token=TOKEN)
        with serving_app(web) as served:
            served.standard = {"authorization": f"Bearer {TOKEN}"}
            served.ask("GET", "/api/about")
            return {
                "list": _seconds(served, "/api/chats?limit=100", samples),
                "open": _seconds(served, "/api/chat/long", samples),
            }


def _seconds(served: Served, path: str, samples: int) -> float:
    taken: list[float] = []
    for _ in range(samples):
        began = time.perf_counter()
        reply = served.ask("GET", path)
        taken.append(time.perf_counter() - began)
        assert reply.status == 200, reply
    return median(taken)


def _filled(folder: Path) -> tuple[Agent[Any], Sessions]:
    """A database with many short conversations and a long one, copies of two turns."""
    with Emulator() as emulator:
        emulator.play([Reply([Say(DELTA * 40)]), Reply([Draw("a fox", size=(64, 64)), Say("It.")])])
        client = OpenRouter(base_url=emulator.base_url, api_key="sk-or-bench")
        store = FileImageStore(folder / "store")
        agent = Agent("openai/gpt-5.2", tools=[ImageGeneration()], client=client, store=store)
        plain, drawn = agent.run_sync("Count").run, agent.run_sync("Draw a fox").run
    sessions = Sessions(f"sqlite:///{folder}/chats.db", store=store)
    for number in range(CHATS):
        _write(sessions, agent, f"chat-{number}", [_copy(plain, f"run_{number}", ())])
    images: tuple[Image, ...] = ()
    turns: list[Run] = []
    for number in range(TURNS):
        template = drawn if number % 2 else plain
        turns.append(_copy(template, f"run_long_{number}", images))
        images = turns[-1].images
    _write(sessions, agent, "long", turns)
    return agent, sessions


def _copy(run: Run, name: str, before: Sequence[Image]) -> Run:
    """The same turn as another one, behind these pictures, with a picture of its own."""
    if not run.arrived:
        return run.replace(id=name, images=tuple(before))
    digest = sha256(name.encode()).hexdigest()
    image = replace(run.images[0], name=f"img_{len(before) + 1}", sha256=digest)
    messages = tuple(
        replace(
            message,
            parts=tuple(image if isinstance(part, Image) else part for part in message.parts),
        )
        for message in run.messages
    )
    return run.replace(
        id=name,
        messages=messages,
        images=(*before, image),
        arrived=(image.name,),
        handles=len(before) + 1,
    )


def _write(sessions: Sessions, agent: Agent[Any], chat: str, turns: Sequence[Run]) -> None:
    record = sessions.record(chat, agent)
    record.load()
    release = record.lock(0)
    for run in turns:
        record.keep(run, Shown(run.images, len(run.images), run.api, run.model))
    release()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--model", action="store_true", help="be the model")
    parser.add_argument("--server", metavar="URL", help="be the server, for the model there")
    parser.add_argument("--folder", default="")
    given = parser.parse_args()
    if given.model:
        model(given.streams, given.seconds)
    elif given.server is not None:
        server(given.server, given.folder)
    else:
        report(given.streams, given.seconds)


def report(streams: int, seconds: int) -> None:
    """Measure, and print the rows."""
    load = loaded(streams, seconds)
    print(f"{TITLE}, {streams} streams of {PACE} deltas a second, {seconds} s")
    rows = [
        ("p99 of the loop's lag", load.lag, "lag", "s"),
        ("longest gap between two chunks", load.gap, "gap", "s"),
        ("memory a stream", load.memory, "memory", "KiB"),
    ]
    took = opened()
    rows += [
        (f"list of {CHATS:,} conversations", took["list"], "list", "s"),
        (f"a conversation of {TURNS} turns, {TURNS // 2} pictures", took["open"], "open", "s"),
    ]
    for title, value, goal, unit in rows:
        met = "hit" if value <= GOALS[goal] else f"missed by {value - GOALS[goal]:.3f}"
        print(f"  {title:<50} {value:10.3f} {unit:<4} ≤ {GOALS[goal]:g}  {met}")
    print(
        f"  longest lag {load.longest_lag:.3f} s, {load.deltas:.1f} chunks a second and stream, "
        f"{load.cpu:.2f} of a processor, {load.cost:.0f} µs of it a delta of the model"
    )


if __name__ == "__main__":
    main()
