"""Connections to an SQLite file, or to a database in memory."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool, StaticPool

from agentkit.sessions.failures import BUSY_SECONDS

WRITES = "agentkit_writes"
"""The option of a connection whose transactions write: they begin with `BEGIN IMMEDIATE`."""
_LEVEL = "agentkit_synchronous"
"""What SQLite was told last of this connection: `FULL`, or `NORMAL`."""


def engine(path: Path | None) -> Engine:
    """The engine for a file, which is made if it is missing; None: for one in memory, with one
    connection. Raises `OSError`.
    """
    if path is None:
        return _engine(":memory:", poolclass=StaticPool)
    real = Path(os.path.realpath(path))
    _make(real)
    # Any number of connections, for each thread has one at most. `mode=rw` makes no new file.
    name = f"{real.as_uri()}?mode=rw"
    return _engine(name, poolclass=QueuePool, pool_size=4, max_overflow=-1, pool_use_lifo=True)


def use_log(engine: Engine) -> None:
    """Turn the write-ahead log on, which the file remembers. It cannot be done in a transaction."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _make(path: Path) -> None:
    """An empty file, readable by its owner alone, if there is none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _engine(name: str, **pool: Any) -> Engine:
    def connect() -> sqlite3.Connection:
        # No isolation level: Python's own implicit BEGIN would take the place of ours.
        connection = sqlite3.connect(
            name, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    made = create_engine("sqlite+pysqlite://", creator=connect, **pool)
    event.listen(made, "begin", _begin)
    return made


def set_sync(connection: Connection, *, sync: bool) -> None:
    """Whether the ends of its next transactions wait for the disk. It cannot be set inside one."""
    level = "FULL" if sync else "NORMAL"
    if connection.info.get(_LEVEL, "FULL") != level:
        connection.connection.execute(f"PRAGMA synchronous = {level}")
        connection.info[_LEVEL] = level


def does_sync(connection: Connection) -> bool:
    """Whether the end of its transaction waits for the disk."""
    return connection.info.get(_LEVEL, "FULL") == "FULL"


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES)
    connection.connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
