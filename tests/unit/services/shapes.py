"""What OpenAI's own SDK declares of a body, as a judge that knows no mercy for fields it does not
know. pydantic would do, but it passes over unknown fields and never looks into an `Iterable`.
"""

from __future__ import annotations

import collections.abc
import types
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from typing_extensions import TypeAliasType, is_typeddict

_LISTS = (list, collections.abc.Iterable, collections.abc.Sequence)
_PLAIN: dict[object, tuple[type, ...]] = {
    str: (str,), int: (int,), float: (int, float), bool: (bool,), type(None): (type(None),)
}  # fmt: skip


def problems(value: Any, hint: Any, path: str = "") -> list[str]:
    """What is wrong with this value for one that is declared so; the words are OpenAI's."""
    hint = _bare(hint)
    origin = get_origin(hint)
    if hint in (Any, object):
        return []
    if origin in (Union, types.UnionType):
        return _best(value, get_args(hint), path)
    if origin is Literal:
        return [] if value in get_args(hint) else [f"Invalid value: {value!r} at '{path}'"]
    if is_typeddict(hint):
        return _members(value, hint, path)
    if origin in _LISTS or getattr(origin, "__name__", "") == "SequenceNotStr":
        if not isinstance(value, list):
            return [f"Invalid type for '{path}': expected an array"]
        each = get_args(hint)[0]
        return [found for at, one in enumerate(value) for found in problems(one, each, f"{path}[{at}]")]  # fmt: skip
    if origin in (dict, collections.abc.Mapping):
        if not isinstance(value, dict):
            return [f"Invalid type for '{path}': expected an object"]
        return [found for name, one in value.items() for found in problems(one, get_args(hint)[1], f"{path}.{name}")]  # fmt: skip
    kinds = _PLAIN.get(hint)
    assert kinds is not None, f"the judge does not know {hint!r} at {path}"
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        return [f"Invalid type for '{path}': {value!r:.60}"]
    return []


def _bare(hint: Any) -> Any:
    """The hint without what only says whether a field has to be there."""
    while get_origin(hint) in (Required, NotRequired, Annotated) or isinstance(hint, TypeAliasType):
        hint = hint.__value__ if isinstance(hint, TypeAliasType) else get_args(hint)[0]
    return hint


def _best(value: Any, members: tuple[Any, ...], path: str) -> list[str]:
    """The fewest problems that a member of a union has; one of the same `type` or role counts."""
    found = [(each, problems(value, each, path)) for each in members]
    if any(not wrong for _, wrong in found):
        return []
    if isinstance(value, dict):
        meant = [wrong for each, wrong in found if _is_kind(value, _bare(each))]
        if meant:
            return min(meant, key=len)
    return min((wrong for _, wrong in found), key=len)


def _is_kind(value: dict[str, Any], hint: Any) -> bool:
    if not is_typeddict(hint):
        return False
    named = {name: _bare(_hints(hint)[name]) for name in ("type", "role") if name in _hints(hint)}
    return bool(named) and all(
        value.get(name) in get_args(kind) for name, kind in named.items() if name in value
    )


def _members(value: Any, hint: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"Invalid type for '{path}': expected an object"]
    hints = _hints(hint)
    before = f"{path}." if path else ""
    found = [f"Unknown parameter: '{before}{name}'" for name in value if name not in hints]
    missing = hint.__required_keys__ - value.keys()
    found += [f"Missing required parameter: '{before}{name}'" for name in sorted(missing)]
    for name, one in value.items():
        if name in hints:
            found += problems(one, hints[name], f"{before}{name}")
    return found


@cache
def _hints(hint: Any) -> dict[str, Any]:
    return get_type_hints(hint, include_extras=True)
