"""From the events of a turn to the chunks of its message: one state machine, used while the turn
goes on and again when it is shown later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, assert_never, cast

from agentkit.answer import Answer
from agentkit.events import (
    Event,
    ImageFailed,
    ImagePreview,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    ReasoningDelta,
    RunFinished,
    TextDelta,
    TurnFinished,
)
from agentkit.run import Run
from agentkit.run.state import Waiting
from agentkit.values import File, Invocation, Message, Text, replace
from agentkit.web import chunks
from agentkit.web.chunks import Chunk
from agentkit.web.message_facts import FINISH_REASONS, Ending, facts_of
from agentkit.web.notes import Decided, Notes, Paused
from agentkit.web.told_calls import Held, ToldCalls, Verdict
from agentkit.web.told_files import ToldFiles
from agentkit.web.told_pictures import ToldPictures
from agentkit.wire.types import IMAGE_GENERATION

DRAWS = frozenset({IMAGE_GENERATION})
"""Server tools that give pictures."""
_FINGERPRINT = 12
"""Characters of a question's fingerprint that its approval id shows."""


class Teller:
    """Tells one message. `tell` takes each event of the turn, and returns the chunks for it."""

    def __init__(self, run: Run, *, emulator: bool = False, drawing: Collection[str] = ()) -> None:
        """`drawing` are the names of the user's tools that return a picture: they have a
        placeholder from their start on. `emulator`: whether it is the emulator that answers.
        """
        self.notes = Notes()
        self.notes.emulator = emulator
        self.notes.drawing = sorted(drawing)
        self._run = run
        self._emulator = emulator
        self._draws = DRAWS | frozenset(drawing)
        self._pictures = ToldPictures(run.id)
        self._calls = ToldCalls()
        self._files = ToldFiles()
        self._open: tuple[str, str] | None = None
        """The kind and the id of the part that grows."""
        self._parts: set[tuple[str, str]] = set()
        """Parts that are there, so that what changes one of them ends no other."""
        self._numbers: dict[str, int] = {}
        self._step = 0
        self._is_replied = False
        """Whether the model's reply of this step is whole: what follows are its calls."""
        self._has_words = False
        """Whether a word of this step was told."""
        self._is_paused = False
        """Whether the calls that wait for a person were told, and nothing since."""

    def begin(self) -> list[Chunk]:
        """The first chunks of a message."""
        facts = facts_of(self._run, Ending("running"), emulator=self._emulator)
        return [chunks.start(self._run.id, facts), *self._next_step()]

    def go_on(self) -> list[Chunk]:
        """The first chunk of a message that goes on, for a client that has its parts by now."""
        facts = facts_of(self._run, Ending("running"), emulator=self._emulator)
        return [chunks.start(self._run.id, facts)]

    def tell(self, event: Event | Paused | Decided) -> list[Chunk]:
        """The chunks for what has happened."""
        self.notes.add(event)
        self._is_paused = isinstance(event, Paused)
        return self._placed(self._told(event, None))

    def pause(self, run: Run) -> list[Chunk]:
        """The chunks for the calls that wait for a person, unless they are told by now."""
        if self._is_paused:
            return []
        held = held_calls(run)
        pending = {each.id: each for each in Answer.of(run).pending}
        return self.tell(Paused(tuple((pending[each.call_id], each) for each in held)))

    def decide(self, verdicts: Mapping[str, Verdict]) -> list[Chunk]:
        """The chunks for what a person said to held calls, by the ids of the calls."""
        return self.tell(Decided(dict(verdicts))) if verdicts else []

    def end(self, run: Run, ending: Ending | None = None) -> list[Chunk]:
        """The last chunks: what is open is closed, and what is known by now is told. `ending` says
        how it came to an end where the run does not say it itself.
        """
        is_over = run.status in {"completed", "limited", "refused"}
        if ending is None or (ending.status == "stopped" and is_over):
            ending = Ending.of(run)
        self.notes.ending = ending
        told = self.close()
        if run.status == "paused" and ending.status == "paused":
            told += self.pause(run)
        told += self._placed(self._calls.settled(run))
        self.notes.keep(self._calls.lost(run))
        told += self._placed(
            [
                *self._pictures.settled(run),
                *self._files.settled(run),
                *self._pictures.given_up(),
            ]
        )
        facts = facts_of(run, ending, emulator=self._emulator)
        told.append({"type": "message-metadata", "messageMetadata": facts})
        if ending.error is not None:  # the last: at an error, a client stops to read
            told.append({"type": "error", "errorText": ending.error})
        elif ending.status == "stopped":
            told.append({"type": "abort"})
        return [*told, {"type": "finish-step"}, chunks.finish(FINISH_REASONS[ending.status])]

    def _told(self, event: Event | Paused | Decided, caller: str | None) -> list[Chunk]:
        """The chunks for an event, of a sub-agent that `caller` asked if there is one."""
        match event:
            case TextDelta(text=text):
                return self._words("text", text, caller)
            case ReasoningDelta(text=text):
                return self._words("reasoning", text, caller)
            case InvocationStarted(invocation=call):
                return self._started(_below(call, caller), caller)
            case InvocationProgress():
                return self._progress(event, caller)
            case InvocationFinished(invocation=call, files=files):
                return self._finished(_below(call, caller), files, caller)
            case ImagePreview() | ImageReady() | ImageFailed():
                return self._picture(event, caller)
            case TurnFinished(message=message):
                return self._replied(message) if caller is None else []
            case Paused(calls=calls):
                return self._paused(calls)
            case Decided(verdicts=verdicts):
                return self._decided(verdicts)
            case RunFinished():
                return []
            case _:
                assert_never(event)

    def _words(self, kind: str, words: str, caller: str | None) -> list[Chunk]:
        """More of the words; those of a sub-agent are shown while it works, and kept by nobody."""
        if caller is not None:
            value = {"callId": self._calls.wire_id(caller), "kind": kind, "delta": words}
            return [{"type": "data-progress", "data": value, "transient": True}]
        told = self._next_reply()
        if kind == "text" and not self._has_words:
            words = words.lstrip("\n")  # messages of one answer are parted by a blank line
            self._has_words = bool(words)
        if not words:
            return told
        if self._open is None or self._open[0] != kind:
            told += self.close()
            number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
            self._open = (kind, f"{kind}-{number}")
            told.append({"type": f"{kind}-start", "id": self._open[1]})
        return [*told, chunks.delta(kind, self._open[1], words)]

    def _started(self, call: Invocation, caller: str | None) -> list[Chunk]:
        if call.status == "pending":
            return []  # it is told with the pause, which follows
        told = self._next_reply() if caller is None and call.executor == "server" else []
        is_known = self._calls.is_known(call.id)
        told += self._calls.started(call, self._step, caller)
        if call.name in self._draws and not is_known:
            told += self._pictures.making(call, self._calls.wire_id(call.id), caller or "")
        return told

    def _progress(self, event: InvocationProgress, caller: str | None) -> list[Chunk]:
        call = _below(event.invocation, caller)
        if event.event is not None:
            return self._told(event.event, call.id)
        return self._calls.progress(call.id, event.message)

    def _finished(self, call: Invocation, files: Sequence[File], caller: str | None) -> list[Chunk]:
        is_new = not self._calls.is_known(call.id)
        told = self._next_reply() if caller is None and is_new and call.executor == "server" else []
        told += self._calls.finished(call, self._step, caller)
        name = self._calls.wire_id(call.id)
        told += self._files.given(files, name, is_nested=caller is not None)
        return told + self._pictures.call_ended(call, name)

    def _picture(
        self, event: ImagePreview | ImageReady | ImageFailed, caller: str | None
    ) -> list[Chunk]:
        is_of_reply = caller is None and event.item.startswith("turn ")  # else of a tool
        told = self._next_reply() if is_of_reply else []
        item, scope = below(event.item, caller), caller or ""
        match event:
            case ImagePreview():
                return told + self._pictures.preview(item, event, scope)
            case ImageReady(image=image):
                return told + self._pictures.ready(item, image, scope)
            case ImageFailed(failure=failure):
                return told + self._pictures.failed(item, failure, scope)

    def _paused(self, calls: Sequence[tuple[Invocation, Held]]) -> list[Chunk]:
        """The calls that wait. Where one of a sub-agent does, all of them are a step of their own:
        clients send what a person decided once every call of the last step is decided on, and the
        call of the sub-agent, which goes on, would keep them from it.
        """
        told: list[Chunk] = []
        if any(self._calls.caller_of(held.call_id) is not None for _, held in calls):
            told += [{"type": "finish-step"}, *self._next_step()]
            self._is_replied = True
        for call, held in calls:
            told += self._calls.held(call, held, self._step, self._calls.caller_of(held.call_id))
        return told

    def _decided(self, verdicts: Mapping[str, Verdict]) -> list[Chunk]:
        """What a person said. Of a request that broke off, no picture comes any more: those of the
        one that takes its place are others.
        """
        told: list[Chunk] = []
        for call_id, verdict in verdicts.items():
            if self._calls.is_request(call_id):
                told += self._pictures.given_up()
            told += self._calls.answered(call_id, verdict)
        return told

    def _replied(self, message: Message) -> list[Chunk]:
        """A reply is whole: the pages that it cites are told."""
        self._is_replied = True
        urls = dict(_citations(message))
        told: list[Chunk] = []
        for url, title in urls.items():
            number = self._numbers["source"] = self._numbers.get("source", 0) + 1
            source: Chunk = {"type": "source-url", "sourceId": f"source-{number}", "url": url}
            told.append({**source, "title": title} if title else source)
        return told

    def _next_reply(self) -> list[Chunk]:
        """What begins the step of the next reply, if that of the last one is over."""
        if not self._is_replied:
            return []
        return [*self.close(), {"type": "finish-step"}, *self._next_step()]

    def _next_step(self) -> list[Chunk]:
        self._step += 1
        self._is_replied = self._has_words = False
        self._pictures.next_reply()
        return [{"type": "start-step"}]

    def close(self) -> list[Chunk]:
        """What closes the words that grow, if any do."""
        if self._open is None:
            return []
        kind, identifier = self._open
        self._open = None
        return [{"type": f"{kind}-end", "id": identifier}]

    def _placed(self, told: Sequence[Chunk]) -> list[Chunk]:
        """The chunks; before one that makes a part, the words before it are closed, so that what
        follows stands behind that part.
        """
        placed: list[Chunk] = []
        for chunk in told:
            if _makes_part(chunk, self._parts):
                placed += self.close()
            placed.append(chunk)
        return placed


