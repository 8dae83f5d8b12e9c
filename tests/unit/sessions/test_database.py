"""The database of sessions, in SQLite and in Postgres."""

from __future__ import annotations

import pytest

from agentkit.errors import SessionError
from agentkit.sessions.database import Database
from agentkit.sessions.tables import VERSION, about, budgets


def test_the_tables_are_there_at_the_first_use(database_url: str) -> None:
    database = Database(database_url)
    with database.reading() as connection:
        assert connection.execute(about.select()).all() == [("version", str(VERSION))]
    database.close()


def test_what_was_written_is_read_and_an_error_rolls_back(database_url: str) -> None:
    database = Database(database_url)
    with database.writing() as connection:
        connection.execute(budgets.insert().values(name="team", period="", changed_at=0))
    with (
        pytest.raises(SessionError, match="cannot be written to"),
        database.writing() as connection,
    ):
        connection.execute(budgets.insert().values(name="other", period="", changed_at=0))
        connection.execute(budgets.insert().values(name="team", period="", changed_at=0))
    with database.reading() as connection:
        assert [row.name for row in connection.execute(budgets.select())] == ["team"]
    database.close()
