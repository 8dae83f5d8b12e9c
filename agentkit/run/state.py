"""The state of one run: a value that grows by replacement."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Self

from agentkit._check import argument, check_number, refused
from agentkit.errors import UsageError
from agentkit.run.handles import FILE_HANDLE, HANDLE, unused_name
from agentkit.run.repeats import MOST_EQUAL_REPLIES, digest, repeated_call_notice
from agentkit.settings import Limits
from agentkit.values import (
    Api,
    Asked,
    Blobs,
    File,
    Image,
    ImageFailure,
    Invocation,
    Message,
    Messages,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    fast_init,
    replace,
    shares_messages,
)
from agentkit.values.codec import Amount, dumped

if TYPE_CHECKING:
    from pydantic import TypeAdapter


VERSION = 3
_READ = (2, 3)
"""Versions of saved runs that are read. 2 knew no files."""
_MOST = 1 << 63
"""No number in a saved run can be as large: sums and clocks could not take it."""
RunStatus = Literal["running", "paused", "completed", "limited", "refused", "interrupted"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call that a person has to decide on (`approval`), that asks a person something (`answer`),
    whose result comes from outside (`result`), or of an agent (`agent`) which waits itself: for its
    calls there is a `Waiting` each, by `CALL/ID`. Or a paid request of which nobody knows whether
    it was carried out (`outcome`)."""

    call_id: str
    """For a request to the model, its key in the call ledger."""
    why: Literal["approval", "answer", "result", "agent", "outcome"]
    fingerprint: str = ""
    """Binds a decision to this run, call, name and arguments: a changed call needs a new one."""
    nonce: str = ""
    """Random value hashed into the fingerprint, so that asking again about the same call
    invalidates the old approval.
    """
    key: str = ""
    """The key of a request in the call ledger."""
    generation_id: str | None = None
    """OpenRouter's id of that request, if it was told."""
    cost_usd: float | None = None
    """What it cost, as far as that is known."""


@dataclass(frozen=True, slots=True)
class Nested:
    """The run of an agent that was called as a tool, until its call has a result."""

    call_id: str
    run: Run
    uncounted: int = 0
    """How many of its latest requests `spent` of the caller does not have yet: while the agent is
    at work, or where a crash stopped it.
    """


@dataclass(frozen=True, slots=True)
class Broken:
    """A paid request that broke off, of which the run has what had arrived."""

    key: str
    """In the call ledger."""
    spent: int
    """The position of its usage in `Run.spent`."""


