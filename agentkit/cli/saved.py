"""Which conversation a command takes part in: a new one, the latest, or one by its id. All are kept
in a database, unless that is not wanted.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentkit.errors import UsageError

if TYPE_CHECKING:
    from agentkit.agent import Agent
    from agentkit.cli.agents import AgentOptions
    from agentkit.cli.connection import Address
    from agentkit.conversation import Conversation
    from agentkit.images.store import ImageStore
    from agentkit.sessions import SavedChat, SavedConversation, Sessions

Continue = Annotated[
    bool, typer.Option("-c", "--continue", help="Go on with the latest conversation.")
]
Cid = Annotated[str | None, typer.Option("--cid", metavar="ID", help="Go on with this one.")]
Database = Annotated[
    str | None,
    typer.Option(
        "--sessions",
        metavar="URL",
        envvar="AGENTKIT_SESSIONS",
        help="The database of conversations. Default: chats.db in the user's data folder.",
    ),
]


@dataclass(frozen=True, slots=True)
class Saved:
    """What the options of a command say of its conversation."""

    url: str | None = None
    """Of the database; None: the default."""
    cid: str | None = None
    latest: bool = False
    kept: bool = True

    def check(self) -> None:
        """Raise `UsageError` for options that do not go together."""
        if self.cid is not None and self.latest:
            raise UsageError("--cid and -c: accepted is one of them")
        if not self.kept and (self.latest or self.cid is not None):
            raise UsageError("--no-save with -c or --cid: a kept conversation is kept")

    @property
    def goes_on(self) -> bool:
        """Whether it is a conversation that is there already."""
        return self.latest or self.cid is not None

    def words(self) -> list[str]:
        """The database as it is written in a command."""
        return [] if self.url is None else ["--sessions", self.url]


def sessions_at(url: str | None, store: ImageStore | None = None) -> Sessions:
    """The database of conversations. Raises `UsageError` for an address that is none."""
    from agentkit.sessions import Sessions

    return Sessions(url, store=store)


async def opened(
    saved: Saved, described: AgentOptions, address: Address, app_name: str
) -> tuple[Agent[Any], Conversation[Any]]:
    """The agent, and the conversation it has. Raises `UsageError` where there is none to go on
    with, and `SessionError`.
    """
    from agentkit.cli.agents import agent_for

    saved.check()
    agent = await agent_for(described, address, app_name)
    if not saved.kept:
        return agent, agent.conversation()
    sessions = sessions_at(saved.url, agent.store)
    chat = await _conversation(saved, described, sessions, agent)
    if described.name is None and chat.model != agent.model:
        # Whether it needs a tool to draw depends on the model, which the conversation remembers.
        await agent.client.close()
        described = replace(described, model=chat.model)
        agent = await agent_for(described, address, app_name)
        chat = await _conversation(replace(saved, cid=chat.id), described, sessions, agent)
    return agent, chat


async def _conversation(
    saved: Saved, described: AgentOptions, sessions: Sessions, agent: Agent[Any]
) -> SavedConversation[Any]:
    import asyncio

    name = saved.cid
    if name is None:
        name = await latest(sessions) if saved.latest else new_id()
    chat = await asyncio.to_thread(
        agent.conversation, name, sessions=sessions, api=described.api, model=described.model
    )
    is_there = chat.messages or chat.waiting or chat.interrupted or chat.images
    if saved.cid is not None and not is_there:
        raise UsageError(
            f"--cid {name}: there is no such conversation; `agentkit sessions list` lists them"
        )
    return chat


async def latest(sessions: Sessions) -> str:
    """The conversation that changed last, those left aside whose first turn failed for
    nothing. Raises `UsageError` where there is none.
    """
    after: SavedChat | None = None
    while found := await sessions.list(after=after):
        for each in found:
            if each.turns or each.cost_usd or each.status != "idle":
                return each.id
        after = found[-1]
    raise UsageError("-c: there is no conversation to go on with yet")


def new_id() -> str:
    """An id that nobody has, and that sorts by time: `20261130-171500-3fa9`."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def going_on(saved: Saved, cid: str, more: Sequence[str]) -> list[str]:
    """The words of a command that goes on with a conversation."""
    return ["agentkit", "--cid", cid, *saved.words(), *more]
