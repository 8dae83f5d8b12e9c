"""What needs more than the emulator: TLS that fails, and a caller who goes away at any moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentkit import Agent, FetchPolicy, Limits, OpenRouter, tool
from agentkit.emulator import Emulator, Fault, Socket, When
from agentkit.errors import ConnectionFailed
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.studio import Studio
from tests.clock import FOREVER, GUARD, turns, until
from tests.faults.scene import KEY, MODEL, WAYS, Scene, Way, missing, replies, standing
from tests.unit.openrouter.peer import answers, serving


async def ask(client: OpenRouter, way: Way) -> Any:
    store = MemoryImageStore()
    if way.api == "images":
        studio = Studio("openai/gpt-5-image", client=client, store=store, checks=False)
        if not way.stream:
            return await studio.draw("a fox")
        async with studio.stream("a fox") as drawing:
            return await drawing.finish()
    api: Any = way.api
    chat = Agent(MODEL, api=api, client=client, store=store).conversation()
    if not way.stream:
        return await chat.send("Hello")
    async with chat.stream("Hello") as stream:
        return await stream.finish()


async def quiet() -> None:
    """No task is left; the server of a test may need a moment to see that its client has gone."""
    await until(lambda: not asyncio.all_tasks() - {asyncio.current_task()})


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("mute", [False, True], ids=["untrusted certificate", "no handshake"])
async def test_tls_that_fails(way: Way, mute: bool) -> None:
    """A certificate that cannot be trusted is not tried again; a handshake that never comes is,
    since nothing was sent.
    """
    async with serving(answers, tls=True, mute=mute) as peer:
        url = f"https://localhost:{peer.port}/api/v1"
        async with OpenRouter(
            api_key=KEY, base_url=url, timeouts=Timeouts(connect=0.2, lookup=0)
        ) as client:
            with pytest.raises(ConnectionFailed) as caught:
                await ask(client, way)
        assert isinstance(caught.value, ConnectionFailed)
        assert "nothing was billed" in str(caught.value)
        assert peer.requests == []
        assert peer.lines >= (3 if mute else 0)
        await quiet()


GOING = FetchPolicy(grace=0.2)
STALLS = {
    "waiting for headers": Socket("stall"),
    "inside the headers": Socket("stall", byte=30),
    "before the first token": Socket("stall", at="body"),
    "in the middle": Socket("stall", at="body", byte=900),
    "in a picture": Socket("stall", at="body", byte=6_000),
}


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("phase", [*STALLS, "in a tool", "while an image downloads"])
async def test_a_caller_who_goes_away(way: Way, phase: str) -> None:
    """Connections are closed, no task is left, the conversation is as before, nothing is asked
    again.
    """
    if way.api == "images" and phase == "in a tool":
        pytest.skip("the Image API has no tools")
    reached = asyncio.Event()
    store = MemoryImageStore()

    @tool
    async def note(text: str) -> str:
        """Write something down."""
        reached.set()
        await asyncio.sleep(FOREVER)
        return text

    with Emulator() as emulator:
        if phase in STALLS:
            emulator.faults.add(Fault(socket=STALLS[phase]))
        elif phase != "in a tool":
            emulator.faults.add(
                Fault(socket=Socket("stall", at="body", byte=100), when=When(api="pictures"))
            )
        moment: Any = "download" if phase == "while an image downloads" else "first"
        emulator.play(replies(Scene(way, moment)))
        async with OpenRouter(
            api_key=KEY, base_url=emulator.base_url, timeouts=Timeouts(lookup=5)
        ) as client:
            if way.api == "images":
                studio = Studio(
                    "openai/gpt-5-image", client=client, store=store, checks=False, fetch=GOING
                )
                chat = None
                work: Any = (
                    _watched(studio.stream("a fox", n=2))
                    if way.stream
                    else studio.draw("a fox", n=2)
                )
            else:
                api: Any = way.api
                agent = Agent(
                    MODEL,
                    api=api,
                    client=client,
                    store=store,
                    tools=[note],
                    limits=Limits(seconds=60),
                    fetch=GOING,
                )
                chat = agent.conversation()
                work = _watched(chat.stream("A fox")) if way.stream else chat.send("A fox")
            task = asyncio.ensure_future(work)
            await (reached.wait() if phase == "in a tool" else _stalled(emulator))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, GUARD)
            if chat is not None:
                assert chat.messages == ()
            assert await standing(emulator.origin) <= 1
        posts = emulator.posts
        assert len(posts) == 1
        assert not missing(store, posts[0].delivered)
    await quiet()


async def _watched(stream: Any) -> Any:
    async with stream:
        return [event async for event in stream]


async def _stalled(emulator: Emulator) -> None:
    """What comes before the stall has been read."""
    await until(lambda: emulator.faults.stalls)
    await turns(50)
