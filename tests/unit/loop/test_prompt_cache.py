"""Conversations whose prompts a provider caches: what they cost, and which bytes stay the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import structlog

from agentkit import Agent, Budget, History, Image, ModelSettings, Run, tool
from agentkit.emulator import CallTool, Reply, Say
from agentkit.openrouter import Price
from tests.conftest import Bench, picture
from tests.unit.loop.cached_prompts import (
    SONNET,
    bodies,
    changed_bytes,
    check_cached,
    marks,
    prompt,
    uncached_usd,
)

LONG = "Answer as the house does. " * 3077
"""Some 20,000 tokens."""
HOUSE = LONG[: 26 * 240]
"""Some 1,500 tokens, more than Sonnet's least length."""


@tool
def tell(number: int) -> str:
    """Tells about a number."""
    return f"{number} is a number. " * 10


def ten_tools() -> list[Any]:
    @tool(name="other")
    def other(words: str) -> str:
        """Does something else, which takes some words to be told."""
        return words

    return [tell, *(tool(name=f"other_{at}")(other.function) for at in range(9))]


def cached(bench: Bench, **options: Any) -> Agent[Any]:
    return bench.agent(**{"model": SONNET, "instructions": HOUSE, "checks": True, **options})


async def talk(bench: Bench, chat: Any, turns: int, start: int = 0) -> list[Any]:
    """So many turns, every second with a call of a tool; the usages of their requests."""
    spent: list[Any] = []
    for at in range(start, start + turns):
        if at % 2:
            bench.emulator.play(Reply([CallTool("tell", {"number": at})]))
        bench.emulator.play(Reply([Say(f"Here is what I know of {at}. " * 5)]))
        answer = await bench.ask(chat, f"Tell me about {at}, please. " * 3)
        spent += answer.run.spent
    return spent


def reads_all(usages: list[Any]) -> list[bool]:
    """Of each request but the first: whether it read all that the one before had read and
    written."""
    return [
        later.cached_tokens >= earlier.cached_tokens + earlier.cache_write_tokens > 0
        for earlier, later in pairwise(usages)
    ]


@pytest.mark.parametrize(
    ("turns", "share"),
    [pytest.param(6, 0.3, id="6"), pytest.param(40, 0.2, id="40", marks=pytest.mark.slow)],
)
async def test_many_turns_cost_a_fifth(bench: Bench, turns: int, share: float) -> None:
    chat = cached(bench, tools=ten_tools(), instructions=LONG).conversation()
    usages = await talk(bench, chat, turns)
    check_cached(bench.emulator.requests, usages, share)
    assert all(reads_all(usages))
    last = bodies(bench.emulator.requests)[-1]
    assert len(marks(last)) == (4 if bench.way.api == "chat" else 3)
    usage = chat.usage
    saved = uncached_usd(usages) - sum((each.cost_usd or 0) for each in usages)
    saved += usage.output_tokens * 15e-6
    assert usage.cache_saved_usd == pytest.approx(saved, abs=1e-6)
    counted = usage.cached_tokens + usage.cache_write_tokens + usage.fresh_tokens
    assert counted == usage.input_tokens


@pytest.mark.parametrize("broken", ["no marks", "a clock in front"])
async def test_a_broken_run_is_noticed(bench: Bench, broken: str) -> None:
    settings = ModelSettings(cache="off" if broken == "no marks" else "auto")
    usages: list[Any] = []
    chat = cached(bench, tools=ten_tools(), settings=settings).conversation()
    for at in range(3):
        if broken != "no marks":
            chat.agent.instructions = f"It is {at} o'clock. {HOUSE}"
        usages += await talk(bench, chat, 1, at)
    with pytest.raises(AssertionError):
        check_cached(bench.emulator.requests, usages, 0.4)


