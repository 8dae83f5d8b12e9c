"""The conversation of a durable run: a saved one, whose turn stops between two steps until the next
one may begin, and which is left as it is where another worker goes on with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from agentkit._log import logger
from agentkit._sync import finish
from agentkit.conversation_record import Interrupted, Record
from agentkit.errors import ConversationBusy, SessionError
from agentkit.events import Event
from agentkit.loop.approvals import given_up
from agentkit.loop.begin import AgentLike
from agentkit.loop.start import Start
from agentkit.run import Run
from agentkit.saved_conversation import SavedConversation, Shown
from agentkit.stream import EventLog
from agentkit.values import Api

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two attempts to write while the database is away."""


class Steps(Protocol):
    """What a turn tells of its steps."""

    def tell(self, event: Event) -> None:
        """An event."""
        ...

    async def stepped(self, run: Run) -> None:
        """A step is over: write it, and wait until the next one may begin."""
        ...

    def ended(self, run: Run, error: BaseException | None) -> None:
        """The turn is over, and is written next."""
        ...

    def leaves(self, error: BaseException) -> bool:
        """Whether a turn that ends by this error is not over: it stays as it was written."""
        ...

    def waits_out(self, error: SessionError) -> bool:
        """Whether what could not be written by this error is written again."""
        ...

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has ended the run."""
        ...

    def is_over(self, run: str) -> bool:
        """Whether nobody goes on with another run of the conversation. Blocks."""
        ...


class _StepLog(EventLog):
    """The events of the turn, which are not kept here: they are in the database."""

    def __init__(self, steps: Steps, on_run: Callable[[Run], None], save: Any) -> None:
        super().__init__(on_run, None, save)
        self._steps = steps

    def tell(self, event: Event) -> None:
        self._steps.tell(event)

    async def stepped(self) -> None:
        if self.run is not None:
            await self._steps.stepped(self.run)


class DurableChat(SavedConversation[Any]):
    """The conversation of one durable run. Reading it blocks, so it is made in a thread."""

    def __init__(
        self,
        agent: AgentLike[Any],
        record: Record,
        run: str,
        steps: Steps,
        *,
        api: Api | None = None,
        model: str | None = None,
    ) -> None:
        self._run_id, self._steps = run, steps
        self._latest_written: Run | None = None
        self._failure: BaseException | None = None
        super().__init__(agent, record, api=api, model=model)

    @property
    def begun(self) -> Run | None:
        """The run, if it has begun, and was cut or waits."""
        found = self._waiting if self._interrupted is None else self._interrupted.run
        return found if found is not None and found.id == self._run_id else None

    async def write_step(self, run: Run) -> None:
        """Write the run as it is between two steps. It need not be on the disk: that is waited for
        where DBOS records the step.
        """
        save, shown = partial(self._record.save, sync=False), self._shown()
        await self._patiently(lambda: asyncio.to_thread(self._write_last, save, run, shown))
        self._latest_written = run

    async def _save_run(self, run: Run, sync: bool) -> None:
        if run is not self._latest_written:  # else it was written between the steps
            save = super()._save_run
            await self._patiently(lambda: save(run, sync))

    async def _patiently(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write, again and again while the database is away. What came meanwhile, and was paid for,
        is in this process alone: the ledger is in the same database.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                return await write()
            except SessionError as error:
                await self._await_database(error, pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _await_database(self, error: SessionError, pause: float) -> None:
        """Return when the database may be there again, and this is the one writer. Raises the error
        that the write has met where it is not to be written again.
        """
        while True:
            if not self._steps.waits_out(error):
                raise error
            logger().warning("durable_write_waits", run=self._run_id, reason=str(error)[:300])
            await asyncio.sleep(pause)
            try:
                has_changed = await asyncio.to_thread(self._regain)
            except (SessionError, ConversationBusy):
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if has_changed:  # what was written may be this; or somebody else went on
                raise error
            return

    def _regain(self) -> bool:
        """Be the one writer again: the lock may have been that of a connection that was lost.
        Returns whether anybody has written meanwhile. Blocks.
        """
        release, self._release_lock = self._release_lock, None
        if release is not None:
            release()
        self._release_lock = self._record.lock(0.0)
        try:
            return self._record.has_changed()
        except SessionError:  # it was deleted, or the database is away again
            return True

    def _new_run(self, start: Start) -> Run:
        return super()._new_run(start).replace(id=self._run_id)

    def _new_log(
        self,
        *,
        waits: bool = False,  # noqa: ARG002 - it always waits
        is_heard: bool = True,  # noqa: ARG002 - the events are kept for others
    ) -> EventLog:
        return _StepLog(self._steps, self._album.take, self._save)

    async def _ready(self, start: Start) -> Interrupted | None:
        found = self._interrupted
        other = found is not None and found.run.id != self._run_id
        if found is not None and other and not self._steps.is_over(found.run.id):
            raise ConversationBusy(
                f"run {found.run.id} of conversation {self.id!r} was cut, and goes on before"
            )
        return await super()._ready(start)

    async def _write(
        self,
        how: Callable[[Run, Shown], None],
        run: Run,
        *,
        frees: bool = False,  # noqa: ARG002 - it may have to be written again
    ) -> None:
        self._steps.ended(run, self._failure)
        shown = self._shown()
        try:
            await self._patiently(lambda: asyncio.to_thread(self._write_last, how, run, shown))
        except SessionError as error:
            error.run = run
            raise

    async def _end_failed(self, run: Run | None, error: BaseException) -> None:
        if self._steps.leaves(error):
            return
        if run is not None and self._steps.is_cancelled:  # kept, as one that was stopped is
            run = given_up(run)
            self._keep(run)
            await finish(self._write(self._record.keep, run), None)
            return
        self._failure = error
        with suppress(Exception):  # it was logged, and the turn is looked at anew
            await super()._end_failed(run, error)
