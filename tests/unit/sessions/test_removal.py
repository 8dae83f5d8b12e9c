"""A conversation is deleted without harm to its forks, and a picture only where nobody names it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import func, select

from agentkit.errors import StoreError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter.ledger_storage import CallKey, Entry
from agentkit.sessions import forks, removal, turns
from agentkit.sessions.calls import DatabaseCalls
from agentkit.sessions.database import Database
from agentkit.sessions.tables import metadata
from agentkit.values import Image
from tests.clock import until
from tests.postgres import Postgres
from tests.unit.sessions.past import Past, picture_of

LATER = 1_000_000.0


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def past(database: Database) -> Past:
    return Past(database)


@pytest.fixture
def store() -> MemoryImageStore:
    made = MemoryImageStore()
    for name in ("fox", "hen", "owl", "elk", "foreign"):
        keep(made, name)
    return made


def keep(store: MemoryImageStore, name: str) -> None:
    draft = store.create()
    draft.write(name.encode())
    assert draft.keep() == picture_of(name)


def has(store: MemoryImageStore, name: str) -> bool:
    try:
        return sha256(store.open(picture_of(name)).read()).hexdigest() == picture_of(name)
    except FileNotFoundError:
        return False


def delete(database: Database, chat: Any) -> list[str]:
    with database.writing() as connection:
        return removal.delete_chat(connection, chat)


def counts(database: Database) -> dict[str, int]:
    """Rows of each table that has any."""
    with database.reading() as connection:
        found = {
            table.name.removeprefix("agentkit_"): connection.execute(
                select(func.count()).select_from(table)
            ).scalar_one()
            for table in metadata.sorted_tables
        }
    return {name: count for name, count in found.items() if count and name != "about"}


def note(database: Database, run: str, *added: Entry) -> None:
    request = Entry("request", {"version": 1, "run": run, "call": "0"})
    DatabaseCalls(database).append(CallKey(run, "0", 1), [request, *added], sync=True)


def test_nothing_of_a_conversation_stays(past: Past, database: Database) -> None:
    past.chat("a")
    note(database, past.turn("a", draws=["fox"]), Entry("body", {}, b"a secret"))
    past.turn("a", draws=["hen"], kept=False, status="interrupted")
    past.turn("a", draws=["owl"], kept=False, status="paused")
    gone = delete(database, "a")
    assert gone == sorted(picture_of(name) for name in ("fox", "hen", "owl"))
    assert counts(database) == {"stored_pictures": 3}


def test_a_fork_keeps_what_it_has(past: Past, database: Database) -> None:
    past.chat("a")
    note(database, past.turn("a", draws=["fox"]))
    with database.writing() as connection:
        forks.fork(connection, "a", "b", now=5_000.0)
    past.turn("a", draws=["hen"])
    assert delete(database, "a") == [picture_of("hen")]
    left = counts(database)
    assert (left["conversations"], left["runs"], left["messages"], left["calls"]) == (1, 1, 2, 1)
    assert delete(database, "b") == [picture_of("fox")]
    assert counts(database) == {"stored_pictures": 2}


def test_a_picture_of_two_conversations(
    past: Past, database: Database, store: MemoryImageStore
) -> None:
    for name in ("a", "b"):
        past.chat(name)
        past.turn(name, draws=["fox"])
    assert delete(database, "a") == []
    assert removal.sweep(database, store, LATER) == 0
    gone = delete(database, "b")
    assert gone == [picture_of("fox")]
    assert removal.purge(database, store, gone) == 1
    assert not has(store, "fox")
    assert removal.purge(database, store, gone) == 0
    assert counts(database) == {}


def test_a_purge_looks_again_who_names_a_picture(
    past: Past, database: Database, store: MemoryImageStore
) -> None:
    past.chat("a")
    past.turn("a", draws=["fox", "hen"])
    gone = delete(database, "a")
    past.chat("b")
    past.turn("b", draws=["fox"])
    assert removal.purge(database, store, gone) == 1
    assert has(store, "fox")
    assert not has(store, "hen")


def test_a_sweep_removes_what_is_old_and_unnamed(
    past: Past, database: Database, store: MemoryImageStore
) -> None:
    past.chat("a")
    past.turn("a", draws=["fox"])
    past.chat("b")
    past.turn("b", draws=["hen"])
    delete(database, "a")
    kept_at = 1_001.0
    assert removal.sweep(database, store, kept_at + removal.DAY) == 0
    assert has(store, "fox")
    assert removal.sweep(database, store, kept_at + removal.DAY + 1) == 1
    assert [has(store, name) for name in ("fox", "hen", "foreign")] == [False, True, True]
    assert removal.sweep(database, store, LATER) == 0


def test_a_picture_that_came_again_is_young_again(
    past: Past, database: Database, store: MemoryImageStore
) -> None:
    past.chat("a")
    past.turn("a", draws=["fox"])
    past.chat("b")
    past.turn("b", draws=["fox"])
    delete(database, "a")
    delete(database, "b")
    assert removal.sweep(database, store, 1_001.0 + removal.DAY + 1) == 0
    assert removal.sweep(database, store, 1_003.0 + removal.DAY + 1) == 1


def test_pictures_of_a_run_under_way_stay(
    past: Past, database: Database, store: MemoryImageStore
) -> None:
    past.chat("a")
    for name in ("fox", "hen"):
        past.turn("a", draws=[name])
    past.chat("b")
    past.turn("b", kept=False, status="paused", state={"nested": [{"sha": picture_of("fox")}]})
    run = past.turn("b")
    note(database, run, Entry("pictures", {"url": "u", "sha256": picture_of("hen")}))
    assert delete(database, "a") == []
    assert removal.sweep(database, store, LATER) == 0
    delete(database, "b")
    assert removal.sweep(database, store, LATER) == 2


def test_many_pictures(past: Past, database: Database) -> None:
    names = [f"picture {number}" for number in range(50)]
    store = MemoryImageStore()
    for name in names:
        keep(store, name)
    past.chat("a")
    past.turn("a", draws=names)
    assert removal.purge(database, store, delete(database, "a")) == 50
    assert store.size() == 0


async def test_a_picture_that_comes_back_while_it_is_swept(
    postgres_server: Postgres, postgres_url: str, store: MemoryImageStore
) -> None:
    """In SQLite one writes at a time; in Postgres the sweep waits for whoever records it."""
    database, other = Database(postgres_url), Database(postgres_url)
    past = Past(database)
    past.chat("a")
    past.turn("a", draws=["fox", "hen"])
    delete(database, "a")
    past.chat("b")
    fox = Image(picture_of("fox"), "image/png", 3, name="img_1")
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{}'"
    asked = waiting.format(postgres_url.partition("@/")[2].partition("?")[0])
    with database.writing() as connection:
        turns.save_pictures(connection, "b", [fox], [])
        sweeping = asyncio.ensure_future(asyncio.to_thread(removal.sweep, other, store, LATER))
        await until(lambda: sweeping.done() or postgres_server.execute(asked))
    assert await sweeping == 1
    assert has(store, "fox")
    assert not has(store, "hen")
    for each in (database, other):
        each.close()


class Broken(MemoryImageStore):
    """A store that removes two pictures, and no more."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 2

    def delete(self, sha256: str) -> bool:
        if not self.left:
            raise OSError("no connection")
        self.left -= 1
        return super().delete(sha256)


def test_a_store_that_fails_can_be_swept_again(past: Past, database: Database) -> None:
    names = [f"picture {number}" for number in range(30)]
    store = Broken()
    for name in names:
        keep(store, name)
    past.chat("a")
    past.turn("a", draws=names)
    delete(database, "a")
    with pytest.raises(StoreError, match="no connection"):
        removal.sweep(database, store, LATER)
    store.left = 100
    removal.sweep(database, store, LATER)
    assert store.size() == 0
    assert counts(database) == {}


def test_what_delete_refuses(past: Past, database: Database) -> None:
    past.chat("a")
    for chat in ("gone", "", "a\0b", "x" * 300, 7, None):
        with pytest.raises(UsageError, match=r"Sessions.delete\(.*accepted"):
            delete(database, chat)
    assert counts(database) == {"conversations": 1}
