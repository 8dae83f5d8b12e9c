"""Faults written in YAML or JSON, checked, with errors that name the line and what is accepted."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agentkit.emulator.faults.active_faults import Faults
from agentkit.emulator.faults.values import (
    Body,
    Endless,
    Fault,
    Lookup,
    ReplyError,
    Socket,
    Status,
    When,
)
from agentkit.emulator.json_values import as_list, as_object
from agentkit.emulator.yaml_lines import FieldPath, YamlError, YamlLimits, read_yaml

MAX_SIZE = 1_000_000
MAX_DEPTH = 32
MAX_SEED = 2**32
_FAULT = TypeAdapter(Fault)
_PARTS: dict[str, type] = {
    "status": Status,
    "body": Body,
    "error": ReplyError,
    "endless": Endless,
    "lookup": Lookup,
    "socket": Socket,
    "when": When,
}
Lines = Mapping[FieldPath, int]


class ChaosError(ValueError):
    """A file of faults that cannot be used."""


def faults_from_file(path: Path | str) -> Faults:
    """The faults in a YAML or JSON file.

    Raises `ChaosError` for a file that cannot be read or used.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ChaosError(f"{path}: cannot be read: {reason}") from error
    return faults_from_text(text, name=str(path))


def faults_from_text(text: str, *, name: str = "faults") -> Faults:
    """The faults in a YAML text: a mapping with `faults` and `seed`, or the list of faults alone.

    Without a `seed` a random one is taken. Raises `ChaosError`; `name` is the file in its message.
    """
    if len(text) > MAX_SIZE:
        raise ChaosError(f"{name}: has {len(text)} characters; at most {MAX_SIZE} are accepted")
    value, lines = _loaded(text, name)
    return faults_from_value(value, name=name, lines=lines)


def faults_from_value(value: Any, *, name: str = "faults", lines: Lines | None = None) -> Faults:
    """The faults in parsed JSON of the same form. One fault alone is accepted too."""
    lines = lines or {}
    known = as_object(value)
    listed = as_list(value)
    if listed is None and known is not None and "faults" not in known:
        listed, known = [known], None
    if known is not None:
        if strange := [key for key in known if key not in ("seed", "faults")]:
            raise ChaosError(
                f"{_at(name, lines, (strange[0],))}: {strange[0]!r} is "
                "unknown; accepted: seed, faults"
            )
        listed = as_list(known["faults"])
    if listed is None:
        raise ChaosError(f"{name}: a list of faults is needed, or `faults:` with one")
    seed = (known or {}).get("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise ChaosError(
            f"{_at(name, lines, ('seed',))}: seed: {seed!r} was given; a whole number is accepted"
        )
    prefix: FieldPath = ("faults",) if known is not None else ()
    found = [_fault(one, (*prefix, number), name, lines) for number, one in enumerate(listed)]
    return Faults(found, seed=random.randrange(MAX_SEED) if seed is None else seed)


def as_json(fault: Fault) -> dict[str, Any]:
    """A fault as a file would hold it, without fields that have their default."""
    return _sparse(_FAULT.dump_python(fault, mode="json", exclude_defaults=True))


def _sparse(value: Any) -> Any:
    known = as_object(value)
    return (
        value
        if known is None
        else {key: _sparse(one) for key, one in known.items() if one is not None}
    )


def _fault(value: Any, at: FieldPath, name: str, lines: Lines) -> Fault:
    try:
        return _FAULT.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        here = _keys(first["loc"], value)
        where = ".".join(str(key) for key in here) or "a fault"
        raise ChaosError(
            f"{_at(name, lines, (*at, *here))}: {where}: {_reason(first, here)}"
        ) from None


def _keys(loc: Sequence[str | int], value: Any) -> FieldPath:
    """The keys of a place, without the names of types that pydantic puts between."""
    found: list[str | int] = []
    for key in loc:
        if (known := as_object(value)) is not None:
            if key in known:
                found.append(key)
                value = known[str(key)]
            elif key == loc[-1] and isinstance(key, str) and key.isidentifier():
                found.append(key)
        elif (
            (members := as_list(value)) is not None and isinstance(key, int) and key < len(members)
        ):
            found.append(key)
            value = members[key]
    return tuple(found)


def _reason(error: Mapping[str, Any], here: FieldPath) -> str:
    given = json.dumps(error.get("input"), default=repr)[:80]
    match error["type"]:
        case "unexpected_keyword_argument":
            part = _PARTS.get(str(here[0]), Fault) if len(here) > 1 else Fault
            names = [field.name for field in fields(part)] if is_dataclass(part) else []
            return f"is unknown; accepted: {', '.join(names)}"
        case "missing_argument" | "missing":
            return "is needed"
        case "literal_error":
            return (
                f"{given} was given; accepted: "
                f"{error['ctx']['expected'].replace(chr(39), '').replace(' or ', ', ')}"
            )
        case "dataclass_type":
            return f"{given} was given; a mapping is accepted"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            message: str = error["msg"]
            return f"{given} was given; {message[:1].lower()}{message[1:]}"


def _at(name: str, lines: Lines, at: FieldPath) -> str:
    while at and at not in lines:
        at = at[:-1]
    return f"{name}:{lines[at]}" if at in lines else name


def _loaded(text: str, name: str) -> tuple[Any, Lines]:
    """The value of a YAML text, and the line of each value in it."""
    try:
        return read_yaml(text, YamlLimits(depth=MAX_DEPTH, values=MAX_SIZE, aliases=False))
    except YamlError as error:
        where = f"{name}:{error.line}" if error.line is not None else name
        raise ChaosError(f"{where}: {_explain(error)}") from error


def _explain(error: YamlError) -> str:
    match error.flaw:
        case "depth" | "size":
            return f"nested too deeply; at most {MAX_DEPTH} is accepted"
        case "alias":
            return "anchors and aliases are not accepted"
        case "duplicate":
            return f"{error.path[-1]!r} stands twice"
        case "key":
            return "a key is no plain text"
        case "value" | "syntax":
            return error.detail or "no YAML"
