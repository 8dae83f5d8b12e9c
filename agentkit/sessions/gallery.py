"""Whose a picture is. Each function works in the transaction that it is given."""

from __future__ import annotations

import time
from typing import TypeVar

from sqlalchemy import Connection, select

from agentkit._check import check_optional
from agentkit.images.store import check_sha256
from agentkit.sessions import rows
from agentkit.sessions.names import check_name
from agentkit.sessions.tables import conversations, pictures, stored_pictures
from agentkit.sessions.turns import PAGES, put
from agentkit.values import Blobs, File, Image

ThingT = TypeVar("ThingT", Image, File)
_USER = "Sessions.find_picture(user={!r})"
_MOST = 20
"""Rows of one picture that are read: it may be in any number of conversations."""


def find(
    connection: Connection,
    sha256: str,
    user: str | None,
    blobs: Blobs,
    kind: type[ThingT],
) -> ThingT | None:
    """The picture or file, as a conversation of this user has it; with None, any conversation."""
    check_sha256(sha256)
    check_optional(_USER, user, str, "a name, or None")
    shown = (pictures.c.sha256 == sha256, pictures.c.number < PAGES)
    query = select(pictures.c.data).where(*shown).limit(_MOST)
    if user is not None:
        owner = check_name(_USER, user)
        query = query.join(conversations, conversations.c.id == pictures.c.conversation)
        query = query.where(conversations.c.owner == owner)
    for data in connection.scalars(query):
        try:
            found = rows.things_of([data], blobs)[0]
        except ValueError:  # this row is damaged; another conversation may have a whole one
            continue
        if isinstance(found, kind):
            return found
    return None


def note(connection: Connection, thing: Image | File) -> None:
    """Record that a picture or file is in the store, which no conversation has yet."""
    row = {"sha256": check_sha256(thing.sha256), "kept_at": time.time()}
    put(connection, stored_pictures, [row], changed=("kept_at",))
