"""A run as the turn of a conversation in a database, which is the ledger too."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text

from agentkit import Agent, Message, OpenRouter, Run
from agentkit.errors import UsageError
from agentkit.openrouter.ledger_storage import LedgerStorage
from agentkit.sessions import SavedConversation, Sessions, rows, storage
from agentkit.sessions.database import Database
from agentkit.sessions.rows import MessageRow
from agentkit.sessions.tables import calls, conversation_runs, messages, runs
from tests.crash.deadly import DeadlyStorage, deadly_store, deadly_transactions
from tests.crash.plan import NEXT, PROMPT, Kept, Program, Result
from tests.postgres import running_server

CHAT = "ada"


@contextmanager
def database(kept: Kept, folder: Path) -> Generator[str]:
    """The address of an empty database; nothing where no database is asked for."""
    if kept == "postgres":
        server = running_server()
        name = f"crash_{secrets.token_hex(6)}"
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield server.url(name)
        finally:
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    else:
        yield f"sqlite:///{folder}/chats.db" if kept == "sqlite" else ""


class Session:
    """A `Keeper`."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.store = deadly_store(program.store, program.kill)
        self._sessions = Sessions(program.url, store=self.store)
        own = self._sessions.ledger
        if program.kill is not None:
            deadly_transactions(program.kill)
            own.entries.storage = DeadlyStorage(own.entries.storage, program.kill, frozenset())

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Keeper`."""
        return {}

    @property
    def storage(self) -> LedgerStorage | None:
        """See `Keeper`."""
        return self._sessions.ledger.entries.storage

    async def begin(self, agent: Agent[Any]) -> Result:
        """See `Keeper`."""
        chat = agent.conversation(CHAT, sessions=self._sessions)
        if not self._program.scene.stream:
            return _told(chat, (await chat.send(PROMPT)).status)
        async with chat.stream(PROMPT) as stream:
            await stream.finish()
        return _told(chat, stream.answer.status)

    async def go_on(self, agent: Agent[Any]) -> Result:
        """See `Keeper`."""
        chat = agent.conversation(CHAT, sessions=self._sessions)
        status = "paused" if chat.waiting is not None else "completed"
        if chat.waiting is not None and self._program.outcomes:
            options: dict[str, Any] = {"outcomes": self._program.outcomes}
            status = (await chat.resume(chat.waiting, **options)).status
        elif chat.interrupted is not None and not self._program.sends:
            status = await self._continued(chat)
        if self._program.sends and chat.waiting is None:
            status = await _sent(chat)
        return _told(chat, status)

    async def _continued(self, chat: SavedConversation[Any]) -> str:
        if not self._program.scene.stream:
            return (await chat.go_on()).status
        async with chat.go_on_stream() as stream:
            return (await stream.finish()).status

    def run(self) -> Run | None:
        """See `Keeper`: the run that goes on, or the last one that was kept."""
        base = Database(self._program.url)
        with base.reading() as connection:
            found = connection.execute(select(runs).order_by(runs.c.started_at)).mappings().first()
            if found is None:
                return None
            query = select(messages).where(messages.c.run == found["id"])
            added = [
                MessageRow(row.number, row.data, row.checksum)
                for row in connection.execute(query.order_by(messages.c.number))
            ]
            stored = storage.load(connection, CHAT, self.store)
        base.close()
        images = () if stored is None else stored.images
        read = rows.messages_of(added, self.store)
        return rows.run_of(rows.run_row(dict(found)), (), read, images, self.store)

    def left(self) -> int:
        """See `Keeper`: attempts."""
        asyncio.run(self._sessions.sweep())
        base = Database(self._program.url)
        with base.reading() as connection:
            count = connection.scalar(select(func.count()).select_from(calls))
        base.close()
        return count or 0

    def wrong(self, told: Result) -> str | None:
        """See `Keeper`: the conversation is read anew, and has every turn
        once.
        """
        sessions = Sessions(self._program.url, store=self.store)
        client = OpenRouter(api_key="sk-or-any", base_url=self._program.base_url)
        agent = Agent("openai/gpt-5.2", client=client, store=self.store)
        chat = agent.conversation(CHAT, sessions=sessions)
        again = _told(chat, told.status)
        sessions.close()
        if chat.interrupted is not None:
            return "a turn is interrupted still"
        if again.prompts != self._program.prompts:
            return f"the prompts in the history are {again.prompts}"
        if not self._program.sends and not _are_answered(chat.messages):
            return f"the roles in the history are {[each.role for each in chat.messages]}"
        if again != told:
            return f"what is kept is {again}, and not {told}"
        return self._damage(len(again.prompts))

    def _damage(self, turns: int) -> str | None:
        base = Database(self._program.url)
        with base.reading() as connection:
            kept = connection.scalar(select(func.count(conversation_runs.c.turn)))
            found = ["ok"]
            if base.is_sqlite:
                found = list(connection.scalars(text("PRAGMA integrity_check")))
                found += list(connection.scalars(text("PRAGMA foreign_key_check")))
        base.close()
        if kept != turns:
            return f"{kept} runs are turns, and not {turns}"
        return None if found == ["ok"] else f"the database is damaged: {found}"

    def close(self) -> None:
        """See `Keeper`."""
        self._sessions.close()


async def _sent(chat: SavedConversation[Any]) -> str:
    """Send a new prompt, if need be once the turn has gone on in which a tool was drawing. A turn
    that a person has to decide on is paused.
    """
    try:
        return (await chat.send(NEXT)).status
    except UsageError:
        if chat.waiting is not None:
            return "paused"
        if chat.interrupted is None or not chat.interrupted.paying_tools:
            raise
        status = (await chat.go_on()).status
        return status if chat.waiting is not None else (await chat.send(NEXT)).status


def _are_answered(history: tuple[Message, ...]) -> bool:
    """Whether a reply stands between two prompts, and behind the last one."""
    roles = [each.role for each in history if each.role != "tool"]
    after = [*roles[1:], "user"]
    pairs = zip(roles, after, strict=True)
    return all(role != "user" or then == "assistant" for role, then in pairs)


def _told(chat: SavedConversation[Any], status: str) -> Result:
    waiting = chat.waiting
    said = [each.text for each in chat.messages if each.role == "assistant"]
    return Result(
        status,
        "\n".join(said),
        tuple([image.sha256 for image in chat.images.values() if image.bytes()]),
        len(chat.failures),
        () if waiting is None else tuple([asdict(each) for each in waiting.waiting]),
        prompts=tuple([each.text for each in chat.messages if each.role == "user"]),
        requests=chat.usage.requests,
        cost_usd=chat.usage.cost_usd,
    )
