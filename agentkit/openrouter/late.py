"""Work that outlives its turn: downloads of pictures that are paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any
from weakref import WeakKeyDictionary


class LateWork:
    """Tasks that go on when whoever began them has gone, apart for each event loop."""

    def __init__(self) -> None:
        self._tasks: WeakKeyDictionary[asyncio.AbstractEventLoop, set[asyncio.Task[None]]] = (
            WeakKeyDictionary()
        )

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin it. An event loop alone does not keep a task from being collected: this does."""
        tasks = self._tasks.setdefault(asyncio.get_running_loop(), set())
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    async def wait(self) -> None:
        """Wait until all of this event loop has ended, whatever came of it."""
        tasks = self._tasks.get(asyncio.get_running_loop())
        while tasks:
            await asyncio.wait(tasks)
