"""The tests of a project that uses agentkit: a drawing, an edit and a question, with three ways to
record them, both transports, both APIs, buffered and streamed.
"""

import asyncio
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import vcr

from agentkit import Agent, Answer, Conversation, Image, ImageGeneration, OpenRouter
from agentkit.testing import Cassette, assert_drawn

FOLDER = Path(__file__).parent / "cassettes"
recorder = vcr.VCR(filter_headers=["authorization"])
pytestmark = [
    pytest.mark.parametrize("streamed", [False, True], ids=["buffered", "streamed"]),
    pytest.mark.parametrize("api", ["chat", "responses"]),
    pytest.mark.parametrize("transport", ["aiohttp", "httpx2"]),
]


def photo() -> Image:
    file = BytesIO()
    PIL.Image.effect_noise((320, 240), 90).save(file, "PNG")
    kept = FOLDER / "photo.png"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(file.getvalue())
    return Image.from_file(kept)


async def said(chat: Conversation[Any], prompt: Any, streamed: bool) -> Answer[Any]:
    if not streamed:
        return await chat.send(prompt)
    async with chat.stream(prompt) as stream:
        return await stream.finish()


async def talk(base_url: str, transport: Any, api: Any, streamed: bool) -> None:
    async with OpenRouter(base_url=base_url, transport=transport) as client:
        agent = Agent("openai/gpt-5.2", tools=[ImageGeneration()], api=api, client=client)
        chat = agent.conversation()
        (day,) = assert_drawn(await said(chat, "Draw a lighthouse", streamed), 1)
        (night,) = assert_drawn(await said(chat, ["Now at night", photo()], streamed), 1)
        answer = await said(chat, "Which is day?", streamed)
    assert (day.width, day.height) == (night.width, night.height) == (512, 512)
    assert day.sha256 != night.sha256
    assert answer.text == "In the first it is day."
    assert [*chat.images] == ["img_1", "img_2", "img_3"]


def test_vcrpy(base_url: str, transport: str, api: str, streamed: bool) -> None:
    mode = "once" if os.environ.get("RECORD") else "none"
    path = FOLDER / f"plain-{transport}-{api}-{streamed}.yaml"
    with recorder.use_cassette(path, record_mode=mode) as tape:
        asyncio.run(talk(base_url, transport, api, streamed))
    assert mode == "once" or tape.all_played


@pytest.mark.vcr
def test_pytest_recording(base_url: str, transport: str, api: str, streamed: bool) -> None:
    asyncio.run(talk(base_url, transport, api, streamed))


def test_agentkit(
    cassette: Cassette, base_url: str, transport: str, api: str, streamed: bool
) -> None:
    asyncio.run(talk(base_url, transport, api, streamed))
    assert cassette.recorded + cassette.played == 6
    assert not cassette.unplayed
