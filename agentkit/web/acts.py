"""A stored turn as what happened in it: its events, from the run and the notes that were taken of
it. Without notes, in the order in which a turn commonly goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast

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
from agentkit.run import Run
from agentkit.values import (
    File,
    Image,
    ImageFailure,
    Invocation,
    Message,
    Reasoning,
    Source,
    Text,
    Usage,
    replace,
)
from agentkit.web.notes import Act, Decided, Entry, Notes, Paused
from agentkit.web.told_calls import Held, Verdict

_ENDED = frozenset({"completed", "failed", "denied", "cancelled"})


def acts_of(run: Run, notes: Notes) -> Iterator[Act]:
    """What happened in a run, in order."""
    return _Noted(run, notes.calls).acts(notes.entries) if notes.entries else _Common(run).acts()


def replies_of(run: Run) -> list[Message]:
    """The replies of the model in a run, with what had arrived of one that broke off."""
    added = run.messages[run.start :]
    replies = [message for message in added if message.role == "assistant"]
    return replies if run.partial is None else [*replies, run.partial]


def _started(call: Invocation) -> InvocationStarted:
    """The start of a call, as it was told."""
    bare = replace(
        call,
        status="running",
        result=None,
        error=None,
        images=(),
        files=(),
        seconds=None,
        cost_usd=None,
    )
    return InvocationStarted(bare)


class _Noted:
    """Goes through the notes of a run, and looks up in the run what they name."""

    def __init__(self, run: Run, lost: Sequence[Invocation]) -> None:
        self._run = run
        self._calls: dict[str, list[Invocation]] = {}
        for call in (*run.invocations, *lost):
            self._calls.setdefault(call.id, []).append(call)
        self._used: dict[str, int] = {}
        """How many calls of this id have ended."""
        self._images = {image.sha256: image for image in run.images}
        replies = replies_of(run)
        self._replies = iter(replies)
        self._words = {"text": _said(replies, Text), "reasoning": _said(replies, Reasoning)}
        self._at = {"text": 0, "reasoning": 0}

    def acts(self, entries: Sequence[Entry]) -> Iterator[Act]:
        """What happened, as far as it was noted; then what the run has beyond that."""
        for entry in entries:
            act = self._act(str(entry[0]), entry[1:])
            if act is not None:
                yield act
        for kind in ("reasoning", "text"):
            if rest := self._more(kind, None):
                yield TextDelta(rest) if kind == "text" else ReasoningDelta(rest)

    def _act(self, kind: str, rest: Sequence[Any]) -> Act | None:
        match kind:
            case "text" | "reasoning":
                words = self._more(kind, rest[0])
                return TextDelta(words) if kind == "text" else ReasoningDelta(words)
            case "reply":
                message = next(self._replies, None)
                return None if message is None else TurnFinished(message, Usage())
            case "call" | "again" | "ended":
                return self._call(kind, rest[0], rest[1])
            case "paused":
                return self._paused(rest[0])
            case "decided":
                return Decided({name: Verdict(yes, why) for name, yes, why in rest[0]})
            case _:
                return self._picture(kind, rest)

    def _more(self, kind: str, length: int | None) -> str:
        """So many more characters of the words of the run; None: all that are left."""
        words, at = self._words[kind], self._at[kind]
        end = len(words) if length is None else min(at + max(length, 0), len(words))
        self._at[kind] = end
        return words[at:end]

    def _call(self, kind: str, own: str, caller: str) -> Act | None:
        name = f"{caller}/{own}" if caller else own
        call = self._latest(name)
        if call is None:
            return None
        told = replace(call, id=own)
        if kind != "ended":
            return _told_by(caller, _started(told))
        if call.status not in _ENDED:
            return None
        self._used[name] = self._used.get(name, 0) + 1
        return _told_by(caller, InvocationFinished(told, _files_of(self._run, told)))

    def _latest(self, name: str) -> Invocation | None:
        """The call of this id that has not ended yet, or was the last."""
        known = self._calls.get(name)
        return known[min(self._used.get(name, 0), len(known) - 1)] if known else None

    def _paused(self, held: Sequence[Any]) -> Paused:
        calls: list[tuple[Invocation, Held]] = []
        for name, why, approval_id in held:
            call = self._latest(name) or Invocation(name, "request", executor="server")
            waits = replace(call, status="pending", result=None, error=None, images=(), files=())
            calls.append((waits, Held(name, why, approval_id, call.question)))
        return Paused(tuple(calls))

    def _picture(self, kind: str, rest: Sequence[Any]) -> Act | None:
        caller, event = str(rest[-1]), cast("Event | None", None)
        match kind:
            case "preview":
                event = ImagePreview(rest[0], 0, b"", "image/png")
            case "image" if rest[1] in self._images:
                event = ImageReady(self._images[rest[1]], rest[0])
            case "failed":
                failure = ImageFailure(Source("item"), None, rest[1], rest[2])
                event = ImageFailed(failure, rest[0])
            case _:
                return None
        return _told_by(caller, event)


def _files_of(run: Run, call: Invocation) -> tuple[File, ...]:
    """The files that a call gave."""
    return tuple(file for file in run.files if file.name in call.files)


def _told_by(caller: str, event: Event) -> Event:
    """The event as the one tells it whose sub-agent it is of; as it is where that is nobody."""
    return InvocationProgress(Invocation(caller, ""), "", event) if caller else event


def _said(replies: Sequence[Message], kind: type[Text | Reasoning]) -> str:
    """The words of the replies as they were streamed: texts are parted by a blank line."""
    gap = "\n\n" if kind is Text else ""
    found = ["".join([p.text for p in m.parts if isinstance(p, kind)]) for m in replies]
    return gap.join([words for words in found if words])


class _Common:
    """A run of which no notes were taken: each reply with the calls of OpenRouter's tools and the
    pictures in it, then the calls of the user's tools with theirs.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._images = {image.name: image for image in run.images}
        self._shown: set[str] = set()
        self._failures = list(run.failures)

    def acts(self) -> Iterator[Act]:
        """What happened, in the order in which a turn commonly goes."""
        run = self._run
        calls = _calls_by_reply(run)
        for number, message in enumerate(replies_of(run)):
            server, client = calls[number]
            yield from self._reply(message, number, server)
            if message is not run.partial:
                yield TurnFinished(message, Usage())
            for call in client:
                yield from self._client_call(call)
        for at, name in enumerate(run.arrived):
            image = self._images.get(name)
            if image is not None and image.sha256 not in self._shown:
                yield ImageReady(image, f"rest:{at}")
        for at, failure in enumerate(self._failures):
            yield ImageFailed(failure, f"failure:{at}")

    def _reply(self, message: Message, number: int, server: Sequence[Invocation]) -> Iterator[Act]:
        drawn = {part.invocation_id for part in message.parts if isinstance(part, Image)}
        for call in server:
            if call.id not in drawn:
                yield _started(call)
                yield from self._ended(call, f"turn {number + 1}:{call.id}")
        waiting = [call for call in server if call.id in drawn]
        for at, part in enumerate(message.parts):
            match part:
                case Text(text=text):
                    yield TextDelta(text)
                case Reasoning(text=text):
                    yield ReasoningDelta(text)
                case Image():
                    self._shown.add(part.sha256)
                    item = f"turn {number + 1}:{at}"
                    own = [call for call in waiting if call.id == part.invocation_id]
                    yield from map(_started, own)
                    yield ImageReady(part, item)
                    for call in own:
                        yield from self._ended(call, item)
                    waiting = [call for call in waiting if call not in own]
                case _:
                    continue

    def _client_call(self, call: Invocation) -> Iterator[Act]:
        caller, _, own = call.id.rpartition("/")
        told = replace(call, id=own)
        if call.started_at is not None or call.status == "completed":
            yield _told_by(caller, _started(told))
        for at, name in enumerate(call.images):
            image = self._images.get(name)
            if image is not None and image.sha256 not in self._shown:
                self._shown.add(image.sha256)
                yield ImageReady(image, f"{call.id}:{at}")
        for event in self._ended(call, call.id):
            is_end = isinstance(event, InvocationFinished)
            yield _told_by(caller, replace(event, invocation=told)) if is_end else event

    def _ended(self, call: Invocation, item: str) -> Iterator[Event]:
        """The end of a call, and before it the pictures that it announced in vain."""
        own = [failure for failure in self._failures if failure.invocation_id == call.id]
        self._failures = [failure for failure in self._failures if failure not in own]
        for at, failure in enumerate(own):
            yield ImageFailed(failure, f"{item}:failure:{at}")
        if call.status in _ENDED:
            yield InvocationFinished(call, _files_of(self._run, call))


Calls = tuple[list[Invocation], list[Invocation]]
"""Those of server tools, and those of the user's."""


def _calls_by_reply(run: Run) -> list[Calls]:
    """The calls of each reply. They stand in the run in the order of the replies, those of
    OpenRouter's tools first; those of a sub-agent stand behind the call that asked it.
    """
    replies = replies_of(run)
    found: list[Calls] = [([], []) for _ in replies]
    if not replies:
        return found
    at, wanted = 0, {call.id for call in replies[0].calls}
    for call in run.invocations:
        is_nested = any(call.id.startswith(f"{each.id}/") for each in found[at][1])
        is_next = call.executor == "server" or call.id not in wanted
        if not is_nested and is_next and found[at][1] and at + 1 < len(replies):
            at, wanted = at + 1, {each.id for each in replies[at + 1].calls}
        side: Literal[0, 1] = 0 if call.executor == "server" and not is_nested else 1
        found[at][side].append(call)
    return found
