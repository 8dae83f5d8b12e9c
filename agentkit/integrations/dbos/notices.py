"""When something new is written of a run: Postgres says so (`NOTIFY`) to whoever waits for it. On
SQLite, and where nobody can listen, whoever waits looks again after a moment.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, text

from agentkit.errors import SessionError
from agentkit.sessions.address import Address
from agentkit.sessions.failures import at_the_database
from agentkit.sessions.postgres import lock_connection

POLL_SECONDS, LISTENING_SECONDS = 0.05, 1.0
"""How often a run is looked at without notices, and with them: one may be lost."""
_CHANNEL = "agentkit_runs"
_NOTIFY = text(f"SELECT pg_notify('{_CHANNEL}', :run)")
_IDLE_SECONDS = 30.0
"""How long the connection stays when nobody waits any more."""


def notify(connection: Connection, run: str) -> None:
    """Let others know, when this transaction has been committed, that something was written."""
    if connection.dialect.name == "postgresql":
        connection.execute(_NOTIFY, {"run": run})


class Watch:
    """One who waits for what is new of a run. For one event loop."""

    def __init__(self, is_listening: Callable[[], bool]) -> None:
        self._is_listening = is_listening
        self._loop, self._event = asyncio.get_running_loop(), asyncio.Event()

    async def wait(self) -> None:
        """Wait until there may be something new since this was asked last."""
        seconds = LISTENING_SECONDS if self._is_listening() else POLL_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()

    def wake(self) -> None:
        """There is something new. From any thread."""
        with suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(self._event.set)


class Notices:
    """The notices of a database: a connection and a thread for all who wait in this process, while
    there are any.
    """

    def __init__(self, address: Address, *, listens: bool = True) -> None:
        self._address, self._listens = address, listens and not address.is_sqlite
        self._guard = threading.Lock()
        self._watches: dict[str, set[Watch]] = {}
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._is_listening = False

    @contextmanager
    def watching(self, run: str) -> Generator[Watch]:
        """A block in which somebody waits for what is new of a run."""
        watch = Watch(lambda: self._is_listening)
        with self._guard:
            self._watches.setdefault(run, set()).add(watch)
            self._begin()
        try:
            yield watch
        finally:
            with self._guard:
                left = self._watches[run]
                left.discard(watch)
                if not left:
                    del self._watches[run]

    def close(self) -> None:
        """Listen no more. Blocks for a moment."""
        with self._guard:
            thread, self._thread = self._thread, None
            self._ending.set()
        if thread is not None and thread.is_alive():
            thread.join()

    def _begin(self) -> None:
        """Listen, unless a thread of this process does: that of a parent is not in its child."""
        if self._listens and (self._thread is None or not self._thread.is_alive()):
            self._ending, self._is_listening = threading.Event(), False
            self._thread = threading.Thread(
                target=self._listen, args=(self._ending,), name="agentkit-notices", daemon=True
            )
            self._thread.start()

    def _listen(self, ending: threading.Event) -> None:
        """Listen until that is to end, again and again while the database is away."""
        while not ending.is_set():
            try:
                with at_the_database(self._address, "listened to"):
                    self._listen_once(ending)
            except SessionError:
                ending.wait(LISTENING_SECONDS)
            finally:
                self._is_listening = False

    def _listen_once(self, ending: threading.Event) -> None:
        connection = lock_connection(self._address)
        try:
            connection.execute(text(f"LISTEN {_CHANNEL}"))
            self._is_listening, latest = True, time.monotonic()
            self._wake(None)  # who asked before this has heard of nothing
            while not ending.is_set():
                self._hear(connection)
                with self._guard:
                    latest = time.monotonic() if self._watches else latest
                    if time.monotonic() - latest > _IDLE_SECONDS:
                        ending.set()
                        self._thread = None
        finally:
            connection.invalidate()
            connection.close()

    def _hear(self, connection: Connection) -> None:
        """Wait a moment for a notice. Raises `SessionError` for a connection that is lost: this is
        the driver's own call, whose errors SQLAlchemy does not make its own.
        """
        driver: Any = connection.connection.driver_connection
        try:
            for each in driver.notifies(timeout=LISTENING_SECONDS / 4, stop_after=1):
                self._wake(str(each.payload))
        except connection.dialect.loaded_dbapi.Error:
            raise SessionError(f"the database {self._address.name} was lost") from None

    def _wake(self, run: str | None) -> None:
        """Wake those who wait for this run; None: all."""
        with self._guard:
            found = self._watches.values() if run is None else [self._watches.get(run, set())]
            watches = [watch for each in found for watch in each]
        for watch in watches:
            watch.wake()
