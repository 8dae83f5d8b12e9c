"""A call whose argument is a picture that was not kept: the call fails, the run goes on."""

from __future__ import annotations

import base64
import json
from typing import Any

from agentkit import Agent, OpenRouter, tool
from agentkit.images.spool import MAX_IMAGE_BYTES
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from tests.conftest import picture
from tests.security.peer import http, peering

ran: list[str] = []


@tool
def look(image: str) -> str:
    """Looks at a picture."""
    ran.append(image)
    return "fine"


def reply(message: dict[str, Any]) -> bytes:
    message = {"role": "assistant", "content": "", **message}
    return http(
        json.dumps(
            {"id": "gen-1", "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
        ).encode()
    )


async def test_a_picture_that_is_too_large_for_an_argument() -> None:
    url = "data:image/png;base64," + base64.b64encode(picture() + bytes(MAX_IMAGE_BYTES)).decode()
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "look", "arguments": json.dumps({"image": url})},
    }
    async with (
        peering(reply({"tool_calls": [call]}), reply({"content": "Well."})) as peer,
        OpenRouter(
            api_key="sk-or-v1-0123", base_url=f"{peer.origin}/api/v1", timeouts=Timeouts(lookup=0)
        ) as client,
    ):
        answer = await Agent(
            "a/b", client=client, store=MemoryImageStore(), tools=[look], checks=False
        ).run("Go")
    assert answer.text == "Well."
    assert ran == []
    (invocation,) = answer.invocations
    assert "too large" in (invocation.error or "")
