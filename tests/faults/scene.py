"""One cell of the matrix, played: an agent or a studio on an emulator that misbehaves, and all that
can be seen of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from agentkit import Agent, Answer, FetchPolicy, ImageGeneration, Limits, OpenRouter, tool
from agentkit.emulator import CallTool, Draw, Emulator, Fault, Post, Reply, Say
from agentkit.errors import RunError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.studio import Drawing, Studio
from tests.clock import FOREVER, advance, turns
from tests.conftest import picture

KEY = "sk-or-v1-canary-0123456789abcdef"
FOX = picture(size=(60, 50), noise=3)
HEN = picture(size=(50, 40), noise=4)
HARE = picture(size=(40, 40), noise=5)
WORDS = "Here it is, just as you asked for it: a naïve 🦊, "
MORE = "and there is more to come. "
LAST = "All is done."
MODEL = "openai/gpt-5.2"
LOOKUP = "/api/v1/generation"
TIMEOUTS = Timeouts(connect=60, first_byte=60, idle=60, lookup=60)
"""None is reached but by a leap, however busy the machine is."""
SLACK = 30.0
"""Seconds beyond its own limit that a loaded machine may need for one cell: less than what a
request waits that nothing ends.
"""
KEPT = 3
"""Connections that a client may keep for what comes next: one to the API, and one for each of the
two pictures that came at once.
"""


@dataclass(frozen=True)
class Leap:
    """Time that passes at once whenever a stall begins, a fault strikes, or a look-up is asked, by
    the clock of the client: nothing in a scene waits for a time-out.
    """

    after: Literal["stalls", "strikes", "lookups"]
    seconds: float = 61.0
    """By default more than any time-out of `TIMEOUTS`, and less than the limit of a run."""

    def count(self, emulator: Emulator) -> int:
        match self.after:
            case "stalls":
                return emulator.faults.stalls
            case "strikes":
                return len(emulator.faults.strikes)
            case "lookups":
                return sum(request.path.startswith(LOOKUP) for request in emulator.requests)


Moment = Literal["first", "after_tool", "follow_up", "download", "reference"]
MOMENTS: tuple[Moment, ...] = ("first", "after_tool", "follow_up")


@dataclass(frozen=True)
class Way:
    """One of the six ways to ask: chat, Responses and the Image API, buffered and streamed."""

    api: str
    stream: bool

    def __str__(self) -> str:
        return f"{self.api}-{'streamed' if self.stream else 'buffered'}"


WAYS = tuple(
    Way(api, stream) for api in ("chat", "responses", "images") for stream in (False, True)
)


@dataclass
class Seen:
    """What came of a cell."""

    answer: Any = None
    error: BaseException | None = None
    posts: Sequence[Post] = ()
    repeats: Sequence[tuple[Post, Post]] = ()
    struck: int = 0
    """How often a fault struck."""
    sent: int = 0
    """POSTs of the struck turn."""
    lookups: int = 0
    gets: int = 0
    """GETs of pictures."""
    ran: list[str] = field(default_factory=list)
    kept: bool = False
    """Whether the conversation is as it was before the struck turn."""
    lost: frozenset[str] = frozenset()
    """Pictures that were delivered to the socket and are not in the store, by SHA-256."""
    store: MemoryImageStore = field(default_factory=MemoryImageStore)
    open: int = 0
    """Connections that stand when all is over, before the client is closed."""
    left: int = 0
    """The same after it was closed."""
    seconds: float = 0.0

    @property
    def so_far(self) -> Answer[Any] | Drawing | None:
        """What had arrived: of a run or of a drawing."""
        if self.error is None:
            return self.answer
        if not isinstance(self.error, RunError):
            return None
        return self.error.drawing if self.error.drawing is not None else self.error.answer_so_far


@dataclass(frozen=True)
class Scene:
    """What is played: the faults strike from the turn of `moment` on."""

    way: Way
    moment: Moment = "first"
    faults: Sequence[Fault] = ()
    leap: Leap | None = None
    limits: Limits = field(default_factory=lambda: Limits(seconds=FOREVER))
    server_tools: bool = False
    fetch: FetchPolicy = field(default_factory=lambda: FetchPolicy(seconds=60, attempts=2))
    base_url: str | None = None
    """Another address than the emulator's."""
    stops: bool = False
    """The server goes away for good just before the struck turn."""


