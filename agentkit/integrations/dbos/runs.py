"""The runs of a database, as any process reads and changes them."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, update

from agentkit._sync import finish
from agentkit.agent import Agent
from agentkit.errors import ConversationBusy, SessionError, UsageError
from agentkit.images.store import ImageStore
from agentkit.integrations.dbos import states, tables, told
from agentkit.integrations.dbos.claims import Claims
from agentkit.integrations.dbos.engine import Engine, address
from agentkit.integrations.dbos.handlings import Handlings
from agentkit.integrations.dbos.notices import Notices, notify
from agentkit.integrations.dbos.states import RunRow, RunState, Status
from agentkit.integrations.dbos.told import Told
from agentkit.integrations.dbos.turn import Desk
from agentkit.loop.begin import AgentLike
from agentkit.openrouter.ledger import Ledger
from agentkit.run import Run
from agentkit.saved_conversation import SavedConversation
from agentkit.sessions import past
from agentkit.sessions.address import Address
from agentkit.sessions.calls import DatabaseCalls, DatabaseLocks
from agentkit.sessions.database import Database
from agentkit.sessions.locks import Held
from agentkit.sessions.record import DatabaseRecord

T = TypeVar("T")
_MAKING = "\0durable tables"
_MAKING_SECONDS = 60.0
_AWAY_SECONDS, _AWAY_PAUSE = 300.0, 0.5


class Runs:
    """The runs of one application. What waits for the database does so in a thread."""

    def __init__(
        self, url: str, place: Address, application: str, store: ImageStore, handlings: Handlings
    ) -> None:
        self.address, self.application, self.store = address(place.url), application, store
        self.handlings = handlings
        self.database = Database(url)
        self.notices = Notices(place, listens=handlings.listens)
        self._guard = threading.Lock()
        self._engine: Engine | None = None

    async def engine(self) -> Engine:
        """What asks DBOS, with all tables there. Raises `SessionError`."""
        return self._engine or await asyncio.to_thread(self._opened)

    def _opened(self) -> Engine:
        with self._guard:
            if self._engine is None:
                engine = Engine(self.address, self.application, self.handlings)
                with self.database.reading():  # the sessions' tables, and the log, come first
                    pass
                try:
                    release = self.database.locks.take(_MAKING, wait=_MAKING_SECONDS)
                except Held as held:
                    raise SessionError(
                        f"the tables of durable runs in {self.database.name} cannot be made: "
                        f"{held.who} has been making them for {_MAKING_SECONDS:.0f} s"
                    ) from None
                try:
                    tables.make(self.database)
                    engine.make_tables()
                finally:
                    release()
                self._engine = engine
            return self._engine

    def close(self) -> None:
        """Give back the connections. Blocks."""
        with self._guard:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()
        self.notices.close()
        self.database.close()

    def desk(self, deps: Any) -> Desk:
        """What the turns of a worker share."""
        database = self.database
        claims = Claims(database, is_checked=self.handlings.claims)
        calls = DatabaseCalls(database, check=claims.check_call)
        ledger = Ledger(calls, locks=DatabaseLocks(database))

        def record(
            chat: str,
            agent: AgentLike[Any],
            user: str | None,
            also: Callable[[Connection], None],
        ) -> DatabaseRecord:
            return DatabaseRecord(database, ledger, chat, agent, user, also=also)

        handlings = self.handlings
        return Desk(
            database, claims, record, handlings.batches, deps, waits_out=handlings.waits_out
        )

    async def begin(self, values: Mapping[str, Any], *, alone: bool = False) -> None:
        """Put a new run into its queue; nothing where it is there already. `values` are those of
        its row. Raises `UsageError` where a run of this id was begun by other words, and
        `ConversationBusy` where it is to be `alone` and another one of its conversation has not
        ended.
        """
        engine, run = await self.engine(), str(values["id"])

        def insert(connection: Connection) -> None:
            before = states.find(connection, run)
            if before is not None:
                return _check_same(before, self.application, values)
            if alone and (other := states.unended(connection, values["conversation"])):
                raise ConversationBusy(
                    f"run {other} of conversation {values['conversation']!r} has not ended"
                )
            workflow, now = self._workflow(run, 0), time.time()
            own: dict[str, Any] = {"application": self.application, "workflow": workflow}
            own |= {"status": "queued", "created_at": now, "changed_at": now}
            connection.execute(tables.runs.insert().values(**values, **own))
            given = {"run": run, "first": 0}
            return engine.enqueue(connection, workflow, values["queue"], given, values["part"])

        await self._write(insert, f"of {values['conversation']}" if alone else run)

    async def go_on(self, row: RunRow, status: Status, decisions: Mapping[str, Any]) -> None:
        """Put a run into its queue again, with what a person decided, which stands in its row until
        the next step is written. Raises `UsageError` where the run is not as its row says.
        """
        engine, segment = await self.engine(), row.segment + 1
        workflow = self._workflow(row.id, segment)
        as_it_is = (
            tables.runs.c.id == row.id,
            tables.runs.c.status == status,
            tables.runs.c.segment == row.segment,
        )
        new: dict[str, Any] = {"status": "queued", "workflow": workflow, "segment": segment}
        new |= {"forks": 0, "outcome": json.dumps({"decisions": decisions})}

        def change(connection: Connection) -> bool:
            changed = update(tables.runs).where(*as_it_is).values(**new, changed_at=time.time())
            if connection.execute(changed).rowcount != 1:
                return False
            given = {"run": row.id, "first": row.steps}
            engine.enqueue(connection, workflow, row.queue, given, row.part)
            notify(connection, row.id)
            return True

        if not await self._write(change, row.id):
            raise UsageError(f"run {row.id} went on meanwhile: somebody else has decided")

    async def cancel(self, row: RunRow, agent: Agent[Any] | None) -> None:
        """End a run, unless it is over."""
        engine = await self.engine()

        def cancel(connection: Connection) -> RunRow | None:
            now = states.find(connection, row.id)
            if now is None or now.is_over:
                return None
            changed = update(tables.runs).where(tables.runs.c.id == row.id)
            connection.execute(changed.values(status="cancelled", changed_at=time.time()))
            notify(connection, row.id)
            return now

        before = await self._write(cancel, row.id)
        if before is not None and before.status == "waiting":
            await asyncio.to_thread(self._drop, row, agent)
        elif before is not None:
            await asyncio.to_thread(engine.cancel, before.workflow)

    def _drop(self, row: RunRow, agent: Agent[Any] | None) -> None:
        """Let the conversation of a run that waited accept new prompts."""
        agent = agent or Agent("agentkit/none", store=self.store)
        ledger = Ledger(DatabaseCalls(self.database), locks=DatabaseLocks(self.database))
        record = DatabaseRecord(self.database, ledger, row.conversation, agent, row.owner)
        chat = SavedConversation(agent, record, wait=1.0)
        if chat.waiting is not None and chat.waiting.id == row.id:
            chat.drop()

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Read something, again and again while the database is away. Raises `SessionError` where
        it still is after some minutes.
        """
        until = time.monotonic() + _AWAY_SECONDS
        while True:
            try:
                return await work()
            except SessionError:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(_AWAY_PAUSE)

    async def row(self, run: str) -> RunRow:
        """A run by its id. Raises `UsageError` where there is none."""
        states.check_known(run)
        await self.engine()
        found = await self._read(lambda connection: states.find(connection, run))
        if found is None or found.application != self.application:
            raise states.unknown(run)
        return found

    async def waited_for(self, run: str) -> RunRow:
        """A run by its id, also while the database is away. That it never was there is told at
        once. Raises `UsageError` where there is no such run.
        """
        await self.engine()
        return await self.patiently(partial(self.row, run))

    async def run(self, row: RunRow) -> Run | None:
        """The run as it is in its conversation; None before it has begun."""

        def read(connection: Connection) -> Run | None:
            found = past.runs_of(connection, row.conversation, self.store, only=row.id)
            return found[0].run if found else None

        return await self._read(read)

    async def told(self, run: str, after: int) -> Sequence[Told]:
        """The rows of events behind this one."""
        return await self._read(lambda connection: told.read(connection, run, after, self.store))

    async def listed(self, where: str, values: Mapping[str, Any]) -> list[RunState]:
        """The runs for which an SQL condition holds."""
        await self.engine()
        asked = states.listing(is_sqlite=self.database.is_sqlite, where=where)
        given = {"application": self.application, **values}
        found = await self._read(lambda connection: connection.execute(asked, given).all())
        return [states.state_of(row, version=self.handlings.version) for row in found]

    def _workflow(self, run: str, segment: int) -> str:
        return f"{self.application}/{run}/{segment}"

    async def _read(self, work: Callable[[Connection], T]) -> T:
        def read() -> T:
            with self.database.reading() as connection:
                return work(connection)

        return await asyncio.to_thread(read)

    async def _write(self, work: Callable[[Connection], T], name: str) -> T:
        def write() -> T:
            with self.database.writing(f"durable {name}") as connection:
                return work(connection)

        return await finish(asyncio.to_thread(write), None)


def _check_same(before: RunRow, application: str, values: Mapping[str, Any]) -> None:
    """Raise `UsageError` unless a run was begun by the same words, in this application."""
    if before.application != application:
        raise UsageError(
            f"start(id={before.id!r}): a run of this id is in this database, of the application "
            f"{before.application!r}"
        )
    for name in ("agent", "conversation", "owner", "prompt"):
        if getattr(before, name) != values[name]:
            word = "user" if name == "owner" else name
            raise UsageError(f"start(id={before.id!r}): a run of this id has another {word}")
    if before.options != json.loads(values.get("options") or "{}"):
        raise UsageError(f"start(id={before.id!r}): a run of this id has another model or API")
