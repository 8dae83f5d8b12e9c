"""A conversation: many turns with one agent, its history and its pictures."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any, Generic, Unpack, cast

from typing_extensions import TypeVar

from agentkit._check import (
    check_choice,
    check_kind,
    check_model,
    check_optional,
    check_session,
)
from agentkit._recorder import SESSION, recorder
from agentkit._sync import check_asyncio, in_background, run_sync
from agentkit.answer import Answer, run_of
from agentkit.budget import Budget
from agentkit.errors import ConversationBusy, RunError, StoppedRun, UsageError
from agentkit.events import RunFinished
from agentkit.images.again import fetch_again
from agentkit.loop.album import Album
from agentkit.loop.approvals import given_up
from agentkit.loop.begin import AgentLike, services_of
from agentkit.loop.delegate import Delegation
from agentkit.loop.driver import drive
from agentkit.loop.prompt import Prompt, parts_of
from agentkit.loop.start import ResumeOptions, Start, checked_run, resumed
from agentkit.openrouter.ledger import Ledger
from agentkit.run import Run
from agentkit.run.planner import Planner
from agentkit.run.summary import sent as sent_of
from agentkit.stream import AnswerStream, EventLog, Save, Turn
from agentkit.values import APIS, Api, File, Image, ImageFailure, Message, Usage
from agentkit.values.image_groups import ImageMapping
from agentkit.values.messages import NO_MESSAGES
from agentkit.wire.body import Encoded

OutputT = TypeVar("OutputT", default=Any)


class Conversation(Generic[OutputT]):
    """Many turns with one agent. After an error, a cancellation or an early leave, its history is
    as it was before that turn; the pictures that came, and what they cost, are kept.

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
        self._session_id: str | None = None
        self._messages = NO_MESSAGES
        self._album = Album()
        self._encoded = Encoded(heads=agent.known.heads)
        self._planner = Planner()
        self._claim: _Claim | None = None
        """Of the turn that goes on."""
        self._waiting: Run | None = None
        self._is_held = True
        """Whether somebody has this conversation when a turn has ended."""
        self._late: set[asyncio.Task[None]] = set()
        """Downloads that go on when their turn has ended."""
        self._ledger: Ledger | None = None
        """Where paid requests are written down if the agent has no ledger."""
        self._save: Save | None = None
        """Writes a run down while it goes on."""

    @classmethod
    def for_one_run(cls, agent: AgentLike[OutputT]) -> Conversation[OutputT]:
        """A conversation that nobody holds when its one run has ended: that waits for its
        downloads.
        """
        chat = cls(agent)
        chat._is_held = False
        return chat

    @classmethod
    def holding(
        cls, agent: AgentLike[OutputT], run: Run | StoppedRun, *, is_held: bool = False
    ) -> Conversation[OutputT]:
        """The conversation as it was before this run."""
        run = checked_run(run)
        chat = cls(agent, api=run.api, model=run.model)
        chat._is_held = is_held
        chat._session_id = run.session_id
        chat._messages = run.shared_messages.first(run.start)
        before = {image.sha256 for message in chat._messages for image in message.images}
        came = {image.sha256 for image in run.shared_messages[run.start].images}
        came |= {image.sha256 for image in run.images if image.name in run.arrived}
        for image in run.images:
            if image.sha256 not in came - before:
                chat._album.keep(image)
        said = {file.name for message in chat._messages for file in message.files}
        new = {file.name for file in run.shared_messages[run.start].files} | {*run.arrived_files}
        for file in run.files:
            if file.name not in new - said:
                chat._album.keep_file(file)
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
        chat = cls.holding(agent, run, is_held=True)
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
        self._api = check_choice("chat.api = {!r}", api, APIS)

    @property
    def model(self) -> str:
        """The model of the next turn. May be set between two turns; raises `UsageError` for what
        cannot be one.
        """
        return self._model

    @model.setter
    def model(self, model: str) -> None:
        self._model = check_model("chat.model = {!r}", model)

    @property
    def session_id(self) -> str:
        """What all requests of this conversation carry, so that they go to one provider. Random,
        but while a test records or plays a cassette always the same. May be set;
        raises `UsageError` for what cannot be one.
        """
        if self._session_id is None:
            self._session_id = SESSION if recorder() else f"agentkit-{secrets.token_hex(8)}"
        return self._session_id

    @session_id.setter
    def session_id(self, session_id: str) -> None:
        self._session_id = check_session("chat.session_id = {!r}", session_id)

    @property
    def waiting(self) -> Run | None:
        """The run that waits for a person, or whose `resume` was interrupted. While there is one,
        no new prompt is accepted.
        """
        return self._waiting

    @property
    def messages(self) -> tuple[Message, ...]:
        """Every message so far, in order."""
        return self._messages.whole

    @property
    def sent(self) -> tuple[Message, ...]:
        """The messages that the next turn starts with: `messages`, the oldest of them replaced by
        their summary if there is one (`History(summary=…)`).
        """
        return tuple(sent_of(self._messages))

    @property
    def images(self) -> Mapping[str, Image]:
        """Every picture by its handle, in order, the user's pictures included. One that was drawn
        is here from its `ImageReady` on, and stays after an error, a cancellation or an early
        leave. No handle is given twice.
        """
        return ImageMapping(self._album.images)

    @property
    def files(self) -> Mapping[str, File]:
        """Every file by its handle, in order, the user's files included. It stays after an error, a
        cancellation or an early leave. No handle is given twice.
        """
        return MappingProxyType(self._album.files)

    @property
    def next_handle(self) -> str:
        """The handle that the next new picture gets, as `img_4`: what an application can tell its
        user before a picture is sent.
        """
        return f"img_{self._album.highest + 1}"

    @property
    def failures(self) -> tuple[ImageFailure, ...]:
        """The pictures that were announced and could not be had, whether their turn was kept or
        not. `fetch_again` tries once more.
        """
        return self._album.failures

    @property
    def usage(self) -> Usage:
        """The sum of all requests, those of turns that failed or were given up included."""
        return self._album.usage

    def fork(self) -> Conversation[OutputT]:
        """A second future of this conversation. What was said is shared; what follows is not.

        A turn that waits here does not hold up the fork, which may continue it (`resume`) or go on
        without it.
        """
        other = Conversation(self.agent, api=self.api, model=self.model)
        other._messages, other._album = self._messages, self._album.copy()
        other._encoded, other.session_id = self._encoded.copy(), self.session_id
        return other

    async def send(
        self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None
    ) -> Answer[OutputT]:
        """One turn. Raises `ConversationBusy` while another turn is running, and `UsageError` while
        one waits for a person; otherwise it raises as `Agent.run` does.
        """
        with self._claimed():
            log = self._new_log(is_heard=False)
            return await self._take(self._prompted(prompt, deps, budget), log)

    async def _send(self, start: Start, log: EventLog) -> Answer[OutputT]:
        with self._claimed(resuming=start.run is not None):
            return await self._take(start, log)

    def send_sync(
        self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None
    ) -> Answer[OutputT]:
        """`send` for code that is not async."""
        sending = self._send(
            self._prompted(prompt, deps, budget), self._new_log(waits=True, is_heard=False)
        )
        return run_sync(sending, grace=self.agent.fetch.grace)

    def stream(
        self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None
    ) -> AnswerStream[OutputT]:
        """One turn, with events while it runs. The turn begins when the stream is entered."""
        parts_of(prompt)  # a wrong prompt is told here, not inside the block
        return self._watched(self._prompted(prompt, deps, budget, stream=True))

    async def show(
        self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None
    ) -> Answer[OutputT]:
        """One turn, shown in the cell of a notebook while it runs: words, tools, previews and
        pictures. Raises `UsageError` outside of a notebook, before anything is sent.
        """
        from agentkit.notebook import shown

        return await shown(self.stream(prompt, deps=deps, budget=budget))

    def start(
        self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None
    ) -> Turn[OutputT]:
        """One turn that a task of its own takes: it begins at once, and goes on when nobody looks.
        Any number of readers see its events. It needs a running event loop.

        Raises `ConversationBusy` while another turn is running, and `UsageError` while one waits
        for a person.
        """
        # The timer of the run's time holds the task, so nobody else has to.
        return Turn(self.stream(prompt, deps=deps, budget=budget))

    async def resume(
        self, run: Run | StoppedRun, **options: Unpack[ResumeOptions]
    ) -> Answer[OutputT]:
        """Continue a run of this conversation, see `Agent.resume`. Raises `UsageError` if the
        conversation has gone on without it.
        """
        return await self._send(resumed(run, **options), self._new_log(is_heard=False))

    def resume_sync(
        self, run: Run | StoppedRun, **options: Unpack[ResumeOptions]
    ) -> Answer[OutputT]:
        """`resume` for code that is not async."""
        resuming = self._send(resumed(run, **options), self._new_log(waits=True, is_heard=False))
        return run_sync(resuming, grace=self.agent.fetch.grace)

    def resume_stream(
        self, run: Run | StoppedRun, **options: Unpack[ResumeOptions]
    ) -> AnswerStream[OutputT]:
        """`resume` with events while it runs. Its events begin where the run goes on;
        `stream.answer` has all of the run.
        """
        return self._watched(replace(resumed(run, **options), stream=True))

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
        self._forget_others()
        return run

    async def settled(self) -> None:
        """Wait for the pictures that are still on their way although their turn has ended: for at
        most `FetchPolicy.grace` seconds. What came is in `images`, what did not in `failures`.
        """
        while self._late:
            await asyncio.wait(self._late)

    async def fetch_again(self, failure: ImageFailure) -> Image:
        """Try once more to have a picture that was announced: it gets a handle, stands in `images`,
        and is in `failures` no more.

        Raises `ImageError` and `StoreError` where it still cannot be had, and `UsageError` for a
        failure without a URL, and without bytes that the store would not take.
        """
        check_kind("chat.fetch_again({!r})", failure, ImageFailure, "an ImageFailure")
        agent, client = self.agent, self.agent.client
        fetcher = client.fetcher(agent.fetch, agent.store)
        image = self._album.add(await fetch_again(failure, fetcher, agent.store))
        self._album.forget(failure)
        return image

    async def delegated(
        self, prompt: Sequence[str | Image | File], task: Delegation, log: EventLog
    ) -> Answer[OutputT]:
        """One turn with what the agent gives that this one works for, or the rest of a turn that
        waited.
        """
        start = Start(
            prompt,
            self.agent.scale,
            task.begun,
            task.decisions,
            task.deps,
            task.budget,
            task.stream,
            task,
        )
        return await self._take(start, log)

    def _claimed(self, *, resuming: bool = False) -> _Claim:
        """The conversation, for one turn at a time. Raises `ConversationBusy`, and `UsageError` for
        a new turn while another one waits.
        """
        if self._claim is not None or self._waiting is not None:
            self._check_idle()
            if not resuming:
                self._check_waiting()
        self._claim = claim = _Claim(self._release)
        return claim

    def _check_waiting(self) -> None:
        if self._waiting is not None:
            raise UsageError(_still_waits(self._waiting))

    def _check_idle(self) -> None:
        if self._claim is not None:
            raise ConversationBusy(
                "a turn of this conversation is going on: wait for it, or fork() the conversation"
            )

    def _release(self, claim: _Claim, error: BaseException | None) -> None:
        """The end of a turn. One that fails leaves no trace."""
        if self._claim is not claim:
            return
        self._claim = None
        if error is None:
            return
        stopped, waiting = run_of(error), self._waiting
        if stopped is not None and waiting is not None and stopped.id == waiting.id:
            # Unless it waits again, what was decided is used up: `error.run` can go on.
            self._waiting = waiting if stopped.status == "paused" else None
        self._forget_others()

    def _forget_others(self) -> None:
        """Forget what was kept of other messages than those of the conversation."""
        self._encoded.keep_only(self._messages)
        self._planner.keep_only(self._messages)

    def _watched(self, start: Start) -> AnswerStream[OutputT]:
        log = self._new_log()

        async def take(claim: _Claim) -> Answer[OutputT]:
            with claim:
                return await self._take(start, log)

        def begin() -> asyncio.Task[Answer[OutputT]]:
            claim = self._claimed(resuming=start.run is not None)
            task = in_background(take(claim))
            # A task that is cancelled before its first step never enters its `with` block.
            task.add_done_callback(lambda _: claim.release())
            return task

        return AnswerStream(log, begin)

    async def _take(self, start: Start, log: EventLog) -> Answer[Any]:
        """Take one turn, and keep it."""
        check_asyncio()
        run = self._new_run(start) if start.run is None else self._own_run(start.run, start)
        live = services_of(
            self.agent,
            run,
            deps=start.deps,
            budget=start.budget,
            stream=start.stream,
            depth=0 if start.delegation is None else start.delegation.depth,
            encoded=self._encoded,
            planner=self._planner,
            log=log,
            calls=None if start.delegation is None else start.delegation.calls,
            ledger=self._ledger,
            is_conversation=self._is_held,
        )
        try:
            answer = await drive(start, run, live)
        except asyncio.CancelledError:
            if log.is_stopping and not start.delegation:
                return self._stopped(log)
            waiting = self._waiting
            if start.run is not None and waiting is not None and log.run is not None:
                # Approvals of the run that waited may be used up.
                self._waiting = log.run if log.run.id == waiting.id else waiting
            raise
        finally:
            await live.close()
        self._keep(answer.run)
        return answer

    def _prompted(
        self, prompt: Prompt, deps: Any, budget: Budget | None, *, stream: bool = False
    ) -> Start:
        given = check_optional("budget={!r}", budget, Budget, "Budget(…)")
        return Start(prompt, self.agent.scale, deps=deps, budget=given, stream=stream)

    def _new_run(self, start: Start) -> Run:
        limits, task = self.agent.limits, start.delegation
        return Run(
            id=f"run_{secrets.token_hex(8)}",
            model=self._model,
            api=self._api,
            messages=cast("tuple[Message, ...]", self._messages),  # held as it is
            start=self._messages.length,
            limits=limits if task is None else task.within(limits),
            images=self._album.all(),
            files=tuple(self._album.files.values()),
            handles=self._album.highest,
            session_id=self.session_id,
            started_at=time.time(),
        )

    def _own_run(self, run: Run, start: Start) -> Run:
        """The run that goes on. Raises `UsageError` if it cannot."""
        self._check_own(run)
        task = start.delegation
        # An agent may have ended before its caller had heard of it: it gives the same answer again.
        if task is None and run.status not in {"running", "paused"}:
            raise UsageError(
                f"resume(run={run.id}): this run has ended ({run.status}); send() a new prompt"
            )
        if task is not None:
            run = run.replace(limits=task.within(self.agent.limits, run))
        return self._album.merged(run)

    def _check_own(self, run: Run) -> None:
        messages = run.shared_messages
        if self._messages.length != run.start or not messages.begins_with(self._messages):
            raise UsageError(
                f"run {run.id} does not go on from where this conversation is: it began "
                f"after {run.start} messages, and this "
                f"conversation has {self._messages.length}; Agent.resume(run) needs no conversation"
            )

    def _stopped(self, log: EventLog) -> Answer[Any]:
        """The turn as it was stopped, as one that is kept. Raises `RunError` where it had not
        begun.
        """
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        if log.run is None:
            raise nothing_sent()
        log.run = run = given_up(log.run)
        self._keep(run)
        answer = Answer.of(run)
        log.tell(RunFinished(answer.status, answer.usage))
        return answer

    def _new_log(self, *, waits: bool = False, is_heard: bool = True) -> EventLog:
        """The log of a turn, which is told here too. `waits`: downloads do not outlive it.
        `is_heard`: somebody may read its events.
        """
        later = None if waits or not self._is_held else self._go_on
        return EventLog(self._album.take, later, self._save, is_heard=is_heard)

    def _go_on(self, work: Coroutine[Any, Any, None], pictures: int) -> None:
        """Take over the downloads of a turn that has ended, of so many pictures."""
        self._album.highest += pictures
        task = self.agent.client.late.start(work)
        self._late.add(task)
        task.add_done_callback(self._arrived)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        """All that will come of a turn which has ended is there."""
        self._late.discard(task)
        if not self._late and self._claim is None:
            self._album.take_back()

    def _keep(self, run: Run) -> None:
        self._album.take(run)
        self._waiting = run if run.status == "paused" else None
        if self._waiting is None:  # else the turn is not over: resume, adopt or drop ends it
            self._messages = run.shared_messages

    def _repr_mimebundle_(self, **_: object) -> Mapping[str, str]:
        """Notebook display: who said what, and the pictures as small copies."""
        from agentkit.show import html

        shown = html.messages(self._messages, self._album.images.values())
        return {"text/plain": repr(self), "text/html": shown}

    def __repr__(self) -> str:
        counts = f"{self._messages.length} messages {len(self._album.images)} images"
        return (
            f"<Conversation {self._model!r} api={self._api!r} "
            f"{counts}{' waiting' if self._waiting else ''}>"
        )


class _Claim:
    """A conversation that is held for one turn."""

    def __init__(self, end: Callable[[_Claim, BaseException | None], None]) -> None:
        self._end = end

    def release(self, error: BaseException | None = None) -> None:
        """End the turn, unless it has ended already."""
        self._end(self, error)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end(self, error)


def nothing_sent() -> RunError:
    """The error of a turn that was stopped too early to be one."""
    return RunError("the turn was stopped before anything was sent")


def _still_waits(run: Run) -> str:
    calls = ", ".join(repr(each.call_id) for each in run.waiting if each.why != "agent")
    state = f"waits for a person, for {calls}" if calls else "was interrupted"
    return (
        f"a turn of this conversation (run {run.id}) {state}: go on with it by "
        "chat.resume(run, approve={…}, results={…}, answers={…} or outcomes={…}), keep it as it is "
        "by chat.adopt(run) (or the run that came of it "
        "elsewhere), or give it up by chat.drop(); the run is chat.waiting"
    )
