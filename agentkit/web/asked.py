"""What a client asks for when it posts a message: a new turn, another try, or what a person says to
calls that wait. Only the last message is read: the conversation is the server's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from agentkit._check import check_choice, check_kind, refused
from agentkit.errors import UsageError
from agentkit.openrouter.stored_call import Verdict as Outcome
from agentkit.run import Run
from agentkit.tools import Denied, Edited
from agentkit.values import Api, Invocation
from agentkit.values.message import APIS
from agentkit.web.shortened import restored
from agentkit.web.telling import Held, held_calls
from agentkit.web.told_calls import Verdict

MAX_PARTS = 1000
"""Parts of a message that are read."""
MAX_FILES = 32
"""Pictures and files of a message."""
_LONGEST = 200
"""Characters of an id."""


class AlreadyAnswered(UsageError):
    """The question is not asked any more: it was answered, or is another by now."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A picture or file of a message: where it is."""

    url: str
    media_type: str = ""
    name: str = ""
    """What the user calls it."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A prompt: words, pictures and files in their order."""

    parts: tuple[str | FilePart, ...]
    message_id: str | None = None
    """What the client calls it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The same prompt once more, in the place of this turn; None: of the last one."""

    message_id: str | None


@dataclass(frozen=True, slots=True)
class Answers:
    """What a person says to calls that wait."""

    approvals: Mapping[str, Verdict] = field(default_factory=dict[str, Verdict])
    """By the id of the approval."""
    results: Mapping[str, object] = field(default_factory=dict[str, object])
    """What a tool of the client's gave, by the id of its call."""
    edited: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """Other arguments for a call that is agreed to, by its id or that of the approval."""
    answered: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, Mapping[str, Any]], repr=False
    )
    """The answer to what a call asks, by its id or that of the approval."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks for."""

    chat: str
    what: NewMessage | Retry | Answers
    model: str | None = None
    api: Api | None = None


def read_asked(body: object) -> Asked:
    """What the body of a `POST api/chat` asks for. Fields that are not known here are passed over.
    Raises `UsageError` with plain words.
    """
    given = _object("the body", body)
    chat = _name("id", given.get("id"))
    if chat is None:
        raise refused("id={!r}", given.get("id"), "is the id of a conversation")
    trigger = given.get("trigger")
    if trigger is not None:
        check_choice("trigger={!r}", trigger, ("submit-message", "regenerate-message"))
    api = given.get("api")
    return Asked(
        chat,
        _what(given, is_retry=trigger == "regenerate-message"),
        _name("model", given.get("model")),
        None if api is None else check_choice("api={!r}", api, APIS),
    )


def _what(given: Mapping[str, Any], *, is_retry: bool) -> NewMessage | Retry | Answers:
    if is_retry:
        return Retry(_name("messageId", given.get("messageId")))
    messages = _list("messages", given.get("messages"))
    if not messages:
        raise UsageError("messages=[]: accepted is a list with the new message at its end")
    last = _object("the last message", messages[-1])
    role = check_choice("role={!r}", last.get("role"), ("user", "assistant"))
    parts = _list("parts", last.get("parts"))
    if len(parts) > MAX_PARTS:
        raise UsageError(f"the message has {len(parts)} parts; accepted are at most {MAX_PARTS}")
    found = [_object("a part", each) for each in parts]
    if role == "user":
        return NewMessage(_prompt(found), _name("id", last.get("id")))
    return _answers(found, given.get("edited"), given.get("answers"))


def _prompt(parts: Sequence[Mapping[str, Any]]) -> tuple[str | FilePart, ...]:
    """The words, pictures and files of a user's message. Parts that are ours (`data-…`) are passed
    over: they show what the `file` parts say.
    """
    prompt: list[str | FilePart] = []
    for part in parts:
        match part.get("type"):
            case "text":
                prompt.append(check_kind("text={!r}", part.get("text"), str, "text"))
            case "file":
                url = check_kind("url={!r}", part.get("url"), str, "the URL of a file")
                kind, name = part.get("mediaType"), part.get("filename")
                kind = kind if isinstance(kind, str) else ""
                prompt.append(FilePart(url, kind, name if isinstance(name, str) else ""))
            case str(kind) if kind.startswith("data-"):
                continue
            case kind:
                raise refused("type={!r}", kind, "are the parts 'text' and 'file' of a message")
    if sum(isinstance(part, FilePart) for part in prompt) > MAX_FILES:
        raise UsageError(f"the message has more than {MAX_FILES} files")
    if not any(isinstance(part, FilePart) or part.strip() for part in prompt):
        raise UsageError("the message is empty: accepted are words, pictures and files")
    return tuple(prompt)


