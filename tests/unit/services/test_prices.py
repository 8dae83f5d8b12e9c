"""What a service costs that does not say it: by the user's prices, or nobody knows."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from agentkit import Agent, Budget, Limits, ModelSettings, OpenRouter, Run, Usage
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Price
from tests.conftest import Way, picture
from tests.unit.services.asking import asked, turn
from tests.unit.services.stubs import JSON, Local, Said, Stub, running

PRICE = Price(input=2.0, output=10.0, cached_input=0.5)
COST = (600 * 2.0 + 400 * 0.5 + 200 * 10.0) / 1e6


class Drawing(Local):
    """A model that draws a new picture each time, in Chat Completions."""

    def says(self, body: JSON) -> Said:  # noqa: ARG002 - it always draws
        data = base64.b64encode(picture("red", (40 + len(self.bodies), 30))).decode()
        return Said("Here.", images=(f"data:image/png;base64,{data}",))


async def test_a_price_tells_what_a_request_costs(openai: Stub, way: Way) -> None:
    first, second = await asked(openai, way, "One", "Two", prices={"gpt-5.2": PRICE})
    assert first.usage.cost_usd == pytest.approx(COST)
    assert second.usage.cost_is_whole
    assert second.usage.is_metered
    assert Run.from_json(second.run.to_json()).usage == second.usage


async def test_four_streamed_pictures_do_not_pass_a_budget() -> None:
    budget, way = Budget(0.05), Way("chat", stream=True)
    async with running(Drawing()) as stub:
        answers = await asked(
            stub, way, *["Draw a fox"] * 4, budget=budget, prices={"gpt-5.2": Price(image=0.034)}
        )
    assert [answer.status for answer in answers] == ["completed"] + ["limited"] * 3
    assert [len(answer.images) for answer in answers] == [1, 0, 0, 0]
    assert len(stub.bodies) == 1
    assert budget.spent_usd == pytest.approx(0.034)
    assert (budget.uncertain_usd, budget.reserved_usd) == (0.0, 0.0)


async def test_a_service_that_turns_out_to_tell_no_cost_is_asked_once() -> None:
    """Nobody said that it is not OpenRouter, whose replies tell their cost."""
    budget, way = Budget(0.05), Way("chat", stream=True)
    async with running(Drawing()) as stub:
        answers = await asked(
            stub, way, *["Draw a fox"] * 3, budget=budget, service="openrouter", checks=False
        )
    assert [answer.status for answer in answers] == ["completed", "limited", "limited"]
    assert "does not tell what a request costs" in (answers[1].limit_reason or "")
    assert len(stub.bodies) == 1
    assert budget.uncertain_requests == 1


async def test_a_price_by_tokens_holds_what_a_stream_may_cost() -> None:
    """The prompt of some tokens and 1000 more of a reply do not fit in a thousandth of a dollar."""
    limits, settings = Limits(cost_usd=0.001), ModelSettings(max_tokens=1000)
    async with running(Local()) as stub:
        (answer,) = await asked(
            stub, Way("chat", stream=True), "Hello", limits=limits, settings=settings,
            prices={"gpt-5.2": Price(input=1.0, output=2.0)},
        )  # fmt: skip
    assert (answer.status, answer.limit) == ("limited", "cost_usd")
    assert stub.bodies == []


async def test_a_stream_without_usage_stays_uncertain(way: Way) -> None:
    budget = Budget(1.0)
    settings = ModelSettings(max_tokens=1000, extra={"stream_options": None})
    async with running(Local()) as stub:
        (answer,) = await asked(
            stub, way, "Hello", budget=budget, settings=settings, prices={"gpt-5.2": PRICE}
        )
    if way == Way("chat", stream=True):
        assert not answer.usage.cost_is_whole
        assert budget.uncertain_usd >= 1000 * 10.0 / 1e6
    else:
        assert answer.usage.cost_usd == budget.spent_usd == pytest.approx(COST)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"limits": Limits(cost_usd=0.5)}, r"Limits\(cost_usd=0.5\)"),
        ({"budget": Budget(2.0)}, r"Budget\(cost_usd=2\)"),
        ({"budget": Budget(within=[Budget(2.0)], unmetered=True)}, r"Budget\(cost_usd=2\)"),
        ({"limits": Limits(cost_usd=0.5), "budget": Budget(2.0)}, r"Limits\(.*\) and Budget\(cost_usd=2\)"),
        ({"budget": Budget(2.0), "prices": {"gpt-5.3": PRICE}}, r"OpenRouter\(prices=\{'gpt-5.2': Price"),
    ],
)  # fmt: skip
async def test_a_limit_in_money_that_cannot_be_kept_is_refused_at_once(
    openai: Stub, way: Way, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        await asked(openai, way, "Hello", **options)
    assert "unmetered=True" in str(caught.value)
    assert openai.lines == []


@pytest.mark.parametrize(
    "options",
    [
        {"budget": Budget(2.0, unmetered=True)},
        {"budget": Budget(within=[Budget(2.0, unmetered=True)])},
        {"budget": Budget(unmetered=True), "limits": Limits(cost_usd=0.5)},
        {"budget": Budget(images=3)},
        {"limits": Limits(cost_usd=0.5), "prices": {"gpt-5.2": Price()}},
    ],
)
async def test_what_is_allowed_to_be_unmetered_is_sent(
    openai: Stub, options: dict[str, Any]
) -> None:
    (answer,) = await asked(openai, Way("chat", stream=False), "Hello", **options)
    assert answer.text == "It snows in Oslo."
    assert answer.usage.is_metered == ("prices" in options)


async def test_prices_for_another_model_than_is_asked_are_told(
    openai: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    client = OpenRouter(
        api_key="k", base_url=openai.url, service="openai", prices={"gpt-5": PRICE, "gpt-4": PRICE}
    )
    async with client:
        chat = Agent("gpt-5.2", client=client, store=MemoryImageStore()).conversation()
        for _ in range(3):
            await turn(chat, "Hello", Way("chat", stream=False))
        await turn(Agent("gpt-5", client=client).conversation(), "Hi", Way("chat", stream=False))
    lines = [record.message for record in caplog.records if "price" in record.message]
    assert len(lines) == 2, lines
    assert "no_price" in lines[0]
    assert "gpt-5.2" in lines[0]
    assert "prices_not_used" in lines[1]
    assert "gpt-4" in lines[1]


@pytest.mark.parametrize(
    "prices",
    [{"gpt-5.2": 3.0}, {7: PRICE}, {"": PRICE}, [("gpt-5.2", PRICE)], "gpt-5.2", {"a": (1, 2)}],
)
def test_prices_that_are_none_are_refused(prices: Any) -> None:
    with pytest.raises(UsageError, match=r"OpenRouter\(prices=.*Price\("):
        OpenRouter(api_key="k", prices=prices)


@pytest.mark.parametrize(
    "given", [{"input": -1}, {"output": "3"}, {"image": float("nan")}, {"input": None}]
)
def test_a_price_that_is_none_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=rf"Price\({next(iter(given))}="):
        Price(**given)


def test_the_tokens_of_pictures_with_a_price_are_no_output() -> None:
    usage = Usage(output_tokens=1500, image_tokens=1300, images=2, requests=1)
    assert Price(output=10.0, image=0.04).of(usage) == pytest.approx(200 * 10 / 1e6 + 0.08)
    assert Price(output=10.0).of(usage) == pytest.approx(1500 * 10 / 1e6)


async def test_a_cost_that_is_told_wins(openai: Stub, way: Way) -> None:
    """As a gateway before OpenRouter tells it."""
    openai.more_usage = {"cost": 0.25}
    (answer,) = await asked(openai, way, "Hello", prices={"gpt-5.2": PRICE})
    assert answer.usage.cost_usd == 0.25
