"""What a function returns is awaited where it can be, whatever stands around the async function."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from agentkit import tool
from agentkit.emulator import CallTool, Reply, Say
from agentkit.tools import Progress
from tests.conftest import Bench


async def fetch(city: str) -> str:
    """Fetches."""
    await asyncio.sleep(0)
    return f"weather of {city}"


async def steps(city: str) -> AsyncIterator[object]:
    """Fetches in steps."""
    yield Progress("half")
    yield f"weather of {city}"


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Fetcher:
    def __call__(self, city: str) -> Awaitable[str]:
        """Fetches."""
        return fetch(city)


async def twice(city: str) -> Any:
    """Returns what is to be awaited once more."""
    return fetch(city)


@pytest.mark.parametrize(
    "function",
    [
        logged(fetch),
        logged(logged(fetch)),
        functools.partial(logged(fetch)),
        Fetcher(),
        logged(steps),
        twice,
    ],
    ids=["wrapped", "wrapped twice", "partial", "called object", "generator", "twice"],
)
async def test_it_is_awaited(bench: Bench, function: Callable[..., Any]) -> None:
    made = tool(function, name="fetch", description="Fetches.")
    bench.emulator.play([Reply([CallTool("fetch", {"city": "Oslo"})]), Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[made]), "Go")
    assert [each.result for each in answer.invocations] == ["weather of Oslo"]


async def test_one_that_takes_too_long_is_stopped(bench: Bench) -> None:
    stopped = threading.Event()

    async def forever(city: str) -> str:
        """Never ends."""
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return city

    made = tool(logged(forever), timeout=0.2)
    bench.emulator.play([Reply([CallTool("forever", {"city": "Oslo"})]), Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[made]), "Go")
    assert "and was stopped" in (answer.invocations[0].error or "")
    assert stopped.is_set()


async def test_its_errors_are_its_own(bench: Bench) -> None:
    async def broken() -> str:
        """Fails."""
        raise RuntimeError("no such luck")

    made = tool(logged(broken))
    bench.emulator.play([Reply([CallTool("broken")]), Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[made]), "Go")
    assert answer.invocations[0].error == "RuntimeError: no such luck"


async def test_raw_control_characters_and_nulls_cost_no_round(bench: Bench) -> None:
    @tool
    def save(text: str, times: int = 2) -> str:
        """Saves."""
        return f"{text!r} {times}"

    raw = '{"text": "one\ntwo\tthree", "times": null}'
    bench.emulator.play([Reply([CallTool("save", raw)]), Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[save]), "Go")
    assert [each.result for each in answer.invocations] == [r"'one\ntwo\tthree' 2"]
    history = str(bench.emulator.requests[-1].body)
    assert r"one\\ntwo\\tthree" in history, "what was called stands in the history"


@pytest.mark.parametrize("before", ["<think>{hm}</think>", "Here it is:", "```json\n"])
async def test_json_in_prose_costs_no_second_request(bench: Bench, before: str) -> None:
    bench.emulator.play([Reply([Say(f'{before}\n{{"value": [1, 2]}}\n```\nBye.')])])
    answer = await bench.ask(bench.agent(output=list[int]), "Go")
    assert answer.output == [1, 2]
    assert len(bench.emulator.requests) == 1
