"""The state of one run, and the rules of the loop.

A run is a value. `next_step` looks at one and says what comes next; nothing here waits, sends or knows what time it is:

    Ask     send the messages to the model, with tools, or without them to close the answer in words
    Call    run these tool calls
    Wait    a person has to approve calls, or to give their results
    Finish  the answer is whole

Each thing that happens grows the run by replacement (`with_reply`, `with_result`, …) and the question is put again. So to
pause, approve, resume, replay or survive a crash is one and the same thing: load the run, take the next step.

The states follow from what the run holds, and from nothing else:

    pending calls, none approved yet  → Wait        pending calls that may run  → Call
    last message is the user's, or holds tool results  → Ask        last message is the assistant's, no calls  → Finish

A limit is looked at before the step that would break it. When one is reached while the model still wants tools, calls
beyond it get a result that says so, and one last Ask without tools closes the answer in words.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, Self

from agentkit.errors import UsageError
from agentkit.settings import Limits
from agentkit.values import Api, Blobs, Image, ImageFailure, Invocation, Message, Text, ToolCall, ToolResult, Usage

if TYPE_CHECKING:
    from pydantic import TypeAdapter

VERSION = 1
CLOSING_SHARE = 0.9
"""Of `Limits.seconds`, the share after which no tool runs any more, so that there is time left to close in words."""

RunStatus = Literal["running", "paused", "completed", "limited", "refused"]
HANDLE = re.compile(r"img_([1-9][0-9]{0,8})\Z")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call that a person has to decide on (`approval`), or whose result comes from outside (`result`)."""

    call_id: str
    why: Literal["approval", "result"]
    seal: str
    """Binds a decision to this run, call, name and arguments: a changed call needs a new one."""


