"""What a program that shows conversations has noted of their runs, beside what the runs say. Each
function works in the transaction that it is given.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from agentkit.sessions.catalogue import portions
from agentkit.sessions.tables import notes, runs
from agentkit.sessions.turns import put


def note(connection: Connection, run: str, data: str) -> None:
    """Keep the notes on a run, in the place of earlier ones. On a run that is not here, none are
    kept.
    """
    if connection.execute(select(runs.c.id).where(runs.c.id == run)).first() is not None:
        put(connection, notes, [{"run": run, "data": data}], changed=("data",))


def noted(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """The notes on these runs, as far as there are any."""
    found: dict[str, str] = {}
    for some in portions(names):
        query = select(notes.c.run, notes.c.data).where(notes.c.run.in_(some))
        found.update((row.run, row.data) for row in connection.execute(query))
    return found
