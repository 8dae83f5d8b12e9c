"""One durable run, as far as this process goes on with it: its conversation is held, and each of
its steps is taken when it is asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

from sqlalchemy import Connection

from agentkit._sync import finish
from agentkit.conversation_record import Record
from agentkit.errors import ConversationBusy, LedgerError, SessionError, UsageError
from agentkit.events import Event
from agentkit.integrations.dbos import states, told
from agentkit.integrations.dbos.chat import DurableChat
from agentkit.integrations.dbos.claims import Claim, ClaimCancelled, ClaimLost, Claims
from agentkit.integrations.dbos.failures import error_data
from agentkit.integrations.dbos.prompts import decisions_of, prompt_of
from agentkit.integrations.dbos.states import RunRow
from agentkit.integrations.dbos.told import Batches, Buffer
from agentkit.loop.begin import AgentLike
from agentkit.run import Run
from agentkit.sessions import past
from agentkit.sessions.database import Database
from agentkit.stream import AnswerStream

_BUSY_SECONDS = 600.0
"""How long a turn waits for its conversation before it looks anew."""

Answers = Mapping[str, Mapping[str, Any] | Literal[False]]
MakeRecord = Callable[[str, AgentLike[Any], "str | None", Callable[[Connection], None]], Record]
"""Makes the record of a conversation: its name, the agent, the user, and what takes part in each
transaction that writes a run.
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """What all turns of a worker share."""

    database: Database
    claims: Claims
    record: MakeRecord
    batches: Batches
    deps: Any = None
    waits_out: bool = True
    """Whether errors of the database are waited for."""


