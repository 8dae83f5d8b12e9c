"""The conversations of a database as a list: pages of it, searched, and one of them renamed. Each
function works in the transaction that it is given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any, Literal, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Text,
    and_,
    func,
    or_,
    select,
    update,
)
from sqlalchemy import cast as as_type

from agentkit._check import check_number, check_text, refused
from agentkit.errors import UsageError
from agentkit.sessions.names import LONGEST_TITLE, check_name, is_one_line
from agentkit.sessions.tables import conversation_runs, conversations, messages, runs
from agentkit.values import Api

Status = Literal["idle", "running", "waiting"]
T = TypeVar("T")
MOST_LISTED = 1_000
_PLAIN = re.compile(r"[a-z0-9 ]+", re.ASCII)
"""What is written in one way only: no escape of JSON, and capitals that any database knows."""
_LONGEST_PLAIN = 100
_PAGE = 500
"""Conversations that are searched at once."""
_AT_ONCE = 500
"""Values in one statement: SQLite takes a bounded number."""


@dataclass(frozen=True, slots=True)
class SavedChat:
    """A conversation as a list shows it."""

    id: str
    title: str
    """As it was renamed; else the first words of its first prompt."""
    user: str | None
    """Whom it belongs to, if that was told."""
    agent: str
    """The agent's name."""
    model: str
    turns: int
    """How many turns were kept."""
    created_at: float
    """Unix time in seconds."""
    changed_at: float
    """Unix time in seconds."""
    cost_usd: float | None
    """USD that its requests told, those of turns that failed included; None if none told it."""
    status: Status
    """`waiting`: a turn waits for a person. `running`: one is under way, or was when its process
    died.
    """
    forked_from: str | None = None
    """The conversation that it was forked from, which may be deleted by now."""
    forked_at: int | None = None
    """How many turns of that one it began with."""
    api: Api = "chat"
    """Through which its next turn is asked."""


def check_found(connection: Connection, where: str, chat: str) -> None:
    """Raise `UsageError` where there is no such conversation. If there is, it stays until the
    transaction ends.
    """
    query = select(conversations.c.id).where(conversations.c.id == check_name(where, chat))
    if connection.scalar(query.with_for_update()) is None:
        raise not_found(where, chat)


def not_found(where: str, chat: str) -> UsageError:
    """The error for an id that no conversation has."""
    return refused(where, chat, "is the id of a saved conversation: see Sessions.list()")


def listed(
    connection: Connection,
    *,
    search: str | None = None,
    user: str | None = None,
    after: str | SavedChat | None = None,
    limit: int = 50,
    forked_from: str | None = None,
) -> list[SavedChat]:
    """Conversations, the one that changed last first.

    `search` is looked for in titles and in the words of prompts and answers, whether in capitals or
    not. `user` leaves those of others out, `forked_from` all but the forks of one. `after` is the
    last one of the page before. Raises `UsageError` for an argument that is not accepted.
    """
    check_number("Sessions.list(limit={!r})", limit, whole=True, least=1, most=MOST_LISTED)
    query = select(conversations).order_by(conversations.c.changed_at.desc(), conversations.c.id)
    if user is not None:
        query = query.where(conversations.c.owner == check_name("Sessions.list(user={!r})", user))
    if forked_from is not None:
        check_name("Sessions.list(forked_from={!r})", forked_from)
        query = query.where(conversations.c.forked_from == forked_from)
    if after is not None:
        query = query.where(_behind(connection, after))
    if search is None:
        rows = connection.execute(query.limit(limit)).mappings().all()
    else:
        check_text("Sessions.list(search={!r})", search)
        rows = list(_matching(connection, query, search.lower(), limit))
    ids = [row["id"] for row in rows]
    costs, statuses = _costs(connection, ids), _statuses(connection, ids)
    return [_saved_chat(row, costs.get(row["id"]), statuses.get(row["id"])) for row in rows]


def found(connection: Connection, chat: str, user: str | None = None) -> SavedChat | None:
    """The conversation with this id; None where there is none, or it is not that user's."""
    check_name("Sessions.find({!r})", chat)
    query = select(conversations).where(conversations.c.id == chat)
    if user is not None:
        query = query.where(conversations.c.owner == check_name("Sessions.find(user={!r})", user))
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    costs, statuses = _costs(connection, [chat]), _statuses(connection, [chat])
    return _saved_chat(row, costs.get(chat), statuses.get(chat))


def rename(connection: Connection, chat: str, title: str) -> None:
    """Give a conversation another title. Raises `UsageError`."""
    where = "Sessions.rename(title={!r})"
    check_text(where, title)
    if len(title) > LONGEST_TITLE or not is_one_line(title):
        accepted = f"is one line of at most {LONGEST_TITLE} characters"
        raise refused(where, title, accepted)
    check_found(connection, "Sessions.rename({!r})", chat)
    connection.execute(update(conversations).where(conversations.c.id == chat).values(title=title))


