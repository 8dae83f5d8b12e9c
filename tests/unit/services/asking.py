"""Conversations with models behind the stubs."""

from __future__ import annotations

from typing import Any

from agentkit import Agent, Answer, OpenRouter
from agentkit.images.store import MemoryImageStore
from tests.conftest import Way
from tests.unit.services.stubs import OpenAI, Stub


async def asked(stub: Stub, way: Way, *prompts: str, **options: Any) -> list[Answer[Any]]:
    """The answers of a conversation with the model behind this server."""
    service = "openai" if isinstance(stub, OpenAI) else "compatible"
    client = {
        "api_key": "sk-test",
        "base_url": stub.url,
        "service": options.pop("service", service),
        "prices": options.pop("prices", None),
    }
    async with OpenRouter(**client) as connected:
        given = {"api": way.api, "client": connected, "store": MemoryImageStore(), **options}
        chat = Agent(given.pop("model", "gpt-5.2"), **given).conversation()
        return [await turn(chat, prompt, way) for prompt in prompts]


async def turn(chat: Any, prompt: str, way: Way) -> Answer[Any]:
    if not way.stream:
        return await chat.send(prompt)
    async with chat.stream(prompt) as stream:
        return await stream.finish()
