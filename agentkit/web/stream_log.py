"""The chunks of one turn, kept once for any number of readers, each of which reads them from the
start at its own pace.

There is no queue for a reader. One that is behind finds deltas of the same part joined, and of a
`data-…` part that was told again and again the first state and the latest: so it catches up, and
what is kept is about as large as the message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable

from agentkit.web.chunks import Chunk, is_sent

KEEP_ALIVE_SECONDS = 15.0
"""After so long a silence a reader is told that the stream is alive."""
_DELTAS = frozenset({"text-delta", "reasoning-delta"})
_LONGEST_DELTA = 4096
"""Characters of a delta that more is joined to: each piece that is joined copies them."""
_MOST_PASSING = 1000
"""Transient chunks that are kept."""


class StreamLog:
    """What has been told of a turn so far, and a way to wait for more. For one event loop."""

    def __init__(self, keep_alive: float = KEEP_ALIVE_SECONDS) -> None:
        self._keep_alive = keep_alive
        self._chunks: list[Chunk | None] = []
        """None: it was told anew since."""
        self._told_again: dict[tuple[str, str], tuple[int, int]] = {}
        """Type and id of a `data-…` part → where it is told first, and where last."""
        self._passing: deque[int] = deque()
        """Where transient chunks are told, the latest ones."""
        self._least_joined = 0
        """Chunks before this one stay as they are."""
        self._is_closed = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._readers = 0
        self._beats = 0
        """How often the readers were to be told that the stream is alive."""
        self._next_beat: asyncio.TimerHandle | None = None

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Tell these to all readers."""
        for chunk in chunks:
            if not is_sent(chunk):
                continue
            kind = str(chunk["type"])
            if kind in _DELTAS and self._join(chunk):
                continue
            if kind.startswith("data-") and "id" in chunk:
                self._tell_again((kind, str(chunk["id"])))
            if chunk.get("transient"):
                self._forget_old()
            self._chunks.append(chunk)
        self._wake()

    def close(self) -> None:
        """Nothing more is told."""
        self._is_closed = True
        self._wake()

    def mark(self) -> int:
        """Where what is told next will stand, for a reader that has what is before it."""
        self._least_joined = len(self._chunks)
        return self._least_joined

    async def read(self, start: int = 0) -> AsyncGenerator[Chunk | None]:
        """Each chunk from the start, or from a mark on, until the turn has ended; None after a long
        silence.
        """
        at, told = start, 0  # the chunk to read next, and how much of its delta was read
        self._readers += 1
        self._beat_on()
        beats = self._beats
        try:
            while True:
                while at < len(self._chunks):
                    chunk = self._chunks[at]
                    if chunk is None or chunk["type"] not in _DELTAS:
                        at += 1
                        if chunk is not None:
                            yield chunk
                        continue
                    delta = chunk["delta"]
                    if told < len(delta):
                        yield {**chunk, "delta": delta[told:]}
                        told = len(delta)
                    elif at == len(self._chunks) - 1:
                        break  # all of it was read, and it may grow
                    else:
                        at, told = at + 1, 0
                if self._is_closed:
                    return
                if beats != self._beats:
                    beats = self._beats
                    yield None
                    continue
                await self._more()
        finally:
            self._readers -= 1

    def _join(self, chunk: Chunk) -> bool:
        """Join a delta to the latest chunk, where that is one of the same part."""
        last = self._chunks[-1] if len(self._chunks) > self._least_joined else None
        if last is None or last["type"] != chunk["type"] or last["id"] != chunk["id"]:
            return False
        if len(last["delta"]) + len(chunk["delta"]) > _LONGEST_DELTA or len(last) != len(chunk):
            return False
        self._chunks[-1] = {**last, "delta": last["delta"] + chunk["delta"]}
        return True

    def _tell_again(self, part: tuple[str, str]) -> None:
        """A part is told again: what was told between the first time and now is of no use."""
        here = len(self._chunks)
        first, last = self._told_again.get(part, (here, here))
        if last != first:
            self._chunks[last] = None
        self._told_again[part] = (first, here)

    def _forget_old(self) -> None:
        """What is part of no message (the words of a sub-agent while it works) is kept for those
        who are a little behind.
        """
        if len(self._passing) == _MOST_PASSING:
            self._chunks[self._passing.popleft()] = None
        self._passing.append(len(self._chunks))

    def _beat_on(self) -> None:
        if self._next_beat is None and not self._is_closed:
            loop = asyncio.get_running_loop()
            self._next_beat = loop.call_later(self._keep_alive, self._beat)

    def _beat(self) -> None:
        self._next_beat = None
        self._beats += 1
        if self._readers:
            self._wake()
            self._beat_on()

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def _more(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)
