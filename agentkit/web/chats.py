"""The conversations of a server, each for the user it belongs to alone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentkit._log import logger
from agentkit.agent import Agent
from agentkit.errors import ConversationBusy, SessionError, UsageError
from agentkit.run import Run
from agentkit.sessions import SavedChat, SavedConversation, SavedRun, Sessions
from agentkit.sessions.names import LONGEST_TITLE, check_name
from agentkit.values import Api
from agentkit.web.refusal import Refused

MOST_LISTED = 100


def unknown_chat() -> Refused:
    """The same for a conversation that is not there, and for somebody else's."""
    return Refused(404, "There is no such conversation.", "the id of one of your conversations")


@dataclass(frozen=True, slots=True)
class Chats:
    """Conversations in a database, as users may see them. Without a user, all of them."""

    agent: Agent[Any]
    sessions: Sessions

    async def find(self, chat: str, user: str | None) -> SavedChat | None:
        """The conversation; None where it is not there. Raises `Refused` for somebody else's, and
        for what cannot be an id.
        """
        found = await self.sessions.find(checked_id(chat))
        if found is not None and user is not None and found.user != user:
            raise unknown_chat()
        return found

    async def known(self, chat: str, user: str | None) -> SavedChat:
        """The conversation. Raises `Refused` where it is not there, too."""
        found = await self.find(chat, user)
        if found is None:
            raise unknown_chat()
        return found

    async def list(
        self, user: str | None, *, search: str | None, after: str | None, limit: int
    ) -> Sequence[SavedChat]:
        """The conversations of a user, the latest first."""
        if after is not None:
            await self.known(after, user)
        return await self.sessions.list(search=search, user=user, after=after, limit=limit)

    async def open(
        self, chat: str, user: str | None, *, model: str | None = None, api: Api | None = None
    ) -> SavedConversation[Any]:
        """The conversation, or a new one that belongs to the user."""
        await self.find(chat, user)
        return await asyncio.to_thread(
            self.agent.conversation, chat, sessions=self.sessions, user=user, model=model, api=api
        )

    async def notes(self, runs: Sequence[Run]) -> Mapping[str, str]:
        """What was noted of these runs, by their ids."""
        return await self.sessions.notes([each.id for each in runs])

    async def note(self, run: str, notes: str) -> None:
        """Keep what was told of a run, so that it is shown later as it was. It can be shown without
        them, too: a database that fails is no error.
        """
        try:
            await self.sessions.note(run, notes)
        except SessionError as error:
            logger().warning("web_failed", reason=f"notes of {run}: {error}")

    async def rename(self, chat: str, user: str | None, title: object) -> str:
        """Give a conversation another title, and return it. Raises `Refused`."""
        await self.known(chat, user)
        accepted = f"a title of one line, of 1 to {LONGEST_TITLE} characters"
        if not isinstance(title, str) or not title.strip():
            raise Refused(400, "The title is missing.", accepted)
        try:
            await self.sessions.rename(chat, title.strip())
        except UsageError:
            raise Refused(400, "That cannot be a title.", accepted) from None
        return title.strip()

    async def delete(self, chat: str, user: str | None) -> None:
        """Delete a conversation. Raises `Refused` while a turn of it goes on."""
        await self.known(chat, user)
        try:
            await self.sessions.delete(chat)
        except ConversationBusy:
            raise busy() from None

    async def fork(self, chat: str, user: str | None, turns: object, message: object) -> str:
        """Make a second future of a conversation, and return its id: from its end, from after so
        many turns, from before a prompt, or from after an answer. Raises `Refused`.
        """
        found = await self.known(chat, user)
        count = None if turns is None else _checked_turns(turns, found.turns)
        if message is not None:
            if not isinstance(message, str) or turns is not None:
                raise Refused(400, "From where to fork is not clear.", "turns, or a messageId")
            past = await self.runs(chat)
            run = run_of_message(past, message)
            if run is None:
                raise unknown_message()
            is_answer = run.turn is not None and not message.endswith(PROMPT)
            count = turns_before(past, run) + is_answer
        return await self.sessions.fork(chat, secrets.token_urlsafe(12), turns=count)

    async def rewind(self, chat: str, run: str) -> str:
        """Take a run and what is behind it out of a conversation, into a fork whose id is
        returned.
        """
        try:
            new = secrets.token_urlsafe(12)
            return await self.sessions.rewind(chat, run=run, new_id=new)
        except ConversationBusy:
            raise busy() from None

    async def busy(self, chats: Sequence[SavedChat]) -> frozenset[str]:
        """Those of which a process, this or another one, takes a turn now."""
        return await self.sessions.busy(each.id for each in chats if each.status == "running")

    async def branches(self, chat: str) -> list[dict[str, Any]]:
        """The forks of a conversation, the latest first: who may see it may see them."""
        found = await self.sessions.list(forked_from=chat, limit=MOST_LISTED)
        return [{"id": each.id, "title": each.title, "at": each.forked_at} for each in found]

    async def runs(self, chat: str) -> tuple[SavedRun, ...]:
        """What was said in a conversation."""
        return await self.sessions.runs(chat)


def _checked_turns(turns: object, most: int) -> int:
    if not isinstance(turns, int) or isinstance(turns, bool) or not 0 <= turns <= most:
        raise Refused(400, "There are not so many turns.", f"turns from 0 to {most}")
    return turns


def unknown_message() -> Refused:
    """A message that is not in the conversation."""
    return Refused(404, "There is no such message in this conversation.", "the id of one of it")


def busy() -> Refused:
    """A conversation has one turn at a time."""
    return Refused(
        409,
        "A turn of this conversation is going on.",
        "its stream, its stop, or a message when it has ended",
    )


def checked_id(chat: str) -> str:
    """The id of a conversation. Raises `Refused`."""
    try:
        return check_name("conversation {!r}", chat)
    except UsageError:
        raise Refused(
            400, "That is no id of a conversation.", "1 to 200 characters, none of them a control"
        ) from None


def summary(chat: SavedChat, *, is_live: bool) -> dict[str, Any]:
    """A conversation as lists show it."""
    return {
        "id": chat.id,
        "title": chat.title,
        "status": status_of(chat, is_live=is_live),
        "model": chat.model,
        "turns": chat.turns,
        "costUsd": chat.cost_usd,
        "createdAt": chat.created_at,
        "changedAt": chat.changed_at,
        "forkedFrom": chat.forked_from,
        "forkedAt": chat.forked_at,
        "api": chat.api,
    }


def status_of(chat: SavedChat, *, is_live: bool) -> str:
    """`idle`, `running`, `waiting` for a person, or `interrupted`: it was under way when its
    process died.
    """
    if is_live:
        return "running"
    return "interrupted" if chat.status == "running" else chat.status


PROMPT = "-prompt"
"""Behind the id of a run: the id of its prompt as a message. That of the answer is the run's."""


def run_of_message(past: Sequence[SavedRun], message: str) -> SavedRun | None:
    """The run that a message belongs to, a prompt or an answer."""
    run = message.removesuffix(PROMPT)
    return next((each for each in past if each.run.id == run), None)


def turns_before(past: Sequence[SavedRun], run: SavedRun) -> int:
    """How many turns were kept before a run began."""
    if run.turn is not None:
        return run.turn
    earlier = past[: past.index(run)]
    return max((each.turn + 1 for each in earlier if each.turn is not None), default=0)
