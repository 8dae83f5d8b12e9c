"""The sync forms: one event loop in a thread of its own, so that they work inside a running loop
too (which they block).
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from agentkit.errors import UsageError

T = TypeVar("T")
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_left: list[asyncio.AbstractEventLoop] = []
"""Loops of the process that this one was forked from: kept, for they share its sockets and must not
be closed here.
"""


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, run on the background loop. Ctrl-C cancels it."""
    loop = _running()
    if _thread is threading.current_thread():
        work.close()
        raise UsageError(
            "a sync form was called by a tool on agentkit's own loop, which would "
            "wait for itself: await the async form"
        )
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _running() -> asyncio.AbstractEventLoop:
    global _loop, _thread
    with _lock:
        if _loop is None or _thread is None or not _thread.is_alive() or not _loop.is_running():
            loop = asyncio.new_event_loop()
            ready = threading.Event()
            thread = threading.Thread(
                target=_serve, args=(loop, ready), name="agentkit", daemon=True
            )
            thread.start()
            ready.wait()
            atexit.register(_stop, loop, thread, os.getpid())
            _loop, _thread = loop, thread
        return _loop


def _serve(loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
    asyncio.set_event_loop(loop)
    loop.call_soon(ready.set)
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_asyncgens())  # closes the connection pools of this loop
    loop.close()


def _afresh() -> None:
    """In the child of a fork the loop's thread is not there, and the lock may be held for ever."""
    global _lock, _loop, _thread
    if _loop is not None:
        _left.append(_loop)
    _lock, _loop, _thread = threading.Lock(), None, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_afresh)


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, process: int) -> None:
    if not loop.is_closed() and os.getpid() == process:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=2)
