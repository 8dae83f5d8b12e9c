"""Locks for an SQLite database: bytes of one file beside it."""

from __future__ import annotations

import os
import struct
import sys
import threading
from pathlib import Path

from agentkit.errors import SessionError


class _File:
    """An open file of locks, and how many of its bytes are locked."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.identity = _identity(os.fstat(descriptor))
        self.count = 0


class _Open:
    """The files that this process has open. A process that was forked off has none."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.files: dict[str, _File] = {}

    def renew(self) -> None:
        """In the child of a fork. The guard may be held for ever."""
        for file in self.files.values():  # a child that closes a file frees no lock of its parent
            os.close(file.descriptor)
        self.guard, self.files = threading.Lock(), {}


_open = _Open()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open.renew)


class FileLocks:
    """Each name is a byte of one file, which stays empty: a lock may lie behind its end.

    A process that closes any descriptor of a file loses all its locks on it. So there is one for
    each file in a process, and it is closed when no byte is locked. Whoever removes the file while
    it is in use lets a second writer in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._space: str | None = None

    def space(self) -> str:
        """See `SystemLocks`. Names of one file that are links lead to one file of locks."""
        if self._space is None:  # once: a name that is locked must be found again
            self._space = f"{os.path.realpath(self._path)}-locks"
        return self._space

    def lock(self, key: int) -> str | None:
        """See `SystemLocks`."""
        path = self.space()
        with _open.guard:
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
        with _open.guard:
            if (file := _open.files.get(path)) is not None:
                _unlock(file.descriptor, key)
                file.count -= 1
                _close_unused(path)

    def is_locked(self, key: int) -> bool:
        """See `SystemLocks`."""
        path = self.space()
        with _open.guard:
            if path not in _open.files and not os.path.exists(path):  # noqa: PTH110
                return False
            file = _opened(path)
            try:
                return _owner(file.descriptor, key) is not None
            finally:
                _close_unused(path)

    def check(self, key: int) -> None:  # noqa: ARG002 - all bytes of a file are lost together
        """See `SystemLocks`."""
        path = self.space()
        with _open.guard:
            file = _open.files.get(path)
            if file is None or not _is_there(path, file):
                raise _removed(path)

    def close(self) -> None:
        """See `SystemLocks`. There is nothing to give back."""

    def renew(self) -> None:
        """See `SystemLocks`. All files of the process are renewed together."""


def _opened(path: str) -> _File:
    """The file of locks, opened if it is not open. The guard is held."""
    file = _open.files.get(path)
    if file is not None:
        if not _is_there(path, file):
            raise _removed(path)
        return file
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise SessionError(f"the file of locks {path} cannot be opened: {error.strerror}") from None
    return _open.files.setdefault(path, _File(descriptor))


def _close_unused(path: str) -> None:
    if _open.files[path].count == 0:
        os.close(_open.files.pop(path).descriptor)


def _is_there(path: str, file: _File) -> bool:
    """Whether the file is still the one that was opened."""
    try:
        return _identity(os.stat(path)) == file.identity  # noqa: PTH116
    except OSError:
        return False


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


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
