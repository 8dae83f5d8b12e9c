"""A run that is stopped after a tool has ended, and before its result is told: what was paid for is
not paid for again.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentkit import Agent, Image, Run, Usage, tool
from agentkit.emulator import CallTool, Reply, Say
from agentkit.errors import HookFailed
from agentkit.hooks import Hooks
from agentkit.images.fetch_policy import FetchPolicy
from agentkit.tools import Billed
from tests.clock import FOREVER, GUARD
from tests.conftest import Bench, picture

RED = picture("red")
SCRIPT = [Reply([CallTool("shoot")]), Reply([Say("Done.")])]


def camera(*pictures: Image) -> tuple[Any, list[str]]:
    shots: list[str] = []

    @tool
    async def shoot() -> Billed[list[Image]]:
        """Takes pictures."""
        shots.append("shot")
        return Billed(list(pictures), Usage(requests=1, priced_requests=1, cost_usd=0.5))

    return shoot, shots


async def stopped(agent: Agent[Any], begun: asyncio.Event) -> Run:
    """What is left of a run that is left in the middle of something."""
    async with agent.stream("Go") as stream:
        await asyncio.wait_for(begun.wait(), GUARD)
    assert stream.run is not None
    return stream.run


async def test_while_a_hook_looks_at_the_result(bench: Bench) -> None:
    begun = asyncio.Event()

    async def wait(*_: object) -> None:
        begun.set()
        await asyncio.sleep(FOREVER)

    shoot, shots = camera(Image.from_bytes(RED))
    bench.emulator.play(SCRIPT)
    run = await stopped(bench.agent(tools=[shoot], hooks=Hooks(after_call=wait)), begun)
    assert [run.image(name).bytes() for name in run.arrived] == [RED]
    assert [(each.status, each.cost_usd) for each in run.invocations] == [("completed", 0.5)]
    answer = await bench.agent(tools=[shoot]).resume(run)
    assert (answer.text, shots) == ("Done.", ["shot"])
    assert answer.usage.cost_usd is not None
    assert answer.usage.cost_usd >= 0.5


async def test_while_a_picture_of_it_is_fetched(bench: Bench) -> None:
    begun = asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.png"
        shoot, shots = camera(Image.from_url(url), Image.from_bytes(RED))
        bench.emulator.play(SCRIPT)
        run = await stopped(
            bench.agent(tools=[shoot], fetch=FetchPolicy(private=True, grace=0)), begun
        )
    assert [run.image(name).bytes() for name in run.arrived] == [RED]
    assert [failure.url for failure in run.failures] == [url]
    assert [(each.status, each.cost_usd) for each in run.invocations] == [("completed", 0.5)]
    answer = await bench.agent(tools=[shoot]).resume(run)
    assert (answer.text, shots) == ("Done.", ["shot"])


async def test_a_hook_that_is_cancelled_from_within_stops_the_run(bench: Bench) -> None:
    async def cancelled(*_: object) -> None:
        raise asyncio.CancelledError

    shoot, _ = camera(Image.from_bytes(RED))
    bench.emulator.play(SCRIPT)
    with pytest.raises(HookFailed, match="cancelled") as caught:
        await bench.ask(bench.agent(tools=[shoot], hooks=Hooks(after_call=cancelled)), "Go")
    assert caught.value.run is not None
    assert [each.status for each in caught.value.run.invocations] == ["completed"]
