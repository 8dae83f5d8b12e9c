"""A wrong argument is told at once: which one, what was given, what is accepted. Nothing is
sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from agentkit import (
    Agent,
    Budget,
    File,
    FileImageStore,
    Image,
    ImageGeneration,
    Limits,
    ModelSettings,
    OpenRouter,
    ServerTool,
    tool,
)
from agentkit.emulator import CallTool, Emulator, Reply, Say
from agentkit.errors import AgentkitError, ImageError, MissingKey, StoreError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.studio import Studio
from tests.conftest import Bench, picture


@tool
def weather(city: str) -> str:
    """Today's weather."""
    return city


def unannotated(city):  # type: ignore[no-untyped-def]
    return city


CLIENT = OpenRouter(api_key="key", base_url="http://127.0.0.1:1")  # never asked
CHAT = Agent("a/b", client=CLIENT).conversation()


def now(work: Coroutine[Any, Any, object]) -> None:
    """Work that ends before it waits for anything."""
    with contextlib.suppress(StopIteration):
        work.send(None)


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
    (
        lambda: Agent("a/b", settings=ModelSettings(tool_choice="required")),
        ["tool_choice", "no tools"],
    ),
    (lambda: Agent("a/b", client="key"), ["client", "OpenRouter"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", client=0), ["client", "0", "OpenRouter"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", settings={}), ["settings", "{}", "ModelSettings"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", limits={}), ["limits", "{}", "Limits"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", history=0), ["history", "0", "History"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", fetch=[]), ["fetch", "[]", "FetchPolicy"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", name=42), ["name", "42", "string"]),  # type: ignore[arg-type]
    (
        lambda: Agent("a/b", store="pictures"),
        ["Agent(store='pictures')", "FileImageStore('pictures')"],
    ),  # type: ignore[arg-type]
    (lambda: Agent("a/b", store=5), ["Agent(store=5)", "FileImageStore(", "create, delete, open"]),  # type: ignore[arg-type]
    (lambda: Studio(store=""), ["Studio(store='')", "FileImageStore("]),  # type: ignore[arg-type]
    (lambda: Studio(model=None), ["Studio(model=None)", "openai/gpt-5"]),  # type: ignore[arg-type]
    (lambda: Studio(fetch=()), ["Studio(fetch=())", "FetchPolicy"]),  # type: ignore[arg-type]
    (lambda: Studio(inputs={}), ["Studio(inputs={})", "InputLimits"]),  # type: ignore[arg-type]
    (lambda: Studio(client=""), ["Studio(client='')", "OpenRouter"]),  # type: ignore[arg-type]
    (lambda: FileImageStore(5), ["FileImageStore(5)", "path"]),  # type: ignore[arg-type]
    (lambda: FileImageStore(b"x"), ["FileImageStore(b'x')", "path"]),  # type: ignore[arg-type]
    (lambda: FileImageStore("a\0b"), ["FileImageStore('a\\x00b')", "path"]),
    (lambda: FileImageStore("~nobody-of-that-name/x"), ["~nobody-of-that-name", "path"]),
    (lambda: FileImageStore(max_bytes="1GB"), ["max_bytes", "'1GB'", "bytes"]),  # type: ignore[arg-type]
    (lambda: FileImageStore(max_bytes=True), ["max_bytes", "True"]),
    (lambda: FileImageStore(max_bytes=1.5), ["max_bytes", "1.5"]),  # type: ignore[arg-type]
    (lambda: Agent("a/b", output=Emulator), ["output", "Emulator"]),
    (lambda: ModelSettings(temperature=9), ["temperature", "9", "0.0 to 2.0"]),
    (lambda: ModelSettings(modalities=(5,)), ["modalities", "5", "strings"]),  # type: ignore[arg-type]
    (lambda: ModelSettings(models="a/b"), ["models", "a/b", "list"]),  # type: ignore[arg-type]
    (lambda: ModelSettings(session_id="x" * 257), ["session_id", "256"]),
    (lambda: Limits(turns=0), ["turns", "0", "at least 1"]),
    (lambda: Limits(seconds=float("nan")), ["seconds", "nan"]),
    (lambda: Limits(cost_usd=-1), ["cost_usd", "-1"]),
    (
        lambda: ImageGeneration(background="transparent", output_format="jpeg"),
        ["transparent", "png", "webp"],
    ),
    (lambda: ImageGeneration(output_compression=101), ["output_compression", "101", "100"]),
    (lambda: ServerTool("the weather"), ["the weather", "openrouter:"]),
    (lambda: OpenRouter(base_url="ftp://x"), ["base_url", "ftp://x", "http"]),
    (lambda: OpenRouter(base_url=5), ["base_url=5", "http"]),  # type: ignore[arg-type]
    (lambda: OpenRouter(base_url="http://[::1"), ["base_url", "http://[::1", "http"]),
    (lambda: OpenRouter(base_url="http://h:port"), ["base_url", "http://h:port", "http"]),
    (lambda: OpenRouter(api_key=123), ["api_key", "int", "string"]),  # type: ignore[arg-type]
    (lambda: OpenRouter(api_key=b"sk-or-v1-secret"), ["api_key", "bytes", "string"]),  # type: ignore[arg-type]
    (lambda: OpenRouter(app_name=5), ["app_name=5", "string"]),  # type: ignore[arg-type]
    (lambda: OpenRouter(app_url=b"x"), ["app_url", "string"]),  # type: ignore[arg-type]
    (lambda: OpenRouter(timeouts=30), ["timeouts=30", "Timeouts"]),  # type: ignore[arg-type]
    (lambda: OpenRouter(timeouts=0), ["timeouts=0", "Timeouts"]),  # type: ignore[arg-type]
    (lambda: OpenRouter(base_url="https://me:secret@x.org"), ["base_url", "api_key"]),
    (lambda: Timeouts(idle=0), ["idle", "0"]),
    (lambda: Image.from_bytes(b"not a picture"), ["13 bytes", "png"]),
    (lambda: Image.from_bytes(picture(), alt=5), ["alt=5", "text"]),  # type: ignore[arg-type]
    (lambda: Image.from_file("cat.png", alt=None), ["alt=None", "text"]),  # type: ignore[arg-type]
    (lambda: Image.from_url("https://x/a.png", alt=b""), ["alt=b''", "text"]),  # type: ignore[arg-type]
    (lambda: Image.from_file("/nowhere/cat.png"), ["/nowhere/cat.png"]),
    (lambda: Image.from_url("file:///etc/passwd"), ["http", "file:///etc/passwd"]),
    (lambda: Image.from_bytes(picture()).to_pillow(max_pixels="1"), ["max_pixels='1'", "whole"]),  # type: ignore[arg-type]
    (lambda: Image.from_bytes(picture()).to_pillow(max_pixels=True), ["max_pixels=True", "whole"]),
    (lambda: File.from_path(__file__, name=3), ["File.from_path(name=3)", "text"]),  # type: ignore[arg-type]
    (lambda: File.from_url("https://x/a.pdf", name=3), ["File.from_url(name=3)", "text"]),  # type: ignore[arg-type]
    (lambda: Budget(within=3), ["Budget(within=3)", "a list of Budget(…)"]),  # type: ignore[arg-type]
    (lambda: Budget(within=Budget(1)), ["Budget(within=", "a list of Budget(…)"]),  # type: ignore[arg-type]
    (lambda: Budget(within=[None, 1.5]), ["Budget(within=[1.5])", "a list of Budget(…)"]),  # type: ignore[list-item]
    (lambda: CHAT.stream("Hello", budget=3), ["budget=3", "Budget(…)"]),  # type: ignore[arg-type]
    (lambda: setattr(CHAT, "session_id", 5), ["chat.session_id = 5", "1 to 256"]),
    (lambda: setattr(CHAT, "session_id", "x" * 257), ["chat.session_id = ", "1 to 256"]),
    (lambda: Studio().stream("Fox", ""), ["http", "''"]),
    (lambda: Studio().stream("Fox", 0), ["stream(images=0)", "a list"]),  # type: ignore[arg-type]
    (lambda: Studio().stream("Fox", session_id="x" * 257), ["session_id", "1 to 256"]),
    (lambda: now(Studio().price(images=True)), ["price(images=True)", "from 0 to 16"]),
    (lambda: now(Studio().price(images=-1)), ["price(images=-1)", "from 0 to 16"]),
    (lambda: now(Studio().price(images=2.5)), ["price(images=2.5)", "a list"]),  # type: ignore[arg-type]
    (lambda: now(Studio().price(images=[3])), ["3", "an Image"]),  # type: ignore[list-item]
    (lambda: now(Studio().price("")), ["price(model='')", "openai/gpt-5.2"]),
    (lambda: now(Studio(client=CLIENT).endpoints(3)), ["endpoints(model=3)", "openai/gpt-5.2"]),  # type: ignore[arg-type]
    (lambda: now(Studio(client=CLIENT).endpoints("")), ["endpoints(model='')", "openai/gpt-5.2"]),
]


