"""A run that was cut by a crash: what its saved JSON holds is not done again, all else is.

Each test saves `stream.run` as a program would, leaves the rest to its fate, and goes on from the
JSON with another agent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agentkit import (
    Agent,
    Context,
    Denied,
    ImageGeneration,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    Limits,
    Run,
    TurnFinished,
    tool,
)
from agentkit.emulator import CallTool, Draw, Reply, Say
from agentkit.errors import UsageError
from agentkit.events import Event
from agentkit.hooks import Hooks
from agentkit.values import ToolResult
from tests.clock import FOREVER, until
from tests.conftest import Bench, picture

BIG = picture(size=(160, 120), noise=90)
ORDER = ("slow", "middle", "fast")


class Gate:
    """A tool of three calls, each of which ends when it is let go."""

    def __init__(self, *free: str) -> None:
        self.calls: list[str] = []
        self._free = {name: asyncio.Event() for name in ORDER}
        for name in free:
            self.let(name)

    def let(self, name: str) -> None:
        self._free[name].set()

    @property
    def tool(self) -> Any:
        @tool
        async def work(name: str) -> str:
            """Works."""
            self.calls.append(name)
            await self._free[name].wait()
            return f"{name} done"

        return work


async def saved_at(
    agent: Agent[Any],
    prompt: str,
    holds: Callable[[Event], object],
    before_it_is_left: Callable[[], object] = lambda: True,
) -> str:
    """The JSON of a streamed run as it was when this event was read. The run goes on until this
    holds, and is then left.
    """
    async with agent.stream(prompt) as stream:
        async for event in stream:
            if holds(event):
                assert stream.run is not None
                text = stream.run.to_json()
                await until(before_it_is_left)
                return text
    raise AssertionError("the event did not come")


def ended(run: Run) -> dict[str, str]:
    return {each.id: each.status for each in run.invocations}


THREE = Reply([CallTool("work", {"name": name}, id=name) for name in ORDER])


async def test_of_a_round_only_the_calls_that_had_not_ended_are_repeated(bench: Bench) -> None:
    bench.emulator.play([THREE, Reply([Say("Done.")])])
    gate, told = Gate("fast"), list[str]()

    def second(event: Event) -> bool:
        if isinstance(event, InvocationFinished):
            told.append(event.invocation.id)
            gate.let("middle")
        return told == ["fast", "middle"]

    saved = Run.from_json(await saved_at(bench.agent(tools=[gate.tool]), "Go", second))
    assert ended(saved) == {"slow": "running", "middle": "completed", "fast": "completed"}
    again = Gate(*ORDER)
    answer = await bench.agent(tools=[again.tool]).resume(saved)
    assert (again.calls, answer.text) == (["slow"], "Done.")
    results = [part for part in answer.messages[2].parts if isinstance(part, ToolResult)]
    assert [each.call_id for each in results] == list(ORDER)
    assert len(bench.emulator.requests) == 2


async def test_what_had_begun_says_so_and_a_hook_or_a_person_decides(bench: Bench) -> None:
    bench.emulator.play([THREE, Reply([Say("Done.")])])
    gate = Gate()
    agent = bench.agent(tools=[gate.tool], limits=Limits(parallel=2))
    begun = 0

    def two(event: Event) -> bool:
        nonlocal begun
        begun += isinstance(event, InvocationStarted)
        return begun == 2

    text = await saved_at(agent, "Go", two)
    assert ended(Run.from_json(text)) == {"slow": "running", "middle": "running", "fast": "pending"}

    def once(context: Context[Any]) -> Denied | None:
        begun_before = context.invocation.status == "running"
        return Denied("it had begun before the crash") if begun_before else None

    again = Gate(*ORDER)
    hooked = bench.agent(tools=[again.tool], hooks=Hooks(before_call=once))
    answer = await hooked.resume(Run.from_json(text))
    assert again.calls == ["fast"]
    assert ended(answer.run) == {"slow": "denied", "middle": "denied", "fast": "completed"}


async def test_a_call_that_was_agreed_to_is_asked_about_again(bench: Bench) -> None:
    ran: list[str] = []
    free = asyncio.Event()

    @tool(approve=True)
    async def send(to: str) -> str:
        """Sends."""
        ran.append(to)
        await free.wait()
        return "sent"

    bench.emulator.play([Reply([CallTool("send", {"to": "Ann"}, id="c1")]), Reply([Say("Done.")])])
    agent = bench.agent(tools=[send])
    asked = await bench.ask(agent, "Write")
    async with agent.resume_stream(asked.run, approve={"c1": True}) as stream:
        async for event in stream:
            if isinstance(event, InvocationStarted):
                break
        assert stream.run is not None
        saved = stream.run.to_json()
    free.set()
    run = Run.from_json(saved)
    assert (run.status, ended(run)) == ("running", {"c1": "running"})
    paused = await bench.agent(tools=[send]).resume(run)
    assert (paused.status, [each.id for each in paused.pending]) == ("paused", ["c1"])
    answer = await bench.agent(tools=[send]).resume(paused.run, approve={"c1": True})
    assert (answer.text, len(ran)) == ("Done.", ran.count("Ann"))


PAINT = Reply([CallTool("paint", {"prompt": "Draw a fox"}, id="call_3")], usage={"cost": 0.25})
LOOK = Reply([CallTool("look", {"at": "foxes"}, id="call_1")], usage={"cost": 0.5})
FOX = Reply([Draw("a fox", data=BIG), Say("Here is img_1.")], usage={"cost": 2})
CLOSE = Reply([Say("All done.")], usage={"cost": 0.125})
LATE = Reply([Say("late")], delay=FOREVER)
WHOLE = 0.25 + 0.5 + 2 + 0.125


@tool
def look(at: str) -> str:
    """Looks."""
    return f"saw {at}"


def boss(bench: Bench, **options: Any) -> Agent[Any]:
    painter = bench.agent(tools=[look, ImageGeneration()], name="painter")
    return bench.agent(tools=[painter.as_tool("paint", "Paints.")], **options)


def inner(kind: type[Event], number: int = 1) -> Callable[[Event], bool]:
    """Whether this is the sub-agent's event of that kind, with that number."""
    count = 0

    def holds(event: Event) -> bool:
        nonlocal count
        count += isinstance(event, InvocationProgress) and isinstance(event.event, kind)
        return count == number

    return holds


