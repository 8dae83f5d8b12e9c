"""The bill of a request in answers, limits and budgets, through both APIs, buffered and streamed."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from agentkit import Budget, Limits, tool
from agentkit.emulator import CallTool, RawReply, Reply, Say
from agentkit.errors import RateLimited
from tests.conftest import Bench


@tool
def look(at: str) -> str:
    """Looks."""
    return f"saw {at}"


def own_key(upstream: float | None, cost: float | None = 0, *, calls: int = 0) -> Reply:
    """What a request by a key of the user's own costs."""
    usage: dict[str, Any] = {"cost": cost, "is_byok": True, "cost_details": None}
    if upstream is not None:
        usage["cost_details"] = {"upstream_inference_cost": upstream, "server_tool_cost": 0.01}
    content = [CallTool("look", {"at": str(calls)})] if calls else [Say("Done.")]
    return Reply([*content], usage=usage)


async def test_what_a_provider_bills_to_a_key_of_the_users_own_counts(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    bench.emulator.play([own_key(0.25, 0.05)])
    answer = await bench.ask(bench.agent(budget=budget), "Go")
    usage = answer.usage
    assert (usage.cost_usd, usage.upstream_cost_usd) == (pytest.approx(0.3), 0.25)
    assert (usage.server_tool_cost_usd, usage.cost_is_whole) == (0.01, True)
    assert (budget.spent_usd, budget.uncertain_usd) == (pytest.approx(0.3), 0)


async def test_and_a_limit_is_kept_by_it(bench: Bench) -> None:
    bench.emulator.play([own_key(0.25, calls=1), own_key(0.25), own_key(0.25)])
    agent = bench.agent(tools=[look], limits=Limits(cost_usd=0.45))
    answer = await bench.ask(agent, "Go")
    assert (answer.status, answer.limit) == ("limited", "cost_usd")
    assert len(bench.emulator.requests) == 1


async def test_a_provider_that_does_not_tell_its_price_leaves_it_open(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    agent = bench.agent(budget=budget)
    bench.emulator.play([own_key(0.25), own_key(None, 0.05)])
    await bench.ask(agent, "Go")
    usage = (await bench.ask(agent, "Go")).usage
    assert (usage.cost_usd, usage.cost_is_whole) == (0.05, False)
    assert (budget.spent_usd, budget.uncertain_usd) == (pytest.approx(0.3), pytest.approx(0.2))
    assert budget.uncertain_requests == 1


@pytest.mark.unjudged
async def test_a_usage_of_strings_and_negatives_leaves_the_cost_open(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    wrong = {"cost": "0.1", "prompt_tokens": -4, "input_tokens": "4", "completion_tokens": "many"}
    bench.emulator.play([Reply([Say("ok")], usage={"cost": 0.1}), Reply([Say("ok")], usage=wrong)])
    agent = bench.agent(budget=budget)
    await bench.ask(agent, "Go")
    answer = await bench.ask(agent, "Go")
    assert (answer.text, answer.usage.cost_usd, answer.usage.cost_is_whole) == ("ok", None, False)
    assert (budget.spent_usd, budget.uncertain_usd) == (0.1, pytest.approx(0.1))


def refusal(reset: str, **headers: str) -> RawReply:
    """The 429 of the free models' daily limit."""
    told = {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    error = {"message": "Rate limit exceeded", "code": 429, "metadata": {"headers": told}}
    return RawReply(429, json.dumps({"error": error}).encode(), headers=headers)


@pytest.mark.parametrize("form", ["seconds", "moment", "milliseconds", "date"])
async def test_a_limit_that_is_reset_in_hours_is_not_tried_again(form: str, bench: Bench) -> None:
    moment = int(time.time()) + 40_000
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    told = {"seconds": "40000", "moment": moment, "milliseconds": moment * 1000, "date": date}
    bench.emulator.play([refusal(str(told[form]), **{"Retry-After": "1"})])
    with pytest.raises(RateLimited) as caught:
        await bench.ask(bench.agent(), "Go")
    assert caught.value.retry_after == pytest.approx(40_000, abs=300)
    assert len(bench.emulator.requests) == 1


async def test_the_headers_of_the_reply_tell_it_too(bench: Bench) -> None:
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 40_000)}
    bench.emulator.play([RawReply(429, b"slow down", headers=reset)])
    with pytest.raises(RateLimited) as caught:
        await bench.ask(bench.agent(), "Go")
    assert caught.value.retry_after == pytest.approx(40_000, abs=300)
    assert len(bench.emulator.requests) == 1


async def test_a_limit_that_is_reset_at_once_is_tried_again(bench: Bench) -> None:
    past = str(int(time.time() - 60) * 1000)
    bench.emulator.play([refusal(past), Reply([Say("Here.")])])
    assert (await bench.ask(bench.agent(), "Go")).text == "Here."