def _answers(parts: Sequence[Mapping[str, Any]], edited: object, answered: object) -> Answers:
    """What the last message of the assistant says of calls that wait."""
    approvals: dict[str, Verdict] = {}
    results: dict[str, object] = {}
    for part in parts:
        kind, state = part.get("type"), part.get("state")
        if not isinstance(kind, str) or not kind.startswith(("dynamic-tool", "tool-")):
            continue
        call_id = _name("toolCallId", part.get("toolCallId"))
        if state == "approval-responded":
            approval_id, verdict = _verdict(part.get("approval"))
            approvals[approval_id] = verdict
        elif state == "output-available" and call_id is not None:
            results[call_id] = part.get("output")
    if not approvals and not results:
        raise UsageError(
            "the last message is the assistant's, and no call in it is answered: accepted is a "
            "message of the user, or one with parts in the state 'approval-responded'"
        )
    changed = _object("edited", {} if edited is None else edited)
    named = {name: _object(f"edited[{name!r:.80}]", each) for name, each in changed.items()}
    said = _object("answers", {} if answered is None else answered)
    forms = {name: _object(f"answers[{name!r:.80}]", each) for name, each in said.items()}
    return Answers(approvals, results, named, forms)


def _verdict(approval: object) -> tuple[str, Verdict]:
    given = _object("approval", approval)
    approval_id, reason = _name("approval.id", given.get("id")), given.get("reason")
    if approval_id is None:
        raise refused("approval.id={!r}", None, "is the id of an approval request")
    approved = check_kind("approved={!r}", given.get("approved"), bool, "true or false")
    words = None if reason is None else check_kind("reason={!r}", reason, str, "text")
    return approval_id, Verdict(approved, words)


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a conversation is resumed with."""

    approve: Mapping[str, bool | Denied | Edited]
    results: Mapping[str, object]
    outcomes: Mapping[str, Outcome]
    answers: Mapping[str, Mapping[str, Any] | Literal[False]] = field(repr=False)
    verdicts: Mapping[str, Verdict]
    """What is told of the decisions, by the id of the call."""


def resumption(run: Run, answers: Answers) -> Resumption:
    """The decisions on the calls of a run that waits. Answers that a message still has from an
    earlier pause are passed over. Raises `AlreadyAnswered` where none is to a present question.
    """
    held = held_calls(run) if run.status == "paused" else []
    pending = {each.id: each for each in run.invocations}
    approve: dict[str, bool | Denied | Edited] = {}
    results: dict[str, object] = {}
    outcomes: dict[str, Outcome] = {}
    given: dict[str, Mapping[str, Any] | Literal[False]] = {}
    verdicts: dict[str, Verdict] = {}
    for question in held:
        call_id = question.call_id
        if question.why == "result":
            if call_id in answers.results:
                results[call_id] = answers.results[call_id]
                verdicts[call_id] = Verdict(approved=True)
            continue
        verdict = answers.approvals.get(question.approval_id)
        if verdict is None:
            continue
        verdicts[call_id] = verdict
        if question.why == "outcome":
            outcomes[call_id] = "again" if verdict.approved else "give_up"
        elif question.why == "answer":
            filled = _of(question, answers.answered)
            given[call_id] = (filled or {}) if verdict.approved else False
        else:
            approve[call_id] = _decision(verdict, _edit(question, answers, pending[call_id]))
    if not verdicts:
        raise AlreadyAnswered(
            "nobody waits for this answer any more: it was given already, or the question is "
            "another by now; load the conversation again"
        )
    return Resumption(approve, results, outcomes, given, verdicts)


def _edit(question: Held, answers: Answers, call: Invocation) -> Mapping[str, Any] | None:
    """Other arguments for a call, if the person gave any."""
    given = _of(question, answers.edited)
    if given is None:
        return None
    return cast("Mapping[str, Any]", restored(given, call.arguments))


def _of(question: Held, given: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What was given for a question, by the id of its call or its own."""
    return given.get(question.call_id, given.get(question.approval_id))


def _decision(verdict: Verdict, edited: Mapping[str, Any] | None) -> bool | Denied | Edited:
    if verdict.approved:
        return True if edited is None else Edited(dict(edited))
    return Denied(verdict.reason) if verdict.reason else False


def _object(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where}: given is {type(value).__name__}; accepted is a JSON object")
    return cast("Mapping[str, Any]", value)


def _list(where: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise UsageError(f"{where}: given is {type(value).__name__}; accepted is a list")
    return cast("list[object]", value)


def _name(where: str, value: object) -> str | None:
    """A short text that is not empty; None where it is left out."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST:
        raise refused(f"{where}={{!r}}", value, f"is text of 1 to {_LONGEST} characters")
    return value
