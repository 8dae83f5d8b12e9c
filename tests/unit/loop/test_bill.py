"""The bill of a request in answers, limits and budgets, through both APIs, buffered and streamed."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from agentkit import Budget, Limits, Message, Run, Text, Usage, tool
from agentkit.emulator import CallTool, Failure, RawReply, Reply, Say
from agentkit.errors import RateLimited, RunError, UsageError
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


HALF = {"id": "gen-1", "choices": [{"index": 0, "delta": {"content": "Hal"}}]}
HALF_ITEM = {"type": "response.output_text.delta", "output_index": 0, "delta": "Hal"}


def broken(bench: Bench, **usage: Any) -> RawReply:
    """A stream that ends in the middle; it may have told what it cost so far."""
    events: list[Any] = [{**HALF, "usage": usage}]
    if bench.way.api == "responses":
        created = {"type": "response.created", "response": {"id": "gen-1", "usage": usage}}
        events = [created, HALF_ITEM]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return RawReply(200, body.encode(), content_type="text/event-stream")


@pytest.mark.parametrize("limit", [1, None])
async def test_a_stream_without_usage_may_have_cost_its_worst_price(
    limit: float | None, bench: Bench
) -> None:
    budget = Budget(limit)
    agent = bench.agent(checks=True, budget=budget)
    bench.emulator.play([Reply([Say("Done.")], usage={"cost": None})])
    usage = (await bench.ask(agent, "Go")).usage
    assert usage.uncertain_usd == budget.uncertain_usd > 0
    assert (usage.cost_usd, usage.highest_usd) == (None, usage.uncertain_usd)
    bench.emulator.play([broken(bench)])
    with pytest.raises(RunError) as caught:
        await bench.ask(agent, "Go")
    assert caught.value.run is not None
    assert run_of(caught.value).usage.uncertain_usd == pytest.approx(usage.uncertain_usd)
    assert budget.uncertain_usd == pytest.approx(2 * usage.uncertain_usd)
    assert (budget.spent_usd, budget.uncertain_requests) == (0, 2)


def run_of(error: RunError) -> Run:
    assert isinstance(error.run, Run)
    return error.run


async def test_what_a_broken_stream_told_is_the_cost_so_far(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    agent = bench.agent(budget=budget)
    bench.emulator.play([Reply([Say("ok")], usage={"cost": 0.1}), broken(bench, cost=0.02)])
    await bench.ask(agent, "Go")
    with pytest.raises(RunError) as caught:
        await bench.ask(agent, "Go")
    usage = run_of(caught.value).usage
    assert (usage.cost_usd, usage.cost_is_whole) == (0.02, False)
    assert usage.uncertain_usd == budget.uncertain_usd == pytest.approx(0.08)
    assert budget.spent_usd == pytest.approx(0.12)


async def test_a_run_that_is_resumed_remembers_what_may_have_been_spent(bench: Bench) -> None:
    bench.emulator.play([calls_look(0.2), broken(bench)])
    agent = bench.agent(tools=[look], limits=Limits(cost_usd=0.5))
    with pytest.raises(RunError) as caught:
        await bench.ask(agent, "Go")
    run = run_of(caught.value)
    assert (run.usage.cost_usd, run.usage.uncertain_usd) == (0.2, pytest.approx(0.2))
    assert Run.from_json(run.to_json()) == run
    answer = await agent.resume(run)
    assert (answer.status, answer.limit) == ("limited", "cost_usd")
    assert [each.method for each in bench.emulator.requests].count("POST") == 2


def calls_look(cost: float) -> Reply:
    return Reply([CallTool("look", {"at": "it"})], usage={"cost": cost})


async def test_a_request_that_was_not_billed_leaves_nothing_open(bench: Bench) -> None:
    budget = Budget(cost_usd=1)
    bench.emulator.play([Reply([], error=Failure("no", code=400))])
    with pytest.raises(RunError) as caught:
        await bench.ask(bench.agent(checks=True, budget=budget), "Go")
    assert run_of(caught.value).usage.highest_usd == budget.uncertain_usd == 0


def test_a_run_that_says_that_less_than_nothing_is_open_is_refused() -> None:
    message = Message("user", (Text("Go"),))
    spent = (Usage(requests=1, uncertain_usd=-5.0),)
    text = Run("r", "a/b", "chat", (message,), 0, spent=spent).to_json()
    with pytest.raises(UsageError, match="uncertain_usd=-5.0"):
        Run.from_json(text)
