"""What is removed: a conversation, and pictures that nobody names any more."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, select, true

from agentkit.images.store import ImageStore
from agentkit.sessions.calls import delete_runs
from agentkit.sessions.catalogue import check_found, portions
from agentkit.sessions.database import Database
from agentkit.sessions.tables import (
    calls,
    conversation_runs,
    conversations,
    decisions,
    entries,
    messages,
    pictures,
    runs,
    stored_pictures,
)
from agentkit.values.blobs import storing

DAY = 24 * 3600.0
_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")
_AT_ONCE = 20
"""Pictures that are removed in one transaction, for which other writers wait."""


def delete_chat(connection: Connection, chat: str) -> list[str]:
    """Delete a conversation: its messages, and what the call ledger has of its runs, but those that
    a fork has too. Returns the sha256 of each of its pictures that nobody names any more.

    Raises `UsageError` where it is not there. Nobody may write to it meanwhile.
    """
    check_found(connection, "Sessions.delete({!r})", chat)
    mine = pictures.c.conversation == chat
    shas = connection.scalars(select(pictures.c.sha256).where(mine).distinct()).all()
    connection.execute(delete(pictures).where(mine))
    parts = conversation_runs.c.conversation == chat
    names = connection.scalars(select(conversation_runs.c.run).where(parts)).all()
    connection.execute(delete(conversation_runs).where(parts))
    connection.execute(delete(conversations).where(conversations.c.id == chat))
    for some in portions(names):
        shared = select(conversation_runs.c.run).where(conversation_runs.c.run.in_(some))
        _delete_runs(connection, set(some).difference(connection.scalars(shared)))
    return _unnamed(connection, shas)


def _delete_runs(connection: Connection, gone: Collection[str]) -> None:
    for column in (messages.c.run, decisions.c.run, runs.c.id):
        connection.execute(delete(column.table).where(column.in_(gone)))
    delete_runs(connection, gone)


def kept_runs(connection: Connection) -> Sequence[str]:
    """Runs that were kept as turns, and of which the call ledger still has something: it was told
    so, or the process died before it was.
    """
    kept = select(conversation_runs.c.run).where(conversation_runs.c.turn.is_not(None))
    return connection.scalars(select(calls.c.run).where(calls.c.run.in_(kept)).distinct()).all()


def purge(database: Database, store: ImageStore, shas: Sequence[str]) -> int:
    """Remove those of these pictures from the store that nobody names. Returns how many there were.

    Raises `SessionError` and `StoreError`.
    """
    return _removed(database, store, shas, true())


def sweep(database: Database, store: ImageStore, now: float) -> int:
    """Remove from the store what this database has recorded once, no longer names, and what was
    last kept more than a day before `now`. Returns how many pictures were removed.

    The store may be shared: what this database never recorded is left alone. Raises `SessionError`
    and `StoreError`.
    """
    is_old = stored_pictures.c.kept_at < now - DAY
    is_named = exists().where(pictures.c.sha256 == stored_pictures.c.sha256)
    with database.reading() as connection:
        query = select(stored_pictures.c.sha256).where(is_old, ~is_named)
        found = connection.scalars(query).all()
    return _removed(database, store, found, is_old)


def _removed(
    database: Database, store: ImageStore, shas: Sequence[str], further: ColumnElement[bool]
) -> int:
    """Remove what is still not named of these."""
    count = 0
    for some in portions(shas, _AT_ONCE):
        with database.writing() as connection:
            # Whoever records one of these waits for this, or this for them, and sees its name.
            wanted = and_(stored_pictures.c.sha256.in_(some), further)
            query = select(stored_pictures.c.sha256).where(wanted).with_for_update()
            for sha256 in _unnamed(connection, connection.scalars(query).all()):
                with storing("delete from"):
                    count += store.delete(sha256)
                gone = delete(stored_pictures).where(stored_pictures.c.sha256 == sha256)
                connection.execute(gone)
    return count


def _unnamed(connection: Connection, shas: Collection[str]) -> list[str]:
    """Those of these pictures that are in no conversation, in no run that is under way (a
    sub-agent's are not in the conversation yet), and in no entry of the call ledger.
    """
    left = set(shas)
    for some in portions(sorted(left)):
        query = select(pictures.c.sha256).where(pictures.c.sha256.in_(some))
        left.difference_update(connection.scalars(query))
    if left:
        active = runs.join(conversations, conversations.c.active == runs.c.id)
        noted = select(entries.c.facts).where(entries.c.kind == "pictures")
        for query in (select(runs.c.state).select_from(active), noted):
            for text in connection.scalars(query):
                left.difference_update(_SHA256.findall(text))
    return sorted(left)
