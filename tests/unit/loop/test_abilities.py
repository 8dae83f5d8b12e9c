"""What the catalogue knows of a model: the request is built from it, and what cannot work is said
before it is sent.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

import pytest

from agentkit import (
    FetchPolicy,
    Image,
    ImageGeneration,
    Limits,
    Message,
    ModelSettings,
    OpenRouter,
    Run,
    Text,
    tool,
)
from agentkit.emulator import Emulator, Failure, Fault, Reply, Say, When
from agentkit.errors import BadRequest, Unsupported
from agentkit.images.fetch import Fetcher
from agentkit.images.store import MemoryImageStore
from agentkit.loop.capabilities import with_capabilities
from agentkit.loop.context import RunContext, Services
from agentkit.openrouter.catalogue import Catalogue
from agentkit.run.history import MessageView
from agentkit.tools import collect
from agentkit.values import BlobRef, ToolCall, ToolResult
from agentkit.wire.types import FunctionSpec, OutputSchema, Request
from tests.conftest import Bench, picture

TEXT_ONLY = "openai/gpt-oss-20b"
DRAWS_WITHOUT_TOOLS = "google/gemini-2.5-flash-image"
DRAWS_ONLY = "black-forest-labs/flux.2-pro"


@tool
def weather(city: str) -> str:
    """Today's weather in a city."""
    return f"Snow in {city}"


@tool
def size(picture: Image) -> str:
    """The size of a picture."""
    return f"{picture.width}×{picture.height}"


def asked(emulator: Emulator) -> list[dict[str, Any]]:
    return [request.body for request in emulator.requests if request.method == "POST"]


def paths(emulator: Emulator) -> list[str]:
    return [request.path.split("?")[0].removeprefix("/api/v1") for request in emulator.requests]


async def test_a_model_that_draws_is_asked_for_pictures(bench: Bench) -> None:
    answer = await bench.ask(bench.agent(model=DRAWS_WITHOUT_TOOLS, checks=True), "Draw a fox")
    assert asked(bench.emulator)[0]["modalities"] == ["image", "text"]
    assert len(answer.images) == 1


async def test_a_model_that_gives_nothing_but_pictures_is_not_asked_for_words(bench: Bench) -> None:
    agent = bench.agent(
        model=DRAWS_ONLY, checks=True, settings=ModelSettings(modalities=("image", "text"))
    )
    assert len((await bench.ask(agent, "Draw a fox")).images) == 1
    assert asked(bench.emulator)[0]["modalities"] == ["image"]


async def test_a_model_of_words_is_asked_as_before(bench: Bench) -> None:
    await bench.ask(bench.agent(checks=True), "Hello")
    assert "modalities" not in asked(bench.emulator)[0]


