"""How many bytes the pictures of a folder have, without a look at each of them each time.

The bytes are counted once, and then kept count of. What other processes add or delete is found by
the times of the subfolders, of which only those that changed are read again.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_FRESH_SECONDS = 10.0
"""How long a count is taken as it is, but for what this process adds and deletes."""
_TICK = 2_000_000_000
"""Nanoseconds within which a folder may change twice and show one time."""


@dataclass(frozen=True, slots=True)
class _Counted:
    changed: int
    """When the subfolder changed last, in nanoseconds, as its file system says."""
    size: int
    is_settled: bool
    """Whether another change would show another time."""


class FolderSize:
    """The bytes of all files in the subfolders `00` to `ff` of a folder. Any thread may use it.

    `scan` lists a folder; it gives nothing for one that is not there.
    """

    def __init__(self, folder: Path, scan: Callable[[Path], list[os.DirEntry[str]]]) -> None:
        self._folder, self._scan = folder, scan
        self._subfolders: dict[str, _Counted] = {}
        self._total: int | None = None
        self._counted_at = 0.0
        self._begun = self._ended = 0
        """Bytes of all that `adding` began to add, and of those of them that it has ended with."""
        self._scanning = threading.Lock()
        self._adding = threading.Lock()

    @property
    def known(self) -> int | None:
        """The last count, with what this process added and deleted since; None before the first.
        Never blocks.
        """
        return self._total

    def count(self) -> int:
        """The bytes that are there now. May take a second the first time: not for event loops."""
        with self._scanning:
            return self._count()

    def recent(self) -> int:
        """A count that is at most `_FRESH_SECONDS` old. May block as `count` does."""
        with self._scanning:
            total = self._total
            is_old = time.monotonic() - self._counted_at > _FRESH_SECONDS
            return self._count() if total is None or is_old else total

    def add(self, size: int) -> None:
        """Keep count of a file that this process has added, or, below 0, deleted."""
        with self._adding:
            if self._total is not None:
                self._total = max(0, self._total + size)

    @contextmanager
    def adding(self, size: int, check: Callable[[int, int], None]) -> Generator[None]:
        """Add a file in the block, which `check(total, size)` may forbid by raising. Threads
        together pass no bound that `check` keeps.
        """
        self.recent()
        with self._adding:
            total = self._total or 0
            check(total, size)
            self._total = total + size
            self._begun += size
        try:
            yield
        except BaseException:
            self.add(-size)
            raise
        finally:
            with self._adding:
                self._ended += size

    def _count(self) -> int:
        now, ended = time.time_ns(), self._ended
        found: dict[str, _Counted] = {}
        for entry in self._scan(self._folder):
            if len(entry.name) == 2 and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    found[entry.name] = self._count_subfolder(entry, now)
        total = sum(each.size for each in found.values())
        self._subfolders = found
        with self._adding:
            # What was being added meanwhile may have been seen or not: it counts, so that the
            # bound holds, and what is counted twice is put right by the next count.
            self._total, self._counted_at = total + self._begun - ended, time.monotonic()
        return total

    def _count_subfolder(self, entry: os.DirEntry[str], now: int) -> _Counted:
        changed = entry.stat(follow_symlinks=False).st_mtime_ns
        before = self._subfolders.get(entry.name)
        if before is not None and before.changed == changed and before.is_settled:
            return before
        size = 0
        for file in self._scan(Path(entry.path)):
            with contextlib.suppress(FileNotFoundError):
                size += file.stat(follow_symlinks=False).st_size
        return _Counted(changed, size, abs(now - changed) > _TICK)
