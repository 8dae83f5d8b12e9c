"""Parts of a JSON Schema, looked at and changed one by one."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

Schema = dict[str, Any]

NAMES = "x-names"
"""Of an object: the names that were changed, new → old."""
ENTRIES = "x-entries"
"""Of an array: it stands for an object whose keys are free."""
AS_JSON = "x-json"
"""Of a string: it holds any JSON value, as text."""
_MARKS = frozenset({NAMES, ENTRIES, AS_JSON})
NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}\Z")
"""What Anthropic takes as the name of a property."""
DESCRIBES = frozenset({"description", "title"})
_LONGEST = 300
"""Characters of a value that a description shows."""
_KINDS = (
    ("object", ("properties", "additionalProperties", "patternProperties")),
    ("array", ("items", "prefixItems", "minItems", "maxItems")),
    ("string", ("pattern", "minLength", "maxLength", "format")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)
"""The type of a schema that does not say it, by its keywords."""


def as_schema(given: object) -> Schema:
    """What was given, if it is a schema of keywords; `True` and `False` say nothing."""
    return cast("Schema", given) if isinstance(given, dict) else {}


def closed_object(properties: Schema, required: list[str]) -> Schema:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def is_free(schema: Mapping[str, Any]) -> bool:
    """Whether an object has free keys, and no named ones."""
    return not schema.get("properties") and (
        schema.get("additionalProperties", True) is not False or "patternProperties" in schema
    )


def nullable(node: Schema) -> Schema:
    """The node, in which null stands for leaving the field out."""
    if AS_JSON in node or node.get("type") == "null":
        return node
    null = {"type": "null"}
    if "anyOf" in node:
        return node if null in node["anyOf"] else {**node, "anyOf": [*node["anyOf"], null]}
    node = dict(node)
    description = node.pop("description", None)
    union: Schema = {"anyOf": [node, null]}
    return union if description is None else {**union, "description": description}


def add_note(node: Schema, note: str) -> None:
    """Say something more in the description of a node."""
    before = node.get("description")
    node["description"] = note if before is None else f"{before.rstrip('.')} ({note})"


def branches(schema: Schema) -> list[Any] | None:
    """The members of a union; None where the schema is none, or says more than a union may."""
    if schema.get("properties") or "items" in schema or "enum" in schema:
        return None
    given = schema.get("anyOf", schema.get("oneOf"))
    if given is None or "type" not in schema:
        return given
    return [{"type": schema["type"], **each} for each in given]


def merged(schema: Mapping[str, Any], defs: Mapping[str, Schema]) -> Schema:
    """The schema with what its `allOf` holds."""
    whole = without(schema, "allOf")
    for each in schema.get("allOf", ()):
        part = merged({**defs.get(target(each), {}), **without(each, "$ref")}, defs)
        for key, value in part.items():
            if key == "properties":
                whole[key] = {**value, **whole.get(key, {})}
            elif key == "required":
                whole[key] = list(dict.fromkeys([*whole.get(key, ()), *value]))
            else:
                whole.setdefault(key, value)
    return whole


def with_type(schema: Schema) -> Schema:
    """The schema with the type that its keywords belong to, where it says none."""
    if "type" in schema:
        return schema
    for kind, keywords in _KINDS:
        if any(key in schema for key in keywords):
            return {**schema, "type": kind}
    return schema


def of_kind(schema: Schema, kind: str) -> Schema:
    """The schema of one of several types: without the keywords of the others."""
    own = "number" if kind == "integer" else kind
    others = {key for name, keywords in _KINDS if name != own for key in keywords}
    return {**without(schema, *others, *DESCRIBES), "type": kind}


def with_inclusive_bounds(schema: Schema) -> Schema:
    """The same bounds of whole numbers without the keywords that Google does not know."""
    schema = dict(schema)
    for exclusive, inclusive, step in (
        ("exclusiveMinimum", "minimum", 1),
        ("exclusiveMaximum", "maximum", -1),
    ):
        if isinstance(schema.get(exclusive), int) and inclusive not in schema:
            schema[inclusive] = schema.pop(exclusive) + step
    return schema


def safe_names(given: Iterable[str]) -> dict[str, str]:
    """Names that every provider takes, old → new; none of them twice."""
    names = {name: name for name in given if NAME.match(name)}
    result: dict[str, str] = {}
    for index, name in enumerate(given):
        new = names.get(name)
        if new is None:
            plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
            base = re.sub(r"[^a-zA-Z0-9_.-]+", "_", plain).strip("_")[:60] or f"p{index}"
            new = next(each for each in _numbered(base) if each not in names.values())
            names[name] = new
        result[name] = new
    return result


def _numbered(base: str) -> Iterator[str]:
    yield base
    number = 2
    while True:
        yield f"{base[:56]}_{number}"
        number += 1


def described(schema: object, note: str) -> Schema:
    """The schema with something more in its description."""
    node = dict(as_schema(schema))
    add_note(node, note)
    return node


def new_names(node: object) -> dict[str, str]:
    """All names that were changed somewhere in a schema, old → new."""
    found: dict[str, str] = {}
    if isinstance(node, Mapping):
        schema = cast("Mapping[str, Any]", node)
        if isinstance(schema.get(NAMES), dict):
            found = {old: new for new, old in schema[NAMES].items()}
        for each in schema.values():
            found |= new_names(each)
    elif isinstance(node, list):
        for each in cast("list[object]", node):
            found |= new_names(each)
    return found


def target(schema: Mapping[str, Any]) -> str:
    """The name of the definition that a schema refers to."""
    return str(schema.get("$ref", "")).removeprefix("#/$defs/")


def _references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        schema = cast("Mapping[str, object]", node)
        if isinstance(schema.get("$ref"), str):
            yield target(schema)
        for each in schema.values():
            yield from _references(each)
    elif isinstance(node, list):
        for each in cast("list[object]", node):
            yield from _references(each)


def reachable(node: object, defs: Mapping[str, Schema]) -> set[str]:
    """The definitions that a node refers to, and those that they refer to."""
    found: set[str] = set()
    open_ = list(_references(node))
    while open_:
        name = open_.pop()
        if name not in found and name in defs:
            found.add(name)
            open_ += _references(defs[name])
    return found


def without(schema: Mapping[str, Any], *keys: str) -> Schema:
    """The schema without these keywords."""
    return {key: value for key, value in schema.items() if key not in keys}


def without_default(schema: object) -> Schema:
    """The schema of one place in a tuple, as one of the types that the tuple holds."""
    return without(as_schema(schema), "default", "title")


def kind_of(value: object) -> str:
    """The type of a value in JSON Schema's words."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case dict():
            return "object"
        case list():
            return "array"
        case _:
            return "string"


