"""What agents spend that are called as tools is in the caller's usage, field by field, each request
once.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from agentkit import Agent, ImageGeneration, Usage, tool
from agentkit.emulator import CallTool, Draw, Failure, Reply, Say
from agentkit.studio import Studio
from agentkit.tools import Billed
from tests.conftest import Bench, picture

BIG = picture(size=(160, 120), noise=90)
FIELDS = [each.name for each in fields(Usage)]
OWN = Usage(
    input_tokens=7, output_tokens=5, cached_tokens=3, reasoning_tokens=2, image_tokens=1, server_tool_calls=1,
    requests=1, priced_requests=1, cost_usd=0.25,
)  # fmt: skip


def told(number: int, api: str, *, calls: int = 0) -> dict[str, Any]:
    """Usage as the wire tells it, different in each field and for each request."""
    details = (
        {"server_tool_use_details": {"tool_calls_requested": calls, "tool_calls_executed": calls}}
        if calls
        else {}
    )
    seen, said = 1000 * number, 100 * number
    inside = {"cached_tokens": 10 * number}
    outside = {"reasoning_tokens": 3 * number, "image_tokens": 2 * number}
    if api == "chat":
        names = {"prompt_tokens": seen, "completion_tokens": said}
        names |= {"prompt_tokens_details": inside, "completion_tokens_details": outside}
    else:
        names = {"input_tokens": seen, "output_tokens": said}
        names |= {"input_tokens_details": inside, "output_tokens_details": outside}
    return {**names, "total_tokens": seen + said, "cost": float(number), **details}


def of(*numbers: int, **more: Any) -> Usage:
    total = sum(numbers)
    return Usage(
        input_tokens=1000 * total, output_tokens=100 * total, cached_tokens=10 * total, reasoning_tokens=3 * total,
        image_tokens=2 * total, requests=len(numbers), priced_requests=len(numbers), cost_usd=float(total), **more,
    )  # fmt: skip


def same(usage: Usage, expected: Usage) -> None:
    assert {name: getattr(usage, name) for name in FIELDS} == {
        name: getattr(expected, name) for name in FIELDS
    }


@tool
def bought() -> Billed[str]:
    """Costs something by itself."""
    return Billed("bought", OWN)


def staff(bench: Bench, *tools: object) -> tuple[Agent[Any], Agent[Any], Agent[Any]]:
    """An agent that calls one that calls one that has these tools."""
    painter = bench.agent(tools=tools, name="painter")
    editor = bench.agent(tools=[painter.as_tool("paint", "Paints.")], name="editor")
    return bench.agent(tools=[editor.as_tool("edit", "Edits.")]), editor, painter


EDIT, PAINT = (
    CallTool("edit", {"prompt": "a fox"}, id="e"),
    CallTool("paint", {"prompt": "a fox"}, id="p"),
)


async def test_every_field_of_every_request(bench: Bench) -> None:
    api = bench.way.api
    bench.emulator.play(
        [
            Reply([EDIT], usage=told(1, api)),
            Reply([PAINT], usage=told(2, api)),
            Reply([CallTool("bought")], usage=told(4, api)),
            Reply([Draw("a fox", data=BIG), Say("Painted.")], usage=told(8, api)),
            Reply([Say("Edited.")], usage=told(16, api)),
            Reply([Say("Done.")], usage=told(32, api)),
        ]
    )
    boss, _, _ = staff(bench, bought, ImageGeneration())
    chat = boss.conversation()
    answer = await bench.ask(chat, "Go")
    assert len(answer.images) == 1
    own = of(1, 2, 4, 8, 16, 32)
    calls = answer.usage.server_tool_calls
    expected = Usage.total([own, OWN])
    same(
        answer.usage,
        Usage(
            **{
                **{name: getattr(expected, name) for name in FIELDS},
                "images": 1,
                "server_tool_calls": calls,
            }
        ),
    )
    assert calls == 1 + OWN.server_tool_calls
    same(chat.usage, answer.usage)
    edited, painted = (
        next(each for each in answer.invocations if each.id == call) for call in ("e", "e/p")
    )
    assert (edited.cost_usd, painted.cost_usd) == (2 + 4 + 8 + 16 + 0.25, 4 + 8 + 0.25)


async def test_a_second_call_is_counted_beside_the_first(bench: Bench) -> None:
    api = bench.way.api
    again = CallTool("paint", {"prompt": "an owl"}, id="q")
    bench.emulator.play(
        [
            Reply([PAINT], usage=told(1, api)),
            Reply([Say("A fox.")], usage=told(2, api)),
            Reply([again], usage=told(4, api)),
            Reply([Say("An owl.")], usage=told(8, api)),
            Reply([Say("Done.")], usage=told(16, api)),
        ]
    )
    _, editor, _ = staff(bench)
    same((await bench.ask(editor, "Go")).usage, of(1, 2, 4, 8, 16))


async def test_one_that_waited_is_counted_once(bench: Bench) -> None:
    api = bench.way.api

    @tool(approve=True)
    def pay() -> str:
        """Pays."""
        return "paid"

    bench.emulator.play(
        [
            Reply([EDIT], usage=told(1, api)),
            Reply([PAINT], usage=told(2, api)),
            Reply([CallTool("pay", id="x")], usage=told(4, api)),
            Reply([Say("Paid.")], usage=told(8, api)),
            Reply([Say("Edited.")], usage=told(16, api)),
            Reply([Say("Done.")], usage=told(32, api)),
        ]
    )
    boss, _, _ = staff(bench, pay)
    paused = await bench.ask(boss, "Go")
    assert paused.status == "paused"
    same(paused.usage, of(1, 2, 4))
    answer = await boss.resume(paused.run, approve={"e/p/x": True})
    assert answer.text == "Done."
    same(answer.usage, of(1, 2, 4, 8, 16, 32))


async def test_one_that_failed_is_counted_as_far_as_it_came(bench: Bench) -> None:
    api = bench.way.api
    bench.emulator.play(
        [
            Reply([PAINT], usage=told(1, api)),
            Reply([CallTool("bought")], usage=told(2, api)),
            Reply(error=Failure("No", 403)),
            Reply([Say("Pity.")], usage=told(4, api)),
        ]
    )
    _, editor, _ = staff(bench, bought)
    answer = await bench.ask(editor, "Go")
    assert answer.invocations[0].status == "failed"
    same(answer.usage, Usage.total([of(1, 2, 4), OWN]))


async def test_a_picture_of_the_studio_in_its_hands(bench: Bench) -> None:
    api = bench.way.api
    studio = Studio(client=bench.client, store=bench.store)
    bench.emulator.play(
        [
            Reply([PAINT], usage=told(1, api)),
            Reply([CallTool("draw_image", {"prompt": "a fox"})], usage=told(2, api)),
            Reply([Draw("a fox", data=BIG)]),
            Reply([Say("Painted.")], usage=told(4, api)),
            Reply([Say("Done.")], usage=told(8, api)),
        ]
    )
    _, editor, _ = staff(bench, *studio.tools())
    answer = await bench.ask(editor, "Go")
    drawn = sum(charge.cost_usd for charge in bench.emulator.ledger if charge.kind == "images")
    assert answer.usage.cost_usd == pytest.approx(15 + drawn)
    assert (answer.usage.images, answer.usage.requests, answer.usage.priced_requests) == (1, 5, 5)
