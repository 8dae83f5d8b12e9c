"""A wrong argument is told at once: which one, what was given, what is accepted. Nothing is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, FileImageStore, Image, ImageGeneration, Limits, ModelSettings, OpenRouter, ServerTool, tool
from agentkit.emulator import Emulator
from agentkit.errors import AgentkitError, ImageError, MissingKey, StoreError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts


@tool
def weather(city: str) -> str:
    """Today's weather."""
    return city


def unannotated(city):  # type: ignore[no-untyped-def]
    return city


WRONG: list[tuple[Any, list[str]]] = [
    (lambda: Agent(""), ["model", "''", "openai/gpt-5.2"]),
    (lambda: Agent("two words"), ["model", "two words"]),
    (lambda: Agent(None), ["model", "None"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", api="completions"), ["api", "completions", "chat", "responses"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", instructions=3), ["instructions", "3"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", tools=weather), ["tools", "list"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", tools=[3]), ["tools", "3", "functions"]),
    (lambda: Agent("a/b", tools=[weather, weather]), ["weather"]),
    (lambda: Agent("a/b", tools=[unannotated]), ["city"]),
    (lambda: Agent("a/b", settings={"temperature": 1}), ["settings", "ModelSettings"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", limits=5), ["limits", "Limits"]),  # type: ignore[arg-type]
    (
        lambda: Agent("a/b", settings=ModelSettings(tool_choice="fly"), tools=[weather]),
        ["tool_choice", "fly", "weather"],
    ),
    (lambda: Agent("a/b", settings=ModelSettings(tool_choice="required")), ["tool_choice", "no tools"]),
    (lambda: Agent("a/b", client="key"), ["client", "OpenRouter"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", output=Emulator), ["output", "Emulator"]),
    (lambda: ModelSettings(temperature=9), ["temperature", "9", "0.0 to 2.0"]),
    (lambda: ModelSettings(modalities=("sound",)), ["modalities", "sound", "image"]),  # type: ignore[arg-type]
    (lambda: ModelSettings(models="a/b"), ["models", "a/b", "list"]),  # type: ignore[arg-type]
    (lambda: ModelSettings(session_id="x" * 257), ["session_id", "256"]),
    (lambda: Limits(turns=0), ["turns", "0", "at least 1"]),
    (lambda: Limits(seconds=float("nan")), ["seconds", "nan"]),
    (lambda: Limits(cost_usd=-1), ["cost_usd", "-1"]),
    (lambda: ImageGeneration(background="transparent", output_format="jpeg"), ["transparent", "png", "webp"]),
    (lambda: ImageGeneration(output_compression=101), ["output_compression", "101", "100"]),
    (lambda: ServerTool("weather"), ["weather", "openrouter:"]),
    (lambda: OpenRouter(base_url="ftp://x"), ["base_url", "ftp://x", "http"]),
    (lambda: OpenRouter(base_url="https://me:secret@x.org"), ["base_url", "api_key"]),
    (lambda: Timeouts(idle=0), ["idle", "0"]),
    (lambda: Image.from_bytes(b"not a picture"), ["13 bytes", "png"]),
    (lambda: Image.from_file("/nowhere/cat.png"), ["/nowhere/cat.png"]),
    (lambda: Image.from_url("file:///etc/passwd"), ["http", "file:///etc/passwd"]),
]


@pytest.mark.parametrize(("make", "words"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_argument_names_itself(make: Any, words: list[str]) -> None:
    with pytest.raises(AgentkitError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("prompt", ["", "  ", [], 3, None, b"bytes", ["x", 3], {"text": "x"}], ids=repr)
async def test_a_wrong_prompt(prompt: Any, emulator: Emulator, client: OpenRouter, store: MemoryImageStore) -> None:
    agent = Agent("openai/gpt-5.2", client=client, store=store)
    with pytest.raises(UsageError, match="accepted"):
        await agent.run(prompt)
    with pytest.raises(UsageError, match="accepted"):
        agent.stream(prompt)
    assert emulator.requests == []


async def test_a_picture_that_is_broken_or_gone(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    agent = Agent("openai/gpt-5.2", client=client, store=store)
    with pytest.raises(ImageError, match="PNG"):
        await agent.run(["Look", Image.from_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 60)])
    with pytest.raises(ImageError):
        await agent.run(["Look", Image.from_url(f"{emulator.origin}/i/none.png")])
    with pytest.raises(ImageError):
        await agent.run(["Look", Image.from_url("http://127.0.0.1:9/x.png")])
    assert not [request for request in emulator.requests if request.method == "POST"]


async def test_no_key_names_both_ways_out(monkeypatch: pytest.MonkeyPatch, store: MemoryImageStore) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    monkeypatch.delenv("OPENROUTER_BASE_URL", raising=False)
    with pytest.raises(MissingKey) as caught:
        await Agent("openai/gpt-5.2", store=store).run("Hello")
    assert "OPENROUTER_API_KEY" in str(caught.value)
    assert "agentkit emulator" in str(caught.value)


async def test_a_store_that_cannot_be_written(tmp_path: Path, emulator: Emulator, client: OpenRouter) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    agent = Agent("openai/gpt-5.2", tools=[ImageGeneration()], client=client, store=FileImageStore(blocked / "images"))
    with pytest.raises(StoreError, match="file"):
        await agent.run("Draw a fox")
    assert not [request for request in emulator.requests if request.method == "POST"]
