"""The schemas that go out: every provider takes them, they hold all that pydantic takes, and what a
model writes for them comes back as the type wants it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Literal, cast

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError, WithJsonSchema, create_model

from agentkit import Agent, ModelSettings, OpenRouter, Tool, tool
from agentkit.emulator import CallTool, Reply, Say
from agentkit.errors import ToolDefinitionError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.studio import Studio
from agentkit.tools import BadArguments
from agentkit.tools.dialect import Dialect, fitted
from agentkit.tools.output import Output
from tests.conftest import Bench, examples
from tests.unit.tools.kinds import KINDS, Counts, Expression, Inner, Node, Odd, Point
from tests.unit.tools.providers import PROVIDERS, Provider, faults

IDS = [str(kind)[:50] for kind, _ in KINDS]
LEAN = ("anthropic/", "google/", "x-ai/")


def tool_of(kind: Any, *, strict: bool = False) -> Tool[..., Any]:
    def take(value: Any) -> None:
        """Takes a value."""

    take.__annotations__["value"] = kind
    return tool(take, strict=strict or None)


def schemas_for(provider: Provider, kind: Any) -> dict[str, Mapping[str, Any]]:
    """What a provider is sent for a type: as a parameter, and under `strict` as an answer."""
    lean = provider.model.startswith(LEAN)
    parameters = tool_of(kind, strict=provider.strict).parameters
    sent: dict[str, Mapping[str, Any]] = {"tool": parameters.lean if lean else parameters.schema}
    if provider.strict:
        output = Output(kind)
        sent["output"] = (output.lean if lean else output.schema).schema
    return sent


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_every_provider_takes_every_type(provider: Provider):
    set_ = {field for field in provider.__dataclass_fields__ if getattr(provider, field)}
    rules = set_ - {"name", "model", "strict", "sources"} | (
        {"recursion"} if not provider.recursion else set()
    )
    assert set(provider.sources) | {"recursion"} == rules | {"recursion"}, "each rule has a source"
    refused = {
        f"{kind} as {use}": found
        for kind, _ in KINDS
        for use, schema in schemas_for(provider, kind).items()
        if (found := faults(provider, schema))
    }
    assert not refused
    assert len(KINDS) >= 40


@pytest.mark.parametrize("provider", [each for each in PROVIDERS if not each.strict])
def test_every_provider_takes_the_tools_that_come_with_agentkit(provider: Provider):
    client = OpenRouter(api_key="sk-or-test-key")
    studio = Studio(client=client, store=MemoryImageStore())
    agent = Agent("openai/gpt-5.2", client=client)
    for made in (*studio.tools(), agent.as_tool("helper", "Helps.")):
        lean = provider.model.startswith(LEAN)
        assert not faults(provider, made.parameters.lean if lean else made.schema)


def test_the_rules_find_what_pydantic_writes():
    model = create_model(
        "Everything", **{f"f{i}": (kind, ...) for i, (kind, _) in enumerate(KINDS)}
    )
    raw = model.model_json_schema()
    for provider in PROVIDERS:
        assert faults(provider, raw) or provider.name == "Anthropic"
    assert faults(PROVIDERS[3], Odd.model_json_schema())


# What a model would write, from a value as pydantic takes it.


def encoded(value: Any, marked: Mapping[str, Any], natural: Mapping[str, Any]) -> Any:
    """The value as the schema that goes out wants it. `natural` is pydantic's."""
    return next(iter(_encodings(value, marked, marked, natural, natural)), None)


def _encodings(value: Any, node: Any, root: Any, raw: Any, raw_root: Any) -> list[Any]:
    """Those that the schema takes, of one value."""
    if "$ref" in node:
        node = root["$defs"][node["$ref"].rpartition("/")[2]]
    raw = _resolved(raw, raw_root)
    if "anyOf" in node:
        raws = raw.get("anyOf", raw.get("oneOf", [raw]))
        found = [
            each
            for branch in node["anyOf"]
            for inner in raws
            for each in _encodings(value, branch, root, inner, raw_root)
        ]
        return found[:1]
    result = _encoded(value, node, root, raw, raw_root)
    schema = {**_clean(node), "$defs": _clean(root.get("$defs", {}), named=True)}
    return [result] if jsonschema_rs.is_valid(schema, result) else []


