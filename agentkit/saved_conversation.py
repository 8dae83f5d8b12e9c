"""A conversation that outlives its process: written down while a turn goes on, and taken up again
by this or by another process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Generic

from typing_extensions import TypeVar as DefaultTypeVar

from agentkit._check import check_number
from agentkit._log import logger
from agentkit._sync import finish
from agentkit.answer import Answer, run_of
from agentkit.budget import Budget
from agentkit.conversation import Conversation, nothing_sent
from agentkit.conversation_record import Interrupted, Record, Shown, Stored
from agentkit.errors import (
    ConversationBusy,
    RunError,
    SessionError,
    StoppedRun,
    UsageError,
)
from agentkit.loop.album import Album
from agentkit.loop.begin import AgentLike, services_of
from agentkit.loop.settle import settled
from agentkit.loop.start import Start
from agentkit.run import Run
from agentkit.stream import AnswerStream, EventLog
from agentkit.values import Api, Image, ImageFailure, Messages, replace

OutputT = DefaultTypeVar("OutputT", default=Any)
_Loaded = tuple[Stored, Interrupted | None]
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2
"""Seconds between two attempts to become the writer: each is twice the one before."""


class SavedConversation(Conversation[OutputT], Generic[OutputT]):
    """A conversation in a database: `agent.conversation("ada", sessions=sessions)`. Its turns are
    those of `Conversation`, and each is written down while it goes on.

    A turn is taken by one process at a time: `ConversationBusy` is raised where another one takes
    one, or the turn waits for it, `wait` seconds. What another one has added since is read before.

    A turn that was under way when its process died is `interrupted`: `go_on()` continues it, and
    pays for no reply that had been received. `send` without that keeps it as far as it had come.
    """

    def __init__(
        self,
        agent: AgentLike[OutputT],
        record: Record,
        *,
        api: Api | None = None,
        model: str | None = None,
        wait: float = 0.0,
    ) -> None:
        check_number("conversation(wait={!r})", wait, least=0, unit="seconds")
        super().__init__(agent, api=api, model=model)
        self.id = record.id
        self.title = ""
        """The first words of its first prompt, or what it was renamed to."""
        self.wait = wait
        """Seconds to wait for another writer."""
        self.damaged: tuple[str, ...] = ()
        """What of it could not be read, and is no part of its history."""
        self._record = record
        self._ledger, self._save = record.ledger, self._save_run
        self._interrupted: Interrupted | None = None
        self._is_elsewhere = False
        """Whether another process was at work on a turn when the conversation was loaded."""
        self._pen = threading.Lock()
        """One thread writes at a time."""
        self._latest: tuple[Run, Shown, bool] | None = None
        """What is to be written of the run that goes on, and whether to wait for the disk."""
        self._release_lock: Callable[[], None] | None = None
        self._unsaved: list[tuple[Callable[[Run, Shown], None], Run]] = []
        """Turns that have ended here, whether they are in the history or not, and that could not be
        written.
        """
        stored, interrupted = self._load()
        self._restore(stored, interrupted)
        self._api = stored.api if api is None else self._api
        self._model = stored.model if model is None else self._model

    @property
    def interrupted(self) -> Interrupted | None:
        """The turn that was under way when its process died; None if there is none, or another
        process is at work on it.
        """
        return self._interrupted

    async def go_on(self, *, deps: Any = None, budget: Budget | None = None) -> Answer[OutputT]:
        """Continue the turn that was interrupted. What was received of it is read, and not paid for
        again. Raises `UsageError` if there is none, else what `resume` raises.
        """
        return await self.resume(self._interrupted_run(), deps=deps, budget=budget)

    def go_on_stream(
        self, *, deps: Any = None, budget: Budget | None = None
    ) -> AnswerStream[OutputT]:
        """`go_on` with events while it runs."""
        return self.resume_stream(self._interrupted_run(), deps=deps, budget=budget)

    def _interrupted_run(self) -> Run:
        if self._interrupted is None:
            raise UsageError(f"conversation {self.id!r} has no turn that was interrupted")
        return self._interrupted.run

    @asynccontextmanager
    async def held(
        self, *, wait: float | None = None
    ) -> AsyncGenerator[SavedConversation[OutputT]]:
        """A block in which no other process, and nobody else in this one, takes a turn of it.
        Raises `ConversationBusy` as a turn does.
        """
        if wait is not None:
            check_number("held(wait={!r})", wait, least=0, unit="seconds")
        await self._lock(self.wait if wait is None else wait)
        try:
            yield self
            await self.settled()
        finally:
            await self._unlock()

    def adopt(self, run: Run | StoppedRun) -> Answer[OutputT]:
        """Keep a run that stopped as this turn, see `Conversation.adopt`. It is written at once."""
        with self._at_once():
            answer = super().adopt(run)
            self._record.keep(answer.run, self._shown())
        return answer

    def drop(self) -> Run | None:
        """Give up the turn that waits, or was interrupted, see `Conversation.drop`."""
        with self._at_once():
            interrupted, self._interrupted = self._interrupted, None
            run = super().drop()
            if run is None and interrupted is not None:
                run = interrupted.run
            if run is not None:
                self._record.give_up(run, self._shown())
        return run

    async def fetch_again(self, failure: ImageFailure) -> Image:
        """Try once more to have a picture, see `Conversation.fetch_again`."""
        image = await super().fetch_again(failure)
        await self._note_pictures()
        return image

    async def _take(self, start: Start, log: EventLog) -> Answer[Any]:
        is_held = self._release_lock is not None  # by a block
        found = self._interrupted
        if not is_held:
            with _stopped_early(log):
                await self._lock(self.wait)
        try:
            start = self._as_it_is_now(start, found)
            with _stopped_early(log):
                interrupted = await self._ready(start)
            try:
                answer = await super()._take(start, log)
            except BaseException as error:
                if log.run is None:  # it has not gone on
                    self._interrupted = interrupted
                await self._end_failed(log.run, error)
                if isinstance(error, SessionError) and error.run is None:
                    error.run = log.run  # what came, though it could not be written
                raise
            try:
                await finish(self._write(self._ended(), answer.run, frees=not is_held), None)
            except asyncio.CancelledError as stopped:
                if not log.is_stopping:
                    raise
                if stopped.__cause__ is not None:
                    raise stopped.__cause__ from None
            return answer  # a turn that has ended stays as it is when it is stopped
        finally:
            if not is_held:
                await self._unlock_after(log)

    async def _lock(self, wait: float) -> None:
        """Become the one writer. No thread waits for that: many of them would keep the writer that
        there is from writing.
        """
        clock = asyncio.get_running_loop().time
        until, pause = clock() + wait, _FIRST_PAUSE
        while True:
            try:
                return await self._lock_now()
            except ConversationBusy:
                left = until - clock()
                if left <= 0:
                    raise
            await asyncio.sleep(min(left, pause))
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _lock_now(self) -> None:
        taking = asyncio.ensure_future(asyncio.to_thread(self._take_up))
        stopped: asyncio.CancelledError | None = None
        try:
            await finish(taking, None)
        except asyncio.CancelledError as error:
            if error.__cause__ is not None:
                raise
            stopped = error
        self._release_lock, loaded = taking.result()
        if loaded is not None:
            self._restore(*loaded)
        if stopped is not None:  # it is free again before the task has ended
            await self._unlock()
            raise stopped

    async def _unlock_after(self, log: EventLog) -> None:
        """Be the writer no more, after a turn; one that was stopped has its answer all the same."""
        try:
            await self._unlock()
        except asyncio.CancelledError:
            if not log.is_stopping:
                raise

    async def _unlock(self) -> None:
        release, self._release_lock = self._release_lock, None
        if release is not None:
            await finish(asyncio.to_thread(release), None)

    def _take_up(self, wait: float = 0.0) -> tuple[Callable[[], None], _Loaded | None]:
        """The lock of the conversation, and what others have made of it since."""
        release = self._record.lock(wait)
        try:
            has_changed = self._record.has_changed() or self._is_elsewhere  # it may have died
            while self._unsaved:
                how, run = self._unsaved[0]
                how(run, self._shown())
                del self._unsaved[0]
            return release, self._load(is_held=True) if has_changed else None
        except BaseException:
            release()
            raise

    def _as_it_is_now(self, start: Start, found: Interrupted | None) -> Start:
        """What the turn starts with, once others have done what they did with the one that was
        `found` interrupted. Raises `UsageError` where that is over.
        """
        if found is None or start.run is not found.run:
            return start
        now = self._interrupted
        if now is None or now.run.id != found.run.id:
            raise UsageError(
                f"the turn of conversation {self.id!r} that was interrupted went on elsewhere, or "
                "was given up there"
            )
        return replace(start, run=now.run)

    async def _ready(self, start: Start) -> Interrupted | None:
        """The interrupted turn that goes on, if any. Raises `UsageError` if none can begin."""
        if start.run is None:
            if self._interrupted is not None:
                await self._settle(start)
            super()._check_waiting()
        elif start.run.waiting and await asyncio.to_thread(self._record.used, start.run):
            raise UsageError(
                f"run {start.run.id} was decided on before, and went on from there: what became of "
                f"it is in conversation {self.id!r}"
            )
        elif self._interrupted is not None and self._interrupted.run.id == start.run.id:
            interrupted, self._interrupted = self._interrupted, None
            return interrupted
        return self._interrupted

    async def _settle(self, start: Start) -> None:
        """Keep the turn that was interrupted as far as it comes without a new request. Raises
        `UsageError` where a tool has paid for something that only its end brings into the turn.
        """
        log, run = self._new_log(), self._interrupted_run()
        if self._interrupted is not None and self._interrupted.paying_tools:
            tools = ", ".join(repr(each) for each in self._interrupted.paying_tools)
            raise UsageError(
                f"a turn of conversation {self.id!r} was interrupted while it paid for {tools}: "
                "chat.go_on() continues it, chat.drop() gives up what was paid for"
            )
        live = services_of(
            self.agent,
            run,
            deps=start.deps,
            budget=start.budget,
            encoded=self._encoded,
            planner=self._planner,
            log=log,
            ledger=self._ledger,
        )
        try:
            run = await settled(self._album.merged(run), live)
        finally:
            await live.close()
        self._interrupted = None
        self._keep(run)
        await finish(self._write(self._ended(), run), None)

    def _check_waiting(self) -> None:
        """A turn that waits may be over elsewhere: that is known once the conversation is held."""

    def _load(self, *, is_held: bool = False) -> _Loaded:
        """The conversation as it was written down, and the turn of it that was interrupted."""
        stored = self._record.load()
        run = stored.active
        if run is None or run.status == "paused" or not (is_held or self._record.is_free()):
            return stored, None
        return stored, Interrupted(run, tuple(self._record.open_calls(run)))

    def _restore(self, stored: Stored, interrupted: Interrupted | None) -> None:
        """Be as the conversation was written down."""
        self.session_id, self.title, self.damaged = stored.session, stored.title, stored.damaged
        self._messages = Messages.of(stored.messages)
        self._album = Album.of(
            stored.images, stored.handles, stored.spent, stored.failures, stored.files
        )
        self._forget_others()
        active = stored.active
        self._waiting = active if active is not None and active.status == "paused" else None
        self._interrupted = interrupted
        self._is_elsewhere = active is not None and self._waiting is None and interrupted is None

    def _shown(self) -> Shown:
        images = tuple(self._album.images.values())
        files = tuple(self._album.files.values())
        return Shown(images, self._album.highest, self._api, self._model, files)

    async def _save_run(self, run: Run, sync: bool) -> None:
        """Write a run while it goes on. Without `sync`, it is on the disk together with the request
        that the ledger writes next, and before that is sent.
        """
        sync = sync or self.agent.ledger is not None  # which is not in this database
        sync = sync or (self._latest is not None and self._latest[2])  # this stands for both
        self._latest = (run, self._shown(), sync)
        await asyncio.to_thread(self._save_latest)

    def _save_latest(self) -> None:
        with self._pen:
            latest, self._latest = self._latest, None
            if latest is not None:  # else another thread has written it, or the run has ended
                run, shown, sync = latest
                self._record.save(run, shown, sync=sync)

    def _write_last(
        self,
        how: Callable[[Run, Shown], None],
        run: Run,
        shown: Shown,
        release: Callable[[], None] | None = None,
    ) -> None:
        try:
            with self._pen:
                self._latest = None
                how(run, shown)
        finally:
            if release is not None:
                release()

    def _ended(self) -> Callable[[Run, Shown], None]:
        """What becomes of a run that has come to its end."""
        return self._record.save if self._waiting is not None else self._record.keep

    async def _write(
        self, how: Callable[[Run, Shown], None], run: Run, *, frees: bool = False
    ) -> None:
        """Write a run that has come to an end. Raises `SessionError` that has it. With `frees`, the
        conversation is not held any more then, written or not.
        """
        release = None
        if frees:  # by the same thread: to wake one takes as long as a few statements
            release, self._release_lock = self._release_lock, None
        try:
            await asyncio.to_thread(self._write_last, how, run, self._shown(), release)
            release = None
        except SessionError as error:
            if how != self._record.save:
                self._unsaved.append((how, run))
            error.run = run
            raise
        finally:
            if release is not None:  # once more, for there may have been no thread
                self._release_lock = release

    async def _end_failed(self, run: Run | None, error: BaseException) -> None:
        """Write what a turn that failed has left: its pictures and its cost."""
        if run is None:
            return
        waiting, stopped = self._waiting, run_of(error)
        waits = waiting is not None and waiting.id == run.id
        if isinstance(error, RunError) and stopped is not None and stopped.status != "paused":
            waits = False
        how = self._record.save if waits else self._record.give_up
        try:
            with suppress(asyncio.CancelledError):  # the first one is raised
                await finish(self._write(how, run), None)
        except SessionError as failure:
            logger().warning("session_not_saved", conversation=self.id, reason=str(failure))

    @contextmanager
    def _at_once(self) -> Generator[None]:
        """A block in which the conversation is held, and changed without a turn."""
        self._check_idle()
        held = self._release_lock is not None
        if not held:
            self._release_lock, loaded = self._take_up(self.wait)
            if loaded is not None:
                self._restore(*loaded)
        try:
            yield
        finally:
            if not held:
                release, self._release_lock = self._release_lock, None
                if release is not None:
                    release()

    def _arrived(self, task: asyncio.Task[None]) -> None:
        super()._arrived(task)
        if not task.cancelled() and task.exception() is None:
            writing = self.agent.client.late.start(self._note_pictures())
            self._late.add(writing)
            writing.add_done_callback(self._late.discard)

    async def _note_pictures(self) -> None:
        """Write the pictures that came after their turn."""
        shown, failures = self._shown(), dict(self._album.failures_by_run)
        try:
            await asyncio.to_thread(self._note, shown, failures)
        except SessionError as error:  # the next turn writes them
            logger().warning("session_not_saved", conversation=self.id, reason=str(error))

    def _note(self, shown: Shown, failures: Mapping[str, tuple[ImageFailure, ...]]) -> None:
        with self._pen:
            self._record.note(shown, failures)


@contextmanager
def _stopped_early(log: EventLog) -> Generator[None]:
    """A block before a turn has begun: one that is stopped in it is told so, and not cancelled."""
    try:
        yield
    except asyncio.CancelledError:
        if not log.is_stopping:
            raise
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
        raise nothing_sent() from None
