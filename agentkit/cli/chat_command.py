"""`agentkit chat`: the options of the chat in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agentkit.cli import options as given
from agentkit.cli.agents import AgentOptions
from agentkit.cli.connection import EMULATOR_NOTE, Live, chat_service, environment_of
from agentkit.cli.saved import Cid, Continue, Database, Saved, opened, sessions_at

if TYPE_CHECKING:
    from agentkit.cli.connection import Address


def chat(
    *,
    model: given.Model = None,
    system: given.System = None,
    tool: given.Tools = None,
    option: given.Settings = None,
    agent: given.AgentName = None,
    api: given.Api = None,
    draw: given.Draw = None,
    budget: Annotated[
        float | None, typer.Option(metavar="USD", help="The most that the whole chat may cost.")
    ] = None,
    continue_: Continue = False,
    cid: Cid = None,
    sessions: Database = None,
    offline: given.Offline = False,
    live: Live = False,
) -> None:
    """Chat with a model that draws. Type /help in the chat for its commands.

    Without --live or -A, an emulator on this machine answers. Every chat is kept.
    """
    import asyncio

    described = AgentOptions(agent, model, system, tool or (), option or (), api, draw)
    described.check()
    reached = chat_service(has_agent=agent is not None, offline=offline, live=live)
    with reached as address, environment_of(address):
        asyncio.run(_chat(Saved(sessions, cid, continue_), described, address, budget))


async def _chat(
    saved: Saved, described: AgentOptions, address: Address, budget_usd: float | None
) -> None:
    from agentkit.budget import Budget
    from agentkit.cli.agents import too_small
    from agentkit.cli.chat import open_chat_async

    budget = Budget(budget_usd)  # a wrong limit is told before anything else is done
    agent, chat = await opened(saved, described, address, "agentkit chat")
    notes = [] if address.base_url is None else [EMULATOR_NOTE]
    if budget_usd is not None:
        why = await too_small(budget_usd, agent, "Hello")
        notes += [] if why is None else [why]
    try:
        await open_chat_async(
            agent,
            getattr(chat, "id", None),
            sessions=sessions_at(saved.url, agent.store),
            budget=budget,
            note="\n".join(notes),
        )
    finally:
        await agent.client.close()
