"""More pictures in one reply than are kept: in order, up to the limit of the user's policy."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from agentkit import Agent, FetchPolicy, OpenRouter
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore
from tests.conftest import picture
from tests.unit.openrouter.peer import Line, reply, serving


async def paints(line: Line) -> None:
    """A picture of its own for each path."""
    head = await line.head()
    number = int(head.line.split()[1].rpartition("/")[2])
    await line.send(reply(picture(size=(number + 1, 2)), "Connection: close"))


@pytest.mark.parametrize("stream", [False, True])
async def test_each_picture_beyond_is_a_failure_with_its_url(stream: bool) -> None:
    async with serving(paints) as peer:
        urls = [f"{peer.origin}/{number}" for number in range(7)]
        images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        message = {"role": "assistant", "content": "Seven.", "images": images}
        told = {"choices": [{"finish_reason": "stop", "message": message}]}
        http = httpx2.AsyncClient(
            transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=told))
        )
        sdk = openai.AsyncOpenAI(api_key="sk-mine", base_url=peer.url, http_client=http)
        agent: Agent[Any] = Agent(
            "a/b",
            client=OpenRouter(openai_client=sdk),
            store=MemoryImageStore(),
            fetch=FetchPolicy(most_pictures=4),
            checks=False,
        )
        if stream:
            async with agent.stream("Go") as watched:
                answer = await watched.finish()
        else:
            answer = await agent.run("Go")
        await http.aclose()
    assert [image.width for image in answer.images] == [1, 2, 3, 4]
    assert [failure.url for failure in answer.failures] == urls[4:]
    assert all("more than 4 pictures" in failure.reason for failure in answer.failures)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True])
def test_a_wrong_limit_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="most_pictures"):
        FetchPolicy(most_pictures=wrong)