REFUSED: list[tuple[dict[str, Any], Any, str, list[str], str]] = [
    ({"model": TEXT_ONLY, "settings": ModelSettings(modalities=("image", "text"))}, "Draw", "modalities", ["does not draw", DRAWS_ONLY], DRAWS_ONLY),
    ({"model": DRAWS_WITHOUT_TOOLS, "tools": [weather]}, "Go", "tools", ["cannot call tools", "weather", "openai/gpt-5.2"], "openai/gpt-5.2"),
    ({"model": DRAWS_WITHOUT_TOOLS, "tools": [ImageGeneration()]}, "Go", "tools", ["openrouter:image_generation"], "openai/gpt-5.2"),
    ({"model": TEXT_ONLY}, [Image.from_bytes(picture())], "prompt", ["cannot see pictures"], "openai/gpt-5.2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "prompt", "parameter", "words", "able"), REFUSED, ids=lambda each: str(each)[:30]
)
async def test_what_cannot_work_is_said_before_it_is_sent(
    options: dict[str, Any],
    prompt: Any,
    parameter: str,
    words: Sequence[str],
    able: str,
    bench: Bench,
) -> None:
    with pytest.raises(Unsupported) as caught:
        await bench.ask(bench.agent(checks=True, **options), prompt)
    error = caught.value
    assert error.parameter == parameter
    assert able in error.models
    assert error.model not in error.models
    for word in (*words, repr(error.model), "checks=False"):
        assert word in str(error)
    assert not asked(bench.emulator)


@pytest.mark.parametrize(
    ("options", "prompt", "parameter", "words", "able"), REFUSED, ids=lambda each: str(each)[:30]
)
async def test_without_checks_it_is_sent_all_the_same(
    options: dict[str, Any], prompt: Any, parameter: str, words: Any, able: str, bench: Bench
) -> None:
    with pytest.raises(BadRequest):  # OpenRouter itself says so
        await bench.ask(bench.agent(checks=False, **options), prompt)
    assert paths(bench.emulator) in (
        ["/chat/completions"],
        ["/responses"],
    )  # the catalogue was not even asked


async def test_a_model_that_cannot_see_is_given_handles_alone(bench: Bench) -> None:
    bench.emulator.play([Reply([Say("I see.")])])
    await bench.ask(
        bench.agent(model=TEXT_ONLY, tools=[size], checks=True),
        ["What size?", Image.from_bytes(picture())],
    )
    body = json.dumps(asked(bench.emulator)[0])
    assert "img_1" in body
    assert "cannot see pictures" in body
    assert "base64" not in body


async def test_the_catalogue_is_read_once(bench: Bench) -> None:
    chat = bench.agent(checks=True).conversation()
    for _ in range(3):
        await bench.ask(chat, "Hello")
    assert paths(bench.emulator).count("/models") == 1


BROKEN: list[dict[str, Any]] = [
    {"status": 500}, {"status": 401}, {"status": 404}, {"body": "html"}, {"body": "empty"}, {"body": "cut_json"}, {"body": "null"},
    {"body": "array"}, {"body": {"text": '{"data": 7}'}}, {"body": {"text": '{"data": [{"id": null}, 3, {"id": "a/b", "architecture": []}]}'}},
    {"socket": "reset"}, {"socket": {"action": "cut", "at": "body", "byte": 9}},
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=str)
async def test_a_catalogue_that_cannot_be_had_fails_no_run(
    broken: dict[str, Any], bench: Bench
) -> None:
    bench.emulator.faults.add(Fault(**broken, when=When(api="models")))
    bench.emulator.play([Reply([Say("As the user said.")])])
    agent = bench.agent(model=DRAWS_WITHOUT_TOOLS, checks=True)
    assert (await bench.ask(agent, "Go")).text == "As the user said."
    assert "modalities" not in asked(bench.emulator)[0]
    assert paths(bench.emulator)[0] == "/models"


@pytest.mark.parametrize("model", ["nobody/knows", "@preset/mine", "openrouter/auto"])
async def test_an_unknown_model_goes_as_the_user_said(model: str, bench: Bench) -> None:
    with contextlib.suppress(BadRequest):
        await bench.ask(bench.agent(model=model, tools=[weather], checks=True), "Hello")
    assert asked(bench.emulator)[0]["model"] == model


async def test_fallback_models_leave_it_open(bench: Bench) -> None:
    settings = ModelSettings(models=("openai/gpt-5.2",))
    agent = bench.agent(model=DRAWS_WITHOUT_TOOLS, tools=[weather], settings=settings, checks=True)
    with contextlib.suppress(BadRequest):
        await bench.ask(agent, "Go")
    assert asked(bench.emulator)[0]["model"] == DRAWS_WITHOUT_TOOLS


async def test_an_unknown_model_brings_the_ones_that_may_be_meant(bench: Bench) -> None:
    with pytest.raises(
        BadRequest, match=r"not a valid model ID.*did you mean openai/gpt-5\.2.*\?"
    ) as caught:
        await bench.ask(bench.agent(model="openai/gpt5.2", checks=True), "Go")
    assert caught.value.suggested_models[0] == "openai/gpt-5.2"
    asked_for = paths(bench.emulator)
    with pytest.raises(BadRequest, match=r"did you mean") as caught:
        await bench.ask(bench.agent(model="gpt-5.2", checks=True), "Go")
    assert "openai/gpt-5.2" in caught.value.suggested_models
    assert paths(bench.emulator).count("/models") == asked_for.count("/models") == 1


@pytest.mark.parametrize(
    ("model", "checks", "error"),
    [
        ("zzz/qqq", True, None),
        ("openai/gpt5.2", False, None),
        ("openai/gpt-5.2", True, Failure("the model is sleepy", 400)),
        ("openai/gpt5.2", True, Failure("the prompt is too long", 400)),
    ],
)
async def test_nothing_is_suggested_where_it_would_not_help(
    model: str, checks: bool, error: Failure | None, bench: Bench
) -> None:
    if error is not None:
        bench.emulator.play([Reply([], error=error)])
    with pytest.raises(BadRequest) as caught:
        await bench.ask(bench.agent(model=model, checks=checks), "Go")
    if error is None or model == "openai/gpt-5.2":
        assert "did you mean" not in str(caught.value)
        assert caught.value.suggested_models == ()


async def priced(
    client: OpenRouter, store: MemoryImageStore, *messages: Message, **more: Any
) -> float:
    """Of a request, how many tokens its price stands for."""
    prompt = Message("user", (Text("Go"),))
    run = Run("r1", "openai/gpt-5.2", "chat", (prompt,), 0, Limits(cost_usd=1))
    fetcher = Fetcher(FetchPolicy(), store, origin=client.origin)
    kit = await with_capabilities(
        RunContext(Services(client, store, fetcher), collect([]), "", ModelSettings()), run
    )
    model = await Catalogue(client).chat_model("openai/gpt-5.2")
    assert kit.price is not None
    assert model is not None
    price = kit.price(Request("openai/gpt-5.2", (prompt, *messages), **more))
    none = kit.price(Request("openai/gpt-5.2", (prompt,)))
    assert price is not None
    assert none is not None
    assert kit.price(Request("openai/gpt-5.2", (prompt, *messages), **more)) == price
    return (price - none) / model.prices["prompt"]


FOX = Image.from_bytes(picture("orange"))
OWL = Image.from_bytes(picture("brown"))


@pytest.mark.parametrize(
    ("messages", "more", "tokens"),
    [
        ([Message("user", (Text("word " * 800),))], {}, 1000),
        ([Message("user", (Text("漢" * 1000),))], {}, 750),
        ([Message("tool", (ToolResult("c", "t", (Text("x" * 100_000),)),))], {}, 25_000),
        ([Message("assistant", (ToolCall("c", "t", "x" * 4000),))], {}, 1000),
        ([Message("user", (Text("See"), FOX, OWL))], {}, 2000),
        ([Message("user", (FOX,)), Message("user", (FOX, OWL))], {"shown": {2: MessageView(hidden=frozenset({FOX.sha256}))}}, 2000),
        ([Message("tool", (ToolResult("c", "t", (FOX,)),))], {}, 1000),
        ([Message("user", (Text("Hm"),))], {"shown": {1: MessageView("n" * 400, attached=(("fox", FOX),), before="b" * 400)}}, 1200),
        ([Message("assistant", (), ((b"x" * 4000, BlobRef(FOX.sha256, "image/png", "data_url"), b'"'),), "chat")], {}, 2000),
        ([], {"instructions": "é" * 2000}, 1000),
        ([], {"functions": (FunctionSpec("f", "d" * 2000, {"description": "s" * 2000}),)}, 1000),
        ([], {"server_tools": ({"type": "t", "parameters": {"x": "p" * 4000}},)}, 1000),
        ([], {"output": OutputSchema("o", {"description": "s" * 4000})}, 1000),
    ],
    ids=["words", "cjk", "result", "call", "pictures", "hidden", "result picture", "shown", "raw", "instructions", "functions", "server tools", "output"],
)  # fmt: skip
async def test_all_that_is_sent_is_in_the_price(
    messages: list[Message],
    more: dict[str, Any],
    tokens: int,
    client: OpenRouter,
    store: MemoryImageStore,
) -> None:
    assert await priced(client, store, *messages, **more) == pytest.approx(tokens, rel=0.05)
