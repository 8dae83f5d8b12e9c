"""A fork has what was there at its turn, and nothing of what came later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from agentkit.errors import UsageError
from agentkit.sessions import forks
from agentkit.sessions.catalogue import listed
from agentkit.sessions.database import Database
from agentkit.sessions.tables import conversation_runs, conversations, messages, pictures
from tests.unit.sessions.past import Past, picture_of


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def past(database: Database) -> Past:
    return Past(database)


def fork(database: Database, chat: Any, new_id: Any = None, **options: Any) -> str:
    with database.writing() as connection:
        return forks.fork(connection, chat, new_id, now=5_000.0, **options)


def runs_of(database: Database, chat: str) -> list[tuple[int | None, str]]:
    mine = conversation_runs.c.conversation == chat
    query = select(conversation_runs.c.turn, conversation_runs.c.run).where(mine)
    with database.reading() as connection:
        found = [(turn, run) for turn, run in connection.execute(query)]
    return sorted(found, key=lambda each: each[1])


def pictures_of(database: Database, chat: str) -> dict[str, str]:
    query = select(pictures.c.name, pictures.c.sha256).where(pictures.c.conversation == chat)
    with database.reading() as connection:
        found = connection.execute(query.order_by(pictures.c.number)).all()
    return {row.name: row.sha256 for row in found}


def row_of(database: Database, chat: str) -> Any:
    with database.reading() as connection:
        return connection.execute(select(conversations).where(conversations.c.id == chat)).one()


def test_a_fork_from_the_end_has_everything(past: Past, database: Database) -> None:
    past.chat("a", user="ada", title="Foxes")
    kept = past.turn("a", draws=["fox", "hen"], costs=[0.5])
    failed = past.turn("a", draws=["owl"], costs=[0.25], kept=False, status="interrupted")
    assert fork(database, "a", "b/1") == "b/1"
    assert runs_of(database, "b/1") == runs_of(database, "a") == [(0, kept), (None, failed)]
    assert list(pictures_of(database, "b/1")) == ["img_1", "img_2", "img_3"]
    row = row_of(database, "b/1")
    assert (row.owner, row.title, row.turns, row.handles, row.active) == (
        *("ada", "Foxes", 1, 3),
        None,
    )
    assert (row.forked_from, row.forked_at, row.created_at) == ("a", 1, 5_000.0)
    with database.reading() as connection:
        assert connection.scalars(select(messages.c.run)).all() == [kept, kept, failed, failed]
        first = listed(connection)[0]
    assert (first.id, first.cost_usd, first.forked_from) == ("b/1", 0.75, "a")


def test_a_fork_from_an_earlier_turn(past: Past, database: Database) -> None:
    past.chat("a")
    first = past.turn("a", draws=["fox"])
    failed = past.turn("a", draws=["owl"], kept=False, status="interrupted")
    second = past.turn("a", draws=["hen"])
    past.turn("a", draws=["elk"], kept=False, status="interrupted")
    past.turn("a", draws=["cow"])
    seen: list[Any] = []
    for turns in (0, 1, 2):
        name = fork(database, "a", turns=turns)
        row = row_of(database, name)
        assert (row.turns, row.handles, row.forked_at) == (turns, 5, turns)
        seen.append((runs_of(database, name), list(pictures_of(database, name))))
    assert seen[0] == ([], [])
    assert seen[1] == ([(0, first), (None, failed)], ["img_1", "img_2"])
    assert [run for _, run in seen[2][0]][:3] == [first, failed, second]
    assert seen[2][1] == ["img_1", "img_2", "img_3", "img_4"]


def test_a_picture_of_a_turn_that_waited_stays_behind(past: Past, database: Database) -> None:
    past.chat("a")
    past.turn("a", draws=["fox"])
    # It drew, waited for a person, and says since then that two handles are taken.
    past.turn("a", draws=["hen"], state={"handles": 2})
    assert pictures_of(database, fork(database, "a", turns=1)) == {"img_1": picture_of("fox")}


def test_a_picture_that_came_again_stays(past: Past, database: Database) -> None:
    past.chat("a")
    past.turn("a", draws=["fox"])
    past.turn("a", state={"arrived": ["img_1"]})
    assert list(pictures_of(database, fork(database, "a", turns=1))) == ["img_1"]


def test_a_turn_that_is_under_way_stays_where_it_is(past: Past, database: Database) -> None:
    past.chat("a")
    kept = past.turn("a")
    past.turn("a", draws=["fox"], kept=False, status="paused")
    new = fork(database, "a")
    assert runs_of(database, new) == [(0, kept)]
    assert row_of(database, new).active is None
    assert row_of(database, "a").active is not None


def test_both_go_on_by_themselves(past: Past, database: Database) -> None:
    past.chat("a")
    past.turn("a", draws=["fox"])
    new = fork(database, "a")
    past.turn("a", draws=["hen"])
    past.turn(new, draws=["owl"])
    assert pictures_of(database, "a")["img_2"] == picture_of("hen")
    assert pictures_of(database, new)["img_2"] == picture_of("owl")
    third = fork(database, new, turns=1)
    assert pictures_of(database, third) == {"img_1": picture_of("fox")}
    assert row_of(database, third).handles == 2


def test_what_fork_refuses(past: Past, database: Database) -> None:
    past.chat("a")
    past.turn("a")
    past.chat("b")
    for chat in ("gone", "", "a\0b", "x" * 300, 7):
        with pytest.raises(UsageError, match=r"Sessions.fork\(.*accepted"):
            fork(database, chat, "new")
    for new in ("b", "a", "", "a\0b", "x" * 201, 7):
        with pytest.raises(UsageError, match=r"Sessions.fork\(new_id=.*accepted"):
            fork(database, "a", new)
    for turns in (-1, 2, 0.5, True, "1"):
        with pytest.raises(UsageError, match=r"Sessions.fork\(turns=.*accepted"):
            fork(database, "a", turns=turns)
    assert runs_of(database, "new") == []


def test_an_id_of_any_length_can_be_forked(past: Past, database: Database) -> None:
    past.chat("狐" * 200)
    new = fork(database, "狐" * 200)
    assert len(new) <= 200
    assert fork(database, new) != new
