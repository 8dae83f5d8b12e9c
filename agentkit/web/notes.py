"""What a message shows and its run does not say: the order in which things came, and what was asked
and answered. With it, a message that is shown later is the one that was streamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from agentkit.events import (
    Event,
    ImageFailed,
    ImagePreview,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    ReasoningDelta,
    TextDelta,
    TurnFinished,
)
from agentkit.values import Invocation
from agentkit.web.message_facts import Ending
from agentkit.web.shortened import shortened
from agentkit.web.told_calls import Held, Verdict
from agentkit.wire import json

_VERSION = 1
_LONGEST = 16 << 20
"""Bytes of notes that are read."""

Entry = list[Any]
"""What came, in a few JSON values: its kind, then which."""


@dataclass(frozen=True, slots=True)
class Paused:
    """The turn waits: these calls, and what a person is asked about each."""

    calls: tuple[tuple[Invocation, Held], ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person said, by the id of the call."""

    verdicts: Mapping[str, Verdict]


Act = Event | Paused | Decided


class Notes:
    """The notes of one message, which grow with it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.ending: Ending | None = None
        self.emulator: bool | None = None
        """Whether the emulator answered; None where nobody knows."""
        self.drawing: list[str] = []
        """Tools of the user that had a placeholder for a picture from their start on."""
        self.calls: list[Invocation] = []
        """Calls that the run does not have."""
        self._started: set[str] = set()
        self._pictures: set[str] = set()

    def add(self, act: Act) -> None:
        """Note what has happened."""
        entry = self._entry(act, "")
        if entry is None:
            return
        last = self.entries[-1] if self.entries else None
        if last is not None and entry[0] in {"text", "reasoning"} and last[0] == entry[0]:
            last[1] += entry[1]
        else:
            self.entries.append(entry)

    def keep(self, calls: Sequence[Invocation]) -> None:
        """Note calls that were told and that the run does not have."""
        known = {each.id for each in self.calls}
        self.calls += [each for each in calls if each.id not in known]

    def _entry(self, act: Act, caller: str) -> Entry | None:
        match act:
            case InvocationProgress(invocation=call, event=event):
                return None if event is None else self._entry(event, f"{caller}{call.id}/")
            case InvocationStarted(invocation=call):
                return self._call_entry(call, caller)
            case InvocationFinished(invocation=call):
                self._started.discard(caller + call.id)
                return ["ended", call.id, caller[:-1]]
            case ImagePreview(item=item):
                return self._preview_entry(item, caller)
            case ImageReady(image=image, item=item):
                return ["image", item, image.sha256, caller[:-1]]
            case ImageFailed(failure=failure, item=item):
                return ["failed", item, failure.reason, failure.invocation_id, caller[:-1]]
            case Paused(calls=calls):
                return ["paused", [[each.call_id, each.why, each.approval_id] for _, each in calls]]
            case Decided(verdicts=verdicts):
                said = [[name, each.approved, each.reason] for name, each in verdicts.items()]
                return ["decided", said]
            case _:
                return None if caller else _reply_entry(act)

    def _call_entry(self, call: Invocation, caller: str) -> Entry | None:
        if call.status == "pending":
            return None
        name = caller + call.id
        is_again = name in self._started
        self._started.add(name)
        return ["again" if is_again else "call", call.id, caller[:-1]]

    def _preview_entry(self, item: str, caller: str) -> Entry | None:
        name = f"{caller}\0{item}"
        if name in self._pictures:
            return None
        self._pictures.add(name)
        return ["preview", item, caller[:-1]]

    def to_json(self) -> str:
        """The notes as text."""
        ending = self.ending
        value: dict[str, Any] = {
            "version": _VERSION,
            "entries": self.entries,
            "calls": [_call_value(each) for each in self.calls],
            "drawing": self.drawing,
            "emulator": self.emulator,
            "status": None if ending is None else ending.status,
            "error": None if ending is None else ending.error,
        }
        return json.write(value).decode()

    @classmethod
    def from_json(cls, text: str) -> Notes:
        """The notes that `to_json` wrote. Others, and those of another version, are empty: a
        message can be shown without.
        """
        notes = cls()
        try:
            value = json.read_object(text[:_LONGEST].encode("utf-8", "replace"))
        except ValueError:
            return notes
        entries = value.get("entries")
        if value.get("version") != _VERSION or not isinstance(entries, list):
            return notes
        found = cast("list[object]", entries)
        notes.entries = [cast("Entry", each) for each in found if _is_entry(each)]
        for each in _list(value.get("calls")):
            notes.calls += _call_of(each)
        notes.drawing = [each for each in _list(value.get("drawing")) if isinstance(each, str)]
        emulator, status, error = (value.get(name) for name in ("emulator", "status", "error"))
        notes.emulator = emulator if isinstance(emulator, bool) else None
        if status in {"failed", "stopped"}:
            words = error if isinstance(error, str) else None
            notes.ending = Ending("failed" if status == "failed" else "stopped", words)
        return notes


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _call_value(call: Invocation) -> dict[str, Any]:
    """What is kept of a call."""
    return {
        "id": call.id,
        "name": call.name,
        "arguments": shortened(call.arguments),
        "executor": call.executor,
        "started": call.started_at,
        "count": call.count,
    }


def _call_of(value: object) -> list[Invocation]:
    """The call that was kept; none where the value is none."""
    if not isinstance(value, Mapping):
        return []
    given = cast("Mapping[str, Any]", value)
    name, tool, started, count = (given.get(each) for each in ("id", "name", "started", "count"))
    if not (isinstance(name, str) and isinstance(tool, str) and isinstance(count, int)):
        return []
    arguments = given.get("arguments")
    return [
        Invocation(
            name,
            tool,
            cast("Mapping[str, Any]", arguments) if isinstance(arguments, Mapping) else None,
            executor="client" if given.get("executor") == "client" else "server",
            started_at=started if isinstance(started, int | float) else None,
            count=count,
        )
    ]


def _reply_entry(act: Act) -> Entry | None:
    match act:
        case TextDelta(text=text):
            return ["text", len(text)]
        case ReasoningDelta(text=text):
            return ["reasoning", len(text)]
        case TurnFinished():
            return ["reply"]
        case _:
            return None


_FORMS: Mapping[str, Sequence[type | tuple[type, ...]]] = {
    "text": (int,),
    "reasoning": (int,),
    "reply": (),
    "call": (str, str),
    "again": (str, str),
    "ended": (str, str),
    "preview": (str, str),
    "image": (str, str, str),
    "failed": (str, str, (str, type(None)), str),
    "paused": (list,),
    "decided": (list,),
}


def _is_entry(value: object) -> bool:
    """Whether the value is an entry of a kind that is known here, whole."""
    if not isinstance(value, list):
        return False
    kind, *rest = cast("list[object]", value) or [None]
    forms = _FORMS.get(kind) if isinstance(kind, str) else None
    return forms is not None and len(rest) == len(forms) and all(map(isinstance, rest, forms))
