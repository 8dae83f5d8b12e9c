"""Defaults that cannot be meant: `days: int = "no"`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from agentkit.errors import ToolDefinitionError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_PLAIN = (str, bool, int, float, list, tuple, dict)
_OF_ANOTHER_TYPE = ("_type", "_parsing", "int_from_float")
"""How pydantic's names for errors of type end. A number beyond a bound may be a mark for "none
given", so it passes.
"""


def check_defaults(owner: str, model: type[BaseModel], given: Sequence[inspect.Parameter]) -> None:
    """Raises `ToolDefinitionError` for a default that is surely of another type than its parameter.

    Only plain values are looked at: None, an infinity, or an object of the function's own marks
    that nothing was given.
    """
    aliases = [str(field.alias) for field in model.model_fields.values()]
    plain = {
        alias: each for alias, each in zip(aliases, given, strict=True) if _is_plain(each.default)
    }
    for alias, parameter in plain.items():
        for error in _errors(model, alias, parameter.default):
            raise ToolDefinitionError(
                f"{owner}: the default {parameter.default!r:.100} of its parameter "
                f"{parameter.name!r} is of another type: "
                f"{error['msg'][:1].lower()}{error['msg'][1:200]}"
            )


def _is_plain(default: object) -> bool:
    return type(default) in _PLAIN and not (isinstance(default, float) and not isfinite(default))


def _errors(model: type[BaseModel], alias: str, default: Any) -> list[ErrorDetails]:
    """What is wrong with this default, where each of its errors (a union has several) is one of
    type.
    """
    try:
        model.model_validate({alias: default})
    except ValidationError as error:
        own = [each for each in error.errors(include_url=False) if each["loc"][:1] == (alias,)]
        return own if all(each["type"].endswith(_OF_ANOTHER_TYPE) for each in own) else []
    except Exception:  # noqa: BLE001 - a validator of the user's types may raise anything, which tells nothing of a type
        return []
    return []
