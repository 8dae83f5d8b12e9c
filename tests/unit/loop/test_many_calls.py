"""A reply with very many tool calls: the work grows with their number and not with its square, and
those beyond a fixed number get a result that says so.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import agentkit
from agentkit import Denied, Limits, Run, tool
from agentkit.emulator import CallTool, Reply, Say
from agentkit.hooks import Hooks
from agentkit.wire.tool_calls import MOST_CALLS
from tests.conftest import Bench, spread

FOLDER = str(Path(agentkit.__file__).parent)
PLENTY = Limits(tool_calls=10_000, images=1_000)


@tool
def note(text: str) -> str:
    """Notes a text."""
    return f"noted {text}"


@tool(approve=True)
def risky(text: str) -> str:
    """Does what a person has to agree to."""
    return text


def calls(number: int, name: str = "note", **more: Any) -> Reply:
    each = [CallTool(name, {"text": f"{at}", **more}) for at in range(number)]
    return Reply(each, usage={"cost": 0.01})


class Lines:
    """How many lines of agentkit were run on this thread: each turn of a loop counts."""

    def __init__(self) -> None:
        self.count = 0

    def _line(self, _frame: FrameType, event: str, _: object) -> Any:
        self.count += event == "line"
        return self._line

    def _call(self, frame: FrameType, _event: str, _: object) -> Any:
        return self._line if frame.f_code.co_filename.startswith(FOLDER) else None

    @contextmanager
    def counted(self) -> Generator[None]:
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(before)


async def _plain(bench: Bench, number: int) -> None:
    bench.emulator.play([calls(number), Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[note], limits=PLENTY), "go")
    assert len(answer.invocations) == number
    assert answer.invocations[-1].result == f"noted {number - 1}"


async def _over_a_limit(bench: Bench, number: int) -> None:
    bench.emulator.play([calls(number), Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[note], limits=Limits(tool_calls=1)), "go")
    assert [each.status for each in answer.invocations[:2]] == ["completed", "cancelled"]


async def _with_wrong_arguments(bench: Bench, number: int) -> None:
    bench.emulator.play([calls(number, wrong=1), Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[note], limits=PLENTY), "go")
    assert len(answer.invocations) == number


async def _refused_by_a_hook(bench: Bench, number: int) -> None:
    bench.emulator.play([calls(number), Reply([Say("Done.")])])

    def half(context: Any) -> Denied | None:
        return Denied("no") if int(context.invocation.arguments["text"]) % 2 else None

    agent = bench.agent(tools=[note], limits=PLENTY, hooks=Hooks(before_call=half))
    answer = await bench.ask(agent, "go")
    assert [each.status for each in answer.invocations[:2]] == ["completed", "denied"]


async def _approved_and_saved(bench: Bench, number: int) -> None:
    bench.emulator.play([calls(number, "risky"), Reply([Say("Done.")])])
    agent = bench.agent(tools=[risky], limits=PLENTY)
    answer = await bench.ask(agent, "go")
    run = Run.from_json(answer.run.to_json(), blobs=bench.store)
    verdicts = {each.id: at % 2 == 0 for at, each in enumerate(answer.pending)}
    answer = await agent.resume(run, approve=verdicts)
    assert [each.status for each in answer.invocations[:2]] == ["completed", "denied"]


async def _given_up(bench: Bench, number: int) -> None:
    bench.emulator.play([calls(number, "risky")])
    chat = bench.agent(tools=[risky], limits=PLENTY).conversation()
    answer = await bench.ask(chat, "go")
    chat.adopt(answer.run)
    assert len(chat.messages) == 3


WORK: list[Callable[[Bench, int], Awaitable[None]]] = [
    _plain,
    _over_a_limit,
    _with_wrong_arguments,
    _refused_by_a_hook,
    _approved_and_saved,
    _given_up,
]


@pytest.mark.unjudged
@pytest.mark.parametrize("work", spread(WORK, 2), ids=lambda each: each.__name__)
async def test_twice_the_calls_are_twice_the_work(
    bench: Bench, work: Callable[[Bench, int], Awaitable[None]]
) -> None:
    await work(bench, 2)  # what is loaded and remembered once
    counts: list[int] = []
    for number in (50, 100, 200):
        lines = Lines()
        with lines.counted():
            await work(bench, number)
        counts.append(lines.count)
    first, second = counts[1] - counts[0], counts[2] - counts[1]
    assert second <= 2.2 * first, f"{work.__name__}: {counts} lines for 50, 100 and 200 calls"


@pytest.mark.unjudged
async def test_calls_beyond_the_most_get_a_result_that_says_so(bench: Bench) -> None:
    bench.emulator.play([calls(MOST_CALLS + 2), Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[note], limits=PLENTY), "go")
    assert answer.status == "completed"
    assert len(answer.invocations) == MOST_CALLS + 2
    assert [each.status for each in answer.invocations[-3:]] == [
        "completed",
        "cancelled",
        "cancelled",
    ]
    assert answer.invocations[-1].error == "not run: one reply may make at most 1024 calls"
    results = answer.messages[2].parts
    assert len(results) == MOST_CALLS + 2
