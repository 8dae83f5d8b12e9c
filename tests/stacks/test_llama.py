"""llama.cpp's server with a real model, which says whatever it says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from agentkit import Agent, Budget, Limits, ModelSettings, OpenRouter, TextDelta
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Price
from tests.conftest import Way
from tests.stacks.programs import FOLDER, free_ports, python_of, running

pytestmark = pytest.mark.stacks
SERVER = __file__.replace("test_llama.py", "llama_server.py")
TOKENS = 8
"""Of each reply: on a busy machine each takes seconds."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    (port,) = free_ports(1)
    command = [python_of("llama"), SERVER, str(FOLDER / "gemma.gguf"), str(port)]
    with running(command, port, tmp_path_factory.mktemp("llama"), patience=300):
        _wait_for_the_model(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"


def _wait_for_the_model(health: str) -> None:
    """It listens before it has read its model, and answers 503 until then."""
    end = time.monotonic() + 300
    while httpx2.get(health, trust_env=False, timeout=60).status_code != 200:
        assert time.monotonic() < end, "the model is not loaded"
        time.sleep(0.2)


def agent_of(client: OpenRouter, api: Any, **options: Any) -> Agent[Any]:
    return Agent(
        "gemma",
        api=api,
        client=client,
        store=MemoryImageStore(),
        settings=ModelSettings(max_tokens=TOKENS, temperature=0, **options.pop("settings", {})),
        **options,
    )


def local(url: str, **options: Any) -> OpenRouter:
    return OpenRouter(base_url=url, service="compatible", **options)


async def test_words_and_usage(url: str, way: Way) -> None:
    """Without a key, and without a cost, which is told as unmetered."""
    async with local(url) as client:
        agent = agent_of(client, way.api)
        if way.stream:
            async with agent.stream("Say hello") as stream:
                pieces = [event.text async for event in stream if isinstance(event, TextDelta)]
            answer = stream.answer
            assert "".join(pieces) == answer.text
        else:
            answer = await agent.run("Say hello")
    usage = answer.usage
    assert answer.text
    assert (usage.input_tokens > 0, usage.output_tokens) == (True, TOKENS)
    assert (usage.cost_usd, usage.unmetered_requests) == (None, 1)


async def test_a_stream_that_is_left_frees_the_server(url: str) -> None:
    """It has one slot: the next request is answered once the first is given up."""
    async with local(url) as client:
        agent = agent_of(client, "chat", settings={"extra": {"max_tokens": 4000}})
        async with agent.stream("Count to a thousand") as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    break
        answer = await agent_of(client, "chat").run("Say hello")
    assert answer.usage.output_tokens == TOKENS


class Warm(BaseModel):
    warm: bool


@pytest.mark.parametrize("stream", [False, True])
async def test_a_schema_in_chat(url: str, stream: bool) -> None:
    """The server holds the model to it, so that one request will do."""
    async with local(url) as client:
        agent = Agent(
            "gemma",
            client=client,
            output=Warm,
            store=MemoryImageStore(),
            settings=ModelSettings(max_tokens=40, temperature=0),
        )
        if stream:
            async with agent.stream("Is the sun warm?") as running_:
                answer = await running_.finish()
        else:
            answer = await agent.run("Is the sun warm?")
    assert isinstance(answer.output, Warm)
    assert answer.usage.requests == 1


async def test_what_it_has_no_field_for_is_told(url: str) -> None:
    """Nothing is sent then; nor under a limit in money, of which the server says nothing."""
    async with local(url) as client:
        with pytest.raises(UsageError, match="top_k"):
            await agent_of(client, "chat", settings={"top_k": 1}).run("Say hello")
        with pytest.raises(UsageError, match="unmetered"):
            await agent_of(client, "chat", budget=Budget(1)).run("Say hello")
    async with local(url, prices={"gemma": Price(input=1, output=2)}) as client:
        budget = Budget(1)
        answer = await agent_of(client, "chat", budget=budget, limits=Limits(turns=1)).run("Hello")
    expected = (answer.usage.input_tokens + 2 * TOKENS) / 1e6
    assert answer.usage.cost_usd == pytest.approx(expected)
    assert budget.spent_usd == pytest.approx(expected)
