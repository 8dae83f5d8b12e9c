"""Marks of the prompt cache: where they stand, how many there are, and that nothing else moves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import UsageError
from agentkit.run.audience import Audience
from agentkit.settings import ModelSettings
from agentkit.values import Api, Image, Message, Source, Text, ToolCall, ToolResult
from agentkit.wire import encode
from agentkit.wire.body import Encoded
from agentkit.wire.cache_marks import MOST_MARKS, CacheMarks, marks_of
from agentkit.wire.types import FunctionSpec, Request
from tests.unit.loop.cached_prompts import MARKS, marks, prompt

APIS: tuple[Api, ...] = ("chat", "responses")
both = pytest.mark.parametrize("api", APIS)
CLAUDE = "anthropic/claude-sonnet-4.6"
TRICKY = '{"type":"text","text":"x"}]}\\"}]}'
"""Words that look like the end of an item."""


def body(api: Api, request: Request) -> Any:
    pieces = encode(api, request, Encoded())[1]
    return json.loads(b"".join(each if isinstance(each, bytes) else b"AAAA" for each in pieces))


def spec(name: str, **extra: Any) -> FunctionSpec:
    return FunctionSpec(name, "Does.", {"type": "object", "properties": {}}, extra=extra)


def user(*parts: Text | Image) -> Message:
    return Message("user", parts)


PICTURE = Image("a" * 64, "image/png", 3, name="img_1", sources=(Source("user"),))
words = st.sampled_from(["Hello", TRICKY, '"', "\\", "{}"]).map(Text)
users = st.lists(st.one_of(words, st.just(PICTURE)), min_size=1, max_size=3).map(
    lambda parts: user(*parts)
)
replies = st.just(Message("assistant", (Text("Well."),)))


@st.composite
def conversations(draw: Any) -> tuple[Message, ...]:
    messages: list[Message] = []
    for at in range(draw(st.integers(0, 4))):
        messages.append(draw(users))
        if draw(st.booleans()):
            result = draw(st.sampled_from([(Text(TRICKY),), (Text("a"), PICTURE), (PICTURE,), ()]))
            messages.append(Message("assistant", (ToolCall(f"call_{at}", "tell", "{}"),)))
            messages.append(Message("tool", (ToolResult(f"call_{at}", "tell", result),)))
        messages.append(draw(replies))
    return (*messages, draw(users))


@both
@given(messages=conversations(), own=st.integers(0, 5), instructed=st.booleans())
def test_never_more_than_four_and_never_in_a_reply(
    api: Api, messages: tuple[Message, ...], own: int, instructed: bool
) -> None:
    tools = (
        *(spec(f"own_{at}", cache_control={"type": "ephemeral"}) for at in range(own)),
        *(spec(name) for name in ("tell", "other")),
    )
    bare = Request(CLAUDE, messages, instructions="Be good." if instructed else "", functions=tools)
    marked = body(api, replace_cache(bare, CacheMarks()))
    found = marks(marked)
    assert len(found) <= max(MOST_MARKS, own)
    for at in found:
        part = prompt(marked)[at]
        assert part.get("of", {}).get("role") != "assistant"
        assert part.get("type") in {"function", "text", "input_text"}
    silent = body(api, replace_cache(bare, CacheMarks(silent=True)))
    assert stripped(marked) == stripped(silent)


def replace_cache(request: Request, cache: CacheMarks | None) -> Request:
    from dataclasses import replace

    return replace(request, cache=cache)


def stripped(value: Any) -> Any:
    if isinstance(value, list):
        return [stripped(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: stripped(each) for name, each in value.items() if name not in MARKS}


@both
def test_both_ends_are_marked(api: Api) -> None:
    first, second = user(Text("One")), user(Text(TRICKY))
    between = Message("assistant", (Text("Well."),))
    sent = body(api, Request(CLAUDE, (first, between, second), cache=CacheMarks()))
    told = [prompt(sent)[at]["text"] for at in marks(sent)]
    assert told == ["One", TRICKY]


@pytest.mark.parametrize(
    ("model", "where"),
    [
        (CLAUDE, "all"),
        ("~anthropic/claude-latest", "all"),
        ("qwen/qwen3-max", "all"),
        ("google/gemini-2.5-flash", "instructions"),
        ("google/gemini-2.5-flash-image", None),
        ("google/gemma-3", None),
        ("openai/gpt-5.2", None),
        ("openrouter/auto", None),
    ],
)
def test_which_models(model: str, where: str | None) -> None:
    found = marks_of(ModelSettings(), Audience.of(model, ModelSettings()), "chat", pays=True)
    assert (None if found is None else found.where) == where


@both
@pytest.mark.parametrize(
    ("model", "cache", "sent"),
    [
        ("openai/gpt-5.6", "off", True),
        ("openai/gpt-6-mini", "off", True),
        ("openai/gpt-5.2", "off", False),
        ("openai/gpt-4o", "off", False),
        ("openai/gpt-5.6", "auto", False),
        (CLAUDE, "off", False),
    ],
)
def test_off_where_a_model_caches_by_itself(api: Api, model: str, cache: Any, sent: bool) -> None:
    settings = ModelSettings(cache=cache)
    found = body(api, Request(model, (user(Text("hi")),), settings=settings))
    assert found.get("prompt_cache_options") == ({"mode": "explicit"} if sent else None)


@pytest.mark.parametrize("given", ["2h", "", True, 5, "AUTO"])
def test_what_is_no_setting(given: Any) -> None:
    with pytest.raises(UsageError, match="cache="):
        ModelSettings(cache=given)


def test_not_both() -> None:
    with pytest.raises(UsageError, match="cache_control"):
        ModelSettings(cache="5m", cache_control="5m")
    settings = ModelSettings(cache_control="5m")
    assert marks_of(settings, Audience((CLAUDE,)), "chat", pays=True) is None
