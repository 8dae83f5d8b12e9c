"""Tools whose arguments are described by a JSON Schema that somebody else wrote."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from agentkit import Context, Tool
from agentkit.emulator import CallTool, Reply, Say
from agentkit.errors import ToolDefinitionError
from agentkit.tools import BadArguments, Progress
from tests.conftest import Bench, picture
from tests.unit.tools.providers import PROVIDERS, faults

TREE = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "definitions": {
        "node": {
            "type": "object",
            "properties": {
                "label": {"type": "string", "minLength": 1},
                "children": {"type": "array", "items": {"$ref": "#/definitions/node"}},
            },
            "required": ["label"],
        }
    },
    "type": "object",
    "properties": {"root": {"$ref": "#/definitions/node"}, "depth": {"type": "integer"}},
    "required": ["root"],
    "additionalProperties": False,
}


def made(schema: Any, call: Any = lambda arguments: arguments, **options: Any) -> Tool[..., Any]:
    return Tool.from_schema("grow", "Grows a tree.", schema, call, **options)


async def test_a_turn_with_such_a_tool(bench: Bench) -> None:
    async def grow(context: Context[str], arguments: dict[str, Any]) -> AsyncIterator[object]:
        yield Progress("growing")
        yield [context.deps, arguments["root"]["label"], picture("green", (9, 9))]

    bench.emulator.play(
        [
            Reply([CallTool("grow", {"root": {"label": ""}}, id="a")]),
            Reply([CallTool("grow", {"root": {"label": "oak"}, "depth": None}, id="b")]),
            Reply([Say("Grown.")]),
        ]
    )
    answer = await bench.ask(bench.agent(tools=[made(TREE, grow)]), "Grow an oak", deps="Ada")
    first, second = answer.invocations
    assert first.status == "failed"
    assert "root.label" in str(first.error)
    assert "Accepted: root (object), depth (integer, optional)" in str(first.error)
    assert second.result == '["Ada","oak","img_1"]'
    assert answer.images[0].bytes() == picture("green", (9, 9))
    assert answer.text == "Grown."


async def test_a_person_is_asked_about_the_arguments(bench: Bench) -> None:
    seen: list[Mapping[str, Any]] = []

    def asks(arguments: Mapping[str, Any]) -> bool:
        seen.append(arguments)
        return arguments["depth"] > 3

    bench.emulator.play(
        [
            Reply([CallTool("grow", {"root": {"label": "oak"}, "depth": 9}, id="a")]),
            Reply([Say("")]),
        ]
    )
    agent = bench.agent(tools=[made(TREE, approve=asks)])
    answer = await bench.ask(agent, "Grow an oak")
    assert answer.status == "paused"
    assert seen[0] == {"root": {"label": "oak"}, "depth": 9}
    answer = await agent.resume(answer.run, approve={"a": True})
    assert answer.invocations[0].status == "completed"


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda each: each.name)
@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {}, "additionalProperties": False},
        {"type": "object", "properties": {"a": {"enum": [1, "b", None, {"c": 1}, ["d"]]}}},
        {"type": "object", "properties": {"a b": {"type": ["string", "null"]}, "any": True}},
        {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": {}}}}},
        {"type": "object", "properties": {"p": {"items": [{"type": "string"}, {"type": "null"}]}}},
        {"properties": {"a": {"properties": {"b": {"$ref": "#/properties/c"}}}, "c": {"const": 1}}},
        {"type": "object", "properties": {"a": {"if": {"type": "string"}, "then": {"not": {}}}}},
    ],
    ids=str,
)
def test_it_is_told_in_the_words_of_each_provider(provider: Any, schema: Any) -> None:
    if provider.strict:
        return
    tool = made(schema)
    for told in (tool.parameters.schema, tool.parameters.lean):
        if told is tool.parameters.lean or provider.recursion:
            assert faults(provider, told) == []
        assert told["type"] == "object"
        assert "properties" in told


def test_arguments_of_any_name() -> None:
    seen: list[object] = []
    schema = {"properties": {"self": {}, "call": {}, "a b": {"type": "integer"}, "日": {}}}
    tool = made(schema, seen.append)
    names = list(tool.schema["properties"])
    arguments = tool.check(json.dumps(dict(zip(names, [1, 2, 3, 4], strict=True))))
    tool.function(**arguments)
    assert seen == [{"self": 1, "call": 2, "a b": 3, "日": 4}]


def test_a_union_of_objects() -> None:
    pair = [
        {"type": "object", "properties": {name: {"type": "integer"}}, "required": [name]}
        for name in ("a", "b")
    ]
    tool = made({"type": "object", "oneOf": pair})
    assert tool.check('{"value": {"a": 1}}') == {"a": 1}
    assert tool.check('{"b": 1}') == {"b": 1}
    with pytest.raises(BadArguments):
        tool.check('{"value": {"c": 1}}')


def test_what_models_nearly_write() -> None:
    schema = {
        "properties": {
            "names": {"type": "array", "items": {"type": "string"}},
            "n": {"type": "integer"},
        }
    }
    assert made(schema).check('{"names": "[\\"a\\"]", "n": null}') == {"names": ["a"]}


def test_without_jsonschema_the_function_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    assert made(TREE).check('{"root": 5}') == {"root": 5}


LINKED = {f"n{at}": {"properties": {"a": {"$ref": f"#/$defs/n{at + 1}", "title": "x", "description": "y"}, "b": {"$ref": f"#/$defs/n{at + 1}", "description": "z"}}} for at in range(40)}  # fmt: skip
ALL_OF = {f"n{at}": {"allOf": [{"$ref": f"#/$defs/n{at + 1}"}] * 2} for at in range(40)}
MUTUAL = {
    f"n{at}": {"properties": {f"p{other}": {"$ref": f"#/$defs/n{other}"} for other in range(12)}}
    for at in range(12)
}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (None, "accepted is a JSON Schema"),
        ([], "accepted is a JSON Schema"),
        ({"type": "string"}, "accepted is an object"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "array"}}}, "accepted is an object"),
        ({"type": "thing"}, "accepted are array, boolean"),
        ({"properties": []}, "accepted is an object of schemas"),
        ({"properties": {"a": 5}}, "at /properties/a is 5"),
        ({"required": "a"}, "a list of names"),
        ({"required": [1]}, "a list of names"),
        ({"properties": {"a": {"enum": 1}}}, "a list of values"),
        ({"properties": {"a": {"anyOf": {}}}}, "a list of schemas"),
        ({"properties": {"a": {"pattern": "(?<x"}}}, "not valid"),
        ({"properties": {"a": {"$ref": 7}}}, "accepted is a reference"),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, "which is not in it"),
        ({"a": float("nan")}, "no JSON"),
        ({"a": {1, 2}}, "no JSON"),
        ({"description": "x" * 1_000_000}, "accepted are at most 100,000"),
        ({"anyOf": [{}] * 1001}, "1,001 members"),
        ({"$ref": "#"}, "without end"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}}, "without end: A → B → A"),
        ({"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"allOf": [{"$ref": "#/$defs/A"}]}}}, "without end: A → A"),
        ({"properties": {"a": {"$ref": "#/$defs/n0"}}, "$defs": {**ALL_OF, "n40": {}}}, "an allOf of more than"),
        ({"properties": {"a": {"$ref": "#/$defs/n0"}}, "$defs": {**LINKED, "n40": {}}}, "more than 20,000 parts"),
        ({"properties": {"a": {"$ref": "#/$defs/n0"}}, "$defs": MUTUAL}, "more than 20,000 parts"),
    ],
    ids=lambda each: str(each)[:40],
)  # fmt: skip
def test_a_schema_that_cannot_be_used(schema: Any, words: str) -> None:
    with pytest.raises(ToolDefinitionError, match=words) as raised:
        made(schema)
    assert str(raised.value).startswith("Tool.from_schema(name='grow')")
    assert len(str(raised.value)) < 600


def test_nesting_without_measure() -> None:
    deep: dict[str, Any] = {}
    for _ in range(70):
        deep = {"properties": {"a": deep}}
    with pytest.raises(ToolDefinitionError, match="nested too deep"):
        made(deep)
    for _ in range(5000):
        deep = {"properties": {"a": deep}}
    with pytest.raises(ToolDefinitionError, match="nested too deep"):
        made(deep)
    chain = {f"n{at}": {"properties": {"a": {"$ref": f"#/$defs/n{at + 1}"}}} for at in range(900)}
    with pytest.raises(ToolDefinitionError, match="nested too deep"):
        made({"properties": {"a": {"$ref": "#/$defs/n0"}}, "$defs": {**chain, "n900": {}}})


@pytest.mark.parametrize("reference", ["https://example.com/s.json", "file:///etc/passwd", "#name"])
def test_nothing_is_read_that_a_schema_refers_to(reference: str) -> None:
    tool = made({"properties": {"a": {"$ref": reference, "description": "A thing."}}})
    assert tool.schema["properties"]["a"] == {"description": "A thing."}
    assert tool.check('{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize(
    ("name", "call"),
    [("no spaces", print), ("", print), (5, print), ("f", 5), ("f", dict), ("f", lambda: 0)],
)
def test_a_name_or_a_function_that_cannot_be_used(name: Any, call: Any) -> None:
    with pytest.raises(ToolDefinitionError, match="accepted"):
        Tool.from_schema(name, "", {}, call)
