"""The tables of a session database: made where there are none, migrated where they are older, and
left alone where they are newer, or another program's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from sqlalchemy import Connection, MetaData, inspect, text

from agentkit.errors import SessionError
from agentkit.sessions.migrations import add_notes, order_runs_by_name
from agentkit.sessions.tables import VERSION, about, metadata

APPLICATION_ID = 0x61676B74
"""What SQLite keeps in the header of a file of ours: `agkt`."""
_PREFIX = "agentkit_"
_SHOWN = 3
"""Tables of another program that a message names."""

Step = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Schema:
    """Tables, their version, and the way to it from older ones."""

    metadata: MetaData
    version: int
    steps: Mapping[int, Step] = field(default_factory=lambda: MappingProxyType({}))
    """By the version that a step begins with; it ends with the next one. A step runs in a
    transaction, together with those after it.
    """


_STEPS: Mapping[int, Step] = MappingProxyType({1: add_notes, 2: order_runs_by_name})
SCHEMA = Schema(metadata, VERSION, _STEPS)


class Found(Enum):
    """What a database holds."""

    NOTHING = "nothing"
    OLDER = "older"
    CURRENT = "current"


def look(connection: Connection, name: str, schema: Schema) -> Found:
    """What the database holds. Changes nothing. `name` is its address, for messages.

    Raises `SessionError` for the tables of a newer agentkit or of another program.
    """
    tables = sorted(inspect(connection).get_table_names())
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        _check_application(connection, tables, name)
    ours = [table for table in tables if table.startswith(_PREFIX)]
    if not ours:
        return Found.NOTHING
    if about.name not in ours:
        raise SessionError(
            f"the database {name} holds {_some(ours)} but no {about.name}: these tables are not "
            "those of agentkit; nothing was changed"
        )
    version = _version(connection, name)
    if version > schema.version:
        raise SessionError(
            f"the database {name} was written by a newer agentkit: its schema is {version}, and "
            f"this agentkit knows {schema.version}; install the newer one"
        )
    return Found.CURRENT if version == schema.version else Found.OLDER


def prepare(connection: Connection, name: str, schema: Schema) -> None:
    """Make the tables, or migrate them, in the transaction of this connection. Nobody else may do
    it at the same time.
    """
    found = look(connection, name, schema)
    if found is Found.CURRENT:
        return
    if found is Found.NOTHING:
        schema.metadata.create_all(connection, checkfirst=False)
        connection.execute(about.insert().values(name="version", value=str(schema.version)))
        if connection.dialect.name == "sqlite":
            connection.execute(text(f"PRAGMA application_id = {APPLICATION_ID}"))
        return
    version = _version(connection, name)
    for begins in range(version, schema.version):
        if begins not in schema.steps:
            raise SessionError(
                f"the database {name} has the schema {version}, from which this agentkit knows no "
                f"way to {schema.version}"
            )
        schema.steps[begins](connection)
    is_version = about.c.name == "version"
    connection.execute(about.update().where(is_version).values(value=str(schema.version)))


def _check_application(connection: Connection, tables: list[str], name: str) -> None:
    found = connection.execute(text("PRAGMA application_id")).scalar_one()
    if found == APPLICATION_ID or (found == 0 and not tables):
        return
    what = f"holds {_some(tables)}" if tables else f"has the application id {found:#x}"
    raise SessionError(
        f"the database {name} is another program's: it {what}; give agentkit a file of its own. "
        "Nothing was changed"
    )


def _version(connection: Connection, name: str) -> int:
    asked = about.select().where(about.c.name == "version")
    row = connection.execute(asked).one_or_none()
    if row is None or not row.value.isdecimal():
        raise SessionError(f"the database {name} does not say its version in {about.name}")
    return int(row.value)


def _some(tables: list[str]) -> str:
    noun = "the table" if len(tables) == 1 else "the tables"
    more = f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
    return f"{noun} {', '.join(tables[:_SHOWN])}{more}"