class DurableTurn:
    """The steps of a run. For one event loop."""

    def __init__(
        self,
        desk: Desk,
        agent: AgentLike[Any],
        row: RunRow,
        claim: Claim,
    ) -> None:
        self.row, self.claim = row, claim
        self._desk, self._agent = desk, agent
        self._decisions: Mapping[str, Any] = row.outcome.get("decisions", {})
        self._number = -1
        self._task: asyncio.Task[None] | None = None
        self._granted = asyncio.Event()
        self._report: asyncio.Future[dict[str, Any]] | None = None
        self._buffer = Buffer(desk.batches)
        self._writing = asyncio.Lock()
        self._pending: dict[str, Any] | None = None
        """What the step under way has added, until it is written."""
        self._telling: list[Event] = []
        """Events that are written together with it."""
        self._chat: DurableChat | None = None
        self._answering: AnswerStream[Any] | None = None
        self._is_beginning = self._holds = False
        """Whether its task is being made, and whether that has the conversation by now."""
        self._is_closed = False
        self.is_leaving = False
        """Whether this process stops here, and another one goes on."""
        self.is_cancelled = False

    @property
    def is_busy(self) -> bool:
        """Whether a step is under way: not while the turn waits for its conversation."""
        is_asked = self._report is not None and not self._report.done()
        return self._is_beginning or (is_asked and self._is_alive and self._holds)

    @property
    def _is_alive(self) -> bool:
        return self._task is not None and not self._task.done()

    async def take(self, number: int) -> dict[str, Any]:
        """Take a step and return what it added; of one that was taken before, what stands there.

        Raises `ClaimLost`; `SessionError` or `LedgerError` while the database is away, and
        `ConversationBusy`: ask again later. An error of the run is a part of what the step added.
        """
        if self._is_alive and number == self._number + 1:
            self._report = asyncio.get_running_loop().create_future()
            self._number = number
            self._granted.set()
        else:
            self._is_beginning = True
            try:
                await self._end()
                before = await asyncio.to_thread(self._taken_before, number)
                if before is not None:
                    return before
                if self._is_closed:
                    raise ClaimLost(f"run {self.row.id} was stopped here")
                self._begin(number)
            finally:
                self._is_beginning = False
        return await self._reported()

    def cancel(self) -> None:
        """End the run: it was cancelled. What came of it is kept as its turn."""
        if self.is_cancelled:
            return
        self.is_cancelled = True
        if self._answering is not None:
            self._answering.stop()
        elif self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Stop here, for good, and leave the run to whoever goes on with it."""
        self._is_closed = True
        await self._end()

    async def _end(self) -> None:
        task, self._task = self._task, None
        self._desk.claims.let_go(self.row.id, self.claim)
        if task is None:
            return
        is_cancelled = not task.done() and await self._was_cancelled()
        if is_cancelled and self._answering is not None:
            self.cancel()
        else:
            self.is_cancelled = self.is_cancelled or is_cancelled
            self.is_leaving = self.is_leaving or not task.done()
            task.cancel()
        await finish(asyncio.gather(task, return_exceptions=True), None)
        self.is_leaving = False

    async def _was_cancelled(self) -> bool:
        """Whether the workflow stops since somebody cancelled it, and not since this one leaves."""
        try:
            standing = await asyncio.to_thread(self._desk.claims.standing, (self.claim,))
        except SessionError:  # another worker will find out
            return False
        return standing[self.claim].is_cancelled

    # What the conversation tells of its steps.

    def tell(self, event: Event) -> None:
        """See `Steps`."""
        self._buffer.add(event)

    async def stepped(self, run: Run) -> None:
        """See `Steps`."""
        await finish(self._write_step(run), None)
        report, self._granted = self._report, asyncio.Event()
        added, self._pending = self._pending, None
        if report is not None and not report.done() and added is not None:
            report.set_result(added)
        await self._granted.wait()

    def ended(self, run: Run, error: BaseException | None) -> None:
        """See `Steps`."""
        self._pending = self._added(run, error)
        self._telling = self._buffer.take()

    def leaves(self, error: BaseException) -> bool:
        """See `Steps`."""
        self.is_cancelled = self.is_cancelled or has_cause(error, ClaimCancelled)
        is_away = isinstance(error, SessionError | LedgerError | ConversationBusy)
        return (self.is_leaving or is_away) and not self.is_cancelled

    def waits_out(self, error: SessionError) -> bool:
        """See `Steps`."""
        return self._desk.waits_out and not self.is_leaving and not has_cause(error, ClaimLost)

    def is_over(self, run: str) -> bool:
        """See `Steps`."""
        with self._desk.database.reading() as connection:
            row = states.find(connection, run)
        return row is None or row.is_over

    # Its own.

    async def _reported(self) -> dict[str, Any]:
        report, task = self._report, self._task
        if report is None or task is None:
            raise ClaimLost(f"run {self.row.id} was stopped here")
        await asyncio.wait({report, task}, return_when=asyncio.FIRST_COMPLETED)
        if report.done():
            return report.result()
        if task.cancelled():
            raise ClaimLost(f"run {self.row.id} was stopped here")
        error = task.exception()
        if error is None:
            raise AssertionError(f"run {self.row.id} ended without a step")
        if self.leaves(error) or isinstance(error, ClaimCancelled):  # it had not begun here
            raise error
        return await self._write_failure(error)

    def _begin(self, number: int) -> None:
        self._number, self._holds = number, False
        self._pending, self._telling = None, []
        self._buffer = Buffer(self._desk.batches)
        loop = asyncio.get_running_loop()
        self._report = loop.create_future()
        self._desk.claims.hold(self.row.id, self.claim)
        self._task = loop.create_task(self._turn(number))

    async def _turn(self, number: int) -> None:
        """The whole turn, from its open conversation on."""
        record = self._desk.record(
            self.row.conversation, self._agent, self.row.owner, self._take_part
        )
        made = partial(DurableChat, self._agent, record, self.row.id, self, **self.row.options)
        self._chat = chat = await asyncio.to_thread(made)
        async with chat.held(wait=_BUSY_SECONDS):
            self._holds = True
            begun = await asyncio.to_thread(self._make_room, number, chat)
            flushing = asyncio.create_task(self._flush())
            try:
                async with self._stream(chat, begun) as stream:
                    self._answering = stream
                    await stream.finish()
            finally:
                self._answering = None
                flushing.cancel()
        added, self._pending = self._pending, None
        if self._report is not None and not self._report.done() and added is not None:
            self._report.set_result(added)

    def _stream(self, chat: DurableChat, run: Run | None) -> AnswerStream[Any]:
        deps = self._desk.deps
        if run is None:
            return chat.stream(prompt_of(self.row.prompt, self._agent.store), deps=deps)
        if run.status != "paused":
            going_on = chat.begun is not None
            return chat.go_on_stream(deps=deps) if going_on else chat.resume_stream(run, deps=deps)
        given = decisions_of(self._decisions)
        return chat.resume_stream(
            run,
            approve=given.approve,
            results=given.results,
            outcomes=given.outcomes,
            answers=cast("Answers", given.answers),
            deps=deps,
        )

    def _taken_before(self, number: int) -> dict[str, Any] | None:
        with self._desk.database.reading() as connection:
            return states.added_by(connection, self.row.id, number)

    def _make_room(self, number: int, chat: DurableChat) -> Run | None:
        """Events of a step that is begun again are told anew. Returns the run as it goes on; None
        for one that is new.
        """
        with self._desk.database.writing() as connection:
            self._desk.claims.check(connection, self.claim)
            row = states.find(connection, self.row.id)
            if row is None or row.status == "cancelled":  # before the workflow was told of it
                raise ClaimCancelled(f"run {self.row.id} was cancelled")
            told.forget(connection, self.row.id, number)
            states.set_running(connection, self.row.id, time.time())
        if chat.begun is not None or not self._decisions.get("again"):
            return chat.begun
        with self._desk.database.reading() as connection:
            found = past.runs_of(connection, chat.id, self._agent.store, only=self.row.id)
        failed = found[0].run if found else None
        if failed is None:
            return None
        before = chat.messages
        return failed.replace(
            messages=(*before, *failed.messages), start=len(before), status="running"
        )

    async def _write_step(self, run: Run) -> None:
        async with self._writing:
            self._pending = self._added(run, None)
            self._telling = self._buffer.take()
            if self._chat is not None:
                await self._chat.write_step(run)

    def _take_part(self, connection: Connection) -> None:
        """Take part in a transaction that writes the run."""
        if not self.is_cancelled:
            self._desk.claims.check(connection, self.claim)
        if self._pending is not None:
            told.write(connection, self.row.id, self._number, self._telling)
            if not self.is_cancelled:
                self._add_step(connection, self._pending)

    def _add_step(self, connection: Connection, added: Mapping[str, Any]) -> None:
        """Raises `ClaimCancelled` for a run that was cancelled: whoever does so writes it before
        the workflow is told.
        """
        run = self.row.id
        if not states.add_step(connection, run, self._number, added, time.time()):
            raise ClaimCancelled(f"run {run} was cancelled")

    def _added(self, run: Run, error: BaseException | None) -> dict[str, Any]:
        """What the step under way has added to the run; messages are named by their numbers."""
        added: dict[str, Any] = {
            "step": self._number,
            "status": "running",
            "conversation": self.row.conversation,
            "messages": len(run.messages) - run.start,
            "turns": run.turns,
            "cost_usd": run.usage.cost_usd,
        }
        if error is not None:
            is_refused = isinstance(error, UsageError) and run.status == "paused"
            added |= {"status": "waiting" if is_refused else "failed"}
            added["note" if is_refused else "error"] = error_data(error)
        elif run.status != "running":
            added["status"] = "waiting" if run.status == "paused" else run.status
        if added["status"] == "waiting":
            added["waiting"] = states.waiting_in(run)
        return added

    async def _write_failure(self, error: BaseException) -> dict[str, Any]:
        """Write that the run has failed before there was anything of it to keep."""
        chat = self._chat
        run = None if chat is None else chat.begun
        added: dict[str, Any] = {
            "step": self._number, "status": "failed", "conversation": self.row.conversation,
            "error": error_data(error),
        }  # fmt: skip
        if isinstance(error, UsageError) and run is not None and run.status == "paused":
            added["status"], added["waiting"] = "waiting", states.waiting_in(run)
            added["note"] = added.pop("error")

        def write() -> dict[str, Any]:
            with self._desk.database.writing() as connection:
                self._desk.claims.check(connection, self.claim)
                before = states.added_by(connection, self.row.id, self._number)
                if before is None:
                    self._add_step(connection, added)
                return before or added

        return await asyncio.to_thread(write)

    async def _flush(self) -> None:
        """Write the events of a step while it goes on."""
        while True:
            await self._buffer.due()
            async with self._writing:
                taken = self._buffer.take()
                writing = asyncio.to_thread(self._write_events, self._number, taken)
                try:
                    await finish(writing, None)
                except SessionError:  # they are written with what comes next
                    self._buffer.give_back(taken)
                    await asyncio.sleep(1.0)

    def _write_events(self, step: int, taken: list[Event]) -> None:
        with self._desk.database.writing(sync=False) as connection:
            self._desk.claims.check(connection, self.claim)
            told.write(connection, self.row.id, step, taken)


def has_cause(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an error is of this kind, or what led to it."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, kind):
            return True
        found = found.__cause__
    return False
