"""Runs that a worker of this process goes on with: begun, read, approved, cancelled."""

from __future__ import annotations

import asyncio
import re
import runpy
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from agentkit import Context, FileImageStore, Image, ImageGeneration, Ledger, OpenRouter, tool
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say
from agentkit.errors import BadRequest, RunError, UsageError
from agentkit.integrations.dbos import Durable, Queue, RunState
from tests.clock import GUARD, until
from tests.durable.conftest import Case, executed, flows
from tests.processes import PATIENCE, Child, started
from tests.unit.web.talking import wait_for

DRAWN = [Say("A fox."), Draw("a fox", size=(64, 64))]


async def at(durable: Durable, run: str, status: str) -> RunState:
    """The state of a run, once it has this status."""
    async with asyncio.timeout(GUARD):
        while (found := await durable.state(run)).status != status:  # noqa: ASYNC110 - by a worker
            await asyncio.sleep(0.02)
    return found


async def test_a_run_is_begun_read_approved_and_cancelled(case: Case, emulator: Emulator) -> None:
    """One worker for all of it: to start one takes a second."""
    emulator.play(
        [
            Reply([CallTool("weather", {"city": "Oslo"})]),
            Reply(DRAWN),
            Reply([CallTool("buy", {"what": "a hat"})]),
            "Bought.",
            Reply([CallTool("buy", {"what": "a cat"})]),
            "Never mind.",
        ]
    )
    durable = case.durable()
    async with durable.working(2) as worker:
        await _drawn(durable, case, worker.name)
        await _approved(durable, case)
        await _cancelled(durable)
    await durable.close()


async def _drawn(durable: Durable, case: Case, worker: str) -> None:
    run = await durable.start("Draw a fox", id="one")
    assert (await durable.start("Draw a fox", id="one")).id == run.id
    with pytest.raises(UsageError, match="another prompt"):
        await durable.start("Draw a cat", id="one")
    answer = await run.result(timeout=GUARD)
    assert (answer.text, len(answer.images), answer.status) == ("A fox.", 1, "completed")
    assert answer.images[0].bytes()[1:4] == b"PNG"
    assert case.called == ["Oslo"]
    told = [event.kind async for event in run.events()]
    assert [told[0], told[-1]] == ["turn_finished", "run_finished"]
    assert told.count("image_ready") == 1
    assert [event.kind async for event in run.events(after=2)] == told[2:]
    state = await run.state()
    assert (state.status, state.executor, state.waits_for) == ("completed", worker, None)


async def _approved(durable: Durable, case: Case) -> None:
    run = await durable.start("Buy a hat", conversation="one")
    answer = await run.result(timeout=GUARD)
    assert answer.status == "paused"
    call = answer.pending[0].id
    state = await run.state()
    assert (state.status, state.pending) == ("waiting", (call,))
    assert state.waits_for == f"the approval of {call!r}"
    with pytest.raises(UsageError, match="waits for"):
        await run.approve({"another": True})
    elsewhere = Durable(case.url, store=case.store, shared_folder=True)
    decided = await asyncio.gather(
        run.approve({call: True}), elsewhere.approve(run.id, {call: False}), return_exceptions=True
    )
    await elsewhere.close()
    assert sorted(type(each) for each in decided if each) == [UsageError]
    assert (await run.result(timeout=GUARD)).text == "Bought."
    chat = await durable.sessions.find("one")
    assert chat is not None
    assert chat.turns == 2


def decide(url: str, folder: Path, calls: dict[str, str], says: bool) -> None:
    """Say yes or no to a call of each run, and print the runs for which it counts."""

    async def said() -> None:
        durable = Durable(url, store=FileImageStore(folder / "store"), shared_folder=True)
        assert len(await durable.list(status="waiting")) == len(calls)
        (folder / f"ready-{says}").touch()
        while not (folder / "go").exists():  # noqa: ASYNC110 - another process says so
            await asyncio.sleep(0.001)
        for run, call in calls.items():
            try:
                await durable.approve(run, {call: says})
            except UsageError as error:
                print(f"refused {run}: {error}")
            else:
                print(run)
        await durable.close()

    asyncio.run(said())


