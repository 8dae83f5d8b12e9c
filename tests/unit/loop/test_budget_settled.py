"""What was held for a request is settled: by its cost, by a look-up, or as uncertain."""

from __future__ import annotations

import asyncio

import pytest

from agentkit import (
    Budget,
    ImageGeneration,
    OpenRouter,
)
from agentkit.emulator import Failure, RawReply, Reply, Say
from agentkit.errors import APIError, BadRequest, RunError
from agentkit.openrouter import Timeouts
from tests.clock import FOREVER, GUARD, until
from tests.conftest import Bench
from tests.unit.loop.spending import says


async def test_what_a_broken_request_cost_is_looked_up(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    bench.emulator.play([Reply([Say("A long tale of many words. " * 40)], cut_after=1000)])
    patient = OpenRouter(
        api_key="sk-or-test-key",
        base_url=bench.emulator.base_url,
        timeouts=Timeouts(lookup=GUARD),
    )
    async with patient:
        with pytest.raises(RunError) as caught:
            await bench.ask(bench.agent(budget=budget, client=patient), "Go")
    assert caught.value.generation is not None
    assert caught.value.billed is True
    assert (budget.spent_usd, budget.uncertain_requests) == (caught.value.generation.cost_usd, 0)
    assert budget.reserved_usd == 0


async def test_a_refused_request_costs_nothing(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    agent = bench.agent(budget=budget)
    bench.emulator.play([says(), Reply([], error=Failure("no", 400))])
    await bench.ask(agent, "Go")
    with pytest.raises(BadRequest) as caught:
        await bench.ask(agent, "Go")
    assert caught.value.billed is False
    assert (budget.spent_usd, budget.reserved_usd, budget.uncertain_usd) == (0.1, 0, 0)


@pytest.mark.parametrize(
    ("status", "uncertain"),
    [(408, 1), (429, 1), (500, 1), (503, 1), (400, 0), (402, 0), (403, 0), (404, 0), (425, 0)],
)
async def test_before_an_error_a_server_tool_may_have_run(
    status: int, uncertain: int, bench: Bench
) -> None:
    """What is not sent again since it may have been billed is not free either; a refusal comes
    before any tool runs.
    """
    budget = Budget(cost_usd=1)
    budget.learn(("openai/gpt-5.2", "openrouter:image_generation"), 0.2)
    failed = RawReply(status, b'{"error": {"message": "no"}}', headers={"Retry-After": "0"})
    bench.emulator.play([failed] * 3)
    with pytest.raises(APIError) as caught:
        await bench.ask(bench.agent(tools=[ImageGeneration()], budget=budget), "Draw a fox")
    assert (caught.value.status, caught.value.generation) == (status, None)
    assert caught.value.billed is (None if uncertain else False)
    assert (budget.uncertain_requests, budget.uncertain_usd) == (
        uncertain,
        pytest.approx(0.2 * uncertain),
    )
    assert (budget.reserved_usd, budget.spent_usd) == (0, 0)
    assert len(bench.emulator.requests) == (2 if status == 425 else 1)


async def test_an_error_whose_usage_was_told_is_settled(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    bench.emulator.play(
        [Reply([Say("half")], error=Failure("broke", 502, form="choice"), usage={"cost": 0.07})]
    )
    with pytest.raises(APIError, match="broke") as caught:
        await bench.ask(bench.agent(budget=budget), "Go")
    assert caught.value.billed is True
    assert (budget.spent_usd, budget.uncertain_requests) == (0.07, 0)


async def test_a_cancelled_request_is_uncertain(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    agent = bench.agent(budget=budget)
    bench.emulator.play([says(), Reply([Say("slow")], delay=FOREVER)])
    await bench.ask(agent, "Go")
    task = asyncio.create_task(bench.ask(agent, "Go"))
    await until(lambda: len(bench.emulator.requests) == 2)
    assert budget.reserved_usd == pytest.approx(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert budget.reserved_usd == 0
    assert (budget.uncertain_usd, budget.uncertain_requests) == (pytest.approx(0.1), 1)
    assert budget.remaining_usd == pytest.approx(0.8)


async def test_a_cost_that_is_not_told_keeps_what_was_held(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    agent = bench.agent(budget=budget)
    bench.emulator.play([says(), says(cost=None)])
    whole = (await bench.ask(agent, "Go")).usage
    open_ = (await bench.ask(agent, "Go")).usage
    assert (whole.cost_is_whole, open_.cost_is_whole) == (True, False)
    assert (open_.cost_usd, open_.requests, open_.priced_requests) == (None, 1, 0)
    assert (budget.spent_usd, budget.uncertain_usd, budget.uncertain_requests) == (
        0.1,
        pytest.approx(0.1),
        1,
    )
