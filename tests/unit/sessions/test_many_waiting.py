"""Many who wait for one conversation keep nobody from writing it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentkit import Agent, OpenRouter
from agentkit.errors import ConversationBusy
from agentkit.images.store import MemoryImageStore
from agentkit.sessions import Sessions
from tests.clock import GUARD, advance, turns


@pytest.fixture
def agent(client: OpenRouter) -> Agent:
    store = MemoryImageStore()
    return Agent("openai/gpt-5.2", client=client, store=store, checks=False)


async def test_more_wait_than_there_are_threads(database_url: str, agent: Agent) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
    async with Sessions(database_url, store=agent.store) as sessions:
        async with sessions.conversation("ada", agent) as chat:
            waiting = [
                asyncio.create_task(one_turn(sessions, agent, number)) for number in range(4)
            ]
            await turns()
            # `timeout` counts on the clock that nobody puts forward here.
            async with asyncio.timeout(GUARD):
                await chat.send("Say hello.")
        await asyncio.gather(*waiting)
        again = agent.conversation("ada", sessions=sessions)
    assert [message.role for message in again.messages].count("user") == 5


async def one_turn(sessions: Sessions, agent: Agent, number: int) -> None:
    async with sessions.conversation("ada", agent, wait=10 * GUARD) as chat:
        await chat.send(f"Say the number {number}.")


async def test_who_waits_too_long_is_refused(database_url: str, agent: Agent) -> None:
    async with Sessions(database_url, store=agent.store, wait=5) as sessions:
        async with sessions.conversation("ada", agent) as chat:
            await chat.send("Say hello.")
            other = agent.conversation("ada", sessions=sessions)
            for call in (other.send("Say goodbye."), sessions.delete("ada")):
                task = asyncio.create_task(call)
                await turns()
                advance(5.0)
                with pytest.raises(ConversationBusy, match="takes a turn of conversation 'ada'"):
                    await task
        await sessions.delete("ada")
        assert await sessions.list() == []


async def test_a_deletion_that_is_cancelled_holds_nothing(database_url: str, agent: Agent) -> None:
    async with Sessions(database_url, store=agent.store) as sessions:
        for after in range(0, 40, 3):
            async with sessions.conversation("ada", agent) as chat:
                await chat.send("Say hello.")
            deleting = asyncio.create_task(sessions.delete("ada"))
            await turns(after)
            deleting.cancel()
            await asyncio.gather(deleting, return_exceptions=True)
            async with sessions.conversation("ada", agent, wait=GUARD):
                pass
