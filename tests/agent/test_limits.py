"""Limits are looked at before the step that would break them; the answer is closed in words."""

from __future__ import annotations

import asyncio

import pytest

from agentkit import ImageGeneration, Limits, ModelSettings, tool
from agentkit.emulator import CallTool, Draw, Reply, Say
from agentkit.errors import DeadlineExceeded
from tests.conftest import Bench, picture

BIG = picture(size=(160, 120), noise=90)


@tool
def look(at: str) -> str:
    """Looks."""
    return f"saw {at}"


def calls(count: int, turn: int) -> Reply:
    return Reply([CallTool("look", {"at": f"{turn}.{number}"}) for number in range(count)])


async def test_turns(bench: Bench) -> None:
    bench.emulator.play([calls(1, turn) for turn in range(3)] + [Reply([Say("Enough.")])])
    answer = await bench.ask(bench.agent(tools=[look], limits=Limits(turns=3)), "Go")
    assert (answer.status, answer.text) == ("limited", "Enough.")
    assert len(bench.emulator.requests) == 4
    assert bench.emulator.requests[-1].body["tool_choice"] == "none"


async def test_tool_calls(bench: Bench) -> None:
    bench.emulator.play([calls(2, 0), calls(3, 1), Reply([Say("Enough.")])])
    answer = await bench.ask(bench.agent(tools=[look], limits=Limits(tool_calls=3)), "Go")
    assert [call.status for call in answer.invocations] == ["completed"] * 3 + ["cancelled"] * 2
    assert "limit of tool_calls" in (answer.invocations[-1].error or "")
    assert (answer.status, answer.text) == ("limited", "Enough.")


async def test_images(bench: Bench) -> None:
    bench.emulator.play([Reply([Draw("a", data=BIG), CallTool("look", {"at": "it"})]), Reply([Say("One it is.")])])
    answer = await bench.ask(bench.agent(tools=[look, ImageGeneration()], limits=Limits(images=1)), "Go")
    assert answer.status == "limited"
    assert len(answer.images) == 1
    assert "openrouter:image_generation" not in str(bench.emulator.requests[-1].body.get("tools"))


async def test_cost(bench: Bench) -> None:
    bench.emulator.play([calls(1, 0), Reply([Say("Too dear.")])])
    answer = await bench.ask(bench.agent(tools=[look, ImageGeneration()], limits=Limits(cost_usd=0.0000001)), "Go")
    assert answer.status == "limited"
    told = bench.emulator.requests[0].body["stop_server_tools_when"]
    assert {"type": "max_cost", "max_cost_in_dollars": 0.0000001} in told


async def test_output_tokens(bench: Bench) -> None:
    bench.emulator.play([Reply([CallTool("look", {"at": "it"})], usage={"completion_tokens": 90, "output_tokens": 90})])
    answer = await bench.ask(
        bench.agent(tools=[look], limits=Limits(output_tokens=80), settings=ModelSettings(max_tokens=500)), "Go"
    )
    assert answer.status == "limited"
    sent = bench.emulator.requests[0].body
    assert sent.get("max_tokens", sent.get("max_output_tokens")) == 80
    assert len(bench.emulator.requests) == 1


async def test_seconds_stop_a_request(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("late")], delay=5)])
    with pytest.raises(DeadlineExceeded, match="0.3 seconds") as caught:
        await bench.ask(bench.agent(limits=Limits(seconds=0.3)), "Go")
    assert caught.value.run is not None


async def test_seconds_stop_a_tool_and_leave_time_for_words(bench: Bench) -> None:
    @tool
    async def sleep() -> str:
        """Sleeps."""
        await asyncio.sleep(60)
        return "never"

    bench.emulator.play([Reply([CallTool("sleep")]), Reply([Say("No time.")])])
    answer = await bench.ask(bench.agent(tools=[sleep], limits=Limits(seconds=2)), "Go")
    assert (answer.status, answer.text) == ("limited", "No time.")
    assert "longer than the time that the run had left" in (answer.invocations[0].error or "")


async def test_parallel(bench: Bench) -> None:
    running, most = 0, 0

    @tool
    async def work(number: int) -> int:
        """Works."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return number

    bench.emulator.play([Reply([CallTool("work", {"number": number}) for number in range(7)]), Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[work], limits=Limits(parallel=3)), "Go")
    assert most == 3
    assert [call.result for call in answer.invocations] == [str(number) for number in range(7)]


async def test_a_tools_own_time_out(bench: Bench) -> None:
    @tool(timeout=0.05)
    async def sleep() -> str:
        """Sleeps."""
        await asyncio.sleep(60)
        return "never"

    bench.emulator.play([Reply([CallTool("sleep")]), Reply([Say("Well.")])])
    answer = await bench.ask(bench.agent(tools=[sleep]), "Go")
    assert answer.invocations[0].status == "failed"
    assert answer.status == "completed"
