"""A worker: takes runs out of the queues of its agents and goes on with them, step by step, and
with those of workers that have died.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import CancelledError as NotRun
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from agentkit._log import logger
from agentkit._sync import finish
from agentkit.errors import ConversationBusy, LedgerError, SessionError
from agentkit.integrations.dbos import states
from agentkit.integrations.dbos.claims import Claim, ClaimLost
from agentkit.integrations.dbos.engine import Engine, Fire, Launched, Leave, Take
from agentkit.integrations.dbos.handlings import Handlings
from agentkit.integrations.dbos.lease import Lease
from agentkit.integrations.dbos.repair import Repair
from agentkit.integrations.dbos.states import RunRow
from agentkit.integrations.dbos.turn import Desk, DurableTurn, has_cause
from agentkit.loop.begin import AgentLike

T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two attempts at a step while the database is away."""
_BUSY_PAUSE = 0.25
_TIDY_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker works."""

    url: str
    """As DBOS takes it."""
    sessions_url: str
    application: str
    queues: Mapping[str, AgentLike[Any]]
    """By the name of the queue."""


class Worker:
    """Runs that this process goes on with: `async with durable.working(4) as worker`."""

    def __init__(
        self, place: Place, desk: Desk, engine: Engine, handlings: Handlings, fire: Fire
    ) -> None:
        self._fire = fire
        self._place, self._desk, self._engine, self._handlings = place, desk, engine, handlings
        self.name = handlings.executor()
        """What other workers, and `RunState.executor`, call it."""
        self._lease = Lease(place.sessions_url, self.name, quiet_seconds=handlings.quiet_seconds)
        self._repair = Repair(desk.database, engine, place.application, handlings)
        self._launched = Launched(
            place.url, place.application, handlings,
            executor=self.name, enter=self._enter_there, fire=self._fire_there,
        )  # fmt: skip
        self._turns: dict[str, DurableTurn] = {}
        """By workflow."""
        self._loop = asyncio.get_running_loop()
        self._stopping, self._stopped = asyncio.Event(), asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    @property
    def runs(self) -> tuple[str, ...]:
        """The ids of the runs that it goes on with now."""
        return tuple(turn.row.id for turn in self._turns.values())

    def stop(self) -> None:
        """Take no more runs, and end after the steps that are under way; called again, end now. The
        runs go on elsewhere. It may be called from any thread, and by a handler of a signal.
        """
        with suppress(RuntimeError):  # the loop has ended, and the worker with it
            self._loop.call_soon_threadsafe(self._stop)

    async def wait(self) -> None:
        """Wait until it was stopped."""
        await self._stopping.wait()

    def _stop(self) -> None:
        if self._stopping.is_set():
            self._stopped.set()
        self._stopping.set()

    async def begin(self) -> None:
        """Begin to take runs. Raises `UsageError` and `SessionError`."""
        try:
            await finish(asyncio.to_thread(self._begin), None)
        except asyncio.CancelledError as stopped:
            if stopped.__cause__ is None:  # it had begun
                await finish(asyncio.to_thread(self._end), None)
            raise
        self._looking = asyncio.create_task(self._look())
        logger().info("worker_begins", worker=self.name, queues=list(self._place.queues))

    def _begin(self) -> None:
        if self._handlings.lease:
            self._lease.take()
        try:
            self._launched.begin(list(self._place.queues))
        except BaseException:
            self._lease.end()
            raise

    async def end(self) -> None:
        """Stop, as `stop` does, and hand over what is left. A task that is cancelled meanwhile does
        not wait for the steps under way.
        """
        self._stopping.set()
        try:
            while any(turn.is_busy for turn in self._turns.values()) and not self._stopped.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_TIDY_SECONDS):
                        await self._stopped.wait()
        finally:
            await finish(self._leave_all(), None)

    async def _leave_all(self) -> None:
        if self._looking is not None:  # else it would look on with connections that are closed
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for turn in list(self._turns.values()):
            await turn.close()
        await asyncio.to_thread(self._end)
        logger().info("worker_ends", worker=self.name)

    def _end(self) -> None:
        self._launched.end()
        try:
            for taken in self._engine.taken(self.name):
                self._engine.hand_over(taken.workflow, taken.queue)
        except Exception as error:  # noqa: BLE001 - other workers take them over in a second
            logger().warning("worker_keeps_runs", worker=self.name, reason=str(error)[:300])
        self._lease.end()

    # What the workflow asks for, on DBOS's loop.

    async def _enter_there(self, workflow: str, given: Mapping[str, Any]) -> tuple[Take, Leave]:
        turn = await self._here(self._enter(workflow, given))

        async def take(number: int) -> dict[str, Any]:
            return await self._here(self._take(workflow, turn, number))

        async def leave() -> None:
            with suppress(RuntimeError, NotRun):
                await self._here(self._leave(workflow, turn))

        return take, leave

    async def _fire_there(self, at: str, given: Mapping[str, Any]) -> None:
        run, values = f"{given['schedule']}@{at}", given["values"]
        await self._here(self._again_and_again(lambda: self._fire(run, values)))

    async def _here(self, work: Any) -> Any:
        """Do work on the loop of the worker, whose own tasks and connections it uses."""
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("the loop of the worker has ended")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    # The same, on the loop of the worker.

    async def _enter(self, workflow: str, given: Mapping[str, Any]) -> DurableTurn:
        await self._not_stopping()
        claim = await self._patiently(lambda: self._claimed(workflow))
        row = await self._patiently(lambda: self._row(str(given["run"])))
        agent = self._place.queues[row.queue]
        turn = DurableTurn(self._desk, agent, row, claim)
        for other, earlier in list(self._turns.items()):
            if earlier.row.id == row.id:  # it was taken from this worker, and given back
                await earlier.close()
                self._turns.pop(other, None)
        self._turns[workflow] = turn
        return turn

    async def _take(self, workflow: str, turn: DurableTurn, number: int) -> dict[str, Any]:
        pause = _FIRST_PAUSE
        while True:
            await self._not_stopping()
            try:
                return await turn.take(number)
            except ConversationBusy:
                await asyncio.sleep(_BUSY_PAUSE)
            except (SessionError, LedgerError) as error:
                await self._not_stopping()  # it was stopped here, which is no error of the run
                if has_cause(error, ClaimLost) or not self._handlings.waits_out:
                    raise
                logger().warning(
                    "durable_step_waits", run=turn.row.id, workflow=workflow, reason=str(error)
                )
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _leave(self, workflow: str, turn: DurableTurn) -> None:
        """Leave a turn, and not the one that was begun in its place: where the run was taken away
        and given back, the workflow is the same.
        """
        if self._turns.get(workflow) is turn:
            del self._turns[workflow]
        await turn.close()

    async def _not_stopping(self) -> None:
        """Return at once, or, when the worker stops, never."""
        if self._stopping.is_set():
            await asyncio.get_running_loop().create_future()

    async def _patiently(self, work: Callable[[], T]) -> T:
        """Blocking work at the database, in a thread, again and again while that is away."""
        return await self._again_and_again(lambda: asyncio.to_thread(work))

    async def _again_and_again(self, work: Callable[[], Awaitable[T]]) -> T:
        pause = _FIRST_PAUSE
        while True:
            try:
                return await work()
            except SessionError as error:
                if isinstance(error, ClaimLost) or not self._handlings.waits_out:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _claimed(self, workflow: str) -> Claim:
        return self._desk.claims.take(workflow, self.name)

    def _row(self, run: str) -> RunRow:
        with self._desk.database.reading() as connection:
            row = states.find(connection, run)
        if row is None:
            raise ClaimLost(f"run {run} was deleted")
        return row

    # What it looks at each second.

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._handlings.look_seconds)
            await self._tried(self._look_at_claims())
            if self._handlings.lease:
                looking = asyncio.to_thread(self._look_at_others, self._mine())
                await self._tried(finish(looking, None))

    async def _tried(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever DBOS raises while the database is away
            logger().warning("worker_looks_again", worker=self.name, reason=str(error)[:300])

    async def _look_at_claims(self) -> None:
        turns = {turn.claim: turn for turn in self._turns.values()}
        asking = asyncio.to_thread(self._desk.claims.standing, tuple(turns))
        standing = await finish(asking, None)
        for claim, found in standing.items():
            if found.is_cancelled:
                turns[claim].cancel()

    def _mine(self) -> Sequence[str]:
        return tuple(self._turns)

    def _look_at_others(self, mine: Sequence[str]) -> None:
        if self._lease.look():
            self._repair.adopt(self.name, self._lease)
            self._repair.take_up(self.name, mine, time.monotonic())
            self._repair.fork_broken()
