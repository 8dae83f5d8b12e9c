"""Where the conversations of a chat come from: this process alone, or a database of sessions.

The chat knows `Branches`; undoing, trying again and forking are all "go on from an earlier turn".
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentkit.agent import Agent
from agentkit.conversation import Conversation
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.sessions import SavedChat, SavedConversation, Sessions


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation, as a list shows it."""

    id: str
    title: str
    turns: int
    changed_at: float
    """Unix time in seconds."""
    cost_usd: float | None = None


class Branches(Protocol):
    """The conversations of a chat."""

    async def open(self) -> Conversation[Any]:
        """The conversation that the chat begins with."""
        ...

    def id_of(self, chat: Conversation[Any], /) -> str | None:
        """The id under which it is kept; None if it is not kept."""
        ...

    def before_turn(self, chat: Conversation[Any]) -> None:
        """A turn is about to be taken."""
        ...

    async def without_last_turn(self, chat: Conversation[Any]) -> Conversation[Any]:
        """A conversation like this one without its last turn; this one stays. Raises `UsageError`
        where there is no turn.
        """
        ...

    async def fork(self, chat: Conversation[Any], name: str | None, /) -> Conversation[Any]:
        """A second future of this one, under this id, or one that is made up."""
        ...

    async def list(self, search: str, /) -> Sequence[Listed]:
        """Those that are kept, the latest first."""
        ...

    async def has(self, name: str, /) -> bool:
        """Whether a conversation is kept under this id."""
        ...

    async def switch(self, name: str) -> Conversation[Any]:
        """The conversation that is kept under this id."""
        ...


class InDatabase:
    """Conversations in a database of sessions. A turn that is undone stays in the conversation
    that it was taken in; the chat goes on in a fork.
    """

    def __init__(self, agent: Agent[Any], sessions: Sessions, name: str) -> None:
        self._agent, self._sessions, self._name = agent, sessions, name

    async def open(self) -> Conversation[Any]:
        return await self.switch(self._name)

    def id_of(self, chat: Conversation[Any], /) -> str | None:
        return chat.id if isinstance(chat, SavedConversation) else None

    def before_turn(self, chat: Conversation[Any]) -> None:
        """Nothing: the database has every turn."""

    async def without_last_turn(self, chat: Conversation[Any]) -> Conversation[Any]:
        name = self.id_of(chat)
        listed = await self._sessions.list(limit=1000)
        turns = next((each.turns for each in listed if each.id == name), 0)
        if name is None or turns == 0:
            raise UsageError("there is no turn to undo")
        return await self.switch(await self._sessions.fork(name, turns=turns - 1))

    async def fork(self, chat: Conversation[Any], name: str | None, /) -> Conversation[Any]:
        here = self.id_of(chat)
        if here is None or not chat.messages:
            raise UsageError("there is no turn yet, so there is nothing to fork")
        return await self.switch(await self._sessions.fork(here, name))

    async def list(self, search: str, /) -> Sequence[Listed]:
        found = await self._sessions.list(search=search or None, limit=20)
        return [
            Listed(each.id, each.title, each.turns, each.changed_at, each.cost_usd)
            for each in found
        ]

    async def has(self, name: str, /) -> bool:
        after: SavedChat | None = None
        while found := await self._sessions.list(after=after):
            if any(each.id == name for each in found):
                return True
            after = found[-1]
        return False

    async def switch(self, name: str) -> Conversation[Any]:
        return await asyncio.to_thread(self._agent.conversation, name, sessions=self._sessions)


def default_sessions(agent: Agent[Any]) -> Sessions | None:
    """The database that chats are kept in: `AGENTKIT_SESSIONS`, else `chats.db` in the user's data
    folder. None where the pictures of the agent end with the process.
    """
    if isinstance(agent.store, MemoryImageStore):
        return None
    return Sessions(os.environ.get("AGENTKIT_SESSIONS") or None, store=agent.store)


class InMemory:
    """Conversations that end with the process."""

    def __init__(self, agent: Agent[Any]) -> None:
        self._agent = agent
        self._earlier: list[Conversation[Any]] = []

    async def open(self) -> Conversation[Any]:
        return self._agent.conversation()

    def id_of(self, _: Conversation[Any], /) -> str | None:
        return None

    def before_turn(self, chat: Conversation[Any]) -> None:
        self._earlier.append(chat.fork())

    async def without_last_turn(self, chat: Conversation[Any]) -> Conversation[Any]:
        while self._earlier:
            before = self._earlier.pop()
            if len(before.messages) < len(chat.messages):
                return before
        raise UsageError("there is no turn to undo")

    async def fork(self, chat: Conversation[Any], _: str | None, /) -> Conversation[Any]:
        return chat.fork()

    async def list(self, _: str, /) -> Sequence[Listed]:
        return ()

    async def has(self, _: str, /) -> bool:
        return False

    async def switch(self, name: str) -> Conversation[Any]:
        raise UsageError(f"/sessions {name}: the conversations of this chat are not kept")
