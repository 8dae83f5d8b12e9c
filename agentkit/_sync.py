"""Between sync and async: the sync forms, and the end of work that a cancellation must not cut off.

The sync forms run on one event loop in a thread of its own, so that they work inside a running loop
too (which they block).
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from agentkit.errors import UsageError

T = TypeVar("T")
_INTERRUPTED_SECONDS = 10.0
"""How long a sync form that is interrupted waits for its coroutine to keep what had arrived, beside
the grace that downloads have.
"""


class _BackgroundLoop:
    """The event loop of the sync forms, in a thread of its own. It is started when it is first
    needed, and anew in the child of a fork.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        # Loops of the process that this one was forked from: kept, for they share its sockets and
        # must not be closed here.
        self._parents: list[asyncio.AbstractEventLoop] = []

    def running(self) -> asyncio.AbstractEventLoop:
        """The loop, started if it does not run."""
        with self._lock:
            loop, thread = self._loop, self._thread
            if loop is not None and thread is not None and thread.is_alive() and loop.is_running():
                return loop
            loop = asyncio.new_event_loop()
            ready = threading.Event()
            thread = threading.Thread(
                target=_serve, args=(loop, ready), name="agentkit", daemon=True
            )
            thread.start()
            ready.wait()
            atexit.register(_stop, loop, thread, os.getpid())
            self._loop, self._thread = loop, thread
            return loop

    def is_current(self) -> bool:
        """Whether the caller runs on this loop, which it would block."""
        return self._thread is threading.current_thread()

    def start_over(self) -> None:
        """Forget the loop in the child of a fork: its thread is not there, and the lock may be
        held for ever.
        """
        if self._loop is not None:
            self._parents.append(self._loop)
        self._lock, self._loop, self._thread = threading.Lock(), None, None


_background = _BackgroundLoop()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_background.start_over)


def run_sync(work: Coroutine[Any, Any, T], *, grace: float) -> T:
    """The result of a coroutine, run on the background loop. Ctrl-C cancels it, and waits until it
    has kept what had arrived; its downloads have `grace` seconds. A second Ctrl-C does not wait.
    """
    loop = _background.running()
    if _background.is_current():
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
            ended.wait(_INTERRUPTED_SECONDS + grace)
        raise


async def _announced(work: Coroutine[Any, Any, T], ended: threading.Event) -> T:
    try:
        return await work
    finally:
        ended.set()


