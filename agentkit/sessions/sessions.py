"""`Sessions`: a database of conversations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from agentkit._check import check_number, check_text
from agentkit.errors import UsageError
from agentkit.images.store import ImageStore, checked_store, default_store
from agentkit.loop.begin import AgentLike
from agentkit.openrouter.ledger import Ledger
from agentkit.saved_conversation import SavedConversation
from agentkit.sessions.calls import DatabaseCalls, DatabaseLocks
from agentkit.sessions.database import Database
from agentkit.sessions.names import check_name
from agentkit.sessions.record import DatabaseRecord
from agentkit.values import Api

OutputT = TypeVar("OutputT")


class Sessions:
    """Conversations in a database: `Sessions("sqlite:///chats.db")`, or `"postgresql://…"`, which
    the extra `sessions` is needed for. Without a URL, `chats.db` in the user's data folder.

        sessions = Sessions()
        chat = agent.conversation("ada", sessions=sessions)

    - `store` is where the pictures of its conversations are; by default the store that agents have
      by default. The agents must have the same one.
    - `wait` is how many seconds a turn waits for a conversation that another one writes; then
      `ConversationBusy` is raised.

    The paid requests of its conversations are written to the same database (`ledger`), unless their
    agent has a ledger. Any number of processes may use one database, and any number of tasks and
    threads one `Sessions`. Raises `UsageError` for a wrong argument; the database is opened when it
    is first used, and raises `SessionError` then.
    """

    def __init__(
        self, url: str | None = None, *, store: ImageStore | None = None, wait: float = 0.0
    ) -> None:
        if url is not None:
            check_text("Sessions({!r})", url)
        self._database = Database(_default_url() if url is None else url)
        self._store = None if store is None else checked_store("Sessions", store)
        check_number("Sessions(wait={!r})", wait, least=0, unit="seconds")
        self.wait = float(wait)
        """Seconds that a turn waits for another writer."""
        self.ledger = Ledger(DatabaseCalls(self._database), locks=DatabaseLocks(self._database))
        """The paid requests of the conversations."""

    def __repr__(self) -> str:
        return f"Sessions({self._database.name!r})"

    @property
    def store(self) -> ImageStore:
        """Where the pictures are."""
        return default_store() if self._store is None else self._store

    def record(
        self, chat: str, agent: AgentLike[Any], *, user: str | None = None
    ) -> DatabaseRecord:
        """What `Agent.conversation` keeps a conversation by. Raises `UsageError`."""
        check_name("conversation({!r})", chat)
        if user is not None:
            check_name("conversation(user={!r})", user)
        if agent.store != self.store:
            raise UsageError(
                f"the agent keeps its pictures in {agent.store!r}, and the sessions in "
                f"{self.store!r}: give both the same, Sessions(…, store=agent.store)"
            )
        return DatabaseRecord(self._database, self.ledger, chat, agent, user)

    @asynccontextmanager
    async def conversation(
        self,
        chat: str,
        agent: AgentLike[OutputT],
        *,
        api: Api | None = None,
        model: str | None = None,
        user: str | None = None,
        wait: float | None = None,
    ) -> AsyncGenerator[SavedConversation[OutputT]]:
        """A conversation in a block that nobody else takes a turn of it in, in no process:

            async with sessions.conversation(user_id, agent, wait=60) as chat:
                await chat.send("Draw a fox")

        At the end of the block, pictures that are on their way are waited for. Arguments are those
        of `Agent.conversation`. Raises `ConversationBusy` where another one has it after `wait`
        seconds.
        """
        if wait is not None:
            check_number("conversation(wait={!r})", wait, least=0, unit="seconds")
        record = self.record(chat, agent, user=user)
        seconds = self.wait if wait is None else wait
        saved = await asyncio.to_thread(
            SavedConversation, agent, record, api=api, model=model, wait=seconds
        )
        async with saved.held():
            yield saved

    def close(self) -> None:
        """Close the connections. What is used later opens them again."""
        self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)


def _default_url() -> str:
    import platformdirs

    return f"sqlite:///{platformdirs.user_data_path('agentkit') / 'chats.db'}"
