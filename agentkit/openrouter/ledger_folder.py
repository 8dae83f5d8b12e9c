"""A call ledger in a folder: a folder for each run, and in it a file for each attempt.

An attempt's file is opened with `O_EXCL`, so it is claimed once, and its entries are appended:

    CRC LENGTH FACTS     a line: checksum of the rest, bytes of the data, JSON
    DATA                 the bytes, and a line's end behind them

The file `lock` is locked by the process that goes on with the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import threading
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast, get_args

from agentkit._files import sync_folder
from agentkit.errors import LedgerError
from agentkit.openrouter.ledger_storage import (
    CallKey,
    Damaged,
    Entry,
    EntryKind,
    Stored,
    StoredRun,
    at_the_ledger,
    run_busy,
)

SUFFIX = ".call"
LOCK = "lock"
_NAME = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,79}\Z")
_KINDS: frozenset[str] = frozenset(get_args(EntryKind))
_LONGEST_LINE = 1 << 20
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def file_name(word: str) -> str:
    """The word as the name of a file: itself if it can be one on any system, else its digest."""
    if _NAME.match(word):
        return word
    return f"sha256-{hashlib.sha256(word.encode('utf-8', 'surrogatepass')).hexdigest()}"


def framed(entry: Entry) -> bytes:
    """The bytes of an entry in a file."""
    facts = json.dumps([entry.kind, entry.facts], separators=(",", ":")).encode()
    rest = b"%d %b\n%b" % (len(entry.data), facts, entry.data)
    return b"%08x %b\n" % (zlib.crc32(rest), rest)


class FolderStorage:
    """The entries of a ledger as files, readable by their owner alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: set[str] = set()
        """Runs whose folder is on the disk for sure."""
        self._damaged: dict[Path, int] = {}
        """Where in a file an entry is damaged."""

    def append(self, key: CallKey, entries: Sequence[Entry], *, sync: bool) -> None:
        """See `LedgerStorage`."""
        path, data = self._path(key), b"".join(map(framed, entries))
        begins = entries[0].kind == "request"
        if begins:
            self.prepare(key.run)
        elif (at := self._damaged.pop(path, None)) is not None:
            _set_aside(path, at)
        flags = os.O_WRONLY | os.O_APPEND | _FLAGS | (os.O_CREAT | os.O_EXCL if begins else 0)
        descriptor = os.open(path, flags, 0o600)
        try:
            _write(descriptor, data)
            if sync:
                os.fsync(descriptor)
        except OSError:
            if begins:  # nothing was sent: the attempt is free
                path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        if begins and sync:
            sync_folder(path.parent)
            if key.run not in self._known:
                sync_folder(self.folder)
                self._known.add(key.run)

    def read(self, run: str, call: str | None = None, *, bodies: bool = True) -> Iterator[Stored]:
        """See `LedgerStorage`."""
        for path, key in self._files(run, call):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue
            with file:
                for place, entry in _entries(file, path, key, bodies=bodies):
                    if isinstance(entry, Damaged):
                        self._damaged[path] = entry.at
                    yield place, entry

    def runs(self) -> list[StoredRun]:
        """See `LedgerStorage`. A run whose requests cannot be read is named as its folder is."""
        found: list[StoredRun] = []
        for folder in _folders(self.folder):
            files = [each.stat() for each in folder.glob(f"*{SUFFIX}")]
            written = max((each.st_mtime for each in files), default=folder.stat().st_mtime)
            found.append(StoredRun(_run_in(folder), sum(each.st_size for each in files), written))
        return found

    def delete(self, run: str, bodies_of: Collection[CallKey] | None = None) -> None:
        """See `LedgerStorage`."""
        folder = self._folder(run)
        if bodies_of is None:
            self._known.discard(run)
            if not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)
            return
        for key in bodies_of:
            with contextlib.suppress(FileNotFoundError):
                _keep_first(self._path(key))

    def prepare(self, run: str) -> Path:
        """The folder of a run, made if it is missing. Raises `LedgerError` for one of another
        user.
        """
        try:
            found = os.lstat(self.folder)
        except FileNotFoundError:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.folder, 0o700)  # noqa: PTH102 - see below
            found = os.lstat(self.folder)
        _check_owner(self.folder, found)
        folder = self._folder(run)
        # Without pathlib, which asks several times: this is done for each request.
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)  # noqa: PTH102
        _check_owner(folder, os.lstat(folder))
        return folder

    def _folder(self, run: str) -> Path:
        return self.folder / file_name(run)

    def _path(self, key: CallKey) -> Path:
        return self._folder(key.run) / f"{file_name(key.call)}.{key.attempt}{SUFFIX}"

    def _files(self, run: str, call: str | None) -> list[tuple[Path, CallKey]]:
        """The files of a run or a call, by call and attempt."""
        found: list[tuple[str, int, Path]] = []
        try:
            paths = list(self._folder(run).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        wanted = None if call is None else file_name(call)
        for path in paths:
            name, _, number = path.name.removesuffix(SUFFIX).rpartition(".")
            if path.name.endswith(SUFFIX) and number.isdecimal() and wanted in {None, name}:
                found.append((name, int(number), path))
        return [
            (path, CallKey(run, name if call is None else call, attempt))
            for name, attempt, path in sorted(found)
        ]


class FolderLocks:
    """A lock of the operating system on the file `lock` of a run's folder. It is free when its
    process dies.
    """

    def __init__(self, storage: FolderStorage) -> None:
        self._storage = storage

    def lock(self, run: str) -> Callable[[], None]:
        """See `RunLocks`."""
        with at_the_ledger("write to"):
            while True:
                path = self._storage.prepare(run) / LOCK
                name = (os.getpid(), str(path.absolute()))
                with _held.guard:  # the lock is the process's: it does not tell two tasks apart
                    if name in _held.names:
                        raise run_busy(run, "another task of this process")
                    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
                    if not _locked(descriptor):
                        os.close(descriptor)
                        raise run_busy(run, "another process")
                    if _is_there(path, descriptor):
                        _held.names.add(name)
                        break
                    os.close(descriptor)  # the run was deleted meanwhile: its folder is made anew

        def release() -> None:
            with _held.guard:
                if name in _held.names and os.getpid() == name[0]:
                    _held.names.discard(name)
                    os.close(descriptor)

        return release


class ProcessLocks:
    """Locks that hold within this process, for a storage that is no folder."""

    def __init__(self) -> None:
        self._runs: set[str] = set()
        self._lock = threading.Lock()

    def lock(self, run: str) -> Callable[[], None]:
        """See `RunLocks`."""
        with self._lock:
            if run in self._runs:
                raise run_busy(run, "another task of this process")
            self._runs.add(run)
        return lambda: self._runs.discard(run)


class _Held:
    """The locks of this process, each by its id and the file: a forked process holds none."""

    def __init__(self) -> None:
        self.names: set[tuple[int, str]] = set()
        self.guard = threading.Lock()

    def renew(self) -> None:
        """In the child of a fork, the guard may be held for ever."""
        self.names, self.guard = set(), threading.Lock()


_held = _Held()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_held.renew)


