"""A second future of a conversation. It has the runs and the pictures of the first one as lists:
neither a message nor a picture is copied.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from agentkit._check import check_number, refused
from agentkit.errors import UsageError
from agentkit.run.handles import HANDLE
from agentkit.sessions.catalogue import check_found, portions, read_json
from agentkit.sessions.names import check_name
from agentkit.sessions.tables import conversation_runs, conversations, pictures, runs
from agentkit.sessions.turns import FILES


def fork(
    connection: Connection,
    chat: str,
    new_id: str | None = None,
    *,
    turns: int | None = None,
    now: float,
) -> str:
    """Make a second future of a conversation, from its end or from after so many turns, and return
    its id. A turn that is under way, or waits, stays where it is.

    No handle of the one is ever given to another picture in the other. Raises `UsageError`.
    """
    row = _row(connection, "Sessions.fork", chat, new_id, now)
    kept: int = row["turns"]
    if turns is not None:
        check_number("Sessions.fork(turns={!r})", turns, whole=True, least=0, most=kept)
        kept = turns
    taken, left = _parted(connection, chat, kept, row["active"])
    row |= {"turns": kept, "active": None, "forked_at": kept}
    _insert(connection, "Sessions.fork", row, taken)
    _take_pictures(connection, chat, row["id"], _known_after(taken, left))
    return row["id"]


def rewind(
    connection: Connection,
    chat: str,
    turns: int | None = None,
    *,
    run: str | None = None,
    new_id: str | None = None,
    now: float,
) -> str:
    """Take what is behind so many turns, or a run and what is behind it, out of a conversation:
    into a fork that has the whole past, with the turn that waits or is under way. Returns the id of
    the fork.

    Nobody may write to the conversation meanwhile. Raises `UsageError`.
    """
    row = _row(connection, "Sessions.rewind", chat, new_id, now)
    before = connection.scalar(select(conversations.c.version).where(conversations.c.id == chat))
    if (turns is None) == (run is None):
        raise UsageError("Sessions.rewind(…): accepted is either turns= or run=")
    if turns is not None:
        most = row["turns"]
        check_number("Sessions.rewind(turns={!r})", turns, whole=True, least=0, most=most)
    taken, left = _parted(connection, chat, turns, row["active"], run)
    if run is not None and all(each.id != run for each in left):
        raise refused("Sessions.rewind(run={!r})", run, "is the id of a run of the conversation")
    kept = sum(each.turn is not None for each in taken)
    row["forked_at"] = kept
    _insert(connection, "Sessions.rewind", row, [*taken, *left])
    _take_pictures(connection, chat, row["id"], lambda _: True)
    _remove(connection, chat, left, _known_after(taken, left))
    changes = {"turns": kept, "active": None, "changed_at": now, "version": (before or 0) + 1}
    connection.execute(update(conversations).where(conversations.c.id == chat).values(changes))
    return row["id"]


def _row(
    connection: Connection, where: str, chat: str, new_id: str | None, now: float
) -> dict[str, Any]:
    """The row of a conversation, as one of a fork of it."""
    check_found(connection, f"{where}({{!r}})", chat)
    new = f"{chat[:150]}-{secrets.token_hex(4)}" if new_id is None else new_id
    check_name(f"{where}(new_id={{!r}})", new)
    query = select(conversations).where(conversations.c.id == chat)
    row = dict(connection.execute(query).mappings().one())
    changes = {"id": new, "version": 0, "forked_from": chat, "created_at": now, "changed_at": now}
    return row | changes


def _insert(
    connection: Connection, where: str, row: Mapping[str, Any], its_runs: Sequence[_Past]
) -> None:
    """Write a fork that has these runs."""
    new = row["id"]
    try:
        connection.execute(insert(conversations), [dict(row)])
    except IntegrityError:
        accepted = "is an id that no conversation has, or None for a new one"
        raise refused(f"{where}(new_id={{!r}})", new, accepted) from None
    parts = [{"conversation": new, "run": each.id, "turn": each.turn} for each in its_runs]
    if parts:
        connection.execute(insert(conversation_runs), parts)


def _remove(
    connection: Connection, chat: str, gone: Sequence[_Past], is_known: Callable[[int], bool]
) -> None:
    """Take these runs out of a conversation, and the pictures that are not known without them."""
    mine = conversation_runs.c.conversation == chat
    for some in portions([each.id for each in gone]):
        connection.execute(delete(conversation_runs).where(mine, conversation_runs.c.run.in_(some)))
    mine = pictures.c.conversation == chat
    numbers = connection.scalars(select(pictures.c.number).where(mine)).all()
    for some in portions([each for each in numbers if not is_known(each)]):
        connection.execute(delete(pictures).where(mine, pictures.c.number.in_(some)))


@dataclass(frozen=True, slots=True)
class _Past:
    """A run of a conversation, as far as a fork asks."""

    id: str
    turn: int | None
    handles: int
    """Handles up to this number were taken when it began, or was last gone on with."""
    arrived: frozenset[int]
    """The numbers of the pictures that came in it."""


def _parted(
    connection: Connection,
    chat: str,
    turns: int | None,
    active: str | None,
    first: str | None = None,
) -> tuple[list[_Past], list[_Past]]:
    """The runs up to the end of so many turns, or up to the `first` one that is left, and those
    after it, by the time when they began. One that was not kept belongs to the turn before it.
    """
    query = (
        select(runs.c.id, conversation_runs.c.turn, runs.c.state)
        .select_from(conversation_runs.join(runs, conversation_runs.c.run == runs.c.id))
        .where(conversation_runs.c.conversation == chat)
        .order_by(runs.c.started_at, conversation_runs.c.turn)
    )
    taken: list[_Past] = []
    left: list[_Past] = []
    is_behind = False
    for run, turn, state in connection.execute(query):
        if turns is None:
            is_behind = is_behind or run == first
        elif turn is not None:
            is_behind = turn >= turns
        (left if is_behind or run == active else taken).append(_past(run, turn, state))
    return taken, left


def _past(run: str, turn: int | None, state: str) -> _Past:
    told = read_json(state, dict[str, Any]())
    names = [HANDLE.match(str(each)) for each in read_json(told.get("arrived"), list[Any]())]
    handles = told.get("handles")
    return _Past(
        run,
        turn,
        handles if isinstance(handles, int) else 0,
        frozenset(int(name[1]) for name in names if name),
    )


def _known_after(taken: Sequence[_Past], left: Sequence[_Past]) -> Callable[[int], bool]:
    """Whether the picture with a number was there when the first run that is left behind began. A
    file always is.
    """
    if all(each.turn is None for each in left):  # a fork from the end has all pictures
        return lambda _: True
    highest = min(each.handles for each in left)
    surely = max((each.handles for each in taken), default=0)
    # A run that waited and went on says how many handles were taken then: some are its own.
    before = frozenset[int]().union(*(each.arrived for each in taken))
    later = frozenset[int]().union(*(each.arrived for each in left)) - before
    return lambda number: (
        number <= surely or number > FILES or (number <= highest and number not in later)
    )


def _take_pictures(
    connection: Connection, chat: str, new: str, is_known: Callable[[int], bool]
) -> None:
    query = select(pictures).where(pictures.c.conversation == chat)
    rows = [
        {**row, "conversation": new}
        for row in connection.execute(query).mappings()
        if is_known(row["number"])
    ]
    if rows:
        connection.execute(insert(pictures), rows)
