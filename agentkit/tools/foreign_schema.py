"""A JSON Schema that somebody else wrote, of any draft and perhaps hostile → one that the rest of
this package can read: in the words of draft 2020-12, referring only to its own `$defs`, without an
end that is never reached.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast
from urllib.parse import unquote

from agentkit.errors import ToolDefinitionError

Schema = dict[str, Any]

MAX_BYTES = 100_000
"""Of a schema as JSON."""
MAX_DEPTH = 64
_MOST_MEMBERS = 1000
"""Of a union, or of another list of schemas."""
_MOST_PARTS = 1000
"""Schemas that one `allOf` may come to, those inside its members counted each time."""

_KINDS = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_ONE = frozenset(
    {
        "additionalProperties",
        "contains",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
"""Keywords that hold a schema."""
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"dependentSchemas", "patternProperties", "properties"})
_IN_PLACE = ("allOf", "anyOf", "oneOf")
"""Keywords whose schemas hold for the same value."""
_TEXTS = frozenset({"contentEncoding", "contentMediaType", "description", "format", "title"})
_NUMBERS = frozenset(
    {"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"}
)  # fmt: skip
_COUNTS = frozenset(
    {
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "minContains",
        "minItems",
        "minLength",
        "minProperties",
    }
)
_AS_IT_IS = frozenset({"const", "default"})


def accepted_schema(given: object, owner: str) -> Schema:
    """The schema of a tool's arguments. Raises `ToolDefinitionError` for what is none, is too large
    or refers to itself without end.
    """
    root = _copied(given, owner)
    reader = _Reader(root, owner)
    try:
        schema = reader.node(root, "")
        reader.refuse_circles(schema)
        reader.refuse_explosions(schema)
    except RecursionError:
        raise ToolDefinitionError(f"{owner}: its schema is nested too deep") from None
    kind = _of_root(schema, reader.defs)
    if kind not in {None, "object"}:
        raise ToolDefinitionError(
            f"{owner}: its schema is of the type {kind!r:.80}; accepted is an object, whose "
            "properties are the arguments"
        )
    if "$ref" not in schema:
        schema["type"] = "object"
    return {**schema, "$defs": reader.defs} if reader.defs else schema


def _copied(given: object, owner: str) -> Schema:
    """A deep copy of what is a JSON object, and not too large."""
    if not isinstance(given, Mapping):
        raise ToolDefinitionError(
            f"{owner}: its schema is {given!r:.80}; accepted is a JSON Schema, as a mapping"
        )
    try:
        text = json.dumps(dict(cast("Mapping[str, Any]", given)), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
        raise ToolDefinitionError(f"{owner}: its schema is no JSON: {why}") from None
    if len(text) > MAX_BYTES:
        raise ToolDefinitionError(
            f"{owner}: its schema has {len(text):,} bytes; accepted are at most {MAX_BYTES:,}"
        )
    if _depth(copy := json.loads(text)) > MAX_DEPTH:
        raise ToolDefinitionError(
            f"{owner}: its schema is nested too deep; accepted are {MAX_DEPTH} levels"
        )
    return copy


def _depth(value: object) -> int:
    level, depth = [value], 0
    while level := [inner for each in level for inner in _inside(each)]:
        depth += 1
    return depth


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(cast("dict[str, object]", value).values())
    return cast("list[object]", value) if isinstance(value, list) else []


def _of_root(schema: Schema, defs: Mapping[str, Schema]) -> object:
    """The type that the whole says it has."""
    seen: set[str] = set()
    while "type" not in schema and (name := _target(schema)) in defs and name not in seen:
        seen.add(name)
        schema = defs[name]
    return schema.get("type")


def _target(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).removeprefix("#/$defs/")


class _Reader:
    """One schema, read from its root."""

    def __init__(self, root: Schema, owner: str) -> None:
        self.root = root
        self.owner = owner
        self.defs: dict[str, Any] = {}
        """What is referred to, by its new name."""
        self.names: dict[str, str] = {}
        """The new name of each place that is referred to."""

    def refused(self, where: str, why: str) -> ToolDefinitionError:
        place = f" at {where[:100]}" if where else ""
        return ToolDefinitionError(f"{self.owner}: its schema{place} {why}")

    def node(self, given: object, where: str) -> Any:
        """One schema; what it does not say in a known way is left out."""
        if isinstance(given, bool):
            return given
        if not isinstance(given, dict):
            raise self.refused(where, f"is {given!r:.60}; accepted is an object, true or false")
        schema = _modern(cast("Schema", given))
        read: Schema = {}
        for key, value in schema.items():
            kept = self.keyword(key, value, f"{where}/{key}")
            if kept is not None or key in _AS_IT_IS:
                read[key] = kept
        return read

    def keyword(self, key: str, value: object, where: str) -> Any:
        """The value of one keyword; None leaves it out."""
        if key == "$ref":
            return self.reference(value, where)
        if key in _ONE:
            return self.node(value, where)
        if key in _LISTS:
            members = self.of_type(value, list, where, "a list of schemas")
            if len(members) > _MOST_MEMBERS:
                raise self.refused(
                    where, f"has {len(members):,} members; accepted are {_MOST_MEMBERS:,}"
                )
            return [self.node(each, f"{where}/{at}") for at, each in enumerate(members)] or None
        if key in _NAMED:
            named = self.of_type(value, dict, where, "an object of schemas")
            return {name: self.node(each, f"{where}/{name}") for name, each in named.items()}
        reader = _READERS.get(key)
        return reader(self, value, where) if reader is not None else None

    def of_type(self, value: object, kind: type, where: str, accepted: str) -> Any:
        if not isinstance(value, kind):
            raise self.refused(where, f"is {value!r:.60}; accepted is {accepted}")
        return value

    def kinds(self, value: object, where: str) -> object:
        """What `type` says."""
        named = cast("list[object]", value) if isinstance(value, list) else [value]
        if named == ["any"]:  # of an early draft
            return None
        if not named or any(not isinstance(each, str) or each not in _KINDS for each in named):
            raise self.refused(
                where, f"is {value!r:.60}; accepted are {', '.join(sorted(_KINDS))}, and lists"
            )
        return named if len(named) > 1 else named[0]

    def required(self, value: object, where: str) -> object:
        if isinstance(value, bool):  # of an early draft
            return None
        names = self.of_type(value, list, where, "a list of names")
        if any(not isinstance(each, str) for each in names):
            raise self.refused(where, f"is {value!r:.60}; accepted is a list of names")
        return list(dict.fromkeys(names))

    def values(self, value: object, where: str) -> object:
        """What `enum` lists."""
        listed: list[object] = self.of_type(value, list, where, "a list of values")
        return listed or None

    def pattern(self, value: object, where: str) -> object:
        return self.of_type(value, str, where, "a regular expression")

    def needed(self, value: object, where: str) -> object:
        """What `dependentRequired` says."""
        named = self.of_type(value, dict, where, "an object of lists of names")
        return {name: self.required(each, where) for name, each in named.items()}

    def reference(self, value: object, where: str) -> str | None:
        """A reference to the new place of what a reference leads to. One that leads out of the
        schema says nothing: no file is read for it, and no URL.
        """
        pointer = self.of_type(value, str, where, "a reference, such as '#/$defs/place'")
        if pointer != "#" and not pointer.startswith("#/"):
            return None
        if pointer not in self.names:
            found = self.found(pointer, where)
            name = self._new_name(pointer)
            self.names[pointer] = name
            self.defs[name] = {}  # what refers to itself finds its name
            self.defs[name] = self.node(found, pointer)
        return f"#/$defs/{self.names[pointer]}"

    def found(self, pointer: str, where: str) -> object:
        """What is at a place of the schema."""
        value: object = self.root
        for part in pointer.split("/")[1:]:
            step = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and step in value:
                value = cast("dict[str, object]", value)[step]
            elif isinstance(value, list) and step.isascii() and step.isdigit():
                items = cast("list[object]", value)
                value = items[int(step)] if len(step) < 6 and int(step) < len(items) else None
            else:
                value = None
            if value is None:
                raise self.refused(where, f"refers to {pointer!r:.80}, which is not in it")
        return value

    def _new_name(self, pointer: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_.-]+", "_", pointer.rpartition("/")[2]).strip("_")[:40]
        base = base or "whole"
        name, number = base, 1
        while name in self.defs:
            number += 1
            name = f"{base}_{number}"
        return name

    def refuse_circles(self, root: Schema) -> None:
        """Refuse a schema that is itself: no value could ever be held against it."""
        done: set[str] = set()

        def look(schema: object, path: tuple[str, ...]) -> None:
            for name in _same_value(schema):
                if name in path:
                    circle = " → ".join((*path[path.index(name) :], name))
                    raise self.refused("", f"refers to itself without end: {circle}")
                if name not in done:
                    look(self.defs.get(name), (*path, name))
                    done.add(name)

        look(root, ())
        for name in self.defs:
            if name not in done:
                look(self.defs[name], (name,))

    def refuse_explosions(self, root: Schema) -> None:
        """Refuse a small schema that grows large where its `allOf` are put together."""
        known: dict[str, int] = {}

        def parts(schema: object) -> int:
            if not isinstance(schema, dict):
                return 0
            node = cast("Schema", schema)
            total = 1
            for each in node.get("allOf", ()):
                total += parts(each)
                name = _target(cast("Schema", each)) if isinstance(each, dict) else ""
                if name in self.defs:
                    if name not in known:
                        known[name] = parts(self.defs[name])
                    total += known[name]
            if total > _MOST_PARTS:
                raise self.refused("", f"has an allOf of more than {_MOST_PARTS:,} schemas")
            return total

        for each in _all_nodes([root, *self.defs.values()]):
            parts(each)


def _same_value(schema: object) -> Iterator[str]:
    """The definitions that hold for the same value as this schema."""
    if not isinstance(schema, dict):
        return
    node = cast("Schema", schema)
    if "$ref" in node:
        yield _target(node)
    for key in _IN_PLACE:
        for each in node.get(key, ()):
            yield from _same_value(each)


def _all_nodes(schemas: list[Any]) -> Iterator[Schema]:
    open_ = list(schemas)
    while open_:
        node = open_.pop()
        if not isinstance(node, dict):
            continue
        schema = cast("Schema", node)
        yield schema
        for key, value in schema.items():
            if key in _ONE:
                open_.append(value)
            elif key in _LISTS:
                open_ += value
            elif key in _NAMED:
                open_ += value.values()


def _modern(schema: Schema) -> Schema:
    """The schema with the keywords of earlier drafts in the words of today's."""
    if isinstance(schema.get("items"), list):
        schema = {**schema, "prefixItems": schema["items"]}
        rest = schema.pop("additionalItems", None)
        schema.pop("items")
        if rest is not None:
            schema["items"] = rest
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(exclusive), bool):
            schema = dict(schema)
            if schema.pop(exclusive) and bound in schema:
                schema[exclusive] = schema.pop(bound)
    return schema


def _text(_: _Reader, value: object, __: str) -> object:
    return value if isinstance(value, str) and value else None


def _number(_: _Reader, value: object, __: str) -> object:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(_: _Reader, value: object, __: str) -> object:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _flag(_: _Reader, value: object, __: str) -> object:
    return value if isinstance(value, bool) else None


def _any(_: _Reader, value: object, __: str) -> object:
    return value


def _examples(_: _Reader, value: object, __: str) -> object:
    return cast("list[object]", value) if isinstance(value, list) else None


_READERS: dict[str, Callable[[_Reader, object, str], object]] = {
    "type": _Reader.kinds,
    "required": _Reader.required,
    "enum": _Reader.values,
    "pattern": _Reader.pattern,
    "dependentRequired": _Reader.needed,
    "uniqueItems": _flag,
    "examples": _examples,
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(_COUNTS, _count),
    **dict.fromkeys(_AS_IT_IS, _any),
}
