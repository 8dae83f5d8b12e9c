"""A conversation with a drawing, an edit and a download, to be recorded and played in all four
ways.
"""

from __future__ import annotations

from typing import Any

import pytest

from agentkit import Agent, Answer, Conversation, Image, ImageGeneration, OpenRouter
from agentkit.emulator import Draw, Reply, Say
from agentkit.openrouter.transport import Transport
from agentkit.values import Api
from tests.conftest import picture, spread

TRANSPORTS: tuple[Transport, ...] = ("aiohttp", "httpx2")
WAYS: tuple[tuple[Api, bool], ...] = (
    ("chat", False),
    ("chat", True),
    ("responses", False),
    ("responses", True),
)
KEY = "sk-or-v1-" + "0123456789abcdef" * 4
SIZE = (512, 512)
SCRIPT = [
    Reply([Say("Here it is: "), Draw("a lighthouse", places=["markdown"], size=SIZE)]),
    Reply([Draw("the lighthouse at night", size=SIZE)]),
    Reply([Say("In the first it is day.")]),
]

each_way = pytest.mark.parametrize(
    ("api", "streamed", "transport"),
    spread(
        [
            (api, streamed, TRANSPORTS[(at + step) % 2])
            for at, (api, streamed) in enumerate(WAYS)
            for step in (0, 1)
        ],
        4,
    ),
)
"""The four ways on both transports; `make test` has each way on one of them."""


async def said(chat: Conversation[Any], prompt: Any, *, streamed: bool) -> Answer[Any]:
    if not streamed:
        return await chat.send(prompt)
    async with chat.stream(prompt) as stream:
        return await stream.finish()


async def talk(
    base_url: str, transport: Transport, api: Api, *, streamed: bool
) -> list[Answer[Any]]:
    """A drawing, an edit of a picture of the user's, and a question."""
    async with OpenRouter(api_key=KEY, base_url=base_url, transport=transport) as client:
        agent = Agent("openai/gpt-5.2", tools=[ImageGeneration()], api=api, client=client)
        chat = agent.conversation()
        photo = Image.from_bytes(picture(size=(640, 480), noise=60))
        prompts = ["Draw a lighthouse", ["Now at night, as in this one", photo], "Which is day?"]
        return [await said(chat, prompt, streamed=streamed) for prompt in prompts]
