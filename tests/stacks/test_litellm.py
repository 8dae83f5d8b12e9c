"""A LiteLLM proxy before the emulator: what it passes on, refuses and tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit import Agent, Answer, Budget, FetchPolicy, OpenRouter, tool
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.images.store import MemoryImageStore
from tests.conftest import Way, picture
from tests.stacks.litellm_proxy import KEY, litellm

pytestmark = pytest.mark.stacks
FOX = picture(size=(60, 50), noise=3)


@dataclass(frozen=True)
class Proxy:
    emulator: Emulator
    url: str


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Emulator() as emulator, litellm(emulator, tmp_path_factory.mktemp("litellm")) as url:
        yield Proxy(emulator, url)


class Weather(BaseModel):
    city: str
    degrees: int


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}"


REPLIES: dict[str, list[Reply]] = {
    "words": [Reply([Say("Hello.")])],
    "tools": [Reply([CallTool("weather", {"city": "Oslo"})]), Reply([Say("Take a coat.")])],
    "schema": [Reply([Say('{"city": "Oslo", "degrees": 3}')])],
    "picture": [Reply([Say("Here."), Draw("a fox", data=FOX)])],
}


async def asked(case: str, way: Way, client: OpenRouter, budget: Budget) -> Answer[Any]:
    agent: Agent[Any] = Agent(
        "openai/gpt-5-image" if case == "picture" else "openai/gpt-5.2",
        api=way.api,  # type: ignore[arg-type]
        client=client,
        tools=[weather] if case == "tools" else [],
        output=Weather if case == "schema" else None,
        store=MemoryImageStore(),
        fetch=FetchPolicy(private=True),
        budget=budget,
    )
    if not way.stream:
        return await agent.run("Go on")
    async with agent.stream("Go on") as stream:
        return await stream.finish()


@pytest.mark.parametrize("service", ["compatible", "openrouter"])
async def test_tools_schema_usage_and_pictures(proxy: Proxy, way: Way, service: Any) -> None:
    """No field is refused, and the cost that its service tells comes through. Who does not say that
    it is not OpenRouter hears of no usage in a chat stream, since LiteLLM has to be asked for it.
    """
    is_told = service == "compatible" or str(way) != "chat-streamed"
    async with OpenRouter(api_key=KEY, base_url=proxy.url, service=service) as client:
        for case, replies in REPLIES.items():
            had = len(proxy.emulator.posts)
            proxy.emulator.play(replies)
            answer = await asked(case, way, client, Budget(1, unmetered=True))
            posts = proxy.emulator.posts[had:]
            assert (len(posts), answer.failures, answer.status) == (len(replies), (), "completed")
            assert (answer.usage.input_tokens > 0) == is_told, case
            assert (answer.usage.output_tokens > 0) == is_told, case
            assert len(answer.images) == (case == "picture"), case
            assert [call.result for call in answer.invocations] == (
                ["rain in Oslo"] if case == "tools" else []
            )
            assert answer.output == (Weather(city="Oslo", degrees=3) if case == "schema" else None)
            billed = sum(post.cost_usd for post in posts)
            assert answer.usage.cost_usd == (pytest.approx(billed) if is_told else None), case
