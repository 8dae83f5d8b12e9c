"""A conversation: many turns with one agent, its history and its pictures."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, cast

from typing_extensions import TypeVar

from agentkit.abilities import fitted
from agentkit.answer import Answer
from agentkit.background import run_sync
from agentkit.budget import Budget
from agentkit.collect import ingest
from agentkit.decisions import decided
from agentkit.errors import ConversationBusy, DeadlineExceeded, ImageError, UsageError
from agentkit.given import Prompt, checked_api, checked_budget, checked_model, parts_of
from agentkit.images.fetch import Fetcher
from agentkit.kit import Kit
from agentkit.loop import drive
from agentkit.run import Run
from agentkit.stream import AnswerStream, EventLog
from agentkit.subagent import Errand
from agentkit.tools import Denied
from agentkit.values import Api, Image, Message, Text, ToolResult, Usage
from agentkit.wire.body import Encoded

if TYPE_CHECKING:
    from agentkit.agent import Agent

OutputT = TypeVar("OutputT", default=Any)


class Conversation(Generic[OutputT]):
    """Many turns with one agent. After an error, a cancellation or an early leave it is as it was before that turn."""

    def __init__(self, agent: Agent[OutputT], *, api: Api | None = None, model: str | None = None) -> None:
        self.agent = agent
        self.api: Api = checked_api(api or agent.api)
        """May be changed between two turns."""
        self.model = checked_model(model or agent.model)
        """May be changed between two turns."""
        self.session_id = f"agentkit-{secrets.token_hex(8)}"
        self._messages: tuple[Message, ...] = ()
        self._images: tuple[Image, ...] = ()
        self._usages: tuple[Usage, ...] = ()
        self._encoded = Encoded()
        self._busy = False

    @classmethod
    def holding(cls, agent: Agent[OutputT], run: Run) -> Conversation[OutputT]:
        """The conversation as it was before this run."""
        chat = cls(agent, api=run.api, model=run.model)
        chat.session_id = run.session_id or chat.session_id
        chat._messages = run.messages[: run.start]
        chat._images = tuple(image for image in run.images if image.name not in run.arrived)
        return chat

    @property
    def messages(self) -> tuple[Message, ...]:
        return self._messages

    @property
    def images(self) -> Mapping[str, Image]:
        """Every picture by its handle, the user's too, in order."""
        return MappingProxyType({image.name: image for image in self._images})

    @property
    def usage(self) -> Usage:
        """Of all turns that were kept."""
        return Usage.total(self._usages)

    def fork(self) -> Conversation[OutputT]:
        """A second future of this conversation: what was said is shared, what follows is not."""
        other = Conversation(self.agent, api=self.api, model=self.model)
        other._messages, other._images, other._usages = self._messages, self._images, self._usages
        other._encoded = self._encoded.copy()
        return other

    async def send(self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None) -> Answer[OutputT]:
        """One turn. Raises `ConversationBusy` while another goes on; else as `Agent.run`."""
        return await self._turn(prompt, EventLog(), deps=deps, budget=budget, stream=False)

    def send_sync(self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None) -> Answer[OutputT]:
        """`send` for code that is not async."""
        return run_sync(self.send(prompt, deps=deps, budget=budget))

    def stream(self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None) -> AnswerStream[OutputT]:
        """One turn, watched while it goes on."""
        parts_of(prompt)  # a wrong prompt is told here, not inside the block
        log = EventLog()
        return AnswerStream(log, self._turn(prompt, log, deps=deps, budget=budget, stream=True))

    async def resume(
        self,
        run: Run,
        *,
        approve: Mapping[str, bool | Denied] | None = None,
        results: Mapping[str, object] | None = None,
        deps: Any = None,
        budget: Budget | None = None,
    ) -> Answer[OutputT]:
        """Go on with a run of this conversation: see `Agent.resume`."""
        return await self._guarded(self._resumed(run, approve or {}, results or {}, EventLog(), deps, budget))

    def adopt(self, run: Run) -> Answer[OutputT]:
        """Keep a run that stopped as this turn: calls without a result get one that says they were cancelled."""
        if self._busy:
            raise _busy()
        self._check_own(run)
        own = {call.id for call in run.messages[-1].calls}
        for invocation in run.pending:
            ended = replace(invocation, status="cancelled", error="cancelled")
            told = ToolResult(ended.id, ended.name, (Text("cancelled: the run was stopped"),), error=True)
            run = run.with_result(ended, told) if ended.id in own else run.with_invocation(ended)
        if run.partial is not None:
            run = replace(run, messages=(*run.messages, run.partial), partial=None)
        status = "limited" if run.status in {"running", "paused"} else run.status
        run = replace(run, status=status, waiting=(), nested=())
        self._keep(run)
        return cast("Answer[OutputT]", Answer.of(run))

    async def on_errand(self, prompt: Sequence[str | Image], task: Errand, log: EventLog) -> Answer[OutputT]:
        """One turn with the means of the agent that this one works for, or what is left of a turn that waited."""
        if task.paused is None:
            return await self._sent(prompt, log, task.deps, task.budget, task.stream, task)
        decisions = task.approve or {}, task.results or {}
        return await self._resumed(task.paused, *decisions, log, task.deps, task.budget, task)

    async def _turn(
        self, prompt: Prompt, log: EventLog, *, deps: Any, budget: Budget | None, stream: bool
    ) -> Answer[OutputT]:
        return await self._guarded(self._sent(prompt, log, deps, budget, stream))

    async def _guarded(self, work: Any) -> Answer[OutputT]:
        """One turn at a time; a turn that fails leaves no trace."""
        if self._busy:
            work.close()
            raise _busy()
        self._busy = True
        try:
            answer: Answer[OutputT] = await work
            self._keep(answer.run)
            return answer
        finally:
            self._busy = False

    async def _sent(
        self,
        prompt: Prompt,
        log: EventLog,
        deps: Any,
        budget: Budget | None,
        stream: bool,
        task: Errand | None = None,
    ) -> Answer[Any]:
        kit = self._kit(deps, budget, stream=stream, depth=task.depth if task is not None else 0)
        try:
            run = Run(
                id=f"run_{secrets.token_hex(8)}",
                model=self.model,
                api=self.api,
                messages=self._messages,
                start=len(self._messages),
                limits=self.agent.limits if task is None else task.within(self.agent.limits),
                images=self._images,
                session_id=self.session_id,
                started_at=time.time(),
            )
            run = await _prompted(run, prompt, kit, scale=self.agent.scale)
            kit = await fitted(kit, run)
            if kit.may_draw:
                await asyncio.to_thread(
                    lambda: kit.store.create().discard()
                )  # a store that cannot be written is told before money is spent
            return await drive(run, kit, log)
        finally:
            await kit.fetcher.close()

    async def _resumed(
        self,
        run: Run,
        approve: Mapping[str, bool | Denied],
        results: Mapping[str, object],
        log: EventLog,
        deps: Any,
        budget: Budget | None,
        task: Errand | None = None,
    ) -> Answer[Any]:
        self._check_own(run)
        if run.status in {"completed", "refused", "limited"}:
            raise UsageError(f"resume(run={run.id}): this run has ended ({run.status}); send() a new prompt")
        kit = self._kit(
            deps, budget, stream=task is not None and task.stream, depth=task.depth if task is not None else 0
        )
        try:
            run = run if task is None else replace(run, limits=task.within(self.agent.limits, run))
            run, kit = await decided(replace(run, partial=None), approve, results, kit, log)
            return await drive(run, await fitted(kit, run), log)
        finally:
            await kit.fetcher.close()

    def _check_own(self, run: Run) -> None:
        if len(self._messages) != run.start or self._messages != run.messages[: run.start]:
            raise UsageError(
                f"run {run.id} does not go on from where this conversation is; Agent.resume(run) needs no conversation"
            )

    def _kit(self, deps: Any, budget: Budget | None, *, stream: bool, depth: int) -> Kit:
        agent = self.agent
        fetcher = Fetcher(agent.fetch, agent.store, origin=agent.client.origin)
        return Kit(
            agent.client,
            agent.store,
            fetcher,
            agent.tools,
            agent.instructions,
            agent.settings,
            agent.output,
            deps,
            stream,
            self._encoded,
            budget=Budget(within=[agent.budget, checked_budget(budget)]),
            history=agent.history,
            hooks=agent.hooks,
            depth=depth,
            checks=agent.checks,
        )

    def _keep(self, run: Run) -> None:
        if run.status == "paused":
            return  # the turn is not over: resume(run) or adopt(run) ends it
        self._messages, self._images = run.messages, run.images
        self._usages = (*self._usages, run.usage)


