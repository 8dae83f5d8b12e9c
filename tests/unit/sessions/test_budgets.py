"""Budgets in a database: what processes share, what is held, and what a crash leaves."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, select, text

from agentkit import Budget
from agentkit.budget import BudgetState, Hold, KeptBudget, LedgerKey, Per
from agentkit.errors import SessionError, UsageError
from agentkit.sessions.budgets import Budgets
from agentkit.sessions.database import Database
from agentkit.sessions.tables import holds
from tests.clock import until
from tests.postgres import Postgres
from tests.processes import forked, started

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
KEY = LedgerKey("run_1/0", 1)


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class Houses:
    """The budgets of one database, as several processes have them."""

    def __init__(self, url: str) -> None:
        self.url, self.clock = url, Clock()
        self.databases: list[Database] = []

    def another(self) -> Budgets:
        """What a process of its own has."""
        self.databases.append(Database(self.url))
        return Budgets(self.databases[-1], clock=self.clock)

    def holds(self) -> list[Any]:
        """The rows of all holds."""
        with self.databases[0].reading() as connection:
            return list(connection.execute(select(holds).order_by(holds.c.made_at)))


@pytest.fixture
def houses(database_url: str) -> Iterator[Houses]:
    made = Houses(database_url)
    yield made
    for database in made.databases:
        database.close()


@asynccontextmanager
async def held(budget: Budget, cost: float, images: int = 0, **more: Any) -> AsyncIterator[Hold]:
    hold = await budget.hold(cost, images, **more)
    assert hold is not None
    async with hold:
        yield hold


def figures(state: BudgetState) -> tuple[float, float, float]:
    """What was spent, is held, and is uncertain, in USD."""
    return state.spent_usd, state.reserved_usd, state.uncertain_usd


async def test_two_processes_share_what_is_left(houses: Houses) -> None:
    here, there = (houses.another().budget("team", cost_usd=1.0, images=3) for _ in range(2))
    async with held(here, 0.75, 1) as hold:
        assert (here.reserved_usd, here.reserved_images) == (0.75, 1)
        assert await there.hold(0.5) is None  # not what this one had seen, but what is
        assert (there.remaining_usd, there.remaining_images) == (0.25, 2)
        hold.settle(0.5, 1)
    assert figures(await there.state()) == (0.5, 0, 0)
    async with held(there, 0.5, 2) as hold:
        hold.settle(None, 2)
    assert figures(await here.state()) == (0.5, 0, 0.5)
    assert (here.spent_images, here.remaining_images, here.uncertain_requests) == (3, 0, 1)
    assert await here.hold(0.0) is None
    assert houses.holds() == []  # without a ledger, nobody asks for them again


async def test_a_request_that_was_not_billed_is_given_back(houses: Houses) -> None:
    budget = houses.another().budget("team", cost_usd=1.0)
    async with held(budget, 1.0) as hold:
        assert await budget.hold(0.1) is None
        hold.release()
    assert figures(await budget.state()) == (0, 0, 0)


async def test_what_ends_without_a_word_is_uncertain(houses: Houses) -> None:
    budget = houses.another().budget("team", cost_usd=1.0)
    with pytest.raises(ValueError, match="broken"):
        async with held(budget, 0.25, 1):
            raise ValueError("broken")
    state = await budget.state()
    assert figures(state) == (0, 0, 0.25)
    assert (state.uncertain_images, state.uncertain_requests) == (1, 1)
    assert state.remaining_usd == 0.75


async def test_the_first_look_reads_what_others_have_used(houses: Houses) -> None:
    async with held(houses.another().budget("team"), 0.25) as hold:
        hold.settle(0.25)
    fresh = houses.another().budget("team", cost_usd=1.0)
    assert (fresh.spent_usd, fresh.remaining_usd, fresh.remaining_images) == (0.25, 0.75, None)
    assert repr(fresh) == "<budget 'team': cost_usd=1.0, images=None, per=None>"


async def test_budgets_lie_within_each_other(houses: Houses) -> None:
    house = houses.another()
    team = house.budget("team", cost_usd=1.0)
    ada = house.budget("ada", cost_usd=0.5, within=[team])
    here = Budget(cost_usd=2.0, within=[ada, None])
    async with held(here, 0.5) as hold:
        assert (here.remaining_usd, ada.remaining_usd, team.remaining_usd) == (0, 0, 0.5)
        assert await here.hold(0.25) is None
        assert here.reserved_usd == 0.5  # what was held here was given back
        hold.settle(0.25)
    for each in (here, ada, team):
        assert figures(await each.state()) == (0.25, 0, 0)


async def test_two_databases_hold_both_or_none(houses: Houses, tmp_path: Path) -> None:
    other = Database(f"sqlite:///{tmp_path}/other.db")
    wide = houses.another().budget("wide", cost_usd=9.0)
    both = Budgets(other).budget("narrow", cost_usd=0.5, within=[wide])
    assert await both.hold(1.0) is None
    assert figures(await wide.state()) == (0, 0, 0)
    async with held(both, 0.5) as hold:
        hold.settle(0.5)
    assert figures(await wide.state()) == figures(await both.state()) == (0.5, 0, 0)
    other.close()


async def test_a_day_begins_anew_in_utc(houses: Houses) -> None:
    budget = houses.another().budget("team", cost_usd=1.0, per="day")
    state = await budget.state()
    assert (state.period, state.ends_at) == ("2026-11-30", datetime(2026, 12, 1, tzinfo=UTC))
    async with held(budget, 0.75, shape=("m",)) as hold:
        houses.clock.now += 86_400  # the request is under way at midnight
        assert (await budget.state()).remaining_usd == 1.0
        assert await budget.hold(1.5) is None
        hold.settle(0.75)
    assert figures(await budget.state()) == (0, 0, 0)
    assert budget.highest_cost(("m",)) is None  # settled after the new day had begun
    houses.clock.now -= 86_400
    assert figures(await budget.state()) == (0.75, 0, 0)


async def test_a_request_that_is_sent_again_stays_in_its_day(houses: Houses) -> None:
    budget = houses.another().budget("team", cost_usd=1.0, per="day")
    async with held(budget, 0.5) as hold:
        houses.clock.now += 86_400
        assert await hold.again()
        assert not await hold.again()  # yesterday, nothing more is left
        hold.settle(0.25)
    assert figures(await budget.state()) == (0, 0, 0)
    houses.clock.now -= 86_400
    assert figures(await budget.state()) == (0.25, 0, 0.5)


async def test_a_month_and_what_was_learnt_before_it(houses: Houses) -> None:
    budget = houses.another().budget("team", cost_usd=1.0, per="month")
    async with held(budget, 0.0, shape=("m", "image")) as hold:
        hold.settle(0.75)
    async with held(budget, 0.0, shape=("free",)) as hold:
        hold.settle(None)
    houses.clock.now += 86_400
    state = await budget.state()
    assert (state.period, state.spent_usd) == ("2026-12", 0)
    assert state.ends_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert budget.highest_cost(("m", "image")) == 0.75
    assert budget.cannot_count(("free",))
    assert not budget.cannot_count(("m", "image"))


async def test_periods_of_one_name_count_apart(houses: Houses) -> None:
    house = houses.another()
    month = house.budget("team", cost_usd=9.0, per="month")
    day = house.budget("team", cost_usd=1.0, per="day", within=[month])
    async with held(day, 0.5) as hold:
        hold.settle(0.5)
    houses.clock.now -= 86_400
    assert ((await day.state()).spent_usd, (await month.state()).spent_usd) == (0, 0.5)


async def test_one_name_with_two_limits_is_held_once(houses: Houses) -> None:
    house = houses.another()
    wide, narrow = house.budget("team", cost_usd=9.0), house.budget("team", cost_usd=0.5)
    both = Budget(within=[wide, narrow, house.budget("team", cost_usd=9.0)])
    assert await both.hold(1.0) is None
    async with held(both, 0.5) as hold:
        hold.settle(0.5)
    assert figures(await wide.state()) == (0.5, 0, 0)


async def test_sending_again_counts_the_first_as_uncertain(houses: Houses) -> None:
    budget = houses.another().budget("team", cost_usd=1.0)
    async with held(budget, 0.25, worst=lambda: 0.5, key=KEY) as hold:
        assert await hold.again(2)
        assert figures(await budget.state()) == (0, 0.25, 0.5)
        assert not await hold.again(3)  # 0.5 more does not fit
        assert figures(await budget.state()) == (0, 0.25, 0.5)
        hold.settle(0.25)
    assert figures(await budget.state()) == (0.25, 0, 0.5)
    assert [(row.attempt, row.state) for row in houses.holds()] == [
        (1, "uncertain"),
        (2, "settled"),
    ]


async def test_a_cancelled_task_leaves_nothing_held(houses: Houses) -> None:
    budget = houses.another().budget("team", cost_usd=1.0)
    await budget.state()
    holding = asyncio.ensure_future(budget.hold(0.5))
    await asyncio.sleep(0)  # it has begun
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    assert figures(await budget.state()) == (0, 0, 0)


async def test_a_cancellation_does_not_cut_off_the_end(houses: Houses) -> None:
    budget = houses.another().budget("team", cost_usd=1.0)
    entered, leaves = asyncio.Event(), asyncio.Event()

    async def spends() -> str:
        async with held(budget, 0.5) as hold:
            entered.set()
            await leaves.wait()
            hold.settle(0.5)
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().call_soon(task.cancel)  # while the end is written
        return "the reply"

    spending = asyncio.ensure_future(spends())
    await entered.wait()
    leaves.set()
    assert await spending == "the reply"
    assert spending.cancelling() == 1
    assert figures(await budget.state()) == (0.5, 0, 0)


async def test_an_end_that_cannot_be_written_is_written_later(
    houses: Houses, caplog: pytest.LogCaptureFixture
) -> None:
    budget = houses.another().budget("team", cost_usd=1.0)
    async with held(budget, 0.5) as hold:
        hold.settle(0.25)
        with houses.databases[0].writing() as connection:
            connection.execute(text("ALTER TABLE agentkit_budgets RENAME TO gone"))
    with pytest.raises(SessionError):
        await budget.state()
    with pytest.raises(SessionError):
        await budget.hold(0.1)
    assert "budget_not_settled" in caplog.text
    with houses.databases[0].writing() as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO agentkit_budgets"))
    assert figures(await budget.state()) == (0.25, 0, 0)


async def test_a_hold_is_found_by_its_request_and_counts_once(houses: Houses) -> None:
    here, there = (houses.another().budget("team", cost_usd=1.0) for _ in range(2))
    async with held(here, 0.75, 1, key=KEY) as hold:
        hold.settle(0.5, 1)
    # The process died before it had saved the run: another one reads the same reply.
    async with held(there, 0.75, 1, key=KEY, sent=True) as hold:
        assert figures(await there.state()) == (0.5, 0, 0)
        hold.settle(0.5, 1)
    state = await there.state()
    assert (figures(state), state.spent_images) == ((0.5, 0, 0), 1)
    # What was told too late takes the place of what was thought.
    async with held(here, 0.75, key=KEY, sent=True) as hold:
        hold.keep()
    assert figures(await here.state()) == (0, 0, 0.75)
    async with held(there, 0.75, key=LedgerKey(KEY.call, 2), sent=True) as hold:
        hold.settle(0.25)  # its first attempt was refused, and the hold went on
    assert figures(await there.state()) == (0.25, 0, 0)


async def test_what_was_sent_is_held_though_nothing_is_left(houses: Houses) -> None:
    budget = houses.another().budget("team", cost_usd=0.0)
    assert await budget.hold(0.5, key=KEY) is None
    async with held(budget, 0.5, key=KEY, sent=True) as hold:
        hold.settle(0.25)
    assert figures(await budget.state()) == (0.25, 0, 0)


async def test_what_this_process_has_counted_counts_elsewhere_by_its_key(houses: Houses) -> None:
    kept = houses.another().budget("team", cost_usd=1.0)
    both = Budget(within=[kept])
    for counted in (False, True):
        async with held(both, 0.5, key=KEY, sent=counted, counted=counted) as hold:
            hold.settle(0.25)
    assert (both.spent_usd, (await kept.state()).spent_usd) == (0.25, 0.25)


async def test_what_ended_long_ago_is_removed(houses: Houses) -> None:
    budget = houses.another().budget("team")
    async with held(budget, 0.5, key=KEY) as hold:
        hold.settle(0.25)
    houses.clock.now += 41 * 86_400
    fresh = houses.another().budget("team")
    async with held(fresh, 0.5) as hold:
        hold.settle(0.25)
    assert houses.holds() == []
    assert (await budget.state()).spent_usd == 0.5


async def test_many_at_once_never_pass_the_limit(houses: Houses) -> None:
    processes = [houses.another().budget("team", cost_usd=1.0) for _ in range(3)]

    async def spend(budget: Budget) -> int:
        hold = await budget.hold(0.125)
        if hold is None:
            return 0
        async with hold:
            await asyncio.sleep(0)
            hold.settle(0.125)
        return 1

    sent = sum(await asyncio.gather(*(spend(each) for each in processes * 6)))
    states = [await each.state() for each in processes]
    assert [figures(each) for each in states] == [(sent * 0.125, 0, 0)] * 3
    # All that fits is sent in the end: what is refused beside others may be asked for again.
    while await spend(processes[0]):
        sent += 1
    assert (sent, (await processes[1].state()).remaining_usd) == (8, 0)


def hold_and_wait(url: str, cost: float, call: str | None, per: Per | None = None) -> None:
    """A process that dies with a request under way."""

    async def work() -> None:
        house = Budgets(Database(url), clock=lambda: NOON)
        budget = house.budget("team", cost_usd=1.0, per=per)
        key = None if call is None else LedgerKey(call, 1)
        hold = await budget.hold(cost, 1, key=key)
        assert hold is not None
        print("held")
        await asyncio.Event().wait()

    asyncio.run(work())


async def killed_with(
    houses: Houses, folder: Path, cost: float, call: str | None, per: Per | None = None
) -> None:
    process = started(hold_and_wait, houses.url, cost, call, per, folder=folder)
    out = folder / "stdout"
    await until(lambda: not process.is_alive() or (out.exists() and out.read_text() == "held\n"))
    assert process.is_alive(), (folder / "stderr").read_text()
    process.kill()
    process.join()


async def test_what_a_dead_process_held_is_uncertain(houses: Houses, tmp_path: Path) -> None:
    budget = houses.another().budget("team", cost_usd=1.0, images=2)
    async with held(budget, 0.25) as hold:
        await killed_with(houses, tmp_path, 0.5, None)
        state = await budget.state()
        assert figures(state) == (0, 0.25, 0.5)  # its own is not
        assert (state.uncertain_images, state.remaining_images) == (1, 1)
        assert await budget.hold(0.5) is None
        hold.settle(0.25)
    assert figures(await budget.state()) == (0.25, 0, 0.5)


async def test_the_process_that_goes_on_settles_what_the_dead_one_held(
    houses: Houses, tmp_path: Path
) -> None:
    await killed_with(houses, tmp_path, 0.5, KEY.call)
    budget = houses.another().budget("team", cost_usd=1.0)
    async with held(budget, 0.5, 1, key=KEY, sent=True) as hold:
        assert figures(await budget.state()) == (0, 0.5, 0)  # one hold, and its owner lives
        hold.settle(0.25, 1)
    assert figures(await budget.state()) == (0.25, 0, 0)


async def test_what_died_in_a_period_that_is_over_is_uncertain_there(
    houses: Houses, tmp_path: Path
) -> None:
    await killed_with(houses, tmp_path, 0.5, None, "day")
    houses.clock.now += 86_400
    budget = houses.another().budget("team", cost_usd=1.0, per="day")
    async with held(budget, 0.25) as hold:
        hold.settle(0.25)
    assert figures(await budget.state()) == (0.25, 0, 0)
    assert [each.state for each in houses.holds()] == ["uncertain"]
    houses.clock.now -= 86_400
    assert figures(await budget.state()) == (0, 0, 0.5)


async def test_what_a_dead_process_never_sent_is_held_anew(houses: Houses, tmp_path: Path) -> None:
    await killed_with(houses, tmp_path, 0.75, KEY.call)
    budget = houses.another().budget("team", cost_usd=1.0)
    async with held(budget, 0.75, 1, key=KEY) as hold:
        hold.settle(0.5, 1)
    state = await budget.state()
    assert (figures(state), state.uncertain_requests) == ((0.5, 0, 0), 0)


def tell(url: str) -> None:
    """What another process sees of the budget."""

    async def work() -> None:
        database = Database(url)
        budget = Budgets(database, clock=lambda: NOON).budget("team", cost_usd=1.0)
        print(*figures(await budget.state()))
        database.close()

    asyncio.run(work())


async def test_who_lost_its_lock_is_believed_dead_and_settles_all_the_same(
    postgres_url: str, postgres_server: Postgres
) -> None:
    database = Database(postgres_url)
    budget = Budgets(database, clock=lambda: NOON).budget("team", cost_usd=1.0)
    async with held(budget, 0.5) as hold:
        postgres_server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{make_url(postgres_url).database}'"
        )
        async with held(budget, 0.25) as later:  # that lock was lost, so another one is taken
            seen = await asyncio.to_thread(forked, tell, postgres_url)
            assert (seen.stdout, seen.stderr) == ("0.0 0.25 0.5\n", "")
            later.settle(0.25)
        hold.settle(0.5)
    assert figures(await budget.state()) == (0.75, 0, 0)
    database.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_the_child_of_a_fork_holds_for_itself(database_url: str) -> None:
    seen = forked(fork_while_holding, database_url)
    assert (seen.stdout.splitlines(), seen.stderr) == (["0.25 0.5 0.0", "0.25 0.0 0.5"], "")


def fork_while_holding(url: str) -> None:
    """The child spends, and tells what it sees; then again once its parent's hold is given up."""
    database = Database(url)
    budget = Budgets(database, clock=lambda: NOON).budget("team", cost_usd=1.0)

    async def spend() -> None:
        async with held(budget, 0.25) as hold:
            hold.settle(0.25)
        print(*figures(await budget.state()))

    async def give_up(hold: Hold) -> None:
        async with hold:
            pass

    hold = asyncio.run(budget.hold(0.5))
    assert hold is not None
    if (child := os.fork()) == 0:
        asyncio.run(spend())
        os._exit(0)
    os.waitpid(child, 0)
    asyncio.run(give_up(hold))
    print(*figures(asyncio.run(budget.state())))
    database.close()


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("", {}, r"Sessions.budget\(''\): accepted is a string of 1 to 200 characters"),
        ("a\0b", {}, r"Sessions.budget\('a\\x00b'\)"),
        ("a" * 201, {}, r"Sessions.budget\('aaa"),
        (7, {}, r"Sessions.budget\(7\)"),
        ("team", {"cost_usd": -1}, r"Sessions.budget\(cost_usd=-1\): accepted is a finite number"),
        ("team", {"images": 0.5}, r"Sessions.budget\(images=0.5\)"),
        ("team", {"per": "week"}, r"per='week'\): accepted are 'day' and 'month' and None"),
        ("team", {"within": [5]}, r"within=5\): accepted is budgets"),
        ("team", {"unmetered": 1}, r"unmetered=1\): accepted is True or False"),
    ],
)
def test_what_is_no_budget(name: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Budgets(Database("sqlite://")).budget(name, **options)


def test_a_name_may_be_any_printable_text(houses: Houses) -> None:
    house = houses.another()
    for name in ("../etc", "Ада 🦊", "a" * 200, "x'; DROP TABLE agentkit_budgets; --"):
        assert house.budget(name).spent_usd == 0


async def test_a_plain_reservation_of_a_kept_budget_is_refused(houses: Houses) -> None:
    budget = Budget(within=[houses.another().budget("team")])
    with pytest.raises(UsageError, match=r"'team' is kept in a database: await budget\.hold"):
        budget.reserve(0.5)


async def test_a_plain_budget_has_a_state_too() -> None:
    budget = Budget(cost_usd=1.0)
    async with held(budget, 0.25) as hold:
        assert await budget.state() == BudgetState(cost_usd=1.0, reserved_usd=0.25)
        hold.settle(0.25)
    assert (await budget.state()).remaining_usd == 0.75
    assert not isinstance(budget, KeptBudget)


async def test_no_error_of_another_database_is_hidden(tmp_path: Path) -> None:
    path = tmp_path / "note.db"
    path.write_text(json.dumps({"no": "database"} | {str(n): n for n in range(200)}))
    database = Database(f"sqlite:///{path}")
    budget = Budgets(database).budget("team", cost_usd=1.0)
    with pytest.raises(SessionError):
        await budget.state()
    with pytest.raises(SessionError):
        await Budget(within=[budget]).hold(0.5)
    database.close()
