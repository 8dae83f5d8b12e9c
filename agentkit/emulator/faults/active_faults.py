"""The faults in force: which of them strikes which request."""

import random
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from agentkit.emulator.faults.values import Fault, Phase
from agentkit.emulator.json_values import as_list, as_object


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The facts of a request by which a fault is chosen."""

    api: str
    path: str = ""
    model: str | None = None
    stream: bool = False
    phase: Phase = "first"


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that struck a request. `number` is the number of the fault, from 1."""

    number: int
    fault: Fault
    api: str
    path: str


@dataclass(slots=True)
class _Entry:
    number: int
    fault: Fault
    fitting: int = 0
    struck: int = 0


class Faults:
    """The faults in force, in order. The first one whose conditions hold strikes a request.

    They may be changed while the emulator runs, from any thread. `seed` makes `probability`
    repeatable.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self.seed = seed
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []
        self._strikes: list[Strike] = []
        self._stalls = 0
        self._polls: Counter[tuple[int, str]] = Counter()
        self._number = 0
        self.add(*faults)

    def add(self, *faults: Fault) -> list[int]:
        """Add faults after those in force. Returns their numbers."""
        for fault in faults:
            if not isinstance(fault, Fault):
                raise TypeError(f"faults: {fault!r} was given; a Fault is accepted")
        with self._lock:
            first = self._number + 1
            for fault in faults:
                self._number += 1
                self._entries.append(_Entry(self._number, fault))
            return list(range(first, self._number + 1))

    def remove(self, number: int) -> bool:
        """Remove one fault. Returns whether it was in force."""
        with self._lock:
            kept = [entry for entry in self._entries if entry.number != number]
            found = len(kept) < len(self._entries)
            self._entries = kept
            return found

    def clear(self) -> None:
        """Remove every fault and forget what struck. The random numbers are not begun anew."""
        with self._lock:
            self._entries.clear()
            self._strikes.clear()
            self._stalls = 0
            self._polls.clear()

    def reseed(self, seed: int) -> None:
        """Begin the random numbers anew."""
        with self._lock:
            self.seed = seed
            self._random = random.Random(seed)

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter([entry.fault for entry in self._entries])

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def strikes(self) -> list[Strike]:
        """The faults that struck so far, in order."""
        with self._lock:
            return list(self._strikes)

    @property
    def stalls(self) -> int:
        """How many stalls have begun so far. What comes before them has been sent."""
        with self._lock:
            return self._stalls

    def stalled(self) -> None:
        """Count a stall that begins. The emulator calls it."""
        with self._lock:
            self._stalls += 1

    def counts(self) -> list[tuple[int, Fault, int, int]]:
        """Each fault in force: number, fault, count of requests that fitted, count of strikes."""
        with self._lock:
            return [
                (entry.number, entry.fault, entry.fitting, entry.struck) for entry in self._entries
            ]

    def choose(
        self, seen: RequestFacts, *, at: str | None = None, generation: str | None = None
    ) -> Strike | None:
        """The fault that strikes a request, or None. It is counted as a strike.

        `at`: only faults that strike at this early place. `generation`: the id of a lookup.
        """
        with self._lock:
            struck: _Entry | None = None
            for entry in self._entries:
                if not _fits(entry.fault, seen, at):
                    continue
                entry.fitting += 1
                if struck is None and self._its_turn(entry, generation):
                    struck = entry
            if struck is None:
                return None
            struck.struck += 1
            strike = Strike(struck.number, struck.fault, seen.api, seen.path)
            self._strikes.append(strike)
            return strike

    def _its_turn(self, entry: _Entry, generation: str | None) -> bool:
        when = entry.fault.when
        if when.nth and entry.fitting not in when.nth:
            return False
        if when.times is not None and entry.struck >= when.times:
            return False
        if when.probability < 1 and self._random.random() >= when.probability:
            return False
        lookup = entry.fault.lookup
        if lookup is None or lookup.polls is None:
            return True
        polled = (entry.number, generation or "")
        self._polls[polled] += 1
        return self._polls[polled] <= lookup.polls


def _fits(fault: Fault, seen: RequestFacts, at: str | None) -> bool:
    socket = fault.socket
    early = socket.at if socket is not None and fault.early else None
    if early != at:
        return False
    when = fault.when
    if at != "accept" and seen.api not in fault.apis and when.api != "any":
        return False
    return (
        (when.path is None or fnmatchcase(seen.path, when.path))
        and (when.model is None or fnmatchcase(seen.model or "", when.model))
        and (when.stream is None or when.stream == seen.stream)
        and (when.phase is None or when.phase == seen.phase)
    )


def request_facts(api: str, path: str, body: Any) -> RequestFacts:
    """The facts that a request's body tells. Any JSON is accepted."""
    known = as_object(body) or {}
    model = known.get("model")
    turns = known.get("messages" if api == "chat" else "input")
    return RequestFacts(
        api,
        path,
        model if isinstance(model, str) else None,
        known.get("stream") is True,
        _phase(as_list(turns) or ()),
    )


def _phase(turns: Sequence[Any]) -> Phase:
    kinds = [
        (turn.get("role"), turn.get("type")) for turn in map(as_object, turns) if turn is not None
    ]
    for role, kind in reversed(kinds):
        if role == "tool" or kind == "function_call_output":
            return "after_tool"
        if role == "assistant" or kind in ("function_call", "reasoning"):
            break
    return "follow_up" if any(role == "assistant" for role, _ in kinds) else "first"
