"""A worker that is killed, and another one that goes on with its runs: what was bought twice."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from agentkit.emulator import Emulator
from agentkit.integrations.dbos import Durable
from agentkit.sessions.database import Database
from tests.durable.labour import PROMPT, Plan, calls_with, sent_again, work
from tests.postgres import running_server
from tests.processes import PATIENCE, Child, started

Kept = Literal["sqlite", "postgres"]


@dataclass(slots=True)
class Found:
    """What came of one kill, or of many."""

    kills: int = 0
    runs: int = 0
    cut: int = 0
    """Runs that had begun and not ended."""
    repeated: int = 0
    """Received calls that were sent again."""
    drawn_twice: int = 0
    """Drawings beyond one for each run, but for those that a person asked for."""
    waited: int = 0
    """Runs that a person was asked about."""
    unfounded: int = 0
    """Those of them of which nothing was in flight."""
    unfinished: int = 0
    was_killed: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        bad = self.repeated + self.drawn_twice + self.unfounded + self.unfinished
        return not bad and not self.faults

    def add(self, other: Found) -> None:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self) -> str:
        counts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return ", ".join(f"{name} {value}" for name, value in counts.items() if name != "faults")


@contextmanager
def database(kept: Kept, folder: Path) -> Generator[str]:
    """The address of an empty database."""
    if kept == "sqlite":
        yield f"sqlite:///{folder}/runs.db"
        return
    server, name = running_server(), f"durable_{secrets.token_hex(6)}"
    server.execute(f"CREATE DATABASE {name}")
    try:
        yield server.url(name)
    finally:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def running(plan: Plan, name: str) -> Generator[Child]:
    """A worker in a process of its own, with a home of its own."""
    home = plan.folder / name
    home.mkdir(exist_ok=True)
    child = started(work, plan, folder=home)
    try:
        yield child
    finally:
        if child.is_alive():
            child.kill()
        child.join(PATIENCE)


def killed(kept: Kept, *, kill: int | None, runs: int = 3, in_tool: bool = False) -> Found:
    """Begin runs, kill the worker at this transaction or in its tool, and let another one go on."""
    with tempfile.TemporaryDirectory() as name, Emulator(seed=3) as emulator:
        folder = Path(name)
        with database(kept, folder) as url:
            plan = Plan(url, emulator.base_url, folder, kill, in_tool)
            return asyncio.run(_killed(plan, emulator, runs))


async def _killed(plan: Plan, emulator: Emulator, runs: int) -> Found:
    durable, found = plan.durable(), Found(kills=1, runs=runs)
    ids = [f"run-{number}" for number in range(runs)]
    for each in ids:
        await durable.start(PROMPT, agent="fox", id=each)
    with running(plan, "first") as first:
        await asyncio.to_thread(first.join, PATIENCE)
        code = first.exitcode
        found.was_killed = code == -signal.SIGKILL
        if code not in {0, -signal.SIGKILL}:
            found.faults.append(_words(plan, "first", code))
    states = [await durable.state(each) for each in ids]
    found.cut = sum(each.status == "running" for each in states)
    received, in_flight, _ = ledger(plan)
    after = replace(plan, kill=None, kill_in_tool=False)
    for attempt in range(2):
        with running(after, f"other{attempt}") as other:
            await asyncio.to_thread(other.join, PATIENCE)
            if other.exitcode != 0:
                found.faults.append(_words(plan, f"other{attempt}", other.exitcode))
        if not await _decided(durable, ids, found, in_flight):
            break
    await judged(durable, ids, found)
    found.repeated = sent_again(sorted(received), ledger(plan)[2])
    drawn = sum(each.images for each in emulator.ledger)
    found.drawn_twice = max(drawn - runs - found.waited, 0)
    await durable.close()
    return found


def ledger(plan: Plan) -> tuple[set, set, set]:
    base = Database(plan.url)
    with base.reading() as connection:
        received, sent = calls_with(connection, "received"), calls_with(connection, "request")
    base.close()
    return received, sent - received, sent


async def _decided(durable: Durable, ids: list[str], found: Found, in_flight: set) -> bool:
    """Let each request whose outcome nobody knows be sent again. Whether there was one."""
    asked = False
    for each in ids:
        state = await durable.state(each)
        if state.status == "waiting":
            asked = True
            found.waited += 1
            found.unfounded += not any(run == each for run, _, _ in in_flight)
            await durable.approve(each, outcomes=dict.fromkeys(state.pending, "again"))
    return asked


async def judged(durable: Durable, ids: list[str], found: Found) -> None:
    for each in ids:
        state = await durable.state(each)
        if state.status != "completed":
            found.unfinished += 1
            found.faults.append(f"{each}: {state.status}, {state.waits_for}, {state.error}")
            continue
        answer = await durable.result(each)
        whole = [image for image in answer.images if image.bytes()[1:4] == b"PNG"]
        if len(whole) < 1 or "snow" not in answer.text:
            found.faults.append(f"{each}: {answer.text!r}, {len(whole)} pictures")
        told = [event.kind async for event in durable.events(each)]
        if told[-1] != "run_finished" or told.count("run_finished") > 1 + found.waited:
            found.faults.append(f"{each}: told {json.dumps(told)}")


def _words(plan: Plan, name: str, code: int | None) -> str:
    said = (plan.folder / name / "stderr").read_text()[-1500:]
    return f"{plan.kill}: the {name} worker ended with {code}: {said}"


def taken_over(kept: Kept, *, quiet: float = 0.0) -> tuple[Found, float, float]:
    """Kill a worker in its tool while another one lives: what was bought twice, and the seconds
    until its runs were taken over, and until all of them had ended. The database has been up for
    `quiet` seconds by then: right after its start nobody takes runs over.
    """
    with tempfile.TemporaryDirectory() as name, Emulator(seed=3) as emulator:
        folder = Path(name)
        with database(kept, folder) as url:
            plan = Plan(url, emulator.base_url, folder, None, in_tool := True)
            assert in_tool
            time.sleep(quiet)
            return asyncio.run(_taken_over(plan, emulator))


async def _taken_over(plan: Plan, emulator: Emulator) -> tuple[Found, float, float]:
    durable = plan.durable()
    run = await durable.start(PROMPT, agent="fox", id="run-0")
    found = Found(kills=1, runs=1)
    with running(plan, "first") as first:
        await asyncio.to_thread(first.join, PATIENCE)
        code = first.exitcode
    assert code == -signal.SIGKILL, _words(plan, "first", code)
    dead = (await run.state()).executor
    (plan.folder / "ready").unlink()
    with running(replace(plan, kill_in_tool=False, stays=True), "other") as other:
        await until((plan.folder / "ready").exists)
        began = time.monotonic()
        while (await run.state()).executor == dead:  # noqa: ASYNC110 - in a database
            await asyncio.sleep(0.02)
        adopted = time.monotonic() - began
        await run.result(timeout=PATIENCE)
        done = time.monotonic() - began
        assert other.is_alive()
    await judged(durable, ["run-0"], found)
    found.drawn_twice = max(sum(each.images for each in emulator.ledger) - 1, 0)
    await durable.close()
    return found, adopted, done


async def until(holds: object) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
