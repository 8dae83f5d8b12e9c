"""Conversations in the tables: loaded as a whole, and written turn by turn. Each function works in
the transaction that it is given.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Connection, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agentkit._log import logger
from agentkit.conversation_record import Shown, Stored
from agentkit.errors import SessionError
from agentkit.run import Run
from agentkit.run.state import HANDLE
from agentkit.sessions import rows
from agentkit.sessions.rows import MessageRow
from agentkit.sessions.tables import (
    conversation_runs,
    conversations,
    decisions,
    messages,
    pictures,
    runs,
    stored_pictures,
)
from agentkit.values import Api, Blobs, Image, ImageFailure, Message, Usage

_MOST_AT_ONCE = 500
"""Rows of one statement: SQLite takes a bounded number of parameters."""


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
        "created_at": now,
        "changed_at": now,
    }
    put(connection, conversations, [values], changed=())


def version_of(connection: Connection, chat: str) -> int | None:
    """The version of a conversation; None where it is not there."""
    return connection.scalar(select(conversations.c.version).where(conversations.c.id == chat))


def load(connection: Connection, chat: str, blobs: Blobs | None) -> Stored | None:
    """A conversation; None where it is not there. Raises `SessionError` for one that cannot be
    read; a turn that is damaged is named in `damaged`, with those behind it.
    """
    found = connection.execute(select(conversations).where(conversations.c.id == chat)).mappings()
    row = found.one_or_none()
    if row is None:
        return None
    try:
        history, damaged = _history(connection, chat, blobs)
        images = _images(connection, chat, blobs)
        spent, failures = _bills(connection, chat)
    except ValueError as error:
        raise SessionError(f"conversation {chat!r} cannot be read: {error}"[:300]) from None
    active = None
    if row["active"] is not None:
        try:
            active = _active(connection, row["active"], history, images, blobs)
        except (SessionError, ValueError) as error:
            damaged = (*damaged, f"run {row['active']}: {error}"[:300])
    for each in damaged:
        logger().warning("session_damaged", conversation=chat, reason=each)
    return Stored(
        cast("Api", row["api"]),
        row["model"],
        row["session"],
        row["title"],
        row["owner"],
        row["handles"],
        history,
        images,
        spent,
        failures,
        active,
        damaged,
    )


def _history(
    connection: Connection, chat: str, blobs: Blobs | None
) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """The messages of the turns, up to one that is damaged, and what is."""
    joined = conversation_runs.join(messages, conversation_runs.c.run == messages.c.run)
    found = connection.execute(
        select(conversation_runs.c.turn, *messages.c)
        .select_from(joined)
        .where(conversation_runs.c.conversation == chat, conversation_runs.c.turn.is_not(None))
        .order_by(conversation_runs.c.turn, messages.c.number)
    ).all()
    try:
        return rows.messages_of([_message(row) for row in found], blobs), ()
    except ValueError:
        return _history_one_by_one(found, blobs)


def _history_one_by_one(
    found: Sequence[Any], blobs: Blobs | None
) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    whole: list[Message] = []
    damaged: list[str] = []
    for turn, group in groupby(found, key=itemgetter(0)):
        of_turn = list(group)
        run = of_turn[0].run
        if damaged:
            damaged.append(f"turn {turn} (run {run}) is behind it")
            continue
        try:
            whole += rows.messages_of([_message(row) for row in of_turn], blobs)
        except ValueError as error:
            damaged.append(f"turn {turn} (run {run}): {error}"[:300])
    return tuple(whole), tuple(damaged)


def _message(row: Any) -> MessageRow:
    return MessageRow(row.number, row.data, row.checksum)


def _images(connection: Connection, chat: str, blobs: Blobs | None) -> tuple[Image, ...]:
    found = connection.scalars(
        select(pictures.c.data)
        .where(pictures.c.conversation == chat)
        .order_by(pictures.c.number, pictures.c.name)
    ).all()
    return rows.pictures_of(found, blobs)


def _bills(
    connection: Connection, chat: str
) -> tuple[dict[str, tuple[Usage, ...]], dict[str, tuple[ImageFailure, ...]]]:
    """What the runs of a conversation cost, and which pictures of theirs could not be had."""
    joined = conversation_runs.join(runs, conversation_runs.c.run == runs.c.id)
    found = connection.execute(
        select(runs.c.id, runs.c.spent, runs.c.failures)
        .select_from(joined)
        .where(conversation_runs.c.conversation == chat)
        .order_by(runs.c.started_at)
    ).all()
    names = [row.id for row in found]
    spent = rows.usages_of([row.spent for row in found])
    failed = [row for row in found if row.failures != "[]"]
    failures = rows.failures_of([row.failures for row in failed])
    by_run = dict(zip([row.id for row in failed], failures, strict=True))
    return dict(zip(names, spent, strict=True)), by_run


def _active(
    connection: Connection,
    run: str,
    history: tuple[Message, ...],
    images: tuple[Image, ...],
    blobs: Blobs | None,
) -> Run:
    found = connection.execute(select(runs).where(runs.c.id == run)).mappings().one()
    added = connection.execute(
        select(messages).where(messages.c.run == run).order_by(messages.c.number)
    ).all()
    read = rows.messages_of([_message(row) for row in added], blobs)
    return rows.run_of(rows.run_row(cast("Mapping[str, Any]", found)), history, read, images, blobs)


def set_aside(connection: Connection, chat: str, stored: Stored) -> None:
    """Take the turns that are damaged out of the history. Their rows stay."""
    count = _turns_read(connection, chat, len(stored.messages))
    mine = conversation_runs.c.conversation == chat
    connection.execute(
        update(conversation_runs).where(mine, conversation_runs.c.turn >= count).values(turn=None)
    )
    changes: dict[str, Any] = {"turns": count}
    if stored.active is None:
        changes["active"] = None
    connection.execute(update(conversations).where(conversations.c.id == chat).values(**changes))


def _turns_read(connection: Connection, chat: str, read: int) -> int:
    """How many turns these messages are."""
    joined = conversation_runs.join(messages, conversation_runs.c.run == messages.c.run)
    turns = connection.scalars(
        select(conversation_runs.c.turn)
        .select_from(joined)
        .where(conversation_runs.c.conversation == chat, conversation_runs.c.turn.is_not(None))
        .order_by(conversation_runs.c.turn, messages.c.number)
    ).all()
    return len(set(turns[:read]))


def save(
    connection: Connection, chat: str, run: Run, before: Written | None, shown: Shown
) -> Written:
    """Write what is new of a run that is under way, or waits, apart from its pictures, and which
    API and model the next turn has. Returns what is written by now.
    """
    row = rows.row_of(run)
    now = time.time()
    values = {
        "status": row.status,
        "state": row.state,
        "spent": row.spent,
        "failures": row.failures,
        "started_at": row.started_at,
        "changed_at": now,
    }
    put(connection, runs, [{"id": run.id, **values}], changed=tuple(values))
    added = run.messages[run.start :]
    if before is None:
        part = {"conversation": chat, "run": run.id, "turn": None}
        put(connection, conversation_runs, [part], changed=())
        connection.execute(delete(messages).where(messages.c.run == run.id))
    known = () if before is None else before.messages
    changed, count = rows.changed_messages(known, added)
    if len(known) > count:
        connection.execute(
            delete(messages).where(messages.c.run == run.id, messages.c.number >= count)
        )
    wanted = [
        {"run": run.id, "number": each.number, "data": each.data, "checksum": each.checksum}
        for each in changed
    ]
    put(connection, messages, wanted, changed=("data", "checksum"))
    waiting = frozenset([each.fingerprint for each in run.waiting if each.fingerprint])
    if before is not None and before.waiting - waiting:
        used = [
            {"run": run.id, "fingerprint": each, "used_at": now}
            for each in sorted(before.waiting - waiting)
        ]
        put(connection, decisions, used, changed=())
    changes: dict[str, Any] = {
        "active": run.id,
        "handles": shown.handles,
        "api": shown.api,
        "model": shown.model,
    }
    _touch(connection, chat, **changes)
    return Written(run.id, added, waiting)


def written(run: Run) -> Written:
    """What is written of a run that was loaded."""
    waiting = frozenset([each.fingerprint for each in run.waiting if each.fingerprint])
    return Written(run.id, run.messages[run.start :], waiting)


def save_pictures(
    connection: Connection, chat: str, now: Iterable[Image], before: Iterable[Image]
) -> None:
    """Write the pictures of a conversation that are not written as they are now."""
    changed = record_pictures(connection, now, before)
    if not changed:
        return
    values = [
        {
            "conversation": chat,
            "name": image.name,
            "number": int(match[1]) if (match := HANDLE.match(image.name)) else 0,
            "sha256": image.sha256,
            "data": rows.picture_data(image),
        }
        for image in changed
    ]
    put(connection, pictures, values, changed=("sha256", "data"))


def record_pictures(
    connection: Connection, now: Iterable[Image], before: Iterable[Image]
) -> list[Image]:
    """Record that pictures are in the store, so that a sweep removes those that nobody names.
    Returns those that are not written as they are now.
    """
    known = {id(image) for image in before}
    changed = [image for image in now if id(image) not in known and image.sha256]
    # In one order, so that no two writers wait for each other; and first, since a sweep that looks
    # who names them waits for this.
    shas = sorted({image.sha256 for image in changed})
    kept = [{"sha256": each, "kept_at": time.time()} for each in shas]
    put(connection, stored_pictures, kept, changed=("kept_at",))
    return changed


def keep(connection: Connection, chat: str, run: Run, *, title: str) -> None:
    """Make a run that was saved the next turn of the conversation."""
    row = connection.execute(
        select(conversations.c.turns, conversations.c.title).where(conversations.c.id == chat)
    ).one()
    connection.execute(
        update(conversation_runs)
        .where(conversation_runs.c.conversation == chat, conversation_runs.c.run == run.id)
        .values(turn=row.turns)
    )
    changes: dict[str, Any] = {"turns": row.turns + 1, "active": None}
    if not row.title:
        changes["title"] = title
    connection.execute(update(conversations).where(conversations.c.id == chat).values(**changes))


def give_up(connection: Connection, chat: str) -> None:
    """The run that was under way is no turn: its pictures and its cost stay."""
    _touch(connection, chat, active=None)


def save_failures(connection: Connection, failures: Mapping[str, tuple[ImageFailure, ...]]) -> None:
    """Write which pictures of these runs could not be had."""
    for run, each in failures.items():
        row = rows.failures_data(each)
        connection.execute(update(runs).where(runs.c.id == run).values(failures=row))


def used_questions(connection: Connection, run: str) -> frozenset[str]:
    """The fingerprints of the questions of a run whose answers were used."""
    found = connection.scalars(select(decisions.c.fingerprint).where(decisions.c.run == run))
    return frozenset(found.all())


def _touch(connection: Connection, chat: str, **changes: Any) -> None:
    version = conversations.c.version + 1
    connection.execute(
        update(conversations)
        .where(conversations.c.id == chat)
        .values(version=version, changed_at=time.time(), **changes)
    )


def put(
    connection: Connection,
    table: Table,
    values: Sequence[Mapping[str, Any]],
    *,
    changed: Sequence[str],
) -> None:
    """Insert rows; of those that are there, change these columns, or nothing."""
    made = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    keys = [column.name for column in table.primary_key]
    for at in range(0, len(values), _MOST_AT_ONCE):
        statement = made(table)
        if changed:
            new = {name: statement.excluded[name] for name in changed}
            statement = statement.on_conflict_do_update(index_elements=keys, set_=new)
        else:
            statement = statement.on_conflict_do_nothing(index_elements=keys)
        connection.execute(statement, [dict(each) for each in values[at : at + _MOST_AT_ONCE]])
