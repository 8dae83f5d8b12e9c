"""One writer for a name, across tasks, threads and real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentkit.errors import SessionError
from agentkit.sessions.database import Database
from agentkit.sessions.locks import Held
from tests.clock import GUARD, advance, turns, until
from tests.postgres import Postgres, programs
from tests.processes import forked, started


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def test_a_second_task_is_refused_and_another_name_is_free(database: Database) -> None:
    release = database.locks.take("ada")
    with pytest.raises(Held) as refusal:
        database.locks.take("ada")
    assert refusal.value.who == "another task of this process"
    assert not database.locks.is_free("ada")
    assert database.locks.is_free("ben")
    database.locks.take("ben")()
    release()
    release()
    assert database.locks.is_free("ada")
    database.locks.take("ada")()


def test_two_databases_at_one_address_are_one(database: Database, database_url: str) -> None:
    other = Database(database_url)
    release = database.locks.take("ada")
    with pytest.raises(Held, match="another task of this process"):
        other.locks.take("ada")
    assert not other.locks.is_free("ada")
    release()
    other.locks.take("ada")()
    other.close()


def test_a_lock_that_is_released_twice_is_not_that_of_the_next(database: Database) -> None:
    first = database.locks.take("ada")
    first()
    second = database.locks.take("ada")
    first()
    assert not database.locks.is_free("ada")
    second()


def test_who_waits_gets_the_name_when_it_is_free(database: Database) -> None:
    release = database.locks.take("ada")
    threading.Timer(0.05, release).start()
    database.locks.take("ada", wait=GUARD)()


async def test_a_task_waits_without_a_thread(database: Database) -> None:
    release = await database.locks.acquire("ada")
    waiting = [asyncio.create_task(_in_turn(database)) for _ in range(50)]
    await asyncio.wait_for(asyncio.to_thread(lambda: None), GUARD)  # a thread is free
    release()
    await asyncio.gather(*waiting)


async def _in_turn(database: Database) -> None:
    (await database.locks.acquire("ada", wait=GUARD))()


async def test_a_task_waits_no_longer_than_it_was_told(database: Database) -> None:
    release = database.locks.take("ada")
    waiting = asyncio.create_task(database.locks.acquire("ada", wait=5.0))
    await turns()
    advance(5.0)
    with pytest.raises(Held):
        await waiting
    release()


@pytest.mark.parametrize("after", range(6))
async def test_a_task_that_is_cancelled_holds_nothing(database: Database, after: int) -> None:
    taking = asyncio.create_task(database.locks.acquire("ada", wait=GUARD))
    await turns(after)
    taking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        (await taking)()
    await until(lambda: database.locks.is_free("ada"))
    database.locks.take("ada")()


def test_a_process_of_its_own_is_refused(database: Database, database_url: str) -> None:
    release = database.locks.take("ada")
    assert forked(_try, database_url).stdout.startswith("another process")
    release()
    assert forked(_try, database_url).stdout == "taken\n"


def _try(url: str) -> None:
    try:
        Database(url).locks.take("ada")
    except Held as error:
        print(error.who)
    else:
        print("taken")


def test_a_process_that_is_killed_leaves_the_name_free(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    child = started(_hold, database_url, folder=tmp_path)
    _await_line(tmp_path / "stdout", "taken")
    assert not database.locks.is_free("ada")
    with pytest.raises(Held, match="another process"):
        database.locks.take("ada")
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    begun = time.monotonic()
    database.locks.take("ada", wait=GUARD)()
    print(f"free {1000 * (time.monotonic() - begun):.1f} ms after the end of its process")


def _hold(url: str) -> None:
    _kept.append(Database(url).locks.take("ada"))
    print("taken")
    signal.pause()


_kept: list[object] = []


def _await_line(file: Path, line: str) -> None:
    until_then = time.monotonic() + GUARD
    while not file.exists() or line not in file.read_text().splitlines():
        assert time.monotonic() < until_then, file.parent
        time.sleep(0.005)


def test_eight_processes_and_one_name(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    _all_end(_count, tmp_path, *[(database_url, str(counter), "ada") for _ in range(8)])
    assert counter.read_text() == str(8 * 10)
    assert database.locks.is_free("ada")


def test_eight_processes_and_many_names(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    counters = [tmp_path / f"counter-{each}" for each in range(8)]
    for counter in counters:
        counter.write_text("0")
    release = database.locks.take("ada")
    _all_end(_count, tmp_path, *[(database_url, str(each), each.name) for each in counters])
    assert [counter.read_text() for counter in counters] == ["10"] * 8
    release()


def _count(url: str, counter: str, name: str) -> None:
    """Add 1, ten times. Two that do it at once lose one."""
    database = Database(url)
    for _ in range(10):
        release = database.locks.take(name, wait=GUARD)
        value = int(Path(counter).read_text())
        time.sleep(0.0005)
        Path(counter).write_text(str(value + 1))
        database.locks.check(name)
        release()
    database.close()


def _all_end(call, folder: Path, *arguments: tuple[object, ...]) -> None:
    children = []
    for number, each in enumerate(arguments):
        place = folder / f"process-{number}"
        place.mkdir()
        children.append((place, started(call, *each, folder=place)))
    for place, child in children:
        child.join(GUARD)
        assert child.exitcode == 0, (place / "stderr").read_text()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_the_child_of_a_fork_holds_nothing_and_frees_nothing(database_url: str) -> None:
    refused, again, taken = forked(_fork, database_url).stdout.splitlines()
    assert refused.startswith("another process")
    assert again == refused
    assert taken == "taken"


def _fork(url: str) -> None:
    """In a process without other threads."""
    database = Database(url)
    with database.reading():
        pass
    release = database.locks.take("ada")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with pytest.raises(Held) as refusal:
                database.locks.take("ada")
            print(refusal.value.who)
            release()
            with database.reading():
                pass
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    database.locks.check("ada")
    _try_in_child(url)
    release()
    _try_in_child(url)
    database.close()


def _try_in_child(url: str) -> None:
    if (child := os.fork()) == 0:
        _try(url)
        os._exit(0)
    os.waitpid(child, 0)


def test_the_file_of_locks_is_closed_when_nothing_is_locked(tmp_path: Path) -> None:
    locks = Database(f"sqlite:///{tmp_path}/chats.db").locks
    assert locks.is_free("ada")
    assert list(tmp_path.iterdir()) == []  # looking makes nothing
    release = locks.take("ada")
    assert (tmp_path / "chats.db-locks").stat().st_mode & 0o777 == 0o600
    release()
    (tmp_path / "chats.db-locks").unlink()
    release = locks.take("ada")
    (tmp_path / "chats.db-locks").unlink()
    with pytest.raises(SessionError, match="removed while it was in use"):
        locks.check("ada")
    with pytest.raises(SessionError, match="removed while it was in use"):
        locks.take("ben")
    release()
    locks.take("ben")()


def test_a_folder_of_locks_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match="cannot be opened: Not a directory"):
        Database(f"sqlite:///{tmp_path}/file/chats.db").locks.take("ada")


def test_in_memory_there_is_one_process() -> None:
    first, second = Database("sqlite://"), Database("sqlite://")
    release = first.locks.take("ada")
    with pytest.raises(Held, match="another task"):
        first.locks.take("ada")
    second.locks.take("ada")()
    assert not first.locks.is_free("ada")
    release()


def test_a_connection_that_is_lost_is_told(postgres_server: Postgres, postgres_url: str) -> None:
    database, other = Database(postgres_url), Database(postgres_url)
    release = database.locks.take("ada")
    database.locks.check("ada")
    postgres_server.end_connections(postgres_url)
    with pytest.raises(SessionError, match="that held the lock was lost") as told:
        database.locks.check("ada")
    assert "postgres:" not in str(told.value)
    release()  # and raises nothing
    other.locks.take("ada")()
    again = database.locks.take("ada")
    database.locks.check("ada")
    again()
    database.close()
    other.close()


def test_a_new_connection_does_not_keep_old_locks(
    postgres_server: Postgres, postgres_url: str
) -> None:
    database = Database(postgres_url)
    release = database.locks.take("ada")
    postgres_server.end_connections(postgres_url)
    database.locks.take("ben")  # on a new connection
    with pytest.raises(SessionError, match="lost"):
        database.locks.check("ada")
    release()
    database.locks.check("ben")
    database.close()


def test_postgres_holds_one_connection_for_all_names(
    postgres_server: Postgres, postgres_url: str
) -> None:
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    database = Database(postgres_url)
    for number in range(50):
        database.locks.take(f"name {number}")
    asked = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
    assert postgres_server.execute(asked) == [(1,)]
    database.close()
    assert programs() is not None
