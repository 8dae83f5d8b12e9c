"""Which pictures or files a user may see that no conversation in the database has yet: uploads that
were not sent, and those of a turn that goes on. A digest alone opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from agentkit.values import File, Image
from agentkit.web.refusal import Refused

MOST_UPLOADS = 256
"""Uploads of a user that are remembered."""
MOST_BYTES = 1 << 30
"""Bytes of those that were not sent."""
_SECONDS = 24 * 3600.0
"""How long an upload is remembered: then a sweep may remove it."""


ThingT = TypeVar("ThingT", Image, File)


@dataclass
class _Upload(Generic[ThingT]):
    thing: ThingT
    since: float
    is_sent: bool = False


@dataclass
class _Turn(Generic[ThingT]):
    user: str | None
    things: dict[str, ThingT] = field(default_factory=dict[str, ThingT])


class Shelf(Generic[ThingT]):
    """By user. It is in memory, and bounded. `clock` tells seconds, `what` what it has."""

    def __init__(self, clock: Callable[[], float], what: str = "pictures") -> None:
        self._clock, self._what = clock, what
        self._uploads: dict[str | None, dict[str, _Upload[ThingT]]] = {}
        self._turns: dict[str, _Turn[ThingT]] = {}

    def check_room(self, user: str | None) -> None:
        """Raise `Refused` where this user has too much that was never sent."""
        waiting = [each for each in self._of(user).values() if not each.is_sent]
        size = sum(each.thing.size for each in waiting)
        if len(waiting) >= MOST_UPLOADS or size >= MOST_BYTES:
            raise Refused(
                429,
                f"{len(waiting)} {self._what} wait to be sent ({size >> 20} MiB).",
                f"at most {MOST_UPLOADS} {self._what} and {MOST_BYTES >> 20} MiB in a day: "
                "send some",
            )

    def upload(self, user: str | None, thing: ThingT, *, is_sent: bool = False) -> None:
        """Remember an upload; `is_sent`: it goes into a conversation at once."""
        mine = self._of(user)
        before = mine.pop(thing.sha256, None)
        is_sent = is_sent or (before is not None and before.is_sent)
        mine[thing.sha256] = _Upload(thing, self._clock(), is_sent)
        for sha256 in [sha for sha, each in mine.items() if each.is_sent]:
            if len(mine) > MOST_UPLOADS:
                del mine[sha256]
        self._uploads[user] = mine

    def send(self, user: str | None, sha256: str) -> None:
        """Note that an upload goes into a conversation. It stays until that one has it."""
        found = self._of(user).get(sha256)
        if found is not None:
            found.is_sent = True

    def see(self, user: str | None, run: str, thing: ThingT) -> None:
        """Remember a picture or file of a run that goes on."""
        turn = self._turns.setdefault(run, _Turn[ThingT](user))
        turn.things[thing.sha256] = thing

    def drop(self, run: str) -> None:
        """Forget those of a run: the database has them now."""
        self._turns.pop(run, None)

    def find(self, user: str | None, sha256: str) -> ThingT | None:
        """The picture or file, if this user may see it."""
        for turn in self._turns.values():
            if turn.user == user and sha256 in turn.things:
                return turn.things[sha256]
        found = self._of(user).get(sha256)
        return None if found is None else found.thing

    def _of(self, user: str | None) -> dict[str, _Upload[ThingT]]:
        """The uploads of a user, the oldest first. What is too old, of anybody's, is forgotten."""
        until = self._clock() - _SECONDS
        for each in [each for each in self._uploads if self._forget(each, until)]:
            del self._uploads[each]
        return self._uploads.get(user) or dict[str, _Upload[ThingT]]()

    def _forget(self, user: str | None, until: float) -> bool:
        """Forget the uploads before this time; whether that were all."""
        mine = self._uploads[user]
        for sha256 in [sha for sha, each in mine.items() if each.since < until]:
            del mine[sha256]
        return not mine
