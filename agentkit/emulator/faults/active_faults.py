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
    """What is known of a request when a fault is chosen for it."""

    api: str
    path: str = ""
    model: str | None = None
    stream: bool = False
    phase: Phase = "first"


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that struck: `number` is the fault's place in the list, from 1."""

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
    """Faults, in order; of those whose turn it is the first one strikes. May be changed while the
    emulator runs.

    `seed` makes `probability` repeatable. Used from any thread.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self.seed = seed
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []
        self._strikes: list[Strike] = []
        self._polls: Counter[tuple[int, str]] = Counter()
        self._number = 0
        self.add(*faults)

    def add(self, *faults: Fault) -> list[int]:
        """Put faults into force, after those that are; their numbers."""
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
        """Take one fault out of force; whether it was there."""
        with self._lock:
            kept = [entry for entry in self._entries if entry.number != number]
            found = len(kept) < len(self._entries)
            self._entries = kept
            return found

    def clear(self) -> None:
        """Take every fault out of force and forget what struck; the random numbers go on."""
        with self._lock:
            self._entries.clear()
            self._strikes.clear()
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
        """What struck, in order."""
        with self._lock:
            return list(self._strikes)

    def counts(self) -> list[tuple[int, Fault, int, int]]:
        """For each fault in force: its number, itself, how many requests fitted, how often it
        struck.
        """
        with self._lock:
            return [
                (entry.number, entry.fault, entry.fitting, entry.struck) for entry in self._entries
            ]

    def choose(
        self, seen: RequestFacts, *, at: str | None = None, generation: str | None = None
    ) -> Strike | None:
        """The fault for a request, counted as struck. `at`: only those that strike that early;
        `generation`: the id that is looked up.
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
    """What a request's body tells, whatever it is."""
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
