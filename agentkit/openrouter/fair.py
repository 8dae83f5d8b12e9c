"""The event loop, shared among replies that have something to read: however many there are, and
however much has arrived of one, together they hold it for a short time only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic

SLICE = 0.002
"""Seconds for which replies hold the loop before all else that is ready has its turn."""
_WOKEN = 4
"""Replies that go on at once after that. Each reads one event at least."""


class FairShare:
    """The turns of all replies of one event loop, first come, first served. To be made on it.

    The time is that of the system, not of the loop: it is the processor that is shared.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = 0.0
        self._is_used = False
        """Whether somebody has had a turn since the loop last went round."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> float:
        """Wait for a turn. The time (`time.monotonic`) at which it ends."""
        if self._waiting or (self._is_used and monotonic() >= self._until):
            waiter = self._loop.create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if not waiter.cancelled():  # it had its turn, which is another's now
                    self._wake(1)
                raise
        if not self._is_used:
            self._is_used, self._until = True, monotonic() + SLICE
            self._loop.call_soon(self._go_round)
        return self._until

    def _go_round(self) -> None:
        self._is_used = False
        self._wake(_WOKEN)

    def _wake(self, most: int) -> None:
        while most and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                most -= 1
