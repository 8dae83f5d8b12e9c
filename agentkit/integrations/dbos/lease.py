"""By what other workers know that a worker lives: a lock that its end frees.

In Postgres an advisory lock of a connection that does nothing else, beside an SQLite file the lock
of a byte: those of `agentkit.sessions`, which no forked child keeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import text

from agentkit.errors import SessionError
from agentkit.sessions.database import Database
from agentkit.sessions.locks import Held

_AGE = text("SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())")


class Lease:
    """The lock of one worker, and those of others. Its methods block."""

    def __init__(self, url: str, name: str, *, quiet_seconds: float) -> None:
        self._database = Database(url)  # its own, and so with a connection of its own
        self._name, self._quiet = name, quiet_seconds
        self._release: Callable[[], None] | None = None
        self._quiet_until = 0.0

    def take(self) -> bool:
        """Take the lock; False if another process has it. Raises `SessionError`."""
        try:
            self._release = self._database.locks.take(_lock_of(self._name))
        except Held:
            return False
        return True

    def look(self) -> bool:
        """Whether others may be looked at: not while the lock is lost, nor soon after the database
        was started. One that was lost is taken again.
        """
        try:
            if self._release is None and not self.take():
                return False
            self._database.locks.check(_lock_of(self._name))
            if not self._database.is_sqlite and self._seconds_up() < self._quiet:
                return False
        except SessionError:
            self._lost()
            return False
        return time.monotonic() >= self._quiet_until

    def dead(self, name: str) -> Callable[[], None] | None:
        """The lock of a worker that has ended, which keeps others from it; None if it lives."""
        try:
            return self._database.locks.take(_lock_of(name))
        except Held:
            return None

    def end(self) -> None:
        """Let others know that this worker has ended."""
        release, self._release = self._release, None
        if release is not None:
            release()
        self._database.close()

    def _lost(self) -> None:
        self._quiet_until = time.monotonic() + self._quiet
        release, self._release = self._release, None
        if release is not None:
            release()

    def _seconds_up(self) -> float:
        with self._database.reading() as connection:
            return float(connection.execute(_AGE).scalar_one())


def _lock_of(name: str) -> str:
    return f"\0worker {name}"
