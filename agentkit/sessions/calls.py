"""A call ledger in the database: the storage and the locks of an `agentkit.Ledger`.

An attempt is a row of `calls`; its entries are rows of `entries`, counted from 0. An entry of more
than 1 MiB takes several rows, of which only the last one has facts. What `append` adds is one
transaction, so a process that dies leaves no entry half written.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
import zlib
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast, get_args
from urllib.parse import quote, unquote

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from agentkit.errors import LedgerError, SessionError
from agentkit.openrouter.ledger_storage import (
    CallKey,
    Damaged,
    Entry,
    EntryKind,
    Stored,
    StoredRun,
    run_busy,
)
from agentkit.sessions.database import Database
from agentkit.sessions.locks import Held
from agentkit.sessions.statements import Statement
from agentkit.sessions.tables import calls
from agentkit.sessions.tables import entries as rows

_KINDS: frozenset[str] = frozenset(get_args(EntryKind))
_LONGEST_ROW = 1 << 20
"""Bytes of data in one row."""
_PAGE = 64
"""Rows that are read at once."""
_LONGEST_NAME = 200
"""Characters of a name as it is stored: an index takes no more than 2,700 bytes a row."""
_DIGEST = "sha256-"
_UNSTORABLE = re.compile(r"[%\0\ud800-\udfff]")
"""What Postgres takes in no text, and the sign that escapes it."""


# Statements are made once: to make one takes longer than to carry it out.
_THIS = and_(
    calls.c.run == bindparam("of_run"),
    calls.c.call == bindparam("of_call"),
    calls.c.attempt == bindparam("of_attempt"),
)
_CLAIM = Statement(
    insert(calls).returning(calls.c.id), ("run", "call", "attempt", "size", "written_at")
)
_GROW = Statement(
    update(calls)
    .where(_THIS)
    .values(size=calls.c.size + bindparam("more"), written_at=bindparam("now"))
    .returning(calls.c.id)
)
_HIGHEST = Statement(select(func.max(rows.c.number)).where(rows.c.call == bindparam("of_call")))
_ADD = Statement(insert(rows), [each.name for each in rows.columns])
_DROP_REPLY = delete(rows).where(
    rows.c.call == select(calls.c.id).where(_THIS).scalar_subquery(), rows.c.kind != "request"
)
_SIZE = (
    select(
        func.coalesce(func.sum(func.length(rows.c.data)), 0)
        + func.coalesce(func.sum(func.length(rows.c.facts)), 0)
    )
    .where(rows.c.call == calls.c.id)
    .scalar_subquery()
)
_MEASURE = update(calls).where(_THIS).values(size=_SIZE)
_MEASURE_RUN = Statement(update(calls).where(calls.c.run == bindparam("of_run")).values(size=_SIZE))
_REQUESTS = Statement(
    select(calls.c.id, func.max(rows.c.number).label("last"))
    .select_from(calls.join(rows, calls.c.id == rows.c.call))
    .where(calls.c.run == bindparam("of_run"), rows.c.kind == "request")
    .group_by(calls.c.id)
)
_DROP_BEHIND = Statement(
    delete(rows).where(rows.c.call == bindparam("of_call"), rows.c.kind != "request")
)
_ATTEMPTS = select(calls.c.call, calls.c.attempt, calls.c.id).where(
    calls.c.run == bindparam("of_run")
)
_OF_RUN = Statement(_ATTEMPTS)
_OF_CALL = Statement(_ATTEMPTS.where(calls.c.call == bindparam("of_call")))


def _page(data: ColumnElement[bytes]) -> Statement:
    """Rows of a call, from one number on."""
    return Statement(
        select(rows.c.number, rows.c.kind, rows.c.facts, data, rows.c.checksum)
        .where(rows.c.call == bindparam("of_call"), rows.c.number >= bindparam("least"))
        .order_by(rows.c.number)
        .limit(_PAGE)
    )


_ROWS = _page(rows.c.data)
_ROWS_WITHOUT_BODIES = _page(
    case((rows.c.kind == "body", literal(b"", LargeBinary)), else_=rows.c.data)
)


class DatabaseCalls:
    """The entries of a ledger as rows of a database: a `LedgerStorage`."""

    def __init__(
        self, database: Database, *, check: Callable[[Connection, CallKey], None] | None = None
    ) -> None:
        """`check` is called in the transaction that begins an attempt, before anything is written,
        and may refuse it by an error.
        """
        self._database, self._check = database, check
        self._damaged: dict[int, int] = {}
        """The first row that cannot be read, of calls that have one."""

    def __repr__(self) -> str:
        return f"DatabaseCalls({self._database.name})"

    def append(self, key: CallKey, entries: Sequence[Entry], *, sync: bool) -> None:
        """See `LedgerStorage`."""
        added = [row for entry in entries for row in _rows_of(entry)]
        size = sum(row.size for row in added)
        with _told_as("write to"), self._database.writing(sync=sync) as connection:
            if entries[0].kind == "request":
                if self._check is not None:
                    self._check(connection, key)
                call, first = _claimed(connection, key, size), 0
            else:
                call = _found(connection, key, size)
                first = self._end_of(connection, call)
            new = [row.values(call, number) for number, row in enumerate(added, first)]
            _ADD.run_many(connection, new)
        self._damaged.pop(call, None)

    def _end_of(self, connection: Connection, call: int) -> int:
        """The number of the next row, once what cannot be read is set aside: under a negative
        number.
        """
        damaged = self._damaged.get(call)
        if damaged is not None:
            tail = and_(rows.c.call == call, rows.c.number >= damaged)
            lowest = select(func.min(rows.c.number)).where(rows.c.call == call)
            below = min(connection.execute(lowest).scalar_one(), 0)
            connection.execute(
                update(rows).where(tail).values(number=below - 1 - rows.c.number + damaged)
            )
        found = _HIGHEST.value(connection, {"of_call": call})
        return 0 if found is None else max(found + 1, 0)

    def read(self, run: str, call: str | None = None, *, bodies: bool = True) -> Iterator[Stored]:
        """See `LedgerStorage`."""
        for number, key in self._attempts(run, call):
            for found, entry in self._entries(number, key, bodies=bodies):
                if isinstance(entry, Damaged):
                    self._damaged[number] = entry.at
                yield found, entry

    def runs(self) -> list[StoredRun]:
        """See `LedgerStorage`."""
        query = select(
            calls.c.run, func.sum(calls.c.size), func.max(calls.c.written_at), func.min(calls.c.id)
        ).group_by(calls.c.run)
        with _told_as("read from"), self._database.reading() as connection:
            found = connection.execute(query).all()
        return [
            StoredRun(self._name(stored, first, "run"), int(size), written_at)
            for stored, size, written_at, first in found
        ]

    def delete(self, run: str, bodies_of: Collection[CallKey] | None = None) -> None:
        """See `LedgerStorage`."""
        with _told_as("write to"), self._database.writing(sync=False) as connection:
            if bodies_of is None:
                delete_runs(connection, [run])
                return
            for key in bodies_of:
                connection.execute(_DROP_REPLY, _at(key))
                connection.execute(_MEASURE, _at(key))

    def _attempts(self, run: str, call: str | None) -> list[tuple[int, CallKey]]:
        """The attempts of a run or a call, by call and attempt."""
        place = {"of_run": _stored(run)}
        if call is not None:
            place["of_call"] = _stored(call)
        with _told_as("read from"), self._database.reading() as connection:
            found = (_OF_RUN if call is None else _OF_CALL).rows(connection, place)
        return [
            (number, CallKey(run, self._name(name, number, "call"), attempt))
            for name, attempt, number in sorted(map(tuple, found))
        ]

    def _name(self, stored: str, call: int, fact: str) -> str:
        """The name of a run or a call. Of one that is too long for an index only the digest is
        stored; the name is in the facts of the request.
        """
        if not stored.startswith(_DIGEST):
            return unquote(stored, errors="surrogatepass")
        for _, entry in self._entries(call, CallKey("", "", 0), bodies=False):
            name = entry.facts.get(fact) if isinstance(entry, Entry) else None
            return name if isinstance(name, str) and _stored(name) == stored else stored
        return stored

    def _entries(self, call: int, key: CallKey, *, bodies: bool) -> Iterator[Stored]:
        """The entries of an attempt, up to one that is damaged."""
        pieces: list[bytes] = []
        kind, begins, following = "", 0, 0
        for number, row in self._rows(call, bodies=bodies):
            facts = row.read(number) if bodies or row.kind != "body" else row.unchecked()
            if number != following or facts is None or (pieces and row.kind != kind):
                break
            kind, following = row.kind, number + 1
            pieces.append(row.data)
            if row.facts:
                yield key, Entry(cast("EntryKind", kind), facts, b"".join(pieces))
                pieces, begins = [], following
        else:
            if begins and not pieces:
                return
        where = f"{self._database.name}: call {key}, row {begins} of its entries"
        yield key, Damaged(where, begins, is_cut=False, is_begun=begins > 0)

    def _rows(self, call: int, *, bodies: bool) -> Iterator[tuple[int, _Row]]:
        """The rows of an attempt. No transaction is open between two pages: whoever reads them may
        take its time.
        """
        query = _ROWS if bodies else _ROWS_WITHOUT_BODIES
        following = 0
        while True:
            with _told_as("read from"), self._database.reading() as connection:
                page = query.rows(connection, {"of_call": call, "least": following})
            for number, kind, facts, found, checksum in page:
                yield number, _Row(kind, facts, bytes(found), checksum)
            if len(page) < _PAGE:
                return
            following = page[-1][0] + 1


class DatabaseLocks:
    """The locks of a database as those of a ledger's runs: `RunLocks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lock(self, run: str) -> Callable[[], None]:
        """See `RunLocks`."""
        with _told_as("write to"):
            try:
                return self._database.locks.take(f"run {run}")
            except Held as held:
                raise run_busy(run, held.who) from None


