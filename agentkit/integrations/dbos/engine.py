"""DBOS: the one module that imports it, when it is first used."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from agentkit.errors import UsageError
from agentkit.integrations.dbos.handlings import Handlings
from agentkit.sessions.address import read_address
from agentkit.sessions.failures import at_the_database

if TYPE_CHECKING:
    from dbos import DBOSClient, Serializer

WORKFLOW, SCHEDULED = "agentkit.run", "agentkit.scheduled"
_INSTALL = "pip install 'agentkit-openrouter[durable]'"
_POLL_SECONDS = 0.05
"""How often a worker looks into its queues. Its default is a second."""
_SCHEDULES_SECONDS = 2.0
"""How often a worker looks for new schedules. Its default is half a minute."""
_UNCLAIMED = "PENDING"

Take = Callable[[int], Awaitable[dict[str, Any]]]
"""Takes a step of a run, by its number, and returns what it added."""
Leave = Callable[[], Awaitable[None]]
"""Goes on no more with what was begun."""
Enter = Callable[[str, Mapping[str, Any]], Awaitable[tuple[Take, Leave]]]
"""Begins to go on with a workflow, by its id and what it was given."""
Fire = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Begins a scheduled run, by the time that it is due at and what the schedule was given."""


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
_inherited: list[object] = []
"""Clients of the process that this one was forked from. Closing them would disturb it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A workflow that an executor has taken, or had when it died."""

    workflow: str
    executor: str
    queue: str | None


def check_installed() -> None:
    """Raises `UsageError` with the line to install DBOS, where it cannot be imported."""
    if find_spec("dbos") is None:
        raise UsageError(f"Durable(…): the package dbos is missing: {_INSTALL}")


def address(url: URL) -> str:
    """The URL as DBOS takes it. It may hold a password."""
    plain = url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql")
    if plain.get_backend_name() == "sqlite":
        plain = plain.set(drivername="sqlite")
    return plain.render_as_string(hide_password=False)


class Engine:
    """What any process may ask of DBOS. Its methods block, and raise `SessionError` where the
    database cannot be asked. In the child of a fork it has a client of its own.
    """

    def __init__(self, url: str, application: str, handlings: Handlings) -> None:
        self._url, self._application, self._handlings = url, application, handlings
        self._place = read_address(url)
        self._guard = threading.Lock()
        self._client: DBOSClient | None = None
        _engines.add(self)

    def renew(self) -> None:
        """Forget the client, in the child of a fork: its connections are the parent's."""
        _inherited.append(self._client)
        self._guard, self._client = threading.Lock(), None

    def _asking(self) -> AbstractContextManager[None]:
        """A block in which DBOS asks the database."""
        return at_the_database(self._place, "asked")

    def make_tables(self) -> None:
        """Make the tables of DBOS, or migrate them. Nobody else may do it at the same time."""
        check_installed()
        from dbos import DBOS

        _quiet()
        with self._asking():
            DBOS.migrate(self._url)

    def enqueue(
        self,
        connection: Connection,
        workflow: str,
        queue: str,
        given: Mapping[str, Any],
        part: str | None,
    ) -> None:
        """Put a run into a queue, in this transaction."""
        options: dict[str, Any] = {
            "workflow_name": WORKFLOW,
            "queue_name": queue,
            "workflow_id": workflow,
            "app_version": self._handlings.version,
        }
        if part is not None:
            options["queue_partition_key"] = part
        self._asked().enqueue_in_transaction(connection, cast("Any", options), dict(given))

    def make_queue(self, queue: str, limits: Mapping[str, Any]) -> None:
        """Make a queue, or change its limits."""
        poll = self._handlings.poll_seconds
        with self._asking():
            self._asked().register_queue(
                queue, polling_interval_sec=poll, application_name=self._application, **limits
            )

    def make_schedule(
        self, name: str, cron: str, given: Mapping[str, Any], timezone: str | None
    ) -> None:
        """Begin a run at these times, in the place of what this schedule was. Raises `UsageError`
        for what are no times.
        """
        from dbos import error as errors

        wanted = {
            "schedule_name": f"{self._application}.{name}",
            "workflow_name": SCHEDULED,
            "schedule": cron,
            "context": dict(given),
            "cron_timezone": timezone,
            "application_name": self._application,
        }
        try:
            with self._asking():
                self._asked().apply_schedules([cast("Any", wanted)])
        except (errors.DBOSException, ValueError) as error:  # its own words; more than 1 MiB
            raise UsageError(f"schedule({name!r}, {cron!r:.100}): {error}") from None

    def drop_schedule(self, name: str) -> None:
        """Begin no more runs of a schedule."""
        with self._asking():
            self._asked().delete_schedule(f"{self._application}.{name}")

    def cancel(self, workflow: str) -> None:
        """Cancel a workflow that has not ended."""
        with self._asking():
            self._asked().cancel_workflow(workflow)

    def hand_over(self, workflow: str, queue: str | None) -> None:
        """Put a workflow that has not ended back into its queue, whoever has it."""
        with self._asking():
            self._asked().resume_workflow(workflow, queue_name=queue)

    def fork(self, workflow: str, to: str, queue: str) -> None:
        """Go on with a workflow that ended by an error, from its last step, under another id."""
        from dbos import SetWorkflowID

        client = self._asked()
        with self._asking():
            recorded = client.list_workflow_steps(workflow)
            following = max((each["function_id"] for each in recorded), default=0) + 1
            if client.list_workflows(workflow_ids=[to], load_input=False, load_output=False):
                return
            with SetWorkflowID(to):
                client.fork_workflow(
                    workflow,
                    following,
                    application_version=self._handlings.version,
                    queue_name=queue,
                )

    def taken(self, executor: str | None = None) -> list[Taken]:
        """The workflows that executors have taken and that have not ended; or those of one."""
        with self._asking():
            found = self._asked().list_workflows(
                status=_UNCLAIMED,
                name=[WORKFLOW, SCHEDULED],
                application_name=self._application,
                executor_id=executor,
                load_input=False,
                load_output=False,
            )
        return [Taken(each.workflow_id, str(each.executor_id), each.queue_name) for each in found]

    def close(self) -> None:
        """Give back its connections."""
        with self._guard:
            client, self._client = self._client, None
        if client is not None:
            with self._asking():
                client.destroy()

    def _asked(self) -> DBOSClient:
        check_installed()
        from dbos import DBOSClient

        with self._guard:
            if self._client is None:
                self._client = DBOSClient(
                    system_database_url=self._url,
                    serializer=cast("Serializer", self._handlings.serializer),
                    application_name=self._application,
                    lazy=True,
                    retry_connection_errors=False,
                )
            return self._client


