"""OpenRouter's list of server tools as values: which parameters each takes, and which values of
them. Pure: JSON in, values out.

A schema is asked only what it says plainly: a list of words, a type, bounds. What it says in other
ways, and what it does not name, is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from agentkit.wire.json import as_object, as_objects, as_text
from agentkit.wire.types import JsonObject

PATH = "/tools"


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """What OpenRouter tells of a server tool."""

    id: str
    types: frozenset[str]
    """By which it may be asked for: its id among them."""
    parameters: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject], hash=False)
    """By name: the JSON Schema of a value."""

    def faults(self, given: Mapping[str, Any]) -> Iterator[tuple[str, object, str]]:
        """The parameters whose value is surely not accepted: name, value, what is accepted."""
        for name, value in given.items():
            schema = self.parameters.get(name)
            if schema is not None and value is not None and not accepts(schema, value):
                yield name, value, described(schema)


def tool_infos(body: JsonObject) -> tuple[ToolInfo, ...]:
    """The tools in the body of `GET /tools`."""
    return tuple([_info(each) for each in as_objects(body.get("data")) if as_text(each.get("id"))])


def _info(record: JsonObject) -> ToolInfo:
    kind = as_text(record.get("id")) or ""
    aliases = [as_text(each.get("type")) for each in as_objects(record.get("aliases"))]
    schema = as_object(record.get("parameters_schema"))
    return ToolInfo(
        kind,
        frozenset([kind, *(each for each in aliases if each)]),
        {name: as_object(each) for name, each in as_object(schema.get("properties")).items()},
    )


def accepts(schema: JsonObject, value: object) -> bool:
    """Whether a JSON Schema leaves room for this value, as far as it says so plainly."""
    for key in ("anyOf", "oneOf"):
        branches = as_objects(schema.get(key))
        if branches and not any(accepts(branch, value) for branch in branches):
            return False
    words = _listed(schema.get("enum"))
    if words is not None and not any(_is_equal(value, each) for each in words):
        return False
    kinds = _types(schema)
    if kinds and not any(_KINDS[kind](value) for kind in kinds if kind in _KINDS):
        return not _KINDS.keys() >= kinds
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _is_within(schema, value)
    items = as_object(schema.get("items"))
    if isinstance(value, list) and items:
        return all(accepts(items, each) for each in cast("list[object]", value))
    return True


def described(schema: JsonObject) -> str:
    """What a schema accepts, in words."""
    branches = [each for key in ("anyOf", "oneOf") for each in as_objects(schema.get(key))]
    if branches:
        return " or ".join(dict.fromkeys(described(each) for each in branches))
    if words := _listed(schema.get("enum")):
        return ", ".join(str(each) for each in words)
    low, high = schema.get("minimum"), schema.get("maximum")
    bounds = (f" of at least {low}" if low is not None else "") + (
        f" up to {high}" if high is not None else ""
    )
    return f"{' or '.join(sorted(_types(schema))) or 'another value'}{bounds}"


def _listed(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def _is_equal(one: object, other: object) -> bool:
    """JSON's equality: true is no 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _types(schema: JsonObject) -> frozenset[str]:
    kind = schema.get("type")
    listed = _listed(kind)
    return frozenset(
        str(each) for each in (listed if listed is not None else [kind] if kind else [])
    )


def _is_within(schema: JsonObject, value: float) -> bool:
    low, high = schema.get("minimum"), schema.get("maximum")
    above_low = not isinstance(low, int | float) or value >= low
    return above_low and (not isinstance(high, int | float) or value <= high)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: Mapping[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _is_number(value) and float(cast("float", value)).is_integer(),
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, Mapping),
    "null": lambda value: value is None,
}
