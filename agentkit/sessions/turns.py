"""What is written of a turn: its run, its messages, its pictures. Each function works in the
transaction that it is given, with statements that are made once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    Text,
    bindparam,
    case,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from agentkit.conversation_record import Shown
from agentkit.run import Run
from agentkit.run.handles import FILE_HANDLE, HANDLE
from agentkit.sessions import rows
from agentkit.sessions.statements import Statement
from agentkit.sessions.tables import (
    conversation_runs,
    conversations,
    decisions,
    messages,
    pictures,
    runs,
    stored_pictures,
)
from agentkit.values import Api, BlobRef, File, Image, ImageFailure, Message

_HERE = conversations.c.id == bindparam("chat")
_CHANGED: dict[str, Any] = {
    "version": conversations.c.version + 1,
    "changed_at": bindparam("now"),
    "handles": bindparam("new_handles"),
    "api": bindparam("new_api"),
    "model": bindparam("new_model"),
}
_TITLE: ColumnElement[str] = case(
    (conversations.c.title == "", bindparam("new_title", type_=Text)),
    else_=conversations.c.title,
)
_GOES_ON = Statement(
    update(conversations)
    .where(_HERE)
    .values(active=bindparam("run"), title=_TITLE, **_CHANGED)
    .returning(conversations.c.version)
)
_GIVE_UP = Statement(
    update(conversations)
    .where(_HERE)
    .values(active=None, title=_TITLE, **_CHANGED)
    .returning(conversations.c.version)
)
_KEEP = Statement(
    update(conversations)
    .where(_HERE)
    .values(
        active=None,
        turns=conversations.c.turns + 1,
        title=_TITLE,
        **_CHANGED,
    )
    .returning(conversations.c.version)
)
_IS_A_TURN = Statement(
    update(conversation_runs)
    .where(
        conversation_runs.c.conversation == bindparam("chat"),
        conversation_runs.c.run == bindparam("of_run"),
    )
    .values(turn=select(conversations.c.turns).where(_HERE).scalar_subquery())
)
_DROP_MESSAGES = Statement(
    delete(messages).where(
        messages.c.run == bindparam("of_run"), messages.c.number >= bindparam("least")
    )
)
_RUN_COLUMNS = ("status", "state", "spent", "failures", "started_at", "changed_at")


@dataclass(frozen=True, slots=True)
class Begun:
    """What a conversation begins with."""

    id: str
    api: Api
    model: str
    session: str
    owner: str | None = None
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written of a run, so that the next time only what is new is."""

    run: str
    messages: tuple[Message, ...] = ()
    waiting: frozenset[str] = frozenset()
    """The fingerprints of the questions that it waited with."""


def begin(connection: Connection, begun: Begun) -> None:
    """Make the conversation, if it is not there."""
    now = time.time()
    values = {
        "id": begun.id,
        "owner": begun.owner,
        "agent": begun.agent,
        "api": begun.api,
        "model": begun.model,
        "session": begun.session,
        "title": "",
        "handles": 0,
        "turns": 0,
        "version": 0,
        "created_at": now,
        "changed_at": now,
    }
    put(connection, conversations, [values], changed=())


def save(
    connection: Connection,
    chat: str,
    run: Run,
    before: Written | None,
    shown: Shown,
    *,
    is_turn: bool | None = None,
    title: str,
) -> tuple[Written, int]:
    """Write what is new of a run, apart from its pictures, and which API and model the next turn
    has. With `is_turn`, the run has ended: it is the next turn, or is none. A conversation without
    a title gets this one.

    Returns what is written by now, and the version of the conversation.
    """
    _save_run(connection, chat, run, before)
    values: dict[str, Any] = {
        "chat": chat,
        "now": time.time(),
        "new_handles": shown.handles,
        "new_api": shown.api,
        "new_model": shown.model,
        "new_title": title,
    }
    if is_turn is None:
        statement, values["run"] = _GOES_ON, run.id
    elif is_turn:
        _IS_A_TURN.run(connection, {"chat": chat, "of_run": run.id})
        statement = _KEEP
    else:
        statement = _GIVE_UP
    return written(run), statement.value(connection, values)


def _save_run(connection: Connection, chat: str, run: Run, before: Written | None) -> None:
    now = time.time()
    known = () if before is None else before.messages
    row, changed = rows.rows_of(run, known)
    values = {
        "id": row.id,
        "status": row.status,
        "state": row.state,
        "spent": row.spent,
        "failures": row.failures,
        "started_at": row.started_at,
        "changed_at": now,
    }
    is_new = before is None and _put_of(connection, runs, values).count(connection, values) == 1
    if not is_new:
        put(connection, runs, [values], changed=_RUN_COLUMNS)
    if before is None:
        part = {"conversation": chat, "run": run.id, "turn": None}
        put(connection, conversation_runs, [part], changed=())
    count = len(run.added)
    if not is_new and (before is None or len(known) > count):
        least = count if before is not None else 0
        _DROP_MESSAGES.run(connection, {"of_run": run.id, "least": least})
    wanted = [
        {"run": run.id, "number": each.number, "data": each.data, "checksum": each.checksum}
        for each in changed
    ]
    put(connection, messages, wanted, changed=("data", "checksum"))
    if before is not None and (used := before.waiting - _questions(run)):
        answered = [{"run": run.id, "fingerprint": each, "used_at": now} for each in sorted(used)]
        put(connection, decisions, answered, changed=())


