"""Time in tests: a clock that a test puts forward, and guards that no busy machine reaches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

GUARD = 300.0
"""Seconds until what should have come by itself is said never to come. No test measures with it."""
FOREVER = 3_600.0
"""Seconds for what is to last until it is stopped."""


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock a test may put forward. All async tests run on it."""

    _ahead = 0.0
    _stopped: float | None = None

    def time(self) -> float:
        return (super().time() if self._stopped is None else self._stopped) + self._ahead

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self._stopped = super().time()
        try:
            yield
        finally:
            self._stopped = None

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


def advance(seconds: float) -> None:
    """Let this many seconds pass on the running loop, at once: time-outs that are due strike in its
    next turn.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SteppedLoop)
    loop.advance(seconds)


def no_time() -> AbstractContextManager[None]:
    """No time passes on the running loop in this block, however long it takes: nothing in it that
    waits for time comes to an end.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SteppedLoop)
    return loop.stopped()


async def turns(count: int = 10) -> None:
    """Let the loop turn: what was sent over loopback before is read."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(holds: Callable[[], object]) -> None:
    """Wait for what another thread or process does."""
    async with asyncio.timeout(GUARD):
        while not holds():  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.005)
