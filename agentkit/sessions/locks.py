"""One writer for a name, across processes.

A lock is the operating system's or the database's, so that the death of its process frees it. Such
locks do not tell two tasks of one process apart: what this process holds is kept beside them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from agentkit._sync import finish
from agentkit.errors import SessionError

_PAUSES = (0.005, 0.01, 0.02, 0.04)
"""Seconds between two attempts; the last one is repeated."""
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


class _Process:
    """What this process holds. A process that was forked off holds nothing."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.held: set[tuple[str, int]] = set()
        self.files: dict[str, _File] = {}

    def renew(self) -> None:
        """In the child of a fork. The guard may be held for ever."""
        for file in self.files.values():  # a child that closes a file frees no lock of its parent
            os.close(file.descriptor)
        self.guard, self.held, self.files = threading.Lock(), set(), {}


class _File:
    """An open file of locks, and how many of its bytes are locked."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.count = 0


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
            except Held:
                left = until - time.monotonic()
                if left <= 0:
                    raise
                time.sleep(min(left, _pause(attempt)))
        raise AssertionError

    async def acquire(self, name: str, *, wait: float = 0.0) -> Callable[[], None]:
        """As `take`, from a task: no thread is occupied while it waits. If the task is cancelled,
        the name is free.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + wait
        for attempt in range(sys.maxsize):
            taking = asyncio.ensure_future(asyncio.to_thread(self._taken, name))
            try:
                return await finish(taking, None)
            except asyncio.CancelledError:
                if taking.exception() is None:
                    asyncio.get_running_loop().run_in_executor(None, taking.result())
                raise
            except Held:
                left = until - clock()
                if left <= 0:
                    raise
                await asyncio.sleep(min(left, _pause(attempt)))
        raise AssertionError

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


def _key(name: str) -> int:
    """A number from 0 to 2**62 - 1: it fits an offset in a file, and a bigint."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 2


def _pause(attempt: int) -> float:
    return _PAUSES[min(attempt, len(_PAUSES) - 1)]


class FileLocks:
    """Each name is a byte of one file, which stays empty: a lock may lie behind its end.

    A process that closes any descriptor of a file loses all its locks on it. So there is one for
    each file in a process, and it is closed when no byte is locked. Whoever removes the file while
    it is in use lets a second writer in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def space(self) -> str:
        """See `SystemLocks`. Names of one file that are links lead to one file of locks."""
        return f"{os.path.realpath(self._path)}-locks"

    def lock(self, key: int) -> str | None:
        """See `SystemLocks`."""
        path = self.space()
        with _process.guard:
            file = _opened(path)
            try:
                if not _locked(file.descriptor, key):
                    return _another(_owner(file.descriptor, key))
                file.count += 1
            finally:
                _close_unused(path)
        return None

    def unlock(self, key: int) -> None:
        """See `SystemLocks`."""
        path = self.space()
        with _process.guard:
            if (file := _process.files.get(path)) is not None:
                _unlock(file.descriptor, key)
                file.count -= 1
                _close_unused(path)

    def is_locked(self, key: int) -> bool:
        """See `SystemLocks`."""
        path = self.space()
        with _process.guard:
            if path not in _process.files and not os.path.exists(path):  # noqa: PTH110
                return False
            file = _opened(path)
            try:
                return _owner(file.descriptor, key) is not None
            finally:
                _close_unused(path)

    def check(self, key: int) -> None:  # noqa: ARG002 - all bytes of a file are lost together
        """See `SystemLocks`."""
        path = self.space()
        with _process.guard:
            file = _process.files.get(path)
            if file is None or not _is_there(path, file.descriptor):
                raise _removed(path)

    def close(self) -> None:
        """See `SystemLocks`. There is nothing to give back."""


def _opened(path: str) -> _File:
    """The file of locks, opened if it is not open. The guard is held."""
    file = _process.files.get(path)
    if file is not None:
        if not _is_there(path, file.descriptor):
            raise _removed(path)
        return file
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise SessionError(f"the file of locks {path} cannot be opened: {error.strerror}") from None
    return _process.files.setdefault(path, _File(descriptor))


def _close_unused(path: str) -> None:
    if _process.files[path].count == 0:
        os.close(_process.files.pop(path).descriptor)


def _is_there(path: str, descriptor: int) -> bool:
    """Whether the file is still the one that was opened."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))  # noqa: PTH116
    except OSError:
        return False


def _removed(path: str) -> SessionError:
    return SessionError(
        f"the file of locks {path} was removed while it was in use: another process may have "
        "become a second writer"
    )


def _another(pid: int | None) -> str:
    return f"another process ({pid})" if pid else "another process"


if sys.platform == "win32":
    import msvcrt

    def _move(descriptor: int, key: int) -> None:
        os.lseek(descriptor, key & 0x7FFFFFFF, os.SEEK_SET)

    def _locked(descriptor: int, key: int) -> bool:
        _move(descriptor, key)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int, key: int) -> None:
        _move(descriptor, key)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    def _owner(descriptor: int, key: int) -> int | None:
        """0 if another process has the byte: Windows does not say which."""
        if not _locked(descriptor, key):
            return 0
        _unlock(descriptor, key)
        return None
else:
    import fcntl

    _FLOCK = "qqihh" if sys.platform == "darwin" else "hhqqi0q"
    """`struct flock` of 64-bit systems: start, length, process, type, whence; Linux has the last
    two first.
    """

    def _locked(descriptor: int, key: int) -> bool:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, key)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _unlock(descriptor: int, key: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, key)

    def _owner(descriptor: int, key: int) -> int | None:
        """The process that has the byte, or None. Looking locks nothing, so that nobody who takes
        the name at this moment is refused.
        """
        if sys.platform == "darwin":
            asked = struct.pack(_FLOCK, key, 1, 0, fcntl.F_WRLCK, os.SEEK_SET)
            told = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
            _, _, pid, kind, _ = told
        else:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, key, 1, 0)
            told = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
            kind, _, _, _, pid = told
        return None if kind == fcntl.F_UNLCK else int(pid)