def in_background(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task of agentkit's own. If its event loop is closed before it has ended, nothing is printed
    when it is collected: nobody who closes a loop knows of it.

    Raises `UsageError` where no event loop of asyncio is running.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        work.close()
        raise not_asyncio() from None
    task = loop.create_task(_ending_quietly(work, loop))
    _be_quiet(task)
    # A task that is cancelled before its first step has not begun the work either.
    task.add_done_callback(lambda _: work.close())
    return task


async def _ending_quietly(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """The work; where it is collected after its loop was closed, what it cannot clean up there is
    no error, nor is it that the work was collected first and is just ending (a ValueError).
    """
    try:
        return await work
    except (RuntimeError, ValueError):
        if loop.is_closed():
            raise GeneratorExit from None
        raise


def _be_quiet(task: asyncio.Future[Any]) -> None:
    # Private, and the only way: asyncio does the same to the tasks that `gather` makes.
    setattr(task, "_log_destroy_pending", False)  # noqa: B010


def not_asyncio() -> UsageError:
    """What to raise under trio, or another event loop that is not asyncio's."""
    return UsageError(
        "agentkit runs on asyncio, and no event loop of asyncio is running here. Under trio, call "
        "the sync form in a thread (await trio.to_thread.run_sync(agent.run_sync, prompt)); in a "
        "plain function, call it directly, or use asyncio.run(…)"
    )


def check_asyncio() -> None:
    """Raise `UsageError` unless an event loop of asyncio is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise not_asyncio() from None


class Shutdown:
    """Has `work` done once: when the event loop on which it is `begun` shuts down, or before that,
    by `now` or `soon`.
    """

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._guard = self._until_shutdown()
        self._closing: asyncio.Future[None] | None = None

    async def begun(self) -> None:
        """Have the running event loop do the work when it shuts down."""
        hooks = sys.get_asyncgen_hooks()
        # What is to be done when the generator is dropped is settled where it begins.
        sys.set_asyncgen_hooks(finalizer=partial(_close_later, asyncio.get_running_loop()))
        try:
            first = anext(self._guard)
        finally:
            sys.set_asyncgen_hooks(*hooks)
        await first

    async def now(self) -> None:
        await self._guard.aclose()

    def soon(self) -> None:
        """Do the work in the background, on the running loop."""
        self._closing = in_background(self.now())

    async def _until_shutdown(self) -> AsyncGenerator[None]:
        # An event loop that shuts down closes the asynchronous generators that are still open.
        # It holds this object, and what the work is about: neither goes before the work is done.
        try:
            yield
        finally:
            await self._work()


def _close_later(loop: asyncio.AbstractEventLoop, guard: AsyncGenerator[None]) -> None:
    """Close a generator that was dropped, if its loop runs once more: as the loop's own hook does,
    but for the coroutine, which is made when it is awaited. Of one that never is, since the loop
    was dropped too, Python 3.13 warns.
    """
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: asyncio.ensure_future(guard.aclose()))


def end_when_collected(owner: object, task: asyncio.Task[Any]) -> None:
    """Cancel the task when `owner` is collected: nobody can hear of its end any more. The task must
    hold no reference to it.
    """
    abandoning = weakref.finalize(owner, _abandon, task, asyncio.get_running_loop())
    abandoning.atexit = False
    # The error of a task that has ended may hold the owner, by the frames it went through.
    task.add_done_callback(lambda _: abandoning.detach())


def _abandon(task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> None:
    if task.done():
        return
    task.add_done_callback(_hear)
    with suppress(RuntimeError):  # the loop is closed, and the task with it
        loop.call_soon_threadsafe(task.cancel)


def _hear(task: asyncio.Future[Any]) -> None:
    """Take the error of a task that nobody waits for, which asyncio would print."""
    if not task.cancelled():
        task.exception()


async def finish(work: Awaitable[T], seconds: float | None) -> T:
    """The result of work that must come to its end although this task is being cancelled.

    The work runs in a task of its own. A cancellation that arrives meanwhile, however often, does
    not reach it; `CancelledError` is raised when the work has ended, with the work's own error, if
    any, as its `__cause__`. After `seconds`, if given, the work itself is cancelled, and
    `TimeoutError` is raised once it has stopped, so that no task is left behind. An error of the
    work is raised as it is. Give a task or a future if you need its result after a cancellation.

    `asyncio.shield` does not do this: it leaves the work behind at the first cancellation.
    """
    task = asyncio.ensure_future(work)
    _be_quiet(task)
    clock = asyncio.get_running_loop().time
    until = None if seconds is None else clock() + seconds
    is_late = False
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        if until is not None and clock() >= until:
            task.cancel()
            until, is_late = None, True  # it was told to stop: now only its end is waited for
        left = None if until is None else until - clock()
        try:
            await asyncio.wait([task], timeout=left)
        except asyncio.CancelledError as error:
            cancellation = error
    overdue = is_late and task.cancelled()
    failure = TimeoutError(f"not done after {seconds} s") if overdue else _failure_of(task)
    if cancellation is not None:
        raise cancellation from failure
    if overdue and failure is not None:
        raise failure
    return task.result()


def _failure_of(task: asyncio.Future[Any]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


def _serve(loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
    asyncio.set_event_loop(loop)
    loop.call_soon(ready.set)
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_asyncgens())  # closes the connection pools of this loop
    loop.close()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, process: int) -> None:
    if not loop.is_closed() and os.getpid() == process:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=2)
