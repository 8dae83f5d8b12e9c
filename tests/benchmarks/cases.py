"""The rows of the table: what is done, how often in one sample, and how much of raw httpx2's cost
it may be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.replies import WORDS
from tests.benchmarks.subjects import Subject


@dataclass(frozen=True)
class Sizes:
    """How much work; the smoke test takes the smallest."""

    turns: int = 50
    rounds: int = 10
    deltas: int = 5000
    megabytes: int = 32
    conversations: int = 1000
    drawn: int = 40
    """Turns of a conversation in which each brings a picture."""
    streams: int = 200
    """Of a chat server at once."""
    stream_seconds: int = 30
    turns_behind: int = 5000
    pictures_behind: int = 1000
    ready: int = 200
    """Streams that are ready at once."""
    saved: int = 1000
    """Turns of a saved conversation."""


QUICK = Sizes(
    turns=20,
    rounds=10,
    deltas=2000,
    megabytes=8,
    conversations=200,
    drawn=12,
    streams=50,
    stream_seconds=5,
    turns_behind=1000,
    pictures_behind=200,
    ready=50,
    saved=200,
)
TINY = Sizes(turns=1, rounds=6, deltas=5, megabytes=1, conversations=3, drawn=2)
TURNS = 3
"""Of each of the conversations at once."""

Work = Callable[[Subject, str, Path], Awaitable[object]]


@dataclass(frozen=True)
class Case:
    title: str
    goal: float
    work: Work
    """One sample: subject, origin of the server, a folder to write into → what came of it."""
    wall: bool = False
    """Wall time is what counts, not CPU time."""
    samples: int | None = None


def cases(sizes: Sizes) -> list[Case]:
    async def plain(subject: Subject, origin: str, _: Path) -> object:
        text = ""
        for _ in range(sizes.turns):
            text = await subject.plain(f"{origin}/plain-1")
        return text

    def tools(api: str) -> Work:
        async def work(subject: Subject, origin: str, _: Path) -> object:
            text = await subject.tools(f"{origin}/tools-{sizes.rounds}", api)
            if text != WORDS:  # the server says them once it has the results of every round
                raise RuntimeError(
                    f"{subject.name} did not play all {sizes.rounds} rounds: {text!r}"
                )
            return text

        return work

    def deltas(api: str) -> Work:
        return lambda subject, origin, _: subject.deltas(f"{origin}/deltas-{sizes.deltas}", api)

    def image(*, stream: bool) -> Work:
        return lambda subject, origin, folder: subject.image(
            f"{origin}/image-{sizes.megabytes}", folder, stream=stream
        )

    async def at_once(subject: Subject, origin: str, _: Path) -> object:
        every = (
            subject.conversation(f"{origin}/slow-1", TURNS) for _ in range(sizes.conversations)
        )
        return (await asyncio.gather(*every))[-1]

    async def drawn(subject: Subject, origin: str, _: Path) -> object:
        return await subject.conversation(f"{origin}/drawn-1", sizes.drawn)

    rounds, mega, many = (
        f"{sizes.rounds} rounds × 4 tools",
        f"{sizes.megabytes} MB image",
        sizes.conversations,
    )
    return [
        Case(f"one plain turn, buffered (× {sizes.turns})", 1.0, plain),
        Case(f"{rounds}, chat", 1.1, tools("chat")),
        Case(f"{rounds}, Responses", 1.1, tools("responses")),
        Case(f"{sizes.deltas:,} streamed deltas, chat", 0.45, deltas("chat")),
        Case(f"{sizes.deltas:,} streamed deltas, Responses", 0.45, deltas("responses")),
        Case(f"{mega} to a file, buffered", 0.25, image(stream=False)),
        Case(f"{mega} to a file, streamed", 0.25, image(stream=True)),
        Case(f"{sizes.drawn} turns, each with a 1 MB image", 0.2, drawn, samples=1),
        Case(f"{many:,} conversations × {TURNS} turns (wall)", 0.3, at_once, wall=True, samples=1),
    ]