def _questions(run: Run) -> frozenset[str]:
    """The fingerprints of the questions that a run waits with."""
    return frozenset([each.fingerprint for each in run.waiting if each.fingerprint])


def written(run: Run) -> Written:
    """What the rows of a run hold, once it was saved."""
    return Written(run.id, run.added, _questions(run))


def read(connection: Connection, run: Run) -> Written:
    """What they hold of one that was loaded: it may have grown by a message since, which says that
    calls are not run.
    """
    count = connection.scalar(select(func.count()).where(messages.c.run == run.id)) or 0
    return Written(run.id, run.added[:count], _questions(run))


def save_pictures(
    connection: Connection,
    chat: str,
    now: Iterable[Image | File],
    before: Iterable[Image | File],
    pages: Iterable[str] = (),
) -> None:
    """Write the pictures and files of a conversation that are not written as they are now, and the
    sha256 of `pages`.
    """
    found = sorted(set(pages))
    changed = record_pictures(connection, now, before, found)
    _save_pages(connection, chat, found)
    if not changed:
        return
    values = [
        {
            "conversation": chat,
            "name": each.name,
            "number": _number(each.name),
            "sha256": each.sha256,
            "data": rows.picture_data(each),
        }
        for each in changed
    ]
    put(connection, pictures, values, changed=("sha256", "data"))


FILES = 1_000_000_000
"""What is added to the number of a file: the rows of pictures and files are in one table."""
PAGES = 2 * FILES
"""The number of a picture that was read out of a file: it has no handle, and nobody looks at it."""
_NO_DATA = "null"


def pages_of(run: Run, before: Written | None) -> frozenset[str]:
    """The sha256 of the pictures that were read out of files, in what is new of a run."""
    added = [each for each in run.added if each.parsed]
    known = set[int]()
    if added and before is not None:
        known = {id(each) for each in before.messages}
    items = [each.item for message in added if id(message) not in known for each in message.parsed]
    return frozenset(piece.sha256 for item in items for piece in item if isinstance(piece, BlobRef))


def _save_pages(connection: Connection, chat: str, pages: Sequence[str]) -> None:
    values = [
        {
            "conversation": chat,
            "name": f"page_{each[:15]}",
            "number": PAGES,
            "sha256": each,
            "data": _NO_DATA,
        }
        for each in pages
    ]
    put(connection, pictures, values, changed=())


def _number(handle: str) -> int:
    if match := FILE_HANDLE.match(handle):
        return FILES + int(match[1])
    return int(match[1]) if (match := HANDLE.match(handle)) else 0


def record_pictures(
    connection: Connection,
    now: Iterable[Image | File],
    before: Iterable[Image | File],
    pages: Iterable[str] = (),
) -> list[Image | File]:
    """Record that pictures and files are in the store, and `pages` of files, so that a sweep
    removes those that nobody names. Returns those that are not written as they are now.
    """
    known = {id(each) for each in before}
    changed = [each for each in now if id(each) not in known and each.sha256]
    # In one order, so that no two writers wait for each other; and first, since a sweep that looks
    # who names them waits for this.
    shas = sorted({each.sha256 for each in changed}.union(pages))
    kept = [{"sha256": each, "kept_at": time.time()} for each in shas]
    put(connection, stored_pictures, kept, changed=("kept_at",))
    return changed


def save_failures(connection: Connection, failures: Mapping[str, tuple[ImageFailure, ...]]) -> None:
    """Write which pictures of these runs could not be had."""
    for run, each in failures.items():
        row = rows.failures_data(each)
        connection.execute(update(runs).where(runs.c.id == run).values(failures=row))


def put(
    connection: Connection,
    table: Table,
    values: Sequence[Mapping[str, Any]],
    *,
    changed: Sequence[str],
) -> None:
    """Insert rows; of those that are there, change these columns, or nothing."""
    if values:  # each row is a statement of its own, so any number is accepted
        _put_of(connection, table, values[0], tuple(changed)).run_many(connection, values)


def _put_of(
    connection: Connection, table: Table, values: Mapping[str, Any], changed: tuple[str, ...] = ()
) -> Statement:
    return _put(table, connection.dialect.name, tuple(values), changed)


@lru_cache(maxsize=64)
def _put(
    table: Table, dialect: str, columns: tuple[str, ...], changed: tuple[str, ...]
) -> Statement:
    made = postgresql.insert if dialect == "postgresql" else sqlite.insert
    keys = [column.name for column in table.primary_key]
    statement = made(table)
    if not changed:
        return Statement(statement.on_conflict_do_nothing(index_elements=keys), columns)
    new = {name: statement.excluded[name] for name in changed}
    return Statement(statement.on_conflict_do_update(index_elements=keys, set_=new), columns)
