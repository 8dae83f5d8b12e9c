"""The way of one plain request through agentkit's own code: how deep it lies when the transport is
reached, and how many calls a whole turn takes.

Frames of the standard library and of other packages do not count, nor do comprehensions, which are
frames in some versions of Python only. A coroutine that goes on after a wait is not called again.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, CoroutineType, FrameType
from typing import Any

import agentkit
from agentkit import Agent, FileImageStore, Limits, OpenRouter
from tests.benchmarks.replies import MODEL
from tests.benchmarks.subjects import PROMPT

PACKAGE = str(Path(agentkit.__file__).parent)
EMULATOR = str(Path(PACKAGE) / "emulator")
FRAMES_GOAL = 9
CALLS_GOAL = 200
WARM_UP = 3
TRANSPORT = "AiohttpTransport.send"
"""The function of our own that hands the request to another package."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one turn takes of our own code."""

    frames: tuple[str, ...]
    """The functions that wait when the transport is reached, its own first, then outwards."""
    calls: tuple[str, ...]
    """Every function that was called, in order."""


@dataclass(slots=True)
class Watcher:
    """Notes calls of our own functions while it is the profiler."""

    calls: list[str] = field(default_factory=list[str])
    frames: tuple[str, ...] = ()
    _seen: set[FrameType] = field(default_factory=set[FrameType])

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or not is_ours(code) or frame in self._seen:
            return
        self._seen.add(frame)
        if code.co_name.startswith("<"):
            return
        self.calls.append(code.co_qualname)
        if code.co_qualname == TRANSPORT and not self.frames:
            outer = (each.co_qualname for each in awaiting(frame) if is_ours(each))
            self.frames = (code.co_qualname, *outer)


def is_ours(code: CodeType) -> bool:
    """Whether it belongs to the package, the emulator left aside."""
    return code.co_filename.startswith(PACKAGE) and not code.co_filename.startswith(EMULATOR)


def awaiting(frame: FrameType) -> Iterator[CodeType]:
    """What waits for this frame, from the inside to the outside: its own task, the task that waits
    for that one, and so on."""
    above = frame.f_back
    while above is not None:
        yield above.f_code
        above = above.f_back
    task: asyncio.Task[Any] | None = asyncio.current_task()
    while (task := waiter_of(task)) is not None:
        yield from reversed(list(suspended(task.get_coro())))


def waiter_of(task: asyncio.Task[Any] | None) -> asyncio.Task[Any] | None:
    """The task that waits for this one, where there is one."""
    waiting = (each for each in asyncio.all_tasks() if waits_for(each) is task)
    return next(waiting, None) if task is not None else None


def waits_for(task: asyncio.Task[Any]) -> object:
    """The future, or the task, that a task waits for."""
    return getattr(task, "_fut_waiter", None)


def suspended(coroutine: object) -> Iterator[CodeType]:
    """The functions of a coroutine that waits, the outermost first."""
    while isinstance(coroutine, CoroutineType):
        yield coroutine.cr_code
        coroutine = coroutine.cr_await


async def footprint(origin: str, folder: Path, cost_usd: float | None) -> Footprint:
    """One plain buffered turn after a warm-up, with a limit in money or without."""
    watcher = Watcher()
    async with OpenRouter(api_key="sk-or-bench", base_url=f"{origin}/plain-1") as client:
        store = FileImageStore(folder / "store")
        agent = Agent(MODEL, client=client, store=store, limits=Limits(cost_usd=cost_usd))
        for _ in range(WARM_UP):
            await agent.run(PROMPT)
        gc.collect()  # or what others left behind ends in the middle of it
        sys.setprofile(watcher)
        try:
            await agent.run(PROMPT)
        finally:
            sys.setprofile(None)
    return Footprint(watcher.frames, tuple(watcher.calls))
