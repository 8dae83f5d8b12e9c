"""The ledger below a tool call: the runs of sub-agents, and drawings of the Image API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Run
from agentkit.emulator import CallTool, Draw, Reply, Say
from agentkit.studio import Studio
from tests.conftest import Bench, picture
from tests.unit.loop.dying import Dying, seen

FOX = picture(size=(160, 120), noise=1)
PAINTER = "google/gemini-2.5-flash-image"


@pytest.fixture
def dying(bench: Bench, tmp_path: Path) -> Dying:
    return Dying(bench, tmp_path / "calls")


def painter(dying: Dying) -> Agent[Any]:
    return dying.bench.agent(model=PAINTER, name="painter")


def tools_of(dying: Dying) -> list[Any]:
    return [painter(dying).as_tool("ask_painter", "Draws.")]


def studio_tools(dying: Dying) -> list[Any]:
    studio = Studio(client=dying.bench.client, store=dying.bench.store, checks=False)
    return studio.tools()


def before_the_call(dying: Dying) -> Run:
    """The run as it is before its first reply: the sub-agent was not in any saved run."""
    return dying.run(0)


async def test_a_sub_agent_that_is_asked_anew_buys_nothing_anew(dying: Dying) -> None:
    emulator = dying.bench.emulator
    asks = Reply([CallTool("ask_painter", {"prompt": "a fox"})])
    emulator.play([asks, Reply([Say("Here "), Draw("a fox", data=FOX)]), Reply([Say("done")])])
    first = await dying.bench.ask(dying.agent(tools=tools_of(dying)), "Draw")
    again = await dying.resume(before_the_call(dying), tools=tools_of(dying))
    assert seen(again) == seen(first)
    assert len(emulator.posts) == 3


@pytest.mark.parametrize("verdict", ["again", "give_up"])
async def test_a_sub_agent_whose_request_may_have_drawn(dying: Dying, verdict: str) -> None:
    emulator = dying.bench.emulator
    asks = Reply([CallTool("ask_painter", {"prompt": "a fox"})])
    draws = Reply([Say("Here "), Draw("a fox", data=FOX)])
    emulator.play([asks, draws, Reply([Say("done")])])
    first = await dying.bench.ask(dying.agent(tools=tools_of(dying)), "Draw")
    file = next(each for each in dying.files if each.name.startswith("sha256-"))
    next(each for each in dying.files if each.name.startswith("1.")).unlink()
    file.write_bytes(dying.cuts(file)[0][1])
    waits = await dying.resume(before_the_call(dying), tools=tools_of(dying))
    (call,) = waits.pending
    assert (waits.status, len(emulator.posts)) == ("paused", 3)
    assert call.id.startswith(f"{first.invocations[0].id}/{dying.run(0).id}/")
    drawn = [draws] if verdict == "again" else []
    emulator.play([*drawn, Reply([Say("done")])])
    again = await dying.resume(
        Run.from_json(waits.run.to_json(), blobs=dying.bench.store),
        tools=tools_of(dying),
        outcomes={call.id: verdict},
    )
    assert (again.status, again.text) == ("completed", first.text)
    assert [image.bytes() for image in again.images] == ([FOX] if drawn else [])
    assert ("stopped" in (again.invocations[0].result or "")) == (verdict == "give_up")


async def test_a_drawing_of_a_tool_is_read_and_never_sent(dying: Dying) -> None:
    emulator = dying.bench.emulator
    asks = Reply([CallTool("draw_image", {"prompt": "a fox"})])
    emulator.play([asks, Reply([Draw("a fox", data=FOX)]), Reply([Say("done")])])
    first = await dying.bench.ask(dying.agent(tools=studio_tools(dying)), "Draw")
    again = await dying.resume(before_the_call(dying), tools=studio_tools(dying))
    assert seen(again) == seen(first)
    assert len(emulator.posts) == 3


@pytest.mark.parametrize("verdict", ["again", "give_up"])
async def test_a_drawing_of_a_tool_whose_outcome_is_unknown(dying: Dying, verdict: str) -> None:
    emulator = dying.bench.emulator
    asks = Reply([CallTool("draw_image", {"prompt": "a fox"})])
    emulator.play([asks, Reply([Draw("a fox", data=FOX)]), Reply([Say("done")])])
    await dying.bench.ask(dying.agent(tools=studio_tools(dying)), "Draw")
    file = next(each for each in dying.files if each.name.startswith("sha256-"))
    next(each for each in dying.files if each.name.startswith("1.1.")).unlink()
    file.write_bytes(dying.cuts(file)[0][1])
    waits = await dying.resume(before_the_call(dying), tools=studio_tools(dying))
    (call,) = waits.pending
    assert (waits.status, call.name, len(emulator.posts)) == ("paused", "draw_image", 3)
    drawn = [Reply([Draw("a fox", data=FOX)])] if verdict == "again" else []
    emulator.play([*drawn, Reply([Say("done")])])
    outcomes = {call.id: verdict}
    again = await dying.resume(waits.run, tools=studio_tools(dying), outcomes=outcomes)
    assert (again.status, again.text) == ("completed", "done")
    assert [image.bytes() for image in again.images] == ([FOX] if drawn else [])
