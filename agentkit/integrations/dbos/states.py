"""A durable run as a row says it is: who has it, how far it is, and what it waits for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from sqlalchemy import Connection, Row, TextClause, bindparam, select, text, update

from agentkit._check import refused
from agentkit.errors import UsageError
from agentkit.integrations.dbos.notices import notify
from agentkit.integrations.dbos.tables import runs, steps
from agentkit.run import Run
from agentkit.sessions.names import check_name

Status = Literal[
    "queued", "running", "waiting", "completed", "limited", "refused", "failed", "cancelled"
]
STATUSES: tuple[Status, ...] = get_args(Status)
OVER: frozenset[Status] = frozenset({"completed", "limited", "refused", "failed", "cancelled"})
LONGEST_ID = 80
_TIME = "@2026-11-30T09:00:00.000000+00:00"
"""What the id of a scheduled run has behind the name of its schedule."""


@dataclass(frozen=True, slots=True)
class RunState:
    """What is known of a durable run."""

    id: str
    agent: str
    """The name of its agent."""
    conversation: str
    """The name of its conversation in `Durable.sessions`."""
    user: str | None
    status: Status
    """`waiting` is for a person; `limited` and `refused` are those of an `Answer`."""
    waits_for: str | None
    """Whom or what it waits for, in words; None where it does not wait."""
    pending: tuple[str, ...]
    """The ids of the calls, or of the requests, that wait for a person."""
    executor: str | None
    """The worker that has it, or had it last."""
    error: str | None
    """What ended it, in words."""
    created_at: float
    """Unix time."""
    changed_at: float


@dataclass(frozen=True, slots=True)
class RunRow:
    """A durable run, as its row has it."""

    id: str
    application: str
    agent: str
    conversation: str
    owner: str | None
    prompt: str
    options: Mapping[str, Any]
    queue: str
    part: str | None
    status: Status
    outcome: Mapping[str, Any]
    workflow: str
    segment: int
    forks: int
    steps: int
    created_at: float
    changed_at: float

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it by itself, or by a person's answer."""
        return self.status in OVER

    @property
    def is_at_rest(self) -> bool:
        """Whether it is over, or a person has to answer first."""
        return self.is_over or self.status == "waiting"

    @property
    def waiting(self) -> tuple[str, ...]:
        """The ids of what a person has to decide."""
        return tuple(self.outcome.get("waiting", {}))


def check_id(where: str, value: object) -> str:
    """The id of a run. Raises `UsageError`."""
    name = check_name(where, value)
    if len(name) > LONGEST_ID:
        raise UsageError(f"{where.format(name)}: accepted are at most {LONGEST_ID} characters")
    return name


def check_schedule(where: str, value: object) -> None:
    """Raise `UsageError` for what is no name of a schedule: ids of runs begin with it."""
    most = LONGEST_ID - len(_TIME)
    if len(check_name(where, value)) > most:
        raise refused(where, value, f"is a name of at most {most} characters")


def check_known(run: object) -> None:
    """Raise `UsageError` for what is the id of no run: no database is asked for it, which could
    answer with an error that looks like one of its own.
    """
    if not isinstance(run, str) or not 1 <= len(run) <= LONGEST_ID or not run.isprintable():
        raise unknown(run)


def unknown(run: object) -> UsageError:
    """The error for an id that no run has."""
    return UsageError(f"no run has the id {run!r:.200}")


def find(connection: Connection, run: str) -> RunRow | None:
    """A run by its id; None where there is none."""
    row = connection.execute(_BY_ID, {"of_run": run}).one_or_none()
    return None if row is None else row_of(row)


def row_of(row: Row[Any]) -> RunRow:
    """The row as a value."""
    values: dict[str, Any] = {name: getattr(row, name) for name in RunRow.__dataclass_fields__}
    for name in ("outcome", "options"):
        values[name] = json.loads(values[name]) if values[name] else {}
    return RunRow(**values)


def added_by(connection: Connection, run: str, number: int) -> dict[str, Any] | None:
    """What a step of a run added; None where it was not taken to its end."""
    found = connection.execute(_STEP, {"of_run": run, "of_number": number}).scalar_one_or_none()
    return None if found is None else cast("dict[str, Any]", json.loads(found))


def add_step(
    connection: Connection, run: str, number: int, added: Mapping[str, Any], now: float
) -> bool:
    """Write what a step added, and how the run is after it. False where the run was cancelled
    meanwhile, which nothing undoes.
    """
    data = json.dumps(added, separators=(",", ":"))
    connection.execute(steps.insert().values(run=run, number=number, added=data))
    values: dict[str, Any] = {"steps": number + 1, "changed_at": now, "status": added["status"]}
    outcome = {name: added[name] for name in ("waiting", "error", "note") if name in added}
    values["outcome"] = json.dumps(outcome, separators=(",", ":")) if outcome else None
    going_on = (runs.c.id == run, runs.c.status != "cancelled")
    written = connection.execute(update(runs).where(*going_on).values(**values))
    notify(connection, run)
    return written.rowcount > 0


def waiting_in(run: Run) -> dict[str, str]:
    """What a paused run waits for: the id of each call, or key of a request, and why."""
    return {each.call_id: each.why for each in run.waiting if each.why != "agent"}


def state_of(row: Row[Any], *, version: str) -> RunState:
    """What `listing` found of a run. `version` is that of the workers of this agentkit."""
    found = row_of(row)
    told: object = found.outcome.get("error")
    error = cast("Mapping[str, object]", told) if isinstance(told, dict) else None
    return RunState(
        found.id,
        found.agent,
        found.conversation,
        found.owner,
        found.status,
        _waits_for(found, str(row.application_version or version), version),
        found.waiting,
        row.executor_id,
        None if error is None else str(error.get("message")),
        found.created_at,
        found.changed_at,
    )


def _waits_for(row: RunRow, has: str, version: str) -> str | None:
    if row.status == "waiting":
        waiting: Mapping[str, str] = row.outcome.get("waiting", {})
        return ", ".join(f"the {why} of {call!r}" for call, why in waiting.items())
    if row.status not in {"queued", "running"}:
        return None
    if has != version:
        return f"a worker of version {has!r}"
    return f"a worker with the agent {row.agent!r}" if row.status == "queued" else None


def listing(*, is_sqlite: bool, where: str) -> TextClause:
    """The statement that lists runs beside their workflows, the newest first. `where` is SQL."""
    table = "workflow_status" if is_sqlite else "dbos.workflow_status"
    return text(f"""
        SELECT r.*, w.executor_id, w.application_version
        FROM agentkit_durable_runs r LEFT JOIN {table} w ON w.workflow_uuid = r.workflow
        WHERE r.application = :application AND {where}
        ORDER BY r.created_at DESC, r.id LIMIT :most
    """)  # noqa: S608 - no value is in it


def unended(connection: Connection, conversation: str) -> str | None:
    """The id of a run of this conversation that has not ended; None where there is none."""
    open_ = (runs.c.conversation == conversation, runs.c.status.notin_(OVER))
    return connection.scalar(select(runs.c.id).where(*open_).limit(1))


_BY_ID = select(runs).where(runs.c.id == bindparam("of_run"))
_STEP = select(steps.c.added).where(
    steps.c.run == bindparam("of_run"), steps.c.number == bindparam("of_number")
)


def set_running(connection: Connection, run: str, now: float) -> None:
    """Say that a worker is at work on a run."""
    these = (runs.c.id == run, runs.c.status == "queued")
    connection.execute(update(runs).where(*these).values(status="running", changed_at=now))
