"""The checks of arguments that all of agentkit shares: what is wrong is said at once, and by name.

Each raises `UsageError` in one form: `Owner(argument=value): accepted is …`. `where` names the
owner and the argument, with the value in place of `{!r}`: `"Agent(model={!r})"`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

from agentkit.errors import UsageError

T = TypeVar("T")
_LONGEST = 200


def refused(where: str, value: object, accepted: str) -> UsageError:
    """The error for a value that is not accepted; a long value is cut."""
    shown = repr(value)[:_LONGEST]
    return UsageError(f"{where.replace('{!r}', shown, 1)}: accepted {accepted}")


def check_kind(where: str, value: object, kind: type[T], accepted: str) -> T:
    """The value, if it is an instance of `kind`."""
    if not isinstance(value, kind):
        raise refused(where, value, f"is {accepted}")
    return value


def check_optional(where: str, value: object, kind: type[T], accepted: str) -> T | None:
    """The value, if it is an instance of `kind` or None."""
    return None if value is None else check_kind(where, value, kind, accepted)


def check_choice(where: str, value: object, choices: Sequence[T]) -> T:
    """The value, if it is one of the choices."""
    for choice in choices:
        if value == choice:
            return choice
    raise refused(where, value, f"are {' and '.join(map(repr, choices))}")


def check_model(where: str, model: object) -> str:
    """An OpenRouter slug."""
    if not isinstance(model, str) or not model.strip() or any(map(str.isspace, model)):
        raise refused(where, model, "is an OpenRouter slug such as 'openai/gpt-5.2'")
    return model


def check_mapping(where: str, value: object, accepted: str) -> Mapping[str, object]:
    """The mapping, or an empty one for None."""
    if value is not None and not isinstance(value, Mapping):
        raise refused(where, value, f"is {accepted}")
    return cast("Mapping[str, object]", value or {})
