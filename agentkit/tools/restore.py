"""Values that a model wrote for a schema in a dialect, as the type wants them: names that were
changed get their old ones, entries become an object again, JSON inside a string a value.

A value that was never changed, as a model without strict mode may write it, stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from agentkit.tools.nodes import AS_JSON, ENTRIES, NAMES, as_schema
from agentkit.wire.json import UnreadableJson, escape_controls, read

Schema = Mapping[str, Any]

_LEVELS = 2
"""How far down a value is looked at to tell which member of a union it is."""


def restored(value: object, marked: Schema) -> Any:
    """The value as the type wants it. `marked` is `Fitted.marked`."""
    return _Restoring(marked.get("$defs", {})).value(value, marked)


def restored_at(value: object, path: Sequence[str | int], marked: Schema) -> Any:
    """The same for a value at a path inside the whole. The path has the names of the type."""
    restoring = _Restoring(marked.get("$defs", {}))
    nodes = [marked]
    for step in path:
        nodes = [inner for node in nodes for inner in restoring.inside(node, step)]
    return restoring.value(value, {"anyOf": nodes}) if nodes else value


class _Restoring:
    def __init__(self, defs: Mapping[str, Schema]) -> None:
        self.defs = defs

    def value(self, value: object, schema: Schema) -> object:
        node = self._node(value, schema)
        if AS_JSON in node:
            return _parsed(value)
        if ENTRIES in node:
            return self._mapping(value, node)
        if isinstance(value, dict):
            return self._object(cast("dict[str, object]", value), node)
        if isinstance(value, list) and isinstance(node.get("items"), Mapping):
            return [self.value(each, node["items"]) for each in cast("list[object]", value)]
        return cast("object", value)

    def inside(self, schema: Schema, step: str | int) -> Iterator[Schema]:
        """The schemas that a value under this key or index may have been written for."""
        if "$ref" in schema:
            yield from self.inside(self.defs.get(_name(schema), {}), step)
        for each in schema.get("anyOf", ()):
            yield from self.inside(each, step)
        if isinstance(step, int):
            found = schema.get("items")
        elif ENTRIES in schema:
            found = schema["items"]["properties"]["value"]
        else:
            found = _by_old_name(schema).get(step, schema.get("additionalProperties"))
        if isinstance(found, Mapping):
            yield cast("Schema", found)

    def _node(self, value: object, schema: Schema) -> Schema:
        """The schema that this value was written for, references and unions resolved."""
        seen: set[str] = set()
        while "anyOf" in schema or ("$ref" in schema and schema["$ref"] not in seen):
            if "$ref" in schema:
                seen.add(schema["$ref"])
                schema = self.defs.get(_name(schema), {})
            else:
                schema = max(schema["anyOf"], key=lambda each: self._likeness(value, each, _LEVELS))
        return schema

    def _likeness(self, value: object, schema: Schema, levels: int) -> float:
        """How well a value fits a schema, as far as so many levels down show: 1 where it fits, 0
        where it is of another type.
        """
        if "$ref" in schema:
            return self._likeness(value, self.defs.get(_name(schema), {}), levels)
        if "anyOf" in schema:
            return max(self._likeness(value, each, levels) for each in schema["anyOf"])
        if not _is_of(value, schema):
            return 0.0
        if not levels:
            return 1.0
        if ENTRIES in schema and value == []:
            return 0.9  # where a list is taken too, it is meant
        if isinstance(value, dict):
            return self._likeness_of_object(cast("dict[str, object]", value), schema, levels - 1)
        if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
            fits = [
                self._likeness(each, schema["items"], levels - 1)
                for each in cast("list[object]", value)
            ]
            return 0.1 + 0.9 * min(fits, default=1.0)
        return 1.0

    def _likeness_of_object(self, value: dict[str, object], schema: Schema, levels: int) -> float:
        if ENTRIES in schema:
            return 0.5  # written as an object, and not as a list of entries
        names: Mapping[str, str] = schema.get(NAMES, {})
        properties = _by_old_name(schema)
        given = {names.get(name, name): each for name, each in value.items()}
        is_open = not properties or bool(schema.get("additionalProperties"))
        fits = [
            self._likeness(each, properties[name], levels) if name in properties else is_open
            for name, each in given.items()
        ]
        required = {names.get(name, name) for name in schema.get("required", ())}
        fits += [False for name in required if name not in given]
        return 0.1 + 0.9 * (sum(fits) / len(fits) if fits else 1.0)

    def _object(self, value: dict[str, object], node: Schema) -> dict[str, object]:
        names: Mapping[str, str] = node.get(NAMES, {})
        properties = _by_old_name(node)
        other = as_schema(node.get("additionalProperties"))
        return {
            names.get(name, name): self.value(each, properties.get(names.get(name, name), other))
            for name, each in value.items()
        }

    def _mapping(self, value: object, node: Schema) -> object:
        inner: Schema = node["items"]["properties"]["value"]
        if isinstance(value, dict):
            items = cast("dict[str, object]", value).items()
            return {name: self.value(each, inner) for name, each in items}
        if not isinstance(value, list):
            return value
        entries = cast("list[object]", value)
        result: dict[str, object] = {}
        for entry in entries:
            fields = as_schema(entry)
            if set(fields) != {"key", "value"}:
                return entries
            result[str(fields["key"])] = self.value(fields["value"], inner)
        return result if len(result) == len(entries) else entries


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).removeprefix("#/$defs/")


def _by_old_name(schema: Schema) -> dict[str, Schema]:
    """The properties of an object under the names that the type wants."""
    names: Mapping[str, str] = schema.get(NAMES, {})
    properties = cast("Mapping[str, Schema]", schema.get("properties", {}))
    return {names.get(name, name): each for name, each in properties.items()}


def _is_of(value: object, schema: Schema) -> bool:
    """Whether a value is of the type of a schema, and one of its values."""
    if "enum" in schema and value not in schema["enum"]:
        return False
    match schema.get("type"):
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list) or (ENTRIES in schema and isinstance(value, dict))
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "null":
            return value is None
        case _:
            return True


def _parsed(value: object) -> object:
    """The JSON value in a string; the string where it holds none."""
    if not isinstance(value, str):
        return value
    try:
        return read(escape_controls(value).encode("utf-8", "surrogatepass"))
    except UnreadableJson:
        return value
