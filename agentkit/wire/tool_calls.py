"""Tool calls as providers really stream them, put in order: without an id, with one id twice, all
at `index: 0`.

A new call starts when the id changes, or when a name comes after arguments that are already whole;
a name may be split over deltas, or repeated in each, the last of which may have no arguments. What
is kept in the history is valid JSON in any case.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

import jiter

from agentkit.values import ToolCall
from agentkit.wire.json import (
    MAX_DEPTH,
    UnreadableJson,
    as_count,
    as_object,
    exceeds_depth,
    join_surrogates,
    keepable,
    mended,
    read,
    write,
)
from agentkit.wire.types import JsonObject

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]+")
_STRUCTURE = re.compile(r'["\\{}\[\]]')
MOST_CALLS = 1_024
"""Calls of one reply that are run. Those beyond get a result that says so, so that the model, and
whoever reads the run, sees them.
"""
_TOO_MANY = f"one reply may make at most {MOST_CALLS} calls"
_LONGEST = 1_000_000
"""Bytes of arguments that are checked at all: `agentkit.tools.arguments` refuses more."""


@dataclass(slots=True)
class Growing:
    """A call while it is streamed."""

    index: int
    id: str = ""
    name: str = ""
    repeated: bool = False
    """Whether it began with nothing but the name of the call before: without arguments, it is
    none.
    """
    arguments: list[str] = field(default_factory=list[str])
    _read: int = 0
    """Pieces of the arguments that `is_whole` has looked at. It looks at each once."""
    _open: int = 0
    """Brackets that are open there."""
    _in_string: bool = False
    _escaped: bool = False
    _begun: bool = False
    _spoilt: bool = False
    """Whether they were closed and are no object: then nothing that follows makes one of them."""

    @property
    def text(self) -> str:
        return "".join(self.arguments)

    def is_whole(self) -> bool:
        """Whether the arguments are an object, or a string that holds one."""
        for piece in self.arguments[self._read :]:
            self._look_through(piece)
        self._read = len(self.arguments)
        if self._spoilt or not self._begun or self._in_string or self._open > 0:
            return False
        self._spoilt = parse_object(self.text) is None
        return not self._spoilt

    def _look_through(self, piece: str) -> None:
        skipped = 1 if self._escaped and piece else 0
        self._escaped = self._escaped and not piece
        for found in _STRUCTURE.finditer(piece):
            sign, at = found[0], found.start()
            if at < skipped:
                continue
            if self._in_string and sign == "\\":
                skipped = at + 2
                self._escaped = skipped > len(piece)
            elif sign == '"':
                self._in_string, self._begun = not self._in_string, True
            elif not self._in_string and sign != "\\":
                self._open += 1 if sign in "{[" else -1
                self._begun = True


class CallBuilder:
    """Collects the deltas of the tool calls of one reply."""

    def __init__(self) -> None:
        self.growing: list[Growing] = []
        """As they began."""
        self._current: dict[int, Growing] = {}

    def feed(self, delta: JsonObject, *, whole_call: bool = False) -> None:
        """Take one entry of `tool_calls`: of a stream a delta, of a buffered body a `whole_call`,
        which has no index.
        """
        function = as_object(delta.get("function"))
        call_id, name, arguments = (
            _text(delta.get("id")),
            _text(function.get("name")),
            function.get("arguments"),
        )
        index = as_count(delta.get("index")) if not whole_call else len(self.growing)
        current = self._current.get(index)
        if current is None or _starts_another(current, call_id, name, arguments):
            repeated = current is not None and not call_id and name == current.name
            current = self._current[index] = Growing(index, repeated=repeated)
            self.growing.append(current)
        current.id = current.id or call_id
        if name and name != current.name and not current.arguments:
            current.name += name
        if isinstance(arguments, dict):
            current.arguments.append(json.dumps(arguments))
        elif isinstance(arguments, str) and arguments:
            current.arguments.append(arguments)

    def calls(self) -> list[tuple[str, str, str]]:
        """Id (perhaps empty), name and arguments of each, by index."""
        real = [call for call in self.growing if call.id or call.arguments or not call.repeated]
        ordered = sorted(real, key=lambda call: call.index)
        return [(call.id, call.name, join_surrogates(call.text)) for call in ordered]


def _starts_another(current: Growing, call_id: str, name: str, arguments: object) -> bool:
    if call_id and current.id and call_id != current.id:
        return True
    if not name or not current.arguments:
        return False
    if name != current.name:
        return True
    if call_id and call_id == current.id and not (isinstance(arguments, str) and arguments.strip()):
        return False  # the same, said once more at its end
    return current.is_whole()


def _text(value: object) -> str:
    return join_surrogates(value) if isinstance(value, str) else ""


def settle(calls: Sequence[tuple[str, str, str]], *, seed: str, cut: bool) -> tuple[ToolCall, ...]:
    """The calls with stable ids. Where one id came twice, equal calls are one and different ones
    both fail; where the reply was `cut` (by `length`), a call whose arguments are not whole is
    marked so, and so is each beyond `MOST_CALLS`."""
    settled: list[ToolCall] = []
    given_ids = {given for given, _, _ in calls}
    taken: dict[str, int] = {}
    seen: set[tuple[str, str, str]] = set()
    for number, (given, name, arguments) in enumerate(calls):
        if given and (given, name, arguments) in seen:
            continue
        seen.add((given, name, arguments))
        call_id = given or f"call_{seed}_{number}"
        fault = (
            "the reply was cut inside this call"
            if cut and parse_object(arguments) is None
            else None
        )
        if call_id in taken:
            first = settled[taken[call_id]]
            fault = f"two different calls came with the id {call_id!r}"
            settled[taken[call_id]] = ToolCall(first.id, first.name, first.arguments, fault)
            call_id = next(
                new
                for turn in count(number)
                if (new := f"{call_id}_{turn}") not in taken and new not in given_ids
            )
        taken[call_id] = len(settled)
        if fault is None and len(settled) >= MOST_CALLS:
            fault = _TOO_MANY
        settled.append(ToolCall(call_id, name, arguments, fault))
    return tuple(settled)


def parse_object(arguments: str) -> dict[str, Any] | None:
    """The arguments as an object, decoded once more where they came as a string of JSON; None where
    they are none, or are deeper than a run can keep."""
    for _ in range(2):
        try:
            value = _read(arguments)
        except UnreadableJson:
            return None
        if isinstance(value, dict):
            return keepable(cast("JsonObject", value))
        if not isinstance(value, str):
            return None
        arguments = value
    return None


def _read(arguments: str) -> object:
    """The JSON value in this text, if need be mended. Raises `UnreadableJson`."""
    try:
        return read(arguments.encode("utf-8", "surrogatepass"))
    except UnreadableJson:
        if (text := mended(arguments)) == arguments:
            raise
    return read(text.encode("utf-8", "surrogatepass"))


def sent_name(name: str) -> str:
    """A function's name as providers take it: as it came where it fits, else the same with what
    does not fit replaced, and a digest, so that two names never become one."""
    if _NAME.match(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_UNFIT.sub('_', name).strip('_')[:50] or 'unnamed'}_{digest}"


def for_history(arguments: str) -> str:
    """The arguments as they may be sent again: as they came if they are an object, else an equal
    one, else `{}`; so also where they are longer than any tool takes: each later turn would pay for
    them."""
    if len(arguments) > _LONGEST:
        return "{}"
    data = arguments.encode("utf-8", "surrogatepass")
    if len(data) > _LONGEST:
        return "{}"
    if _is_strict(data):
        return arguments
    parsed = parse_object(arguments)
    return "{}" if parsed is None else write(parsed).decode()


def _is_strict(arguments: bytes) -> bool:
    """Whether any parser would take them: no `NaN`, no half of a surrogate pair, no string around
    the object, not too deep.
    """
    try:
        value = jiter.from_json(arguments, allow_inf_nan=False)
    except ValueError:
        return False
    if not isinstance(value, dict):
        return False
    # No more levels than brackets, so that few have to be counted.
    brackets = arguments.count(b"{") + arguments.count(b"[")
    return brackets <= MAX_DEPTH or not exceeds_depth(cast("object", value), MAX_DEPTH)
