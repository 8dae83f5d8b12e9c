"""The form of an answer that a tool asks a person for: a flat JSON Schema, as MCP has it. What a
person gives is checked against it; a value is never told in an error, since it may be a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from typing_extensions import TypeIs

MOST_FIELDS = 50
MOST_BYTES = 20_000
"""Bytes of the JSON of a form."""
MOST_TEXT = 100_000
"""Characters of one text in an answer."""

Kind = Literal["string", "number", "integer", "boolean", "several"]
_KINDS: tuple[Kind, ...] = ("string", "number", "integer", "boolean")
_YES, _NO = {"y", "yes", "true", "1", "on"}, {"n", "no", "false", "0", "off"}
_WORDS: Mapping[Kind, str] = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "True or False",
    "several": "a list",
}


class NoForm(ValueError):
    """A schema is no form that a person can fill in."""


class Misfit(ValueError):
    """An answer does not fit its form."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked."""

    name: str
    kind: Kind
    schema: Mapping[str, Any]
    is_required: bool
    choices: tuple[str | int | float, ...] = ()
    """The values that are accepted; none: any of the kind."""
    titles: tuple[str, ...] = ()
    """What a person reads for each choice."""

    @property
    def title(self) -> str:
        """What a person reads for it."""
        title = self.schema.get("title")
        return title if isinstance(title, str) and title.strip() else self.name

    @property
    def description(self) -> str:
        words = self.schema.get("description")
        return words if isinstance(words, str) else ""

    @property
    def default(self) -> object:
        """What is meant where nothing is given; None where there is no default."""
        return self.schema.get("default")

    def accepted(self) -> str:
        """What it accepts, in words."""
        if self.choices:
            many = "a list of " if self.kind == "several" else "one of "
            return many + ", ".join(str(each) for each in self.choices)[:500]
        return _WORDS[self.kind] + self._bounds()

    def _bounds(self) -> str:
        low, high = ("minLength", "maxLength") if self.kind == "string" else ("minimum", "maximum")
        least, most = self.schema.get(low), self.schema.get(high)
        unit = " characters" if self.kind == "string" else ""
        told = [f"at least {least}{unit}"] if _is_number(least) else []
        told += [f"at most {most}{unit}"] if _is_number(most) else []
        return f", {' and '.join(told)}" if told else ""

    def read(self, text: str) -> object:
        """The value that a person typed. Raises `Misfit`."""
        words = text.strip()
        value: object = words
        if self.kind == "boolean":
            low = words.lower()
            value = True if low in _YES else False if low in _NO else words
        elif self.kind in {"integer", "number"}:
            value = _number(words)
        elif self.kind == "several":
            value = [self._choice(each.strip()) for each in words.split(",") if each.strip()]
        if self.choices and self.kind != "several":
            value = self._choice(words)
        return self.check(value)

    def _choice(self, words: str) -> object:
        """The choice that these words name: by its value, its title, or its number from 1."""
        for each, title in zip(self.choices, self.titles, strict=True):
            if words in {str(each), title}:
                return each
        if words.isdecimal() and 0 < int(words[:6]) <= len(self.choices):
            return self.choices[int(words[:6]) - 1]
        return words

    def check(self, value: object) -> object:
        """The value, as the kind wants it. Raises `Misfit`."""
        if not self._fits(value):
            raise Misfit(f"{self.name}: accepted is {self.accepted()}")
        return int(value) if self.kind == "integer" and isinstance(value, float) else value

    def _fits(self, value: object) -> bool:
        match self.kind:
            case "boolean":
                return isinstance(value, bool)
            case "integer" | "number":
                whole = self.kind == "integer"
                return _is_number(value) and not (whole and value % 1) and self._is_within(value)
            case "string":
                return isinstance(value, str) and self._is_text(value)
            case "several":
                return isinstance(value, list) and self._are_choices(cast("list[object]", value))

    def _is_within(self, value: float) -> bool:
        low, high = self.schema.get("minimum"), self.schema.get("maximum")
        if self.choices and value not in self.choices:
            return False
        return not (_is_number(low) and value < low) and not (_is_number(high) and value > high)

    def _is_text(self, value: str) -> bool:
        if self.choices:
            return value in self.choices
        least, most = self.schema.get("minLength"), self.schema.get("maxLength")
        if len(value) > MOST_TEXT or (self.is_required and not value):
            return False
        return not (_is_number(least) and len(value) < least) and not (
            _is_number(most) and len(value) > most
        )

    def _are_choices(self, value: list[object]) -> bool:
        least, most = self.schema.get("minItems"), self.schema.get("maxItems")
        if len(value) > len(self.choices) or any(each not in self.choices for each in value):
            return False
        return not (_is_number(least) and len(value) < least) and not (
            _is_number(most) and len(value) > most
        )


