"""A conversation that moves from OpenRouter to OpenAI: nothing of OpenRouter's own goes along."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit import Agent, ImageGeneration, OpenRouter, tool
from agentkit.emulator import CallTool, Draw, Reply, Say, Think
from tests.conftest import Bench
from tests.unit.services.stubs import Stub


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"snow in {city}"


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_what_openrouter_gave_is_sent_as_openai_takes_it(
    bench: Bench, openai: Stub, api: Any
) -> None:
    bench.emulator.play(
        [
            Reply([Think("It may snow."), CallTool("weather", {"city": "Oslo"})]),
            Reply([Say("Snow, and here it is."), Draw("snow over Oslo")]),
            Reply([Think("Again?"), Say("Still snow.")]),
        ]
    )
    before = bench.agent(tools=[weather, ImageGeneration()]).conversation()
    await bench.ask(before, "Draw the weather in Oslo")
    answer = await bench.ask(before, "And now?")
    assert before.images
    async with OpenRouter(api_key="k", base_url=openai.url, service="openai") as client:
        agent = Agent("gpt-5.2", api=api, client=client, store=bench.store)
        chat = agent.conversation(run=answer.run)
        for prompt in ("Thanks", "Bye"):
            answer = await bench.ask(chat, prompt)
            assert answer.text == "It snows in Oslo."
    assert len(openai.bodies) == 2