def draw(scene: Scene) -> Draw:
    by_url = scene.moment == "download"
    if scene.way.api == "images":
        return Draw("a fox", data=FOX, shape="url" if by_url else None)
    if scene.way.api == "chat":
        return Draw("a fox", ("message_images",), data=FOX, shape="url" if by_url else None)
    return Draw(
        "a fox", ("image_generation_call",), data=FOX, shape="result_url" if by_url else None
    )


def replies(scene: Scene) -> list[Reply]:
    """What the model says: before the struck turn, in it, and after the tool that it asks for."""
    if scene.way.api == "images":
        before_it = (
            [Reply([Draw("a hare", data=HARE, shape="url")])] if scene.moment == "reference" else []
        )
        return [*before_it, Reply([draw(scene), Draw("a hen", data=HEN, preview_count=1)])]
    struck = Reply([Say(WORDS), draw(scene), Say(MORE), CallTool("note", {"text": "a fox"})])
    before = {
        "after_tool": [Reply([CallTool("weather", {"city": "Oslo"})])],
        "follow_up": [Reply([Say("Good morning.")])],
    }
    return [*before.get(scene.moment, []), struck, Reply([Say(LAST)])]


def aimed(scene: Scene) -> list[Fault]:
    """The faults, from the struck POST on: those of other requests (pictures, look-ups) as they
    are.
    """
    shift = 0 if scene.way.api == "images" or scene.moment in ("first", "download") else 1
    found: list[Fault] = []
    for fault in scene.faults:
        early = (
            fault.socket is not None and fault.socket.at == "accept"
        )  # whatever the connection is for
        if early or fault.when.api not in (None, scene.way.api) or fault.lookup is not None:
            found.append(fault)
            continue
        nth = fault.when.nth or (1,)
        found.append(
            replace(fault, when=replace(fault.when, nth=tuple(each + shift for each in nth)))
        )
    return found


async def play(scene: Scene) -> Seen:
    """Play it, and look at everything that is left behind."""
    seen = Seen()
    store = seen.store
    with Emulator() as emulator:
        emulator.play(replies(scene))
        if scene.moment != "reference":  # whose faults wait until there is a picture to start from
            emulator.faults.add(*aimed(scene))
        origin = emulator.origin
        client = OpenRouter(
            api_key=KEY,
            base_url=scene.base_url or emulator.base_url,
            timeouts=TIMEOUTS,
            transport=None,
        )
        async with client:
            if scene.base_url is None:
                await client.prepare()  # what is loaded once takes no time of a run
            began = time.monotonic()
            async with leaping(scene.leap, emulator):
                await _played(scene, seen, emulator, client, store)
            seen.seconds = time.monotonic() - began
            seen.open = await standing(origin, KEPT)
        seen.left = await standing(origin, 0)
        seen.posts, seen.repeats = emulator.posts, emulator.repeats
        seen.struck = len(emulator.faults.strikes)
        paths = [request.path for request in emulator.requests]
        seen.lookups = sum(path.startswith(LOOKUP) for path in paths)
        seen.gets = sum(path.startswith("/i/") for path in paths)
        if scene.way.api == "images":
            before = int(scene.moment == "reference")
            seen.gets -= before
        else:
            before = int(scene.moment in ("after_tool", "follow_up"))
        seen.sent = len(seen.posts) - before
        seen.lost = missing(store, (sha256 for post in seen.posts for sha256 in post.delivered))
    return seen


