"""Who goes on with a run: the token that DBOS writes into a workflow's row when a worker takes it.

DBOS looks at it when a step has ended and is to be recorded. By then the step has paid, so it is
looked at here before: in the transaction that begins a paid request, and in each one that writes
what a step added.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, text

from agentkit.errors import SessionError
from agentkit.openrouter.ledger_storage import CallKey
from agentkit.sessions.database import Database

_COLUMNS = "workflow_uuid, status, owner_xid, executor_id"


class ClaimLost(SessionError):
    """Another worker goes on with the run, or it was cancelled."""


class ClaimCancelled(ClaimLost):
    """The run was cancelled: nobody goes on with it, and what came is to be kept."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A workflow that a worker has taken, and the token by which it is its own."""

    workflow: str
    token: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of a claim."""

    is_held: bool
    is_cancelled: bool = False


class Claims:
    """The claims of a database."""

    def __init__(self, database: Database, *, is_checked: bool = True) -> None:
        self._database = database
        self._is_checked = is_checked
        self._held: dict[str, Claim] = {}
        """The claims of the runs that go on in this process."""
        table = "workflow_status" if database.is_sqlite else "dbos.workflow_status"
        # In Postgres, whoever takes the run away waits until the transaction has ended.
        lock = "" if database.is_sqlite else " FOR SHARE"
        asked = f"SELECT {_COLUMNS} FROM {table} WHERE workflow_uuid"  # noqa: S608 - a constant
        self._one = text(f"{asked} = :workflow{lock}")
        self._many = text(f"{asked} IN :workflows").bindparams(
            bindparam("workflows", expanding=True)
        )

    def take(self, workflow: str, executor: str) -> Claim:
        """The claim of a workflow that this executor has just taken. Blocks. Raises `ClaimLost` if
        somebody else has it by now.
        """
        with self._database.reading() as connection:
            row = connection.execute(self._many, {"workflows": [workflow]}).one_or_none()
        if row is None or row.status != "PENDING" or row.executor_id != executor:
            raise ClaimLost(f"workflow {workflow} is not this worker's any more")
        return Claim(workflow, str(row.owner_xid))

    def hold(self, run: str, claim: Claim) -> None:
        """Let a run pay while its claim holds."""
        self._held[run] = claim

    def let_go(self, run: str, claim: Claim) -> None:
        """Let a run pay no more."""
        if self._held.get(run) == claim:
            del self._held[run]

    def check_call(self, connection: Connection, key: CallKey) -> None:
        """Raises `ClaimLost` for a paid request of a run that is not, or no more, to go on here."""
        claim = self._held.get(key.run)
        if claim is None:
            raise ClaimLost(f"run {key.run} does not go on in this process")
        self.check(connection, claim)

    def check(self, connection: Connection, claim: Claim) -> None:
        """Raises `ClaimLost` unless the claim holds until the end of this transaction."""
        if not self._is_checked:
            return
        row = connection.execute(self._one, {"workflow": claim.workflow}).one_or_none()
        if row is not None and row.status == "CANCELLED":
            raise ClaimCancelled(f"workflow {claim.workflow} was cancelled")
        if row is None or row.status != "PENDING" or row.owner_xid != claim.token:
            raise ClaimLost(
                f"another worker goes on with workflow {claim.workflow}, or nobody does"
            )

    def standing(self, claims: Collection[Claim]) -> dict[Claim, Standing]:
        """What became of these claims. Blocks."""
        if not claims:
            return {}
        names = [each.workflow for each in claims]
        with self._database.reading() as connection:
            found = {
                row.workflow_uuid: row
                for row in connection.execute(self._many, {"workflows": names})
            }
        standing: dict[Claim, Standing] = {}
        for claim in claims:
            row = found.get(claim.workflow)
            is_held = row is not None and row.owner_xid == claim.token and row.status == "PENDING"
            cancelled = row is not None and row.status == "CANCELLED"
            standing[claim] = Standing(is_held or not self._is_checked, cancelled)
        return standing
