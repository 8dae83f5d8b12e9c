"""What DBOS by itself would lose, repeat or slow down: each with what is done about it, and what
comes without.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import pickle
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine as SqlEngine
from sqlalchemy import event

from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.errors import OutcomeUnknown, RateLimited, RunError, SessionError, UsageError
from agentkit.events import ImageReady, TextDelta
from agentkit.hooks import Hooks
from agentkit.integrations.dbos import Durable
from agentkit.integrations.dbos.engine import Engine
from agentkit.integrations.dbos.failures import error_data, error_of
from agentkit.integrations.dbos.handlings import VERSION, process_name
from agentkit.integrations.dbos.lease import Lease
from agentkit.integrations.dbos.serializer import MOST_BYTES, JsonSerializer, StoredError
from agentkit.integrations.dbos.told import Batches, Buffer, Retold, Told
from tests.clock import GUARD, until
from tests.durable.conftest import QUICK, Case, executed, flow_of, flows, without
from tests.processes import PATIENCE, forked, started

DRAWN = [Say("A fox."), Draw("a fox", size=(64, 64))]


# The names of workers, and their leases.


def print_name() -> None:
    print(process_name())


def test_each_process_has_a_name_of_its_own() -> None:
    assert forked(print_name).stdout.strip() not in {"", process_name()}


def hold(url: str, folder: Path) -> None:
    """Hold a lease, with a child that outlives this process."""
    lease = Lease(url, "worker", quiet_seconds=0)
    assert lease.take()
    if os.fork() == 0:
        time.sleep(PATIENCE)
        os._exit(0)
    (folder / "held").touch()
    time.sleep(PATIENCE)


async def test_a_lease_ends_with_its_process_and_not_with_its_children(case: Case) -> None:
    """Postgres would see the lock held as long as any process has the socket."""
    child = started(hold, case.url, case.folder, folder=case.folder)
    await until((case.folder / "held").exists)
    lease = Lease(case.url, "another", quiet_seconds=0)
    assert await asyncio.to_thread(lease.take)
    assert lease.dead("worker") is None
    child.kill()
    child.join(PATIENCE)
    release: list[Callable[[], None]] = []

    def is_dead() -> bool:
        release.extend(filter(None, [lease.dead("worker")]))
        return bool(release)

    await until(is_dead)
    release[0]()
    lease.end()


async def test_nobody_takes_over_soon_after_the_database_was_restarted(
    case: Case, request: pytest.FixtureRequest
) -> None:
    lease = Lease(case.url, "worker", quiet_seconds=3600)
    assert await asyncio.to_thread(lease.take)
    if case.url.startswith("sqlite"):
        assert lease.look()
        lease.end()
        return
    assert not lease.look()  # the server has not been up for an hour
    lease.end()
    lease = Lease(case.url, "other", quiet_seconds=0.0)
    assert await asyncio.to_thread(lease.take)
    assert lease.look()
    request.getfixturevalue("postgres_server").end_connections(case.url)
    assert not lease.look()
    await until(lease.look)  # it was taken again
    lease.end()


@pytest.mark.parametrize("lease", [True, False])
async def test_the_runs_of_a_worker_that_died_are_adopted(
    case: Case, emulator: Emulator, lease: bool
) -> None:
    """Without, DBOS leaves them `PENDING` for ever."""
    emulator.play([Reply(DRAWN), Reply([Say("Another.")])])
    durable = case.durable(handlings=without(lease=lease, quiet_seconds=0.0))
    run = await durable.start("Draw a fox")
    flow = flow_of(run.id)
    dead = "status = 'PENDING', executor_id = 'gone', owner_xid = 'x'"
    executed(case, f"UPDATE {flows(case)} SET {dead} WHERE {flow}")
    async with durable.working():
        if lease:
            assert (await run.result(timeout=GUARD)).text == "A fox."
        else:
            # What comes later is taken and done: the worker passes over the first one.
            later = await durable.start("Draw a hare")
            assert (await later.result(timeout=GUARD)).text == "A fox."
            found = executed(case, f"SELECT status FROM {flows(case)} WHERE {flow}")
            assert [status for (status,) in found] == ["PENDING"]
    await durable.close()


# Whose a run is.


@pytest.mark.parametrize("claims", [True, pytest.param(False, marks=pytest.mark.slow)])
async def test_a_run_that_was_taken_away_pays_for_nothing_more(
    case: Case, emulator: Emulator, claims: bool
) -> None:
    """Without, the next request is paid for, and DBOS says afterwards that it was in vain."""
    emulator.play([Reply([CallTool("weather", {"city": "Oslo"})]), Reply(DRAWN)])

    def take_away() -> None:
        executed(case, f"UPDATE {flows(case)} SET owner_xid = 'another'")

    agent = case.agent(hooks=Hooks(before_request=lambda _: take_away()))
    durable = case.durable(agent, handlings=without(claims=claims, lease=False))
    async with durable.working() as worker:
        await durable.start("Draw a fox")
        await until(lambda: worker.runs)
        await until(lambda: not worker.runs)
    assert len(emulator.posts) == (0 if claims else 1)
    await durable.close()


# Versions, and what is written down.


async def test_a_run_waits_for_a_worker_that_knows_its_agent(
    case: Case, emulator: Emulator
) -> None:
    emulator.play(["A later one.", "Hoot."])
    durable = case.durable()
    async with durable.working():
        run = await durable.start("Hello", agent="owl")
        await _passes_over(durable, run.id, "a worker with the agent 'owl'")
    await durable.close()
    other = case.durable(case.agent("owl"))
    async with other.working():
        assert (await other.result(run.id, timeout=GUARD)).text == "Hoot."
    await other.close()


@pytest.mark.slow
async def test_a_run_waits_for_a_worker_of_its_version(case: Case, emulator: Emulator) -> None:
    """DBOS's own version changes with each edit of a workflow, and with its own."""
    emulator.play(["A later one.", "As ever."])
    earlier = case.durable(handlings=without(version="agentkit-runs-0"))
    run = await earlier.start("Draw a fox")
    durable = case.durable()
    async with durable.working():
        await _passes_over(durable, run.id, "a worker of version 'agentkit-runs-0'")
    assert VERSION == "agentkit-runs-1"
    await durable.close()
    async with earlier.working():
        assert (await earlier.result(run.id, timeout=GUARD)).text == "As ever."
    await earlier.close()