async def test_pictures_become_lines_in_steps(bench: Bench) -> None:
    chat = cached(bench, history=History(images=3)).conversation()
    usages: list[Any] = []
    for at in range(12):
        bench.emulator.play(Reply([Say(f"I see number {at}.")]))
        shown = Image.from_bytes(picture(size=(40 + at, 30)))
        answer = await bench.ask(chat, [f"Look at this, number {at}", shown])
        usages += answer.run.spent
    sent = bodies(bench.emulator.requests)
    steps = [
        at + 1
        for at, (earlier, later) in enumerate(pairwise(sent))
        if changed_bytes(earlier, later)
    ]
    assert steps == [6, 9]  # with the sixth picture, three stay; so with each third one more
    wrote = [at + 1 for at, whole in enumerate(reads_all(usages)) if not whole]
    assert wrote == steps
    # At a step too, the instructions are read.
    assert all(each.cached_tokens > 1_400 for each in usages[1:])


async def test_who_goes_on_elsewhere_reads_what_was_written(bench: Bench) -> None:
    agent = cached(bench, tools=[tell])
    chat = agent.conversation()
    usages = await talk(bench, chat, 2)
    fork = chat.fork()
    usages += await talk(bench, fork, 1, 2)
    assert all(reads_all(usages))
    bench.emulator.play(Reply([CallTool("tell", {"number": 9})]), Reply([Say("Nine.")]))
    answer = await bench.ask(chat, "What of nine?")
    whole = Run.from_json(answer.run.to_json(), blobs=bench.store)
    # As a crash leaves it: the result of the tool is there, and the last reply is not.
    cut = whole.replace(
        messages=whole.messages[:-1], spent=whole.spent[:-1], turns=1, status="running"
    )
    bench.emulator.play(Reply([Say("Nine it is.")]))
    after = await cached(bench, tools=[tell]).conversation(run=cut).resume(cut)
    assert after.run.spent[-1].cached_tokens >= whole.spent[0].cached_tokens > 0
    assert after.run.spent[-1].fresh_tokens < 100


async def test_another_model_writes_once(bench: Bench) -> None:
    chat = cached(bench).conversation()
    usages = await talk(bench, chat, 2)
    chat.model = "google/gemini-2.5-flash"
    gemini = await talk(bench, chat, 2, 4)
    chat.model = SONNET
    usages += await talk(bench, chat, 1, 6)
    assert all(reads_all(usages))  # within five minutes, what was written before is there
    first, second = gemini[0], gemini[-1]
    assert first.cached_tokens == 0 < first.cache_write_tokens
    assert second.cached_tokens == first.cache_write_tokens
    # Gemini reads the last mark alone, so there is one, on the instructions.
    for body in bodies(bench.emulator.requests):
        if body["model"].startswith("google/"):
            assert marks(body) == [0]
            assert "Answer as the house does." in str(prompt(body)[0])


async def test_auto_stops_where_nothing_is_read(bench: Bench) -> None:
    chat = cached(bench).conversation()
    with structlog.testing.capture_logs() as lines:
        for at in range(5):
            await talk(bench, chat, 1, at * 2)
            bench.emulator.age_prompts(301)
    sent = bodies(bench.emulator.requests)
    assert [bool(marks(body)) for body in sent] == [True, True, True, False, False]
    assert [each["event"] for each in lines].count("cache_stopped") == 1
    # The texts stay in parts, so that marks of another turn would find the same bytes.
    assert changed_bytes(sent[2], sent[4]) == 0
    assert chat.usage.cache_saved_usd is not None
    assert chat.usage.cache_saved_usd < 0


async def test_what_was_asked_for_is_not_stopped(bench: Bench) -> None:
    chat = cached(bench, settings=ModelSettings(cache="5m")).conversation()
    for at in range(4):
        await talk(bench, chat, 1, at * 2)
        bench.emulator.age_prompts(301)
    assert all(marks(body) for body in bodies(bench.emulator.requests))


