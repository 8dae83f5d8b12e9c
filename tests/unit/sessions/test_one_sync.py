"""Many that write at once to an SQLite file wait for the disk once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, select

from agentkit.errors import SessionError
from agentkit.sessions.database import Database
from agentkit.sessions.sqlite import WRITES, does_sync
from agentkit.sessions.tables import budgets
from tests.clock import GUARD


class Writing:
    """Threads that write, one after the other, while the first one is held in its block."""

    def __init__(self, database: Database, pool: ThreadPoolExecutor) -> None:
        self.database, self._pool = database, pool
        self.syncs: list[bool] = []
        """Of each transaction that was begun: whether it waits for the disk at its end."""
        self.go_on = {name: threading.Event() for name in ("first", "last")}
        self._inside = threading.Event()

    def begun(self, connection: Connection) -> None:
        if connection.get_execution_options().get(WRITES):
            self.syncs.append(does_sync(connection))

    def start(self, name: str, *, sync: bool = True, fails: bool = False) -> Future[None]:
        """Have a thread write, which stands in line when this returns."""
        before, written = self.database.queued, self._pool.submit(self._write, name, sync, fails)
        if name == "first":
            assert self._inside.wait(GUARD)
        else:
            until = time.monotonic() + GUARD
            while self.database.queued == before and time.monotonic() < until:
                time.sleep(0.001)
        return written

    def _write(self, name: str, sync: bool, fails: bool) -> None:
        with self.database.writing(sync=sync) as connection:
            connection.execute(budgets.insert().values(name=name, period="", changed_at=0))
            self._inside.set()
            if name in self.go_on:
                assert self.go_on[name].wait(GUARD)
            if fails:
                raise KeyError(name)

    def names(self) -> set[str]:
        with self.database.reading() as connection:
            return set(connection.scalars(select(budgets.c.name)))


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Writing]:
    database = Database(f"sqlite:///{tmp_path}/chats.db")
    with database.reading():  # the tables are there
        pass
    with ThreadPoolExecutor(40) as pool:
        writing = Writing(database, pool)
        event.listen(Engine, "begin", writing.begun)
        try:
            yield writing
        finally:
            for each in writing.go_on.values():
                each.set()
            event.remove(Engine, "begin", writing.begun)
    database.close()


def ended(threads: list[Future[None]]) -> list[bool]:
    return [each.done() for each in threads]


def until_begun(writing: Writing, count: int) -> None:
    """Until so many transactions were begun."""
    until = time.monotonic() + GUARD
    while len(writing.syncs) < count and time.monotonic() < until:
        time.sleep(0.001)


def test_those_in_line_wait_for_the_sync_of_the_last_one(writing: Writing) -> None:
    first = writing.start("first")
    others = [writing.start(name) for name in ("second", "third", "last")]
    writing.go_on["first"].set()
    first.result(GUARD)
    until_begun(writing, 4)  # the last one is in its block
    assert writing.syncs == [True, False, False, True]
    assert ended(others) == [False, False, False]
    assert writing.names() == {"first", "second", "third"}
    writing.go_on["last"].set()
    for each in others:
        each.result(GUARD)
    assert writing.syncs == [True, False, False, True]


def test_where_the_last_one_fails_another_one_syncs(writing: Writing) -> None:
    writing.start("first")
    second, last = writing.start("second"), writing.start("last", fails=True)
    for each in writing.go_on.values():
        each.set()
    with pytest.raises(KeyError):
        last.result(GUARD)
    second.result(GUARD)
    assert writing.syncs == [True, False, True, True]
    assert writing.names() == {"first", "second"}


def test_who_needs_no_sync_is_not_waited_for(writing: Writing) -> None:
    writing.start("first")
    second, last = writing.start("second"), writing.start("last", sync=False)
    writing.go_on["first"].set()
    second.result(GUARD)
    assert writing.syncs[:2] == [True, True]
    writing.go_on["last"].set()
    last.result(GUARD)
    assert writing.syncs == [True, True, False]


def test_a_long_line_syncs_now_and_then(writing: Writing) -> None:
    writing.start("first")
    others = [writing.start(f"{number}") for number in range(34)]
    writing.go_on["first"].set()
    for each in others:
        each.result(GUARD)
    assert writing.syncs == [True, *[*[False] * 16, True] * 2]


def test_a_transaction_that_cannot_be_synced_has_failed(writing: Writing) -> None:
    writing.start("first")
    second, last = writing.start("second"), writing.start("last", fails=True)

    def broken(connection: Connection) -> None:
        if len(writing.syncs) > 3:
            connection.exec_driver_sql("SELECT nothing FROM nowhere")

    event.listen(Engine, "begin", broken)
    try:
        for each in writing.go_on.values():
            each.set()
        with pytest.raises(SessionError, match="cannot be written to"):
            second.result(GUARD)
        with pytest.raises(KeyError):
            last.result(GUARD)
    finally:
        event.remove(Engine, "begin", broken)