def in_words(node: Schema) -> str:
    """The kind of a value in a word or two."""
    if "anyOf" in node:
        return " or ".join(in_words(each) for each in node["anyOf"])
    if "$ref" in node:
        return target(node)
    return str(node.get("format") or node.get("type") or "any value")


def shown(value: object) -> str:
    """A value as a description shows it: text as it is, anything else as JSON."""
    return cut(value) if isinstance(value, str) else as_json(value)


def as_json(value: object) -> str:
    """A value as JSON, cut where it is too long for a description."""
    return cut(json.dumps(value, ensure_ascii=False, default=str))


def cut(text: str) -> str:
    """The text, cut where it is too long for a description."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def without_marks(node: Any, *, named: bool = False) -> Any:
    """The node as it goes out; `named`: its keys are names."""
    if isinstance(node, list):
        return [without_marks(each) for each in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    return {
        key: value
        if key in {"default", "enum"} and not named
        else without_marks(value, named=key in {"properties", "$defs"} and not named)
        for key, value in cast("Schema", node).items()
        if named or key not in _MARKS
    }


def extent(schema: Mapping[str, Any]) -> tuple[int, int]:
    """How many properties a schema has, and how many levels of objects."""
    defs: Mapping[str, Any] = schema.get("$defs", {})
    levels: dict[str, int] = {}
    properties = 0

    def depth(node: Any) -> int:
        nonlocal properties
        if not isinstance(node, Mapping):
            return 0
        part = cast("Mapping[str, Any]", node)
        if (name := target(part)) and name not in levels:
            levels[name] = 0  # what refers to itself has no depth of its own
            levels[name] = depth(defs.get(name))
        named: Mapping[str, Any] = part.get("properties", {})
        properties += len(named)
        inner = [*named.values(), part.get("items"), *part.get("anyOf", ())]
        below = max((depth(each) for each in inner), default=0)
        return bool(named) + max(below, levels.get(name, 0))

    deepest = depth(schema)
    return properties, deepest
