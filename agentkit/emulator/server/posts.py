"""Record of each request that costs money: its bill, and what the client received of the reply."""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["chat", "responses", "images"]


@dataclass(frozen=True, slots=True)
class Post:
    """One billable POST that was received.

    - `digest`: SHA-256 of its body. If the body broke off (`whole` is false), of what had arrived.
    - `fault`: number of the fault that struck it.
    - `status`: status of the response, once its headers are in the socket.
    - `images`: SHA-256 of each picture that was billed.
    - `delivered`: those of them that are in the socket to their last byte, in the reply or by URL.
    - `complete`: whether the reply is in the socket to its end.
    - `lookups`: answers of `GET /generation` about it: the cost, or None for "not found".
    """

    number: int
    kind: Kind
    digest: str
    whole: bool = True
    fault: int | None = None
    generation_id: str | None = None
    billed: bool = False
    cost_usd: float = 0.0
    status: int | None = None
    complete: bool = False
    images: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()
    lookups: tuple[float | None, ...] = ()

    @property
    def known_unbilled(self) -> bool:
        """Whether it was not billed and the client knows: by an error status or by a lookup."""
        told = (self.status is not None and self.status >= 400) or 0.0 in self.lookups
        return told and not self.billed


@dataclass(slots=True)
class Posts:
    """Every billable POST, in order. Written by the server, read from any thread."""

    _posts: list[Post] = field(default_factory=list[Post])
    _by_id: dict[str, int] = field(default_factory=dict[str, int])
    _by_image: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    _fetched: set[str] = field(default_factory=set[str])
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def receive(
        self, kind: Kind, content: bytes, *, whole: bool = True, fault: int | None = None
    ) -> int:
        """Enter a request; its number, from 0."""
        with self._lock:
            number = len(self._posts)
            self._posts.append(
                Post(number, kind, hashlib.sha256(content).hexdigest(), whole, fault)
            )
            return number

    def struck(self, number: int, fault: int) -> None:
        self._change(number, fault=fault)

    def named(self, number: int, generation_id: str) -> None:
        with self._lock:
            self._by_id[generation_id] = number
            self._change(number, generation_id=generation_id)

    def answered(self, number: int, status: int) -> None:
        self._change(number, status=status)

    def completed(self, number: int) -> None:
        self._change(number, complete=True)

    def bill(self, generation_id: str, cost: float, images: Sequence[str]) -> None:
        with self._lock:
            number = self._by_id.get(generation_id)
            if number is None:
                return
            self._change(number, billed=True, cost_usd=cost, images=tuple(dict.fromkeys(images)))
            for sha256 in self._posts[number].images:
                self._by_image.setdefault(sha256, []).append(number)
                if sha256 in self._fetched:
                    self.deliver(sha256, number)

    def deliver(self, sha256: str, number: int) -> None:
        """A picture of a request's reply is in the socket."""
        with self._lock:
            post = self._posts[number]
            if sha256 not in post.delivered:
                self._change(number, delivered=(*post.delivered, sha256))

    def fetched(self, sha256: str) -> None:
        """A picture's file is in the socket: that of every request that drew it."""
        with self._lock:
            self._fetched.add(sha256)
            for number in self._by_image.get(sha256, ()):
                self.deliver(sha256, number)

    def looked_up(self, generation_id: str, cost: float | None) -> None:
        with self._lock:
            number = self._by_id.get(generation_id)
            if number is not None:
                self._change(number, lookups=(*self._posts[number].lookups, cost))

    def all(self) -> list[Post]:
        with self._lock:
            return list(self._posts)

    def _change(self, number: int, **changes: object) -> None:
        with self._lock:
            self._posts[number] = replace(self._posts[number], **changes)


def repeats(posts: Sequence[Post]) -> list[tuple[Post, Post]]:
    """Each request that came again, with the one before it of the same body."""
    last: dict[tuple[Kind, str], Post] = {}
    found: list[tuple[Post, Post]] = []
    for post in posts:
        key = (post.kind, post.digest)
        if key in last:
            found.append((last[key], post))
        last[key] = post
    return found