async def test_of_two_processes_that_decide_one_does(case: Case, emulator: Emulator) -> None:
    """Each says something else, of several runs, and what the one that won has said is done."""
    count = 5
    asks = Reply([CallTool("buy", {"what": "a hat"})])
    emulator.play([*[asks] * count, *["Done."] * count])
    durable, calls = case.durable(), dict[str, str]()
    async with durable.working(count):
        for number in range(count):
            run = await durable.start("Buy a hat", id=f"run-{number}")
            calls[run.id] = (await run.result(timeout=GUARD)).pending[0].id
        with ExitStack() as stack:
            said = {each: stack.enter_context(_deciding(case, calls, each)) for each in (1, 0)}
            (case.folder / "go").touch()
            for child, _ in said.values():
                await asyncio.to_thread(child.join, PATIENCE)
                assert child.exitcode == 0
            lines = {each: path.read_text().splitlines() for each, (_, path) in said.items()}
        won = {run: says for says, told in lines.items() for run in told if run in calls}
        refused = [line for told in lines.values() for line in told if line not in calls]
        assert len(won) == len(refused) == count, lines
        for line in refused:
            assert re.search("somebody else has decided|it waits where it is 'waiting'", line)
        for run, says in won.items():
            (call,) = (await durable.result(run, timeout=GUARD)).invocations
            assert call.status == ("completed" if says else "denied"), run
    assert len(emulator.posts) == 2 * count
    await durable.close()


@contextmanager
def _deciding(case: Case, calls: dict[str, str], says: int) -> Generator[tuple[Child, Path]]:
    """A process that is about to decide, and where it prints."""
    folder = case.folder / f"process-{says}"
    folder.mkdir()
    child = started(decide, case.url, case.folder, calls, bool(says), folder=folder)
    try:
        wait_for((case.folder / f"ready-{bool(says)}").exists)
        yield child, folder / "stdout"
    finally:
        child.kill()
        child.join(PATIENCE)


async def _cancelled(durable: Durable) -> None:
    run = await durable.start("Buy a cat", conversation="one")
    await at(durable, run.id, "waiting")
    await run.cancel()
    with pytest.raises(RunError, match="cancelled"):
        await run.result(timeout=GUARD)
    again = await durable.start("Another", conversation="one")  # nothing of it waits any more
    assert (await again.result(timeout=GUARD)).text == "Never mind."
    assert [each.status for each in await durable.list(conversation="one")] == [
        "completed", "cancelled", "completed", "completed",
    ]  # fmt: skip


@pytest.mark.slow
async def test_the_example(client: OpenRouter, tmp_path: Path) -> None:
    """It is begun a second time where it was, and has what the first time gave."""
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "durable.py"))
    drawn, paused, ordered = await example["main"](client=client, out=tmp_path)
    assert (len(drawn.images), paused.status, ordered.status) == (1, "paused", "completed")
    again = await example["main"](client=client, out=tmp_path)
    assert [each.text for each in again][::2] == [drawn.text, ordered.text]


async def test_bad_input_is_told(case: Case) -> None:
    fox = case.agent()
    for wrong, words in (
        (lambda: case.durable(fox, case.agent()), "two agents are named 'fox'"),
        (lambda: Durable("mysql://x", agents=[fox]), "sqlite:///FILE"),
        (lambda: Durable(case.url, agents=[fox], name="No"), "3 to 60"),
        (lambda: Durable("postgresql://x/y", agents=[fox]), "shared_folder=True"),
        (lambda: case.durable(case.agent(ledger=Ledger(case.folder / "calls"))), "ledger"),
        (lambda: Queue(rate=(0, 1)), "rate"),
    ):
        with pytest.raises(UsageError, match=words):
            wrong()
    durable = case.durable(fox)
    with pytest.raises(UsageError, match="no run has the id"):
        await durable.result("nobody")
    with pytest.raises(UsageError, match="empty"):
        await durable.start("")
    with pytest.raises(UsageError, match="limits for each key"):
        await durable.start("Hello", key="ada")
    waiting = await durable.start("Hello", agent="owl")
    assert (await waiting.state()).waits_for == "a worker with the agent 'owl'"
    with pytest.raises(UsageError, match="is queued"):
        await waiting.approve({"call": True})
    with pytest.raises(UsageError, match="is queued"):
        await durable.resume(waiting.id)
    await waiting.cancel()
    await waiting.cancel()
    assert (await waiting.state()).status == "cancelled"
    await durable.close()


