"""A writer whose lock was lost writes no more: another process may have gone on."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit import Agent, OpenRouter
from agentkit.errors import LedgerError, SessionError
from agentkit.images.store import MemoryImageStore
from agentkit.sessions import Sessions
from tests.postgres import Postgres


async def test_a_connection_that_is_lost_in_a_turn(
    postgres_server: Postgres, postgres_url: str, client: OpenRouter
) -> None:
    store = MemoryImageStore()
    agent = Agent("openai/gpt-5.2", client=client, store=store, checks=False)
    mine, other = Sessions(postgres_url, store=store), Sessions(postgres_url, store=store)
    async with mine.conversation("ada", agent) as chat:
        await chat.send("Say hello.")
        postgres_server.end_connections(postgres_url)
        with pytest.raises(SessionError, match="that held the lock was lost"):
            await chat.send("Say goodbye.")
    again = agent.conversation("ada", sessions=other)
    assert [message.role for message in again.messages] == ["user", "assistant"]
    await again.send("Say goodbye.")
    mine.close()
    other.close()


async def test_a_file_of_locks_that_is_removed_in_a_turn(
    tmp_path: Path, client: OpenRouter
) -> None:
    store = MemoryImageStore()
    agent = Agent("openai/gpt-5.2", client=client, store=store, checks=False)
    sessions = Sessions(f"sqlite:///{tmp_path}/chats.db", store=store)
    async with sessions.conversation("ada", agent) as chat:
        (tmp_path / "chats.db-locks").unlink()
        with pytest.raises((SessionError, LedgerError), match="removed while it was in"):
            await chat.send("Say hello.")
    sessions.close()