@fast_init
@shares_messages
@dataclass(frozen=True, slots=True)
class Run:
    """The whole state of one run, as a value. It can be saved with `to_json`, moved, and loaded
    with `from_json`.
    """

    id: str
    model: str
    api: Api
    messages: tuple[Message, ...]
    start: int
    """The position of this run's prompt in `messages`. What is before it is earlier history."""
    limits: Limits = field(default_factory=Limits)
    status: RunStatus = "running"
    invocations: tuple[Invocation, ...] = ()
    results: tuple[ToolResult, ...] = ()
    """Tool results of the current round, until every call of it has one."""
    waiting: tuple[Waiting, ...] = ()
    """The calls that wait for a person or for a result from outside."""
    verdicts: tuple[ToolResult, ...] = ()
    """What a person said to calls that the service runs, until nothing of the round waits."""
    asked: tuple[Asked, ...] = ()
    """What calls without a result have asked a person, with the answers that were given."""
    nested: tuple[Nested, ...] = ()
    """The runs of sub-agents whose calls have no result yet, as of their latest step."""
    images: tuple[Image, ...] = ()
    """All pictures of the conversation, in the order in which they got their handles."""
    handles: int = 0
    """Handles up to this number are taken, also those of pictures that are still on their way."""
    arrived: tuple[str, ...] = ()
    """Handles of the pictures that the model or a tool gave in this run."""
    files: tuple[File, ...] = ()
    """All files of the conversation, in the order in which they got their handles."""
    arrived_files: tuple[str, ...] = ()
    """Handles of the files that a tool gave in this run."""
    failures: tuple[ImageFailure, ...] = ()
    spent: tuple[Usage, ...] = ()
    """The usage of each request."""
    broken: tuple[Broken, ...] = ()
    """Its requests that broke off: what the call ledger has of them is not counted twice."""
    highest_cost_usd: Amount = 0.0
    """The highest cost of its own requests, apart from what its tools spent."""
    partial: Message | None = None
    """What had arrived of a reply that broke off. It is not part of `messages`."""
    turns: int = 0
    """Replies of the model so far."""
    repairs: int = 0
    """Replies that were sent back because they did not fit `output`."""
    last_calls: str = ""
    """Digests of the names and arguments of the latest reply's calls, however they were written
    down.
    """
    equal_replies: int = 0
    """How many replies up to it, in a row, made these calls."""
    cut_replies: int = 0
    """How many replies up to now, in a row, were cut off inside a call."""
    stuck: bool = False
    """Whether the model repeated a call after it was told to stop repeating it."""
    closing: str | None = None
    """The name of the limit that ended the run."""
    limit_reason: str | None = None
    """Why a cost limit ended the run, in words."""
    refusal: str | None = None
    """The words of the model or the provider, if it refused."""
    session_id: str | None = None
    started_at: Amount = 0.0
    """Unix time in seconds."""
    seconds: Amount = 0.0
    """Working time so far; waiting for a person does not count."""
    version: int = VERSION

    if TYPE_CHECKING:

        @property
        def shared_messages(self) -> Messages:
            """The messages as they are held, which asks for no tuple of all of them."""
            ...

    @property
    def added(self) -> tuple[Message, ...]:
        """The messages of this run, its prompt first."""
        return self.shared_messages.after(self.start)

    def replace(self, **changes: Any) -> Self:
        """The run with these changes."""
        return replace(self, **changes)

    @property
    def usage(self) -> Usage:
        """The sum of all requests of this run, those of sub-agents at work included."""
        return Usage.total((*self.spent, *self.uncounted) if self.nested else self.spent)

    @property
    def uncounted(self) -> tuple[Usage, ...]:
        """The usage of those requests of sub-agents that `spent` does not have yet."""
        usages: list[Usage] = []
        for each in self.nested:
            usages += each.run.spent[len(each.run.spent) - each.uncounted :]
            usages += each.run.uncounted
        return tuple(usages)

    @property
    def pictures(self) -> int:
        """How many pictures came in this run, those of sub-agents at work included."""
        return len(_drawn(self)) if self.nested else len(self.arrived)

    def without_broken(self, key: str) -> Self:
        """This run without the usage of a request that broke off, since its reply is read again."""
        found = [each for each in self.broken if each.key == key]
        if not found:
            return self
        spent = list(self.spent)
        for each in found:
            if 0 <= each.spent < len(spent):
                spent[each.spent] = Usage()
        broken = tuple(each for each in self.broken if each.key != key)
        return self.replace(spent=tuple(spent), broken=broken)

    @property
    def pending(self) -> tuple[Invocation, ...]:
        """Calls of the user's tools that have no result yet."""
        return tuple(
            [
                each
                for each in self.invocations
                if each.status in {"pending", "running"} and each.executor == "client"
            ]
        )

    @property
    def tool_calls(self) -> int:
        """How many calls were run or may still run. Calls that were refused or cancelled do not
        count.
        """
        return sum(
            [each.count for each in self.invocations if each.status not in {"denied", "cancelled"}]
        )

    def image(self, name: str) -> Image:
        """The picture with this handle. Raises `LookupError` that lists the handles that exist."""
        for image in self.images:
            if image.name == name:
                return image
        known = ", ".join(image.name for image in self.images) or "none yet"
        raise LookupError(f"there is no picture {name!r} in this conversation; there is: {known}")

    def with_image(self, image: Image, *, arrived: bool = True) -> tuple[Self, Image]:
        """This run knowing the picture, and the picture as it is now called.

        The same bytes are one picture: its sources are joined, and what was known of it before
        stays.
        """
        for index, known in enumerate(self.images):
            if known.sha256 == image.sha256:
                joined = known.joined(image)
                images = (*self.images[:index], joined, *self.images[index + 1 :])
                names = (
                    self.arrived
                    if not arrived or joined.name in self.arrived
                    else (*self.arrived, joined.name)
                )
                return self.replace(images=images, arrived=names), joined
        numbers = [int(match[1]) for each in self.images if (match := HANDLE.match(each.name))]
        named = replace(image, name=f"img_{max(self.handles, *numbers, 0) + 1}")
        names = (*self.arrived, named.name) if arrived else self.arrived
        return self.replace(images=(*self.images, named), arrived=names), named

    def file(self, name: str) -> File:
        """The file with this handle. Raises `LookupError` that lists the handles that exist."""
        for file in self.files:
            if file.name == name:
                return file
        known = ", ".join(file.name for file in self.files) or "none yet"
        raise LookupError(f"there is no file {name!r} in this conversation; there is: {known}")

    def with_file(self, file: File, *, arrived: bool = True) -> tuple[Self, File]:
        """This run knowing the file, and the file as it is now called: the same bytes are one file,
        and no two have the same name.
        """
        known = next((each for each in self.files if each.sha256 == file.sha256), None)
        named = known
        if named is None:
            numbers = [int(at[1]) for each in self.files if (at := FILE_HANDLE.match(each.name))]
            taken = {each.file_name for each in self.files}
            called = unused_name(file.file_name, taken)
            named = replace(file, name=f"file_{max(numbers, default=0) + 1}", file_name=called)
        names = self.arrived_files
        if arrived and named.name not in names:
            names = (*names, named.name)
        files = self.files if known is not None else (*self.files, named)
        return self.replace(files=files, arrived_files=names), named

    def with_reply(
        self,
        reply: Message,
        usage: Usage,
        *,
        server_calls: tuple[Invocation, ...] = (),
        closing: str | None = None,
        repeatable: Collection[str] = (),
        cut: bool = False,
        refusal: str | None = None,
        cost_usd: float = 0.0,
    ) -> Self:
        """This run with one more reply, which cost so much. Each whole call in it becomes a pending
        invocation, but in a reply that closes the run: there, where a call was cut, and where one
        reply after the other makes it (of a tool that is not `repeatable`), it is answered at once,
        so that none dangles in the history. `cut`: the reply broke off inside a call. `refusal` has
        the words of a model or provider that refused.
        """
        made: list[Invocation] = []
        answered: list[ToolResult] = []
        calls = reply.calls
        counted = [call for call in calls if call.name not in repeatable]
        key = " ".join(sorted({digest(call) for call in counted}))
        times = self.equal_replies + 1 if key and key == self.last_calls else 1
        for call in calls:
            why = _why_not_run(call, closing, 1 if call.name in repeatable else times)
            if why is None:
                made.append(Invocation(call.id, call.name))
            else:
                why = f"not run: {why}"
                made.append(Invocation(call.id, call.name, status="cancelled", error=why))
                answered.append(ToolResult(call.id, call.name, (Text(why),), error=True))
        whole = bool(answered) and len(answered) == len(calls)
        follow = (Message("tool", tuple(answered)),) if whole else ()
        return replace(
            self,
            messages=self.shared_messages.with_more(reply, *follow),
            invocations=(*self.invocations, *server_calls, *made),
            results=() if whole else tuple(answered),
            spent=(*self.spent, usage),
            turns=self.turns + 1,
            closing=closing,
            partial=None,
            last_calls=key,
            equal_replies=times,
            cut_replies=self.cut_replies + 1 if cut else 0,
            stuck=times > MOST_EQUAL_REPLIES + 1,
            refusal=refusal,
            highest_cost_usd=max(self.highest_cost_usd, cost_usd),
        )

    def with_invocation(self, *changed: Invocation) -> Self:
        """This run with each invocation in the place of the last one with its id: some providers
        use an id again each turn.
        """
        invocations = self._invocations_with(changed)
        return self if invocations is self.invocations else self.replace(invocations=invocations)

    def _invocations_with(self, changed: Sequence[Invocation]) -> tuple[Invocation, ...]:
        if len(changed) == 1:
            return self._invocations_with_one(changed[0])
        places = {each.id: at for at, each in enumerate(self.invocations)}
        known = [each for each in changed if each.id in places]
        if not known:
            return self.invocations
        invocations = list(self.invocations)
        for each in known:
            invocations[places[each.id]] = each
        return tuple(invocations)

    def _invocations_with_one(self, changed: Invocation) -> tuple[Invocation, ...]:
        invocations = self.invocations
        at = self._place(changed.id)
        if at is None:
            return invocations
        return (*invocations[:at], changed, *invocations[at + 1 :])

    def _place(self, call_id: str) -> int | None:
        """Where the last invocation with this id is. Those of the last reply are at the end, in the
        order of its calls, so that none of many is searched for among the others.
        """
        invocations, numbers = self.invocations, self.shared_messages.last.call_numbers
        guess = len(invocations) - len(numbers) + numbers.get(call_id, 0)
        if 0 <= guess < len(invocations) and invocations[guess].id == call_id:
            return guess
        found = (at for at in reversed(range(len(invocations))) if invocations[at].id == call_id)
        return next(found, None)

    def with_result(self, invocation: Invocation, result: ToolResult) -> Self:
        """This run with a call answered. Once each call of the round is, a message with all of them
        follows.
        """
        if invocation.question is not None:
            invocation = replace(invocation, question=None)
        asked = self.asked
        if asked:
            asked = tuple([each for each in asked if each.call_id != invocation.id])
        invocations = self._invocations_with_one(invocation)
        results = (*self.results, result)
        last = self.shared_messages.last
        order = last.call_numbers
        if (
            last.role != "assistant"
            or len(results) < len(order)
            or {each.call_id for each in results} < order.keys()
        ):
            waiting = self.waiting
            if waiting:
                waiting = tuple([each for each in waiting if each.call_id != result.call_id])
            return self.replace(
                invocations=invocations, results=results, waiting=waiting, asked=asked
            )
        ordered = tuple(sorted(results, key=lambda each: order.get(each.call_id, len(order))))
        messages = self.shared_messages.with_more(Message("tool", ordered))
        left: tuple[Waiting, ...] = ()
        if self.waiting:
            requested = {each.id for each in self.requested}
            left = tuple([each for each in self.waiting if each.call_id in requested])
        whole = self.replace(
            invocations=invocations, results=(), waiting=left, asked=asked, messages=messages
        )
        return whole.with_told_verdicts()

    @property
    def requested(self) -> tuple[Invocation, ...]:
        """Calls that the service runs once a person has agreed to them."""
        asked = {each.call_id for each in self.waiting}
        agents = tuple(f"{each.call_id}/" for each in self.nested)
        return tuple(
            [
                each
                for each in self.invocations
                if is_request(each) and each.id in asked and not each.id.startswith(agents)
            ]
        )

    def with_requests(self, before: Run) -> Self:
        """This run waiting for what a person says to the calls that came since `before` and that
        the service runs only then.
        """
        known = len(before.invocations)
        new = [each for each in self.invocations[known:] if is_request(each)]
        if not new or self.closing is not None:
            return self
        waiting = [Waiting(each.id, "approval", self.fingerprint(each)) for each in new]
        return self.replace(waiting=(*self.waiting, *waiting))

    def with_verdict(self, invocation: Invocation, verdict: ToolResult) -> Self:
        """This run with what a person said to a call that the service runs. It is told once nothing
        of the round waits.
        """
        waiting = tuple([each for each in self.waiting if each.call_id != invocation.id])
        run = self.with_invocation(invocation)
        run = run.replace(waiting=waiting, verdicts=(*self.verdicts, verdict))
        return run.with_told_verdicts()

    def with_told_verdicts(self) -> Self:
        """This run with a message of what a person said to such calls, if nothing waits."""
        if not self.verdicts or self.waiting or self.pending:
            return self
        reply = next(each for each in reversed(self.shared_messages) if each.role == "assistant")
        told = Message("tool", self.verdicts, api=reply.api, model=reply.model, asked=reply.asked)
        return self.replace(messages=self.shared_messages.with_more(told), verdicts=())

    def asked_by(self, call_id: str) -> Asked | None:
        """What this call has asked a person so far."""
        return next((each for each in self.asked if each.call_id == call_id), None)

    def with_asked(self, asked: Asked) -> Self:
        """This run with what a call has asked by now."""
        others = [each for each in self.asked if each.call_id != asked.call_id]
        return self.replace(asked=(*others, asked))

    def with_nested(self, call_id: str, sub: Run, *, counted: bool = False) -> Self:
        """This run with the latest state of the agent that was called. `counted`: what it spent is
        in `spent` by now.
        """
        before = next((each for each in self.nested if each.call_id == call_id), None)
        known = 0
        if counted:
            known = len(sub.spent)
        elif before is not None and before.run.id == sub.id:
            known = len(before.run.spent) - before.uncounted
        others = [each for each in self.nested if each.call_id != call_id]
        nested = Nested(call_id, sub, len(sub.spent) - known)
        return self.replace(nested=(*others, nested))

    def with_all_counted(self) -> Self:
        """This run with the spending of its sub-agents in `spent`, so that they can be let go."""
        if not self.uncounted:
            return self
        nested = tuple(
            [replace(each, uncounted=0, run=each.run.with_all_counted()) for each in self.nested]
        )
        return self.replace(spent=(*self.spent, *self.uncounted), nested=nested)

    def call(self, call_id: str) -> ToolCall:
        """The call with this id in the last reply. Raises `LookupError` where it is not there."""
        last = self.shared_messages.last
        number = last.call_numbers.get(call_id)
        if number is None:
            raise LookupError(f"no call {call_id!r} is waiting in run {self.id}")
        return last.calls[number]

    def fingerprint(self, invocation: Invocation, nonce: str = "") -> str:
        """A digest that an approval is bound to: of the run, the call, its arguments and the
        `nonce` of the question.
        """
        call = (invocation.id, invocation.name, invocation.arguments, *([nonce] if nonce else []))
        bound = json.dumps([self.id, *call], sort_keys=True, default=str)
        return hashlib.sha256(bound.encode()).hexdigest()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Notebook display."""
        from agentkit.run.display import mimebundle

        facts = [self.id, self.status, self.model, f"{self.shared_messages.length} messages"]
        facts.append(f"{len(self.arrived)} images")
        if (cost := self.usage.cost_usd) is not None:
            facts.append(f"${cost:.4f}")
        told = [each for each in self.added if each.role == "assistant"]
        words = next((message.text for message in reversed(told) if message.text), "")
        by_name = {image.name: image for image in self.images}
        pictures = [by_name[name] for name in self.arrived if name in by_name]
        return mimebundle(f"<Run {' '.join(facts)}>", words, pictures)

    def to_json(self) -> str:
        """The run as JSON. Pictures are named by their digest: their bytes stay in the store."""
        return dumped(_codec(), self).decode()

    @classmethod
    def from_json(cls, text: str | bytes, *, blobs: Blobs | None = None) -> Run:
        """The run that `to_json` wrote. `blobs` is the store from which its pictures are read.

        Raises `UsageError` if the text is not such a run, has another version, or is larger than
        256 MiB.
        """
        if not isinstance(text, str | bytes):
            raise UsageError(f"Run.from_json({type(text).__name__}): accepted are str and bytes")
        if len(text) > 256 * 1024 * 1024:
            raise UsageError(f"Run.from_json: {len(text)} characters; accepted are at most 256 MiB")
        try:
            run = _codec().validate_json(text, context={"blobs": blobs})
        except ValueError as error:
            why = " ".join(str(error).split("\n")[:3])[:200]
            raise UsageError(f"Run.from_json: this is no run that agentkit wrote ({why})") from None
        if run.version not in _READ:
            raise refused("Run.from_json(version={!r})", run.version, f"is {VERSION}")
        run = run.replace(version=VERSION)
        if not 0 <= run.start < run.shared_messages.length:
            accepted = f"is the position of one of its {run.shared_messages.length} messages"
            raise refused("Run.from_json(start={!r})", run.start, accepted)
        for name in ("turns", "repairs", "handles", "seconds", "started_at", "highest_cost_usd"):
            check_number(argument("Run.from_json", name), getattr(run, name), least=0, most=_MOST)
        for each in (*run.spent, *run.images, *run.invocations):
            cost = each.cost_usd or 0.0
            check_number("Run.from_json(cost_usd={!r})", cost, least=0, most=_MOST)
        for each in run.spent:
            uncertain = each.uncertain_usd
            check_number("Run.from_json(uncertain_usd={!r})", uncertain, least=0, most=_MOST)
        for each in run.nested:
            most = len(each.run.spent)
            check_number("Run.from_json(uncounted={!r})", each.uncounted, least=0, most=most)
        return run


def is_request(invocation: Invocation) -> bool:
    """Whether the service runs this call once a person has agreed to it."""
    return invocation.executor == "server" and invocation.status == "pending"


@cache
def _codec() -> TypeAdapter[Run]:
    from pydantic import TypeAdapter

    return TypeAdapter(Run)


def _why_not_run(call: ToolCall, closing: str | None, times: int) -> str | None:
    """Why a call is answered and not run, if it is. `times`: so many replies in a row made it."""
    if call.fault is not None:
        return call.fault
    return f"the limit of {closing} is reached" if closing else repeated_call_notice(times)


def _drawn(run: Run) -> frozenset[str]:
    """The digests of the pictures that came in a run, and in those of its sub-agents."""
    names = set(run.arrived)
    own = {image.sha256 for image in run.images if image.name in names}
    return frozenset(own.union(*[_drawn(each.run) for each in run.nested]))
