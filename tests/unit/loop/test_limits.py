"""Limits are looked at before the step that would break them; the answer is closed in words."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel

from agentkit import Budget, Context, ImageGeneration, Limits, ModelSettings, tool
from agentkit.emulator import CallTool, Draw, Reply, Say
from agentkit.errors import DeadlineExceeded
from agentkit.hooks import Hooks
from tests.clock import FOREVER, advance, turns
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
    bench.emulator.play(
        [Reply([Draw("a", data=BIG), CallTool("look", {"at": "it"})]), Reply([Say("One it is.")])]
    )
    answer = await bench.ask(
        bench.agent(tools=[look, ImageGeneration()], limits=Limits(images=1)), "Go"
    )
    assert answer.status == "limited"
    assert len(answer.images) == 1
    assert "openrouter:image_generation" not in str(bench.emulator.requests[-1].body.get("tools"))


async def test_cost(bench: Bench) -> None:
    bench.emulator.play([calls(1, 0), Reply([Say("Too dear.")])])
    answer = await bench.ask(
        bench.agent(tools=[look, ImageGeneration()], limits=Limits(cost_usd=0.0000001)), "Go"
    )
    assert answer.status == "limited"
    told = bench.emulator.requests[0].body["stop_server_tools_when"]
    assert {"type": "max_cost", "max_cost_in_dollars": 0.0000001} in told


async def test_output_tokens(bench: Bench) -> None:
    bench.emulator.play(
        [
            Reply(
                [CallTool("look", {"at": "it"})],
                usage={"completion_tokens": 90, "output_tokens": 90},
            )
        ]
    )
    answer = await bench.ask(
        bench.agent(
            tools=[look], limits=Limits(output_tokens=80), settings=ModelSettings(max_tokens=500)
        ),
        "Go",
    )
    assert answer.status == "limited"
    sent = bench.emulator.requests[0].body
    assert sent.get("max_tokens", sent.get("max_output_tokens")) == 80
    assert len(bench.emulator.requests) == 1


async def test_seconds_stop_a_request(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("late")], delay=FOREVER)])
    with pytest.raises(DeadlineExceeded, match="0.3 seconds") as caught:
        await bench.ask(bench.agent(limits=Limits(seconds=0.3)), "Go")
    assert caught.value.run is not None


async def test_seconds_stop_a_tool_and_leave_time_for_words(bench: Bench) -> None:
    @tool
    async def sleep() -> str:
        """Sleeps."""
        advance(950)
        await asyncio.sleep(FOREVER)
        return "never"

    bench.emulator.play([Reply([CallTool("sleep")]), Reply([Say("No time.")])])
    answer = await bench.ask(bench.agent(tools=[sleep], limits=Limits(seconds=1000)), "Go")
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

    bench.emulator.play(
        [
            Reply([CallTool("work", {"number": number}) for number in range(7)]),
            Reply([Say("Done.")]),
        ]
    )
    answer = await bench.ask(bench.agent(tools=[work], limits=Limits(parallel=3)), "Go")
    assert most == 3
    assert [call.result for call in answer.invocations] == [str(number) for number in range(7)]


async def test_a_tools_own_time_out(bench: Bench) -> None:
    @tool(timeout=0.05)
    async def sleep() -> str:
        """Sleeps."""
        await asyncio.sleep(FOREVER)
        return "never"

    bench.emulator.play([Reply([CallTool("sleep")]), Reply([Say("Well.")])])
    answer = await bench.ask(bench.agent(tools=[sleep]), "Go")
    assert answer.invocations[0].status == "failed"
    assert answer.status == "completed"


async def test_a_call_that_had_to_queue_gets_the_time_that_is_left_then(bench: Bench) -> None:
    left: list[float] = []

    @tool
    async def work(context: Context[None], number: int) -> str:
        """Works."""
        left.append(context.seconds_left)
        advance(600 if number else 900)
        await turns()
        return "worked"

    bench.emulator.play(
        [
            Reply([CallTool("work", {"number": number}) for number in range(3)]),
            Reply([Say("That is all.")]),
        ]
    )
    answer = await bench.ask(
        bench.agent(tools=[work], limits=Limits(seconds=1600, parallel=1)), "Go"
    )
    assert (answer.status, answer.limit, answer.text) == ("limited", "seconds", "That is all.")
    assert [each.status for each in answer.invocations] == ["completed", "failed", "cancelled"]
    assert "longer than the time that the run had left" in (answer.invocations[1].error or "")
    assert answer.invocations[2].error == "not run: the limit of seconds is reached"
    assert len(left) == 2
    assert left[1] <= left[0] - 900


class Sum(BaseModel):
    x: int


@pytest.mark.parametrize(("words", "output"), [('{"x": 7}', Sum(x=7)), ("No time.", None)])
async def test_output_of_a_run_that_was_closed_is_read_where_it_fits(
    bench: Bench, words: str, output: Sum | None
) -> None:
    bench.emulator.play([calls(1, 0), Reply([Say(words)])])
    answer = await bench.ask(bench.agent(tools=[look], output=Sum, limits=Limits(turns=1)), "Go")
    assert (answer.status, answer.text, answer.output) == ("limited", words, output)
    assert len(bench.emulator.requests) == 2


async def test_a_prompt_is_no_output(bench: Bench) -> None:
    """Where money is used up before the first request, the last words are the user's."""
    budget = Budget(0.5)
    bench.emulator.play([Reply([Say('{"x": 1}')], usage={"cost": 0.6})])
    agent = bench.agent(output=Sum)
    assert (await bench.ask(agent, "Go", budget=budget)).output == Sum(x=1)
    answer = await bench.ask(agent, '{"x": 7}', budget=budget)
    assert (answer.status, answer.output, len(bench.emulator.requests)) == ("limited", None, 1)


