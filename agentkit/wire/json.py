"""JSON as the wire has it, made safe to hold: bytes → values, and back.

Providers split surrogate pairs across deltas and let half of one through; a fast parser refuses
such text, so there is a slower way behind it. What is left over of a pair becomes U+FFFD, never an
error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import isfinite
from typing import Any, cast

import jiter

from agentkit.wire.types import JsonObject

_LONE = re.compile("[\ud800-\udfff]")
_HIGH = re.compile("[\ud800-\udbff]\\Z")
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_ESCAPE_OR_CONTROL = re.compile(r"\\(.)|[\0-\x1f]", re.DOTALL)
_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_DEEPEST = 200
"""Levels of any JSON that is read at all: the fast parser's own limit."""
MAX_DEPTH = 64
"""Levels of what is kept in a run: a saved run has to be read again by a parser with a limit."""

MAX_VALUES = 500_000
"""Values of any JSON that is read at all: `{},` is three bytes, and a hundred as a value."""
_FEW = 1 << 20
_CONTAINERS: tuple[type, ...] = (dict, list)


class UnreadableJson(ValueError):
    """These bytes are no JSON."""


def read(data: bytes) -> Any:
    """The JSON value in these bytes. Raises `UnreadableJson`; numbers that JSON does not have
    (`NaN`) become None.
    """
    if len(data) > _FEW and sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise UnreadableJson(f"more than {MAX_VALUES} values")
    try:
        return jiter.from_json(data, allow_inf_nan=False)
    except ValueError:
        pass
    value: Any = None
    problem = ""
    try:
        value = json.loads(data, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        problem = str(error) or "too deep"
    # Not raised while the parser's own error is handled, which holds on to the whole text.
    if problem:
        raise UnreadableJson(problem)
    if exceeds_depth(value, _DEEPEST):
        raise UnreadableJson(f"more than {_DEEPEST} levels")
    return value


def exceeds_depth(value: object, most: int) -> bool:
    """Whether the value has more than so many levels of lists and objects."""
    level = [value]
    for _ in range(most + 1):
        level = [
            inner for each in level if isinstance(each, _CONTAINERS) for inner in _inside(each)
        ]
        if not level:
            return False
    return True


def _inside(container: object) -> list[object]:
    if isinstance(container, dict):
        return list(cast("dict[str, object]", container).values())
    return cast("list[object]", container)


def read_object(data: bytes) -> JsonObject:
    """As `read`, for a JSON object. Raises `UnreadableJson` for anything else."""
    value: object = None
    if len(data) <= _FEW:  # as each event of a stream, for which every step is felt
        try:
            value = jiter.from_json(data, allow_inf_nan=False)
        except ValueError:
            value = None
    if value is None:
        value = read(data)
    if not isinstance(value, dict):
        raise UnreadableJson(f"a JSON {type(value).__name__}, not an object")
    return cast("JsonObject", value)


def write(value: object) -> bytes:
    """Compact JSON in UTF-8; lone surrogates are mended, and numbers that JSON does not have become
    null.
    """
    try:
        text = _COMPACT.encode(value)
    except ValueError:
        text = json.dumps(_tame(value, _DEEPEST), separators=(",", ":"), ensure_ascii=False)
    return (text if text.isascii() else join_surrogates(text)).encode()


def keepable(value: JsonObject) -> dict[str, Any] | None:
    """The object as a run may hold and save it: surrogates mended, only numbers that JSON has; None
    where it is too deep.
    """
    return (
        None if exceeds_depth(value, MAX_DEPTH) else cast("dict[str, Any]", _tame(value, MAX_DEPTH))
    )


def _tame(value: object, levels: int) -> object:
    if isinstance(value, str):
        return join_surrogates(value)
    if isinstance(value, float) and not isfinite(value):
        return None
    if levels and isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {join_surrogates(name): _tame(each, levels - 1) for name, each in items}
    if levels and isinstance(value, list):
        return [_tame(each, levels - 1) for each in cast("list[object]", value)]
    return value


def escape_controls(text: str) -> str:
    """JSON text with the control characters inside its strings escaped, as JSON wants them. Many
    models write a line's end or a tab as it is.
    """
    return _STRING.sub(lambda found: _ESCAPE_OR_CONTROL.sub(_escaped, found[0]), text)


def _escaped(found: re.Match[str]) -> str:
    """An escape as it stands, unless a control character follows its backslash; a control character
    as its escape.
    """
    character = found[1] or found[0]
    return found[0] if character >= " " else json.dumps(character)[1:-1]


_FENCE = re.compile(r"```[a-zA-Z]{0,20}\s*")
_TEMPLATE = re.compile(r"(?:<\|\w{1,40}\|>|</\w{1,40}>)\Z")
_LONGEST_TOKEN = 50
_MOST_TOKENS = 4
_EMPTY_BEFORE = re.compile(r"\{\s*\}\s*(?=\{)")
_STRING_OR_COMMA = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|,(?=\s*[}\]])', re.DOTALL)


def mended(text: str) -> str:
    """JSON text of a model's without what surely does not belong to it: a fence around it, the
    template's tokens behind it (`<|call|>`, `</tool_call>`), an empty object before it, commas
    before a closing bracket, control characters in strings. Nothing that is cut off is completed.
    """
    text = text.strip()
    if (fence := _FENCE.match(text)) and text.endswith("```") and len(text) > fence.end():
        text = text[fence.end() : -3].rstrip()
    for _ in range(_MOST_TOKENS):
        token = _TEMPLATE.search(text, max(0, len(text) - _LONGEST_TOKEN))
        if token is None:
            break
        text = text[: token.start()].rstrip()
    if before := _EMPTY_BEFORE.match(text):
        text = text[before.end() :]
    return escape_controls(without_commas(text))


def without_commas(text: str) -> str:
    """JSON text without commas before a closing bracket, as many models write them."""
    return _STRING_OR_COMMA.sub(lambda found: "" if found[0] == "," else found[0], text)


def join_surrogates(text: str) -> str:
    """The text with surrogate pairs joined and halves replaced by U+FFFD."""
    if text.isascii() or not _LONE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class SurrogateJoiner:
    """Joins surrogate pairs that are split across deltas: `more` holds back half a pair until the
    other half comes.
    """

    held = ""
    """Half a pair, at the end of what has come."""

    def more(self, text: str) -> str:
        if text.isascii() and not self.held:
            return text
        text = self.held + text
        self.held = text[-1] if _HIGH.search(text) else ""
        return join_surrogates(text[: len(text) - len(self.held)])

    def rest(self) -> str:
        if not self.held:
            return ""
        held, self.held = self.held, ""
        return join_surrogates(held)


def as_text(value: object) -> str | None:
    """The value if it is a string with something in it."""
    if not isinstance(value, str) or not value:
        return None
    return value if value.isascii() else join_surrogates(value)


def as_count(value: object) -> int:
    """The value if it is a whole number that counts something, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def as_object(value: object) -> JsonObject:
    """The value if it is an object, else an empty one."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def as_objects(value: object) -> list[JsonObject]:
    """The objects in a list; anything else is passed over."""
    return (
        [cast("JsonObject", each) for each in cast("list[object]", value) if isinstance(each, dict)]
        if isinstance(value, list)
        else []
    )


def with_texts(value: object, change: Callable[[str], str]) -> object:
    """A JSON value with each text in it changed; keys stay as they are."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {key: with_texts(each, change) for key, each in fields.items()}
    if isinstance(value, list):
        return [with_texts(each, change) for each in cast("list[object]", value)]
    return value
