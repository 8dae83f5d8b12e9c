"""The tables of a session database: made, and brought from an older version to this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, MetaData, String, Table, Text, inspect, text
from sqlalchemy.schema import Column

from agentkit.errors import SessionError
from agentkit.sessions.database import Database
from agentkit.sessions.schema import Schema
from agentkit.sessions.tables import about
from tests.clock import GUARD
from tests.processes import started


def schema(version: int, *columns: str, steps=None) -> Schema:
    """One table besides `agentkit_about`, in one of its versions."""
    metadata = MetaData()
    about.to_metadata(metadata)
    key = Column("id", String(40), primary_key=True)
    Table("agentkit_things", metadata, key, *(Column(each, Text) for each in columns))
    return Schema(metadata, version, steps or {})


def add_colour(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE agentkit_things ADD COLUMN colour TEXT"))
    connection.execute(text("UPDATE agentkit_things SET colour = 'red'"))


def name_it_shade(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE agentkit_things RENAME COLUMN colour TO shade"))


def fail(connection: Connection) -> None:
    name_it_shade(connection)
    connection.execute(text("SELECT nonsense FROM nowhere"))


STEPS = {1: add_colour, 2: name_it_shade}
ALL = text("SELECT * FROM agentkit_things ORDER BY id")


def old(url: str, version: int = 1) -> None:
    """A database of the first version, with one row."""
    database = Database(url, schema=schema(version))
    with database.writing() as connection:
        connection.execute(text("INSERT INTO agentkit_things (id) VALUES ('ada')"))
    database.close()


def state(url: str, wanted: Schema) -> tuple[list[object], str]:
    database = Database(url, schema=wanted)
    try:
        with database.reading() as connection:
            rows = [dict(row) for row in connection.execute(ALL).mappings()]
            return rows, connection.execute(about.select()).one().value
    finally:
        database.close()


def test_an_older_database_takes_each_step_to_this_version(database_url: str) -> None:
    old(database_url)
    wanted = schema(3, "shade", steps=STEPS)
    assert state(database_url, wanted) == ([{"id": "ada", "shade": "red"}], "3")
    assert state(database_url, wanted) == ([{"id": "ada", "shade": "red"}], "3")
    with pytest.raises(SessionError, match="its schema is 3, and this agentkit knows 1"):
        state(database_url, schema(1))


def test_a_new_database_takes_no_step(database_url: str) -> None:
    assert state(database_url, schema(3, "shade", steps={1: fail, 2: fail})) == ([], "3")


def test_a_step_that_fails_leaves_the_database_as_it_was(database_url: str) -> None:
    old(database_url)
    with pytest.raises(SessionError, match="nowhere"):
        state(database_url, schema(3, "shade", steps={1: add_colour, 2: fail}))
    assert state(database_url, schema(1)) == ([{"id": "ada"}], "1")
    assert state(database_url, schema(3, "shade", steps=STEPS))[1] == "3"


def test_a_version_from_which_no_step_leads(database_url: str) -> None:
    old(database_url)
    with pytest.raises(SessionError, match="has the schema 1, from which this agentkit knows no"):
        state(database_url, schema(3, "shade", steps={2: name_it_shade}))


def test_processes_migrate_once(database_url: str, tmp_path: Path) -> None:
    old(database_url)
    children = []
    for number in range(4):
        place = tmp_path / f"process-{number}"
        place.mkdir()
        children.append((place, started(_migrate, database_url, folder=place)))
    for place, child in children:
        child.join(GUARD)
        assert child.exitcode == 0, (place / "stderr").read_text()


def _migrate(url: str) -> None:
    rows, version = state(url, schema(3, "shade", steps=STEPS))
    assert (rows, version) == ([{"id": "ada", "shade": "red"}], "3")


def test_every_table_has_the_prefix(database_url: str) -> None:
    database = Database(database_url)
    with database.reading() as connection:
        found = inspect(connection).get_table_names()
    database.close()
    assert all(name.startswith("agentkit_") for name in found)