def _saved_chat(row: RowMapping, cost: float | None, status: str | None) -> SavedChat:
    shown: Status = "idle" if status is None else "waiting" if status == "paused" else "running"
    return SavedChat(
        id=row["id"],
        title=row["title"],
        user=row["owner"],
        agent=row["agent"],
        model=row["model"],
        turns=row["turns"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        cost_usd=cost,
        status=shown,
        forked_from=row["forked_from"],
        forked_at=row["forked_at"],
        api=row["api"],
    )


def _behind(connection: Connection, after: str | SavedChat) -> ColumnElement[bool]:
    """Whether a conversation comes after this one in a list."""
    if isinstance(after, SavedChat):
        chat, changed_at = after.id, after.changed_at
    else:
        where = "Sessions.list(after={!r})"
        chat = check_name(where, after)
        query = select(conversations.c.changed_at).where(conversations.c.id == chat)
        changed_at = connection.scalar(query)
        if changed_at is None:
            raise refused(where, chat, "is a SavedChat of the page before, or its id")
    return or_(
        conversations.c.changed_at < changed_at,
        and_(conversations.c.changed_at == changed_at, conversations.c.id > chat),
    )


def _costs(connection: Connection, ids: Sequence[str]) -> dict[str, float]:
    costs: dict[str, list[float]] = {}
    for some in portions(ids):
        joined = conversation_runs.join(runs, conversation_runs.c.run == runs.c.id)
        query = (
            select(conversation_runs.c.conversation, runs.c.spent)
            .select_from(joined)
            .where(conversation_runs.c.conversation.in_(some))
        )
        for chat, spent in connection.execute(query):
            usages = read_json(spent, list[Any]())
            told = [cost for each in usages if (cost := _cost(each)) is not None]
            if told:
                costs.setdefault(chat, []).extend(told)
    return {chat: fsum(each) for chat, each in costs.items()}


def _cost(usage: object) -> float | None:
    """What a request cost, of its usage in JSON."""
    found = read_json(usage, dict[str, Any]()).get("cost_usd")
    return float(found) if isinstance(found, float | int) else None


def _statuses(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """The status of the run that a conversation has under way."""
    found: dict[str, str] = {}
    for some in portions(ids):
        query = (
            select(conversations.c.id, runs.c.status)
            .select_from(conversations.join(runs, conversations.c.active == runs.c.id))
            .where(conversations.c.id.in_(some))
        )
        found.update((row.id, row.status) for row in connection.execute(query))
    return found


def _matching(
    connection: Connection, query: Select[Any], wanted: str, limit: int
) -> Iterator[RowMapping]:
    """The first conversations in whose title or words the text is found."""
    at, found = 0, 0
    while page := connection.execute(query.limit(_PAGE).offset(at)).mappings().all():
        at += len(page)
        named = {row["id"] for row in page if wanted in row["title"].lower()}
        others = [row["id"] for row in page if row["id"] not in named]
        if others:
            named |= _with_words(connection, others, wanted)
        for row in page:
            if row["id"] in named:
                yield row
                found += 1
                if found == limit:
                    return


def _with_words(connection: Connection, ids: Sequence[str], wanted: str) -> set[str]:
    """Those conversations in whose messages the text is found. The database leaves out messages
    without its longest plain piece; the words of the rest are read.
    """
    joined = conversation_runs.join(messages, conversation_runs.c.run == messages.c.run)
    query = (
        select(conversation_runs.c.conversation, messages.c.data)
        .select_from(joined)
        .where(conversation_runs.c.conversation.in_(ids), conversation_runs.c.turn.is_not(None))
    )
    plain = max(_PLAIN.findall(wanted), key=len, default="")[:_LONGEST_PLAIN]
    if plain:
        # Bytes that are no text, of a damaged row, are no error in either.
        if connection.dialect.name == "postgresql":
            # Without the fence it looks for the text in all messages, for each page anew.
            inner = query.offset(0).subquery()
            query = select(inner.c.conversation, inner.c.data)
            text = func.encode(inner.c.data, "escape")
        else:
            text = as_type(messages.c.data, Text)
        query = query.where(func.lower(text).contains(plain, autoescape=True))
    query = query.execution_options(yield_per=100)
    found: set[str] = set()
    for chat, data in connection.execute(query):
        if chat not in found and wanted in _words(data).lower():
            found.add(chat)
    return found


def _words(data: bytes) -> str:
    """What a message says, of its JSON; nothing of one that is damaged."""
    said: list[str] = []
    for each in read_json(read_json(data, dict[str, Any]()).get("parts"), list[Any]()):
        part = read_json(each, dict[str, Any]())
        if part.get("kind") == "text":
            said.append(str(part.get("text")))
    return "\n".join(said)


def portions(values: Sequence[T], size: int = _AT_ONCE) -> Iterator[Sequence[T]]:
    """These values, so many at once as one statement takes."""
    for at in range(0, len(values), size):
        yield values[at : at + size]


def read_json(value: object, otherwise: T) -> T:
    """The value, read if it is JSON; `otherwise` for what cannot be read, or is of another kind."""
    found = value
    if isinstance(value, str | bytes):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return otherwise
    return found if isinstance(found, type(otherwise)) else otherwise
