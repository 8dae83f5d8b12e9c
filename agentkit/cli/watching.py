"""A turn is watched: its events go to a face, time passes, and Ctrl-C stops it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentkit.answer import Answer
    from agentkit.cli.faces import Face
    from agentkit.stream import AnswerStream


async def watched(stream: AnswerStream[Any], face: Face) -> Answer[Any]:
    """Show a turn while it goes on. Ctrl-C ends it and keeps what came; the second one does not
    wait for that.
    """
    async with stream, ticking(face), stopping(stream.stop):
        async for event in stream:
            face.show(event)
        return await stream.finish()


@contextlib.asynccontextmanager
async def ticking(face: Face) -> AsyncGenerator[None]:
    """A block in which the face is told that time passes."""

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.5)
            face.tick()

    ticking = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticking.cancel()


@contextlib.asynccontextmanager
async def stopping(stop: Callable[[], None]) -> AsyncGenerator[None]:
    """A block in which the first Ctrl-C calls `stop`, and the second one ends the process's task as
    it always does. Where the loop handles no signals (Windows), the first one does.
    """
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
