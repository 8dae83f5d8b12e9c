"""What a ledger may forget: replies that a saved run has, runs that have ended, and whatever is
beyond its bounds. To be called in a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from agentkit.errors import RunBusy
from agentkit.openrouter.ledger_entries import Entries
from agentkit.openrouter.ledger_storage import (
    CallKey,
    Entry,
    RunLocks,
    StoredRun,
    at_the_ledger,
)

_DAY = 24 * 3600.0


def mark_saved(entries: Entries, run: str, turns: int, *, ended: bool) -> None:
    """Drop the replies of a run that was saved with so many turns: it has them itself. One that has
    `ended` needs nothing any more, but its requests, which later ones refer to, stay until the next
    `sweep`.
    """
    marked: dict[CallKey, bool] = {}
    with at_the_ledger("read from"):
        for key, entry in entries.storage.read(run, bodies=False):
            is_marked = isinstance(entry, Entry) and entry.kind == "saved"
            is_ended = is_marked and isinstance(entry, Entry) and entry.facts.get("ended") is True
            marked[key] = marked.get(key, False) or (is_ended if ended else is_marked)
    done = [key for key, known in marked.items() if not known and (ended or _turn_of(key) < turns)]
    if not done:
        return
    with at_the_ledger("write to"):
        entries.storage.delete(run, bodies_of=done)
        for key in done:
            saved = Entry("saved", {"turns": turns, "ended": ended})
            entries.storage.append(key, [saved], sync=False)


def _turn_of(key: CallKey) -> int:
    """The turn of the run, not of a sub-agent's, to which a call belongs."""
    turn = key.call.partition("/")[0].partition(".")[0]
    return int(turn) if turn.isdecimal() else 1 << 31


@dataclass(frozen=True, slots=True)
class _Told:
    """What a run says of itself."""

    ended: bool
    bases: frozenset[str]
    """The runs whose requests its own refer to."""


def sweep(entries: Entries, locks: RunLocks) -> int:
    """Remove the runs that were saved and had ended, but those whose requests a run needs that goes
    on. Returns how many were removed.
    """
    with at_the_ledger("read from"):
        told = {each.run: _told(entries, each.run) for each in entries.storage.runs()}
    needed = set[str]()
    waiting = [run for run, each in told.items() if not each.ended]
    while waiting:
        for base in told[waiting.pop()].bases:
            if base in told and base not in needed:
                needed.add(base)
                waiting.append(base)
    return sum(
        _removed(entries, locks, run)
        for run, each in told.items()
        if each.ended and run not in needed
    )


def keep_within(
    entries: Entries, locks: RunLocks, *, most_bytes: int, days: float, now: float
) -> int:
    """Remove the runs that are older, and the oldest ones beyond so many bytes, whether they have
    ended or not; none that goes on. Returns how many were removed.
    """
    with at_the_ledger("read from"):
        runs = sorted(entries.storage.runs(), key=lambda each: each.written_at)
    total = sum(each.size for each in runs)
    removed = 0
    for each in _beyond(runs, total - most_bytes, now - days * _DAY):
        removed += _removed(entries, locks, each.run)
    return removed


def _beyond(runs: Collection[StoredRun], too_many: int, since: float) -> Iterator[StoredRun]:
    """Of these, from the oldest on, those to remove."""
    for each in runs:
        if too_many > 0 or each.written_at < since:
            too_many -= each.size
            yield each


def _told(entries: Entries, run: str) -> _Told:
    bases = set[str]()
    is_empty, ended = True, False
    for _, entry in entries.storage.read(run, bodies=False):
        is_empty = False
        if not isinstance(entry, Entry):
            continue
        if entry.kind == "saved":
            ended = ended or entry.facts.get("ended") is True
        base = entry.facts.get("base") if entry.kind == "request" else None
        if isinstance(base, Mapping):
            bases.add(str(cast("Mapping[str, Any]", base).get("run")))
    return _Told(ended or is_empty, frozenset(bases - {run}))


def _removed(entries: Entries, locks: RunLocks, run: str) -> bool:
    try:
        release = locks.lock(run)
    except RunBusy:
        return False
    try:
        with at_the_ledger("write to"):
            entries.storage.delete(run)
    finally:
        release()
    return True