@pytest.mark.parametrize(("make", "words"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_argument_names_itself(make: Any, words: list[str]) -> None:
    with pytest.raises(AgentkitError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "prompt", ["", "  ", [], 3, None, b"bytes", ["x", 3], {"text": "x"}], ids=repr
)
async def test_a_wrong_prompt(
    prompt: Any, emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
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


async def test_no_key_names_both_ways_out(
    monkeypatch: pytest.MonkeyPatch, store: MemoryImageStore
) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    monkeypatch.delenv("OPENROUTER_BASE_URL", raising=False)
    with pytest.raises(MissingKey) as caught:
        await Agent("openai/gpt-5.2", store=store).run("Hello")
    assert "OPENROUTER_API_KEY" in str(caught.value)
    assert "agentkit emulator" in str(caught.value)


async def test_a_store_that_cannot_be_written(
    tmp_path: Path, emulator: Emulator, client: OpenRouter
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    agent = Agent(
        "openai/gpt-5.2",
        tools=[ImageGeneration()],
        client=client,
        store=FileImageStore(blocked / "images"),
    )
    with pytest.raises(StoreError, match="file"):
        await agent.run("Draw a fox")
    assert not [request for request in emulator.requests if request.method == "POST"]


async def test_a_key_that_is_set_later_is_found(
    emulator: Emulator, store: MemoryImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    monkeypatch.setenv("OPENROUTER_BASE_URL", emulator.base_url)
    agent = Agent("openai/gpt-5.2", store=store, checks=False)
    with pytest.raises(MissingKey, match="OPENROUTER_API_KEY"):
        await agent.run("hi")
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-test-key")
    assert (await agent.run("hi")).status == "completed"
    assert agent.client is Studio().client
    await agent.client.close()


async def test_a_result_from_outside_that_is_none(bench: Bench) -> None:
    @tool(external=True)
    def measure(n: int) -> str:
        """Measured elsewhere."""
        raise NotImplementedError

    bench.emulator.play([Reply([CallTool("measure", {"n": 1})]), Reply([Say("done")])])
    agent = bench.agent(tools=[measure])
    answer = await bench.ask(agent, "measure")
    call = answer.pending[0].id
    with pytest.raises(UsageError, match=rf"resume\(results={{'{call}': …}}\): .*object"):
        await agent.resume(answer.run, results={call: object()})
    assert (await agent.resume(answer.run, results={call: "3 m"})).text == "done"
