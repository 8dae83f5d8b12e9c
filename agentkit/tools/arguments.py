"""The arguments of a tool call: JSON text that a model wrote, which may be anything at all, →
checked Python values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

import jiter

from agentkit.errors import AgentkitError
from agentkit.tools.text import join_escaped_surrogates, join_surrogates
from agentkit.values import File, Image
from agentkit.wire.json import mended

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
"""Levels of lists and objects in arguments."""
_CONTAINERS: tuple[type, ...] = (dict, list)
SHOWN = 8
"""How many problems the model is told of at once."""
_WHAT_TO_DO = (
    "Call the tool again with one JSON object that has these names. Leave out what is optional "
    "and not needed."
)


class BadArguments(AgentkitError):
    """The model called a tool with arguments that do not fit. The message is written for the
    model.
    """

    def __init__(self, problems: Sequence[str], accepted: str = "") -> None:
        self.problems = tuple(problems)
        """One for each field, at most eight."""
        lines = ["The arguments do not fit:", *(f"- {problem}" for problem in self.problems)]
        if accepted:
            lines += [f"Accepted: {accepted}", _WHAT_TO_DO]
        super().__init__("\n".join(lines))


def no_image(handle: str) -> Image:
    """The look-up where there are no pictures."""
    raise LookupError(f"there is no picture {handle!r}: this conversation has none")


def no_file(handle: str) -> File:
    """The look-up where there are no files."""
    raise LookupError(f"there is no file {handle!r}: this conversation has none")


def parse_arguments(text: str) -> dict[str, Any]:
    """The JSON object that a model wrote as the arguments of a call.

    Nothing, or `null`, is no arguments; an object inside a JSON string is taken out, once. What is
    surely meant is read: control characters in strings, a comma before a closing bracket, a fence
    or the tokens of a template around it. Lone surrogates become U+FFFD. Raises
    `BadArguments` for text that is no JSON object, has a key twice, `NaN` or an infinity, more than
    1,000,000 bytes or more than 64 levels.
    """
    value = _parse(text)
    if isinstance(value, str):
        value = _parse(value)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadArguments([f"they must be a JSON object, not {shown_value(value)}"])
    return cast("dict[str, Any]", value)


class Marked(Protocol):
    """What a tool accepts, as far as it has to be known to read arguments."""

    @property
    def marked(self) -> Mapping[str, Any] | None:
        """What is needed to change arguments back; None where they come as they are wanted."""
        ...


def parsed_for(parameters: Marked, text: str) -> dict[str, Any]:
    """The arguments that a model wrote for these parameters, under the names that the function has
    for them. Raises `BadArguments`.
    """
    values = parse_arguments(text)
    if parameters.marked is None:
        return values
    from agentkit.tools.restore import restored

    return restored(values, parameters.marked)


def summary(schema: Mapping[str, Any]) -> str:
    """A schema's parameters in one short line: `city (string), days (integer, optional)`."""
    required = schema.get("required", ())
    named: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    parts = [
        f"{name} ({_kind(part)}{'' if name in required else ', optional'})"
        for name, part in named.items()
    ]
    line = ", ".join(parts) or "no arguments: {}"
    return line if len(line) <= 600 else f"{line[:600]}…"


def _kind(schema: Mapping[str, Any]) -> str:
    from pydantic_core import to_json

    if "enum" in schema:
        values = [to_json(each, inf_nan_mode="strings") for each in schema["enum"][:12]]
        return " | ".join([str(value, "utf-8") for value in values])
    if "const" in schema:
        return str(to_json(schema["const"], inf_nan_mode="strings"), "utf-8")
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " | ".join(_kind(each) for each in schema[union])
    kind = schema.get("type")
    if kind == "array":
        return f"array of {_kind(schema['items'])}" if schema.get("items") else "array"
    if kind:
        return str(kind)
    return "object" if "$ref" in schema else "any"


def _parse(text: str) -> object:
    data = b""
    is_too_long = len(text) > MAX_BYTES
    if not is_too_long:
        if "\\u" in text or not text.isascii():
            text = join_escaped_surrogates(text)
        data = text.strip().removeprefix("\ufeff").encode()
        is_too_long = len(data) > MAX_BYTES
    if is_too_long:
        raise BadArguments([f"they have more than {MAX_BYTES:,} bytes"])
    if not data:
        return None
    try:
        value = _read(data)
    except ValueError as error:
        why = f"no valid JSON: {join_surrogates(str(error))[:200]}"
        if "recursion limit" in str(error):
            why = f"nested deeper than {MAX_DEPTH} levels"
        raise BadArguments([f"they are {why}"]) from None
    _look_through(value)
    return value


def _read(data: bytes) -> object:
    try:
        return jiter.from_json(data, catch_duplicate_keys=True, allow_inf_nan=False)
    except ValueError:
        if (text := mended(data.decode()).encode()) == data:
            raise
    return jiter.from_json(text, catch_duplicate_keys=True, allow_inf_nan=False)


def _look_through(value: object) -> None:
    """Refuse what nests too deep, and numbers such as 1e999, which are infinite once read."""
    level: Sequence[object] = (value,)
    for _ in range(MAX_DEPTH + 1):
        containers: list[object] = []
        for each in level:
            if isinstance(each, _CONTAINERS):
                containers.append(each)
            elif isinstance(each, float) and not math.isfinite(each):
                raise BadArguments(["they hold a number that is too large"])
        if not containers:
            return
        level = [inner for each in containers for inner in _inside(each)]
    raise BadArguments([f"they are nested deeper than {MAX_DEPTH} levels"])


def _inside(container: object) -> Iterable[object]:
    if isinstance(container, dict):
        return cast("dict[str, object]", container).values()
    return cast("list[object]", container)


def shown_value(value: object) -> str:
    """A value as a message shows it: as JSON, cut where it is long."""
    from pydantic_core import to_json

    data = to_json(value, inf_nan_mode="strings", serialize_unknown=True)
    text = join_surrogates(data.decode())
    return text if len(text) <= 80 else f"{text[:80]}…"
