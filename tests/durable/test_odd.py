"""What nobody should hand to a `Durable`, and what is called in another order than it was meant."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from agentkit import web
from agentkit.emulator import CallTool, Emulator
from agentkit.errors import RunError, SessionError, UsageError
from agentkit.integrations.dbos import Queue
from agentkit.integrations.dbos.engine import Engine
from agentkit.tools import Denied, Edited
from tests.clock import GUARD, until
from tests.durable.conftest import QUICK, Case, executed, flows

PROMPT_SECONDS = 60.0
"""An error that is told at once; a database that is away is waited for much longer."""


@pytest.mark.parametrize("odd", [None, 5, "", "a\0b", "\ud800", ["one"], b"one", "x" * 500])
async def test_what_is_no_id_is_told_at_once(case: Case, odd: Any) -> None:
    """The database would say that it cannot be asked, and that is waited out."""
    durable = case.durable()
    await durable.start("Hello", id="one")

    async def first_event() -> None:
        async for _ in durable.events(odd):
            return

    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "result": lambda: durable.result(odd),
        "read": lambda: durable.read(odd),
        "state": lambda: durable.state(odd),
        "cancel": lambda: durable.cancel(odd),
        "resume": lambda: durable.resume(odd),
        "approve": lambda: durable.approve(odd, {"call": True}),
        "events": first_event,
        "schedule": lambda: durable.schedule(odd, "0 9 * * *", "Hello"),
        "unschedule": lambda: durable.unschedule(odd),
        "times": lambda: durable.schedule("daily", odd, "Hello"),
    }
    if odd is not None:  # which says nothing there
        asked["after"] = lambda: durable.list(after=odd)
        asked["agent"] = lambda: durable.list(agent=odd)
        asked["conversation"] = lambda: durable.list(conversation=odd)
    for name, ask in asked.items():
        async with asyncio.timeout(PROMPT_SECONDS):
            with pytest.raises(UsageError):
                await ask()
                pytest.fail(name)
    assert [each.id for each in await durable.list()] == ["one"]
    await durable.close()


@pytest.mark.parametrize("odd", ["soon", float("nan"), [3]])
async def test_a_timeout_is_a_number(case: Case, odd: Any) -> None:
    durable = case.durable()
    await durable.start("Hello", id="one")
    with pytest.raises(UsageError, match="timeout="):
        await durable.result("one", timeout=odd)
    await durable.close()


async def test_what_cannot_be_written_down_is_told(case: Case) -> None:
    durable, odd = case.durable(), cast("Any", object())
    await durable.start("Hello", id="one")
    with pytest.raises(UsageError, match="bytes of JSON"):
        await durable.schedule("daily", "0 9 * * *", "x" * (2 << 20))
    with pytest.raises(UsageError, match="Edited"):
        await durable.approve("one", {"call": Edited({"what": odd})})
    with pytest.raises(UsageError, match="outcomes"):
        await durable.approve("one", outcomes={"call": odd})
    with pytest.raises(UsageError, match="Denied"):
        await durable.approve("one", {"call": Denied(odd)})
    await durable.close()


async def test_limits_that_no_queue_can_have_are_told() -> None:
    huge = 10**30
    for wrong, words in (
        ({"runs": 2, "runs_per_key": 3}, "at most the runs of all keys"),
        ({"runs": huge}, "runs="),
        ({"runs_per_key": huge}, "runs_per_key="),
        ({"rate": (huge, 1)}, "rate="),
        ({"rate": (1, float("inf"))}, "rate="),
        ({"rate": (True, 1)}, "rate="),
        ({"rate_per_key": (1, float("nan"))}, "rate_per_key="),
        ({"rate": "ab"}, "rate="),
    ):
        with pytest.raises(UsageError, match=words):
            Queue(**cast("Any", wrong))
    assert Queue(runs=2, runs_per_key=2).limits(8)["worker_concurrency"] == 2


async def test_a_name_that_its_engine_keeps_for_itself_is_told(case: Case) -> None:
    with pytest.raises(UsageError, match="name='_dbos_mine'"):
        case.durable(name="_dbos_mine")
    with pytest.raises(UsageError, match="working"):
        async with case.durable().working(10**30):
            pytest.fail("it began")


async def test_nothing_is_closed_while_a_worker_is_at_work(case: Case, emulator: Emulator) -> None:
    """It would lose the locks by which others know that it lives."""
    emulator.play(["Hello."])
    durable = case.durable()
    async with durable.working():
        assert durable.is_working
        with pytest.raises(UsageError, match=r"after the block of durable\.working"):
            await durable.close()
        chat = web.app(durable.agents["fox"], durable=durable)
        await chat.close()  # which shares it with the worker
        run = await durable.start("Hello")
        assert (await run.result(timeout=GUARD)).text == "Hello."
    assert not durable.is_working
    await durable.close()


async def test_a_worker_does_not_wait_for_a_conversation_that_another_one_has(
    case: Case, emulator: Emulator
) -> None:
    """No step of the run is under way: it goes on elsewhere, and nothing keeps the worker."""
    emulator.play(["Hello."])
    durable = case.durable()
    async with durable.sessions.conversation("one", durable.agents["fox"]):
        working = durable.working()
        worker = await working.__aenter__()
        run = await durable.start("Hello", conversation="one")
        await until(lambda: worker.runs)
        await asyncio.sleep(0.5)  # it tries to have the conversation
        async with asyncio.timeout(PROMPT_SECONDS):
            await working.__aexit__(None, None, None)
    assert (await run.state()).status == "queued"
    async with durable.working():
        assert (await run.result(timeout=GUARD)).text == "Hello."
    assert len(emulator.posts) == 1
    await durable.close()


async def test_a_run_that_is_given_back_to_its_worker_goes_on_there(
    case: Case, emulator: Emulator
) -> None:
    """What is left of the first time does not end the second one, whose workflow is the same."""
    emulator.play(CallTool("weather", {"city": "Oslo"}), "Snow.")
    opened = threading.Event()

    def wait_once() -> None:
        assert len(case.called) > 1 or opened.wait(GUARD)

    durable = case.durable(case.agent(tools=[case.weather(then=wait_once)]))
    engine = Engine(case.url, "agentkit", QUICK)
    async with durable.working() as worker:
        run = await durable.start("Look", id="one")
        await until(lambda: case.called)
        await asyncio.to_thread(engine.hand_over, "agentkit/one/0", "agentkit.fox")
        await until(lambda: len(case.called) > 1 or not worker.runs)
        opened.set()
        assert (await run.result(timeout=GUARD)).text == "Snow."
    assert executed(case, "SELECT forks FROM agentkit_durable_runs") == [(0,)]
    assert len(emulator.posts) == 2
    await asyncio.to_thread(engine.close)
    await durable.close()


async def test_a_worker_that_is_cancelled_while_it_begins_or_ends_has_ended(
    case: Case, emulator: Emulator
) -> None:
    """Else no other one could begin in this process, and the runs stayed with it."""
    emulator.play(CallTool("weather", {"city": "Oslo"}), "Snow.")
    opened, has_begun = threading.Event(), asyncio.Event()
    durable = case.durable(case.agent(tools=[case.weather(then=lambda: opened.wait(GUARD))]))
    await durable.list()

    async def work() -> None:
        async with durable.working():
            has_begun.set()
            await asyncio.Event().wait()

    beginning = asyncio.create_task(work())
    await until(lambda: durable.is_working)
    beginning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    assert not has_begun.is_set()
    assert not durable.is_working
    working = asyncio.create_task(work())
    await until(lambda: has_begun.is_set() or working.done())
    assert has_begun.is_set()
    run = await durable.start("Look")
    await until(lambda: case.called)
    working.cancel()  # it waits for the step
    await asyncio.sleep(0.2)
    assert not working.done()
    working.cancel()  # and does not any more
    opened.set()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert not durable.is_working
    async with durable.working():
        assert (await run.result(timeout=GUARD)).text == "Snow."
    assert len(emulator.posts) == 2
    await durable.close()


async def test_the_runs_of_another_application_are_not_there(case: Case) -> None:
    """One database, two names: neither hands out, answers or ends what is the other one's."""
    mine, other = case.durable(), case.durable(name="other")
    await mine.start("Hello", id="one")
    with pytest.raises(UsageError, match="of the application 'agentkit'"):
        await other.start("Hello", id="one")
    for ask in (other.result, other.read, other.state, other.cancel, other.resume):
        with pytest.raises(UsageError, match="no run has the id 'one'"):
            await ask("one")
    assert (await mine.state("one")).status == "queued"
    for each in (mine, other):
        await each.close()


