"""JSON text against a JSON Schema, for `json_schema` of a script: the keywords in `_KEYWORDS`.
Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}
_NOTES = {"title", "description", "default", "examples", "$schema", "$id", "$comment", "format"}
"""Keywords that say nothing about a value."""
_FENCE = re.compile(r"\s*```(?:json)?[ \t]*\n(.*?)\n?```\s*", re.DOTALL)


def json_problem(schema: Mapping[str, Any], text: str) -> str:
    """Why the text is no JSON that fits the schema. Empty if it is. A code fence around it is
    taken off.
    """
    fenced = _FENCE.fullmatch(text)
    try:
        value: Any = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError) as error:
        return f"no JSON: {error}"
    return next(_problems(schema, value, "$"), "")


def check_schema(schema: object, at: str = "") -> None:
    """Raises `ValueError` for what is no schema, and for keywords that are not checked here."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise ValueError(f"{at or 'json_schema'}: accepted is a JSON Schema, which is a mapping")
    for key, value in cast("Mapping[str, Any]", schema).items():
        if key in _NOTES:
            continue
        if key not in _KEYWORDS:
            known = ", ".join(sorted(_KEYWORDS))
            raise ValueError(f"the keyword {at}{key} is not checked here; accepted are {known}")
        _check_keyword(key, value, f"{at}{key}")


def _check_keyword(key: str, value: Any, at: str) -> None:
    values = _list(value)
    match key:
        case "properties":
            _check(isinstance(value, Mapping), at, "a mapping of schemas")
            for name, inner in value.items():
                check_schema(inner, f"{at}.{name}.")
        case "items" | "not" | "additionalProperties":
            check_schema(value, f"{at}.")
        case "anyOf" | "oneOf" | "allOf":
            _check(bool(values), at, "a list of schemas")
            for inner in values:
                check_schema(inner, f"{at}.")
        case "type":
            is_known = all(isinstance(name, str) and name in _TYPES for name in values or [value])
            _check(is_known, at, f"one of {', '.join(_TYPES)}")
        case "required" | "enum":
            _check(isinstance(value, list), at, "a list")
        case "pattern":
            try:
                re.compile(value)
            except (re.error, TypeError):
                raise ValueError(f"{at}: accepted is a regular expression") from None
        case "const" | "uniqueItems":
            pass
        case _:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            _check(is_number, at, "a number")


def _list(value: object) -> list[Any]:
    """A list, or an empty one for what is none."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def _check(is_right: bool, at: str, accepted: str) -> None:
    if not is_right:
        raise ValueError(f"{at}: accepted is {accepted}")


def _problems(schema: Mapping[str, Any] | bool, value: Any, at: str) -> Iterator[str]:
    if isinstance(schema, bool):
        if not schema:
            yield f"{at}: nothing is accepted here"
        return
    for key, wanted in schema.items():
        if key in _KEYWORDS:
            yield from _KEYWORDS[key](wanted, value, at, schema)


Rule = Callable[[Any, Any, str, Mapping[str, Any]], Iterator[str]]


def _is_of(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _type(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
    names = cast("list[str]", wanted) if isinstance(wanted, list) else [str(wanted)]
    if not any(_is_of(value, name) for name in names):
        yield f"{at} is {_shown(value)}, which is no {' or '.join(names)}"


def _properties(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
    for name, inner in wanted.items() if isinstance(value, dict) else ():
        if name in value:
            yield from _problems(inner, value[name], f"{at}.{name}")


def _additional(wanted: Any, value: Any, at: str, schema: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(set(value) - set(schema.get("properties", {}))) if _is_object(value) else ():
        if wanted is False:
            yield f"{at}.{name} is not expected"
        else:
            yield from _problems(wanted, value[name], f"{at}.{name}")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _required(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
    for name in wanted if isinstance(value, dict) else ():
        if name not in value:
            yield f"{at}.{name} is missing"


def _items(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
    for index, inner in enumerate(cast("list[Any]", value) if isinstance(value, list) else ()):
        yield from _problems(wanted, inner, f"{at}[{index}]")


def _choice(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
    if not any(_equal(value, each) for each in wanted):
        yield f"{at} is {_shown(value)}, accepted is one of {_shown(wanted)}"


def _const(wanted: Any, value: Any, at: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield from _choice([wanted], value, at, schema)


def _equal(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _bound(sign: str, is_met: Callable[[float, float], bool]) -> Rule:
    def rule(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and not is_met(value, wanted):
            yield f"{at} is {value}, accepted is {sign} {wanted}"

    return rule


def _length(kind: type, what: str, is_met: Callable[[int, int], bool], least: str) -> Rule:
    def rule(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
        if isinstance(value, kind):
            count = len(cast("Sequence[Any]", value))
            if not is_met(count, wanted):
                yield f"{at} has {count} {what}, accepted is {least} {wanted}"

    return rule


def _pattern(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(value, str) and not re.search(wanted, value):
        yield f"{at} is {_shown(value)}, which does not match {wanted}"


def _any_of(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
    if all(next(_problems(each, value, at), "") for each in wanted):
        yield f"{at} is {_shown(value)}, which fits none of the {len(wanted)} schemas"


def _one_of(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
    fitting = sum(not next(_problems(each, value, at), "") for each in wanted)
    if fitting != 1:
        yield f"{at} is {_shown(value)}, which fits {fitting} of the {len(wanted)} schemas"


def _all_of(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
    for each in wanted:
        yield from _problems(each, value, at)


def _not(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
    if not next(_problems(wanted, value, at), ""):
        yield f"{at} is {_shown(value)}, which is what was not to come"


def _unique(wanted: Any, value: Any, at: str, _: Mapping[str, Any]) -> Iterator[str]:
    if wanted and isinstance(value, list):
        shown = [json.dumps(each, sort_keys=True) for each in cast("list[Any]", value)]
        if len(set(shown)) < len(shown):
            yield f"{at} holds an item twice"


_KEYWORDS: Mapping[str, Rule] = {
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "required": _required,
    "items": _items,
    "enum": _choice,
    "const": _const,
    "minimum": _bound("at least", lambda value, wanted: value >= wanted),
    "maximum": _bound("at most", lambda value, wanted: value <= wanted),
    "exclusiveMinimum": _bound("more than", lambda value, wanted: value > wanted),
    "exclusiveMaximum": _bound("less than", lambda value, wanted: value < wanted),
    "minLength": _length(str, "characters", lambda count, wanted: count >= wanted, "at least"),
    "maxLength": _length(str, "characters", lambda count, wanted: count <= wanted, "at most"),
    "minItems": _length(list, "items", lambda count, wanted: count >= wanted, "at least"),
    "maxItems": _length(list, "items", lambda count, wanted: count <= wanted, "at most"),
    "pattern": _pattern,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "allOf": _all_of,
    "not": _not,
    "uniqueItems": _unique,
}


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"
