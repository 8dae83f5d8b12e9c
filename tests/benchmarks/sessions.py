"""What a conversation in an SQLite file costs: `python -m tests.benchmarks.sessions [--turns N]`.

- what is written of one turn, beside two floors, each with as many transactions, of which as many
  wait for the disk. The same syncs alone: the bytes of the turn, in one table without an index. The
  same rows: those that the turn has written, in the same tables with their indexes and the same
  PRAGMAs, by `sqlite3` and nothing around it; nothing is encoded, looked up or locked. What lies
  between the floors is the price of the tables, what lies above both that of this library
- what a turn takes longer than one that is not saved, with its call ledger, beside the same
- what a run takes longer with its call ledger in that database, and nothing else, beside the same
- the load of all turns, beside `Run.from_json` of the same
- the bytes written for the last turn, beside those for the first one; the same with its call ledger
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
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

GOALS = {
    "turn": 1.5,
    "rows": 1.5,
    "sent": 1.5,
    "ledger": 1.5,
    "load": 2.0,
    "bytes": 1.2,
    "sent_bytes": 1.2,
}
OF_A_TURN = (False, True, True, True)
"""The transactions of a turn that is sent: which of them wait for the disk."""
OF_A_CALL = (True, True)
"""The same of its call ledger alone."""
WINDOW = 25
"""Turns whose median is compared: at the begin and at the end."""


@dataclass(frozen=True)
class Figures:
    """Seconds and bytes, each with what it is compared with."""

    turn: tuple[float, float]
    rows: tuple[float, float]
    sent: tuple[float, float]
    ledger: tuple[float, float]
    load: tuple[float, float]
    bytes: tuple[float, float]
    sent_bytes: tuple[float, float]


def measured(origin: str, folder: Path, turns: int, samples: int = 5) -> Figures:
    """The figures of a conversation with so many turns."""
    client = OpenRouter(api_key="sk-or-bench", base_url=f"{origin}/plain-1")
    agent = Agent(MODEL, client=client, store=FileImageStore(folder / "store"))
    first = agent.run_sync(PROMPT).run
    sessions = Sessions(f"sqlite:///{folder}/chats.db", store=agent.store)
    record = sessions.record("ada", agent)
    record.load()
    release = record.lock(0)
    alone = _Alone(folder / "alone.db", len(first.to_json()))
    taken: list[float] = []
    syncs: list[float] = []
    same: list[float] = []
    written: list[int] = []
    run, rows = first, _SameRows(folder / "rows.db", folder / "chats.db")
    for number in range(turns):
        run = _next(first, run, number)
        before = bytes_written()
        taken.append(_seconds(lambda run=run: _turn(record, run)))
        written.append(bytes_written() - before)
        syncs.append(_seconds(lambda: alone.transactions(False, True)))
        rows.read(run.id)
        same.append(_seconds(rows.write))
    release()
    saved = run.to_json()
    loads = [_seconds(lambda: record.load(), time.process_time) for _ in range(samples)]
    reads = [_seconds(lambda: Run.from_json(saved), time.process_time) for _ in range(samples)]
    sent, ledger, sent_bytes = asyncio.run(_sent(origin, folder, sessions, turns))
    sessions.close()
    return Figures(
        (median(taken), median(syncs)),
        (median(taken), median(same)),
        sent,
        ledger,
        (median(loads), median(reads)),
        (_late(written), _early(written)),
        (_late(sent_bytes), _early(sent_bytes)),
    )


def _turn(record: Record, run: Run) -> None:
    """What is written of a turn: before its request, and at its end."""
    shown = Shown((), 0, run.api, run.model)
    began = run.messages[: run.start + 1]
    record.save(run.replace(messages=began, status="running", spent=()), shown, sync=False)
    record.keep(run, shown)


async def _sent(
    origin: str, folder: Path, sessions: Sessions, turns: int
) -> tuple[tuple[float, float], tuple[float, float], list[int]]:
    """Seconds that a turn takes longer where it is saved, and those of its transactions alone: the
    run, its request, the reply, the turn. The same of a run that has only the call ledger. And the
    bytes that were written for each saved turn.
    """
    client = OpenRouter(api_key="sk-or-bench", base_url=f"{origin}/plain-1")
    agent = Agent(MODEL, client=client, store=sessions.store)
    kept = Agent(MODEL, client=client, store=sessions.store, ledger=sessions.ledger)
    saved, plain = agent.conversation("eve", sessions=sessions), agent.conversation()
    alone = _Alone(folder / "sent.db", len((await plain.send(PROMPT)).run.to_json()))
    await saved.send(PROMPT)
    work: dict[str, Callable[[], Awaitable[object]]] = {
        "saved": lambda: saved.send(PROMPT),
        "plain": lambda: plain.send(PROMPT),
        "syncs": lambda: asyncio.to_thread(alone.transactions, *OF_A_TURN),
        "kept": lambda: kept.run(PROMPT),
        "run": lambda: agent.run(PROMPT),
        "of a call": lambda: asyncio.to_thread(alone.transactions, *OF_A_CALL),
    }
    taken: dict[str, list[float]] = {name: [] for name in work}
    written: list[int] = []
    for _ in range(turns):
        for name, done in work.items():
            before, began = bytes_written(), time.perf_counter()
            await done()
            taken[name].append(time.perf_counter() - began)
            if name == "saved":
                written.append(bytes_written() - before)
    await client.close()
    found = {name: median(seconds) for name, seconds in taken.items()}
    return (
        (found["saved"] - found["plain"], found["syncs"]),
        (found["kept"] - found["run"], found["of a call"]),
        written,
    )


def _next(first: Run, before: Run, number: int) -> Run:
    """The next turn, with messages of its own behind those of the one before."""
    history = before.messages if number else ()
    added = tuple(replace(each) for each in first.messages)
    return first.replace(id=f"run_{number}", messages=(*history, *added), start=len(history))


class _Alone:
    """A database with one table, to which `size` bytes of a turn are written."""

    def __init__(self, path: Path, size: int) -> None:
        self._base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._size = size
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("CREATE TABLE rows (data BLOB)")

    def transactions(self, *syncs: bool) -> None:
        """So many transactions that have equal parts of the bytes; True: it waits for the disk."""
        for sync in syncs:
            self._base.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
            self._base.execute("BEGIN IMMEDIATE")
            part = bytes(self._size // len(syncs))
            self._base.execute("INSERT INTO rows VALUES (?)", (part,))
            self._base.execute("COMMIT")


class _SameRows:
    """A copy of a session database, to which the rows of each turn are written as they are."""

    _TABLES = ("agentkit_runs", "agentkit_conversation_runs", "agentkit_messages")

    def __init__(self, path: Path, source: Path) -> None:
        self._source = sqlite3.connect(source, isolation_level=None)
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA foreign_keys = ON")
        self._is_empty = True
        self._added: list[tuple[str, list[tuple[object, ...]]]] = []
        self._chat: tuple[object, ...] = ()

    def read(self, run: str) -> None:
        """Find what has to be written for this run."""
        if self._is_empty:
            self._is_empty = False
            tables = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"
            for (made,) in self._source.execute(tables).fetchall():
                self._base.execute(made)
            chat = self._source.execute("SELECT * FROM agentkit_conversations").fetchone()
            self._base.execute(_insert("agentkit_conversations", len(chat)), chat)
        self._added = []
        for table in self._TABLES:
            name = "id" if table == "agentkit_runs" else "run"
            query = f"SELECT * FROM {table} WHERE {name} = ?"
            self._added.append((table, self._source.execute(query, (run,)).fetchall()))
        columns = "title, api, model, handles, turns, active, version, changed_at, id"
        query = f"SELECT {columns} FROM agentkit_conversations"
        self._chat = self._source.execute(query).fetchone()

    def write(self) -> None:
        """The run and its prompt, which do not wait for the disk; and what its end brings."""
        (_, (run,)), (_, (place,)), (_, messages) = self._added
        self._base.execute("PRAGMA synchronous = NORMAL")
        self._base.execute("BEGIN IMMEDIATE")
        self._base.execute(_insert("agentkit_runs", len(run)), run)
        self._base.execute(
            "INSERT INTO agentkit_conversation_runs (run, conversation) VALUES (?, ?)", place[:2]
        )
        self._base.execute(_insert("agentkit_messages", len(messages[0])), messages[0])
        self._base.execute(_OF_CHAT, self._chat)
        self._base.execute("COMMIT")
        self._base.execute("PRAGMA synchronous = FULL")
        self._base.execute("BEGIN IMMEDIATE")
        changed = (*run[1:], run[0])
        self._base.execute(
            "UPDATE agentkit_runs SET status = ?, state = ?, spent = ?, failures = ?, "
            "started_at = ?, changed_at = ? WHERE id = ?",
            changed,
        )
        self._base.executemany(_insert("agentkit_messages", len(messages[0])), messages[1:])
        self._base.execute(
            "UPDATE agentkit_conversation_runs SET turn = ? WHERE run = ? AND conversation = ?",
            (place[2], *place[:2]),
        )
        self._base.execute(_OF_CHAT, self._chat)
        self._base.execute("COMMIT")


_OF_CHAT = (
    "UPDATE agentkit_conversations SET title = ?, api = ?, model = ?, handles = ?, turns = ?, "
    "active = ?, version = ?, changed_at = ? WHERE id = ?"
)


def _insert(table: str, columns: int) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"


def _seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    work()
    return clock() - began


def bytes_written() -> int:
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
        ("turn", "append of one turn, beside its syncs alone", "ms", 1e3),
        ("rows", "the same, beside the same rows by sqlite3 alone", "ms", 1e3),
        ("sent", "what saving adds to a turn, beside the same", "ms", 1e3),
        ("ledger", "what the call ledger adds to a run, beside the same", "ms", 1e3),
        ("load", "load of all turns, beside Run.from_json (CPU)", "ms", 1e3),
        ("bytes", "bytes of the last turns, beside the first ones", "KB", 1e-3),
        ("sent_bytes", "the same with the call ledger", "KB", 1e-3),
    ):
        value, base = getattr(figures, name)
        ratio, goal = value / (base or 1), GOALS[name]
        verdict = "hit" if ratio <= goal else f"missed by {ratio - goal:.2f}"
        cells = f"{value * factor:10.2f} {unit} {base * factor:10.2f} {unit} {ratio:8.2f}×"
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
