"""A conversation as one file: exported with its pictures, and loaded as a new conversation."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from agentkit._files import write_whole
from agentkit._log import logger
from agentkit._version import __version__
from agentkit.conversation_record import Shown
from agentkit.errors import ImageError, SessionError, StoreError, UsageError
from agentkit.images.store import ImageStore
from agentkit.run import Run
from agentkit.sessions import rows, turns
from agentkit.sessions.archive_file import (
    LARGEST_CONVERSATION,
    MOST_FILES,
    Archive,
    archive,
    is_file,
    open_archive,
)
from agentkit.sessions.catalogue import not_found
from agentkit.sessions.database import Database
from agentkit.sessions.exported import Exported, ExportedRun, as_new, from_json, to_json
from agentkit.sessions.names import check_name
from agentkit.sessions.tables import (
    conversation_runs,
    conversations,
    messages,
    pictures,
    runs,
    stored_pictures,
)
from agentkit.values import File, Image
from agentkit.values.blobs import opened, read_some, storing
from agentkit.values.image_header import inspect

_ANY_SIZE = 1 << 62
_CHUNK = 1 << 16


def export(database: Database, store: ImageStore, chat: str, path: Path) -> tuple[str, ...]:
    """Write a conversation with its pictures to one file, whole or not at all. Returns what could
    not be put into it, in words: pictures whose bytes the store has lost, turns that are damaged.

    Raises `UsageError` for an id that no conversation has and a path that cannot be written,
    `SessionError` and `StoreError`.
    """
    check_name("Sessions.export({!r})", chat)
    with database.reading() as connection:
        exported, lost = _read(connection, chat)
    whole = {each.sha256: each for each in exported.pictures if _is_whole(store, each.sha256)}
    gone = [each for each in exported.pictures if each.sha256 not in whole]
    lost += [f"{'file' if isinstance(each, File) else 'picture'} {each.name}" for each in gone]
    data = to_json(exported)
    if len(data) > LARGEST_CONVERSATION or len(whole) > MOST_FILES - 2:
        raise SessionError(
            f"conversation {chat!r} is too large to be exported: {len(data)} bytes of text and "
            f"{len(whole)} pictures; fork an earlier turn of it"
        )
    if lost:
        logger().warning("export_incomplete", conversation=chat, missing=lost)
    files = {
        f"{_folder(each)}/{sha256}.{each.extension}": partial(_opened, store, sha256)
        for sha256, each in whole.items()
    }
    try:
        write_whole(path, archive(data, files))
    except OSError as error:
        raise UsageError(
            f"Sessions.export({str(path)!r}): accepted is the path of a file that can be written: "
            f"{error.strerror or error}"
        ) from None
    return tuple(lost)


def _read(connection: Connection, chat: str) -> tuple[Exported, list[str]]:
    """A conversation, and what of it is damaged."""
    row = connection.execute(select(conversations).where(conversations.c.id == chat)).one_or_none()
    if row is None:
        raise not_found("Sessions.export({!r})", chat)
    mine = (pictures.c.conversation == chat, pictures.c.number < turns.PAGES)
    data = select(pictures.c.data).where(*mine)
    found = connection.scalars(data.order_by(pictures.c.number)).all()
    lost: list[str] = []
    try:
        things = rows.things_of(found, None)
    except ValueError:
        raise SessionError(f"the pictures of conversation {chat!r} cannot be read") from None
    kept = _read_runs(connection, chat, lost)
    exported = Exported(
        chat,
        row.title,
        row.agent,
        row.api,
        row.model,
        row.handles,
        row.created_at,
        __version__,
        things,
        kept,
    )
    return exported, lost


def _read_runs(connection: Connection, chat: str, lost: list[str]) -> tuple[ExportedRun, ...]:
    """The runs of a conversation, up to a turn that is damaged."""
    query = (
        select(conversation_runs.c.turn, *runs.c)
        .select_from(conversation_runs.join(runs, conversation_runs.c.run == runs.c.id))
        .where(conversation_runs.c.conversation == chat)
        .order_by(conversation_runs.c.turn.nulls_last(), runs.c.started_at)
    )
    kept: list[ExportedRun] = []
    is_damaged = False
    for row in connection.execute(query).mappings():
        turn: int | None = row["turn"]
        try:
            if turn is not None and is_damaged:
                raise ValueError("an earlier turn is damaged")
            kept.append(
                ExportedRun(
                    turn, _read_run(connection, rows.run_row(cast("Mapping[str, Any]", row)))
                )
            )
        except (ValueError, SessionError) as error:
            what = f"run {row['id']}" if turn is None else f"turn {turn + 1}"
            lost.append(f"{what}: {error}"[:300])
            is_damaged = is_damaged or turn is not None
    return tuple(kept)


def _read_run(connection: Connection, row: rows.RunRow) -> Run:
    query = select(messages).where(messages.c.run == row.id).order_by(messages.c.number)
    added = [
        rows.MessageRow(each.number, each.data, each.checksum) for each in connection.execute(query)
    ]
    return rows.run_of(row, (), rows.messages_of(added, None), (), None)


def _folder(thing: Image | File) -> str:
    return "files" if isinstance(thing, File) else "images"


def _is_whole(store: ImageStore, sha256: str) -> bool:
    """Whether the store has the picture, as it was."""
    try:
        file = opened(store, sha256)
    except FileNotFoundError:
        return False
    digest = hashlib.sha256()
    with file:
        while chunk := read_some(file, _CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == sha256


def _opened(store: ImageStore, sha256: str) -> BinaryIO:
    try:
        return opened(store, sha256)
    except FileNotFoundError:
        raise StoreError(f"picture {sha256[:12]}… was removed while it was exported") from None


def load(
    database: Database,
    store: ImageStore,
    path: Path,
    *,
    chat: str | None = None,
    user: str | None = None,
    now: float,
) -> str:
    """Make a new conversation of a file that `export` has written, and return its id: `chat`, or
    the one that it had.

    Raises `UsageError` for an id that is there already, and for a file that was edited, is too
    large, or is none: nothing is loaded then. Raises `SessionError` and `StoreError`.
    """
    if user is not None:
        check_name("Sessions.load(user={!r})", user)
    if chat is not None:
        check_name("Sessions.load(new_id={!r})", chat)
    with open_archive(path) as file:
        exported = _read_archive(file)
        chat = exported.id if chat is None else chat
        check_name("Sessions.load(new_id={!r})", chat)
        _check_pictures(file)
        known = file.pictures
        loaded = as_new(exported, known, store)
        with database.writing() as connection:
            _check_free(connection, chat)
            kept = [{"sha256": each, "kept_at": now} for each in sorted(known)]
            turns.put(connection, stored_pictures, kept, changed=("kept_at",))
        for name in known.values():
            _keep(file, name, store)
    with database.writing() as connection:
        _check_free(connection, chat)
        _insert(connection, chat, loaded, user, now)
    return chat


def _read_archive(file: Archive) -> Exported:
    data = file.conversation()
    try:
        return from_json(data)
    except ValueError as error:
        why = " ".join(str(error).split("\n")[:3])[:200]
        raise file.no(f"conversation.json is not as agentkit writes it ({why})") from None


def _check_pictures(file: Archive) -> None:
    """Read each picture once, and keep none yet."""
    for sha256, name in file.pictures.items():
        digest = hashlib.sha256()
        for piece in file.pieces(name):
            digest.update(piece)
        if digest.hexdigest() != sha256:
            what = "file" if is_file(name) else "picture"
            raise file.no(f"{name} is another {what} than its name says")
        if is_file(name):
            continue
        try:
            with file.opened(name) as source:
                inspect(source, max_pixels=_ANY_SIZE)
        except ImageError as error:
            raise file.no(f"{name} is no picture: {error}") from None


def _keep(file: Archive, name: str, store: ImageStore) -> None:
    with storing("write to"):
        draft = store.create()
        try:
            for piece in file.pieces(name):
                draft.write(piece)
            draft.keep()
        finally:
            draft.discard()


def _check_free(connection: Connection, chat: str) -> None:
    if connection.scalar(select(conversations.c.id).where(conversations.c.id == chat)) is not None:
        raise _exists(chat)


def _exists(chat: str) -> UsageError:
    return UsageError(
        f"Sessions.load(new_id={chat!r}): accepted is an id that no conversation has; load it "
        "under another one, load(path, new_id=…)"
    )


def _insert(
    connection: Connection, chat: str, loaded: Exported, user: str | None, now: float
) -> None:
    values = {
        "id": chat,
        "owner": user,
        "title": loaded.title,
        "agent": loaded.agent,
        "api": loaded.api,
        "model": loaded.model,
        "session": f"agentkit-{secrets.token_hex(8)}",
        "created_at": loaded.created_at,
        "changed_at": now,
    }
    try:
        connection.execute(insert(conversations), [values])
    except IntegrityError:
        raise _exists(chat) from None
    shown = Shown((), loaded.handles, loaded.api, loaded.model)
    for each in loaded.runs:
        is_turn = each.turn is not None
        turns.save(connection, chat, each.run, None, shown, is_turn=is_turn, title=loaded.title)
    turns.save_pictures(connection, chat, loaded.pictures, ())
