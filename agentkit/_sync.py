"""Between sync and async: the sync forms, and the end of work that a cancellation must not cut off.

The sync forms run on one event loop in a thread of its own, so that they work inside a running loop
too (which they block).
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from agentkit.errors import UsageError

T = TypeVar("T")
_INTERRUPTED_SECONDS = 10.0
"""How long a sync form that is interrupted waits for its coroutine to keep what had arrived."""
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
    ended = threading.Event()
    future = asyncio.run_coroutine_threadsafe(_announced(work, ended), loop)
    try:
        return future.result()
    except BaseException:
        if future.cancel():  # interrupted: a program that ends now must not lose what was paid for
            ended.wait(_INTERRUPTED_SECONDS)
        raise


async def _announced(work: Coroutine[Any, Any, T], ended: threading.Event) -> T:
    try:
        return await work
    finally:
        ended.set()


async def finish(work: Awaitable[T], seconds: float) -> T:
    """The result of work that must come to its end although this task is being cancelled.

    The work runs in a task of its own. A cancellation that arrives meanwhile, however often, does
    not reach it; `CancelledError` is raised when the work has ended, with the work's own error, if
    any, as its `__cause__`. After `seconds` the work itself is cancelled, and `TimeoutError` is
    raised once it has stopped, so that no task is left behind. An error of the work is raised as it
    is. Give a task or a future if you need its result after a cancellation.

    `asyncio.shield` does not do this: it leaves the work behind at the first cancellation.
    """
    task = asyncio.ensure_future(work)
    clock = asyncio.get_running_loop().time
    until: float | None = clock() + seconds
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        if until is not None and clock() >= until:
            task.cancel()
            until = None  # it was told to stop: now only its end is waited for
        left = None if until is None else until - clock()
        try:
            await asyncio.wait([task], timeout=left)
        except asyncio.CancelledError as error:
            cancellation = error
    overdue = until is None and task.cancelled()
    failure = TimeoutError(f"not done after {seconds:g} s") if overdue else _failure_of(task)
    if cancellation is not None:
        raise cancellation from failure
    if overdue and failure is not None:
        raise failure
    return task.result()


def _failure_of(task: asyncio.Future[Any]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


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
