"""A run that is stopped in the middle: it stops for good, and what it was doing is not done again
behind anyone's back.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agentkit import Agent, Answer, Denied, InvocationStarted, Limits, Run, tool
from agentkit.emulator import CallTool, Reply, Say
from agentkit.errors import DeadlineExceeded, UsageError
from agentkit.hooks import Asking, Hooks
from agentkit.tools import Toolset
from tests.clock import FOREVER, GUARD, advance, turns
from tests.conftest import Bench

SAID = Reply([Say("It goes on.")])


def stubborn(seconds: float = 5) -> Any:
    begun = asyncio.Event()

    @tool
    async def hold_on(name: str = "") -> str:
        """Swallows its cancellation."""
        begun.set()
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            return "partial"
        return "whole"

    return hold_on, begun


async def running(
    bench: Bench, agent: Agent[Any], begun: asyncio.Event
) -> tuple[Any, asyncio.Task[Any]]:
    """A conversation with a turn that is in the middle of something."""
    chat = agent.conversation()
    task = asyncio.create_task(bench.ask(chat, "Go"))
    await asyncio.wait_for(begun.wait(), GUARD)
    return chat, task


async def test_a_tool_that_swallows_the_cancellation_ends_the_run_all_the_same(
    bench: Bench,
) -> None:
    hold_on, begun = stubborn()
    bench.emulator.play([Reply([CallTool("hold_on")]), SAID])
    chat, task = await running(bench, bench.agent(tools=[hold_on]), begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await turns()
    assert (len(bench.emulator.posts), chat.messages) == (1, ())
    assert (await bench.ask(chat, "Again")).text == "It goes on."


async def test_a_stream_that_is_left_while_such_a_tool_runs(bench: Bench) -> None:
    hold_on, _ = stubborn()
    bench.emulator.play([Reply([CallTool("hold_on")]), SAID])
    chat = bench.agent(tools=[hold_on]).conversation()
    async with chat.stream("Go") as stream:
        async for event in stream:
            if isinstance(event, InvocationStarted):
                break
    assert (len(bench.emulator.posts), chat.messages) == (1, ())
    assert stream.run is not None
    assert [(each.name, each.result) for each in stream.run.invocations] == [("hold_on", "partial")]


async def test_the_calls_beside_it_are_stopped_too(bench: Bench) -> None:
    hold_on, begun = stubborn()
    ended: list[str] = []
    waits = asyncio.Event()

    @tool
    async def wait_long() -> str:
        """Waits."""
        waits.set()
        try:
            await asyncio.sleep(FOREVER)
        finally:
            ended.append("stopped")
        return "whole"

    bench.emulator.play([Reply([CallTool("hold_on"), CallTool("wait_long")]), SAID])
    _, task = await running(bench, bench.agent(tools=[hold_on, wait_long]), begun)
    await asyncio.wait_for(waits.wait(), GUARD)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, GUARD)
    assert ended == ["stopped"]


@pytest.mark.parametrize(
    "point", ["before_request", "after_reply", "before_call", "after_call", "maker"]
)
async def test_a_hook_that_swallows_the_deadline_pays_no_more(bench: Bench, point: str) -> None:
    async def swallow(*_: object) -> None:
        advance(1000)
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            return

    async def made(_: object) -> list[Any]:
        await swallow()
        return []

    @tool
    def look() -> str:
        """Looks."""
        return "seen"

    bench.emulator.play([Reply([CallTool("look")]), SAID])
    more: dict[str, Any] = (
        {"tools": [look, Toolset(made)]}
        if point == "maker"
        else {"hooks": Hooks(**{point: swallow})}
    )
    agent = bench.agent(**{"tools": [look], "limits": Limits(seconds=1000), **more})
    chat = agent.conversation()
    with pytest.raises(DeadlineExceeded) as caught:
        await bench.ask(chat, "Go")
    assert len(bench.emulator.posts) == (0 if point in {"before_request", "maker"} else 1)
    assert caught.value.run is not None
    assert chat.messages == ()


async def test_an_agent_can_be_asked_in_the_cleanup_of_a_cancelled_task(bench: Bench) -> None:
    """What was cancelled before the run began is not the run's own cancellation."""
    hold_on, _ = stubborn(0.01)
    bench.emulator.play([Reply([CallTool("hold_on")]), Reply([Say("All put away.")])])

    async def work() -> str:
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            return (await bench.ask(bench.agent(tools=[hold_on]), "Tidy up")).text
        return ""

    task = asyncio.create_task(work())
    await turns()
    task.cancel()
    assert await task == "All put away."


def slow_purse() -> tuple[list[int], asyncio.Event, Any]:
    """A tool that needs an approval; its first call takes long, and is noted where it begins."""
    begun: list[int] = []
    reached = asyncio.Event()

    @tool(approve=True)
    async def pay(euros: int) -> str:
        """Pays."""
        begun.append(euros)
        reached.set()
        await asyncio.sleep(FOREVER if len(begun) == 1 else 0)
        return f"paid {euros}"

    return begun, reached, pay