def fields_of(schema: object) -> tuple[Field, ...]:
    """The fields of a form, in order. Raises `NoForm` that says what is accepted."""
    if not isinstance(schema, Mapping):
        raise NoForm("accepted is the JSON Schema of an object")
    form = cast("Mapping[str, Any]", schema)
    properties = form.get("properties", {})
    if form.get("type", "object") != "object" or not isinstance(properties, Mapping):
        raise NoForm("accepted is the JSON Schema of an object")
    try:
        size = len(json.dumps(form, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise NoForm("accepted are JSON values") from None
    if size > MOST_BYTES or len(cast("Mapping[str, Any]", properties)) > MOST_FIELDS:
        raise NoForm(f"accepted are {MOST_FIELDS} properties and {MOST_BYTES:,} bytes at most")
    required = form.get("required", [])
    names = cast("list[object]", required) if isinstance(required, list) else []
    return tuple(
        _field(name, each, is_required=name in names)
        for name, each in cast("Mapping[str, Any]", properties).items()
    )


def _field(name: str, schema: object, *, is_required: bool) -> Field:
    if isinstance(schema, Mapping):
        given = _without_null(cast("Mapping[str, Any]", schema))
        if given.get("type") == "array":
            items = given.get("items")
            choices, titles = _choices(items)
            if choices:
                return Field(name, "several", given, is_required, choices, titles)
        choices, titles = _choices(given)
        kind: Kind | None = next((each for each in _KINDS if each == given.get("type")), None)
        if kind is None and choices:
            kind = "string" if all(isinstance(each, str) for each in choices) else "number"
        if kind is not None:
            return Field(name, kind, given, is_required, choices, titles)
    raise NoForm(
        f"its property {name!r:.80} is nothing that a person fills in: accepted are texts, "
        "numbers, True or False, and choices"
    )


def _without_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of what is given, where nothing may be given too: pydantic writes so of
    `int | None`.
    """
    kinds = schema.get("type")
    if isinstance(kinds, list):
        named = [each for each in cast("list[object]", kinds) if each != "null"]
        return {**schema, "type": named[0]} if len(named) == 1 else schema
    either = schema.get("anyOf")
    if not isinstance(either, list) or "type" in schema:
        return schema
    others = [
        cast("Mapping[str, Any]", each)
        for each in cast("list[object]", either)
        if isinstance(each, Mapping) and cast("Mapping[str, Any]", each).get("type") != "null"
    ]
    if len(others) != 1 or len(cast("list[object]", either)) == 1:
        return schema
    return {**{name: each for name, each in schema.items() if name != "anyOf"}, **others[0]}


def _choices(given: object) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """The values that a schema names, and what a person reads for each."""
    if not isinstance(given, Mapping):
        return (), ()
    schema = cast("Mapping[str, Any]", given)
    named = schema.get("enum")
    if isinstance(named, list):
        values = [each for each in cast("list[object]", named) if _is_choice(each)]
        titles = schema.get("enumNames")
        told = cast("Sequence[object]", titles) if isinstance(titles, list) else ()
        shown = told if len(told) == len(values) else values
        return tuple(values), tuple(map(str, shown))
    for word in ("oneOf", "anyOf"):
        either = schema.get(word)
        if isinstance(either, list):
            return _named(cast("list[object]", either))
    if _is_choice(schema.get("const")):
        return (schema["const"],), (str(schema["const"]),)
    return (), ()


def _named(either: list[object]) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """Choices of which each has a title of its own."""
    listed = [cast("Mapping[str, Any]", each) for each in either if isinstance(each, Mapping)]
    found = [each for each in listed if _is_choice(each.get("const"))]
    return (
        tuple(each["const"] for each in found),
        tuple(str(each.get("title") or each["const"]) for each in found),
    )


def _is_choice(value: object) -> bool:
    return isinstance(value, str) or _is_number(value)


def checked_answer(schema: object, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The answer, with defaults for what was left out. Raises `Misfit` that names what is wrong."""
    fields = fields_of(schema)
    known = {each.name for each in fields}
    if unknown := [name for name in answer if name not in known]:
        accepted = ", ".join(known) or "nothing"
        raise Misfit(f"{str(unknown[0])[:80]}: there is no such field; there is: {accepted}")
    found: dict[str, Any] = {}
    for each in fields:
        value = answer.get(each.name)
        if value is None:
            value = each.default
        if value is not None:
            found[each.name] = each.check(value)
        elif each.is_required:
            raise Misfit(f"{each.name}: it is missing; accepted is {each.accepted()}")
    return found


def _is_number(value: object) -> TypeIs[float]:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and isfinite(value))


def _number(words: str) -> object:
    """The number that was typed; the words where they are none."""
    if re.fullmatch(r"[+-]?\d{1,300}", words):
        return int(words)
    try:
        return float(words)
    except ValueError:
        return words
