"""Values that nearly fit a type: what models write for "nothing given", and lists inside strings.

Each repair is made only where pydantic refused the value, at the place that it names. So a value
that fits is never changed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import ValidationError

from agentkit.tools.restore import restored_at
from agentkit.wire.json import UnreadableJson, escape_controls, exceeds_depth, read

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T")
Path = tuple[str | int, ...]

MAX_DEPTH = 64
"""Levels of lists and objects in a value."""
_ROUNDS = 4
"""How often a value is repaired: a list inside a string may hold a null, for example."""
_WANTS_CONTAINER = frozenset(
    {
        "arguments_type",
        "counter_type",
        "dataclass_exact_type",
        "dataclass_type",
        "deque_type",
        "dict_type",
        "frozen_set_type",
        "iterable_type",
        "list_type",
        "mapping_type",
        "model_attributes_type",
        "model_type",
        "named_tuple_type",
        "ordered_dict_type",
        "sequence_str",
        "set_type",
        "tuple_type",
    }
)
"""Pydantic's names for the error "a list or an object is wanted here"."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that does not fit."""

    loc: Path
    """Where it stands. Steps that are no keys or indexes of the whole are passed over."""
    input: object
    wants_container: bool
    """Whether a list or an object may be wanted in its place."""
    is_of_another_type: bool = True
    """Whether no text like it can be what is wanted, as where a number or one of some words is."""


def validated(
    validate: Callable[[object], T],
    value: object,
    schema: Mapping[str, Any],
    marked: Mapping[str, Any] | None = None,
) -> T:
    """What `validate` makes of a JSON value, repaired where it does not fit. `schema` is pydantic's
    JSON Schema of the type, and `marked` that which the model was told, where it differs.

    - `null` for a field that may be left out, but may not be null, is the same as leaving it out;
      so is `""` or `"null"` where no such text fits.
    - A list or an object inside a string is taken out, once, where one is wanted.

    Raises `ValidationError` about the value as far as it could be repaired.
    """
    kept: set[Path] = set()
    for _ in range(_ROUNDS):
        try:
            return validate(value)
        except ValidationError as error:
            problems = [_problem(each) for each in error.errors(include_url=False)]
        mended = repaired(value, problems, schema, kept, marked)
        if mended is None:
            break
        value = mended
    return validate(value)


def _problem(details: ErrorDetails) -> Problem:
    kind = details["type"]
    return Problem(
        details["loc"], details["input"], kind in _WANTS_CONTAINER, kind.endswith(_OF_ANOTHER_TYPE)
    )


def repaired(
    value: object,
    problems: Sequence[Problem],
    schema: Mapping[str, Any],
    kept: set[Path],
    marked: Mapping[str, Any] | None,
) -> object | None:
    """The value with the problems mended that can be; None where none can. `kept` are the places
    that were mended before.
    """
    changed: object | None = None
    for problem in problems:
        place = _place(value, problem.loc)
        if place in kept:
            continue
        taken_out = _taken_out(problem.input) if problem.wants_container else None
        left_out = place and _is_nothing(problem) and _may_be_left_out(schema, place)
        if taken_out is None and not left_out:
            continue
        kept.add(place)
        if taken_out is not None and marked is not None:
            taken_out = restored_at(taken_out, place, marked)
        if not place:
            return taken_out
        changed = copy.deepcopy(value) if changed is None else changed
        parent = cast("dict[str | int, object]", _at(changed, place[:-1]))
        if taken_out is None:
            parent.pop(place[-1], None)
        else:
            parent[place[-1]] = taken_out
    return changed


def _place(value: object, loc: Path) -> Path:
    """The path of an error without the steps that are no keys or indexes, such as the name of a
    member of a union; empty for the whole.
    """
    path: list[str | int] = []
    for step in loc:
        if isinstance(value, dict) and step in value:
            value = cast("dict[str | int, object]", value)[step]
        elif isinstance(value, list) and isinstance(step, int):
            items = cast("list[object]", value)
            if not 0 <= step < len(items):
                continue
            value = items[step]
        else:
            continue
        path.append(step)
    return tuple(path)


def _at(value: object, path: Path) -> object:
    for step in path:
        value = cast("dict[str | int, object]", value)[step]
    return value


_OF_ANOTHER_TYPE = ("_type", "_parsing", "literal_error", "enum")
"""How pydantic's names for such errors end."""
_NOTHING = frozenset({"", "null", "none", "undefined"})


def _is_nothing(problem: Problem) -> bool:
    """Whether a value that does not fit says that there is none: null, or what models write for it
    where a number, a list or one of some words is wanted.
    """
    value = problem.input
    if not isinstance(value, str):
        return value is None
    return problem.is_of_another_type and value.strip().lower() in _NOTHING


def _taken_out(text: object) -> list[Any] | dict[str, Any] | None:
    """The list or the object that a string holds; None where it holds none."""
    if not isinstance(text, str) or text.lstrip()[:1] not in {"[", "{"}:
        return None
    try:
        value = read(escape_controls(text).encode("utf-8", "surrogatepass"))
    except UnreadableJson:
        return None
    if not isinstance(value, list | dict) or exceeds_depth(cast("object", value), MAX_DEPTH):
        return None
    return cast("list[Any] | dict[str, Any]", value)


def _may_be_left_out(schema: Mapping[str, Any], path: Path) -> bool:
    """Whether the value at this path is that of a named field which is not required."""
    nodes = list(_alternatives(schema, schema))
    for step in path[:-1]:
        nodes = [
            each
            for node in nodes
            if (inner := _step(node, step)) is not None
            for each in _alternatives(inner, schema)
        ]
    last = path[-1]
    return any(
        last in node.get("properties", ()) and last not in node.get("required", ())
        for node in nodes
    )


def _step(node: Mapping[str, Any], step: str | int) -> Mapping[str, Any] | None:
    """The schema of one key or index of a value."""
    if isinstance(step, str):
        found = node.get("properties", {}).get(step, node.get("additionalProperties"))
    else:
        first = cast("list[object]", node.get("prefixItems") or [])
        found = first[step] if step < len(first) else node.get("items")
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else None


def _alternatives(
    node: Mapping[str, Any], root: Mapping[str, Any], seen: frozenset[str] = frozenset()
) -> Iterator[Mapping[str, Any]]:
    """The schemas that a value may fit, references and unions resolved."""
    yield node
    name = str(node.get("$ref", "")).removeprefix("#/$defs/")
    if name in root.get("$defs", ()) and name not in seen:
        yield from _alternatives(root["$defs"][name], root, seen | {name})
    for union in ("anyOf", "oneOf", "allOf"):
        for each in node.get(union, ()):
            yield from _alternatives(each, root, seen)