@dataclass(frozen=True, slots=True)
class Run:
    """The whole state of one run. Nothing live is inside, so it can be saved, moved and loaded."""

    id: str
    model: str
    api: Api
    messages: tuple[Message, ...]
    start: int
    """Where this run's prompt stands in `messages`; what is before it was there already."""
    limits: Limits = field(default_factory=Limits)
    status: RunStatus = "running"
    invocations: tuple[Invocation, ...] = ()
    results: tuple[ToolResult, ...] = ()
    """Those of the current round, until each call has its own."""
    waiting: tuple[Waiting, ...] = ()
    images: tuple[Image, ...] = ()
    """All pictures of the conversation, in the order in which they were named."""
    arrived: tuple[str, ...] = ()
    """Names of those that the model or a tool gave in this run."""
    failures: tuple[ImageFailure, ...] = ()
    spent: tuple[Usage, ...] = ()
    partial: Message | None = None
    """What had arrived of a reply that broke off. It is no part of `messages`, so the history stays whole."""
    turns: int = 0
    repairs: int = 0
    """Replies that were sent back because they did not fit `output`."""
    closing: str | None = None
    """The limit that was reached, once the reply that closes the run has come."""
    refusal: str | None = None
    """The model's or the provider's words, where it refused."""
    session_id: str | None = None
    started_at: float = 0.0
    """Unix time in seconds."""
    seconds: float = 0.0
    """Working time so far; waiting for a person does not count."""
    version: int = VERSION

    @property
    def usage(self) -> Usage:
        return Usage.total(self.spent)

    @property
    def pending(self) -> tuple[Invocation, ...]:
        """Calls of the user's tools that have no result yet."""
        return tuple(
            each for each in self.invocations if each.executor == "client" and each.status in {"pending", "running"}
        )

    @property
    def runnable(self) -> tuple[Invocation, ...]:
        held = {each.call_id for each in self.waiting}
        return tuple(each for each in self.pending if each.id not in held)

    @property
    def tool_calls(self) -> int:
        return sum(each.count for each in self.invocations if each.status != "denied")

    def image(self, name: str) -> Image:
        """The picture with this handle. Raises `LookupError` that lists those that exist."""
        for image in self.images:
            if image.name == name:
                return image
        known = ", ".join(image.name for image in self.images) or "none yet"
        raise LookupError(f"there is no picture {name!r} in this conversation; there is: {known}")

    def with_image(self, image: Image, *, arrived: bool = True) -> tuple[Self, Image]:
        """This run knowing the picture, and the picture as it is now called.

        The same bytes are one picture: its sources are joined, and what was known of it before stays.
        """
        for index, known in enumerate(self.images):
            if known.sha256 == image.sha256:
                joined = _join(known, image)
                images = (*self.images[:index], joined, *self.images[index + 1 :])
                names = self.arrived if not arrived or joined.name in self.arrived else (*self.arrived, joined.name)
                return replace(self, images=images, arrived=names), joined
        numbers = [int(match[1]) for each in self.images if (match := HANDLE.match(each.name))]
        named = replace(image, name=f"img_{max(numbers, default=0) + 1}")
        return replace(
            self, images=(*self.images, named), arrived=(*self.arrived, named.name) if arrived else self.arrived
        ), named

    def with_reply(
        self, reply: Message, usage: Usage, *, server_calls: tuple[Invocation, ...] = (), closing: str | None = None
    ) -> Self:
        """This run with one more reply. Each whole call in it becomes a pending invocation, but in a reply that closes the
        run: there, and where a call was cut, it is answered at once, so that none dangles in the history."""
        run = replace(
            self,
            messages=(*self.messages, reply),
            invocations=(*self.invocations, *server_calls),
            spent=(*self.spent, usage),
            turns=self.turns + 1,
            closing=closing,
            partial=None,
        )
        for call in reply.calls:
            run = replace(run, invocations=(*run.invocations, Invocation(call.id, call.name)))
        for call in reply.calls:
            if closing or call.fault:
                why = f"not run: {call.fault}" if call.fault else f"not run: the limit of {closing} is reached"
                failed = Invocation(call.id, call.name, status="cancelled", error=why)
                run = run.with_result(failed, ToolResult(call.id, call.name, (Text(why),), error=True))
        return run

    def with_invocation(self, invocation: Invocation) -> Self:
        """This run with the invocation in the place of the last one with its id: some providers use an id again each turn."""
        at = max((index for index, each in enumerate(self.invocations) if each.id == invocation.id), default=None)
        if at is None:
            return self
        return replace(self, invocations=(*self.invocations[:at], invocation, *self.invocations[at + 1 :]))

    def with_result(self, invocation: Invocation, result: ToolResult) -> Self:
        """This run with a call answered. Once each call of the round is, a message with all of them follows."""
        run = self.with_invocation(invocation)
        results = (*self.results, result)
        last = self.messages[-1]
        order = {call.id: index for index, call in enumerate(last.calls)}
        if last.role != "assistant" or {each.call_id for each in results} < order.keys():
            return replace(run, results=results, waiting=tuple(w for w in self.waiting if w.call_id != result.call_id))
        ordered = tuple(sorted(results, key=lambda each: order.get(each.call_id, len(order))))
        return replace(run, results=(), waiting=(), messages=(*run.messages, Message("tool", ordered)))

    def call(self, call_id: str) -> ToolCall:
        """The call with this id in the last reply. Raises `LookupError` where it is not there."""
        for call in self.messages[-1].calls:
            if call.id == call_id:
                return call
        raise LookupError(f"no call {call_id!r} is waiting in run {self.id}")

    def seal(self, call: ToolCall) -> str:
        """What an approval of this call is bound to."""
        bound = "\0".join((self.id, call.id, call.name, call.arguments))
        return hashlib.sha256(bound.encode("utf-8", "surrogatepass")).hexdigest()

    def to_json(self) -> str:
        """The run as JSON, with pictures by reference: their bytes stay in the store. Half a surrogate pair becomes U+FFFD."""
        from pydantic_core import PydanticSerializationError

        try:
            return _codec().dump_json(self).decode()
        except PydanticSerializationError:  # words with half a surrogate pair: a tool's error can name such a file
            text = json.dumps(_codec().dump_python(self, mode="json"), ensure_ascii=False, separators=(",", ":"))
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    @classmethod
    def from_json(cls, text: str | bytes, *, blobs: Blobs | None = None) -> Run:
        """The run that `to_json` wrote. `blobs` is the store its pictures are read from.

        Raises `UsageError` where the text is no run, is of another version, is too large or too deep.
        """
        if not isinstance(text, str | bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"Run.from_json({type(text).__name__}): accepted are str and bytes")
        if len(text) > 256 * 1024 * 1024:
            raise UsageError(f"Run.from_json: {len(text)} characters; accepted are at most 256 MiB")
        try:
            run = _codec().validate_json(text, context={"blobs": blobs})
        except ValueError as error:
            raise UsageError(f"Run.from_json: this is no run that agentkit wrote ({_first_line(error)})") from None
        if run.version != VERSION:
            raise UsageError(f"Run.from_json(version={run.version}): accepted is {VERSION}")
        if not 0 <= run.start < len(run.messages):
            raise UsageError(f"Run.from_json(start={run.start}): there are {len(run.messages)} messages")
        for name in ("turns", "repairs", "seconds", "started_at"):
            value: float = getattr(run, name)
            if not (isfinite(value) and value >= 0):
                raise UsageError(f"Run.from_json({name}={value}): accepted is a finite number of at least 0")
        return run


