"""Threads for sync tools: apart from the event loop's own, so that slow tools never hold up name
look-ups or the disk.

They are daemons, so a tool that outlived its time-out never keeps the program from ending; such a
thread no longer counts, so that it takes no place from another tool.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

MOST = 64


@dataclass(eq=False, slots=True)
class _Job:
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    given_up: bool = False
    """Nobody waits for it any more."""
    started: bool = False


@dataclass(eq=False, slots=True)
class _Threads:
    """The jobs in line, and how many threads wait for one."""

    ready: threading.Condition = field(default_factory=threading.Condition)
    line: deque[_Job] = field(default_factory=deque[_Job])
    idle: int = 0
    alive: int = 0

    def renew(self) -> None:
        """In the child of a fork there are no threads, and the lock may be held for ever."""
        self.ready, self.line, self.idle, self.alive = threading.Condition(), deque(), 0, 0

    def take(self, job: _Job) -> None:
        with self.ready:
            self.line.append(job)
            if self.idle >= len(self.line):
                self.ready.notify()
            elif self.alive < MOST:
                self.alive += 1
                threading.Thread(target=self._serve, name="agentkit-tool", daemon=True).start()

    def give_up(self, job: _Job) -> None:
        """The caller waits no longer: a job in line is dropped, and the thread of one that runs is
        replaced.
        """
        with self.ready:
            if job.given_up:
                return
            job.given_up = True
            if not job.started:
                with suppress(ValueError):
                    self.line.remove(job)
                return
            self.alive -= 1
            if len(self.line) > self.idle:
                self.alive += 1
                threading.Thread(target=self._serve, name="agentkit-tool", daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self.ready:
                while not self.line:
                    self.idle += 1
                    self.ready.wait()
                    self.idle -= 1
                job = self.line.popleft()
                job.started = True
            _do(job)
            with self.ready:
                if job.given_up:
                    return
                job.given_up = True  # from here on the thread is no longer the job's
            del job


def _do(job: _Job) -> None:
    try:
        outcome: Any = job.work()
        tell, value = asyncio.Future[Any].set_result, outcome
    except BaseException as error:  # noqa: BLE001 - whatever a tool raises is its result
        if isinstance(error, StopIteration):  # a future cannot hold one
            error = RuntimeError(f"StopIteration: {error}")
        tell, value = asyncio.Future[Any].set_exception, error

    def settle() -> None:
        if not job.future.done():
            tell(job.future, value)

    with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
        job.loop.call_soon_threadsafe(settle)


_threads = _Threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.renew)


async def in_thread(work: Callable[[], Any]) -> Any:
    """What `work` returns, from a daemon thread. A cancellation stops the waiting, not the work."""
    loop = asyncio.get_running_loop()
    job = _Job(work, loop.create_future(), loop)
    _threads.take(job)
    try:
        return await job.future
    except asyncio.CancelledError:
        _threads.give_up(job)
        raise
