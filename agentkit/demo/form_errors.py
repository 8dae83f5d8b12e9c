"""What is wrong in a script, in the words of a YAML writer: pydantic's errors, retold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from agentkit.demo.document import Document, ScriptError
from agentkit.demo.form import BudgetShape, Expect, Form, ImageExpect, Turn

if TYPE_CHECKING:
    from agentkit.emulator.yaml_lines import FieldPath

_ACCEPTED: Mapping[str, str] = {
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def first_error(document: Document, error: ValidationError) -> ScriptError:
    """The error that stands first in the file; one about a missing field yields to one about what
    is there.
    """
    found = [(_place(detail), detail) for detail in error.errors(include_url=False)]
    path, detail = min(
        found, key=lambda each: (each[1]["type"] == "missing", document.lines.get(each[0], 0))
    )
    return document.error(path, _why(path, detail))


def _place(detail: ErrorDetails) -> FieldPath:
    """Where the error is: without the steps that pydantic adds for keys and members of a union."""
    unions = {"[key]", "str", "int", "float"}
    steps = detail["loc"]
    while steps and steps[-1] in unions:
        steps = steps[:-1]
    return tuple(step for step in steps if step != "[key]")


def _why(path: FieldPath, detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return "missing; it is required"
    if kind == "extra_forbidden":
        return f"unknown, accepted are: {', '.join(_fields_at(path[:-1]))}"
    given = f"given {shown(detail['input'])}, "
    if path[:1] == ("variables",) and len(path) > 1 and kind in _ACCEPTED:
        return f"{given}accepted is text or a number"
    match kind:
        case "literal_error":
            return f"{given}accepted is {str(context['expected']).replace(chr(39), '')}"
        case "greater_than" | "greater_than_equal" | "less_than_equal":
            return f"{given}accepted is {_range_of(path)}"
        case "too_short" | "too_long":
            return (
                f"given {context['actual_length']}, accepted are "
                f"{context.get('min_length', 0) or 'at most'} "
                f"{context.get('max_length') or 'or more'}"
            )
        case "value_error":
            return given + str(context["error"])
        case _:
            return given + (
                f"accepted is {_ACCEPTED[kind]}" if kind in _ACCEPTED else detail["msg"]
            )


_RANGES: Mapping[object, str] = {
    "wait": "seconds from 0 to 3600",
    "cost_below": "USD, more than 0",
    "cost_usd": "USD, more than 0",
    "budget": "USD, more than 0",
    "seconds_below": "seconds, more than 0",
    "min_width": "a whole number from 1 to 100000",
}


def _range_of(path: FieldPath) -> str:
    return _RANGES.get(path[-1] if path else "", "a whole number from 0 to 1000")


def _fields_at(path: FieldPath) -> Sequence[str]:
    kind: type[BaseModel] = Form
    if path[:1] == ("turns",):
        kind = Turn
        if "expect" in path:
            kind = ImageExpect if path[-1] == "image" else Expect
    elif path[:1] == ("budget",):
        kind = BudgetShape
    return tuple(kind.model_fields)


def shown(value: object) -> str:
    """A value as a YAML writer knows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
