"""A ledger's storage and a store of pictures that kill the process at a given point, and a storage
that forgets kinds of entries, to show what these are for.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NoReturn

from agentkit import FileImageStore
from agentkit.images import Draft
from agentkit.openrouter.ledger import Ledger
from agentkit.openrouter.ledger_folder import FolderLocks, FolderStorage
from agentkit.openrouter.ledger_storage import (
    CallKey,
    Entry,
    LedgerStorage,
    Stored,
    StoredRun,
)

Point = Literal[
    "before the request",
    "before the first byte",
    "at the head",
    "in the body",
    "after received",
    "in a download",
    "after keep",
    "after a download",
    "in a round",
    "in a transaction",
]


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a program kills itself, with SIGKILL."""

    point: Point
    request: int = 1
    """At which of its paid requests, from 1 on; or of its transactions, before it is committed."""


def now() -> NoReturn:
    """End this process as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


class DeadlyStorage:
    """The storage of a ledger, without the kinds of entries that are `dropped`."""

    def __init__(self, own: LedgerStorage, kill: Kill | None, dropped: frozenset[str]) -> None:
        self.own = own
        self._kill, self._dropped = kill, dropped
        self._requests = 0

    def append(self, key: CallKey, entries: Sequence[Entry], *, sync: bool) -> None:
        """Add entries to an attempt."""
        kinds = {each.kind for each in entries}
        self._requests += "request" in kinds
        self._die("before the request", "request" in kinds)
        kept = [each for each in entries if each.kind not in self._dropped]
        if kept:
            self.own.append(key, kept, sync=sync)
        self._die("before the first byte", "request" in kinds)
        self._die("at the head", "head" in kinds)
        self._die("in the body", "body" in kinds and "received" not in kinds)
        self._die("after received", "received" in kinds)
        self._die("after a download", "pictures" in kinds)

    def read(self, run: str, call: str | None = None, *, bodies: bool = True) -> Iterator[Stored]:
        """The entries of a run, or of one of its calls."""
        return self.own.read(run, call, bodies=bodies)

    def runs(self) -> Collection[StoredRun]:
        """All runs that have entries."""
        return self.own.runs()

    def delete(self, run: str, bodies_of: Collection[CallKey] | None = None) -> None:
        """Remove a run, or all entries of these attempts but the first."""
        self.own.delete(run, bodies_of)

    def _die(self, point: Point, is_there: bool) -> None:
        kill = self._kill
        if kill is not None and is_there and (kill.point, kill.request) == (point, self._requests):
            now()


class DeadlyStore(FileImageStore):
    """A folder of pictures in whose first draft the process dies."""

    at_keep = False

    def create(self) -> Draft:
        """A draft that kills."""
        return DeadlyDraft(super().create(), at_keep=self.at_keep)


class DeadlyDraft:
    """Dies once the first bytes of a picture are on the disk, or the whole of it."""

    def __init__(self, draft: Draft, *, at_keep: bool) -> None:
        self._draft, self._at_keep = draft, at_keep

    @property
    def size(self) -> int:
        return self._draft.size

    @property
    def sha256(self) -> str:
        return self._draft.sha256

    def write(self, data: bytes | memoryview) -> None:
        self._draft.write(data)
        if not self._at_keep:
            now()

    def read_back(self) -> BinaryIO:
        return self._draft.read_back()

    def keep(self) -> str:
        self._draft.keep()
        now()

    def discard(self) -> None:
        self._draft.discard()


def deadly_store(folder: Path, kill: Kill | None) -> FileImageStore:
    """The store of a program."""
    if kill is None or kill.point not in {"in a download", "after keep"}:
        return FileImageStore(folder)
    store = DeadlyStore(folder)
    store.at_keep = kill.point == "after keep"
    return store


def deadly_ledger(folder: Path, kill: Kill | None, dropped: frozenset[str]) -> Ledger:
    """The ledger of a program."""
    if kill is None and not dropped:
        return Ledger(folder)
    own = FolderStorage(folder)
    return Ledger(DeadlyStorage(own, kill, dropped), locks=FolderLocks(own))


def deadly_transactions(kill: Kill) -> None:
    """Die in a transaction of this process that writes, as the last thing before its end."""
    if kill.point != "in a transaction":
        return
    from sqlalchemy import Connection, Engine, event

    left = kill.request

    def die(_: Connection) -> None:
        nonlocal left
        left -= 1
        if not left:
            now()

    event.listen(Engine, "commit", die)
