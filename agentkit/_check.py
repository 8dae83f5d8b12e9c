"""The checks of arguments that all of agentkit shares: what is wrong is said at once, and by name.

Each raises `UsageError` in one form: `Owner(argument=value): accepted is …`. `where` names the
owner and the argument, with the value in place of `{!r}`: `"Agent(model={!r})"`. Where it has no
`{!r}`, the value is not shown: a key, say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, TypeVar, cast

from agentkit.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import TypeIs

T = TypeVar("T")
LONGEST_SESSION = 256
"""Characters of a session id."""
_LONGEST = 200
"""Characters of a value that a message shows."""


def argument(owner: str, name: str) -> str:
    """The `where` of one argument: `argument("Limits", "turns")` is `"Limits(turns={!r})"`."""
    return f"{owner}({name}={{!r}})"


def refused(where: str, value: object, accepted: str) -> UsageError:
    """The error for a value that is not accepted; a long value is cut."""
    try:
        shown = repr(value)[:_LONGEST]
    except Exception:  # noqa: BLE001 - endless nesting, or a `__repr__` of the user's that is broken
        shown = f"<{type(value).__name__}>"
    return UsageError(f"{where.replace('{!r}', shown, 1)}: accepted {accepted}")


def check_kind(where: str, value: object, kind: type[T], accepted: str) -> T:
    """The value, if it is an instance of `kind`."""
    if not isinstance(value, kind):
        raise refused(where, value, f"is {accepted}")
    return value


def check_or_default(where: str, value: object, kind: type[T]) -> T:
    """The value, if it is an instance of `kind`; for None, what `kind()` gives."""
    return kind() if value is None else check_kind(where, value, kind, f"{kind.__name__}(…)")


def check_optional(where: str, value: object, kind: type[T], accepted: str) -> T | None:
    """The value, if it is an instance of `kind` or None."""
    return None if value is None else check_kind(where, value, kind, accepted)


def check_several(where: str, values: object, accepted: str) -> list[object]:
    """What is in these values; a text is none: its letters would be."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise refused(where, values, f"is {accepted}")
    return [*cast("Iterable[object]", values)]


def check_choice(where: str, value: object, choices: Sequence[T]) -> T:
    """The value, if it is one of the choices."""
    for choice in choices:
        if value == choice:
            return choice
    raise refused(where, value, f"are {' and '.join(map(repr, choices))}")


def check_word(where: str, value: object, words: Collection[str]) -> str:
    """The value, if it is one of these words: `low`, `medium`, `high`."""
    if not isinstance(value, str) or value not in words:
        raise refused(where, value, f"is one of {', '.join(words)}")
    return value


def check_text(where: str, value: object) -> str:
    """The value, if it is a string with more than white space in it."""
    if not isinstance(value, str) or not value.strip():
        raise refused(where, value, "is text that is not empty")
    return value


def check_pattern(where: str, value: object, pattern: re.Pattern[str], accepted: str) -> str:
    """The value, if it is a string that the pattern matches as a whole."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise refused(where, value, f"is {accepted}")
    return value


def check_number(
    where: str,
    value: object,
    *,
    whole: bool = False,
    least: float = -inf,
    most: float = inf,
    above: float = -inf,
    unit: str = "",
    also: str = "",
) -> None:
    """Refuse what is no finite number, or lies outside the bounds. `least` and `most` are accepted
    themselves, `above` is not. True and False are no numbers.

    `unit` (such as `USD`) and `also` (such as `, or None`) only complete the message.
    """
    if _is_finite(value, whole=whole) and least <= value <= most and value > above:
        return
    noun = "a whole number" if whole else "a number" if most < inf else "a finite number"
    accepted = f"is {noun}{f' of {unit}' if unit else ''}{_bounds(least, most, above)}{also}"
    raise refused(where, value, accepted)


def _is_finite(value: object, *, whole: bool) -> TypeIs[float]:
    if isinstance(value, bool):
        return False
    # `isfinite` would raise OverflowError for a huge integer.
    return isinstance(value, int) or (not whole and isinstance(value, float) and isfinite(value))


def _bounds(least: float, most: float, above: float) -> str:
    if most < inf:
        return f" from {least} to {most}"
    if above > -inf:
        return f" above {above}"
    return f" of at least {least}" if least > -inf else ""


def check_json(where: str, value: object) -> dict[str, Any]:
    """A deep copy of a mapping. Refuses what JSON cannot hold: a set, NaN, endless nesting."""
    mapping = cast("Mapping[str, Any]", check_kind(where, value, Mapping, "a mapping"))
    return check_json_value(where, dict(mapping))


def check_json_value(where: str, value: object) -> Any:
    """A deep copy of a value of any type that JSON has. Refuses what it cannot hold."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise refused(where, value, f"are JSON values ({error})") from None


def check_model(where: str, model: object) -> str:
    """An OpenRouter slug."""
    if not isinstance(model, str) or not model.strip() or any(map(str.isspace, model)):
        raise refused(where, model, "is an OpenRouter slug such as 'openai/gpt-5.2'")
    return model


def check_session(where: str, value: object, also: str = "") -> str:
    """A session id, as long as OpenRouter takes one."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_SESSION:
        raise refused(where, value, f"is a string of 1 to {LONGEST_SESSION} characters{also}")
    return value


def check_mapping(where: str, value: object, accepted: str) -> Mapping[str, object]:
    """The mapping, or an empty one for None."""
    if value is not None and not isinstance(value, Mapping):
        raise refused(where, value, f"is {accepted}")
    return cast("Mapping[str, object]", value or {})
