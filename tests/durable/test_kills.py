"""A short form of `python -m tests.durable`: workers that are killed, stopped and cut off."""

from __future__ import annotations

import pytest

from tests.durable import loads, others
from tests.durable.kills import Kept, killed, taken_over

KEPT = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]


@pytest.mark.parametrize("kept", KEPT)
def test_killed_in_a_step(kept: Kept, request: pytest.FixtureRequest) -> None:
    _server(kept, request)
    found = killed(kept, kill=24, runs=1)
    assert found.was_killed
    assert found.is_right, (str(found), found.faults)


@pytest.mark.slow
@pytest.mark.parametrize("kept", KEPT)
def test_taken_over(kept: Kept, request: pytest.FixtureRequest) -> None:
    _server(kept, request)
    found, adopted, done = taken_over(kept)
    assert found.is_right, (str(found), found.faults)
    assert adopted <= done


@pytest.mark.slow
@pytest.mark.parametrize("kept", KEPT)
async def test_two_workers_of_one_name(kept: Kept, request: pytest.FixtureRequest) -> None:
    _server(kept, request)
    found = await others.same_executor(kept)
    assert found.is_right, (str(found), found.faults)


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False])
async def test_a_name_of_its_own_keeps_the_runs_of_a_living_worker(named: bool) -> None:
    """Without, a second worker goes on with what the first one is doing."""
    assert await others.is_taken_from_the_living(named=named) is not named


@pytest.mark.slow
@pytest.mark.parametrize("everything", [False, True])
async def test_stopped_and_cut_off(everything: bool, request: pytest.FixtureRequest) -> None:
    _server("postgres", request)
    found = await others.stopped(everything=everything)
    assert found.is_right, (str(found), found.faults)


@pytest.mark.parametrize("seconds", [3.0, pytest.param(60.0, marks=pytest.mark.slow)])
async def test_a_database_that_is_away(seconds: float, request: pytest.FixtureRequest) -> None:
    """Replies are on their way then, which were paid for."""
    _server("postgres", request)
    found = await loads.outage(seconds)
    assert found.is_right, (str(found), found.faults)
    assert not found.waited


def _server(kept: Kept, request: pytest.FixtureRequest) -> None:
    if kept == "postgres":
        request.getfixturevalue("postgres_server")
