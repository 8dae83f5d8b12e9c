"""The money law over random runs: agents, studios and conversations under random faults, and what
the emulator's books say of it.

python -m tests.faults --runs 10000 --seed 1
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentkit import (
    Agent,
    Answer,
    FetchPolicy,
    ImageGeneration,
    Limits,
    OpenRouter,
    WebSearch,
    tool,
)
from agentkit.emulator import Emulator, Fault, Faults, Post, RecordedRequest
from agentkit.errors import AgentkitError, RunError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.studio import Drawing, Studio
from tests.faults.chance import SIZE, faults_of, script_of
from tests.faults.scene import KEY, MODEL, missing

LIMIT = 30.0
"""Seconds of one turn."""
LATE = FetchPolicy().grace + 3.0
"""Seconds beyond it that count as a hang: downloads have their grace, and twenty runs share one
event loop.
"""


@dataclass
class Tally:
    """The numbers. Those of `WRONG` have to be 0."""

    runs: int = 0
    turns: int = 0
    posts: int = 0
    struck: int = 0
    repeats: int = 0
    unproved: int = 0
    """Billable requests that were sent again without proof that the one before was not billed."""
    billed_pictures: int = 0
    delivered: int = 0
    lost: int = 0
    """Pictures that were billed and delivered to the socket, but are not in the store."""
    foreign: int = 0
    """Exceptions that are not agentkit's own."""
    hangs: int = 0
    false: int = 0
    """Answers that are complete by their word, though no finish was seen."""
    leaks: int = 0
    """Errors that show the key."""
    slowest: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    findings: list[str] = field(default_factory=list)

    WRONG = ("unproved", "lost", "foreign", "hangs", "false", "leaks")

    @property
    def wrong(self) -> int:
        return sum(getattr(self, name) for name in self.WRONG)

    def __str__(self) -> str:
        lines = [
            f"runs {self.runs:,}, turns {self.turns:,}, billable requests {self.posts:,}, faults that struck {self.struck:,}",
            f"sent again {self.repeats:,}, of these without proof that the first was not billed: {self.unproved}",
            f"pictures billed {self.billed_pictures:,}, delivered {self.delivered:,}, delivered but not in the store: {self.lost}",
            f"exceptions that are not agentkit's own: {self.foreign}",
            f"turns beyond their limit of {LIMIT:g} s by more than {LATE:g} s: {self.hangs} (slowest {self.slowest:.2f} s)",
            f"false successes: {self.false}; errors that show the key: {self.leaks}",
            "outcomes: "
            + ", ".join(f"{name} {count:,}" for name, count in self.outcomes.most_common()),
            *self.findings[:20],
        ]
        return "\n".join(lines)


async def prove(
    runs: int, seed: int, *, at_once: int = 20, told: Callable[[Tally], None] | None = None
) -> Tally:
    """So many runs, each from a seed of its own that is made of `seed` and its number."""
    tally, numbers = Tally(), iter(range(runs))

    async def worker() -> None:
        for number in numbers:
            await Run(seed * 1_000_003 + number, tally).play()
            if told is not None and tally.runs % 500 == 0:
                told(tally)

    await asyncio.gather(*(worker() for _ in range(min(at_once, runs))))
    return tally