def mark_kept(connection: Connection, run: str, turns: int) -> None:
    """Drop what a run that has ended, and is saved in this transaction, has itself. Its requests
    stay until a sweep, since later ones refer to them: see `ledger_sweep.mark_saved`.
    """
    found = _REQUESTS.rows(connection, {"of_run": _stored(run)})
    if not found:
        return
    _DROP_BEHIND.run_many(connection, [{"of_call": call} for call, _ in found])
    (saved,) = _rows_of(Entry("saved", {"turns": turns, "ended": True}))
    _ADD.run_many(connection, [saved.values(call, max(last + 1, 0)) for call, last in found])
    _MEASURE_RUN.run(connection, {"of_run": _stored(run)})


def delete_runs(connection: Connection, runs: Collection[str]) -> None:
    """Delete all that a ledger has of these runs."""
    gone = select(calls.c.id).where(calls.c.run.in_([_stored(each) for each in runs]))
    connection.execute(delete(rows).where(rows.c.call.in_(gone)))
    connection.execute(delete(calls).where(calls.c.id.in_(gone)))


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of `entries`: an entry, or a piece of one."""

    kind: str
    facts: str
    """JSON; empty where the entry goes on in the next row."""
    data: bytes
    checksum: int = 0

    @property
    def size(self) -> int:
        return len(self.facts) + len(self.data)

    def values(self, call: int, number: int) -> dict[str, Any]:
        """The columns, as they are written."""
        return {
            "call": call,
            "number": number,
            "kind": self.kind,
            "facts": self.facts,
            "data": self.data,
            "checksum": self._checksum(number),
        }

    def read(self, number: int) -> dict[str, Any] | None:
        """The facts, none if the entry goes on; None where the row is not as it was written."""
        return self.unchecked() if self.checksum == self._checksum(number) else None

    def unchecked(self) -> dict[str, Any] | None:
        """The same of a row whose data was not read."""
        if self.kind not in _KINDS:
            return None
        try:
            facts: object = json.loads(self.facts) if self.facts else {}
        except (ValueError, RecursionError):
            return None
        return cast("dict[str, Any]", facts) if isinstance(facts, dict) else None

    def _checksum(self, number: int) -> int:
        head = f"{number} {self.kind} {self.facts}\n"
        return zlib.crc32(self.data, zlib.crc32(head.encode("utf-8", "surrogatepass")))


def _rows_of(entry: Entry) -> Iterator[_Row]:
    facts = json.dumps(entry.facts, separators=(",", ":"))
    last = max(len(entry.data) - 1, 0) // _LONGEST_ROW * _LONGEST_ROW
    for start in range(0, last, _LONGEST_ROW):
        yield _Row(entry.kind, "", entry.data[start : start + _LONGEST_ROW])
    yield _Row(entry.kind, facts, entry.data[last:])


def _claimed(connection: Connection, key: CallKey, size: int) -> int:
    """The new row of an attempt. Raises `FileExistsError` where there is one."""
    try:
        return _CLAIM.value(connection, {**_place(key), "size": size, "written_at": time.time()})
    except (IntegrityError, sqlite3.IntegrityError):
        raise FileExistsError(f"attempt {key} was begun before") from None


def _found(connection: Connection, key: CallKey, size: int) -> int:
    """The row of an attempt, locked until the transaction ends, and larger by so many bytes."""
    found = _GROW.value(connection, {**_at(key), "more": size, "now": time.time()})
    if found is None:
        raise LedgerError(f"cannot write to the call ledger: attempt {key} was deleted")
    return found


def _place(key: CallKey) -> dict[str, Any]:
    """An attempt, as its row names it."""
    return {"run": _stored(key.run), "call": _stored(key.call), "attempt": key.attempt}


def _at(key: CallKey) -> dict[str, Any]:
    """The values of `_THIS`."""
    return {f"of_{name}": value for name, value in _place(key).items()}


def _stored(name: str) -> str:
    """A name as it is stored: itself, or the digest of a long one."""
    plain = _UNSTORABLE.sub(lambda found: quote(found[0], errors="surrogatepass"), name)
    if len(plain) <= _LONGEST_NAME and not plain.startswith(_DIGEST):
        return plain
    return _DIGEST + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def _told_as(doing: str) -> Generator[None]:
    """An error of the database's is one of the ledger's."""
    try:
        yield
    except SessionError as error:
        raise LedgerError(f"cannot {doing} the call ledger: {error}") from error
