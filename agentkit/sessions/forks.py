"""A second future of a conversation. It has the runs and the pictures of the first one as lists:
neither a message nor a picture is copied.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from agentkit._check import check_number, refused
from agentkit.run.state import HANDLE
from agentkit.sessions.catalogue import check_found, read_json
from agentkit.sessions.names import check_name
from agentkit.sessions.tables import conversation_runs, conversations, pictures, runs


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
    new = f"{chat[:150]}-{secrets.token_hex(4)}" if new_id is None else new_id
    check_name("Sessions.fork(new_id={!r})", new)
    check_found(connection, "Sessions.fork({!r})", chat)
    query = select(conversations).where(conversations.c.id == chat)
    row = dict(connection.execute(query).mappings().one())
    kept: int = row["turns"]
    if turns is not None:
        check_number("Sessions.fork(turns={!r})", turns, whole=True, least=0, most=kept)
        kept = turns
    taken, left = _parted(connection, chat, kept, row["active"])
    row |= {
        "id": new,
        "turns": kept,
        "active": None,
        "version": 0,
        "created_at": now,
        "changed_at": now,
        "forked_from": chat,
        "forked_at": kept,
    }
    try:
        connection.execute(insert(conversations), [row])
    except IntegrityError:
        accepted = "is an id that no conversation has, or None for a new one"
        raise refused("Sessions.fork(new_id={!r})", new, accepted) from None
    runs_taken = [{"conversation": new, "run": each.id, "turn": each.turn} for each in taken]
    if runs_taken:
        connection.execute(insert(conversation_runs), runs_taken)
    _take_pictures(connection, chat, new, _known_after(taken, left))
    return new


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
    connection: Connection, chat: str, turns: int, active: str | None
) -> tuple[list[_Past], list[_Past]]:
    """The runs up to the end of so many turns, and those after it, by the time when they began.
    One that was not kept belongs to the turn before it.
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
        if turn is not None:
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
    """Whether the picture with a number was there when the first run that is left behind began."""
    if all(each.turn is None for each in left):  # a fork from the end has all pictures
        return lambda _: True
    highest = min(each.handles for each in left)
    surely = max((each.handles for each in taken), default=0)
    # A run that waited and went on says how many handles were taken then: some are its own.
    before = frozenset[int]().union(*(each.arrived for each in taken))
    later = frozenset[int]().union(*(each.arrived for each in left)) - before
    return lambda number: number <= surely or (number <= highest and number not in later)


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