def held_calls(run: Run) -> list[Held]:
    """The calls of a run on which a person has to decide."""
    waiting = {each.call_id: each for each in run.waiting if each.why != "agent"}
    return [
        Held(each.id, question.why, approval_id(question), each.question)
        for each in Answer.of(run).pending
        if (question := waiting.get(each.id)) is not None and question.why != "agent"
    ]


def approval_id(question: Waiting) -> str:
    """What a client answers to: it names the call and the question, so that the answer to an older
    question about the same call is none to this one.
    """
    mark = question.fingerprint or question.key
    return f"{question.call_id}~{mark[:_FINGERPRINT]}"


def below(name: str, caller: str | None) -> str:
    """A name of a sub-agent's, apart from those of all others."""
    return name if caller is None else f"{caller}/{name}"


def previews_in(event: Event) -> tuple[str, ImagePreview] | None:
    """The preview that an event brings, a sub-agent's included, with the name of its picture in the
    run.
    """
    caller: str | None = None
    while isinstance(event, InvocationProgress) and event.event is not None:
        caller, event = below(event.invocation.id, caller), event.event
    return (below(event.item, caller), event) if isinstance(event, ImagePreview) else None


def _below(call: Invocation, caller: str | None) -> Invocation:
    """The call under the name that it has in the run."""
    return call if caller is None else replace(call, id=below(call.id, caller))


def _makes_part(chunk: Chunk, parts: set[tuple[str, str]]) -> bool:
    """Whether the chunk makes a part of the message that was not there; from then on it is."""
    kind = chunk["type"]
    if kind in {"file", "source-url"}:
        return True
    if chunk.get("transient") or not (kind == "tool-input-available" or kind.startswith("data-")):
        return False
    part = (kind, str(chunk.get("toolCallId") or chunk.get("id")))
    is_new = part not in parts
    parts.add(part)
    return is_new


def _citations(message: Message) -> Iterator[tuple[str, str]]:
    """The pages that a reply cites: their addresses, each with its title."""
    for part in message.parts:
        for note in part.citations if isinstance(part, Text) else ():
            inner = note.get("url_citation")
            found = cast("Mapping[str, Any]", inner) if isinstance(inner, Mapping) else note
            url, title = found.get("url"), found.get("title")
            if isinstance(url, str) and url.lower().startswith(("http://", "https://")):
                yield url, title if isinstance(title, str) else ""