async def _passes_over(durable: Durable, run: str, waits_for: str) -> None:
    """The worker takes what comes later, and the run says whom it waits for."""
    later = await durable.start("Hello", agent="fox")
    assert (await later.result(timeout=GUARD)).text == "A later one."
    (state,) = [each for each in await durable.list() if each.id == run]
    assert (state.status, state.waits_for) == ("queued", waits_for)


class Trap:
    """Something that must never be made."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("made",)


def test_only_json_is_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    serializer = JsonSerializer()
    value = {"run": "one", "first": 0, "list": [1, 2.5, None, True]}
    assert serializer.deserialize(serializer.serialize(value)) == value
    with pytest.raises(ValueError):
        serializer.deserialize(pickle.dumps(Trap()).decode("latin-1"))
    assert not (tmp_path / "made").exists()
    for wrong in (Trap(), {"x": object()}, b"bytes", float("nan"), "x" * (MOST_BYTES + 1)):
        with pytest.raises(ValueError):
            serializer.serialize(wrong)


def test_errors_are_data_and_no_other_class_is_made() -> None:
    serializer = JsonSerializer()
    again = serializer.deserialize(serializer.serialize(KeyError("gone")))
    assert isinstance(again, StoredError)
    assert (again.kind, str(again)) == ("KeyError", "'gone'")
    assert serializer.deserialize(serializer.serialize(again)).kind == "KeyError"
    limited = RateLimited("slow down", status=429, retry_after=3.0, generation_id="gen-1")
    told = json.loads(json.dumps(error_data(limited)))
    made = error_of(told, None)
    assert isinstance(made, RateLimited)
    assert (str(made), made.status, made.retry_after) == ("slow down", 429, 3.0)
    unknown = error_of(error_data(OutcomeUnknown("cut", generation_id="gen-2")), None)
    assert isinstance(unknown, OutcomeUnknown)
    assert unknown.generation_id == "gen-2"
    other = error_of({"error": "os.system", "message": "rm"}, None)
    assert (type(other), str(other)) == (RunError, "os.system: rm")
    assert type(error_of(error_data(SessionError("away")), None)) is SessionError


@pytest.mark.parametrize("is_json", [True, False])
async def test_what_dbos_has_of_a_run_is_json(case: Case, is_json: bool) -> None:
    """Without, it is pickles, which make objects of whatever class they name."""
    from dbos._serialization import DefaultSerializer

    own = JsonSerializer() if is_json else DefaultSerializer()
    durable = case.durable(handlings=without(serializer=own))
    run = await durable.start("Draw a fox")
    table, flow = flows(case).replace("status", "input"), flow_of(run.id)
    found = executed(case, f"SELECT inputs FROM {table} WHERE {flow}") or executed(
        case, f"SELECT inputs FROM {flows(case)} WHERE {flow}"
    )
    if is_json:
        assert json.loads(found[0][0])["args"] == [{"run": run.id, "first": 0}]
    else:
        assert base64.b64decode(found[0][0])[:1] == pickle.PROTO
    await durable.close()


# Cancellation.


@pytest.mark.parametrize("cancels", [True, False])
async def test_cancelling_the_task_cancels_the_run(case: Case, cancels: bool) -> None:
    """Without, it is queued, or pending, for ever."""
    durable = case.durable(handlings=without(cancels=cancels))
    task = asyncio.create_task(durable.run("Draw a fox", id="one"))
    while not await durable.list():  # noqa: ASYNC110 - another task begins it
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await durable.state("one")).status == ("cancelled" if cancels else "queued")
    await durable.close()


async def test_a_step_that_ends_while_its_run_is_cancelled_undoes_nothing(
    case: Case, emulator: Emulator
) -> None:
    """A cancel is written before the workflow is told of it, and the process may die between."""
    reached, opened = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        assert opened.wait(GUARD)

    emulator.play(CallTool("weather", {"city": "Oslo"}), "Never said.")
    durable = case.durable(case.agent(tools=[case.weather(then=wait)]))
    async with durable.working():
        run = await durable.start("Draw a fox")
        await asyncio.to_thread(reached.wait, GUARD)
        executed(case, "UPDATE agentkit_durable_runs SET status = 'cancelled'")
        opened.set()
        with pytest.raises(RunError, match="cancelled"):
            await run.result(timeout=GUARD)
        while await durable.sessions.busy([run.id]):  # noqa: ASYNC110 - the worker ends it
            await asyncio.sleep(0.05)
        assert (await run.state()).status == "cancelled"
        assert len(emulator.posts) == 1
        (turn,) = await durable.sessions.runs(run.id)
        assert [call.status for call in turn.run.invocations] == ["completed"]
    await durable.close()


# Errors of the database.


@pytest.mark.parametrize("forks", [10, pytest.param(0, marks=pytest.mark.slow)])
async def test_a_run_that_dbos_has_ended_goes_on(
    case: Case, emulator: Emulator, forks: int
) -> None:
    """It is a fork, under another id, which whoever asks for the result need not know."""
    emulator.play([Reply(DRAWN)])
    durable = case.durable(handlings=without(forks=forks))
    run = await durable.start("Draw a fox")
    executed(case, f"UPDATE {flows(case)} SET status = 'ERROR'")
    async with durable.working():
        if forks:
            assert (await run.result(timeout=GUARD)).text == "A fox."
            assert [event.kind async for event in run.events()][-1] == "run_finished"
        else:
            await asyncio.sleep(1.0)
            assert (await run.state()).status == "queued"
    await durable.close()


@pytest.mark.slow
@pytest.mark.parametrize("waits_out", [True, False])
async def test_a_lost_connection_is_waited_out(
    emulator: Emulator, tmp_path: Path, client: Any, request: pytest.FixtureRequest,
    waits_out: bool,
) -> None:  # fmt: skip
    """Without, the run ends as an error."""
    case = Case(request.getfixturevalue("postgres_url"), tmp_path, client)
    server = request.getfixturevalue("postgres_server")
    emulator.play([Reply([CallTool("weather", {"city": "Oslo"})]), Reply(DRAWN)])

    def end_once() -> None:
        if len(case.called) == 1:
            server.end_connections(case.url)

    agent = case.agent(tools=[case.weather(then=end_once)])
    durable = case.durable(agent, handlings=without(waits_out=waits_out, quiet_seconds=0, forks=0))
    async with durable.working():
        run = await durable.start("Draw a fox")
        await until(lambda: case.called)
        if waits_out:
            assert (await run.result(timeout=GUARD)).text == "A fox."
            assert len(emulator.posts) == 2
        else:
            async with asyncio.timeout(GUARD):
                while not executed(  # noqa: ASYNC110 - by a worker
                    case, f"SELECT 1 FROM {flows(case)} WHERE status = 'ERROR'"
                ):
                    await asyncio.sleep(0.05)
    await durable.close()


# What is slow.


async def test_the_file_has_a_write_ahead_log(tmp_path: Path) -> None:
    durable = Durable(f"sqlite:///{tmp_path}/runs.db")
    assert await durable.list() == []
    await durable.close()
    assert mode(tmp_path / "runs.db") == "wal"
    alone = Engine(f"sqlite:///{tmp_path}/alone.db", "agentkit", QUICK)
    await asyncio.to_thread(alone.make_tables)
    assert mode(tmp_path / "alone.db") == "delete"


def mode(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        found = connection.execute("PRAGMA journal_mode").fetchone()[0]
    connection.close()
    return str(found)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.05, 1.0])
async def test_queues_are_looked_into_often(case: Case, seconds: float) -> None:
    durable = case.durable(handlings=without(poll_seconds=seconds))
    async with durable.working():
        table = flows(case).replace("workflow_status", "queues")
        assert executed(case, f"SELECT polling_interval_sec FROM {table}") == [(seconds,)]
    await durable.close()


async def test_whoever_waits_for_a_run_asks_postgres_seldom(
    tmp_path: Path, client: Any, request: pytest.FixtureRequest
) -> None:
    """Two wait for one run, side by side; one of them looks 20 times a second, as on SQLite."""
    url = request.getfixturevalue("postgres_url")
    asked: Counter[str] = Counter()

    def count(connection: Any, *_: Any) -> None:
        asked[connection.engine.url.query.get("application_name", "")] += 1

    names = {"hears": True, "looks": False}
    waiting = [
        Case(f"{url}&application_name={name}", tmp_path, client).durable(
            handlings=without(listens=listens)
        )
        for name, listens in names.items()
    ]
    run = await waiting[0].start("Draw a fox")
    tasks = [asyncio.create_task(each.result(run.id)) for each in waiting]
    try:
        await until(lambda: len(_listening(request)) == 1)
        event.listen(SqlEngine, "before_cursor_execute", count)
        await until(lambda: asked["looks"] >= 60)
        assert 5 * asked["hears"] < asked["looks"], asked
        event.remove(SqlEngine, "before_cursor_execute", count)
        await run.cancel()
        for each in tasks:
            with pytest.raises(RunError, match="cancelled"):
                await each
    finally:
        for each in waiting:
            await each.close()


def _listening(request: pytest.FixtureRequest) -> list[Any]:
    server = request.getfixturevalue("postgres_server")
    return server.execute("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN agentkit%'")


@pytest.mark.slow
async def test_who_listens_goes_on_when_the_connection_was_lost(
    tmp_path: Path, client: Any, request: pytest.FixtureRequest
) -> None:
    case = Case(request.getfixturevalue("postgres_url"), tmp_path, client)
    server = request.getfixturevalue("postgres_server")
    durable = case.durable()
    run = await durable.start("Draw a fox")
    task = asyncio.create_task(run.result())
    await until(lambda: len(_listening(request)) == 1)
    server.end_connections(case.url)
    await until(lambda: len(_listening(request)) == 1)
    assert not task.done()
    await run.cancel()
    with pytest.raises(RunError, match="cancelled"):
        await task
    await durable.close()


@pytest.mark.parametrize(("most", "rows"), [(64, 3), (1, 130)])
async def test_events_are_written_several_at_once(most: int, rows: int) -> None:
    """A row each 64 events, or 100 ms."""
    buffer, written = Buffer(Batches(seconds=GUARD, most=most)), 0
    for number in range(130):
        buffer.add(TextDelta(str(number)))
        if buffer._full.is_set():
            await buffer.due()
            written += bool(buffer.take())
    written += bool(buffer.take())
    assert written == rows


async def test_a_picture_is_told_at_once(case: Case) -> None:
    from agentkit import Image

    buffer = Buffer(Batches(seconds=GUARD, most=64))
    image = Image("img_1", "0" * 64, "image/png")
    buffer.add(ImageReady(image))
    await buffer.due()
    assert buffer.take() == [ImageReady(image)]


def test_what_is_told_again_is_heard_once() -> None:
    retold = Retold()
    first = Told(1, 0, (TextDelta("A fo"), TextDelta("x")))
    again = [Told(2, 0, (), is_again=True), Told(3, 0, (TextDelta("A fox. "), TextDelta("Red.")))]
    heard = [each for row in (first, *again) for each in retold.new(row)]
    assert "".join(each.text for each in heard if isinstance(each, TextDelta)) == "A fox. Red."


def import_it() -> None:
    import sys

    sys.modules.pop("dbos", None)
    import agentkit.integrations.dbos as durable

    assert "dbos" not in sys.modules
    durable.Durable("sqlite:///runs.db")
    assert "dbos" not in sys.modules
    sys.modules["dbos"] = None  # type: ignore[assignment]
    try:
        durable.Durable("sqlite:///runs.db")
    except UsageError as error:
        print(error)


def test_dbos_is_imported_when_it_is_used(tmp_path: Path) -> None:
    done = forked(import_it, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pip install 'agentkit-openrouter[durable]'" in done.stdout


def test_handlings_are_on() -> None:
    assert all(
        getattr(QUICK, name) for name in ("lease", "claims", "cancels", "waits_out", "forks")
    )
    assert replace(QUICK, lease=False).lease is False