def verdicts(run: Run) -> dict[str, bool | Denied]:
    return {each.call_id: True for each in run.waiting if each.why == "approval"}


async def interrupted(work: Any, reached: asyncio.Event, times: int = 1) -> None:
    task = asyncio.ensure_future(work)
    await asyncio.wait_for(reached.wait(), GUARD)
    for _ in range(times):
        await turns(30)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_approved_call_that_was_interrupted_is_asked_for_anew(bench: Bench) -> None:
    begun, reached, pay = slow_purse()
    bench.emulator.play([Reply([CallTool("pay", {"euros": 3}, id="p")])])
    chat = bench.agent(tools=[pay]).conversation()
    answer = await bench.ask(chat, "Pay")
    await interrupted(chat.resume(answer.run, approve={"p": True}), reached)
    assert begun == [3]
    again = chat.waiting
    assert again is not None
    assert (again.status, verdicts(again)) == ("paused", {"p": True})
    for used in (answer.run, Run.from_json(answer.run.to_json(), blobs=bench.store)):
        with pytest.raises(UsageError, match="used before"):
            await chat.resume(used, approve={"p": True})
    assert begun == [3]
    assert chat.waiting == again
    bench.emulator.play([SAID, SAID])
    saved = Run.from_json(again.to_json(), blobs=bench.store)
    assert (await chat.resume(saved, approve={"p": True})).text == "It goes on."
    assert (begun, chat.waiting) == ([3, 3], None)
    with pytest.raises(UsageError, match="used before"):
        await bench.agent(tools=[pay]).resume(again, approve={"p": True})


async def test_without_a_conversation_it_is_asked_for_anew_by_a_resume_without_a_decision(
    bench: Bench,
) -> None:
    begun, reached, pay = slow_purse()
    bench.emulator.play([Reply([CallTool("pay", {"euros": 3}, id="p")])])
    agent = bench.agent(tools=[pay])
    answer = await bench.ask(agent, "Pay")
    assert (await agent.resume(answer.run)).run.waiting == answer.run.waiting
    await interrupted(agent.resume(answer.run, approve={"p": True}), reached)
    again = await agent.resume(answer.run)
    assert (again.status, [each.id for each in again.pending], begun) == ("paused", ["p"], [3])
    bench.emulator.play([SAID])
    assert (await agent.resume(again.run, approve={"p": True})).text == "It goes on."
    assert begun == [3, 3]


async def test_without_a_conversation_a_call_of_an_agent_too(bench: Bench) -> None:
    begun, reached, pay = slow_purse()
    boss = bench.agent(tools=[bench.agent(tools=[pay]).as_tool("clerk", "Pays.")])
    asks = Reply([CallTool("clerk", {"prompt": "Pay"}, id="c")])
    bench.emulator.play([asks, Reply([CallTool("pay", {"euros": 3}, id="p")])])
    answer = await bench.ask(boss, "Pay")
    assert (await boss.resume(answer.run)).run.waiting == answer.run.waiting
    await interrupted(boss.resume(answer.run, approve={"c/p": True}), reached)
    with pytest.raises(UsageError, match="used before"):
        await boss.resume(answer.run, approve={"c/p": True})
    again = await boss.resume(answer.run)
    assert (again.status, [each.id for each in again.pending], begun) == ("paused", ["c/p"], [3])
    bench.emulator.play([Reply([Say("Paid.")]), SAID])
    assert (await boss.resume(again.run, approve={"c/p": True})).text == "It goes on."
    assert begun == [3, 3]


async def test_what_waits_is_what_a_person_decides_on(bench: Bench) -> None:
    """Beside a call that was interrupted there may be one that nobody has to agree to."""
    begun, reached, pay = slow_purse()

    @tool
    async def look() -> str:
        """Looks."""
        await asyncio.sleep(FOREVER if len(begun) == 1 else 0)
        return "seen"

    bench.emulator.play([Reply([CallTool("pay", {"euros": 3}, id="p"), CallTool("look", id="l")])])
    chat = bench.agent(tools=[pay, look]).conversation()
    run = (await bench.ask(chat, "Go")).run
    saved = json.loads(run.to_json())
    saved["results"], saved["invocations"][1]["status"] = [], "pending"
    run = Run.from_json(json.dumps(saved), blobs=bench.store)
    await interrupted(chat.resume(run, approve={"p": True}), reached)
    assert chat.waiting is not None
    assert [each.id for each in Answer.of(chat.waiting).pending] == ["p"]
    bench.emulator.play([SAID])
    resumed = await chat.resume(chat.waiting, approve={"p": True})
    assert [each.result for each in resumed.invocations] == ["paid 3", "seen"]