def _first_line(error: ValueError) -> str:
    return " ".join(str(error).split("\n")[:3])[:200]


@cache
def _codec() -> TypeAdapter[Run]:
    from pydantic import TypeAdapter

    return TypeAdapter(Run)


def _join(known: Image, seen: Image) -> Image:
    sources = (*known.sources, *(source for source in seen.sources if source not in known.sources))
    filled: Mapping[str, Any] = {
        name: getattr(seen, name)
        for name in ("prompt", "revised_prompt", "model", "invocation_id", "cost_usd", "width", "height", "blobs")
        if getattr(known, name) is None
    }
    return replace(known, sources=sources, alt=known.alt or seen.alt, parents=known.parents or seen.parents, **filled)


@dataclass(frozen=True, slots=True)
class Ask:
    """Send the messages to the model; `closing` names the limit that was reached, and then no tools go with them."""

    closing: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """Run these calls, at most `Limits.parallel` at once; those in `over` are beyond a limit and get a result that says so."""

    invocations: tuple[Invocation, ...]
    over: tuple[Invocation, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can go on before a person decides."""

    invocations: tuple[Invocation, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    status: Literal["completed", "limited", "refused"]


Step = Ask | Call | Wait | Finish


def next_step(run: Run) -> Step:
    """What comes next for this run."""
    if run.runnable:
        room = max(run.limits.tool_calls - (run.tool_calls - len(run.pending)), 0)
        if run.seconds >= CLOSING_SHARE * run.limits.seconds:
            room = 0
        return Call(run.runnable[:room], run.runnable[room:])
    if run.pending:
        return Wait(run.pending)
    if run.refusal is not None:
        return Finish("refused")
    if run.closing is not None:
        return Finish("limited")
    if run.messages[-1].role == "assistant":
        return Finish("completed")
    reached = limit_reached(run)
    if reached == "output_tokens":  # not even a closing turn has a token left
        return Finish("limited")
    return Ask(closing=reached)


def limit_reached(run: Run) -> str | None:
    """The name of the limit that keeps the model from having tools in its next turn, or None."""
    limits, usage = run.limits, run.usage
    if limits.output_tokens is not None and usage.output_tokens >= limits.output_tokens:
        return "output_tokens"
    if run.turns >= limits.turns:
        return "turns"
    if run.turns and run.tool_calls >= limits.tool_calls:
        return "tool_calls"
    if limits.images is not None and len(run.arrived) >= limits.images:
        return "images"
    if limits.cost_usd is not None and (usage.cost_usd or 0.0) >= limits.cost_usd:
        return "cost_usd"
    if run.turns and run.seconds >= CLOSING_SHARE * limits.seconds:
        return "seconds"
    return None
