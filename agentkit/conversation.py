"""A conversation: many turns with one agent, its history and its pictures."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, Generic, Protocol, cast

from typing_extensions import TypeVar

from agentkit._check import check_choice, check_model, check_optional
from agentkit._sync import run_sync
from agentkit.answer import Answer, run_of
from agentkit.budget import Budget
from agentkit.errors import ConversationBusy, StoppedRun, UsageError
from agentkit.hooks import Hooks
from agentkit.images.drafts import check_writable
from agentkit.images.fetch import Fetcher
from agentkit.images.fetch_policy import FetchPolicy
from agentkit.images.store import ImageStore
from agentkit.loop.approvals import decided, given_up
from agentkit.loop.capabilities import with_capabilities
from agentkit.loop.context import RunContext, Services
from agentkit.loop.decisions import Decisions
from agentkit.loop.delegate import Delegation
from agentkit.loop.driver import drive
from agentkit.loop.prompt import Prompt, in_time, parts_of, prompted
from agentkit.openrouter.client import OpenRouter
from agentkit.run import History, Run
from agentkit.settings import Limits, ModelSettings
from agentkit.stream import AnswerStream, EventLog
from agentkit.tools import Denied, Tools
from agentkit.tools.output import Output
from agentkit.values import APIS, Api, Image, Message, Usage
from agentkit.wire.body import Encoded

OutputT = TypeVar("OutputT", default=Any)
Work = Callable[[], Coroutine[Any, Any, Answer[Any]]]


class AgentLike(Protocol[OutputT]):
    """What a conversation reads of its `Agent`, whose docstring says what each is."""

    model: str
    instructions: str
    tools: Tools
    api: Api
    settings: ModelSettings
    limits: Limits
    history: History
    budget: Budget | None
    output: Output[OutputT] | None
    store: ImageStore
    fetch: FetchPolicy
    checks: bool
    name: str
    hooks: tuple[Hooks, ...]
    scale: bool

    @property
    def client(self) -> OpenRouter: ...


class Conversation(Generic[OutputT]):
    """Many turns with one agent. After an error, a cancellation or an early leave, it is as it was
    before that turn.

    A turn that stops for a person (`answer.status == "paused"`) is not over. The next prompt raises
    `UsageError` until `resume(run, approve=…)` has continued it, `adopt(run)` has kept it as it is,
    or `drop()` has given it up. A `fork()` does not wait.
    """

    def __init__(
        self, agent: AgentLike[OutputT], *, api: Api | None = None, model: str | None = None
    ) -> None:
        self.agent = agent
        self._api: Api = check_choice(
            "conversation(api={!r})", agent.api if api is None else api, APIS
        )
        self._model = check_model(
            "conversation(model={!r})", agent.model if model is None else model
        )
        self.session_id = f"agentkit-{secrets.token_hex(8)}"
        self._messages: tuple[Message, ...] = ()
        self._images: tuple[Image, ...] = ()
        self._usages: tuple[Usage, ...] = ()
        self._encoded = Encoded()
        self._claim: object | None = None
        """Of the turn that goes on."""
        self._waiting: Run | None = None

    @classmethod
    def holding(cls, agent: AgentLike[OutputT], run: Run | StoppedRun) -> Conversation[OutputT]:
        """The conversation as it was before this run."""
        run = checked_run(run)
        chat = cls(agent, api=run.api, model=run.model)
        chat.session_id = run.session_id or chat.session_id
        chat._messages = run.messages[: run.start]
        before = {image.sha256 for message in chat._messages for image in message.images}
        came = {image.sha256 for image in run.messages[run.start].images}
        came |= {image.sha256 for image in run.images if image.name in run.arrived}
        chat._images = tuple(image for image in run.images if image.sha256 not in came - before)
        return chat

    @classmethod
    def after(
        cls,
        agent: AgentLike[OutputT],
        run: Run | StoppedRun,
        *,
        api: Api | None = None,
        model: str | None = None,
    ) -> Conversation[OutputT]:
        """The conversation as it is after this run: see `Agent.conversation`."""
        run = checked_run(run)
        chat = cls.holding(agent, run)
        if run.status != "running":
            chat._keep(run)  # noqa: SLF001 - its own
        chat.api, chat.model = (
            chat.api if api is None else api,
            chat.model if model is None else model,
        )
        return chat

    @property
    def api(self) -> Api:
        """The API of the next turn. May be set between two turns; raises `UsageError` for what is
        none.
        """
        return self._api

    @api.setter
    def api(self, api: Api) -> None:
        """The API of the next turn. It may be set between two turns; raises `UsageError` for an
        unknown one.
        """
        self._api = check_choice("chat.api = {!r}", api, APIS)

    @property
    def model(self) -> str:
        """The model of the next turn. May be set between two turns; raises `UsageError` for what
        cannot be one.
        """
        return self._model

    @model.setter
    def model(self, model: str) -> None:
        """The model of the next turn. It may be set between two turns; raises `UsageError` for a
        wrong slug.
        """
        self._model = check_model("chat.model = {!r}", model)

    @property
    def waiting(self) -> Run | None:
        """The run that waits for a person, or whose `resume` was interrupted. While there is one,
        no new prompt is accepted.
        """
        return self._waiting

    @property
    def messages(self) -> tuple[Message, ...]:
        """Every message so far, in order."""
        return self._messages

    @property
    def images(self) -> Mapping[str, Image]:
        """Every picture by its handle, in order, the user's pictures included."""
        return MappingProxyType({image.name: image for image in self._images})

    @property
    def usage(self) -> Usage:
        """The sum of all turns that were kept."""
        return Usage.total(self._usages)

    def fork(self) -> Conversation[OutputT]:
        """A second future of this conversation. What was said is shared; what follows is not.

        A turn that waits here does not hold up the fork, which may continue it (`resume`) or go on
        without it.
        """
        other = Conversation(self.agent, api=self.api, model=self.model)
        other._messages, other._images, other._usages = self._messages, self._images, self._usages
        other._encoded, other.session_id = self._encoded.copy(), self.session_id
        return other

    async def send(
        self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None
    ) -> Answer[OutputT]:
        """One turn. Raises `ConversationBusy` while another turn is running, and `UsageError` while
        one waits for a person; otherwise it raises as `Agent.run` does.
        """
        return await self._turn(
            self._claimed(), partial(self._sent, prompt, EventLog(), deps, budget, stream=False)
        )

    def send_sync(
        self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None
    ) -> Answer[OutputT]:
        """`send` for code that is not async."""
        return run_sync(self.send(prompt, deps=deps, budget=budget))

    def stream(
        self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None
    ) -> AnswerStream[OutputT]:
        """One turn, with events while it runs. The turn begins when the stream is entered."""
        parts_of(prompt)  # a wrong prompt is told here, not inside the block
        log = EventLog()
        return self._watched(log, partial(self._sent, prompt, log, deps, budget, stream=True))

    async def resume(
        self,
        run: Run | StoppedRun,
        *,
        approve: Mapping[str, bool | Denied] | None = None,
        results: Mapping[str, object] | None = None,
        deps: Any = None,
        budget: Budget | None = None,
    ) -> Answer[OutputT]:
        """Continue a run of this conversation, see `Agent.resume`. Raises `UsageError` if the
        conversation has gone on without it.
        """
        run, decisions = checked_run(run), Decisions.checked(approve, results)
        work = partial(self._resumed, run, decisions, EventLog(), deps, budget)
        return await self._turn(self._claimed(anew=False), work)

    def resume_sync(
        self,
        run: Run | StoppedRun,
        *,
        approve: Mapping[str, bool | Denied] | None = None,
        results: Mapping[str, object] | None = None,
        deps: Any = None,
        budget: Budget | None = None,
    ) -> Answer[OutputT]:
        """`resume` for code that is not async."""
        return run_sync(
            self.resume(run, approve=approve, results=results, deps=deps, budget=budget)
        )

    def resume_stream(
        self,
        run: Run | StoppedRun,
        *,
        approve: Mapping[str, bool | Denied] | None = None,
        results: Mapping[str, object] | None = None,
        deps: Any = None,
        budget: Budget | None = None,
    ) -> AnswerStream[OutputT]:
        """`resume` with events while it runs. Its events begin where the run goes on;
        `stream.answer` has all of the run.
        """
        run, decisions = checked_run(run), Decisions.checked(approve, results)
        log = EventLog()
        return self._watched(
            log, partial(self._resumed, run, decisions, log, deps, budget, stream=True), anew=False
        )

    def adopt(self, run: Run | StoppedRun) -> Answer[OutputT]:
        """Keep a run that stopped as this turn. Calls without a result get one that says they were
        cancelled.
        """
        self._check_idle()
        run = checked_run(run)
        self._check_own(run)
        run = given_up(run)
        self._keep(run)
        return cast("Answer[OutputT]", Answer.of(run))

    def drop(self) -> Run | None:
        """Give up the turn that waits, so that a new prompt is accepted. Returns its run, or None
        if none waits.

        Raises `ConversationBusy` while a turn is running.
        """
        self._check_idle()
        run, self._waiting = self._waiting, None
        self._encoded.keep_only(self._messages)
        return run

    async def on_errand(
        self, prompt: Sequence[str | Image], task: Delegation, log: EventLog
    ) -> Answer[OutputT]:
        """One turn with the means of the agent that this one works for, or what is left of a turn
        that waited.
        """
        if task.paused is None:
            return await self._sent(prompt, log, task.deps, task.budget, task, stream=task.stream)
        return await self._resumed(
            task.paused, task.decisions, log, task.deps, task.budget, task, stream=task.stream
        )

    def _claimed(self, *, anew: bool = True) -> object:
        """The conversation, for one turn at a time: `anew`, or to go on with one. Raises
        `ConversationBusy` and `UsageError`.
        """
        self._check_idle()
        if anew and (run := self._waiting) is not None:
            calls = ", ".join(repr(each.call_id) for each in run.waiting if each.why != "agent")
            state = f"waits for a person, for {calls}" if calls else "was interrupted"
            raise UsageError(
                f"a turn of this conversation (run {run.id}) {state}: go on with it by "
                "chat.resume(run, approve={…} or results={…}), keep it as it is by "
                "chat.adopt(run) (or the run that came of it "
                "elsewhere), or give it up by chat.drop(); the run is chat.waiting"
            )
        self._claim = claim = object()
        return claim

    def _check_idle(self) -> None:
        if self._claim is not None:
            raise ConversationBusy(
                "a turn of this conversation is going on: wait for it, or fork() the conversation"
            )

    def _release(self, claim: object) -> None:
        if self._claim is claim:
            self._claim = None

    def _watched(self, log: EventLog, work: Work, *, anew: bool = True) -> AnswerStream[OutputT]:
        def begin() -> asyncio.Task[Answer[OutputT]]:
            claim = self._claimed(anew=anew)
            task = asyncio.create_task(self._turn(claim, work))
            # one that is cancelled before its first step never gets to its `finally`
            task.add_done_callback(lambda _: self._release(claim))
            return task

        return AnswerStream(log, begin)

    async def _turn(self, claim: object, work: Work) -> Answer[OutputT]:
        """A turn that fails leaves no trace."""
        try:
            answer = await work()
            self._keep(answer.run)
            return answer
        except BaseException as error:
            own = run_of(error)
            if (
                own is not None
                and self._waiting is not None
                and own.id == self._waiting.id
                and own.status != "paused"
            ):
                self._waiting = (
                    None  # what was decided is used up: `error.run` is what can be gone on with
                )
            self._encoded.keep_only(self._messages)
            raise
        finally:
            self._release(claim)

    async def _sent(
        self,
        prompt: Prompt,
        log: EventLog,
        deps: Any,
        budget: Budget | None,
        task: Delegation | None = None,
        *,
        stream: bool,
    ) -> Answer[Any]:
        context = self._context(
            deps, budget, stream=stream, depth=task.depth if task is not None else 0
        )
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
            run = await prompted(run, prompt, context, scale=self.agent.scale)
            run, context = await in_time(run, _ready(run, context))
            return await drive(run, context, log)
        finally:
            await context.services.fetcher.close()

    async def _resumed(
        self,
        run: Run,
        decisions: Decisions,
        log: EventLog,
        deps: Any,
        budget: Budget | None,
        task: Delegation | None = None,
        *,
        stream: bool = False,
    ) -> Answer[Any]:
        self._check_own(run)
        if run.status not in {"running", "paused"}:
            raise UsageError(
                f"resume(run={run.id}): this run has ended ({run.status}); send() a new prompt"
            )
        context = self._context(
            deps, budget, stream=stream, depth=task.depth if task is not None else 0
        )
        try:
            run = run if task is None else replace(run, limits=task.within(self.agent.limits, run))
            work = decided(replace(run, partial=None), decisions, context, log)
            run, context = await in_time(run, _ready(run, context, work))
            return await drive(run, context, log)
        except asyncio.CancelledError:
            if self._waiting is not None and log.run is not None and log.run.id == self._waiting.id:
                self._waiting = log.run  # approvals of the one before may be used up
            raise
        finally:
            await context.services.fetcher.close()

    def _check_own(self, run: Run) -> None:
        if len(self._messages) != run.start or self._messages != run.messages[: run.start]:
            raise UsageError(
                f"run {run.id} does not go on from where this conversation is: it began "
                f"after {run.start} messages, and this "
                f"conversation has {len(self._messages)}; Agent.resume(run) needs no conversation"
            )

    def _context(self, deps: Any, budget: Budget | None, *, stream: bool, depth: int) -> RunContext:
        agent = self.agent
        fetcher = Fetcher(agent.fetch, agent.store, origin=agent.client.origin)
        services = Services(
            agent.client,
            agent.store,
            fetcher,
            self._encoded,
            agent.history,
            agent.hooks,
            agent.output,
            deps,
            stream,
            depth,
            agent.checks,
            agent.name,
        )
        given = check_optional("budget={!r}", budget, Budget, "Budget(…)")
        shared = Budget(within=[agent.budget, given])
        return RunContext(services, agent.tools, agent.instructions, agent.settings, shared)

    def _keep(self, run: Run) -> None:
        self._waiting = run if run.status == "paused" else None
        if self._waiting is not None:
            return  # the turn is not over: resume(run), adopt(run) or drop() ends it
        self._messages, self._images = run.messages, run.images
        self._usages = (*self._usages, run.usage)

    def __repr__(self) -> str:
        counts = f"{len(self._messages)} messages {len(self._images)} images"
        return (
            f"<Conversation {self._model!r} api={self._api!r} "
            f"{counts}{' waiting' if self._waiting else ''}>"
        )


async def _ready(
    run: Run, context: RunContext, work: Awaitable[tuple[Run, RunContext]] | None = None
) -> tuple[Run, RunContext]:
    """The run and its context for the first request, with what a person decided. Nothing is sent
    before a store that cannot be written, or a model that cannot do what is wanted, was told."""
    run, context = (run, context) if work is None else await work
    context = await with_capabilities(context, run)
    if context.may_draw:
        await asyncio.to_thread(check_writable, context.services.store)
    return run, context


def checked_run(run: object) -> Run:
    """A run. Raises `UsageError` that says where to take one from."""
    if not isinstance(run, Run):
        raise UsageError(
            f"given is {type(run).__name__} ({run!r:.80}), which is no run; accepted "
            "is a Run: answer.run, error.run, or "
            "Run.from_json(text, blobs=agent.store)"
        )
    return run
