"""What is held for the picture that a server tool may draw: what was asked for, not the dearest
that there is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentkit import Agent, Budget, ImageGeneration, OpenRouter
from agentkit.emulator import Draw, Emulator, Reply, Say
from agentkit.emulator.catalogue import MODELS
from agentkit.emulator.listed_model import ImageEndpoint, Model
from agentkit.images.store import MemoryImageStore
from agentkit.studio import Studio
from tests.conftest import Bench, picture

BIG = picture(size=(160, 120), noise=90)


@pytest.mark.parametrize(("quality", "draws"), [("low", True), ("high", False), (None, False)])
async def test_a_small_budget_draws_what_it_can_pay(
    bench: Bench, quality: Any, draws: bool
) -> None:
    studio = Studio(client=bench.client, store=bench.store)
    low, high = await studio.price(quality="low"), await studio.price(quality="high")
    assert low is not None
    assert high is not None
    bench.emulator.play(
        [Reply([Say("Here: "), *([Draw("a fox", data=BIG)] if draws else [])], usage={"cost": 0.0})]
    )
    agent = bench.agent(
        tools=[ImageGeneration(quality=quality)],
        checks=True,
        budget=Budget(cost_usd=(low + high) / 2),
    )
    answer = await bench.ask(agent, "Draw a fox")
    assert len(answer.images) == draws
    assert answer.status == ("completed" if draws else "limited")
    assert bool(answer.limit_reason) is not draws
    if not draws:
        assert f"{high:.2f}"[:3] in (answer.limit_reason or "")
        assert "a picture included" in (answer.limit_reason or "")


class ByTheToken(ImageEndpoint):
    """Bills pictures by tokens, of which nobody knows the number before."""

    def record(self) -> dict[str, Any]:
        return {
            **ImageEndpoint.record(self),
            "pricing": [{"billable": "output_image", "unit": "token", "cost_usd": 0.00004}],
        }


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_a_picture_whose_price_is_not_known_is_not_said_to_be_included(api: Any) -> None:
    painter = Model(
        "a/painter",
        "P",
        "P",
        "Paints.",
        outputs=("image",),
        image_api=ByTheToken("Painter", "painter", {}, 0.04),
    )
    with Emulator(models=[*MODELS, painter]) as emulator:
        async with OpenRouter(api_key="sk-or-test", base_url=emulator.base_url) as client:
            emulator.play([Reply([Say("In words.")])])
            agent = Agent(
                "openai/gpt-5.2",
                tools=[ImageGeneration("a/painter")],
                api=api,
                client=client,
                store=MemoryImageStore(),
                instructions="x" * 100_000,
            )
            answer = await agent.run("Draw", budget=Budget(cost_usd=0.0001))
            assert (answer.status, answer.limit) == ("limited", "cost_usd")
            assert answer.limit_reason is not None
            assert "picture included" not in answer.limit_reason
            assert answer.limit_reason.endswith("at worst; what a picture costs is not known")
            broke = await agent.run("Draw", budget=Budget(cost_usd=0))
            assert (broke.limit_reason or "").startswith("$0.0000 is left")


class ByTheRequest(ImageEndpoint):
    """Bills a request, however many pictures come, and more today."""

    def record(self) -> dict[str, Any]:
        line = {"billable": "output_image", "unit": "request", "cost_usd": 0.05}
        return {
            **ImageEndpoint.record(self),
            "pricing": [{**line, "overrides": [today(cost_usd=0.1)]}],
        }


class Pricey(Model):
    """Its words cost a thousand times as much today, and something for each request."""

    def record(self) -> dict[str, Any]:
        found = Model.record(self)
        pricing = {**found["pricing"], "request": "0.2", "overrides": [today(prompt="0.001")]}
        return {**found, "pricing": pricing}


def today(**prices: Any) -> dict[str, Any]:
    """Prices of today and of both days beside it, since midnight may come."""
    now = datetime.now(UTC)
    days = [f"{now + timedelta(days=shift):%A}".lower() for shift in (-1, 0, 1)]
    return {"utc_days": days, **prices}


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_prices_of_a_day_and_of_a_request_are_known_before(api: Any) -> None:
    painter = Model(
        "a/painter", "P", "P", "Paints.", outputs=("image",),
        image_api=ByTheRequest("Painter", "painter", {}, 0.04),
    )  # fmt: skip
    pricey = Pricey("a/pricey", "P", "P", "Speaks.")
    with Emulator(models=[*MODELS, painter, pricey]) as emulator:
        async with OpenRouter(api_key="sk-or-test", base_url=emulator.base_url) as client:
            studio = Studio("a/painter", client=client, store=MemoryImageStore())
            assert await studio.price(n=3) == pytest.approx(0.1)
            agent = Agent("a/pricey", api=api, client=client, store=MemoryImageStore())
            words = "x" * 4000
            answer = await agent.run(words, budget=Budget(cost_usd=1.1))
            assert (answer.status, answer.limit) == ("limited", "cost_usd")
            assert "$1.20" in (answer.limit_reason or "")
            emulator.play([Reply([Say("Done.")])])
            assert (await agent.run(words, budget=Budget(cost_usd=1.3))).status == "completed"
