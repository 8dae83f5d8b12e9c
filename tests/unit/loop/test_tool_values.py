"""The values of server tools: OpenRouter's catalogue says no before anything is paid for, and only
where it knows.
"""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import ImageGeneration, ModelSettings, WebFetch, WebSearch
from agentkit.emulator import Emulator, Fault, Status, When
from agentkit.errors import BadRequest, Unsupported
from agentkit.tools.server_tools import ServerTool
from agentkit.wire.tool_list import accepts, tool_infos
from tests.conftest import Bench


def posts(emulator: Emulator) -> list[dict[str, Any]]:
    return [request.body for request in emulator.requests if request.method == "POST"]


def gets(emulator: Emulator) -> list[str]:
    return [request.path for request in emulator.requests if request.path == "/api/v1/tools"]


REFUSED: list[tuple[ServerTool, str, str, str]] = [
    (WebSearch(engine="bing"), "WebSearch(engine='bing')", "exa", "openrouter:web_search"),
    (WebSearch(max_results=100), "WebSearch(max_results=100)", "up to 25", "openrouter:web_search"),
    (WebFetch(extra={"max_uses": "two"}), "max_uses='two'", "integer", "openrouter:web_fetch"),
    (ImageGeneration(quality="superb"), "quality='superb'", "xhigh, max", "openrouter:image_gen"),
    (ImageGeneration(quality="max"), "ImageGeneration(quality='max')", "medium", "gpt-5-image"),
    (ServerTool("web_search", {"engine": "bing"}), "ServerTool('web_search', engine", "exa", ""),
]


@pytest.mark.parametrize(
    ("tool", "said", "accepted", "by"), REFUSED, ids=lambda each: str(each)[:40]
)
async def test_a_value_that_is_not_accepted(
    bench: Bench, tool: ServerTool, said: str, accepted: str, by: str
) -> None:
    with pytest.raises(Unsupported) as caught:
        await bench.ask(bench.agent(tools=[tool], checks=True), "Hello")
    for word in (said, accepted, by, "checks=False"):
        assert word in str(caught.value)
    assert accepted in str(caught.value.accepted)
    assert posts(bench.emulator) == []


async def test_models_that_take_the_value_are_named(bench: Bench) -> None:
    with pytest.raises(Unsupported) as caught:
        agent = bench.agent(tools=[ImageGeneration(quality="max")], checks=True)
        await bench.ask(agent, "Draw a fox")
    assert caught.value.models == ("openai/gpt-image-2",)
    agent = bench.agent(tools=[ImageGeneration("openai/gpt-image-2", quality="max")], checks=True)
    assert len((await bench.ask(agent, "Draw a fox")).images) == 1


@pytest.mark.parametrize(
    "tool",
    [
        ImageGeneration(quality="high", size="1.5K", aspect_ratio="16:9"),
        ImageGeneration("black-forest-labs/flux.2-pro", quality="max"),
        ImageGeneration(extra={"strength": 0.5, "palette": {"red": 1}}),
        WebSearch(x_search={"allowed_x_handles": ["nasa"]}, mode="deep", extra={"depth": 3}),
    ],
    ids=repr,
)
@pytest.mark.unjudged  # a mapping among the parameters of a tool that draws
async def test_what_the_catalogue_does_not_refuse_is_sent(bench: Bench, tool: ServerTool) -> None:
    settings = ModelSettings(models=("openai/gpt-5.2",))  # whoever answers: the tool is the same
    agent = bench.agent(tools=[tool], checks=True, settings=settings)
    await bench.ask(agent, "Hello")
    (sent,) = posts(bench.emulator)[0]["tools"]
    assert sent == tool.to_wire()
    await bench.ask(agent, "Hello")
    assert len(gets(bench.emulator)) == 1


@pytest.mark.unjudged
async def test_without_a_catalogue_nothing_is_refused(bench: Bench) -> None:
    bench.emulator.faults.add(Fault(status=Status(500), when=When(api="models")))
    agent = bench.agent(tools=[WebSearch(engine="bing")], checks=True)
    assert (await bench.ask(agent, "Hello")).status == "completed"


async def test_a_tool_without_parameters_is_not_looked_up(bench: Bench) -> None:
    await bench.ask(bench.agent(tools=[ImageGeneration(), WebSearch()], checks=True), "Hello")
    assert gets(bench.emulator) == []


@pytest.mark.unjudged
async def test_without_checks_it_is_sent_all_the_same(bench: Bench) -> None:
    with pytest.raises(BadRequest, match="quality"):  # OpenRouter itself says so
        agent = bench.agent(tools=[ImageGeneration(quality="superb")], checks=False)
        await bench.ask(agent, "Hello")
    assert gets(bench.emulator) == []


values = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(-9, 9)
    | st.sampled_from(["a", "b", "low"])
)
schemas = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "number", "boolean", "array", "null", ["string", "null"]]),
            "enum": st.lists(values, min_size=1, max_size=3),
            "minimum": st.integers(-5, 5),
            "maximum": st.integers(-5, 5),
            "pattern": st.just("^a"),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {}, optional={"anyOf": st.lists(inner, min_size=1, max_size=2), "oneOf": st.lists(inner, min_size=1, max_size=1), "items": inner}
    ),
    max_leaves=4,
)  # fmt: skip


@given(schemas, values | st.lists(values, max_size=3))
def test_what_a_schema_accepts_is_never_refused(schema: dict[str, Any], value: Any) -> None:
    if jsonschema_rs.is_valid(schema, value):
        assert accepts(schema, value)


@given(st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["data", "id", "aliases", "type", "parameters_schema", "properties", "enum", "anyOf"]), inner, max_size=4
), max_leaves=20))  # fmt: skip
def test_any_list_of_tools_is_read(body: Any) -> None:
    for info in tool_infos(body if isinstance(body, dict) else {"data": body}):
        list(info.faults({"type": 1, "enum": "x", "anyOf": [1], "data": None}))
