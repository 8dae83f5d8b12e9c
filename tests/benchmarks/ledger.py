"""What a call ledger adds to a plain turn, beside the syncs of the disk that it cannot do without."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from statistics import median
from uuid import uuid4

from agentkit import Agent, FileImageStore, Ledger, OpenRouter
from agentkit.openrouter.transport import Transport
from tests.benchmarks.replies import MODEL
from tests.benchmarks.subjects import PROMPT

GOAL = 1.5
REQUEST, REPLY = b"r" * 500, b"a" * 900


async def shares(
    origin: str, folder: Path, turns: int, samples: int, transport: Transport | None
) -> tuple[float, float]:
    """Seconds of wall time that a plain turn takes longer with a ledger, and those that the same
    syncs take alone; medians of interleaved samples, of one turn each.
    """
    client = OpenRouter(api_key="sk-or-bench", base_url=f"{origin}/plain-1", transport=transport)
    store = FileImageStore(folder / "store")
    plain = Agent(MODEL, client=client, store=store)
    kept = Agent(MODEL, client=client, store=store, ledger=Ledger(folder / "calls"))
    taken: dict[str, list[float]] = {"plain": [], "kept": [], "syncs": []}
    for number in range(samples * turns + 1):
        for name, work in (
            ("plain", lambda: plain.run(PROMPT)),
            ("kept", lambda: kept.run(PROMPT)),
            ("syncs", lambda: asyncio.to_thread(_syncs, folder / "syncs")),
        ):
            began = time.perf_counter()
            await work()
            if number:
                taken[name].append(time.perf_counter() - began)
    await client.close()
    return median(taken["kept"]) - median(taken["plain"]), median(taken["syncs"])


def _syncs(folder: Path) -> None:
    """What is synced for one turn of a new run: its request with the names of file and folders, and
    its reply.
    """
    run = folder / uuid4().hex
    run.mkdir(parents=True)
    descriptor = os.open(run / "0.1.call", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(descriptor, REQUEST)
    os.fsync(descriptor)
    for each in (run, folder):
        opened = os.open(each, os.O_RDONLY)
        os.fsync(opened)
        os.close(opened)
    os.write(descriptor, REPLY)
    os.fsync(descriptor)
    os.close(descriptor)
