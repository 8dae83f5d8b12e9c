"""Which pictures a user may see that no conversation in the database has yet: uploads that were not
sent, and pictures of a turn that goes on. A digest alone opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agentkit.values import Image
from agentkit.web.refusal import Refused

MOST_UPLOADS = 256
"""Uploads of a user that are remembered."""
MOST_BYTES = 1 << 30
"""Bytes of those that were not sent."""
_SECONDS = 24 * 3600.0
"""How long an upload is remembered: then a sweep may remove it."""


@dataclass(slots=True)
class _Upload:
    image: Image
    since: float
    is_sent: bool = False


@dataclass(slots=True)
class _Turn:
    user: str | None
    images: dict[str, Image] = field(default_factory=dict[str, Image])


class Shelf:
    """By user. It is in memory, and bounded. `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._uploads: dict[str | None, dict[str, _Upload]] = {}
        self._turns: dict[str, _Turn] = {}

    def check_room(self, user: str | None) -> None:
        """Raise `Refused` where this user has too much that was never sent."""
        waiting = [each for each in self._of(user).values() if not each.is_sent]
        size = sum(each.image.size for each in waiting)
        if len(waiting) >= MOST_UPLOADS or size >= MOST_BYTES:
            raise Refused(
                429,
                f"{len(waiting)} pictures wait to be sent ({size >> 20} MiB).",
                f"at most {MOST_UPLOADS} pictures and {MOST_BYTES >> 20} MiB in a day: send some",
            )

    def upload(self, user: str | None, image: Image, *, is_sent: bool = False) -> None:
        """Remember an upload; `is_sent`: it goes into a conversation at once."""
        mine = self._of(user)
        before = mine.pop(image.sha256, None)
        is_sent = is_sent or (before is not None and before.is_sent)
        mine[image.sha256] = _Upload(image, self._clock(), is_sent)
        for sha256 in [sha for sha, each in mine.items() if each.is_sent]:
            if len(mine) > MOST_UPLOADS:
                del mine[sha256]
        self._uploads[user] = mine

    def send(self, user: str | None, sha256: str) -> None:
        """Note that an upload goes into a conversation. It stays until that one has it."""
        found = self._of(user).get(sha256)
        if found is not None:
            found.is_sent = True

    def see(self, user: str | None, run: str, image: Image) -> None:
        """Remember a picture of a run that goes on."""
        self._turns.setdefault(run, _Turn(user)).images[image.sha256] = image

    def drop(self, run: str) -> None:
        """Forget the pictures of a run: the database has them now."""
        self._turns.pop(run, None)

    def find(self, user: str | None, sha256: str) -> Image | None:
        """The picture, if this user may see it."""
        for turn in self._turns.values():
            if turn.user == user and sha256 in turn.images:
                return turn.images[sha256]
        found = self._of(user).get(sha256)
        return None if found is None else found.image

    def _of(self, user: str | None) -> dict[str, _Upload]:
        """The uploads of a user, the oldest first. What is too old, of anybody's, is forgotten."""
        until = self._clock() - _SECONDS
        for each in [each for each in self._uploads if self._forget(each, until)]:
            del self._uploads[each]
        return self._uploads.get(user) or dict[str, _Upload]()

    def _forget(self, user: str | None, until: float) -> bool:
        """Forget the uploads before this time; whether that were all."""
        mine = self._uploads[user]
        for sha256 in [sha for sha, each in mine.items() if each.since < until]:
            del mine[sha256]
        return not mine
