"""Many runs at once, restarts of the database under them, and what a durable step costs."""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from agentkit import Agent, FileImageStore, OpenRouter, tool
from agentkit.emulator import CallTool, Emulator, Reply
from agentkit.errors import SessionError
from agentkit.integrations.dbos import Durable
from agentkit.sessions.database import Database
from tests import postgres
from tests.durable import kills
from tests.durable.kills import Found
from tests.durable.labour import PROMPT, QUICK, Plan
from tests.processes import PATIENCE, forked

_RESTARTS, _RUNS, _AWAY_RUNS = 10, 40, 4
_POSTS = 2
"""Requests of a run: for the calls of its tools, and for the answer with its picture."""
_TOLD_SECONDS = 15.0
_CALLS, _ROUNDS, _EMPTY = 10, 7, 200


class _Server:
    """A server of Postgres that is restarted."""

    def __init__(self, folder: Path) -> None:
        postgres.make_data(folder)
        self.folder = folder
        self._process = postgres.start(folder)
        self.at = postgres.Postgres(folder / "socket", self._process.pid)

    def restart(self, away_seconds: float = 0.5) -> None:
        """As after a loss of power, which was away for so long."""
        postgres.run("pg_ctl", "stop", "-s", "-m", "immediate", "-D", str(self.folder / "data"))
        self._process.wait()
        time.sleep(away_seconds)
        self._process = postgres.start(self.folder)

    def counts(self, table: str) -> dict[str, int]:
        """How many rows have each status."""
        return dict(
            self.at.execute(f"SELECT status, count(*) FROM {table} GROUP BY status", "runs")
        )

    def stop(self) -> None:
        postgres.stop(self._process)


async def restarts() -> bool:
    """Restart Postgres ten times with `-m immediate` while 40 runs go on."""
    with tempfile.TemporaryDirectory(prefix="agentkit-pg-") as name:
        server = await asyncio.to_thread(_Server, Path(name))
        try:
            return await _restarted(server)
        finally:
            await asyncio.to_thread(server.stop)


async def _restarted(server: _Server) -> bool:
    server.at.execute("CREATE DATABASE runs")
    files = server.folder / "files"
    files.mkdir()
    with Emulator(seed=3, chunk_delay=0.03) as emulator:
        url = server.at.url("runs")
        plan = Plan(url, emulator.base_url, files, stays=True, runs=4, tools=False)
        durable = plan.durable()
        for number in range(_RUNS):
            await durable.start(f"Tell a long story, number {number}", agent="fox")
        with kills.running(plan, "one"), kills.running(plan, "two"):
            await kills.until((files / "ready").exists)
            for number in range(_RESTARTS):
                await asyncio.sleep(1.0)
                await asyncio.to_thread(server.restart)
                print(
                    f"  restart {number + 1}: {server.counts('agentkit_durable_runs')}", flush=True
                )
            began = time.monotonic()
            while (  # noqa: ASYNC110 - in a database
                await _left(durable) and time.monotonic() - began < PATIENCE
            ):
                await asyncio.sleep(0.5)
            seconds = time.monotonic() - began
        runs = server.counts("agentkit_durable_runs")
        flows = server.counts("dbos.workflow_status")
        forks = server.at.execute("SELECT sum(forks) FROM agentkit_durable_runs", "runs")[0][0]
        print(f"  {runs}; workflows {flows}, {forks} forks; {seconds:.1f} s after the last restart")
        await durable.close()
        return runs == {"completed": _RUNS} and not {"PENDING", "ENQUEUED"} & set(flows)


async def outage(seconds: float) -> Found:
    """Postgres is away for so long while replies arrive. Who waits for the runs asks once."""
    with tempfile.TemporaryDirectory(prefix="agentkit-pg-") as name:
        server = await asyncio.to_thread(_Server, Path(name))
        try:
            return await _away(server, seconds)
        finally:
            await asyncio.to_thread(server.stop)


