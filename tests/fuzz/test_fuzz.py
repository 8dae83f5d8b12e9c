"""A short run of each target; `make fuzz` is the long one. And: the fuzzer finds what there is to
find.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Hashable

import pytest

from tests.fuzz.engine import Target, fuzz, slices
from tests.fuzz.targets import TARGETS, read_events

RUNS = 1_500


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_finds_nothing(name: str) -> None:
    outcome = fuzz(TARGETS[name], seconds=30, seed=1, runs=RUNS)
    if outcome.finding is not None:
        told = "".join(traceback.format_exception(outcome.finding.error))
        pytest.fail(f"{outcome.finding.data!r} with seed {outcome.finding.seed}:\n{told}")
    assert outcome.kept > len(TARGETS[name].corpus), (
        "no input did anything new: the target is blind"
    )


def test_what_is_wrong_is_found_and_made_small() -> None:
    def check(data: bytes, chance: random.Random) -> Hashable:
        assert b"data: data: " not in data
        return len(data)

    target = Target("wrong", TARGETS["sse"].corpus, TARGETS["sse"].tokens, check)
    finding = fuzz(target, seconds=20, seed=3).finding
    assert finding is not None
    assert finding.data == b"data: data: "


def test_what_takes_too_long_is_a_finding() -> None:
    def check(data: bytes, chance: random.Random) -> Hashable:
        return sum(range(300_000))

    finding = fuzz(Target("slow", [b"x"], [b"y"], check), seconds=5, slow=0.001).finding
    assert finding is not None
    assert isinstance(finding.error, TimeoutError)


def test_the_reference_reads_what_the_standard_says() -> None:
    text = b"\xef\xbb\xbfdata: a\ndata:b\n\n: comment\rdata\r\n\r\ndata: cut\ndata: not whole"
    assert read_events(text) == [b"a\nb", b"", b"cut"]


def test_slices_are_the_whole() -> None:
    for seed in range(20):
        assert b"".join(slices(b"abcdefgh" * 9, random.Random(seed))) == b"abcdefgh" * 9
