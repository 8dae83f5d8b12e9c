"""A stream that was entered and never left ends its work when it is collected, as if it had been
left; and who awaits agentkit under another event loop than asyncio's is told so.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from agentkit import Agent, Image, ImageGeneration, ImageReady, OpenRouter
from agentkit.emulator import Draw, Emulator, Reply, Say
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.studio import Studio
from tests.clock import FOREVER, until
from tests.conftest import picture

DATA = picture(size=(90, 90), noise=3)


def is_alone() -> bool:
    gc.collect()
    return asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_an_abandoned_stream_ends_and_keeps_what_had_arrived(
    emulator: Emulator, client: OpenRouter, api: Any
) -> None:
    place = "message_images" if api == "chat" else "image_generation_call"
    words = Say("a long story " * 50)
    emulator.play(
        [Reply([Draw("fox", data=DATA, places=[place]), words], pause=0.05), Reply([Say("Here.")])]
    )
    store = MemoryImageStore()
    agent = Agent(
        "openai/gpt-5.2",
        api=api,
        client=client,
        store=store,
        checks=False,
        tools=[ImageGeneration()],
    )
    chat = agent.conversation()

    async def abandon() -> Image:
        stream = chat.stream("Draw")
        await stream.__aenter__()
        async for event in stream:
            if isinstance(event, ImageReady):
                return event.image
        raise AssertionError("no picture came")

    image = await abandon()
    await until(is_alone)
    assert image.bytes() == DATA
    assert chat.messages == ()
    assert not emulator.posts[0].complete
    assert (await chat.send("And now?")).text == "Here."


async def test_an_abandoned_drawing_ends(emulator: Emulator, client: OpenRouter) -> None:
    emulator.play([Reply([Draw("fox", data=DATA)], pause=FOREVER)])
    studio = Studio(client=client, store=MemoryImageStore())

    async def abandon() -> None:
        stream = studio.stream("a fox", checks=False)
        await stream.__aenter__()
        await until(lambda: emulator.requests)

    await abandon()
    await until(is_alone)


async def test_a_stream_that_is_held_or_read_goes_on(
    emulator: Emulator, client: OpenRouter
) -> None:
    emulator.play([Reply([Say("a long story " * 20)], pause=0.01)])
    agent = Agent("openai/gpt-5.2", client=client, store=MemoryImageStore(), checks=False)
    stream = agent.stream("Go")
    await stream.__aenter__()
    reading = aiter(stream)
    del stream
    count = 0
    async for _ in reading:
        gc.collect()
        count += 1
    assert count > 3


WORK: list[Callable[[OpenRouter], Any]] = [
    lambda client: Agent("m/m", client=client, store=MemoryImageStore()).run("Go"),
    lambda client: Agent("m/m", client=client, store=MemoryImageStore()).conversation().send("Go"),
    lambda client: Agent("m/m", client=client, store=MemoryImageStore()).stream("Go").__aenter__(),
    lambda client: Studio(client=client, store=MemoryImageStore()).draw("a fox"),
    lambda client: Studio(client=client, store=MemoryImageStore()).stream("a fox").__aenter__(),
    lambda client: Studio(client=client).models(),
    lambda client: client.generation("gen-1"),
    lambda client: client.close(),
]


@pytest.mark.parametrize("number", range(len(WORK)))
def test_another_event_loop_is_told_what_to_do(number: int) -> None:
    work = WORK[number](OpenRouter(api_key="k", base_url="http://127.0.0.1:1"))
    with pytest.raises(UsageError, match="runs on asyncio.*trio.to_thread.run_sync"):
        work.send(None)  # the first step, as any event loop takes it
