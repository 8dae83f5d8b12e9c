"""The tool calls of a message as its stream tells them: a tool part each, and a `data-call` part
with what a tool part cannot say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from agentkit.run import Run
from agentkit.values import Invocation, Question
from agentkit.web import chunks
from agentkit.web.chunks import Chunk
from agentkit.web.shortened import short_text, shortened
from agentkit.web.told_pictures import without_addresses

_MESSAGE = 2000
"""Characters of a tool's progress that are told."""
_CANCELLED = "cancelled: the turn ended before its result came"
_SENT_AGAIN = "the request was sent again"


@dataclass(frozen=True, slots=True)
class Held:
    """A call on which a person has to decide."""

    call_id: str
    why: Literal["approval", "answer", "result", "outcome"]
    approval_id: str
    question: Question | None = None
    """What the call asks."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person said to a held call."""

    approved: bool
    reason: str | None = None


@dataclass
class _Call:
    """A call that was told."""

    id: str
    """On the wire: as the model or OpenRouter gave it, unless another call of the turn had it."""
    name: str
    is_server: bool
    step: int
    arguments: object
    first: Invocation
    """As it was told first."""
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    approval_id: str | None = None
    is_held: bool = False
    has_ended: bool = False

    def changed(self, **changes: Any) -> list[Chunk]:
        """What tells these changes."""
        if all(name in self.data and self.data[name] == new for name, new in changes.items()):
            return []
        self.data.update(changes)
        return [chunks.data("call", self.id, self.data)]


class ToldCalls:
    """What was told of the calls of one message. Each method returns what has to be told.

    A call is named by its id; that of a sub-agent's call has the caller's before it: `CALL/ID`.
    """

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}
        self._all: dict[str, _Call] = {}
        """By their ids on the wire."""

    def wire_id(self, call_id: str) -> str:
        """How the call is named on the wire."""
        call = self._calls.get(call_id)
        return call_id if call is None else call.id

    def caller_of(self, call_id: str) -> str | None:
        """The call of the sub-agent that makes this call; None where it is the model's own."""
        parts = call_id.split("/")
        callers = ("/".join(parts[:end]) for end in range(len(parts) - 1, 0, -1))
        return next((each for each in callers if each in self._calls), None)

    def is_known(self, call_id: str) -> bool:
        """Whether the call was told, and has not ended."""
        call = self._calls.get(call_id)
        return call is not None and not call.has_ended

    def is_request(self, call_id: str) -> bool:
        """Whether the call stands for a request to the model of which nobody knows what became of
        it.
        """
        call = self._calls.get(call_id)
        return call is not None and call.is_server and call.data.get("why") == "outcome"

    def started(self, call: Invocation, step: int, parent: str | None) -> list[Chunk]:
        """A call begins, or goes on after a person has agreed to it."""
        known = self._calls.get(call.id)
        if known is None or known.has_ended:
            return self._begun(call, step, parent)
        told: list[Chunk] = []
        arguments = _arguments(call)
        if known.step == step and (known.is_held or arguments != known.arguments):
            told.append(_input(known, arguments))
        known.is_held, known.arguments = False, arguments
        return told + known.changed(status=call.status, startedAt=call.started_at)

    def progress(self, call_id: str, message: str) -> list[Chunk]:
        """A tool says how far it is."""
        call = self._calls.get(call_id)
        if call is None or call.has_ended:
            return []
        return call.changed(message=short_text(message)[:_MESSAGE])

    def finished(self, call: Invocation, step: int, parent: str | None) -> list[Chunk]:
        """A call has its result, or an error in its place."""
        told = [] if self.is_known(call.id) else self._begun(call, step, parent)
        known = self._calls[call.id]
        arguments = _arguments(call)
        if known.step == step and arguments != known.arguments:
            told.append(_input(known, arguments))
        known.arguments, known.has_ended, known.is_held = arguments, True, False
        told.append(_outcome(known, call))
        return told + known.changed(**_facts(call))

    def held(self, call: Invocation, held: Held, step: int, parent: str | None) -> list[Chunk]:
        """A call waits for a person."""
        told = [] if self.is_known(call.id) else self._begun(call, step, parent)
        known = self._calls[call.id]
        is_asked = known.is_held and known.approval_id == held.approval_id
        known.is_held, known.approval_id = True, held.approval_id
        facts = {"status": "pending", "why": held.why, "approvalId": held.approval_id}
        told += known.changed(**facts, **_question(held.question))
        if held.why != "result" and not is_asked:
            told.append(chunks.approval_request(known.id, held.approval_id))
        return told

    def answered(self, call_id: str, verdict: Verdict) -> list[Chunk]:
        """A person has decided."""
        call = self._calls.get(call_id)
        if call is None or call.approval_id is None:
            return []
        answer = chunks.approval_answer(call.approval_id, verdict.reason, approved=verdict.approved)
        told = [] if call.data.get("why") == "result" else [answer]
        call.data.pop("question", None)
        told += call.changed(approved=verdict.approved, reason=verdict.reason)
        return [*told, *_request_decided(call, verdict)] if self.is_request(call_id) else told

    def settled(self, run: Run) -> list[Chunk]:
        """What is known of the calls by now. Those without an end are told to be cancelled, but
        where the run waits for them, or for the agent that they asked.
        """
        now = {each.id: each for each in run.invocations}
        waits = {each.call_id for each in run.waiting} if run.status == "paused" else set[str]()
        told: list[Chunk] = []
        for call_id, call in self._calls.items():
            known = now.get(call_id)
            if call.has_ended:
                if known is not None and known.status not in {"pending", "running"}:
                    told += call.changed(**_facts(known))
            elif call_id not in waits:
                told += self._ended_unseen(call, known)
            elif known is not None and not call.is_held:
                told += call.changed(status="pending", costUsd=known.cost_usd)
        return told

    def lost(self, run: Run) -> list[Invocation]:
        """Calls that were told and that the run does not have: those of OpenRouter's tools, in a
        reply that broke off.
        """
        kept = {each.id for each in run.invocations}
        return [call.first for call_id, call in self._calls.items() if call_id not in kept]

    def _ended_unseen(self, call: _Call, known: Invocation | None) -> list[Chunk]:
        """The end of a call of which no event told."""
        call.has_ended, call.is_held = True, False
        if known is None or known.status in {"pending", "running"}:
            words = chunks.tool_error(call.id, _CANCELLED, is_server=call.is_server)
            return [words, *call.changed(status="cancelled", message=None)]
        return [_outcome(call, known), *call.changed(**_facts(known))]

    def _begun(self, call: Invocation, step: int, parent: str | None) -> list[Chunk]:
        number, wire_id = 1, call.id
        while wire_id in self._all:  # some providers use an id again each turn
            number += 1
            wire_id = f"{call.id}~{number}"
        is_server = call.executor == "server"
        told = _Call(wire_id, call.name, is_server, step, _arguments(call), call)
        self._calls[call.id] = self._all[wire_id] = told
        begins = told.changed(
            status=call.status if call.status in {"pending", "running"} else "running",
            executor=call.executor,
            parent=None if parent is None else self.wire_id(parent),
            startedAt=call.started_at,
            seconds=None,
            costUsd=None,
            message=None,
            images=[],
            count=call.count,
        )
        return [_input(told, told.arguments), *begins]


