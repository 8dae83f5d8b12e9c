"""Services that are not OpenRouter: what they are sent, and what is read of their replies."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import ModelSettings, ServerTool, WebSearch, tool
from agentkit.errors import BadRequest, Unsupported
from tests.conftest import Way
from tests.unit.services.asking import asked
from tests.unit.services.stubs import Stub


class Weather(BaseModel):
    """The weather."""

    city: str
    celsius: int


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"snow in {city}"


@pytest.mark.parametrize("model", ["gpt-5.2", "gpt-4o", "o4-mini"])
async def test_words_tools_and_a_schema_of_openai(openai: Stub, way: Way, model: str) -> None:
    settings = ModelSettings(
        max_tokens=2000, parallel_tool_calls=False, metadata={"team": "north"}, user="u1",
        service_tier="flex", prompt_cache_key="k", temperature=1.0, top_p=0.9,
    )  # fmt: skip
    first, second = await asked(
        openai, way, "The weather in Oslo?", "And now?", model=model, tools=[weather], output=Weather,
        settings=settings, instructions="Be brief.",
    )  # fmt: skip
    assert first.output == second.output == Weather(city="Oslo", celsius=3)
    assert [call.result for call in first.invocations] == ["snow in Oslo"]
    usage = second.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (1000, 200, 400)
    assert usage.reasoning_tokens == 50
    assert usage.cost_usd is None
    assert not usage.is_metered
    assert usage.unmetered_requests == 1
    assert openai.lines == [f"POST /api/v1{'/chat/completions' if way.api == 'chat' else '/responses'}"] * 3  # fmt: skip


async def test_what_openai_is_sent(openai: Stub, way: Way) -> None:
    await asked(openai, way, "Hello", settings=ModelSettings(max_tokens=9, reasoning="low"))
    body = openai.bodies[0]
    common = {"model": "gpt-5.2"} | ({"stream": True} if way.stream else {})
    if way.api == "chat":
        streamed = {"stream_options": {"include_usage": True}} if way.stream else {}
        own = {"max_completion_tokens": 9, "reasoning_effort": "low", **streamed}
        assert body == {**common, **own, "messages": [{"role": "user", "content": "Hello"}]}
    else:
        own = {"max_output_tokens": 9, "reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]}  # fmt: skip
        assert {name: body[name] for name in body if name != "input"} == {**common, **own}


async def test_what_a_local_server_is_sent(local: Stub, way: Way) -> None:
    (answer,) = await asked(local, way, "Hello", settings=ModelSettings(max_tokens=9))
    assert answer.text == "It snows in Oslo."
    assert answer.usage.input_tokens == 1000
    limit = "max_tokens" if way.api == "chat" else "max_output_tokens"
    assert local.bodies[0][limit] == 9
    assert "session_id" not in local.bodies[0]


async def test_the_stub_refuses_what_openai_does_not_know(openai: Stub, way: Way) -> None:
    settings = ModelSettings(extra={"session_id": "s1"})
    with pytest.raises(BadRequest, match="Unknown parameter: 'session_id'"):
        await asked(openai, way, "Hello", settings=settings)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"session_id": "s1"}, "session_id"),
        ({"provider": {"sort": "price"}}, "provider"),
        ({"models": ["a", "b"]}, "models"),
        ({"plugins": [{"id": "web"}]}, "plugins"),
        ({"preset": "p"}, "preset"),
        ({"top_k": 0}, "top_k"),
        ({"image_config": {"aspect_ratio": "1:1"}}, "image_config"),
        ({"cache_control": "1h"}, "cache_control"),
        ({"trace": {"trace_id": "t"}}, "trace"),
        ({"deferred_tools": {"mode": "on"}}, "deferred_tools"),
    ],
)
async def test_a_setting_of_openrouters_alone_is_refused_by_name(
    openai: Stub, way: Way, settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(Unsupported, match=rf"ModelSettings\({named}=.*OpenAI.*extra=") as caught:
        await asked(openai, way, "Hello", settings=ModelSettings(**settings))
    assert caught.value.parameter == named
    assert openai.lines == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", 7), ("stop", ["END"]), ("frequency_penalty", 0.5), ("modalities", ["image", "text"])],
)
async def test_responses_have_fewer_standard_fields_than_chat(
    local: Stub, way: Way, name: str, value: Any
) -> None:
    settings = ModelSettings(**{name: value})
    if way.api == "chat":
        await asked(local, way, "Hello", settings=settings)
        assert local.bodies[0][name] == value
        return
    with pytest.raises(Unsupported, match=rf"ModelSettings\({name}=.*in Responses"):
        await asked(local, way, "Hello", settings=settings)


async def test_a_budget_of_reasoning_is_no_standard_field_of_chat(openai: Stub, way: Way) -> None:
    settings = ModelSettings(reasoning={"effort": "low", "summary": "auto"})
    if way.api == "responses":
        await asked(openai, way, "Hello", settings=settings)
        assert openai.bodies[0]["reasoning"] == {"effort": "low", "summary": "auto"}
        return
    with pytest.raises(Unsupported, match="an effort is accepted, such as 'low'"):
        await asked(openai, way, "Hello", settings=settings)


async def test_a_server_tool_of_openrouters_is_refused_by_name(openai: Stub, way: Way) -> None:
    with pytest.raises(
        Unsupported, match="openrouter:web_search runs at OpenRouter, not at OpenAI"
    ):
        await asked(openai, way, "Hello", tools=[WebSearch()])
    assert openai.lines == []


async def test_a_server_tool_of_its_own_is_sent(openai: Stub) -> None:
    await asked(openai, Way("responses", stream=False), "Hello", tools=[ServerTool("web_search")])
    assert openai.bodies[0]["tools"] == [{"type": "web_search"}]


async def test_any_field_of_ours_can_be_left_out(local: Stub, way: Way) -> None:
    out = {"stream_options": None, "stop_server_tools_when": None, "include": None}
    settings = ModelSettings(session_id=False, extra=out)
    (answer,) = await asked(
        local, way, "Hello", settings=settings, service="openrouter", tools=[WebSearch()], checks=False
    )  # fmt: skip
    assert answer.text == "It snows in Oslo."
    assert local.bodies[0].keys() - {"stream"} <= {"model", "tools", "messages", "input"}


async def test_a_model_that_is_not_there_is_told_with_those_that_may_be_meant(
    openai: Stub, way: Way
) -> None:
    openai.gone = "gpt-5.22"
    with pytest.raises(BadRequest, match=r"does not exist.*did you mean gpt-5\.2\?") as caught:
        await asked(openai, way, "Hello", model="gpt-5.22")
    assert caught.value.suggested_models == ("gpt-5.2",)


async def test_a_list_of_names_refuses_nothing(local: Stub, way: Way) -> None:
    """Services that list names alone say nothing of what a model can do."""
    (answer,) = await asked(local, way, "The weather?", service="openrouter", tools=[weather])
    assert [call.result for call in answer.invocations] == ["snow in Oslo"]
    assert local.lines[0].startswith("GET /api/v1/models?")


async def test_other_services_are_asked_for_no_catalogue(local: Stub, way: Way) -> None:
    await asked(local, way, "Hello")
    assert [line.partition(" ")[0] for line in local.lines] == ["POST"]