@pytest.mark.parametrize(
    ("holds", "left", "before"),
    [
        (lambda: inner(TurnFinished), [FOX, CLOSE], 0.75),
        (lambda: inner(InvocationFinished), [FOX, CLOSE], 0.75),
        (lambda: inner(TurnFinished, 2), [CLOSE], 2.75),
    ],
    ids=["after its first reply", "after its tool", "after its last reply"],
)
async def test_a_sub_agent_goes_on_where_it_was(
    bench: Bench, holds: Callable[[], Callable[[Event], bool]], left: list[Reply], before: float
) -> None:
    done = 4 - len(left)
    bench.emulator.play([*[PAINT, LOOK, FOX][:done], LATE])
    text = await saved_at(boss(bench), "Go", holds(), lambda: len(bench.emulator.posts) == done + 1)
    run = Run.from_json(text, blobs=bench.store)
    assert run.usage.cost_usd == pytest.approx(before)
    assert run.usage.requests == done
    bench.emulator.play([*left])
    answer = await boss(bench).resume(run)
    assert answer.text == "All done."
    assert len(bench.emulator.posts) == 5  # the four, and the one that was cut
    assert answer.usage.cost_usd == pytest.approx(WHOLE)
    assert answer.usage.requests == 4
    assert [(each.name, each.bytes() == BIG) for each in answer.images] == [("img_1", True)]
    assert [(each.id, each.status) for each in answer.invocations if each.executor == "client"] == [
        ("call_3", "completed"),
        ("call_3/call_1", "completed"),
    ]
    assert not answer.run.nested