@tool(approve=True)
def pay(euros: int) -> str:
    """Pays."""
    return f"paid {euros}"


def paying(*names: str) -> Reply:
    """A call for each name: `pay` needs an approval, `look` none."""
    given = {"look": lambda at: {"at": f"{at}"}, "pay": lambda at: {"euros": at}}
    return Reply([CallTool(name, given[name](at), id=f"c{at}") for at, name in enumerate(names)])


ENOUGH = Reply([Say("Enough.")])


@pytest.mark.parametrize(
    ("names", "limit", "asked", "statuses"),
    [
        ("look pay", 1, "", "completed cancelled"),
        ("pay look", 1, "c0", "completed cancelled"),
        ("look pay look", 2, "c1", "completed completed cancelled"),
        ("pay look pay", 1, "c0", "completed cancelled cancelled"),
        ("pay look pay", 2, "c0", "completed completed cancelled"),
        ("pay pay look", 2, "c0 c1", "completed completed cancelled"),
        ("pay look pay", 3, "c0 c2", "completed completed completed"),
    ],
)
async def test_nobody_is_asked_about_a_call_that_no_limit_has_room_for(
    bench: Bench, names: str, limit: int, asked: str, statuses: str
) -> None:
    bench.emulator.play([paying(*names.split())])
    agent = bench.agent(tools=[look, pay], limits=Limits(tool_calls=limit))
    if not asked:
        bench.emulator.play([ENOUGH])
    answer = await bench.ask(agent, "Go")
    assert [each.id for each in answer.pending] == asked.split()
    while answer.pending:  # one after the other
        left = len(answer.pending)
        bench.emulator.play([ENOUGH] if left == 1 else [])
        answer = await agent.resume(answer.run, approve={answer.pending[-1].id: True})
        assert len(answer.pending) == left - 1
    assert [each.status for each in answer.invocations] == statuses.split()
    assert answer.text == "Enough."


async def test_nobody_is_asked_where_the_time_is_over(bench: Bench) -> None:
    bench.emulator.play([paying("pay"), ENOUGH])
    late = Hooks(after_reply=lambda *_: advance(950))
    agent = bench.agent(tools=[pay], limits=Limits(seconds=1000), hooks=late)
    answer = await bench.ask(agent, "Go")
    assert (answer.status, answer.limit, answer.text) == ("limited", "seconds", "Enough.")
    assert answer.invocations[0].error == "not run: the limit of seconds is reached"


async def test_a_call_that_a_person_refused_leaves_its_room(bench: Bench) -> None:
    bench.emulator.play([paying("pay")])
    agent = bench.agent(tools=[look, pay], limits=Limits(tool_calls=1))
    answer = await bench.ask(agent, "Go")
    bench.emulator.play([paying("look"), ENOUGH])
    answer = await agent.resume(answer.run, approve={"c0": False})
    assert [each.status for each in answer.invocations] == ["denied", "completed"]
