"""Work that comes to its end although the task that waits for it is cancelled."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import suppress

import pytest

from agentkit._sync import finish, in_background
from tests.clock import GUARD


class Work:
    """Something that takes a while, and remembers how far it came."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.gate = asyncio.Event()
        self.ended: str | None = None

    async def run(self) -> str:
        self.began.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "whole"
        return "kept"

    async def fail(self) -> str:
        await self.run()
        raise ValueError("the disk is full")


def others() -> set[str]:
    """The tasks that a test would leave behind."""
    current = asyncio.current_task()
    return {task.get_name() for task in asyncio.all_tasks() if task is not current}


async def cancelled_twice(work: Work, start: Callable[[], asyncio.Task[str]]) -> asyncio.Task[str]:
    task = start()
    await work.began.wait()
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
    return task


async def test_gives_the_result() -> None:
    work = Work()
    work.gate.set()
    assert await finish(work.run(), GUARD) == "kept"
    assert others() == set()


async def test_outlasts_repeated_cancellation_and_raises_it_at_the_end() -> None:
    work = Work()
    task = await cancelled_twice(work, lambda: asyncio.create_task(finish(work.run(), GUARD)))
    work.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended == "whole"
    assert task.cancelled()
    assert others() == set()


async def test_is_bounded_whatever_the_number_of_cancellations() -> None:
    work = Work()
    clock = asyncio.get_running_loop().time
    began = clock()
    task = await cancelled_twice(work, lambda: asyncio.create_task(finish(work.run(), 0.1)))
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    assert clock() - began >= 0.09
    assert work.ended == "cancelled"
    assert isinstance(raised.value.__cause__, TimeoutError)
    assert others() == set()


async def test_the_bound_without_a_cancellation_is_a_timeout() -> None:
    work = Work()
    with pytest.raises(TimeoutError, match=r"not done after 0\.05 s"):
        await finish(work.run(), 0.05)
    assert work.ended == "cancelled"
    assert others() == set()


async def test_no_time_at_all() -> None:
    work = Work()
    with pytest.raises(TimeoutError):
        await finish(work.run(), 0)
    assert others() == set()


async def test_an_error_inside_is_raised() -> None:
    work = Work()
    work.gate.set()
    with pytest.raises(ValueError, match="the disk is full"):
        await finish(work.fail(), 5)


async def test_an_error_inside_is_the_cause_of_the_cancellation() -> None:
    work = Work()
    task = await cancelled_twice(work, lambda: asyncio.create_task(finish(work.fail(), 5)))
    work.gate.set()
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    assert isinstance(raised.value.__cause__, ValueError)
    assert others() == set()


async def test_the_result_is_there_after_a_cancellation_where_a_task_was_given() -> None:
    work = Work()
    inner: asyncio.Task[str] = asyncio.create_task(work.run())

    async def keep() -> str:
        with suppress(asyncio.CancelledError):
            await finish(inner, GUARD)
        return inner.result()

    task = await cancelled_twice(work, lambda: asyncio.create_task(keep()))
    work.gate.set()
    assert await task == "kept"
    assert task.cancelling() == 2


async def test_a_task_that_is_cancelled_by_another_ends_the_wait() -> None:
    work = Work()
    inner: asyncio.Task[str] = asyncio.create_task(work.run())
    task = asyncio.create_task(finish(inner, GUARD))
    await work.began.wait()
    inner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_inside_a_timeout_the_timeout_is_told() -> None:
    work = Work()
    asyncio.get_running_loop().call_later(0.1, work.gate.set)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await finish(work.run(), GUARD)
    assert work.ended == "whole"


INTERRUPTED = """
import asyncio, os, signal, threading
from agentkit._sync import run_sync

# A shell that starts the tests in the background has them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

async def work():
    try:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.2)
        print("kept", flush=True)

try:
    run_sync(work(), grace=0)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_a_sync_form_that_is_interrupted_waits_for_what_is_kept() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        timeout=GUARD,
        check=True,
    )
    assert ended.stdout.split() == ["kept", "interrupted"]


class Turn:
    """Awaited, it lets the event loop go on, and no future holds the task that waits."""

    def __await__(self) -> Generator[None]:
        yield


def test_work_that_drops_its_own_task_while_it_is_collected_prints_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So it may come when a loop was closed: which of the two is collected first is by chance."""
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    held: list[object] = []

    async def works() -> None:
        try:
            while True:
                await Turn()
        finally:
            held.clear()

    async def begin() -> None:
        held.append(in_background(work))
        await asyncio.sleep(0)

    work = works()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    loop.close()
    work.close()
    assert held == []
    assert told == []
