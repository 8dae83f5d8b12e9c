"""An agent as a tool of another: what it may use of the caller's limits, and what of its run
becomes the caller's.

Its pictures get handles of the caller, and so do the words that name them; its usage is added to
the caller's; its invocations stand behind the call, under `CALL/ID`; its events are progress of the
call. Its messages stay its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from agentkit.answer import Answer
from agentkit.errors import AgentkitError
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
from agentkit.loop.decisions import Decisions
from agentkit.openrouter.paid_call import RunLedger
from agentkit.run import Run
from agentkit.settings import Limits
from agentkit.show.plain import line
from agentkit.stream import EventLog
from agentkit.tools import Tool
from agentkit.values import File, Image, Invocation, Usage, fast_init

if TYPE_CHECKING:
    from agentkit.budget import Budget

MAX_DEPTH = 5
"""Agents that call one another as tools: more than this, and they call each other in a circle."""


class TooDeep(AgentkitError):
    """Agents call one another without end. Told to the model."""


@fast_init
@dataclass(frozen=True, slots=True)
class Delegation:
    """What a run gets from the one it works for."""

    seconds: float
    """Left for it."""
    tool_calls: int
    output_tokens: int | None
    depth: int
    budget: Budget | None
    """Money and pictures, shared with the caller and with all that it called."""
    deps: Any
    stream: bool
    begun: Run | None = None
    """Its own run, where that had begun: it waited for a person, who has decided by now, or was
    interrupted.
    """
    decisions: Decisions = field(default_factory=Decisions)
    """What the person decided."""
    calls: RunLedger | None = None
    """Its calls in the caller's ledger."""

    def within(self, own: Limits, run: Run | None = None) -> Limits:
        """The agent's own limits, as far as the caller's reach; what a `run` that goes on has used
        is on top of these.
        """
        seconds, calls, tokens = self.seconds, self.tool_calls, self.output_tokens
        if run is not None:
            seconds, calls = seconds + run.seconds, calls + run.tool_calls
            tokens = None if tokens is None else tokens + run.usage.output_tokens
        known = [each for each in (own.output_tokens, tokens) if each is not None]
        return replace(
            own,
            seconds=max(min(own.seconds, seconds), 0.001),
            tool_calls=min(own.tool_calls, calls),
            output_tokens=min(known, default=None),
        )


class Work(Protocol):
    """Runs the agent that was made a tool."""

    def __call__(
        self, prompt: Sequence[str | Image | File], task: Delegation, log: EventLog
    ) -> Awaitable[Answer[Any]]: ...


class SubAgent:
    """The function behind `Agent.as_tool`. Called by hand, it is a run of that agent on its own."""

    def __init__(
        self,
        name: str,
        alone: Callable[[list[str | Image | File]], Awaitable[Answer[Any]]],
        work: Work,
    ) -> None:
        self.__name__ = name
        self._alone, self.work = alone, work

    async def __call__(
        self,
        prompt: str,
        pictures: list[Image] | None = None,
        files: list[File] | None = None,
    ) -> Answer[Any]:
        """Hand a task to another agent, which knows nothing of this conversation.

        Args:
            prompt: The whole task, with all that has to be known for it.
            pictures: The pictures of this conversation that it needs to see.
            files: The files of this conversation that it needs to read.
        """
        return await self._alone([prompt, *(pictures or ()), *(files or ())])


def is_agent(tool: Tool[..., Any]) -> bool:
    """Whether a call of this tool has a run of its own. What a saved run says of the calls of other
    tools counts for nothing.
    """
    return isinstance(tool.function, SubAgent)


def nested_in(run: Run, call_id: str) -> Run | None:
    """The run of the agent that this call asked, while it has not ended."""
    return next((each.run for each in run.nested if each.call_id == call_id), None)


