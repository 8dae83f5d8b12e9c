"""What a conversation in an SQLite file costs: `python -m tests.benchmarks.sessions [--turns N]`.

- one turn, beside transactions of the same number and size, with nothing else in them
- the load of all turns, beside `Run.from_json` of the same
- the bytes written for the last turn, beside those for the first one
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from agentkit import Agent, FileImageStore, OpenRouter, Run
from agentkit.conversation_record import Record, Shown
from agentkit.sessions import Sessions
from agentkit.values import replace
from tests.benchmarks.replies import MODEL
from tests.benchmarks.server import running
from tests.benchmarks.subjects import PROMPT

GOALS = {"turn": 1.5, "load": 2.0, "bytes": 1.2}
WINDOW = 25
"""Turns whose median is compared: at the begin and at the end."""


@dataclass(frozen=True)
class Figures:
    """Seconds and bytes, each with what it is compared with."""

    turn: tuple[float, float]
    load: tuple[float, float]
    bytes: tuple[float, float]


def measured(origin: str, folder: Path, turns: int, samples: int = 5) -> Figures:
    """The figures of a conversation with so many turns."""
    client = OpenRouter(api_key="sk-or-bench", base_url=f"{origin}/plain-1")
    agent = Agent(MODEL, client=client, store=FileImageStore(folder / "store"))
    first = agent.run_sync(PROMPT).run
    sessions = Sessions(f"sqlite:///{folder}/chats.db", store=agent.store)
    record = sessions.record("ada", agent)
    record.load()
    release = record.lock(0)
    alone = _Alone(folder / "alone.db")
    taken: list[float] = []
    syncs: list[float] = []
    written: list[int] = []
    run = first
    for number in range(turns):
        run = _next(first, run, number)
        before = _written()
        taken.append(_seconds(lambda run=run: _turn(record, run)))
        written.append(_written() - before)
        size = written[-1] // 2
        syncs.append(_seconds(lambda size=size: alone.twice(size)))
    release()
    saved = run.to_json()
    loads = [_seconds(lambda: record.load(), time.process_time) for _ in range(samples)]
    reads = [_seconds(lambda: Run.from_json(saved), time.process_time) for _ in range(samples)]
    sessions.close()
    return Figures(
        (median(taken), median(syncs)),
        (median(loads), median(reads)),
        (_late(written), _early(written)),
    )


def _turn(record: Record, run: Run) -> None:
    """What is written of a turn: before its request, and at its end."""
    shown = Shown((), 0, run.api, run.model)
    began = run.messages[: run.start + 1]
    record.save(run.replace(messages=began, status="running", spent=()), shown)
    record.keep(run, shown)


def _next(first: Run, before: Run, number: int) -> Run:
    """The next turn, with messages of its own behind those of the one before."""
    history = before.messages if number else ()
    added = tuple(replace(each) for each in first.messages)
    return first.replace(id=f"run_{number}", messages=(*history, *added), start=len(history))


class _Alone:
    """A database with one table, synced in the same way."""

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path, isolation_level=None)
        for each in ("journal_mode = WAL", "synchronous = FULL"):
            self._base.execute(f"PRAGMA {each}")
        self._base.execute("CREATE TABLE rows (data BLOB)")

    def twice(self, size: int) -> None:
        """Two transactions that write about so many bytes each, the pages counted."""
        for _ in range(2):
            self._base.execute("BEGIN IMMEDIATE")
            self._base.execute("INSERT INTO rows VALUES (?)", (bytes(max(size - 4096, 1)),))
            self._base.execute("COMMIT")


def _seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    work()
    return clock() - began


def _written() -> int:
    """Bytes that this process has written, where the system tells; else 0."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))


def _early(written: Sequence[int]) -> float:
    return median(written[1 : WINDOW + 1] or written)


def _late(written: Sequence[int]) -> float:
    return median(written[-WINDOW:])


def table(figures: Figures) -> list[str]:
    """A line for each figure."""
    lines: list[str] = []
    for name, title, unit, factor in (
        ("turn", "append of one turn, beside its transactions alone", "ms", 1e3),
        ("load", "load of all turns, beside Run.from_json (CPU)", "ms", 1e3),
        ("bytes", "bytes of the last turns, beside the first ones", "KB", 1e-3),
    ):
        value, base = getattr(figures, name)
        ratio, goal = value / (base or 1), GOALS[name]
        verdict = "hit" if ratio <= goal else f"missed by {ratio - goal:.2f}"
        cells = f"{value * factor:10.1f} {unit} {base * factor:10.1f} {unit} {ratio:8.2f}×"
        lines.append(f"{title:<52}≤ {goal:g} {cells}   {verdict}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sessions")
    parser.add_argument("--turns", type=int, default=1000)
    given = parser.parse_args()
    with running() as origin, tempfile.TemporaryDirectory() as folder:
        figures = measured(origin, Path(folder), given.turns)
    print("\n".join(table(figures)))


if __name__ == "__main__":
    main()
