"""The database of sessions, in SQLite and in Postgres: transactions, threads, processes, forks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from agentkit.errors import SessionError, UsageError
from agentkit.sessions.database import Database
from agentkit.sessions.statements import Statement
from agentkit.sessions.tables import VERSION, about, budgets, conversations, messages
from tests.clock import GUARD
from tests.postgres import Postgres
from tests.processes import forked, started


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def add(database: Database, name: str, **values: object) -> None:
    with database.writing() as connection:
        connection.execute(budgets.insert().values(name=name, period="", changed_at=0, **values))


def names(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(select(budgets.c.name).order_by(budgets.c.name)).scalars())


def test_the_tables_are_there_at_the_first_use(database: Database) -> None:
    with database.reading() as connection:
        assert connection.execute(about.select()).all() == [("version", str(VERSION))]


def test_what_was_written_is_read_and_an_error_rolls_back(database: Database) -> None:
    add(database, "team")
    with (
        pytest.raises(SessionError, match="cannot be written to"),
        database.writing() as connection,
    ):
        connection.execute(budgets.insert().values(name="other", period="", changed_at=0))
        connection.execute(budgets.insert().values(name="team", period="", changed_at=0))
    with pytest.raises(KeyError), database.writing() as connection:
        connection.execute(budgets.insert().values(name="third", period="", changed_at=0))
        raise KeyError("the user's own error")
    assert names(database) == ["team"]


def test_a_row_that_is_there_may_be_caught_in_the_block(database: Database) -> None:
    add(database, "team")
    with database.writing() as connection:
        with pytest.raises(IntegrityError), connection.begin_nested():
            connection.execute(budgets.insert().values(name="team", period="", changed_at=0))
        connection.execute(budgets.insert().values(name="other", period="", changed_at=0))
    assert names(database) == ["other", "team"]


def test_a_row_that_belongs_to_nothing_is_refused(database: Database) -> None:
    with pytest.raises(SessionError), database.writing() as connection:
        connection.execute(messages.insert().values(run="none", number=0, data=b"", checksum=0))


def test_an_error_shows_no_statement_and_no_value(database: Database) -> None:
    add(database, "whisper")
    with pytest.raises(SessionError) as told:
        add(database, "whisper")
    assert "whisper" not in str(told.value)
    assert "INSERT" not in str(told.value)
    assert told.value.__cause__ is None


def test_half_a_surrogate_pair_is_refused_by_name(database: Database) -> None:
    with pytest.raises(SessionError, match="half a surrogate pair"):
        add(database, "\ud83e")


def test_a_reader_sees_one_state(database: Database) -> None:
    add(database, "first")
    with database.reading() as connection:
        count = select(func.count()).select_from(budgets)
        assert connection.execute(count).scalar_one() == 1
        in_thread(lambda: add(database, "second"))
        assert connection.execute(count).scalar_one() == 1
    assert names(database) == ["first", "second"]


def test_statements_of_a_turn_see_one_state_too(database: Database) -> None:
    count = Statement(select(func.count()).select_from(budgets))
    with database.reading() as connection:
        assert count.value(connection, {}) == 0
        in_thread(lambda: add(database, "first"))
        assert count.value(connection, {}) == 0
        assert connection.execute(select(budgets.c.name)).all() == []
    assert names(database) == ["first"]


def in_thread(call: Callable[[], None]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join(GUARD)
    assert not thread.is_alive()


def test_a_transaction_inside_another_is_refused(database: Database) -> None:
    with database.writing():
        with pytest.raises(UsageError, match="a transaction of this thread"), database.writing():
            pass
        with pytest.raises(UsageError, match="a transaction of this thread"), database.reading():
            pass
    add(database, "afterwards")


def test_many_threads_write_at_once(database: Database) -> None:
    def write(number: int) -> None:
        for each in range(3):
            add(database, f"{number}-{each}")

    with ThreadPoolExecutor(40) as threads:
        assert list(threads.map(write, range(40))) == [None] * 40
    assert len(names(database)) == 120


def test_what_a_writer_has_read_holds_until_its_end(database: Database) -> None:
    add(database, "team", spent_images=0)

    def spend(_: int) -> None:
        for _ in range(20):
            with database.writing("budget team") as connection:
                spent = connection.execute(select(budgets.c.spent_images)).scalar_one()
                connection.execute(budgets.update().values(spent_images=spent + 1))

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(spend, range(4))) == [None] * 4
    with database.reading() as connection:
        assert connection.execute(select(budgets.c.spent_images)).scalar_one() == 80


def test_eight_processes_begin_at_once(database_url: str, tmp_path: Path) -> None:
    children = []
    for number in range(8):
        place = tmp_path / f"process-{number}"
        place.mkdir()
        children.append((place, started(_write, database_url, number, folder=place)))
    for place, child in children:
        child.join(GUARD)
        assert child.exitcode == 0, (place / "stderr").read_text()
    database = Database(database_url)
    assert len(names(database)) == 8 * 10
    database.close()


def _write(url: str, number: int) -> None:
    database = Database(url)
    for each in range(10):
        add(database, f"{number}-{each}")
    database.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_the_child_of_a_fork_has_connections_of_its_own(database_url: str) -> None:
    assert forked(_fork, database_url).stdout == "['child', 'parent', 'parent again']\n"


def _fork(url: str) -> None:
    database = Database(url)
    add(database, "parent")
    with database.reading() as connection:  # in use at the fork
        connection.execute(about.select()).all()
        child = os.fork()
        if child == 0:
            try:
                add(database, "child")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    add(database, "parent again")
    print(names(database))
    database.close()


def test_a_database_that_was_closed_is_opened_again(database: Database) -> None:
    add(database, "team")
    database.close()
    database.close()
    assert names(database) == ["team"]


def test_a_database_opens_nothing_before_its_first_use(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/chats.db").close()
    assert list(tmp_path.iterdir()) == []


def test_in_memory_threads_share_one_connection() -> None:
    database = Database("sqlite://")
    for number in range(8):
        in_thread(lambda number=number: add(database, str(number)))
    assert len(names(database)) == 8
    assert Database("sqlite://").name == "sqlite:// (in memory)"
    assert names(Database("sqlite://")) == []  # each has its own


# -- SQLite ----------------------------------------------------------------------------------------


def test_an_sqlite_file_is_private_and_keeps_what_it_was_told(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new/folder/chats.db")
    add(database, "team")
    found = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new/folder").iterdir()}
    assert found == {f"chats.db{end}": 0o600 for end in ("", "-wal", "-shm", "-locks")}
    with database.reading() as connection:
        told = [
            connection.execute(text(f"PRAGMA {each}")).scalar_one()
            for each in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert told == ["wal", 2, 1, 30_000]
    database.close()
    assert not (tmp_path / "new/folder/chats.db-wal").exists()


def test_a_path_is_that_of_the_folder_where_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here, home = Database("sqlite:///chats.db"), Database("sqlite:///~/chats.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for database in (here, home):
        add(database, "team")
        database.close()
    assert (tmp_path / "chats.db").exists()
    assert (tmp_path / "home/chats.db").exists()
    assert here.name == str(tmp_path / "chats.db")


def test_a_link_leads_to_one_database(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "elsewhere/chats.db")
    link = Database(f"sqlite:///{tmp_path}/link.db")
    add(link, "team")
    target = Database(f"sqlite:///{tmp_path}/elsewhere/chats.db")
    assert names(target) == ["team"]
    release = link.locks.take("ada")
    assert not target.locks.is_free("ada")
    release()
    link.close()
    target.close()


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_removed_while_it_is_in_use(
    tmp_path: Path, replaced: bool, written: bool
) -> None:
    database = Database(f"sqlite:///{tmp_path}/chats.db")
    add(database, "before")
    (tmp_path / "chats.db").unlink()
    if replaced:
        for end in ("-wal", "-shm"):
            (tmp_path / f"chats.db{end}").unlink()
        other = Database(f"sqlite:///{tmp_path}/chats.db")
        add(other, "other")
        other.close()
    use = add if written else lambda database, _: names(database)
    with pytest.raises(SessionError, match="removed or replaced while it was in use"):
        use(database, "lost")
    add(database, "after")
    assert names(database) == (["after", "other"] if replaced else ["after"])
    database.close()


# -- Postgres --------------------------------------------------------------------------------------


def test_a_connection_that_was_ended_is_replaced(
    postgres_server: Postgres, postgres_url: str
) -> None:
    database = Database(postgres_url)
    add(database, "before")
    assert "postgres:@" not in database.name
    postgres_server.end_connections(postgres_url)
    add(database, "idle ones are tried first")
    with pytest.raises(SessionError, match="terminating connection"), database.writing() as inside:
        inside.execute(about.select()).all()
        postgres_server.end_connections(postgres_url)
        inside.execute(about.select())
    add(database, "after")
    assert names(database) == ["after", "before", "idle ones are tried first"]
    database.close()


def test_a_session_of_postgres_reads_only_while_it_reads(postgres_url: str) -> None:
    database = Database(postgres_url)
    with pytest.raises(SessionError, match="read-only"), database.reading() as connection:
        connection.execute(conversations.delete())
    with database.writing() as connection:
        connection.execute(conversations.delete())
    database.close()
