"""The JSON Schema that goes out: pydantic's, changed to what all providers take.

OpenAI, Anthropic, Google, xAI and those behind them take different parts of JSON Schema, and refuse
the whole request for a keyword that they do not know. A schema goes out in what they share, and in
a lean form for those that take less. The rest is said in the description, and pydantic checks it
when the value comes back. `docs/tools.md` has the table; `tests/unit/tools/providers.py` has the
rules with their sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from agentkit.errors import ToolDefinitionError
from agentkit.tools import nodes
from agentkit.tools.nodes import AS_JSON, ENTRIES, NAMES, Schema

FORMATS = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"}
)
"""What OpenAI takes as the format of a string."""

_TOLD = (
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "propertyNames",
    "contentMediaType",
    "contentEncoding",
    "contains",
    "minContains",
    "maxContains",
    "dependentRequired",
    "not",
    "examples",
)
"""Keywords that are said in the description where they may not stand. Others are left out."""
_LEAN = frozenset({"anthropic", "google", "x-ai"})
"""The families (`agentkit.run.audience`) that take lean schemas alone."""
_UNROLLED = 2
"""How often a type that holds itself stands inside itself in a lean schema."""
_MOST_VALUES = 1000
_MOST_LONG_VALUES = 250
_MOST_CHARACTERS = 15_000
"""Of an enum in strict mode, as OpenAI documents them: more than 250 values may have 15,000
characters in all.
"""
_MOST_PROPERTIES = 5000
_DEEPEST = 10
_MOST_NODES = 20_000
"""Of a schema, each definition counted wherever it is put in the place of a reference."""
_NO_PATTERN = re.compile(r"\(\?|\\[1-9bBAZzpPkK]")
"""Look-around, groups with flags or names, back references, word boundaries: Anthropic and OpenAI
compile patterns to grammars, which have none of these.
"""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which schemas a provider takes."""

    strict: bool = False
    """The provider holds the model to the schema: each property is required, and no free keys."""
    lean: bool = False
    """No bounds, no recursion, and under `strict` what may be left out stays so, without a union
    with null. Anthropic, Google and xAI each refuse one of these at least.
    """


@dataclass(frozen=True, slots=True)
class Fitted:
    """A schema in a dialect."""

    schema: Schema
    """As it goes out; an object at its root."""
    marked: Schema
    """The same, with what `agentkit.tools.restore` has to know."""
    is_wrapped: bool
    """Whether the value stands under the key `value`, since it is no object."""

    @property
    def is_changed(self) -> bool:
        """Whether values have to be changed back."""
        return self.schema != self.marked

    @property
    def marked_value(self) -> Schema:
        """`marked` for the value itself, without the object around it."""
        if not self.is_wrapped:
            return self.marked
        return {"$defs": self.marked.get("$defs", {}), **self.marked["properties"]["value"]}


def fitted(schema: Mapping[str, Any], dialect: Dialect) -> Fitted:
    """The schema in a dialect."""
    fitting = _Fitting(schema, dialect)
    node = fitting.root(schema)
    is_wrapped = node is None
    if node is None:
        value = {key: each for key, each in schema.items() if key != "$defs"}
        node = nodes.closed_object({"value": fitting.node(value)}, ["value"])
    if used := {name: fitting.done[name] for name in _used(node, fitting.done)}:
        node["$defs"] = used
    return Fitted(nodes.without_marks(node), node, is_wrapped)


def is_lean(families: Iterable[str | None]) -> bool:
    """Whether one of the families of models that may answer takes lean schemas alone. Where it is
    open which model answers, there are none of them, and lean is safe.
    """
    named = set(families)
    return not named or not named.isdisjoint(_LEAN)


def too_large(schema: Mapping[str, Any]) -> str | None:
    """Why no provider would take this schema in strict mode; None where one would."""
    most, deepest = nodes.extent(schema)
    if most > _MOST_PROPERTIES:
        return f"at most {_MOST_PROPERTIES:,} fields in all; it has {most:,}"
    if deepest > _DEEPEST:
        return f"at most {_DEEPEST} levels of objects; it has {deepest}"
    return None


