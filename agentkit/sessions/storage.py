"""Conversations in the tables: loaded as a whole, and written turn by turn. Each function works in
the transaction that it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Connection, bindparam, select, update

from agentkit._log import logger
from agentkit.conversation_record import Stored
from agentkit.errors import SessionError
from agentkit.run import Run
from agentkit.sessions import rows
from agentkit.sessions.rows import MessageRow
from agentkit.sessions.statements import Statement
from agentkit.sessions.tables import (
    conversation_runs,
    conversations,
    decisions,
    messages,
    pictures,
    runs,
)
from agentkit.sessions.turns import PAGES
from agentkit.values import Api, Blobs, File, Image, ImageFailure, Message, Usage

_VERSION = Statement(select(conversations.c.version).where(conversations.c.id == bindparam("chat")))


def version_of(connection: Connection, chat: str) -> int | None:
    """The version of a conversation; None where it is not there."""
    return _VERSION.value(connection, {"chat": chat})


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
        things = things_of(connection, chat, blobs)
        spent, failures = _bills(connection, chat)
    except ValueError as error:
        raise SessionError(f"conversation {chat!r} cannot be read: {error}"[:300]) from None
    active = None
    if row["active"] is not None:
        try:
            active = _active(connection, row["active"], history, things, blobs)
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
        rows.pictures_among(things),
        spent,
        failures,
        active,
        damaged,
        rows.files_among(things),
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


def things_of(connection: Connection, chat: str, blobs: Blobs | None) -> tuple[Image | File, ...]:
    """The pictures and files of a conversation. Raises `ValueError` where they cannot be read."""
    found = connection.scalars(
        select(pictures.c.data)
        .where(pictures.c.conversation == chat, pictures.c.number < PAGES)
        .order_by(pictures.c.number, pictures.c.name)
    ).all()
    return rows.things_of(found, blobs)


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
    things: tuple[Image | File, ...],
    blobs: Blobs | None,
) -> Run:
    found = connection.execute(select(runs).where(runs.c.id == run)).mappings().one()
    added = connection.execute(
        select(messages).where(messages.c.run == run).order_by(messages.c.number)
    ).all()
    read = rows.messages_of([_message(row) for row in added], blobs)
    return rows.run_of(rows.run_row(cast("Mapping[str, Any]", found)), history, read, things, blobs)


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


def used_questions(connection: Connection, run: str) -> frozenset[str]:
    """The fingerprints of the questions of a run whose answers were used."""
    found = connection.scalars(select(decisions.c.fingerprint).where(decisions.c.run == run))
    return frozenset(found.all())