async def _away(server: _Server, seconds: float) -> Found:
    server.at.execute("CREATE DATABASE runs")
    files = server.folder / "files"
    files.mkdir()
    with Emulator(seed=3, chunk_delay=0.05) as emulator:
        handlings = replace(QUICK, quiet_seconds=1.0)
        url = server.at.url("runs")
        plan = Plan(url, emulator.base_url, files, handlings=handlings, runs=2, stays=True)
        durable, found = plan.durable(), Found(kills=1, runs=_AWAY_RUNS)
        ids = [f"run-{number}" for number in range(_AWAY_RUNS)]
        for each in ids:
            await durable.start(PROMPT, agent="fox", id=each)
        with kills.running(plan, "one"), kills.running(plan, "two"):
            await kills.until(lambda: len(emulator.posts) > _AWAY_RUNS)
            waiting = [asyncio.create_task(durable.result(each)) for each in ids]
            away = asyncio.create_task(asyncio.to_thread(server.restart, seconds))
            await asyncio.sleep(seconds / 2)
            found.faults += [each async for each in _not_told(durable)]
            await away
            for each in await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE):
                found.waited += each.status == "paused"
        await kills.judged(durable, ids, found)
        drawn = sum(each.images for each in emulator.ledger)
        found.drawn_twice = max(drawn - _AWAY_RUNS, 0)
        found.repeated = max(len(emulator.posts) - _POSTS * _AWAY_RUNS, 0)
        await durable.close()
        return found


async def _not_told(durable: Durable) -> AsyncGenerator[str]:
    """What is not said, or not at once, while the database is away."""
    began = time.monotonic()
    try:
        await durable.start(PROMPT, agent="fox", id="late")
    except SessionError as error:
        if "cannot be" not in str(error):
            yield f"a run that cannot begin: {error}"
    else:
        yield "a run was begun while the database was away"
    if time.monotonic() - began > _TOLD_SECONDS:
        yield f"after {time.monotonic() - began:.1f} s"


async def _left(durable: Durable) -> int:
    try:
        states = await durable.list(limit=1000)
    except Exception as error:  # noqa: BLE001 - the database is away
        print(f"  {error}")
        return 1
    return sum(each.status in {"queued", "running"} for each in states)


async def scale(runs: int) -> bool:
    """So many runs over one, two and four workers on Postgres."""
    rates: dict[int, float] = {}
    for workers in (1, 2, 4):
        with (
            tempfile.TemporaryDirectory() as name,
            Emulator(seed=3) as emulator,
            ExitStack() as stack,
        ):
            folder = Path(name)
            url = stack.enter_context(kills.database("postgres", folder))
            plan = Plan(url, emulator.base_url, folder, runs=8, stays=True, tools=False)
            durable = plan.durable()
            count = runs if workers == 4 else runs // 4
            for first in range(0, count, 50):
                await asyncio.gather(*(
                    durable.start("Hello", agent="fox", id=f"run-{first + each}")
                    for each in range(min(50, count - first))
                ))  # fmt: skip
            began = time.monotonic()
            for each in range(workers):
                stack.enter_context(kills.running(plan, f"worker{each}"))
            await kills.until((folder / "ready").exists)
            first_at, done = time.monotonic(), 0
            while done < count:
                await asyncio.sleep(0.25)
                done = await _completed(plan.url)
            seconds = time.monotonic() - first_at
            rates[workers] = count / seconds
            print(f"  {workers} workers: {count} runs in {seconds:.1f} s, {rates[workers]:.1f} a second "
                  f"({first_at - began:.1f} s until the first was ready; {os.cpu_count()} cores)", flush=True)  # fmt: skip
            await durable.close()
            if len(emulator.posts) != count:
                print(f"  FAULT {len(emulator.posts)} requests")
                return False
    return True


async def _completed(url: str) -> int:
    def count() -> int:
        base = Database(url)
        try:
            with base.reading() as connection:
                found = connection.exec_driver_sql(
                    "SELECT count(*) FROM agentkit_durable_runs WHERE status = 'completed'"
                )
                return int(found.scalar_one())
        finally:
            base.close()

    return await asyncio.to_thread(count)