async def test_a_scheduled_run_begins_when_the_database_is_back(
    case: Case, emulator: Emulator
) -> None:
    """DBOS would have ended it by the error that it met, for good."""
    durable, hidden = case.durable(), "agentkit_durable_hidden"
    emulator.play(["Good morning."])
    async with durable.working():
        executed(case, f"ALTER TABLE agentkit_durable_runs RENAME TO {hidden}")
        await durable.schedule("each", "* * * * * *", "Hello", conversation="daily")
        await until(lambda: _scheduled(case) > 0)
        await asyncio.sleep(1.0)  # it is told that there is no such table
        await durable.unschedule("each")
        executed(case, f"ALTER TABLE {hidden} RENAME TO agentkit_durable_runs")
        async with asyncio.timeout(GUARD):
            while not await durable.list():  # noqa: ASYNC110 - by a worker
                await asyncio.sleep(0.05)
        for each in await durable.list():
            assert (await durable.result(each.id, timeout=GUARD)).status == "completed"
    ended = executed(case, f"SELECT status FROM {flows(case)} WHERE name = 'agentkit.scheduled'")
    statuses = {status for (status,) in ended}  # one may just have been due
    assert "SUCCESS" in statuses
    assert "ERROR" not in statuses
    await durable.close()


def _scheduled(case: Case) -> int:
    """How many runs a worker has tried to begin."""
    taken = (
        f"SELECT 1 FROM {flows(case)} WHERE name = 'agentkit.scheduled' AND status != 'ENQUEUED'"
    )
    return len(executed(case, taken))