def _encoded(value: Any, node: Any, root: Any, raw: Any, raw_root: Any) -> Any:
    def inner(value: Any, node: Any, raw: Any) -> Any:
        return next(iter(_encodings(value, node, root, raw, raw_root)), value)

    if "x-json" in node or (node.get("type") == "string" and isinstance(value, dict | list)):
        return json.dumps(value)
    if "x-entries" in node and isinstance(value, dict):
        part = node["items"]["properties"]["value"]
        return [
            {"key": key, "value": inner(each, part, _value_of(raw, key))}
            for key, each in cast("dict[str, Any]", value).items()
        ]
    if isinstance(value, list) and "items" in node:
        firsts = raw.get("prefixItems", [])
        return [
            inner(each, node["items"], firsts[i] if i < len(firsts) else raw.get("items", {}))
            for i, each in enumerate(cast("list[Any]", value))
        ]
    if not isinstance(value, dict) or "properties" not in node:
        return value
    names = node.get("x-names", {})
    given_ = dict(cast("dict[str, Any]", value))
    for new in node.get("required", ()):
        old, part = names.get(new, new), node["properties"][new]
        if old not in given_ and old in raw.get("properties", {}):
            field = raw["properties"][old]
            may_be_null = jsonschema_rs.is_valid({**field, "$defs": raw_root["$defs"]}, None)
            given_[old] = field.get("default") if may_be_null or "x-json" in part else None
    shown = {old: new for new, old in names.items()}
    return {
        shown.get(old, old): inner(
            each, node["properties"].get(shown.get(old, old), {}), _value_of(raw, old)
        )
        for old, each in given_.items()
    }


def _value_of(raw: Any, key: str) -> Any:
    found = raw.get("properties", {}).get(key, raw.get("additionalProperties", {}))
    return found if isinstance(found, dict) else {}


def _resolved(raw: Any, root: Any) -> Any:
    while "$ref" in raw:
        raw = {**root["$defs"][raw["$ref"].rpartition("/")[2]], "default": raw.get("default")}
    return raw


def _clean(node: Any, *, named: bool = False) -> Any:
    if isinstance(node, list):
        return [_clean(each) for each in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    return {
        key: _clean(each, named=key == "properties" and not named)
        for key, each in cast("dict[str, Any]", node).items()
        if named or not key.startswith("x-")
    }


DIALECTS = [Dialect(strict, lean) for strict in (False, True) for lean in (False, True)]
NAMED = ["plain", "plain, lean", "strict", "strict, lean"]


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMED)
@pytest.mark.parametrize(("kind", "value"), KINDS, ids=IDS)
def test_a_value_goes_there_and_comes_back(kind: Any, value: Any, dialect: Dialect):
    made = tool_of(kind, strict=dialect.strict)
    there_and_back(made, value, TypeAdapter(kind).validate_json(json.dumps(value)), dialect)
    assert (
        made.check(json.dumps({"value": value}))["value"] == made.check({"value": value})["value"]
    )


def there_and_back(made: Tool[..., Any], value: Any, expected: Any, dialect: Dialect) -> None:
    sent = fitted(made.parameters.wanted, dialect)
    assert sent.schema == (made.parameters.lean if dialect.lean else made.parameters.schema)
    natural = {"$defs": {}, **made.parameters.wanted}
    written = encoded({"value": value}, sent.marked, natural)
    assert written is not None, "the schema takes what pydantic takes"
    assert made.check(json.dumps(written)) == {"value": expected}


