"""The list of conversations: its pages, what is searched for, and what each one cost."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from agentkit.errors import UsageError
from agentkit.sessions import catalogue
from agentkit.sessions.catalogue import SavedChat
from agentkit.sessions.database import Database
from agentkit.sessions.tables import conversation_runs, conversations, messages, runs
from tests.unit.sessions.past import Past


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def past(database: Database) -> Past:
    return Past(database)


def listed(database: Database, **options: Any) -> list[SavedChat]:
    with database.reading() as connection:
        return catalogue.listed(connection, **options)


def ids(database: Database, **options: Any) -> list[str]:
    return [each.id for each in listed(database, **options)]


def test_the_one_that_changed_last_comes_first(past: Past, database: Database) -> None:
    for name in ("a", "b", "c"):
        past.chat(name)
    past.turn("a")
    assert ids(database) == ["a", "c", "b"]


def test_what_a_list_shows(past: Past, database: Database) -> None:
    past.chat("ada/1", user="ada", title="Foxes")
    past.turn("ada/1", costs=[0.25, None, 0.5])
    past.turn("ada/1", costs=[0.125], kept=False, status="interrupted")
    (chat,) = listed(database)
    assert chat == SavedChat(
        id="ada/1",
        title="Foxes",
        user="ada",
        agent="painter",
        model="openai/gpt-5.2",
        turns=1,
        created_at=1_000.0,
        changed_at=1_002.0,
        cost_usd=0.875,
        status="idle",
    )


def test_a_cost_that_nobody_told(past: Past, database: Database) -> None:
    past.chat("a")
    past.turn("a", costs=[None])
    past.chat("b")
    assert [each.cost_usd for each in listed(database)] == [None, None]


@pytest.mark.parametrize(
    ("status", "shown"), [("paused", "waiting"), ("running", "running"), ("completed", "idle")]
)
def test_whether_a_turn_waits(past: Past, database: Database, status: Any, shown: str) -> None:
    past.chat("a")
    past.turn("a", status=status, kept=status == "completed")
    assert [each.status for each in listed(database)] == [shown]


def test_pages(past: Past, database: Database) -> None:
    names = [f"chat-{number}" for number in range(7)]
    for name in names:
        past.chat(name)
    first = listed(database, limit=3)
    past.turn("chat-1")  # it comes to the front meanwhile
    second = listed(database, limit=3, after=first[-1])
    third = listed(database, limit=3, after=second[-1].id)
    assert [each.id for each in (*first, *second, *third)] == [
        *("chat-6", "chat-5", "chat-4"),
        *("chat-3", "chat-2", "chat-0"),
    ]


def test_pages_of_conversations_that_changed_at_one_time(past: Past, database: Database) -> None:

    names = {past.chat(f"chat-{number}") for number in range(5)}
    with database.writing() as connection:
        connection.execute(update(conversations).values(changed_at=5.0))
    seen: list[SavedChat] = []
    while page := listed(database, limit=2, after=seen[-1] if seen else None):
        seen += page
    assert len(seen) == 5
    assert {each.id for each in seen} == names


def test_one_users(past: Past, database: Database) -> None:
    past.chat("a", user="ada")
    past.chat("b", user="Ada")
    past.chat("c")
    assert ids(database, user="ada") == ["a"]
    assert ids(database, user="eve") == []


FOUND = {
    "fox": ["answer", "prompt", "title"],
    "FOX": ["answer", "prompt", "title"],
    "a fox in": ["answer"],
    'say "hi"\n': ["quotes"],
    "c:\\temp": ["quotes"],
    "größe": ["umlaut"],
    "ÖSE": ["umlaut"],
    "狐": ["kanji"],
    "kind": [],
    "text": [],
    "100%": ["percent"],
    "1_0": [],
    "\0": [],
    "\ud800": [],
}


def test_words_are_found(past: Past, database: Database) -> None:
    past.chat("title", title="My Fox")
    for name, prompt, answer in (
        ("prompt", "Draw a FOX", "Done"),
        ("answer", "Draw", "Here is a fox in snow"),
        ("quotes", 'Please say "hi"\n', "hi from c:\\temp"),
        ("umlaut", "Welche Größe? Böse", "Keine"),
        ("kanji", "狐を描いて", "はい"),
        ("percent", "at 100%", "130"),
    ):
        past.chat(name)
        past.turn(name, prompt, answer)
    assert {search: sorted(ids(database, search=search)) for search in FOUND} == FOUND


def test_a_search_has_pages_and_an_owner(past: Past, database: Database) -> None:
    for number in range(6):
        past.chat(f"chat-{number}", user="ada" if number % 2 else "eve")
        past.turn(f"chat-{number}", "a fox" if number != 3 else "a hen")
    assert ids(database, search="fox", limit=2) == ["chat-5", "chat-4"]
    assert ids(database, search="fox", limit=2, after="chat-4") == ["chat-2", "chat-1"]
    assert ids(database, search="fox", user="ada") == ["chat-5", "chat-1"]


def test_a_search_reads_no_turn_that_was_not_kept(past: Past, database: Database) -> None:
    past.chat("a")
    past.turn("a", "a fox", kept=False, status="interrupted")
    assert ids(database, search="fox") == []


def test_a_damaged_row_hides_nothing_else(past: Past, database: Database) -> None:
    for name in ("a", "b"):
        past.chat(name)
    damaged = past.turn("a", "a fox", costs=[1.0])
    past.turn("b", "a fox", costs=[2.0])
    with database.writing() as connection:
        connection.execute(
            update(messages).where(messages.c.run == damaged).values(data=b'\xff\x00"fox')
        )
        connection.execute(update(runs).where(runs.c.id == damaged).values(spent="[{"))
    assert ids(database, search="fox") == ["b"]
    assert [each.cost_usd for each in listed(database)] == [2.0, None]


def test_many_conversations_are_searched(past: Past, database: Database) -> None:
    past.chat("first", title="the oldest one")
    for number in range(505):
        past.chat(f"chat-{number}")
    assert ids(database, search="oldest") == ["first"]
    assert len(listed(database, limit=1_000)) == 506


@pytest.mark.slow
def test_ten_thousand_conversations(database: Database) -> None:
    """A search takes no longer than to read all that was said, a few times, and a page of the list
    does not read it.
    """
    count = 10_000
    said = "the quick brown fox sleeps in the snow until the morning comes " * 6
    with database.writing() as connection:
        connection.execute(insert(conversations), [_chat(number) for number in range(count)])
        connection.execute(insert(runs), [_run(number) for number in range(count)])
        turns = [_turn(number) for number in range(count)]
        connection.execute(insert(conversation_runs), turns)
        rows = [row for number in range(count) for row in _messages(number, said)]
        connection.execute(insert(messages), rows)
    read = min(_seconds(lambda: _read_all(database)) for _ in range(3))
    page = min(_seconds(lambda: listed(database)) for _ in range(3))
    assert page < read
    for wanted, found in (
        (" 7 needles", ["chat-7"]),
        ("näht", []),
        ("9999 Needles", ["chat-9999"]),
    ):
        search = partial(listed, database, search=wanted)
        assert [each.id for each in search()] == found
        took = min(_seconds(search) for _ in range(2))
        assert took < 8 * read, (wanted, took, read)


def _chat(number: int) -> dict[str, Any]:
    told = {"title": f"chat {number}", "api": "chat", "model": "m", "session": "s", "turns": 1}
    return {"id": f"chat-{number}", **told, "created_at": number, "changed_at": number}


def _run(number: int) -> dict[str, Any]:
    told = {"status": "completed", "state": "{}", "spent": "[]", "failures": "[]"}
    return {"id": f"run-{number}", **told, "started_at": number, "changed_at": number}


def _turn(number: int) -> dict[str, Any]:
    return {"conversation": f"chat-{number}", "run": f"run-{number}", "turn": 0}


def _messages(number: int, said: str) -> Iterator[dict[str, Any]]:
    for place, text in enumerate((said, f"{said} {number} needles")):
        data = json.dumps({"parts": [{"kind": "text", "text": text}]}).encode()
        told = {"data": data, "checksum": zlib.crc32(data)}
        yield {"run": f"run-{number}", "number": place, **told}


def _read_all(database: Database) -> None:
    with database.reading() as connection:
        read = connection.execute(select(messages.c.data)).all()
    said = "".join([json.loads(row.data)["parts"][0]["text"] for row in read])
    assert "9999 needles" in said.lower()


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def test_rename(past: Past, database: Database) -> None:
    past.chat("a", title="old")
    with database.writing() as connection:
        catalogue.rename(connection, "a", "Füchse 👩‍🎨")
    (chat,) = listed(database)
    assert (chat.title, chat.changed_at) == ("Füchse 👩‍🎨", 1_000.0)


REFUSED: dict[str, list[Any]] = {
    "limit": [0, 1_001, True, "9", None],
    "search": ["", "  ", 7],
    "user": ["", "a\0b", 7],
    "after": ["gone", "a\0b", 7, "x" * 300],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_list_refuses(database: Database, name: str) -> None:
    for value in REFUSED[name]:
        with pytest.raises(UsageError, match=rf"Sessions.list\({name}=.*accepted"):
            listed(database, **{name: value})


def test_what_rename_refuses(past: Past, database: Database) -> None:
    past.chat("a")
    titles: list[Any] = ["", " ", "a\nb", "a\x1b[31m", "x" * 1_001, 7, None, "\u2028"]
    names: list[Any] = ["gone", "", "a\0b", "\ud800", "x" * 300, 7, None]
    for chat, title in (*(("a", each) for each in titles), *((each, "title") for each in names)):
        with (
            pytest.raises(UsageError, match=r"Sessions.rename\(.*accepted"),
            database.writing() as connection,
        ):
            catalogue.rename(connection, chat, title)