async def test_an_hour(bench: Bench) -> None:
    chat = cached(bench, settings=ModelSettings(cache="1h")).conversation()
    usages = await talk(bench, chat, 1)
    bench.emulator.age_prompts(3000)
    usages += await talk(bench, chat, 1, 2)
    assert all(reads_all(usages))
    body = bodies(bench.emulator.requests)[-1]
    hour = {"type": "ephemeral", "ttl": "1h"}
    if bench.way.api == "responses":
        assert body["cache_control"] == hour
        assert marks(body) == []
        assert "instructions" in body
    else:
        assert [prompt(body)[at]["cache_control"] for at in marks(body)] == [hour] * 3
    written = usages[0].cache_write_tokens
    extra = -(usages[0].cache_saved_usd or 0)
    assert extra == pytest.approx(written * 3e-6)  # twice the price of input


async def test_a_single_request_is_not_marked(bench: Bench) -> None:
    bench.emulator.play(Reply([Say("Yes.")]), Reply([Say("Yes.")]), Reply([Say("Yes.")]))
    await bench.ask(cached(bench), "Is it so?")
    await bench.ask(cached(bench, tools=[tell]), "Is it so?")
    await bench.ask(cached(bench, settings=ModelSettings(cache="5m")), "Is it so?")
    sent = bodies(bench.emulator.requests)
    tools = bench.way.api == "chat"
    assert [len(marks(body)) for body in sent] == [0, 2 + tools, 2]


async def test_many_calls_in_one_round_are_found_again(bench: Bench) -> None:
    agent = cached(bench, tools=[tell])
    calls = [CallTool("tell", {"number": at}) for at in range(24)]
    bench.emulator.play(Reply(calls), Reply([Say("So many.")]), Reply([Say("Well.")]))
    chat = agent.conversation()
    usages = list((await bench.ask(chat, "Tell me all")).run.spent)
    usages += (await bench.ask(chat, "Thanks")).run.spent
    assert all(reads_all(usages))  # more than 20 blocks lie between two ends


async def test_a_budget_holds_the_price_of_writing(bench: Bench) -> None:
    budget = Budget(0.0055)  # some 1,570 tokens cost 0.0047, and to write them 0.0059
    agent = cached(bench, settings=ModelSettings(max_tokens=10))
    answer = await bench.ask(agent.conversation(), "Hello", budget=budget)
    assert answer.status == "limited"
    assert bodies(bench.emulator.requests) == []
    once = cached(bench, settings=ModelSettings(max_tokens=10, cache="off")).conversation()
    answer = await bench.ask(once, "Hello", budget=budget)
    assert answer.status == "completed"


async def test_nothing_is_said_where_no_price_is_known(bench: Bench) -> None:
    chat = cached(bench, checks=False).conversation()
    usages = await talk(bench, chat, 2)
    assert usages[-1].cached_tokens
    assert chat.usage.cache_saved_usd is None


def test_prices_of_your_own() -> None:
    from agentkit import Usage

    usage = Usage(input_tokens=1000, cached_tokens=600, cache_write_tokens=300)
    price = Price(input=3.0, cached_input=0.3, cache_write=3.75)
    assert price.of(usage) == pytest.approx((100 * 3 + 600 * 0.3 + 300 * 3.75) / 1e6)
    assert Price(input=3.0).of(usage) == pytest.approx(1000 * 3 / 1e6)


async def test_a_setting_that_the_model_does_not_know(bench: Bench) -> None:
    with structlog.testing.capture_logs() as lines:
        bench.emulator.play(Reply([Say("Yes.")]), Reply([Say("Yes.")]))
        for model in ("openai/gpt-5.2", "google/gemini-2.5-flash"):
            agent = bench.agent(model=model, settings=ModelSettings(cache="1h"), instructions="Be.")
            await bench.ask(agent, "Is it so?")
    assert [each["event"] for each in lines].count("cache_not_taken") == 2
    plain, gemini = bodies(bench.emulator.requests)
    assert marks(plain) == []
    assert "cache_control" not in plain
    assert len(marks(gemini)) == 1