@pytest.mark.parametrize("times", [1, 3])
async def test_what_was_done_before_the_interruption_is_not_done_again(
    bench: Bench, times: int
) -> None:
    """Nor where it is interrupted once more while a tool is slow to stop."""
    begun, reached, pay = slow_purse()
    ran: list[str] = []

    @tool(approve=True)
    async def note(word: str) -> str:
        """Notes."""
        ran.append(word)
        try:
            await asyncio.sleep(FOREVER if word == "slow" else 0)
        finally:
            await turns(300 if word == "slow" else 0)
        return word

    notes = [CallTool("note", {"word": word}, id=word) for word in ("a", "slow", "b")]
    bench.emulator.play([Reply([notes[0], CallTool("pay", {"euros": 3}, id="p"), *notes[1:]])])
    chat = bench.agent(tools=[pay, note]).conversation()
    run = (await bench.ask(chat, "Go")).run
    await interrupted(chat.resume(run, approve=verdicts(run)), reached, times)
    assert chat.waiting is not None
    assert verdicts(chat.waiting) == {"p": True, "slow": True}
    bench.emulator.play([SAID])
    resumed = await chat.resume(
        chat.waiting, approve={"p": Denied("enough"), "slow": Denied("enough")}
    )
    assert [each.status for each in resumed.invocations] == [
        "completed",
        "denied",
        "denied",
        "completed",
    ]
    assert (ran, begun) == (["a", "slow", "b"], [3])


async def test_a_resumed_turn_that_is_interrupted_after_its_tools_goes_on_from_there(
    bench: Bench,
) -> None:
    begun, asked = [], asyncio.Event()

    @tool(approve=True)
    def pay(euros: int) -> str:
        """Pays."""
        begun.append(euros)
        return "paid"

    async def before(asking: Asking) -> None:
        if asking.run.turns == 1 and not asked.is_set():
            asked.set()
            await asyncio.sleep(FOREVER)

    bench.emulator.play([Reply([CallTool("pay", {"euros": 3}, id="p")])])
    chat = bench.agent(tools=[pay], hooks=Hooks(before_request=before)).conversation()
    answer = await bench.ask(chat, "Pay")
    await interrupted(chat.resume(answer.run, approve={"p": True}), asked)
    assert chat.waiting is not None
    assert chat.waiting.waiting == ()
    with pytest.raises(UsageError, match="was interrupted: go on with it by"):
        await bench.ask(chat, "Hello")
    bench.emulator.play([SAID])
    assert (await chat.resume(chat.waiting)).text == "It goes on."
    assert (begun, chat.waiting) == ([3], None)


async def test_a_call_of_an_agent_that_was_interrupted_is_asked_for_anew(bench: Bench) -> None:
    begun, reached, pay = slow_purse()
    boss = bench.agent(tools=[bench.agent(tools=[pay]).as_tool("clerk", "Pays.")])
    asks = Reply([CallTool("clerk", {"prompt": "Pay"}, id="c")])
    bench.emulator.play([asks, Reply([CallTool("pay", {"euros": 3}, id="p")])])
    chat = boss.conversation()
    answer = await bench.ask(chat, "Pay")
    await interrupted(chat.resume(answer.run, approve={"c/p": True}), reached)
    assert chat.waiting is not None
    assert [each.id for each in Answer.of(chat.waiting).pending] == ["c/p"]
    bench.emulator.play([Reply([Say("Paid.")]), SAID])
    resumed = await chat.resume(
        Run.from_json(chat.waiting.to_json(), blobs=bench.store), approve={"c/p": True}
    )
    assert (resumed.text, resumed.status, begun) == ("It goes on.", "completed", [3, 3])
    assert [(each.id, each.status, each.result) for each in resumed.invocations] == [
        ("c", "completed", "Paid."), ("c/p", "completed", "paid 3")
    ]  # fmt: skip
    assert resumed.usage.requests == 4


async def test_an_agent_that_was_interrupted_after_its_call_goes_on_from_there(
    bench: Bench,
) -> None:
    begun, asked = [], asyncio.Event()

    @tool(approve=True)
    def pay(euros: int) -> str:
        """Pays."""
        begun.append(euros)
        return "paid"

    async def before(asking: Asking) -> None:
        if asking.run.turns == 1 and not asked.is_set():
            asked.set()
            await asyncio.sleep(FOREVER)

    clerk = bench.agent(tools=[pay], hooks=Hooks(before_request=before)).as_tool("clerk", "Pays.")
    asks = Reply([CallTool("clerk", {"prompt": "Pay"}, id="c")])
    bench.emulator.play([asks, Reply([CallTool("pay", {"euros": 3}, id="p")])])
    chat = bench.agent(tools=[clerk]).conversation()
    answer = await bench.ask(chat, "Pay")
    await interrupted(chat.resume(answer.run, approve={"c/p": True}), asked)
    assert chat.waiting is not None
    bench.emulator.play([Reply([Say("Paid.")]), SAID])
    resumed = await chat.resume(chat.waiting)
    assert (resumed.text, resumed.status, begun) == ("It goes on.", "completed", [3])
    assert [(each.id, each.status) for each in resumed.invocations] == [
        ("c", "completed"),
        ("c/p", "completed"),
    ]
    assert resumed.usage.requests == 4
