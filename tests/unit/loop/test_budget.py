"""Limits in money and pictures: held before each request, and shared where a `Budget` says so."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit import (
    Agent,
    Budget,
    ImageGeneration,
    Limits,
    Message,
    OpenRouter,
    Run,
    Text,
)
from agentkit.emulator import Emulator, Reply, Say
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.loop.driver import drive
from agentkit.loop.start import Start
from agentkit.wire.types import Request
from tests.conftest import WAYS, Bench
from tests.unit.loop.spending import body, calls, live_of, look, says


async def test_a_run_leaves_enough_to_close_in_words(bench: Bench) -> None:
    bench.emulator.play(
        [calls(1), calls(2), calls(3), says("That is all I could afford."), says("never")]
    )
    answer = await bench.ask(bench.agent(tools=[look], limits=Limits(cost_usd=0.45)), "Go")
    assert (answer.status, answer.limit) == ("limited", "cost_usd")
    assert answer.text.endswith("That is all I could afford.")
    assert answer.usage.cost_usd == pytest.approx(0.4)
    assert body(bench)["tool_choice"] == "none"


async def test_what_does_not_fit_is_not_sent(bench: Bench) -> None:
    bench.emulator.play([calls(1), says("never")])
    answer = await bench.ask(bench.agent(tools=[look], limits=Limits(cost_usd=0.15)), "Go")
    assert (answer.status, answer.limit, answer.text) == ("limited", "cost_usd", "Step 1.")
    assert len(bench.emulator.requests) == 1
    assert Run.from_json(answer.run.to_json()) == answer.run


async def test_the_dearest_request_so_far_is_the_price_of_the_next(bench: Bench) -> None:
    bench.emulator.play([calls(1, 0.01), calls(2, 0.3), says("Enough.", 0.3), says("never")])
    answer = await bench.ask(bench.agent(tools=[look], limits=Limits(cost_usd=0.9)), "Go")
    assert (answer.limit, len(bench.emulator.requests)) == ("cost_usd", 3)
    assert body(bench)["tool_choice"] == "none"
    assert (answer.usage.cost_usd or 0) <= 0.9


async def test_runs_share_a_budget_one_after_another(bench: Bench) -> None:
    budget = Budget(cost_usd=0.25)
    agent = bench.agent(budget=budget)
    bench.emulator.play([says(), says(), says("never")])
    answers = [await bench.ask(agent, f"Go {number}") for number in range(3)]
    assert [each.status for each in answers] == ["completed", "completed", "limited"]
    assert len(bench.emulator.requests) == 2
    assert (budget.spent_usd, budget.reserved_usd, budget.uncertain_usd) == (
        pytest.approx(0.2),
        0,
        0,
    )
    assert budget.remaining_usd == pytest.approx(0.05)


async def test_a_budget_of_the_agent_and_one_of_the_run_both_hold(bench: Bench) -> None:
    wide, narrow = Budget(cost_usd=10), Budget(cost_usd=0.15)
    agent = bench.agent(budget=wide)
    bench.emulator.play([says(), says("never")])
    await bench.ask(agent, "Go", budget=narrow)
    assert (await bench.ask(agent, "Go", budget=narrow)).status == "limited"
    assert (wide.spent_usd, narrow.spent_usd) == (0.1, 0.1)
    bench.emulator.play([says()])
    assert (await bench.ask(agent, "Go")).status == "completed"
    assert (wide.spent_usd, narrow.spent_usd) == (0.2, 0.1)


async def test_the_same_budget_twice_counts_once(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    bench.emulator.play([says()])
    await bench.ask(bench.agent(budget=budget), "Go", budget=budget)
    assert budget.spent_usd == 0.1


async def test_parallel_runs_hold_what_they_may_cost(bench: Bench) -> None:
    budget = Budget(cost_usd=0.35)
    agent = bench.agent(budget=budget)
    bench.emulator.play([says()] + [Reply([Say("ok")], usage={"cost": 0.1}, delay=0.05)] * 8)
    await bench.ask(agent, "Go")  # now the price is known
    answers = await asyncio.gather(*(bench.ask(agent, f"Go {number}") for number in range(8)))
    assert sorted(each.status for each in answers) == ["completed"] * 2 + ["limited"] * 6
    assert len(bench.emulator.requests) == 3
    assert budget.spent_usd == pytest.approx(0.3)


def test_runs_on_several_threads_share_one() -> None:
    with Emulator() as emulator:
        emulator.play([Reply([Say("ok")], usage={"cost": 0.1}, delay=0.05)] * 12)
        budget, statuses = Budget(cost_usd=0.35), []

        def agent() -> Agent[Any]:
            client = OpenRouter(api_key="sk-or-test", base_url=emulator.base_url)
            return Agent(
                "openai/gpt-5.2",
                client=client,
                store=MemoryImageStore(),
                budget=budget,
                checks=False,
            )

        async def alone() -> str:
            mine = agent()
            async with mine.client:
                return (await mine.run("Go")).status

        asyncio.run(alone())
        shared = agent()
        works = [lambda: asyncio.run(alone())] * 3 + [lambda: shared.run_sync("Go").status] * 3
        threads = [
            threading.Thread(target=lambda work=work: statuses.append(work())) for work in works
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sorted(statuses) == ["completed"] * 2 + ["limited"] * 4
        assert budget.spent_usd == pytest.approx(0.3)
        assert len(emulator.requests) == 3


async def test_without_any_money_nothing_is_sent(bench: Bench) -> None:
    chat = bench.agent().conversation()
    answer = await bench.ask(chat, "Go", budget=Budget(cost_usd=0))
    assert (answer.status, answer.limit, answer.text) == ("limited", "cost_usd", "")
    assert not bench.emulator.requests
    bench.emulator.play([says()])
    assert (await bench.ask(chat, "Go")).status == "completed"


async def test_what_the_catalogue_implies_is_held_before_the_first_request(bench: Bench) -> None:
    seen: list[tuple[str, bool]] = []

    def price(request: Request) -> float | None:
        seen.append((request.model, request.closing))
        return 0.01 if request.closing else 0.2

    bench.emulator.play([says("In words.", 0.01)])
    prompt = Message("user", (Text("Draw a fox"),))
    run = Run("r1", "openai/gpt-5.2", bench.way.api, (prompt,), 0, Limits(cost_usd=0.1))  # type: ignore[arg-type]
    answer = await drive(Start(run=run), run, live_of(run, bench, price))
    assert (answer.status, answer.limit, answer.text) == ("limited", "cost_usd", "In words.")
    assert set(seen) == {("openai/gpt-5.2", False), ("openai/gpt-5.2", True)}
    run = replace(run, limits=Limits(cost_usd=0.2))
    roomy = await drive(Start(run=run), run, live_of(run, bench, price))
    assert roomy.status == "completed"


async def test_the_end_says_how_much_was_left_and_how_much_was_wanted(bench: Bench) -> None:
    bench.emulator.play([says("In words.", 0.01), calls(1), says("never")])
    agent = bench.agent(tools=[ImageGeneration()], checks=True, budget=Budget(cost_usd=0.02))
    answer = await bench.ask(agent, "Draw a fox")
    assert (answer.status, answer.limit, answer.text) == ("limited", "cost_usd", "In words.")
    left, _, wanted = (answer.limit_reason or "").partition(" is left, ")
    assert left == "$0.0200"
    assert "the next request may cost $" in wanted
    assert "a picture included" in wanted
    assert Run.from_json(answer.run.to_json()) == answer.run
    plain = await bench.ask(bench.agent(tools=[look], limits=Limits(cost_usd=0.15)), "Go")
    worst = "the next request and the one that closes the run may cost $0.2000 at worst"
    assert plain.limit_reason == f"$0.0500 is left, and {worst}"
    bench.emulator.play([says()])
    assert (await bench.ask(bench.agent(), "Go")).limit_reason is None


async def test_another_limit_has_no_reason_in_money(bench: Bench) -> None:
    bench.emulator.play([calls(1), says()])
    answer = await bench.ask(bench.agent(tools=[look], limits=Limits(turns=1)), "Go")
    assert (answer.limit, answer.limit_reason) == ("turns", None)


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"cost_usd": -1}, r"Budget\(cost_usd=-1\)"),
        ({"cost_usd": float("nan")}, "finite"),
        ({"cost_usd": True}, "cost_usd=True"),
        ({"cost_usd": "1"}, "cost_usd='1'"),
        ({"images": -1}, "images=-1"),
        ({"images": 1.5}, "whole number"),
        ({"images": True}, "images=True"),
    ],
)
def test_a_budget_that_is_none(given_: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Budget(**given_)


async def test_what_is_no_budget_is_refused_at_once(bench: Bench) -> None:
    with pytest.raises(UsageError, match=r"budget=5: accepted is Budget"):
        bench.agent(budget=5)
    with pytest.raises(UsageError, match=r"budget=5: accepted is Budget"):
        await bench.ask(bench.agent(), "Go", budget=5)
    assert not bench.emulator.requests


def test_a_budget_tells_of_itself() -> None:
    budget = Budget(cost_usd=1, images=2)
    with budget.reserve(0.25, 1) or pytest.fail("there is room"):
        assert (budget.reserved_usd, budget.reserved_images) == (0.25, 1)
        assert (budget.remaining_usd, budget.remaining_images) == (0.75, 1)
    assert (budget.uncertain_usd, budget.uncertain_images, budget.uncertain_requests) == (
        0.25,
        1,
        1,
    )
    assert repr(budget).startswith("Budget(cost_usd=1, images=2, spent_usd=0.0")
    assert (Budget().remaining_usd, Budget().remaining_images) == (None, None)
    assert Budget(cost_usd=0).reserve() is None


costs = st.floats(0, 1).map(lambda value: round(value, 4))


@given(
    st.floats(0, 3),
    st.lists(st.tuples(costs, st.sampled_from(["settle", "release", "keep", "open"])), max_size=20),
)
def test_what_is_held_at_its_true_price_never_passes_the_limit(
    limit: float, requests: list[tuple[float, str]]
) -> None:
    budget = Budget(cost_usd=limit)
    for cost, end in requests:
        hold = budget.reserve(cost)
        if hold is None:
            continue
        if end == "settle":
            hold.settle(cost)
            hold.settle(cost)  # ends once
        elif end != "open":
            getattr(hold, end)()
        assert budget.spent_usd + budget.reserved_usd + budget.uncertain_usd <= limit + 1e-9


@settings(max_examples=12, deadline=None)
@given(
    limit=st.floats(0.05, 2),
    prices=st.lists(costs, min_size=40, max_size=40),
    parallel=st.integers(1, 4),
    way=st.sampled_from(WAYS),
)
def test_never_more_than_the_limit_and_the_requests_in_flight(
    limit: float, prices: list[float], parallel: int, way: Any
) -> None:
    budget = Budget(cost_usd=limit)

    async def all_of_them(emulator: Emulator) -> None:
        async with OpenRouter(api_key="sk-or-test", base_url=emulator.base_url) as client:
            bench = Bench(way, emulator, client, MemoryImageStore())
            agent = bench.agent(tools=[look], budget=budget)

            async def one() -> None:
                for _ in range(3):
                    await bench.ask(agent, "Go")

            await asyncio.gather(*(one() for _ in range(parallel)))

    with Emulator() as emulator:
        emulator.play(
            [
                calls(number, price) if number % 3 else says(cost=price)
                for number, price in enumerate(prices)
            ]
        )
        asyncio.run(all_of_them(emulator))
        served = prices[: len(emulator.requests)]
    assert sum(served) <= limit + sum(sorted(served)[-parallel:]) + 1e-9
    assert budget.spent_usd == pytest.approx(sum(served))
    assert budget.reserved_usd == 0


async def test_what_a_saved_run_says_of_prices_is_learnt_by_no_other_run(bench: Bench) -> None:
    agent = bench.agent(budget=Budget(cost_usd=5))
    bench.emulator.play([says(), says()])
    run = (await bench.ask(agent, "Go")).run
    told = replace(run, highest_cost_usd=99.0, status="running", messages=run.messages[:1])
    assert (await agent.resume(told)).status == "limited"
    assert (await bench.ask(agent, "Go")).status == "completed"
