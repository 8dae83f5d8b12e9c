"""Connections to Postgres, and its locks.

The locks of a process are advisory locks of one connection, which the server frees when that
connection ends: at once when the process dies, and within `LOST_SECONDS` when its machine or the
network vanished, by the keep-alive of TCP at both ends.
"""

from __future__ import annotations

import hashlib
import os
import threading
from typing import Any

from sqlalchemy import Connection, Engine, TextClause, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from agentkit.errors import SessionError, UsageError
from agentkit.sessions.address import Address
from agentkit.sessions.failures import at_the_database

LOST_SECONDS = 25
_IDLE, _INTERVAL, _COUNT = 10, 5, 3
"""Seconds until the first question whether the other side is there, seconds between two, and how
many may stay without a reply: 25 seconds together.
"""
_DEFAULTS = {
    "keepalives": "1",
    "keepalives_idle": str(_IDLE),
    "keepalives_interval": str(_INTERVAL),
    "keepalives_count": str(_COUNT),
    "tcp_user_timeout": str(1000 * LOST_SECONDS),
    "connect_timeout": "10",
    "application_name": "agentkit",
}
_AT_THE_SERVER = {
    "tcp_keepalives_idle": str(_IDLE),
    "tcp_keepalives_interval": str(_INTERVAL),
    "tcp_keepalives_count": str(_COUNT),
    "tcp_user_timeout": str(1000 * LOST_SECONDS),
    "idle_session_timeout": "0",
}
# A setting that the server does not know is passed over.
_SET = text("SELECT set_config(name, :value, false) FROM pg_settings WHERE name = :name")
_TRY = text("SELECT pg_try_advisory_lock(CAST(:key AS bigint))")
_FREE = text("SELECT pg_advisory_unlock(CAST(:key AS bigint))")
_IS_OURS = text("""
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND (classid::bigint << 32) + objid::bigint = CAST(:key AS bigint)
    AND pid = pg_backend_pid()
""")
_IS_LOCKED = text("""
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND (classid::bigint << 32) + objid::bigint = CAST(:key AS bigint)
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


def engine(address: Address, **pool: Any) -> Engine:
    """The engine for a database. Raises `UsageError` if the driver does not work."""
    # What the URL says goes before.
    defaults = {name: word for name, word in _DEFAULTS.items() if name not in address.url.query}
    try:
        return create_engine(
            address.url,
            connect_args=defaults,
            **(pool or {"pool_pre_ping": True, "pool_size": 10, "max_overflow": 0}),
        )
    except ImportError as error:
        raise UsageError(
            f"Sessions(url=…): psycopg cannot be imported ({error}): "
            "pip install 'agentkit-openrouter[sessions]'"
        ) from None


def check_encoding(connection: Connection, name: str) -> None:
    """Raise `SessionError` for a database that cannot hold all text. `name` is its address."""
    found = connection.execute(text("SHOW server_encoding")).scalar_one()
    if found != "UTF8":
        raise SessionError(f"the database {name} holds text as {found}: make one with UTF8")


def lock_name(connection: Connection, name: str) -> None:
    """Wait for a name, and lock it until the end of the transaction. These locks have two numbers,
    and so nothing in common with `PostgresLocks`.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    first, second = (int.from_bytes(digest[at : at + 4], "big", signed=True) for at in (0, 4))
    asked = text("SELECT pg_advisory_xact_lock(:first, :second)")
    connection.execute(asked, {"first": first, "second": second})


def do_not_sync(connection: Connection) -> None:
    """The end of this transaction does not wait for the disk."""
    connection.execute(text("SET LOCAL synchronous_commit = off"))


def lock_connection(address: Address) -> Connection:
    """A connection whose locks are free soon after its machine vanished."""
    made = engine(address, poolclass=NullPool).connect()
    made.execution_options(isolation_level="AUTOCOMMIT")
    for name, value in _AT_THE_SERVER.items():
        made.execute(_SET, {"name": name, "value": value})
    return made


def _let_go_of(connection: Connection) -> None:
    """Put nothing in the place of the socket of a connection that is the parent's: what is sent to
    it by chance goes nowhere, and its number is not given to another file.
    """
    driver: Any = connection.connection.driver_connection
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        os.dup2(nothing, driver.fileno())
    finally:
        os.close(nothing)


class PostgresLocks:
    """Advisory locks of one connection, which is opened at the first lock.

    If it ends, all of them are free, and others may take them. `check` says so.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._parents: list[object] = []
        """Connections of the process that this one was forked from: closing them would end
        them there.
        """
        self._start()

    def _start(self) -> None:
        self._guard = threading.Lock()
        self._connection: Connection | None = None
        self._ours: set[int] = set()
        """Keys that are locked by the connection as it is now."""

    def space(self) -> str:
        """See `SystemLocks`."""
        return self._address.name

    def lock(self, key: int) -> str | None:
        """See `SystemLocks`."""
        with self._guard:
            if self._asked(_TRY, key, again=True):
                self._ours.add(key)
                return None
        return "another process"

    def unlock(self, key: int) -> None:
        """See `SystemLocks`. A lock that was lost is free."""
        with self._guard:
            if key not in self._ours:
                return
            self._ours.discard(key)
            try:
                self._asked(_FREE, key)
            except SessionError:
                self._drop()

    def is_locked(self, key: int) -> bool:
        """See `SystemLocks`."""
        with self._guard:
            return bool(self._asked(_IS_LOCKED, key, again=True))

    def check(self, key: int) -> None:
        """See `SystemLocks`."""
        with self._guard:
            if key in self._ours:
                try:
                    if self._asked(_IS_OURS, key):
                        return
                except SessionError:
                    self._drop()
            raise SessionError(
                f"the connection to {self._address.name} that held the lock was lost: another "
                "process may have gone on meanwhile"
            )

    def close(self) -> None:
        """See `SystemLocks`."""
        with self._guard:
            self._drop()

    def renew(self) -> None:
        """See `SystemLocks`. The socket is let go of here: else the server would see the parent's
        locks as held while this child lives.
        """
        if self._connection is not None:
            _let_go_of(self._connection)
        self._parents.append(self._connection)
        self._start()

    def _asked(self, question: TextClause, key: int, *, again: bool = False) -> Any:
        """The reply to a question, the guard being held. `again`: on a new connection, if the one
        that was there has ended.
        """
        with at_the_database(self._address, "asked for a lock"):
            was_open = self._connection is not None
            if self._connection is None:
                self._connection = lock_connection(self._address)
            try:
                return self._connection.execute(question, {"key": key}).scalar_one()
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                self._drop()
                if not (again and was_open):
                    raise
        return self._asked(question, key)

    def _drop(self) -> None:
        """End the connection, and with it all locks."""
        connection, self._connection, self._ours = self._connection, None, set()
        if connection is not None:
            connection.invalidate()
            connection.close()