class Launched:
    """DBOS at work in this process: it takes runs out of queues. There is one for a process."""

    _one: Launched | None = None

    def __init__(
        self,
        url: str,
        application: str,
        handlings: Handlings,
        *,
        executor: str,
        enter: Enter,
        fire: Fire,
    ) -> None:
        self._url, self._application, self._handlings = url, application, handlings
        self._executor, self._enter, self._fire = executor, enter, fire

    def begin(self, queues: Sequence[str]) -> None:
        """Begin to take runs. Blocks. Raises `UsageError` where this process does so already."""
        check_installed()
        from dbos import DBOS

        if Launched._one is not None:
            raise UsageError("a worker is at work in this process: there is one for each process")
        Launched._one = self
        try:
            _quiet()
            DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)(self._workflow())
            DBOS.workflow(name=SCHEDULED, max_recovery_attempts=None)(self._scheduled())
            DBOS(
                config={
                    "name": self._application,
                    "system_database_url": self._url,
                    "executor_id": self._executor,
                    "application_version": self._handlings.version,
                    "serializer": cast("Serializer", self._handlings.serializer),
                    "notification_listener_polling_interval_sec": _POLL_SECONDS,
                    "scheduler_polling_interval_sec": _SCHEDULES_SECONDS,
                    "log_level": "CRITICAL",
                    "run_migrations": False,
                }
            )
            DBOS.listen_queues(list(queues))
            with at_the_database(read_address(self._url), "worked with"):
                DBOS.launch()
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Take no more runs, and forget those that were taken here. Blocks."""
        from dbos import DBOS

        if Launched._one is self:
            try:
                DBOS.destroy(destroy_registry=True)
            finally:
                Launched._one = None

    def _workflow(self) -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
        """The workflow: the steps of a run, until it waits or has ended."""

        async def run(given: dict[str, Any]) -> dict[str, Any]:
            from dbos import DBOS

            take, leave = await self._enter(str(DBOS.workflow_id), given)
            try:
                number = int(given["first"])
                while True:
                    added = await self._step(take, number)
                    if added["status"] != "running":
                        return added
                    number = int(added["step"]) + 1
            finally:
                await leave()

        return run

    def _scheduled(self) -> Callable[[str, dict[str, Any]], Awaitable[None]]:
        """The workflow that begins a run when it is due."""

        async def scheduled(at: str, given: dict[str, Any]) -> None:
            await self._fire(str(at), given)

        return scheduled

    async def _step(self, take: Take, number: int) -> dict[str, Any]:
        """A step, and its record at DBOS. Errors of the database are waited out: the step is asked
        for again, and gives what it gave.
        """
        from dbos import DBOS

        async def step(number: int) -> dict[str, Any]:
            return await take(number)

        pause = 0.1
        while True:
            try:
                return await DBOS.run_step_async({"name": "step"}, step, number)
            except (SQLAlchemyError, OSError):
                if not self._handlings.waits_out:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, 5.0)


def _renew_all() -> None:
    for engine in list(_engines):
        engine.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)


def _quiet() -> None:
    """What DBOS logs of its own concerns its users, and goes to no one here but who asked."""
    log = logging.getLogger("dbos")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)
