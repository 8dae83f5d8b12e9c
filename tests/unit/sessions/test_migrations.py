"""Databases of older versions, as they were written then: opened, and brought to this version."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text

from agentkit.sessions import Sessions
from agentkit.sessions.database import Database
from agentkit.sessions.tables import VERSION, about, metadata
from tests.conftest import WAYS, Bench, Way
from tests.unit.sessions.older import write_old

OLD = range(1, VERSION)


@pytest.fixture
def way() -> Way:
    return WAYS[0]


@pytest.fixture(params=OLD)
def old_url(request: pytest.FixtureRequest, database_url: str) -> str:
    write_old(database_url, request.param)
    return database_url


async def test_its_conversations_go_on(bench: Bench, old_url: str) -> None:
    sessions = Sessions(old_url, store=bench.store)
    agent = bench.agent()
    chat = agent.conversation("ada", sessions=sessions)
    assert [each.text for each in chat.messages] == [
        "Hello", "Good morning.", "Tell me of a fox", "A fox in the snow."
    ]  # fmt: skip
    fork = agent.conversation("ada-2", sessions=sessions)
    assert [each.text for each in fork.messages][1:] == ["Good morning.", "And then?", "It sleeps."]
    bench.emulator.play(["It wakes."])
    await bench.ask(chat, "Good")
    found = {each.id: each.turns for each in await sessions.list()}
    assert found == {"ada": 3, "ada-2": 2}
    assert len(await sessions.list(search="fox in the")) == 1
    await sessions.delete("ada")
    assert [each.id for each in await sessions.list()] == ["ada-2"]
    assert len(agent.conversation("ada-2", sessions=sessions).messages) == 4
    sessions.close()


def test_its_tables_are_as_those_of_a_new_one(old_url: str) -> None:
    brought = shape_of(old_url)
    assert set(brought) == set(metadata.tables)
    engine = create_engine(old_url.replace("postgresql://", "postgresql+psycopg://"))
    metadata.drop_all(engine)
    engine.dispose()
    assert brought == shape_of(old_url)


def shape_of(url: str) -> dict[str, Any]:
    """Columns, keys and indexes of each table, once agentkit has opened the database."""
    database = Database(url)
    with database.reading() as connection:
        assert connection.execute(about.select()).all() == [("version", str(VERSION))]
        seen = inspect(connection)
        shape = {
            table: (
                {
                    each["name"]: (str(each["type"]), each["nullable"])
                    for each in seen.get_columns(table)
                },
                seen.get_pk_constraint(table)["constrained_columns"],
                sorted(each["column_names"] for each in seen.get_unique_constraints(table)),
                sorted((each["name"], each["column_names"]) for each in seen.get_indexes(table)),
                sorted(
                    (each["constrained_columns"], each["referred_table"], str(each["options"]))
                    for each in seen.get_foreign_keys(table)
                ),
            )
            for table in seen.get_table_names()
        }
        if database.is_sqlite:
            query = text("SELECT name FROM pragma_table_list WHERE wr AND name LIKE 'agentkit%'")
            shape = {
                table: (*each, table in set(connection.scalars(query)))
                for table, each in shape.items()
            }
    database.close()
    return shape