class _Fitting:
    """One schema on its way into a dialect."""

    def __init__(self, root: Mapping[str, Any], dialect: Dialect) -> None:
        self.dialect = dialect
        self.given: Mapping[str, Schema] = root.get("$defs", {})
        self.done: dict[str, Schema] = {}
        """The definitions that are referred to, as far as they are fitted."""
        self.inside: list[str] = []
        """The types that hold themselves, in which the present place is: of a lean schema alone."""
        self.recursive: dict[str, bool] = {}
        """Whether a definition refers to itself, as far as that was asked."""
        self.nodes_left = _MOST_NODES

    def root(self, schema: Mapping[str, Any]) -> Schema | None:
        """The whole, if it is an object with named fields."""
        seen: set[str] = set()
        while (name := nodes.target(schema)) in self.given and name not in seen:
            seen.add(name)
            schema = {**self.given[name], **nodes.without(schema, "$ref", "$defs")}
        schema = nodes.with_type(nodes.merged(schema, self.given))
        is_other = schema.get("type") != "object" or nodes.branches(schema) is not None
        if is_other or (self.dialect.strict and nodes.is_free(schema)):
            return None
        self.inside += seen
        return self._of_type("object", nodes.without(schema, "$defs"))

    def node(self, given: object) -> Schema:
        """One schema inside the whole."""
        self.nodes_left -= 1
        if self.nodes_left < 0:
            raise ToolDefinitionError(
                f"its schema has more than {_MOST_NODES:,} parts, where each definition stands in "
                "the place of the references to it"
            )
        if not isinstance(given, Mapping):
            return self._any({})
        schema = cast("Mapping[str, Any]", given)
        if "$ref" in schema:
            return self._reference(schema)
        schema = nodes.merged(schema, self.given)
        if (branches := nodes.branches(schema)) is not None:
            return self._union(branches, nodes.without(schema, "anyOf", "oneOf", "type"))
        if isinstance(schema.get("type"), list):
            kinds = [nodes.of_kind(schema, kind) for kind in schema["type"]]
            return self._union(kinds, {key: schema[key] for key in nodes.DESCRIBES & set(schema)})
        if "const" in schema:
            schema = {**nodes.without(schema, "const"), "enum": [schema["const"]]}
        if "enum" in schema:
            return self._enum(schema)
        schema = nodes.with_type(schema)
        kind = schema.get("type")
        return self._any(schema) if kind is None else self._of_type(kind, schema)

    def _reference(self, schema: Mapping[str, Any]) -> Schema:
        """A reference stands alone: with anything beside it, the definition is put in its place.
        One that refers to itself stays, inside an `anyOf`.
        """
        name = nodes.target(schema)
        beside = nodes.without(schema, "$ref", "title")
        if name not in self.given:
            return self._any(beside)
        if name not in self.recursive:
            self.recursive[name] = name in nodes.reachable(self.given[name], self.given)
        is_recursive = self.recursive[name]
        if is_recursive and self.dialect.lean:
            return self._unrolled(name, beside)
        if beside and not is_recursive:
            return self.node({**self.given[name], **beside})
        if name not in self.done:
            self.done[name] = {}
            self.done[name].update(self.node(self.given[name]))
        reference: Schema = {"$ref": f"#/$defs/{name}"}
        return self._told(beside, {"anyOf": [reference]}) if beside else reference

    def _unrolled(self, name: str, beside: Schema) -> Schema:
        """A type that holds itself, so many times; below that it is text, which is read again
        where pydantic wants an object.
        """
        if self.inside.count(name) > _UNROLLED:
            note = f"{name}, written as JSON text in this string"
            return self._told(beside, {"type": "string"}, [note])
        self.inside.append(name)
        node = self.node({**self.given[name], **beside})
        self.inside.pop()
        return node

    def _union(self, branches: Sequence[object], beside: Schema) -> Schema:
        members: list[Schema] = []
        for branch in map(self.node, branches):
            if AS_JSON in branch or not nodes.without(branch, *nodes.DESCRIBES):
                return self._any(beside)
            for each in branch["anyOf"] if set(branch) == {"anyOf"} else [branch]:
                if each not in members:
                    members.append(each)
        only = members[0]
        if len(members) == 1 and ("$ref" not in only or not beside):
            return self._told({"description": only.get("description"), **beside}, only)
        return self._told(beside, {"anyOf": members})

    def _enum(self, schema: Schema) -> Schema:
        """Values, by their type. Google takes strings alone, unless it holds the model to the
        schema.
        """
        kinds: dict[str, list[Any]] = {}
        for value in schema["enum"]:
            kinds.setdefault(nodes.kind_of(value), []).append(value)
        members = [self._values(kind, values) for kind, values in kinds.items()]
        beside = nodes.without(schema, "enum", "type")
        if len(members) == 1:
            note = members[0].pop("description", None)
            return self._told(beside, members[0], [note] if note else [])
        return self._told(beside, {"anyOf": members})

    def _values(self, kind: str, values: list[Any]) -> Schema:
        if kind == "null":
            return {"type": "null"}
        if kind in {"array", "object"}:
            return {"description": f"one of: {nodes.cut(', '.join(map(nodes.shown, values)))}"}
        characters = sum(len(each) for each in values if isinstance(each, str))
        too_many = len(values) > _MOST_VALUES or (
            len(values) > _MOST_LONG_VALUES and characters > _MOST_CHARACTERS
        )
        if (self.dialect.strict or kind == "string") and not too_many:
            return {"type": kind, "enum": values}
        if kind == "boolean" and len(set(values)) == 2:
            return {"type": kind}
        return {
            "type": kind,
            "description": f"one of: {nodes.cut(', '.join(map(nodes.shown, values)))}",
        }

    def _of_type(self, kind: str, schema: Schema) -> Schema:
        if kind == "object":
            return self._mapping(schema) if nodes.is_free(schema) else self._fields(schema)
        node: Schema = {"type": kind}
        notes: list[str] = []
        if kind == "array":
            node["items"], notes = self._items(schema)
        if kind == "integer":
            schema = nodes.with_inclusive_bounds(schema)
        kept = {key for key in schema if self._may_stand(key, schema[key], kind)}
        node.update({key: schema[key] for key in schema if key in kept})
        return self._told(nodes.without(schema, *kept, "items", "prefixItems"), node, notes)

    def _may_stand(self, key: str, value: object, kind: str) -> bool:
        match kind, key:
            case "string", "format":
                return value in FORMATS
            case "string", "pattern":
                is_plain = isinstance(value, str) and not _NO_PATTERN.search(value)
                return is_plain and not self.dialect.lean
            case "string", "minLength" | "maxLength":
                return not self.dialect.strict and not self.dialect.lean
            case (("integer" | "number"), ("minimum" | "maximum")):
                return not self.dialect.lean
            case "array", ("minItems" | "maxItems"):
                return not self.dialect.lean
            case _:
                return False

    def _items(self, schema: Schema) -> tuple[Schema, list[str]]:
        """What an array holds, and what has to be said of it. A tuple is an array of any of its
        types: no other form of it is taken by all.
        """
        first: list[Any] = schema.get("prefixItems") or []
        rest = schema.get("items", True)
        if not first:
            return self.node(rest), []
        closed = schema.get("maxItems") == len(first)
        branches = first if closed or rest is False else [*first, rest]
        order: list[str] = []
        for each in first:
            kind = nodes.in_words(self.node(each))
            title = nodes.as_schema(each).get("title")
            order.append(f"{title} ({kind})" if title else kind)
        node = self._union([nodes.without_default(each) for each in branches], {})
        return node, [f"items in order: {', '.join(order)}"]

    def _fields(self, schema: Schema) -> Schema:
        """An object with named fields."""
        given: Mapping[str, Any] = schema.get("properties", {})
        required = [name for name in schema.get("required", ()) if name in given]
        strict, lean = self.dialect.strict, self.dialect.lean
        names = nodes.safe_names(given)
        properties: Schema = {}
        for name, field in given.items():
            is_renamed = names[name] != name
            note = f"named {nodes.cut(name)}"
            node = self.node(nodes.described(field, note) if is_renamed else field)
            if strict and not lean and name not in required:
                node = nodes.nullable(node)
            properties[names[name]] = node
        shown = [names[name] for name in given if name in required or (strict and not lean)]
        node = nodes.closed_object(properties, shown)
        if not strict:
            rest: Any = schema.get("additionalProperties")
            is_bare = rest is None or isinstance(rest, bool)
            node["additionalProperties"] = rest if is_bare else self.node(rest)
            node = {key: each for key, each in node.items() if each not in (None, [])}
        if changed := {new: old for old, new in names.items() if new != old}:
            node[NAMES] = changed
        return self._told(
            nodes.without(schema, "properties", "required", "additionalProperties"), node
        )

    def _mapping(self, schema: Schema) -> Schema:
        """An object with free keys. Strict mode has none: there it is a list of its entries."""
        patterns: Mapping[str, Any] = schema.get("patternProperties", {})
        rest = schema.get("additionalProperties", not patterns)
        values = [*patterns.values(), *([rest] if rest is not False else [])]
        value = self._union(values, {}) if values else self._any({})
        notes = [f"keys match {nodes.cut(' or '.join(patterns))}"] if patterns else []
        beside = nodes.without(schema, "patternProperties", "additionalProperties", "properties")
        beside = nodes.without(beside, "required")
        if not self.dialect.strict:
            node: Schema = {"type": "object", "additionalProperties": value or True}
            return self._told(beside, node, notes)
        key = self.node({"type": "string", **beside.pop("propertyNames", {})})
        entry = nodes.closed_object({"key": key, "value": value}, ["key", "value"])
        node = {"type": "array", "items": entry, ENTRIES: True}
        return self._told(beside, node, ["an object, as a list of its keys and values", *notes])

    def _any(self, schema: Mapping[str, Any]) -> Schema:
        """Any value at all. Strict mode wants a type: there it is JSON, as text in a string."""
        if not self.dialect.strict:
            return self._told(schema, {})
        note = "any JSON value, written as JSON text in this string"
        return self._told(schema, {"type": "string", AS_JSON: True}, [note])

    def _told(self, beside: Mapping[str, Any], node: Schema, notes: Sequence[str] = ()) -> Schema:
        """The node with its description, in which everything is said that may not stand in it."""
        notes = [*notes, *(f"{key}: {nodes.shown(beside[key])}" for key in _TOLD if key in beside)]
        if "default" in beside:
            if not self.dialect.strict:
                node = {**node, "default": beside["default"]}
            elif beside["default"] is not None:
                notes.append(f"default: {nodes.as_json(beside['default'])}")
        node = nodes.without(node, "description")
        if isinstance(description := beside.get("description"), str) and description:
            node["description"] = description
        if notes:
            nodes.add_note(node, "; ".join(notes))
        return node


def _used(node: Schema, defs: Mapping[str, Schema]) -> list[str]:
    reachable = nodes.reachable(node, defs)
    return [name for name in defs if name in reachable]