@asynccontextmanager
async def leaping(leap: Leap | None, emulator: Emulator) -> AsyncIterator[None]:
    """Let time leap until the block ends."""
    if leap is None:
        yield
        return

    async def leaps() -> None:
        begun = 0
        while True:
            while (count := leap.count(emulator)) == begun:  # noqa: ASYNC110 - another thread's
                await asyncio.sleep(0.005)
            begun = count
            await turns(50)  # what was sent before is read
            advance(leap.seconds)

    task = asyncio.create_task(leaps())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def missing(store: MemoryImageStore, wanted: Iterable[str]) -> frozenset[str]:
    """Those that the store does not hold."""
    found: set[str] = set()
    for sha256 in wanted:
        try:
            store.open(sha256).close()
        except FileNotFoundError:
            found.add(sha256)
    return frozenset(found)


async def _played(
    scene: Scene, seen: Seen, emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    if scene.way.api == "images":
        if scene.stops:
            emulator.stop()
        studio = Studio(
            "openai/gpt-5-image",
            client=client,
            store=store,
            fetch=scene.fetch,
            checks=False,
            seconds=scene.limits.seconds,
        )
        seen.kept = True
        start: tuple[str, ...] = ()
        if scene.moment == "reference":
            await studio.draw("a hare")
            start = (emulator.lend(HARE),)
            emulator.faults.add(*aimed(scene))
        await _caught(seen, _drawn(studio, start, stream=scene.way.stream))
        return
    chat = _agent(scene, seen, emulator, client, store).conversation()
    if scene.moment == "follow_up":
        await _asked(chat, "Good morning", stream=scene.way.stream)
    if scene.stops and scene.moment != "after_tool":
        await asyncio.to_thread(emulator.stop)
    before = chat.messages
    await _caught(seen, _asked(chat, "A fox, please", stream=scene.way.stream))
    seen.kept = chat.messages == before


def _agent(
    scene: Scene, seen: Seen, emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> Agent[Any]:
    @tool
    async def weather(city: str) -> str:
        """The weather in a city."""
        seen.ran.append("weather")
        if scene.stops:
            await asyncio.to_thread(emulator.stop)
        return f"sunny in {city}"

    @tool
    def note(text: str) -> str:
        """Write something down."""
        seen.ran.append("note")
        return f"noted: {text}"

    tools = [weather, note, *([ImageGeneration()] if scene.server_tools else [])]
    api: Any = scene.way.api
    return Agent(
        MODEL,
        api=api,
        client=client,
        store=store,
        tools=tools,
        limits=scene.limits,
        fetch=scene.fetch,
    )


async def _asked(chat: Any, prompt: str, *, stream: bool) -> Any:
    if not stream:
        return await chat.send(prompt)
    async with chat.stream(prompt) as watched:
        return await watched.finish()


async def _drawn(studio: Studio, start: Sequence[str], *, stream: bool) -> Drawing:
    if not stream:
        drawn = (
            studio.edit(start, "a fox and a hen", n=2)
            if start
            else studio.draw("a fox and a hen", n=2)
        )
        return await drawn
    async with studio.stream("a fox and a hen", start, n=2) as watched:
        return await watched.finish()


async def _caught(seen: Seen, work: Any) -> None:
    try:
        seen.answer = await work
    except Exception as error:  # noqa: BLE001 - whatever it is, the cell tells whether it may be
        seen.error = error


def established(origin: str) -> int:
    """Connections to this port of loopback that stand, as the client's side has them; 0 where the
    system does not tell.
    """
    port = f"{int(origin.rpartition(':')[2]):04X}"
    count = 0
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            count += fields[2] == f"0100007F:{port}" and fields[3] == "01"
    return count


async def standing(origin: str, most: int = 1) -> int:
    """The same, once what was closed had time to be gone."""
    until = time.monotonic() + SLACK
    while (count := established(origin)) > most and time.monotonic() < until:  # noqa: ASYNC110 - the system does not tell
        await asyncio.sleep(0.01)
    return count
