"""Mutation from a corpus, with a dictionary; what is kept grows the corpus where it does something
new.

A target has a `check`, which raises for a finding and otherwise tells, in a word or two, what the
input did. An input whose word was not seen before is kept: a poor man's coverage, which needs no
instrumentation and costs nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

MOST_KEPT = 2_000
LONGEST = 20_000


@dataclass(frozen=True)
class Target:
    """`check(data, random)` raises for a finding, and returns what the input did."""

    name: str
    corpus: Sequence[bytes]
    tokens: Sequence[bytes]
    check: Callable[[bytes, random.Random], Hashable]


@dataclass(frozen=True)
class Finding:
    """An input that must not do what it did. `python -m tests.fuzz --target NAME --replay FILE`
    does it again.
    """

    target: str
    data: bytes
    seed: int
    error: Exception


@dataclass(frozen=True)
class Outcome:
    runs: int
    kept: int
    seconds: float
    slowest: float
    """Seconds of the slowest single run."""
    finding: Finding | None


def fuzz(
    target: Target, *, seconds: float, seed: int = 0, runs: int | None = None, slow: float = 2.0
) -> Outcome:
    """Until the time is up, so many runs are done, or something is found. A run of more than `slow`
    seconds is a finding.
    """
    chance = random.Random(seed)
    corpus = list(target.corpus)
    seen: set[Hashable] = set()
    began = time.monotonic()
    slowest, done = 0.0, 0
    while time.monotonic() - began < seconds and (runs is None or done < runs):
        data = corpus[done] if done < len(target.corpus) else mutated(corpus, target.tokens, chance)
        one, started = chance.getrandbits(32), time.process_time()
        try:
            word = target.check(data, random.Random(one))
            took = time.process_time() - started
            if took > slow:
                raise TimeoutError(f"it took {took:.1f} s")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            finding = Finding(target.name, smaller(target, data, one, type(error)), one, error)
            return Outcome(done + 1, len(corpus), time.monotonic() - began, slowest, finding)
        slowest = max(slowest, took)
        if word not in seen:
            seen.add(word)
            if len(corpus) < MOST_KEPT:
                corpus.append(data)
        done += 1
    return Outcome(done, len(corpus), time.monotonic() - began, slowest, None)


def mutated(corpus: Sequence[bytes], tokens: Sequence[bytes], chance: random.Random) -> bytes:
    """One input of the corpus, changed in one to eight places."""
    data = bytearray(chance.choice(corpus))
    for _ in range(1 << chance.randrange(4)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + (1 << chance.randrange(9)))
        match chance.randrange(9):
            case 0:
                del data[start:end]
            case 1:
                data[start:start] = chance.choice(tokens)
            case 2:
                data[start:end] = chance.choice(tokens)
            case 3 if data:
                data[min(start, len(data) - 1)] ^= 1 << chance.randrange(8)
            case 4:
                data[start:start] = chance.randbytes(chance.randrange(1, 9))
            case 5:
                data[start:start] = data[start:end] * chance.randrange(1, 5)
            case 6:
                other = chance.choice(corpus)
                cut = chance.randrange(len(other) + 1)
                data[start:] = other[cut:]
            case 7:
                other = chance.choice(corpus)
                cut = chance.randrange(len(other) + 1)
                data[start:end] = other[cut : cut + 64]
            case _:
                data[start:] = b""
    return bytes(data[:LONGEST])


def smaller(target: Target, data: bytes, seed: int, kind: type[Exception]) -> bytes:
    """A smaller input with the same kind of finding, where pieces can be left out."""

    def still(candidate: bytes) -> bool:
        try:
            target.check(candidate, random.Random(seed))
        except Exception as error:  # noqa: BLE001
            return type(error) is kind
        return False

    until = time.monotonic() + 10
    size = max(len(data) // 2, 1)
    while size and time.monotonic() < until:
        at = 0
        while at < len(data) and time.monotonic() < until:
            candidate = data[:at] + data[at + size :]
            if still(candidate):
                data = candidate
            else:
                at += size
        size //= 2
    return data


def slices(data: bytes, chance: random.Random) -> list[bytes]:
    """The data in pieces: of one byte, of a few sizes, or of none."""
    most = chance.choice([1, 2, 7, 64, 1_000, 100_000])
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        size = chance.randint(1, most)
        parts.append(data[at : at + size])
        at += size
    return parts or [b""]
