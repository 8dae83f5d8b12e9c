"""A saved turn that ends before its end: what a conversation that is loaded afterwards has of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from agentkit import Agent, Image, ImageReady, tool
from agentkit.emulator import CallTool, Draw, Failure, Reply, Say
from agentkit.errors import AgentkitError
from agentkit.sessions import SavedConversation, Sessions
from tests.conftest import Bench
from tests.unit.images.slow_host import FOX, LONG, SlowHost, slow_host
from tests.unit.loop.test_grace import drawn
from tests.unit.loop.test_stopped_turns import BOTH, counts, handles, left, the_next

ENDS = ["cancelled", "left", "raised", "stopped"]


@pytest.fixture
async def host() -> AsyncIterator[SlowHost]:
    async with slow_host() as host:
        yield host


@pytest.fixture
def sessions(bench: Bench, database_url: str) -> Iterator[Sessions]:
    sessions = Sessions(database_url, store=bench.store)
    yield sessions
    sessions.close()


def loaded(agent: Agent[Any], chat: SavedConversation[Any], sessions: Sessions) -> Any:
    """The conversation as another process has it, which is as it is here."""
    other = agent.conversation(chat.id, sessions=sessions)
    assert other.interrupted is None
    assert other.damaged == ()
    assert other.messages == chat.messages
    assert handles(other) == handles(chat)
    assert other.usage == chat.usage
    assert other.failures == chat.failures
    return other


@pytest.mark.parametrize("how", ENDS)
async def test_while_pictures_are_on_their_way(
    bench: Bench, host: SlowHost, sessions: Sessions, how: str
) -> None:
    bench.emulator.play([drawn(host)])
    agent = bench.agent(fetch=LONG)
    chat = agent.conversation("ada", sessions=sessions)
    await left(chat, how, host)
    other = loaded(agent, chat, sessions)
    assert counts(other) == (2 if how == "stopped" else 0, 1)
    assert await the_next(bench, other) == "img_3"  # the others are promised, there too
    host.released.set()
    await chat.settled()
    last = agent.conversation("ada", sessions=sessions)
    assert sorted(handles(last))[:2] == BOTH
    assert sorted(last.images) == ["img_1", "img_2", "img_3"]
    assert counts(last) == (4 if how == "stopped" else 2, 2)
    assert last.failures == ()
    assert len(bench.emulator.posts) == 2


@pytest.mark.parametrize("how", ENDS)
async def test_while_a_tool_runs(bench: Bench, sessions: Sessions, how: str) -> None:
    """A picture came in the same reply."""
    running = asyncio.Event()

    @tool
    async def wait() -> str:
        running.set()
        await asyncio.Event().wait()
        return "never"

    bench.emulator.play([Reply([Draw("a fox", data=FOX), CallTool("wait", {}), Say("Look.")])])
    agent = bench.agent(tools=[wait])
    chat = agent.conversation("ada", sessions=sessions)
    if how == "cancelled":
        task = asyncio.create_task(bench.ask(chat, "Draw"))
        await running.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        with pytest.raises(ZeroDivisionError) if how == "raised" else nullcontext():
            async with chat.stream("Draw") as stream:
                await running.wait()
                if how == "raised":
                    raise ZeroDivisionError
                if how == "stopped":
                    stream.stop()
    other = loaded(agent, chat, sessions)
    assert handles(other) == [("img_1", FOX)]
    assert (other.usage.cost_usd or 0.0) > 0
    assert len(other.messages) == (3 if how == "stopped" else 0)
    assert await the_next(bench, other) == "img_2"
    await other.settled()
    assert list(loaded(agent, other, sessions).images) == ["img_1", "img_2"]


async def test_an_error_after_a_picture(bench: Bench, sessions: Sessions) -> None:
    @tool
    def look() -> str:
        return "seen"

    bench.emulator.play(
        [
            Reply([Draw("a fox", data=FOX), CallTool("look", {})]),
            Failure("no such thing", 400),
        ]
    )
    agent = bench.agent(tools=[look])
    chat = agent.conversation("ada", sessions=sessions)
    with pytest.raises(AgentkitError):
        await bench.ask(chat, "Draw")
    other = loaded(agent, chat, sessions)
    assert (handles(other), other.messages) == ([("img_1", FOX)], ())
    assert (other.usage.cost_usd or 0.0) > 0
    assert await the_next(bench, other) == "img_2"


async def test_stop_keeps_what_came_as_the_turn(bench: Bench, sessions: Sessions) -> None:
    bench.emulator.play(
        [Reply([Say("Once "), Draw("a fox", data=FOX), Say("there " * 200)], pause=0.05)]
    )
    agent = bench.agent()
    chat = agent.conversation("ada", sessions=sessions)
    async with chat.stream("Tell") as stream:
        async for event in stream:
            if isinstance(event, ImageReady):
                stream.stop()
    other = loaded(agent, chat, sessions)
    assert other.messages == stream.answer.run.messages
    assert handles(other) == [("img_1", FOX)]
    assert await the_next(bench, other) == "img_2"
    assert len(loaded(agent, other, sessions).messages) == 4


async def test_stopped_at_once(bench: Bench, sessions: Sessions) -> None:
    """The conversation is free at once, and what another one has added is not passed over."""
    agent = bench.agent()
    chat = agent.conversation("ada", sessions=sessions)
    for prompt in ("Draw", ["Draw", Image.from_bytes(FOX)]):
        bench.emulator.play(["Hello."])
        await agent.conversation("ada", sessions=sessions).send("Hello")
        turn = chat.start(prompt)
        turn.stop()
        with pytest.raises(AgentkitError, match="before anything was sent"):
            await turn.answer()
    other = loaded(agent, chat, sessions)
    assert [each.text for each in chat.messages] == ["Hello", "Hello."] * 2
    assert len(bench.emulator.posts) == 2
    assert await the_next(bench, other) == "img_1"
