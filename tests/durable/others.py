"""Two workers that believe that they have the same runs."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from agentkit.emulator import Emulator
from agentkit.sessions.locks import _key as lock_key
from tests.durable import kills
from tests.durable.kills import Found, Kept
from tests.durable.labour import PROMPT, QUICK, Plan
from tests.postgres import Postgres, name_of, running_server
from tests.processes import PATIENCE

_RUNS = 4
_POSTS = 2
"""Requests of a run: for the calls of its tools, and for the answer with its picture."""


async def same_executor(kept: Kept) -> Found:
    """Two workers of one name, as DBOS calls them, and without a lease: what one of them does, the
    other one takes over when it starts.
    """
    with tempfile.TemporaryDirectory() as name, Emulator(seed=3, chunk_delay=0.05) as emulator:
        folder = Path(name)
        with kills.database(kept, folder) as url:
            handlings = replace(QUICK, executor=local, lease=False)
            plan = Plan(url, emulator.base_url, folder, handlings=handlings)
            durable, found = plan.durable(), Found(kills=1, runs=_RUNS)
            ids = [f"run-{number}" for number in range(_RUNS)]
            for each in ids:
                await durable.start(PROMPT, agent="fox", id=each)
            with kills.running(plan, "first") as first:
                await kills.until(lambda: len(emulator.ledger) >= 1)
                with kills.running(plan, "other") as other:
                    for child in (first, other):
                        await asyncio.to_thread(child.join, PATIENCE)
                        if child.exitcode != 0:
                            found.faults.append(f"a worker ended with {child.exitcode}")
            await kills.judged(durable, ids, found)
            found.repeated = max(len(emulator.posts) - _POSTS * _RUNS, 0)
            drawn = sum(each.images for each in emulator.ledger)
            found.drawn_twice = max(drawn - _RUNS, 0)
            await durable.close()
            return found


async def is_taken_from_the_living(*, named: bool) -> bool:
    """Whether a worker that starts takes the run of one that lives. Without names of their own,
    DBOS takes each for the other one come back.
    """
    with tempfile.TemporaryDirectory() as name, Emulator(seed=3, chunk_delay=0.2) as emulator:
        folder = Path(name)
        with kills.database("sqlite", folder) as url:
            handlings = replace(QUICK, lease=False)
            if not named:
                handlings = replace(handlings, executor=local)
            plan = Plan(url, emulator.base_url, folder, handlings=handlings, stays=True)
            durable = plan.durable()
            run = await durable.start(PROMPT, agent="fox", id="run-0")
            with kills.running(plan, "first"):
                await kills.until(lambda: emulator.posts)
                tokens = _tokens(folder)
                with kills.running(plan, "other"):
                    until = time.monotonic() + PATIENCE
                    while (await run.state()).status in {"queued", "running"} and len(tokens) == 1:
                        tokens |= _tokens(folder)
                        assert time.monotonic() < until
            await durable.close()
            return len(tokens) > 1


def _tokens(folder: Path) -> set[str]:
    """By what a worker has the run, as long as one has it."""
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        asked = "SELECT owner_xid FROM workflow_status WHERE status = 'PENDING'"
        return {token for (token,) in connection.execute(asked) if token is not None}


def local() -> str:
    """What DBOS calls each worker."""
    return "local"


async def stopped(*, everything: bool) -> Found:
    """A worker is stopped while replies arrive, the database ends the connection of its lease, or
    all of its connections; another worker takes over, and then the first one goes on.
    """
    server = running_server()
    with tempfile.TemporaryDirectory() as name, Emulator(seed=3, chunk_delay=0.1) as emulator:
        folder = Path(name)
        with kills.database("postgres", folder) as url:
            quiet = replace(QUICK, quiet_seconds=1.0)
            plan = Plan(url, emulator.base_url, folder, handlings=quiet, stays=True)
            durable, found = plan.durable(), Found(kills=1, runs=_RUNS)
            ids = [f"run-{number}" for number in range(_RUNS)]
            with kills.running(plan, "first") as first:
                for each in ids:
                    await durable.start(PROMPT, agent="fox", id=each)
                await kills.until(lambda: len(emulator.posts) >= _RUNS + 1)
                executor = (await durable.state(ids[0])).executor
                os.kill(first.pid, signal.SIGSTOP)
                _end_connections(server, url, None if everything else executor)
                (folder / "ready").unlink()
                with kills.running(plan, "other"):
                    await kills.until((folder / "ready").exists)
                    if everything:
                        for each in ids:
                            await durable.result(each, timeout=PATIENCE)
                    else:
                        await asyncio.sleep(3.0)  # it has taken over what the first holds
                    os.kill(first.pid, signal.SIGCONT)
                    for each in ids:
                        await durable.result(each, timeout=PATIENCE)
                    await asyncio.sleep(2.0)
            waiting = [each for each in ids if (await durable.state(each)).status == "waiting"]
            found.waited = len(waiting)
            await kills.judged(durable, [each for each in ids if each not in waiting], found)
            drawn = sum(each.images for each in emulator.ledger)
            found.drawn_twice = max(drawn - _RUNS, 0)
            found.repeated = max(len(emulator.posts) - _POSTS * _RUNS, 0)
            await durable.close()
            return found


def _end_connections(server: Postgres, url: str, executor: str | None) -> None:
    """End the connection that holds the lease of a worker; without one, all connections."""
    holds = "true"
    if executor is not None:
        key = lock_key(f"\0worker {executor}")
        holds = (
            "EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' "
            f"AND l.granted AND (l.classid::bigint << 32) + l.objid::bigint = {key})"
        )
    ended = server.execute(
        "SELECT pg_terminate_backend(a.pid, 60000) FROM pg_stat_activity a "
        f"WHERE a.datname = '{name_of(url)}' AND {holds}"
    )
    assert executor is None or len(ended) == 1, ended
