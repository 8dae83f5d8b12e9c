"""An agent as a tool of another framework."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from types import ModuleType
from typing import Any

import pytest

from agentkit import Image, tool
from agentkit.emulator import CallTool, Draw, Reply, Say
from agentkit.errors import ImageError, UsageError
from agentkit.events import Event, ImageReady
from agentkit.integrations import openai_agents, portable
from tests.clock import until
from tests.conftest import Bench, picture

RED, BLUE = picture("red", (20, 10)), picture("blue", (10, 20))


@pytest.fixture
def drawing(bench: Bench) -> Any:
    @tool(approve=True)
    def send(to: str) -> str:
        """Send the picture."""
        return f"sent to {to}"

    return portable(bench.agent(tools=[send]), "draw", "Draws pictures.")


async def test_two_turns_of_one_conversation(bench: Bench, drawing: Any) -> None:
    seen: list[Event] = []

    async def tell(event: Event) -> None:
        seen.append(event)

    bench.emulator.play(
        [Reply([Say("A fox."), Draw("a fox", data=RED)]), Reply([Say("Now at night.")])]
    )
    first = await drawing.call("Draw a fox", tell=tell)
    assert [type(part).__name__ for part in first.parts] == ["Text", "Image"]
    assert first.parts[1].bytes() == RED
    assert any(isinstance(event, ImageReady) for event in seen)
    assert f"[img_1: 20×10 image/png, {len(RED)} bytes, agentkit://images/" in first.note()
    second = await drawing.call("Now img_1 at night", conversation=first.conversation)
    assert second.conversation == first.conversation
    assert second.note() == f"[conversation: {first.conversation}]"
    assert "Draw a fox" in json.dumps(bench.emulator.requests[-1].body)


async def test_pictures_in_every_form(bench: Bench, drawing: Any) -> None:
    bench.emulator.play([Reply([Say("A fox."), Draw("a fox", data=RED)]), Reply([Say("Four.")])])
    first = await drawing.call("Draw a fox")
    image = first.answer.images[0]
    text = base64.b64encode(BLUE).decode()
    given = [
        f"agentkit://images/{image.sha256}",
        "img_1",
        f"data:image/png;base64,{text}",
        text,
        BLUE,
        Image.from_bytes(BLUE),
    ]
    second = await drawing.call("Look", given, first.conversation)
    prompt = second.answer.messages[0]
    assert {part.sha256 for part in prompt.images} == {image.sha256, Image.from_bytes(BLUE).sha256}


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (["/etc/passwd"], "accepted is a data URL"),
        (["file:///etc/passwd"], "accepted is a data URL"),
        (["img_7"], "there is no picture"),
        (["agentkit://images/" + "0" * 64], "there is no picture"),
        (["agentkit://images/../../etc/passwd"], "there is no picture"),
        (["data:image/svg+xml,<svg/>"], "in base64"),
        (["data:image/png;base64,AAAA"], "accepted is a data URL"),
        ([7], "is int"),
        ("img_1", "a list of at most"),
        (["img_1"] * 17, "a list of at most"),
        (["http://127.0.0.1:1/a.png"], "127.0.0.1"),
        (["http://169.254.169.254/latest"], "169.254"),
    ],
    ids=str,
)
async def test_what_is_no_picture(bench: Bench, drawing: Any, images: Any, words: str) -> None:
    if bench.way.stream or bench.way.api != "chat":
        return
    with pytest.raises((UsageError, ImageError), match=words):
        await drawing.call("Look", images)
    assert bench.emulator.requests == []


async def test_a_turn_that_waits_is_told_and_given_up(bench: Bench, drawing: Any) -> None:
    bench.emulator.play([Reply([CallTool("send", {"to": "Ada"}, id="a")]), Reply([Say("Well.")])])
    first = await drawing.call("Send it")
    assert first.answer.status == "paused"
    assert "[not finished: it waits for a person, who has to decide on send]" in first.note()
    second = await drawing.call("Never mind", conversation=first.conversation)
    assert second.answer.text == "Well."


async def test_only_the_latest_are_kept(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("Hi.")])] * 3)
    drawing = portable(bench.agent(), "draw", kept=1)
    first = await drawing.call("One")
    second = await drawing.call("Two")
    assert (await drawing.call("Three", conversation=second.conversation)).answer.text == "Hi."
    with pytest.raises(UsageError, match="not known here"):
        await drawing.call("Four", conversation=first.conversation)


async def test_a_turn_that_goes_on_is_not_forgotten(bench: Bench) -> None:
    began, goes_on = asyncio.Event(), asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        began.set()
        await goes_on.wait()
        return "waited"

    bench.emulator.play([Reply([CallTool("wait", {}, id="w")]), Reply([Say("Two.")])])
    drawing = portable(bench.agent(tools=[wait]), "draw", kept=1)
    slow = asyncio.ensure_future(drawing.call("One"))
    await began.wait()
    second = await drawing.call("Two")
    bench.emulator.play([Reply([Say("One.")]), Reply([Say("Three.")])])
    goes_on.set()
    first = await slow
    assert first.answer.text == "One."
    # Both are idle now, and one is kept: the latest that was begun.
    third = await drawing.call("Three", conversation=second.conversation)
    assert third.answer.text == "Three."
    with pytest.raises(UsageError, match="not known here"):
        await drawing.call("Four", conversation=first.conversation)


async def test_a_caller_that_leaves_stops_the_turn(bench: Bench, drawing: Any) -> None:
    ready = asyncio.Event()

    async def tell(event: Event) -> None:
        if isinstance(event, ImageReady):
            ready.set()
            await asyncio.Event().wait()

    bench.emulator.play([Reply([Draw("a fox", data=RED), Say("A fox.")]), Reply([Say("Yes.")])])
    task = asyncio.ensure_future(drawing.call("Draw a fox", tell=tell))
    await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert drawing.chats.image(Image.from_bytes(RED).sha256) is not None


@pytest.mark.parametrize(
    "arguments",
    [
        {"agent": "gpt"},
        {"name": "no spaces"},
        {"name": 5},
        {"description": None},
        {"kept": 0},
        {"kept": True},
    ],
    ids=str,
)
async def test_arguments_that_cannot_be_right(bench: Bench, arguments: Any) -> None:
    given = {"agent": bench.agent(), "name": "draw", **arguments}
    with pytest.raises(UsageError, match="accepted"):
        portable(**given)


async def test_a_prompt_that_says_nothing(drawing: Any) -> None:
    for prompt in ("", " ", 5):
        with pytest.raises(UsageError, match="accepted"):
            await drawing.call(prompt)


async def test_what_cannot_be_sent_changes_no_conversation(bench: Bench) -> None:
    @tool(approve=True)
    def send(to: str) -> str:
        """Send the picture."""
        return f"sent to {to}"

    drawing = portable(bench.agent(tools=[send]), "draw", kept=1)
    bench.emulator.play([Reply([CallTool("send", {"to": "Ada"}, id="a")]), Reply([Say("Left.")])])
    first = await drawing.call("Send it")
    for conversation in (None, first.conversation):
        with pytest.raises(UsageError, match="accepted is a data URL"):
            await drawing.call("Look", ["/etc/passwd"], conversation)
    chat = drawing.chats.waiting(first.conversation, first.answer.run)
    assert chat.waiting is not None
    assert (await drawing.call("Leave it", (), first.conversation)).text.startswith("Left.")


async def test_turns_that_were_stopped_are_forgotten(bench: Bench, drawing: Any) -> None:
    """A server that runs for months holds none of the turns whose callers left."""

    async def leave(event: Event) -> None:
        raise RuntimeError("the client is gone")

    bench.emulator.play([Reply([Say("Hello"), Draw("a fox", data=RED)])] * 4)
    for _ in range(4):
        with pytest.raises(RuntimeError, match="gone"):
            await drawing.call("Draw a fox", tell=leave)
        stopped = drawing.chats._stopped
        await until(lambda: all(turn.done for turn in drawing.chats._stopped))
    assert len(stopped) == 1
    await drawing.chats.settled()
    assert not drawing.chats._stopped


def test_a_file_that_hides_a_framework(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "agents", ModuleType("agents"))
    with pytest.raises(UsageError, match=r"has no FunctionTool.*rename a file"):
        openai_agents.tool(bench.agent(), "draw")
