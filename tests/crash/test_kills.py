"""A short form of `make crash`: a kill inside every step, a few at random, and what each part of
the ledger is for.
"""

from __future__ import annotations

from typing import get_args

import pytest

from tests.crash.deadly import Point
from tests.crash.plan import Kept
from tests.crash.series import (
    BY_URL,
    DEAD,
    ONCE,
    RIGHT,
    Total,
    control,
    in_transactions,
    killed_at,
    one_of_each,
    random_kills,
)

SEED = 4


def assert_right(total: Total) -> None:
    assert total.broken == []
    assert {name: total.sum(name) for name in RIGHT} == dict.fromkeys(RIGHT, 0), str(total)


def test_killed_inside_every_step() -> None:
    plans = one_of_each()
    assert {plan[2].point for plan in plans} == set(get_args(Point)) - {"in a transaction"}
    total = killed_at(plans)
    assert len(total.findings) == len(plans)
    assert_right(total)


@pytest.mark.slow
def test_killed_at_random_moments() -> None:
    total = random_kills(4, SEED, (DEAD, ONCE), scenes=BY_URL)
    assert total.findings
    assert_right(total)


@pytest.mark.parametrize("kept", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def test_turns_of_a_conversation(kept: Kept, request: pytest.FixtureRequest) -> None:
    """The same numbers as with a run in a file, and each turn is in the history once."""
    if kept == "postgres":
        request.getfixturevalue("postgres_server")
    total = killed_at(in_transactions(kept, SEED, 3) + one_of_each(kept)[::3])
    assert len(total.findings) >= 3
    assert_right(total)


@pytest.mark.parametrize(
    ("part", "harm"),
    [
        pytest.param("ledger", ("repeated", "bought_again", "lost"), marks=pytest.mark.slow),
        pytest.param("received", ("waited",), marks=pytest.mark.slow),
        ("pictures", ("lost",)),
        pytest.param("look-up", ("waited",), marks=pytest.mark.slow),
    ],
)
def test_each_part_of_the_ledger_is_needed(part: str, harm: tuple[str, ...]) -> None:
    total = control(part, scenes=BY_URL[:1])
    assert total.failed == ()
    assert all(total.sum(name) for name in harm), str(total)


def test_what_was_not_billed_is_sent_again_by_itself() -> None:
    total = control("none", scenes=BY_URL[:1])
    assert (total.sum("in_flight"), total.sum("waited"), total.broken) == (1, 0, [])
