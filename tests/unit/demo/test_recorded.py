"""A conversation becomes a script that plays as it was."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Pillow

from agentkit import Agent, Image, OpenRouter, tool
from agentkit.demo import load, play_scripts
from agentkit.demo.recorded import script_of
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore

TOOLS = """\
def weather(city: str) -> str:
    "The weather."
    return f"snow in {city}"
"""


@tool
def weather(city: str) -> str:
    """The weather."""
    return f"snow in {city}"


async def test_a_conversation_becomes_a_script(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore, tmp_path: Path
) -> None:
    agent = Agent("openai/gpt-5.2", tools=[weather], client=client, store=store)
    chat = agent.conversation()
    data = BytesIO()
    Pillow.new("RGB", (40, 30), "tomato").save(data, "PNG")
    emulator.play(
        CallTool("weather", {"city": "Oslo"}),
        Reply([Say("Snow:"), Draw("snow", size=(64, 64))]),
        "Fine.",
    )
    await chat.send(["Draw the weather, like this", Image.from_bytes(data.getvalue())])
    await chat.send(["Thanks", chat.images["img_2"]])
    given = {"name": "Oslo", "model": chat.model, "api": chat.api}
    lacking = script_of(chat.messages, chat.images.values(), **given)  # type: ignore[arg-type]
    assert lacking.missing_tools == ("weather",)
    made = script_of(chat.messages, chat.images.values(), **given, tools=["tools.py:weather"])  # type: ignore[arg-type]
    assert sorted(made.pictures) == ["oslo-img_1.png", "oslo-img_2.png"]
    (tmp_path / "tools.py").write_text(TOOLS)
    path = tmp_path / "oslo.demo.yaml"
    made.write(path)
    with pytest.raises(UsageError, match="is there already"):
        made.write(path)
    first, second = load(path).turns
    assert (first.attach, second.refs) == (["oslo-img_1.png"], ["img_2"])
    assert (first.expect.tools, first.expect.images) == ({"weather": 1}, 1)
    results = await play_scripts(path, cassette=tmp_path / "oslo.yaml")
    assert results.failed == []
    assert [each.answer and each.answer.text for each in results.plays[0].turns] == [
        "Snow:",
        "Fine.",
    ]
    again = await play_scripts(path, cassette=tmp_path / "oslo.yaml")
    assert (again.failed, again.answered_by.kind) == ([], "cassette")
    with pytest.raises(UsageError, match="no prompt was sent"):
        script_of((), (), **given)  # type: ignore[arg-type]