if sys.platform == "win32":
    import msvcrt

    def _locked(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _locked(descriptor: int) -> bool:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True


def _is_there(path: Path, descriptor: int) -> bool:
    """Whether the file is still the one that was opened."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _check_owner(folder: Path, found: os.stat_result) -> None:
    if os.name != "nt" and found.st_uid != os.geteuid():
        raise LedgerError(
            f"the call ledger {folder} belongs to another user (uid {found.st_uid}): nothing is "
            "written to it; give a folder of your own, Ledger(folder)"
        )
    if not stat.S_ISDIR(found.st_mode):
        raise LedgerError(f"the call ledger {folder} is no folder: a link is not followed")


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _folders(folder: Path) -> list[Path]:
    try:
        found = list(folder.iterdir())
    except FileNotFoundError:
        return []
    return [each for each in found if each.is_dir() and not each.is_symlink()]


def _run_in(folder: Path) -> str:
    """The run of this folder, whose name may be a digest."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with path.open("rb") as file:
            for _, entry in _entries(file, path, CallKey(folder.name, "", 0), bodies=False):
                if (
                    isinstance(entry, Entry)
                    and file_name(str(entry.facts.get("run"))) == folder.name
                ):
                    return str(entry.facts["run"])
                break
    return folder.name


def _entries(file: BinaryIO, path: Path, key: CallKey, *, bodies: bool) -> Iterator[Stored]:
    """The entries of a file, up to one that is damaged."""
    is_begun = False
    while True:
        at = file.tell()
        try:
            entry = _next(file, bodies=bodies)
        except _Broken as error:
            yield key, Damaged(f"{path}:{at}", at, is_cut=error.is_cut, is_begun=is_begun)
            return
        if entry is None and is_begun:
            return
        if entry is None:
            yield key, Damaged(str(path), at, is_cut=True, is_begun=False)
            return
        if entry.kind == "request" and (call := entry.facts.get("call")):
            key = CallKey(str(entry.facts.get("run", key.run)), str(call), key.attempt)
        is_begun = True
        yield key, entry


class _Broken(Exception):
    def __init__(self, *, is_cut: bool) -> None:
        self.is_cut = is_cut


def _next(file: BinaryIO, *, bodies: bool) -> Entry | None:
    """The next entry; None at the end of the file. Raises `_Broken`."""
    line = file.readline(_LONGEST_LINE)
    if not line:
        return None
    if not line.endswith(b"\n"):
        raise _Broken(is_cut=len(line) < _LONGEST_LINE)
    try:
        checksum, size, facts = line[:-1].split(b" ", 2)
        length, expected = int(size), int(checksum, 16)
        kind, told = cast("tuple[Any, Any]", json.loads(facts))
    except (ValueError, RecursionError):
        raise _Broken(is_cut=False) from None
    if length < 0 or kind not in _KINDS or not isinstance(told, dict):
        raise _Broken(is_cut=False)
    if kind == "body" and not bodies:
        file.seek(length + 1, os.SEEK_CUR)
        return Entry(kind, cast("dict[str, Any]", told))
    data = file.read(length + 1)
    if len(data) <= length:
        raise _Broken(is_cut=True)
    found = zlib.crc32(data[:-1], zlib.crc32(line[len(checksum) + 1 :]))
    if found != expected or data[-1:] != b"\n":
        raise _Broken(is_cut=False)
    return Entry(kind, cast("dict[str, Any]", told), data[:-1])


def _set_aside(path: Path, at: int) -> None:
    """Move what is from there on into a file beside it, so that entries can be appended again."""
    with path.open("r+b") as file:
        file.seek(at)
        path.with_name(f"{path.name}.damaged").write_bytes(file.read())
        file.truncate(at)


def _keep_first(path: Path) -> None:
    """Cut a file behind its first entry."""
    with path.open("r+b") as file:
        try:
            found = _next(file, bodies=True)
        except _Broken:
            found = None
        if found is not None and found.kind == "request":
            file.truncate(file.tell())