@pytest.mark.slow
async def test_a_run_that_failed_goes_on(case: Case, emulator: Emulator) -> None:
    """What had come of it is kept, and its error is told in any process."""
    emulator.play(
        [Reply([CallTool("weather", {"city": "Oslo"})]), Failure("no", 400), Reply(DRAWN)]
    )
    durable = case.durable()
    async with durable.working():
        run = await durable.start([Image.from_file("examples/boat.jpg"), "Draw it in the snow"])
        with pytest.raises(BadRequest) as failed:
            await run.result(timeout=GUARD)
        assert failed.value.run is not None
        assert (await run.state()).status == "failed"
        await durable.resume(run.id)
        assert (await run.result(timeout=GUARD)).text == "A fox."
        assert case.called == ["Oslo"]
    await durable.close()


@pytest.mark.slow
async def test_runs_begin_at_their_times(case: Case, emulator: Emulator) -> None:
    durable = case.durable()
    with pytest.raises(UsageError, match="cron"):
        await durable.schedule("daily", "at nine", "Hello")
    async with durable.working():
        await durable.schedule("each", "* * * * * *", "Hello", conversation="daily")
        await until_some(durable, 2)
        await durable.unschedule("each")
    runs = await durable.list(conversation="daily")
    assert len({each.id for each in runs}) == len(runs) >= 2
    assert all(each.id.startswith("each@") for each in runs)
    await durable.close()


async def until_some(durable: Durable, count: int) -> None:
    async with asyncio.timeout(GUARD):
        while len(await durable.list(status="completed")) < count:  # noqa: ASYNC110 - by a worker
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_a_queue_limits_the_runs_of_each_key(case: Case, emulator: Emulator) -> None:
    durable = case.durable(queue=Queue(runs=6, runs_per_key=1, rate_per_key=(100, 60)))
    with pytest.raises(UsageError, match="limits for each key"):
        await durable.start("Hello")
    async with durable.working(8):
        runs = [await durable.start("Hello", key=user) for user in ["ada", "bob"] * 3]
        for run in runs:
            assert (await run.result(timeout=GUARD)).status == "completed"
    await durable.close()


async def test_what_a_tool_asks_is_answered(case: Case, emulator: Emulator) -> None:
    """The answer stands nowhere once its call has a result: not in DBOS's tables either."""
    form = {"type": "object", "properties": {"when": {"type": "string"}}, "required": ["when"]}

    @tool
    def book(context: Context[None]) -> str:
        """Book a table."""
        said = context.ask("When?", form)
        return "no" if said is None else "booked"

    emulator.play([Reply([CallTool("book", {})]), "Booked."])
    durable = case.durable(case.agent(tools=[book]))
    async with durable.working():
        run = await durable.start("Book a table")
        paused = await run.result(timeout=GUARD)
        (call,) = paused.pending
        assert (await run.state()).waits_for == f"the answer of {call.id!r}"
        await run.approve(answers={call.id: {"when": "ninthirty"}})
        assert (await run.result(timeout=GUARD)).text == "Booked."
    told = executed(case, f"SELECT inputs FROM {flows(case)}")
    told += executed(case, f"SELECT inputs FROM {flows(case).replace('status', 'input')}")
    told += executed(case, "SELECT outcome FROM agentkit_durable_runs")
    assert "ninthirty" not in str(told)
    await durable.close()


@pytest.mark.slow
async def test_a_worker_that_stops_ends_its_step_and_hands_over(
    case: Case, emulator: Emulator
) -> None:
    emulator.play([Reply([CallTool("weather", {"city": "Oslo"})]), Reply(DRAWN)])
    called, goes_on = threading.Event(), threading.Event()

    def wait() -> None:
        called.set()
        goes_on.wait(GUARD)

    durable = case.durable(case.agent(tools=[case.weather(then=wait), ImageGeneration()]))
    async with durable.working() as worker:
        run = await durable.start("Draw a fox")
        await until(called.is_set)
        worker.stop()
        await worker.wait()
        goes_on.set()
    state = await run.state()
    assert (state.status, len(emulator.posts), case.called) == ("running", 1, ["Oslo"])
    async with durable.working():
        assert (await run.result(timeout=GUARD)).text == "A fox."
    assert (len(emulator.posts), case.called) == (2, ["Oslo"])
    await durable.close()
