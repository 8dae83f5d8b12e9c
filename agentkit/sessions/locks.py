"""One writer for a name, across processes.

A lock is the operating system's or the database's, so that the death of its process frees it. Such
locks do not tell two tasks of one process apart: what this process holds is kept beside them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from agentkit._sync import finish

_LONGEST_HERE, _LONGEST_PAUSE = 0.02, 0.25
"""Seconds between two attempts, at most: on a name that this process holds, and on another."""
_HERE = "another task of this process"


class Held(Exception):
    """Somebody else has the lock. It never leaves `sessions`."""

    def __init__(self, name: str, who: str) -> None:
        super().__init__(f"{name} is held by {who}")
        self.who = who
        """`another task of this process`, or `another process`, with its number if it is known."""


class SystemLocks(Protocol):
    """Locks of the operating system or of a database. They hold against other processes only."""

    def space(self) -> str:
        """What these locks are in: equal for all that stand in each other's way."""
        ...

    def lock(self, key: int) -> str | None:
        """Lock a key. None if that succeeded, else who has it."""
        ...

    def unlock(self, key: int) -> None:
        """Free a key that this process has locked."""
        ...

    def is_locked(self, key: int) -> bool:
        """Whether another process has the key."""
        ...

    def check(self, key: int) -> None:
        """Raises `SessionError` if a key that this process locked was lost meanwhile."""
        ...

    def close(self) -> None:
        """Give back connections. Locks that are held are lost."""
        ...

    def renew(self) -> None:
        """Forget connections, in the child of a fork: they are the parent's."""
        ...


class NoLocks:
    """For a database in memory, which no other process sees."""

    def space(self) -> str:
        """See `SystemLocks`."""
        return f"memory {id(self)}"

    def lock(self, key: int) -> str | None:
        """See `SystemLocks`."""

    def unlock(self, key: int) -> None:
        """See `SystemLocks`."""

    def is_locked(self, key: int) -> bool:  # noqa: ARG002
        """See `SystemLocks`."""
        return False

    def check(self, key: int) -> None:
        """See `SystemLocks`."""

    def close(self) -> None:
        """See `SystemLocks`."""

    def renew(self) -> None:
        """See `SystemLocks`."""


class _Process:
    """What this process holds. A process that was forked off holds nothing."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.held: set[tuple[str, int]] = set()

    def renew(self) -> None:
        """In the child of a fork. The guard may be held for ever."""
        self.guard, self.held = threading.Lock(), set()


_process = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.renew)


class Locks:
    """One writer for a name. Safe from many threads."""

    def __init__(self, system: SystemLocks) -> None:
        self._system = system

    def take(self, name: str, *, wait: float = 0.0) -> Callable[[], None]:
        """Lock a name; the result releases it, from any thread, once or more often.

        Blocks up to `wait` seconds, in which the name is tried again and again; on an event loop,
        use `acquire`. Raises `Held`, or `SessionError`.
        """
        until = time.monotonic() + wait
        for attempt in range(sys.maxsize):
            try:
                return self._taken(name)
            except Held as error:
                left = until - time.monotonic()
                if left <= 0:
                    raise
                time.sleep(min(left, _pause(error, attempt)))
        raise AssertionError

    async def acquire(self, name: str, *, wait: float = 0.0) -> Callable[[], None]:
        """As `take`, from a task: no thread is occupied while it waits. If the task is cancelled,
        the name is free.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + wait
        for attempt in range(sys.maxsize):
            try:
                self._check_here(name)
                return await self._taken_in_thread(name)
            except Held as error:
                left = until - clock()
                if left <= 0:
                    raise
                await asyncio.sleep(min(left, _pause(error, attempt)))
        raise AssertionError

    async def _taken_in_thread(self, name: str) -> Callable[[], None]:
        taking = asyncio.ensure_future(asyncio.to_thread(self._taken, name))
        try:
            return await finish(taking, None)
        except asyncio.CancelledError:
            if not taking.cancelled() and taking.exception() is None:
                asyncio.get_running_loop().run_in_executor(None, taking.result())
            raise

    def _check_here(self, name: str) -> None:
        """Raise `Held` if this process has the name: that takes no thread to find out."""
        with _process.guard:
            if (self._system.space(), _key(name)) in _process.held:
                raise Held(name, _HERE)

    def is_free(self, name: str) -> bool:
        """Whether nobody has locked the name, this process included."""
        key = _key(name)
        with _process.guard:
            if (self._system.space(), key) in _process.held:
                return False
        return not self._system.is_locked(key)

    def check(self, name: str) -> None:
        """Raise `SessionError` if this process, which had locked the name, has lost it: the
        connection that held it has ended, and another process may have gone on.
        """
        self._system.check(_key(name))

    def close(self) -> None:
        """Give back connections. Names that are still locked are lost."""
        self._system.close()

    def renew(self) -> None:
        """Forget connections, in the child of a fork: they are the parent's."""
        self._system.renew()

    def _taken(self, name: str) -> Callable[[], None]:
        key = _key(name)
        mark, pid = (self._system.space(), key), os.getpid()
        with _process.guard:
            if mark in _process.held:
                raise Held(name, _HERE)
            _process.held.add(mark)
        who: str | None = _HERE
        try:
            who = self._system.lock(key)
        finally:
            if who is not None:
                with _process.guard:
                    _process.held.discard(mark)
        if who is not None:
            raise Held(name, who)
        once = threading.Lock()

        def release() -> None:
            if os.getpid() != pid or not once.acquire(blocking=False):
                return
            try:
                self._system.unlock(key)
            finally:
                with _process.guard:
                    _process.held.discard(mark)

        return release


@lru_cache(maxsize=1024)
def _key(name: str) -> int:
    """A number from 0 to 2**62 - 1: it fits an offset in a file, and a bigint."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 2


def _pause(error: Held, attempt: int) -> float:
    longest = _LONGEST_HERE if error.who == _HERE else _LONGEST_PAUSE
    return min(longest, 0.005 * 2 ** min(attempt, 8))
