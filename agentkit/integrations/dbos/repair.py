"""What DBOS leaves lying: the runs of workers that have died, those that a worker forgot, and those
that were ended by an error of the database. Everything here blocks.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from sqlalchemy import text, update

from agentkit._log import logger
from agentkit.integrations.dbos.engine import Engine
from agentkit.integrations.dbos.handlings import Handlings
from agentkit.integrations.dbos.lease import Lease
from agentkit.integrations.dbos.tables import runs
from agentkit.sessions.database import Database

_FORGOTTEN_SECONDS = 5.0
"""How long a run may be a worker's that does not go on with it, before it is put back."""


class Repair:
    """One worker's part in it."""

    def __init__(
        self, database: Database, engine: Engine, application: str, handlings: Handlings
    ) -> None:
        self._database, self._engine = database, engine
        self._application, self._handlings = application, handlings
        self._idle: dict[str, float] = {}
        """Workflows that nobody here goes on with, and since when."""
        table = "workflow_status" if database.is_sqlite else "dbos.workflow_status"
        self._broken = text(f"""
            SELECT r.id, r.workflow, r.queue, r.forks
            FROM agentkit_durable_runs r JOIN {table} w ON w.workflow_uuid = r.workflow
            WHERE r.application = :application AND r.status IN ('queued', 'running')
            AND w.status IN ('ERROR', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED')
        """)  # noqa: S608 - no value is in it

    def adopt(self, executor: str, lease: Lease) -> None:
        """Put the runs of workers that have died back into their queues. That a worker has died is
        known while its lock is held here; what it had is looked at anew under the lock.
        """
        others = {each.executor for each in self._engine.taken()} - {executor}
        for other in sorted(others):
            release = lease.dead(other)
            if release is None:
                continue
            try:
                for taken in self._engine.taken(other):
                    self._engine.hand_over(taken.workflow, taken.queue)
                    logger().warning("run_adopted", workflow=taken.workflow, worker=other)
            finally:
                release()

    def take_up(self, executor: str, mine: Collection[str], now: float) -> None:
        """Put a run back that is this worker's, and that it does not go on with: its end could not
        be recorded.
        """
        idle = {each.workflow: each for each in self._engine.taken(executor)}
        for workflow in mine:
            idle.pop(workflow, None)
        self._idle = {each: self._idle.get(each, now) for each in idle}
        for workflow, since in list(self._idle.items()):
            if now - since > _FORGOTTEN_SECONDS:
                self._engine.hand_over(workflow, idle[workflow].queue)
                del self._idle[workflow]

    def fork_broken(self) -> None:
        """Go on with the runs that DBOS has ended by an error of its own."""
        with self._database.reading() as connection:
            broken = connection.execute(self._broken, {"application": self._application}).all()
        for row in broken:
            if row.forks >= self._handlings.forks:
                continue
            to = f"{row.workflow.partition('+')[0]}+{row.forks + 1}"
            self._engine.fork(row.workflow, to, row.queue)
            with self._database.writing() as connection:
                connection.execute(
                    update(runs)
                    .where(runs.c.id == row.id, runs.c.workflow == row.workflow)
                    .values(workflow=to, forks=row.forks + 1, changed_at=time.time())
                )
            logger().warning("run_forked", run=row.id, workflow=to)
