"""The tables of durable runs, beside those of the sessions in one database."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Float, Integer, MetaData, String, Table, Text, select

from agentkit.errors import SessionError
from agentkit.sessions.database import Database
from agentkit.sessions.tables import about

VERSION = "2"
"""Of these tables; a database of another one is refused."""
_NAME = "durable"
"""Of the version, in the table that says what the database is."""

metadata = MetaData()

runs = Table(
    "agentkit_durable_runs",
    metadata,
    Column("id", String(80), primary_key=True),  # of the run in its conversation, too
    Column("application", String(80), nullable=False),
    Column("agent", Text, nullable=False),
    Column("conversation", String(200), nullable=False, index=True),
    Column("owner", String(200)),  # the user whom the conversation belongs to
    Column("prompt", Text, nullable=False),  # JSON
    Column("options", Text),  # JSON: the model and the API, where they are not those of the agent
    Column("queue", Text, nullable=False),
    Column("part", Text),  # of the queue, where that has limits for each key
    Column("status", String(20), nullable=False, index=True),
    Column("outcome", Text),  # JSON: what it waits for, or the error that ended it
    Column("workflow", Text, nullable=False, index=True),  # the one that goes on with it
    Column("segment", Integer, nullable=False, default=0),  # one more for each answer of a person
    Column("forks", Integer, nullable=False, default=0),  # of workflows that the database broke
    Column("steps", Integer, nullable=False, default=0),  # how many were taken
    Column("created_at", Float, nullable=False, index=True),  # Unix time in seconds
    Column("changed_at", Float, nullable=False),
)

steps = Table(
    # What each step of a run added. It is written once: a second time finds it.
    "agentkit_durable_steps",
    metadata,
    Column("run", String(80), primary_key=True),
    Column("number", Integer, primary_key=True),  # from 0 on
    Column("added", Text, nullable=False),  # JSON
)

events = Table(
    # Events, several in a row, in the order of `number`; those of a step that is begun again are
    # deleted.
    "agentkit_durable_events",
    metadata,
    Column("run", String(80), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("step", Integer, nullable=False),
    Column("data", Text, nullable=False),  # JSON: a list
)


def make(database: Database) -> None:
    """Make the tables where they are missing. Blocks; raises `SessionError`, also where the
    database is one in memory, or its tables are those of another version.
    """
    if database.is_sqlite and database.name.endswith("(in memory)"):
        raise SessionError("durable runs need a database that lasts: sqlite:///FILE or Postgres")
    with database.reading() as connection:
        found = _version(connection)
    if found is None:
        with database.writing("durable tables") as connection:
            found = _version(connection)
            if found is None:
                metadata.create_all(connection, checkfirst=False)
                connection.execute(about.insert().values(name=_NAME, value=VERSION))
                found = VERSION
    if found != VERSION:
        raise SessionError(
            f"the durable runs in {database.name} are of version {found}, and this agentkit knows "
            f"{VERSION}: install the one that wrote them"
        )


def _version(connection: Connection) -> str | None:
    return connection.scalar(select(about.c.value).where(about.c.name == _NAME))