async def errand(agent: Agent[Any], prompt: Sequence[str | Image], task: Errand, log: EventLog) -> Answer[Any]:
    """A run of an agent as a tool of another."""
    chat = Conversation(agent) if task.paused is None else Conversation.holding(agent, task.paused)
    return await chat.on_errand(prompt, task, log)


async def _prompted(run: Run, prompt: Prompt, kit: Kit, *, scale: bool) -> Run:
    """The run with its prompt as the last message; the user's pictures are stored and named. Its time counts.

    Raises `ImageError` that says which picture cannot be used and why, and `DeadlineExceeded`.
    """
    given = parts_of(prompt)
    if not any(isinstance(part, Image) for part in given):  # nothing to wait for
        return run.grown(messages=(*run.messages, Message("user", tuple(given))))
    parts: list[Text | Image] = []
    began, number = time.monotonic(), 0
    try:
        async with asyncio.timeout(run.limits.seconds):
            for part in given:
                if isinstance(part, Image):
                    number += 1
                    run, part = run.with_image(await _usable(part, number, kit, scale=scale), arrived=False)  # noqa: PLW2901
                parts.append(part)
    except TimeoutError:
        words = f"the run's limit of {run.limits.seconds:g} seconds is reached, at picture {number} of the prompt"
        raise DeadlineExceeded(words) from None
    return run.grown(messages=(*run.messages, Message("user", tuple(parts))), seconds=time.monotonic() - began)


async def _usable(image: Image, number: int, kit: Kit, *, scale: bool) -> Image:
    """A picture of the prompt, in the store, and small enough to be sent."""
    try:
        return await ingest(image, kit.store, kit.fetcher, scale=scale)
    except ImageError as error:
        raise ImageError(f"picture {number} of the prompt ({image!r:.120}) cannot be used: {error}") from error


def _busy() -> ConversationBusy:
    return ConversationBusy("a turn of this conversation is going on: wait for it, or fork() the conversation")
