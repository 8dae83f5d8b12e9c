"""A conversation is taken back under its own id, and what it was stays whole in a fork."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agentkit.errors import ConversationBusy, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.sessions import Sessions, forks
from agentkit.sessions.database import Database
from agentkit.sessions.record import lock_of
from tests.unit.sessions.past import Past
from tests.unit.sessions.test_forks import fork, pictures_of, row_of, runs_of


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def past(database: Database) -> Past:
    return Past(database)


def rewind(database: Database, chat: Any, *given: Any, **options: Any) -> str:
    with database.writing() as connection:
        return forks.rewind(connection, chat, *given, now=5_000.0, **options)


def test_what_is_behind_goes_into_a_fork(past: Past, database: Database) -> None:
    past.chat("a", user="ada", title="Foxes")
    first = past.turn("a", draws=["fox"])
    failed = past.turn("a", draws=["owl"], kept=False, status="interrupted")
    past.turn("a", draws=["hen"])
    past.turn("a", draws=["cow"], kept=False, status="interrupted")
    before = runs_of(database, "a"), pictures_of(database, "a")
    version = row_of(database, "a").version
    assert rewind(database, "a", 1, new_id="b") == "b"
    assert (runs_of(database, "b"), pictures_of(database, "b")) == before
    row = row_of(database, "b")
    assert (row.owner, row.title, row.turns, row.handles) == ("ada", "Foxes", 2, 4)
    assert (row.forked_from, row.forked_at) == ("a", 1)
    assert runs_of(database, "a") == [(0, first), (None, failed)]
    assert list(pictures_of(database, "a")) == ["img_1", "img_2"]
    row = row_of(database, "a")
    assert (row.turns, row.handles, row.active) == (1, 4, None), "no handle is given again"
    assert row.version > version, "those who have it open read it anew"


def test_back_to_before_a_run(past: Past, database: Database) -> None:
    past.chat("a")
    first = past.turn("a")
    failed = past.turn("a", draws=["owl"], kept=False, status="interrupted")
    rewind(database, "a", run=failed, new_id="b")
    assert runs_of(database, "a") == [(0, first)]
    assert runs_of(database, "b") == [(0, first), (None, failed)]
    assert list(pictures_of(database, "a")) == ["img_1"], "what was drawn can still be used"
    rewind(database, "a", run=first, new_id="c")
    assert (runs_of(database, "a"), row_of(database, "a").turns) == ([], 0)


def test_the_turn_that_waits_goes_along(past: Past, database: Database) -> None:
    past.chat("a")
    first = past.turn("a")
    waits = past.turn("a", kept=False, status="paused")
    rewind(database, "a", 1, new_id="b")
    assert (row_of(database, "a").active, row_of(database, "b").active) == (None, waits)
    assert runs_of(database, "a") == [(0, first)]


def test_it_goes_on_in_another_way(past: Past, database: Database) -> None:
    past.chat("a")
    past.turn("a", draws=["fox"])
    past.turn("a", draws=["hen"])
    rewind(database, "a", 1, new_id="b")
    again = past.turn("a", draws=["elk"])
    assert runs_of(database, "a")[-1] == (1, again)
    assert fork(database, "a", "c") == "c"
    assert next(iter(pictures_of(database, "c"))) == "img_1"


def test_what_rewind_refuses(past: Past, database: Database) -> None:
    past.chat("a")
    run = past.turn("a")
    wrong: list[tuple[Any, ...]] = [
        ("nobody", 0, {}),
        ("a", 2, {}),
        ("a", -1, {}),
        ("a", None, {}),
        ("a", 0, {"run": run}),
        ("a", None, {"run": "run_none"}),
        ("a", 0, {"new_id": "a"}),
        ("a", 0, {"new_id": "x\ny"}),
    ]
    for chat, turns, options in wrong:
        with pytest.raises(UsageError):
            rewind(database, chat, turns, **options)
    assert runs_of(database, "a") == [(0, run)]


async def test_not_while_a_turn_goes_on(past: Past, database: Database, database_url: str) -> None:
    past.chat("a")
    past.turn("a")
    async with Sessions(database_url, store=MemoryImageStore()) as sessions:
        release = database.locks.take(lock_of("a"), wait=0.0)
        try:
            with pytest.raises(ConversationBusy):
                await sessions.rewind("a", 0)
        finally:
            release()
        branch = await sessions.rewind("a", 0)
        (found,) = await sessions.list(forked_from="a")
        assert (found.id, found.turns, found.forked_at) == (branch, 1, 0)
        one = await sessions.find("a")
        assert one is not None
        assert one.turns == 0
        assert await sessions.find("nobody") is None
        (run,) = await sessions.runs(branch)
        assert (run.turn, run.is_active, run.run.start) == (0, False, 0)
        assert [message.text for message in run.run.messages] == ["Hello", "Good morning"]
        assert await sessions.runs("nobody") == ()


async def test_whose_it_is(past: Past, database_url: str) -> None:
    from agentkit import Agent

    past.chat("a", user="ada")
    store = MemoryImageStore()
    async with Sessions(database_url, store=store) as sessions:
        agent = Agent("openai/gpt-5.2", store=store)
        found = await sessions.find("a", user="ada")
        assert found is not None
        assert await sessions.find("a", user="bea") is None
        agent.conversation("a", sessions=sessions, user="ada")
        with pytest.raises(UsageError, match="belongs to somebody else"):
            agent.conversation("a", sessions=sessions, user="bea")