async def cost(kept: kills.Kept) -> bool:
    """What lies between the end of a step of a durable run, its session and its ledger written, and
    the beginning of the next one, against an empty step of DBOS's.
    """
    is_right = True
    with tempfile.TemporaryDirectory() as name, Emulator(seed=3) as emulator, ExitStack() as stack:
        url = stack.enter_context(kills.database(kept, Path(name)))
        for turns in (10, 1000):
            before = await asyncio.to_thread(_empty_step, url, Path(name))
            async with OpenRouter(base_url=emulator.base_url, api_key="sk-or-any") as client:
                step, more = await _step(url, client, emulator, Path(name), turns)
            after = await asyncio.to_thread(_empty_step, url, Path(name))
            empty = statistics.mean((before, after))
            ratio = step / empty
            print(f"  {turns} turns: between two durable steps {1000 * step:.2f} ms (median "
                  f"{1000 * more:.2f}), an empty step of DBOS's {1000 * before:.2f} ms before and "
                  f"{1000 * after:.2f} after: {ratio:.2f} times", flush=True)  # fmt: skip
            is_right = is_right and ratio <= 1.5
    return is_right


async def _step(
    url: str, client: OpenRouter, emulator: Emulator, folder: Path, turns: int
) -> tuple[float, float]:
    """Seconds between two steps of a durable run behind so many turns: mean and median."""
    calls: list[str] = []

    @tool
    def weather(city: str) -> str:
        """The weather."""
        calls.append(city)
        return "snow"

    store = FileImageStore(folder / "store")
    options: dict[str, Any] = {"client": client, "store": store, "checks": False}
    agent = Agent("openai/gpt-5.2", name="fox", tools=[weather], **options)
    durable = Durable(url, agents=[agent], shared_folder=True)
    chat = agent.conversation(f"saved-{turns}", sessions=durable.sessions)
    for _ in range(turns):
        await chat.send("Hello")
    for number in range(2):
        await durable.sessions.fork(f"saved-{turns}", f"durable-{turns}-{number}")
    between: list[float] = []
    async with durable.working():
        for number in range(_ROUNDS):
            emulator.play(_script())
            run = await durable.start("Go", conversation=f"durable-{turns}-{number % 2}")
            await run.result()
            between += await _between(url, run.id)
    await durable.close()
    return statistics.mean(between), statistics.median(between)


def _script() -> list[Any]:
    calls = [Reply([CallTool("weather", {"city": f"city {each}"})]) for each in range(_CALLS)]
    return [*calls, "Done."]


async def _between(url: str, run: str) -> list[float]:
    """The seconds between the steps of a run, as DBOS has recorded them."""

    def read() -> list[float]:
        base = Database(url)
        try:
            table = "operation_outputs" if base.is_sqlite else "dbos.operation_outputs"
            with base.reading() as connection:
                found = connection.exec_driver_sql(
                    f"SELECT started_at_epoch_ms, completed_at_epoch_ms FROM {table} "
                    f"WHERE workflow_uuid = 'agentkit/{run}/0' ORDER BY function_id"
                ).all()
            return [
                (after[0] - before[1]) / 1000
                for before, after in itertools.pairwise(found)
            ]  # fmt: skip
        finally:
            base.close()

    return await asyncio.to_thread(read)


def _empty_step(url: str, folder: Path) -> float:
    """Seconds of an empty step of DBOS's, in a process of its own."""
    done = forked(_print_empty_step, url, cwd=folder)
    return float(done.stdout.split()[-1])


def _print_empty_step(url: str) -> None:
    from dbos import DBOS

    from agentkit.integrations.dbos.engine import address
    from agentkit.sessions.address import read_address

    with Database(url).reading():
        pass
    DBOS(config={
        "name": "empty", "system_database_url": address(read_address(url).url),
        "log_level": "CRITICAL",
    })  # fmt: skip

    async def nothing() -> None:
        return None

    @DBOS.workflow()
    async def empty() -> float:
        began = time.perf_counter()
        for _ in range(_EMPTY):
            await DBOS.run_step_async({"name": "nothing"}, nothing)
        return (time.perf_counter() - began) / _EMPTY

    DBOS.launch()
    handle = DBOS.start_workflow(empty)  # type: ignore[arg-type]
    print(handle.get_result())
    DBOS.destroy()
