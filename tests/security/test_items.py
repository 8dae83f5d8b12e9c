"""URLs that whoever fills a tool's result, a reply or a saved run chooses: none leads to a private
address, and what a saved run says of its pictures cannot change a request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentkit import Image, Run, tool
from agentkit.emulator import CallTool, Raw, Reply, Say
from tests.conftest import Bench, picture


class Listener:
    """A service on a private address, which nobody may talk to."""

    def __init__(self) -> None:
        self.visits = 0
        self.port = 0

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        self.visits += 1
        writer.close()


@pytest.fixture
async def private() -> AsyncIterator[Listener]:
    listener = Listener()
    async with await asyncio.start_server(listener.visit, "127.0.0.1", 0) as server:
        listener.port = server.sockets[0].getsockname()[1]
        yield listener


HOSTS = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0177.0.0.1", "127.1", "0"]


def blocks(url: str) -> list[Any]:
    """A picture at this URL, in the shapes of several libraries."""
    return [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "input_image", "image_url": url},
        {"type": "image", "source": {"type": "url", "url": url}},
        {"type": "image", "url": url, "mimeType": "image/png"},
        {"fileData": {"fileUri": url, "mimeType": "image/png"}},
        f"![a fox]({url})",
        url,
    ]


async def test_no_block_of_a_tool_leads_to_a_private_address(
    bench: Bench, private: Listener
) -> None:
    urls = [f"http://{host}:{private.port}/fox.png" for host in HOSTS]

    @tool
    def look(number: int) -> object:
        """Looks."""
        return blocks(urls[number])

    calls = [CallTool("look", {"number": number}) for number in range(len(urls))]
    bench.emulator.play([Reply(calls), Reply([Say("No.")])])
    answer = await bench.ask(bench.agent(tools=[look]), "Look")
    assert answer.images == ()
    assert len(answer.failures) >= len(urls)
    assert private.visits == 0


async def test_no_item_of_a_reply_does(bench: Bench, private: Listener) -> None:
    for host in HOSTS:
        url = f"http://{host}:{private.port}/fox.png"
        part = {"type": "image_url", "image_url": {"url": url}}
        item = {"type": "image_generation_call", "id": "ig", "status": "completed", "result": url}
        raw = Raw(chat={"images": [part]}, responses=item)
        bench.emulator.play([Reply([raw, Say(f"![a fox]({url}) {url}")])])
        answer = await bench.ask(bench.agent(), "Draw")
        assert answer.images == ()
        assert answer.failures != ()
    assert private.visits == 0


async def test_a_saved_run_cannot_change_the_request(bench: Bench) -> None:
    """The type of a picture stands in the JSON of a request, unquoted."""
    bench.emulator.play([Reply([Say("Yes.")]), Reply([Say("Yes.")])])
    agent = bench.agent()
    answer = await bench.ask(agent, ["Look", Image.from_bytes(picture())])
    evil = 'image/png;base64,AA"}}]}],"model":"evil/model","x":[{"y":[{"z":{"w":"'
    forged = answer.run.to_json().replace('"image/png"', json.dumps(evil))
    run = Run.from_json(forged, blobs=bench.store)
    await bench.ask(agent.conversation(run=run), "Look again")
    body: Any = bench.emulator.requests[-1].body
    assert body["model"] == "openai/gpt-5.2"
    assert "x" not in body
    assert "evil" not in json.dumps(body)
