"""The database of sessions: connections, transactions, and the tables made at the first use.

SQLite: write-ahead log, each commit on the disk before it returns, `BEGIN IMMEDIATE` for what
writes. The threads of a process that write take turns (`writers.py`), so that none of them waits
for the file in vain; processes wait for each other up to `BUSY_SECONDS`. Postgres: a small pool,
whose connections are tried before they are used, so that a server that was restarted is found
again.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType

from sqlalchemy import Connection, Engine, text

from agentkit.errors import SessionError, UsageError
from agentkit.sessions import postgres, sqlite
from agentkit.sessions.address import Address, read_address
from agentkit.sessions.failures import BUSY_SECONDS, at_the_database, failure_of
from agentkit.sessions.file_locks import FileLocks
from agentkit.sessions.locks import Held, Locks, NoLocks, SystemLocks
from agentkit.sessions.schema import SCHEMA, Found, Schema, look, prepare
from agentkit.sessions.sqlite import WRITES
from agentkit.sessions.tables import about
from agentkit.sessions.writers import Writers

_MAKING = "\0the tables"
"""The name that is locked while the tables of an SQLite file are made. No conversation has it."""
_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_SYNCED = about.update().where(about.c.name == "version").values(value=about.c.value)
_writers: weakref.WeakValueDictionary[str, Writers] = weakref.WeakValueDictionary()
_inherited: list[object] = []
"""Engines of the process that this one was forked from. Closing them would disturb it."""


class _Thread(threading.local):
    """What a thread is about."""

    is_inside = False


class _Transaction:
    """A block for one transaction of a thread, whose errors are told as `SessionError`."""

    __slots__ = ("_address", "_call", "_thread", "_what")

    def __init__(self, address: Address, thread: _Thread, what: str, call: str) -> None:
        self._address, self._thread, self._what, self._call = address, thread, what, call

    def __enter__(self) -> None:
        if self._thread.is_inside:
            raise UsageError(
                f"Database.{self._call}: a transaction of this thread is not at its end"
            )
        self._thread.is_inside = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._thread.is_inside = False
        if error is not None:
            failure = failure_of(error, self._address, self._what)
            if failure is not None:
                raise failure from None


class Database:
    """One session database. Safe from many threads, and in the child of a fork."""

    def __init__(self, url: str, *, schema: Schema = SCHEMA) -> None:
        """Check the URL; nothing is opened before the first use. Raises `UsageError`."""
        self._address: Address = read_address(url)
        self._schema = schema
        self._thread = _Thread()
        self._file: tuple[int, int] | None = None
        """The SQLite file that was opened: device and inode."""
        self.locks = Locks(_system_locks(self._address))
        self._renew()
        _databases.add(self)

    def __repr__(self) -> str:
        return f"Database({self.name!r})"

    @property
    def name(self) -> str:
        """The address without its password, for messages."""
        return self._address.name

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite; else it is Postgres."""
        return self._address.is_sqlite

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """One transaction that sees one state of the database throughout.

        Blocks. Raises `SessionError` for whatever the database or its driver raises, in the block
        too; `UsageError` inside another transaction of this thread.
        """
        inside = self._transaction("read", "reading()")
        with inside, self._memory_turn(), self._ready().connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            connection.begin()
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def writing(self, name: str | None = None, *, sync: bool = True) -> Generator[Connection]:
        """One transaction, committed at the end of the block, rolled back by an error in it.

        In SQLite one writes at a time, so what the block has read holds until its end. In Postgres
        that is so for blocks of one `name`; else use `with_for_update()`. Blocks, and raises, as
        `reading` does; an `IntegrityError` may be caught in the block.

        Without `sync`, the end of the block does not wait for the disk: what was written outlives
        this process, but not a power failure before the next block with `sync`.
        """
        with self._transaction("written to", "writing()"):
            if self.is_sqlite:
                with self._writing_in_turn(sync=sync) as connection:
                    yield connection
                return
            with self._ready().connect() as connection, connection.begin():
                if name is not None:
                    postgres.lock_name(connection, name)
                if not sync:
                    postgres.do_not_sync(connection)
                yield connection

    @contextmanager
    def _writing_in_turn(self, *, sync: bool) -> Generator[Connection]:
        writers, is_committed = self._writers, False
        turn = writers.begin(sync=sync)
        try:
            engine, connection = self._take_writer()
            try:
                sqlite.set_sync(connection, sync=turn.syncs)
                with connection.begin():
                    yield connection
                is_committed = True
            finally:
                self._give_back(engine, connection, is_whole=is_committed)
        finally:
            writers.end(turn, is_committed=is_committed)
        while not writers.is_synced(turn):
            with self._writing_in_turn(sync=True) as connection:
                connection.execute(_SYNCED)  # what changes nothing would sync nothing

    def _take_writer(self) -> tuple[Engine, Connection]:
        """The connection that writes to an SQLite file. One block at a time does, so it is kept: to
        get one from the pool, and to give it back, takes as long as a few statements.
        """
        engine = self._ready()
        with self._guard:
            kept, self._idle = self._idle, None
        if kept is not None:
            return engine, kept
        return engine, engine.connect().execution_options(**{WRITES: True})

    def _give_back(self, engine: Engine, connection: Connection, *, is_whole: bool) -> None:
        with self._guard:
            if is_whole and self._engine is engine and self._idle is None:
                self._idle = connection
                return
        connection.close()

    @property
    def queued(self) -> int:
        """How many threads of this process wait for their turn to write to an SQLite file."""
        return self._writers.queued

    def close(self) -> None:
        """Close all connections; what is in memory is gone. A later use opens them again."""
        with self._guard:
            engine, idle = self._engine, self._idle
            self._engine = self._idle = None
        if engine is not None:
            with at_the_database(self._address, "closed"):
                _close(engine, idle)
        self.locks.close()

    def renew(self) -> None:
        """In the child of a fork: connections, and locks of threads, belong to the parent."""
        _inherited.extend((self._engine, self._idle))
        self._renew()
        self.locks.renew()

    def _renew(self) -> None:
        self._engine: Engine | None = None
        self._idle: Connection | None = None
        """The connection that writes, while it does not."""
        self._guard = threading.Lock()
        self._thread = _Thread()
        self._writers = Writers()
        if self._address.path is not None:
            where = os.path.realpath(self._address.path)
            self._writers = _writers.setdefault(where, self._writers)

    def _transaction(self, what: str, call: str) -> _Transaction:
        return _Transaction(self._address, self._thread, what, call)

    def _memory_turn(self) -> contextlib.AbstractContextManager[object]:
        """In memory there is one connection."""
        is_shared = self.is_sqlite and self._address.path is None
        return self._writers.turn if is_shared else contextlib.nullcontext()

    def _ready(self) -> Engine:
        """The engine, with the tables there."""
        with self._guard:
            if self._engine is not None and self._identity() != self._file:
                # SQLite would go on with a file that has lost its name, and nobody would find what
                # it wrote.
                engine, idle = self._engine, self._idle
                self._engine = self._idle = None
                _close(engine, idle)
                raise SessionError(
                    f"the database {self.name} was removed or replaced while it was in use; the "
                    "next use opens what is there now"
                )
            if self._engine is None:
                engine = self._opened()
                try:
                    self._make_tables(engine)
                    self._file = self._identity()
                except BaseException:
                    engine.dispose()
                    raise
                self._engine = engine
            return self._engine

    def _opened(self) -> Engine:
        if not self.is_sqlite:
            return postgres.engine(self._address)
        try:
            return sqlite.engine(self._address.path)
        except OSError as error:
            raise SessionError(
                f"the database {self.name} cannot be made: {error.strerror}"
            ) from None

    def _make_tables(self, engine: Engine) -> None:
        if self._address.path is None:
            with engine.begin() as connection:
                if not self.is_sqlite:
                    postgres.check_encoding(connection, self.name)
                    postgres.lock_name(connection, _MAKING)
                prepare(connection, self.name, self._schema)
        elif not _is_current(engine, self.name, self._schema):
            self._make_file_tables(engine)

    def _make_file_tables(self, engine: Engine) -> None:
        try:
            release = self.locks.take(_MAKING, wait=BUSY_SECONDS)
        except Held as error:
            raise SessionError(
                f"the database {self.name} cannot be used: {error.who} has been making its tables "
                f"for {BUSY_SECONDS} s"
            ) from None
        try:
            if _is_current(engine, self.name, self._schema):
                return
            sqlite.use_log(engine)
            options = {WRITES: True}
            with engine.execution_options(**options).begin() as connection:
                prepare(connection, self.name, self._schema)
        finally:
            release()

    def _identity(self) -> tuple[int, int] | None:
        if self._address.path is None:
            return None
        try:
            found = self._address.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _close(engine: Engine, idle: Connection | None) -> None:
    if idle is not None:
        idle.close()
    engine.dispose()


def _renew_all() -> None:
    _writers.clear()
    for database in list(_databases):
        database.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)


def _system_locks(address: Address) -> SystemLocks:
    if not address.is_sqlite:
        return postgres.PostgresLocks(address)
    return NoLocks() if address.path is None else FileLocks(address.path)


def _is_current(engine: Engine, name: str, schema: Schema) -> bool:
    with engine.connect() as connection:
        if look(connection, name, schema) is not Found.CURRENT:
            return False
        return connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