class Run:
    """One random run: a conversation of one to three turns, or requests to the Image API."""

    def __init__(self, seed: int, tally: Tally) -> None:
        self.seed, self.tally = seed, tally
        self.chance = random.Random(seed)
        self.store = MemoryImageStore()
        self.reasons: list[str] = []
        self.api: Any = self.chance.choice(["chat", "chat", "responses", "responses", "images"])
        self.stream = self.chance.random() < 0.5
        self.server = self.api != "images" and self.chance.random() < 0.4

    async def play(self) -> None:
        chance, tally = self.chance, self.tally
        turns = chance.randint(1, 3)
        faults = faults_of(
            chance, server_tools=self.server, draws=self.server or self.api == "images"
        )
        with Emulator(
            seed=self.seed % 2**31, faults=Faults(faults, seed=self.seed % 2**31)
        ) as emulator:
            emulator.play(script_of(chance, self.api, turns))
            waits = Timeouts(connect=10, first_byte=6, idle=6, lookup=chance.choice([0, 0.1, 0.3]))
            async with OpenRouter(
                api_key=KEY, base_url=emulator.base_url, timeouts=waits
            ) as client:
                ask = self._studio(client) if self.api == "images" else self._chat(client)
                for turn in range(turns):
                    await self._turn(turn, ask, emulator)
            self._books(emulator.posts, emulator.repeats, emulator.requests)
            tally.struck += len(emulator.faults.strikes)
        tally.runs += 1

    def _chat(self, client: OpenRouter) -> Callable[[str], Any]:
        chance = self.chance

        @tool
        def note(text: str) -> str:
            """Write something down."""
            return f"noted: {text}"

        @tool
        async def weather(city: str) -> str:
            """The weather in a city."""
            await asyncio.sleep(0)
            return f"sunny in {city}"

        server: list[Any] = (
            [ImageGeneration(), *([WebSearch()] if chance.random() < 0.3 else [])]
            if self.server
            else []
        )
        agent = Agent(
            MODEL,
            api=self.api,
            client=client,
            store=self.store,
            tools=[note, weather, *server],
            limits=Limits(seconds=LIMIT),
            fetch=FetchPolicy(seconds=8, attempts=2, max_bytes=500_000),
        )
        chat = agent.conversation()
        adopts = chance.random() < 0.3

        async def ask(prompt: str) -> Answer[Any]:
            try:
                if not self.stream:
                    return await chat.send(prompt)
                async with chat.stream(prompt) as watched:
                    return await watched.finish()
            except RunError as error:
                if adopts and error.run is not None:
                    chat.adopt(error.run)
                raise

        return ask

    def _studio(self, client: OpenRouter) -> Callable[[str], Any]:
        studio = Studio(
            "openai/gpt-5-image", client=client, store=self.store, checks=False, seconds=LIMIT
        )

        async def ask(prompt: str) -> Drawing:
            if not self.stream:
                return await studio.draw(prompt, n=2)
            async with studio.stream(prompt, n=2) as watched:
                return await watched.finish()

        return ask

    async def _turn(self, turn: int, ask: Callable[[str], Any], emulator: Emulator) -> None:
        tally, began, sent = self.tally, time.monotonic(), len(emulator.posts)
        tally.turns += 1
        try:
            answer = await asyncio.wait_for(
                ask(f"Turn {turn} of {self.seed}: draw a fox of {SIZE} pixels"), LIMIT + 60
            )
        except AgentkitError as error:
            tally.outcomes[type(error).__name__] += 1
            if isinstance(error, RunError):
                so_far = error.drawing or error.run
                self.reasons += (
                    [failure.reason for failure in so_far.failures] if so_far is not None else []
                )
            if type(error).__module__ != "agentkit.errors":
                self._found("foreign", f"{type(error)}")
            if KEY in f"{error} {error!r}":
                self._found("leaks", str(error))
            if isinstance(error, RunError) and error.run is None and error.drawing is None:
                self._found("foreign", f"{type(error).__name__} without what had arrived: {error}")
        except Exception as error:  # noqa: BLE001 - that is what is counted
            self._found("foreign", f"{type(error).__name__}: {error}")
        else:
            self.reasons += [failure.reason for failure in answer.failures]
            tally.outcomes[getattr(answer, "status", "drawn")] += 1
            if (why := falsely(answer, emulator, stream=self.stream)) is not None:
                self._found("false", why)
        if any(not post.whole for post in emulator.posts[sent:-1]):
            self._found(
                "unproved", "a request that had broken off on its way was followed by another"
            )
        seconds = time.monotonic() - began
        tally.slowest = max(tally.slowest, seconds)
        if seconds > LIMIT + LATE:
            self._found("hangs", f"{seconds:.1f} s")

    def _books(
        self,
        posts: Sequence[Post],
        repeats: Sequence[tuple[Post, Post]],
        requests: Sequence[RecordedRequest],
    ) -> None:
        tally = self.tally
        tally.posts += len(posts)
        tally.repeats += len(repeats)
        for before, again in repeats:
            if (
                before.whole and not before.known_unbilled
            ):  # what broke off on its way is seen in `_turn`
                self._found("unproved", f"{before} came again as {again}")
        bodies = Counter(
            (each.path, json.dumps(each.body, sort_keys=True))
            for each in requests
            if each.method == "POST"
        )
        if sum(count - 1 for count in bodies.values()) > len(
            repeats
        ):  # a count of our own, beside the emulator's
            self._found("unproved", "equal bodies that the emulator does not call equal")
        tally.billed_pictures += sum(len(post.images) for post in posts)
        delivered = {sha256 for post in posts for sha256 in post.delivered}
        tally.delivered += sum(len(post.delivered) for post in posts)
        for sha256 in missing(self.store, delivered):
            self._found(
                "lost",
                f"{sha256[:12]} of {[post.number for post in posts if sha256 in post.delivered]}; {self.reasons}",
            )

    def _found(self, kind: str, words: str) -> None:
        tally = self.tally
        setattr(tally, kind, getattr(tally, kind) + 1)
        way = f"{self.api} {'streamed' if self.stream else 'buffered'}{' with server tools' if self.server else ''}"
        tally.findings.append(f"{kind} [run {self.seed}, {way}]: {words}"[:900])


def falsely(answer: Any, emulator: Emulator, *, stream: bool) -> str | None:
    """Why an answer that says it is whole cannot be, by what the emulator did to its last reply;
    else None.
    """
    if isinstance(answer, Drawing):
        return None if answer.images or answer.failures else "a drawing of nothing"
    if answer.status != "completed":
        return None
    last = emulator.posts[-1]
    if last.complete and last.fault is None:
        return None if "(end)" in answer.messages[-1].text else "the end of the text is missing"
    struck = {number: fault for number, fault, _, _ in emulator.faults.counts()}.get(
        last.fault or 0
    )
    if struck is None or not never_whole(struck, stream=stream):
        return None
    return f"completed, though its last reply was struck by {struck}: {last}"


def never_whole(fault: Fault, *, stream: bool) -> bool:
    """Whether no finish can be seen behind this fault."""
    if fault.status is not None or fault.error is not None:
        return True
    if fault.body is not None:
        return fault.body.kind in ("html", "empty", "not_json", "null", "array") or (
            fault.body.kind == "cut_json" and not stream
        )
    if stream and "stream.no_finish" in fault.quirks:
        return True
    socket = fault.socket
    if socket is None or socket.action in ("slice", "drip") or socket.seconds is not None:
        return False
    if socket.at == "finish":
        return stream and socket.byte == 0
    return socket.at in ("accept", "request") or (socket.at == "response" and socket.byte < 100)