async def test_an_interruption_of_any_kind_leaves_a_sub_agent_where_it_was(bench: Bench) -> None:
    bench.emulator.play([PAINT, LOOK, LATE])
    agent, holds = boss(bench), inner(TurnFinished)
    async with agent.stream("Go") as stream:
        async for event in stream:
            if holds(event):
                break
        await until(lambda: len(bench.emulator.posts) == 3)
    assert stream.run is not None
    run = Run.from_json(stream.run.to_json(), blobs=bench.store)
    assert run.usage.cost_usd == pytest.approx(0.75)
    bench.emulator.play([FOX, CLOSE])
    answer = await agent.resume(run)
    assert answer.usage.cost_usd == pytest.approx(WHOLE)
    assert answer.usage.requests == 5  # with the one that was cut
    assert answer.usage.uncertain_usd > 0


async def test_a_sub_agent_that_was_about_to_ask_a_person_asks_again(bench: Bench) -> None:
    @tool(approve=True)
    def spend(usd: int) -> str:
        """Spends."""
        return f"spent {usd}"

    def asking() -> Agent[Any]:
        helper = bench.agent(tools=[spend], name="helper")
        return bench.agent(tools=[helper.as_tool("help_me", "Helps.")])

    call = Reply([CallTool("help_me", {"prompt": "Spend 3"}, id="call_3")])
    bench.emulator.play([call, Reply([CallTool("spend", {"usd": 3}, id="call_1")])])
    async with asking().stream("Go") as stream:
        runs = [stream.run async for _ in stream]
    saved = [run.to_json() for run in runs if run is not None and run.nested]
    assert stream.answer.status == "paused"
    for text in dict.fromkeys(saved):
        if not Run.from_json(text).nested[0].run.turns:
            continue
        paused = await asking().resume(Run.from_json(text))
        assert [each.id for each in paused.pending] == ["call_3/call_1"]
        bench.emulator.play([Reply([Say("Spent.")]), Reply([Say("Done.")])])
        answer = await asking().resume(paused.run, approve={"call_3/call_1": True})
        assert answer.text == "Done."
        assert answer.usage.requests == 4


async def test_what_a_sub_agent_spent_before_the_crash_counts_for_every_limit(bench: Bench) -> None:
    bench.emulator.play([PAINT, LOOK, FOX, LATE])
    text = await saved_at(
        boss(bench), "Go", inner(TurnFinished, 2), lambda: len(bench.emulator.posts) == 4
    )
    run = Run.from_json(text, blobs=bench.store)
    assert run.pictures == 1
    posts = 4
    limited = run.replace(limits=Limits(cost_usd=2.8))
    answer = await boss(bench).resume(limited)
    assert (answer.status, answer.limit) == ("limited", "cost_usd")
    assert len(bench.emulator.posts) == posts


async def test_a_run_that_is_kept_as_it_is_has_what_its_agents_spent_and_drew(
    bench: Bench,
) -> None:
    bench.emulator.play([PAINT, LOOK, FOX, LATE])
    text = await saved_at(
        boss(bench), "Go", inner(ImageReady), lambda: len(bench.emulator.posts) == 4
    )
    run = Run.from_json(text, blobs=bench.store)
    chat = boss(bench).conversation(run=run)
    answer = chat.adopt(run)
    assert (answer.status, [each.name for each in answer.images]) == ("interrupted", ["img_1"])
    assert answer.images[0].bytes() == BIG
    assert answer.usage.cost_usd == pytest.approx(run.usage.cost_usd or 0.0)
    assert chat.usage.requests == run.usage.requests
    bench.emulator.play([Reply([Say("Hello.")])])
    assert (await bench.ask(chat, "Hi")).text == "Hello."


async def test_a_count_that_cannot_be_is_refused(bench: Bench) -> None:
    bench.emulator.play([PAINT, LOOK, LATE])
    text = await saved_at(boss(bench), "Go", inner(TurnFinished))
    assert '"uncounted":1' in text
    with pytest.raises(UsageError, match="uncounted=7"):
        Run.from_json(text.replace('"uncounted":1', '"uncounted":7'))