def _question(question: Question | None) -> dict[str, Any]:
    """What tells what a call asks."""
    if question is None:
        return {}
    message, note = short_text(question.message), short_text(question.note)
    return {"question": {"message": message, "schema": shortened(question.schema), "note": note}}


def _arguments(call: Invocation) -> object:
    """The arguments as a JSON object; an empty one where the reply does not show them."""
    return {} if call.arguments is None else shortened(call.arguments)


def _input(call: _Call, arguments: object) -> Chunk:
    return chunks.tool_input(call.id, call.name, arguments, is_server=call.is_server)


def _request_decided(call: _Call, verdict: Verdict) -> list[Chunk]:
    """The end of a question about a request of the model: what comes of the request itself is told
    as its reply.
    """
    call.has_ended, call.is_held = True, False
    if not verdict.approved:
        return [chunks.tool_denied(call.id), *call.changed(status="denied")]
    words = chunks.tool_output(call.id, _SENT_AGAIN, is_server=True)
    return [words, *call.changed(status="completed")]


def _outcome(told: _Call, call: Invocation) -> Chunk:
    if call.status == "completed":
        result = short_text(call.result or "")
        return chunks.tool_output(told.id, result, is_server=told.is_server)
    if call.status == "denied" and told.approval_id is not None:
        return chunks.tool_denied(told.id)
    words = without_addresses(short_text(call.error or call.status))
    return chunks.tool_error(told.id, words, is_server=told.is_server)


def _facts(call: Invocation) -> dict[str, Any]:
    """What is told of a call that has ended."""
    return {
        "status": call.status,
        "startedAt": call.started_at,
        "seconds": call.seconds,
        "costUsd": call.cost_usd,
        "message": None,
        "images": list(call.images),
        "files": list(call.files),
        "count": call.count,
    }