class Relay(EventLog):
    """The events of a sub-agent's run, told to the caller as progress of the call; and the run
    itself, which the caller's holds as far as it has come.
    """

    def __init__(self, invocation: Invocation, to: EventLog) -> None:
        super().__init__(self._hand_on)
        self._invocation, self._to = invocation, to

    def _hand_on(self, sub: Run) -> None:
        if self._to.run is not None:
            self._to.run = self._to.run.with_nested(self._invocation.id, sub)

    async def save(self, *, is_asking: bool = False) -> None:
        await self._to.save(is_asking=is_asking)

    def tell(self, event: Event) -> None:
        self._to.tell(InvocationProgress(self._invocation, _words(event), event))


def _words(event: Event) -> str:
    """An event in a few words. Handles in it are the sub-agent's own."""
    match event:
        case TextDelta(text=text) | ReasoningDelta(text=text):
            return text
        case InvocationStarted(invocation=invocation):
            return f"calls {line(invocation.name)}"
        case InvocationProgress(invocation=invocation, message=message):
            return f"{line(invocation.name)}: {message}"
        case InvocationFinished(invocation=invocation):
            return f"{line(invocation.name)} {invocation.status}"
        case ImagePreview():
            return "a preview"
        case ImageReady(image=image):
            return f"drew {image.name}"
        case ImageFailed(failure=failure):
            return f"a picture failed: {failure.reason}"
        case TurnFinished():
            return "a reply is whole"
        case RunFinished(status=status):
            return status


def said(sub: Run) -> str:
    """What the caller's model is told of a run that has ended."""
    words = Answer.of(sub).text
    if sub.refusal is not None and sub.refusal not in words:
        words = f"{words}\n\nrefused: {sub.refusal}".strip()
    if sub.status == "interrupted":
        words = f"{words}\n\n[the agent was stopped before its end]".strip()
    if sub.status == "limited":
        words = f"{words}\n\n[the agent stopped at its limit of {sub.closing or 'means'}]".strip()
    return words


def drawn(sub: Run) -> dict[str, Image]:
    """The pictures that came in a run, by its own handles, in the order of arrival."""
    by_name = {image.name: image for image in sub.images}
    return {name: by_name[name] for name in sub.arrived if name in by_name}


def filed(sub: Run) -> dict[str, File]:
    """The files that came in a run, by its own handles."""
    by_name = {file.name: file for file in sub.files}
    return {name: by_name[name] for name in sub.arrived_files if name in by_name}


def renamed(run: Run, sub: Run) -> dict[str, str]:
    """The sub-agent's handles → those that the caller has for the same pictures."""
    own = {each.sha256: each.name for each in (*run.images, *run.files)}
    things = (*sub.images, *sub.files)
    return {each.name: own[each.sha256] for each in things if each.sha256 in own}


def absorbed(run: Run, call_id: str, sub: Run, *, images: int, known: int = 0) -> Run:
    """The caller's run with what its sub-agent spent and did; its pictures are there already,
    `images` of them new.

    `known` is how many of `sub.spent` the caller has counted before. What had not ended is
    cancelled, but where the run waits for a person.
    """
    handles = renamed(run, sub)
    held = {each.call_id for each in sub.waiting} if sub.status == "paused" else set[str]()
    inner: list[Invocation] = []
    for each in sub.invocations:
        ended = replace(
            each,
            id=f"{call_id}/{each.id}",
            images=tuple(handles.get(name, name) for name in each.images),
            files=tuple(handles.get(name, name) for name in each.files),
        )
        if each.status in {"pending", "running"} and each.id not in held:
            ended = replace(
                ended, status="cancelled", error=each.error or "cancelled: the run was stopped"
            )
        inner.append(ended)
    ids = {each.id for each in inner}
    others = [each for each in run.invocations if each.id not in ids]
    own = [at for at, each in enumerate(others) if each.id == call_id]
    behind = own[-1] + 1 if own else len(others)  # some providers use an id again each turn
    failures = list(run.failures)
    for failure in sub.failures:
        inner_id = f"{call_id}/{failure.invocation_id}" if failure.invocation_id else call_id
        told = replace(failure, invocation_id=inner_id)
        if told not in run.failures:
            failures.append(told)
    usage = replace(Usage.total(sub.spent[known:]), images=images)
    return replace(
        run,
        invocations=(*others[:behind], *inner, *others[behind:]),
        failures=tuple(failures),
        spent=(*run.spent, usage),
    )
