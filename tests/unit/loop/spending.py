"""Scripted turns that cost money, for the tests of budgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from agentkit import (
    ImageGeneration,
    Run,
    tool,
)
from agentkit.emulator import CallTool, Reply, Say
from agentkit.loop.begin import services_of
from agentkit.loop.live import LiveRun
from agentkit.wire.types import Request
from tests.conftest import Bench, picture

BIG = picture(size=(160, 120), noise=90)
OTHER = picture(size=(150, 120), noise=80)


@tool
def look(at: str) -> str:
    """Looks."""
    return f"saw {at}"


def calls(turn: int, cost: float = 0.1) -> Reply:
    return Reply([Say(f"Step {turn}."), CallTool("look", {"at": str(turn)})], usage={"cost": cost})


def says(words: str = "Done.", cost: float | None = 0.1) -> Reply:
    return Reply([Say(words)], usage={"cost": cost})


def body(bench: Bench, number: int = -1) -> Any:
    return bench.emulator.requests[number].body


def live_of(run: Run, bench: Bench, price: Callable[[Request], float | None]) -> LiveRun:
    agent = bench.agent(tools=[ImageGeneration()])
    live = services_of(agent, run, stream=bench.way.stream)
    live.base = replace(live.base, price=price)
    return live
