"""The past of a conversation, run by run: those that are its turns, and those that failed, wait or
go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, and_, select

from agentkit._log import logger
from agentkit.errors import SessionError
from agentkit.run import Run
from agentkit.sessions import rows, storage
from agentkit.sessions.rows import MessageRow
from agentkit.sessions.tables import conversation_runs, conversations, messages, runs
from agentkit.values import Blobs


@dataclass(frozen=True, slots=True)
class SavedRun:
    """One run of a conversation, as it was written down."""

    run: Run
    """Its own messages, the prompt first, and none of those before it (`start` is 0). `images` are
    all those of the conversation.
    """
    turn: int | None
    """Which turn it is, from 0 on; None where it is none: it failed, was given up, waits for a
    person, or is under way.
    """
    is_active: bool = False
    """Whether it waits for a person, or is under way, or was when its process died."""


def runs_of(
    connection: Connection, chat: str, blobs: Blobs | None, *, only: str | None = None
) -> tuple[SavedRun, ...]:
    """Every run of a conversation, in the order in which they began; with `only`, the one with this
    id. One that cannot be read is left out. Raises `SessionError` where the pictures cannot be
    read.
    """
    active = connection.scalar(select(conversations.c.active).where(conversations.c.id == chat))
    joined = conversation_runs.join(runs, conversation_runs.c.run == runs.c.id)
    found = connection.execute(
        select(conversation_runs.c.turn, *runs.c)
        .select_from(joined)
        .where(_wanted(chat, only))
        .order_by(runs.c.started_at, conversation_runs.c.turn)
    ).mappings()
    said = _messages(connection, chat, only)
    try:
        things = storage.things_of(connection, chat, blobs)
    except ValueError as error:
        raise SessionError(f"conversation {chat!r} cannot be read: {error}"[:300]) from None
    past: list[SavedRun] = []
    for row in found:
        try:
            added = rows.messages_of(said.get(row["id"], ()), blobs)
            plain = cast("Mapping[str, Any]", row)
            run = rows.run_of(rows.run_row(plain), (), added, things, blobs)
        except (SessionError, ValueError) as error:
            logger().warning("session_damaged", conversation=chat, reason=str(error)[:300])
            continue
        past.append(SavedRun(run, row["turn"], run.id == active))
    return tuple(past)


def _wanted(chat: str, only: str | None) -> ColumnElement[bool]:
    """All runs of a conversation, or one of them."""
    wanted = conversation_runs.c.conversation == chat
    return wanted if only is None else and_(wanted, conversation_runs.c.run == only)


def _messages(
    connection: Connection, chat: str, only: str | None
) -> Mapping[str, Sequence[MessageRow]]:
    """The rows of the messages of these runs, by run."""
    joined = conversation_runs.join(messages, conversation_runs.c.run == messages.c.run)
    found = connection.execute(
        select(messages.c.run, messages.c.number, messages.c.data, messages.c.checksum)
        .select_from(joined)
        .where(_wanted(chat, only))
        .order_by(messages.c.run, messages.c.number)
    )
    said: dict[str, list[MessageRow]] = {}
    for run, number, data, checksum in found:
        said.setdefault(run, []).append(MessageRow(number, data, checksum))
    return said