def values_of(raw: Any, root: Any, levels: int = 3) -> st.SearchStrategy[Any]:
    """Values of a schema of pydantic's, near enough."""
    if levels < 0:
        return st.sampled_from([None, 1, "a", [], {}])
    raw = _resolved(raw, root)
    for union in ("anyOf", "oneOf"):
        if union in raw:
            return st.one_of([values_of(each, root, levels - 1) for each in raw[union]])
    if "const" in raw:
        return st.just(raw["const"])
    if "enum" in raw:
        return st.sampled_from(raw["enum"])
    kind = raw.get("type")
    if kind == "array":
        first = [values_of(each, root, levels - 1) for each in raw.get("prefixItems", ())]
        if first:
            return st.tuples(*first).map(list)
        return st.lists(values_of(raw.get("items", {}), root, levels - 1), max_size=3)
    if kind == "object":
        required = raw.get("required", ())
        fields = {
            name: values_of(each, root, levels - 1)
            for name, each in raw.get("properties", {}).items()
        }
        if not fields:
            rest = values_of(_value_of(raw, ""), root, levels - 1)
            return st.dictionaries(st.sampled_from(["a", "b", "xa", "1", "key", "value"]), rest)
        return st.fixed_dictionaries(
            {name: each for name, each in fields.items() if name in required},
            optional={name: each for name, each in fields.items() if name not in required},
        )
    simple: dict[Any, st.SearchStrategy[Any]] = {
        "integer": st.integers(-3, 9),
        "number": st.integers(-3, 9) | st.floats(0, 9.5),
        "string": st.sampled_from(["", "a", "ab", "abc", "größe", "[1]", "null"]),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return simple.get(kind, st.recursive(st.one_of(list(simple.values())), st.lists, max_leaves=3))


@pytest.mark.parametrize("dialect", DIALECTS, ids=NAMED)
@settings(
    max_examples=examples(20),
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(st.data())
def test_whatever_pydantic_takes(dialect: Dialect, data: st.DataObject):
    kind, _ = data.draw(st.sampled_from(KINDS))
    adapter = TypeAdapter[Any](kind)
    raw = {"$defs": {}, **adapter.json_schema()}
    value = data.draw(values_of(raw, raw))
    try:
        expected = adapter.validate_json(json.dumps(value))
    except ValidationError:
        assume(False)
    else:
        assume(jsonschema_rs.is_valid(raw, value))  # in lax mode pydantic takes more than it tells
        is_either = kind == dict[str, int] | list[int] | None
        assume(not (dialect.strict and is_either and value == {}))  # as entries, an empty list too
        there_and_back(tool_of(kind, strict=dialect.strict), value, expected, dialect)


# What the pass says, and what it keeps.


def test_names_are_mapped_both_ways():
    def measure(größe: int, groe: int = 1, 城市: str = "Oslo") -> int:  # noqa: N803, PLC2401
        """Measures.

        Args:
            größe: In metres.
        """
        return größe

    made = tool(measure)
    assert list(made.schema["properties"]) == ["groe_2", "groe", "p2"]
    assert made.schema["required"] == ["groe_2"]
    assert made.schema["properties"]["groe_2"]["description"] == "In metres (named größe)"
    assert made.check('{"groe_2": 3, "groe": 4, "p2": "Rome"}') == {
        "größe": 3,
        "groe": 4,
        "城市": "Rome",
    }
    assert made.check('{"größe": 3}') == {"größe": 3}, "a model may write what is meant, too"
    assert made.parse('{"groe_2": 3}') == {"größe": 3}
    with pytest.raises(
        BadArguments, match=r"- groe_2: input should be a valid integer(.|\n)*groe_2"
    ):
        made.check('{"groe_2": "x"}')
    with pytest.raises(BadArguments, match="groe_2: is missing"):
        made.check("{}")


def test_a_type_that_holds_itself():
    full, lean = Output(Node).schema.schema, Output(Node).lean.schema
    assert full["properties"]["children"]["anyOf"][0]["items"] == {"$ref": "#/$defs/Node"}
    assert "$ref" not in str(lean)
    deep = {"name": "a", "next": {"name": "b", "next": {"name": "c", "next": '{"name": "d"}'}}}
    found = Output(Node).read(json.dumps(deep))
    assert found == Node.model_validate(
        {"name": "a", "next": {"name": "b", "next": {"name": "c", "next": {"name": "d"}}}}
    )


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        (
            tuple[int, str],
            {
                "type": "array",
                "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                "minItems": 2,
                "maxItems": 2,
                "description": "items in order: integer, string",
            },
        ),
        (
            Annotated[str, Field(pattern="(?i)a", description="A word.")],
            {"type": "string", "description": "A word (pattern: (?i)a)"},
        ),
        (Annotated[int, Field(gt=0, lt=9)], {"type": "integer", "minimum": 1, "maximum": 8}),
        (Literal[1, 2], {"type": "integer", "description": "one of: 1, 2"}),
        (
            Literal["a"] | None,
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        ),
        (
            set[int],
            {"type": "array", "items": {"type": "integer"}, "description": "uniqueItems: true"},
        ),
        (
            Annotated[int, WithJsonSchema({"type": ["integer", "null"], "x-own": 1, "title": "T"})],
            {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        ),
        (
            Annotated[dict[str, Any], WithJsonSchema({"allOf": [{"type": "object"}], "not": {}})],
            {"type": "object", "additionalProperties": True, "description": "not: {}"},
        ),
    ],
)
def test_what_is_written(kind: Any, plain: Mapping[str, Any]):
    assert tool_of(kind).schema["properties"]["value"] == plain


def test_free_keys_in_strict_mode():
    made = tool_of(dict[str, int], strict=True)
    text = '{"value": [{"key": "a", "value": 1}, {"key": "b", "value": 2}]}'
    assert made.check(text) == {"value": {"a": 1, "b": 2}}
    assert made.check('{"value": {"a": 1}}') == {"value": {"a": 1}}
    for wrong in ('[{"key": "a", "value": 1}, {"key": "a", "value": 2}]', '[{"a": 1}]', "[1]"):
        with pytest.raises(BadArguments, match="value: input should be an object"):
            made.check(f'{{"value": {wrong}}}')
    words = '{"counts": [{"key": "a", "value": 1}], "nested": null, "anything": "{\\"b\\": 2}"}'
    assert Output(Counts).read(words) == Counts(counts={"a": 1}, anything={"b": 2})


def test_a_union_of_objects_is_told_apart_at_any_depth():
    value: Any = 1
    for _ in range(30):
        value = {"left": value, "right": 2, "sign": None}
    assert isinstance(tool_of(Expression, strict=True).check({"value": value})["value"], Expression)
    made = tool_of(Expression, strict=True)
    assert isinstance(made.check(json.dumps({"value": value}))["value"], Expression)


def _deep(levels: int) -> Any:
    kind: Any = int
    for level in range(levels):
        kind = create_model(f"Level{level}", inner=(kind, ...))
    return kind


def refused(kind: Any, words: str) -> None:
    with pytest.raises(UsageError, match=rf"Agent\(output=.*: accepted is .*{words}"):
        Agent("a/b", output=kind)
    with pytest.raises(ToolDefinitionError, match=f"strict=True takes .*{words[:5]}"):
        tool_of(kind, strict=True)
    tool_of(kind)


def test_what_is_too_deep_is_named():
    refused(_deep(11), "10 levels of objects; it has 11")
    Agent("a/b", output=_deep(10))


@pytest.mark.slow
def test_what_is_too_wide_is_named():
    fields: dict[str, Any] = {f"f{index}": (int, ...) for index in range(5001)}
    refused(create_model("Wide", **fields), "5,000 fields")


def test_many_values_are_told_as_far_as_they_go():
    many = Enum("Many", {f"V{index}": f"value {index}" for index in range(1200)})  # type: ignore[misc]
    shown = Output(many).schema.schema["properties"]["value"]  # type: ignore[arg-type]
    assert "enum" not in shown
    assert shown["description"].startswith("one of: value 0, value 1")
    assert len(shown["description"]) < 400


@pytest.mark.parametrize(
    ("model", "settings_", "bounds"),
    [
        ("openai/gpt-5.2", ModelSettings(), True),
        ("anthropic/claude-sonnet-4.6", ModelSettings(), False),
        ("openai/gpt-5.2", ModelSettings(models=("anthropic/claude-sonnet-4.6",)), False),
    ],
)
async def test_the_model_decides(
    bench: Bench, model: str, settings_: ModelSettings, bounds: bool
) -> None:
    @tool
    def draw(at: Point, size: Annotated[int, Field(ge=1)]) -> str:
        """Draws."""
        return f"{at} {size}"

    bench.emulator.play(
        [Reply([CallTool("draw", {"at": [1, 2], "size": 3})]), Reply([Say('{"x": 1}')])]
    )
    agent = bench.agent(model=model, tools=[draw], output=Inner, settings=settings_)
    answer = await bench.ask(agent, "Go")
    assert answer.output == Inner(x=1)
    assert answer.invocations[0].result == "Point(x=1, y=2) 3"
    sent = json.dumps(bench.emulator.requests[0].body)
    assert ('"minimum": 1' in sent) is bounds
    assert ('"maxItems": 2' in sent) is bounds


async def test_a_call_under_other_names(bench: Bench) -> None:
    @tool(approve=lambda arguments: arguments["größe"] > 100, strict=True)
    def paint(größe: int, farben: dict[str, int], rest: Any = None) -> str:  # noqa: PLC2401
        """Paints."""
        return f"{größe} {farben} {rest}"

    written = {"groe": 3, "farben": [{"key": "rot", "value": 1}], "rest": "[1]"}
    bench.emulator.play([Reply([CallTool("paint", written)]), Reply([Say("Done.")])])
    answer = await bench.ask(bench.agent(tools=[paint]), "Go")
    (call,) = answer.invocations
    assert call.arguments == {"größe": 3, "farben": {"rot": 1}, "rest": [1]}
    assert call.result == "3 {'rot': 1} [1]"