async def test_what_its_engine_cannot_read_is_an_error_of_the_database(case: Case) -> None:
    """It is told as ours, and not as one of SQLAlchemy's."""
    durable = case.durable()
    run = await durable.start("Hello")
    schedules = flows(case).replace("status", "schedules")
    executed(case, f"ALTER TABLE {schedules} RENAME TO gone")
    executed(case, f"ALTER TABLE {flows(case)} RENAME TO gone_too")
    queues = flows(case).replace("workflow_status", "queues")
    executed(case, f"ALTER TABLE {queues} RENAME TO gone_as_well")
    for ask in (
        lambda: durable.schedule("daily", "0 9 * * *", "Hello"),
        lambda: durable.unschedule("daily"),
        run.cancel,
        durable.working().__aenter__,
    ):
        with pytest.raises(SessionError, match="cannot be asked"):
            await ask()
    await durable.close()


async def test_a_child_has_connections_of_its_own(case: Case) -> None:
    """Those of its parent are the parent's: what one of them asks, the other one would hear."""
    engine = Engine(case.url, "agentkit", QUICK)
    durable = case.durable()
    await durable.start("Hello")
    assert await asyncio.to_thread(engine.taken) == []
    child = os.fork()
    if child == 0:
        code = 1
        try:
            before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
            assert engine.taken() == []
            code = 0 if len(os.listdir("/proc/self/fd")) > before else 2  # noqa: PTH208
        finally:
            os._exit(code)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert await asyncio.to_thread(engine.taken) == []
    await asyncio.to_thread(engine.close)
    await durable.close()


async def test_a_run_that_was_cancelled_in_the_queue_pays_for_nothing(
    case: Case, emulator: Emulator
) -> None:
    """Whoever cancelled it died, or lost the database, before its workflow was told."""
    emulator.play(["Never said."])
    durable = case.durable()
    run = await durable.start("Hello")
    executed(case, "UPDATE agentkit_durable_runs SET status = 'cancelled'")
    going_on = f"SELECT 1 FROM {flows(case)} WHERE status IN ('ENQUEUED', 'PENDING')"
    async with durable.working():
        await until(lambda: not executed(case, going_on))
    assert len(emulator.posts) == 0
    assert (await run.state()).status == "cancelled"
    with pytest.raises(RunError, match="cancelled"):
        await run.result(timeout=GUARD)
    await durable.close()
