"""`agentkit serve`: an agent as a chat server, with a page for browsers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentkit.cli import options as given
from agentkit.cli.agents import AgentOptions
from agentkit.cli.connection import EMULATOR_NOTE, Live, chat_service, environment_of
from agentkit.cli.saved import Database, sessions_at
from agentkit.cli.worker import Shared
from agentkit.errors import UsageError

if TYPE_CHECKING:
    import socket

    from agentkit.agent import Agent
    from agentkit.budget import Budget
    from agentkit.cli.connection import Address
    from agentkit.integrations.dbos import Durable


Offer = Annotated[
    list[str] | None,
    typer.Option(metavar="MODEL", help="Another model to choose. May be repeated."),
]
Most = Annotated[
    float | None, typer.Option(metavar="USD", help="The most that all chats may cost together.")
]
Handed = Annotated[
    str | None,
    typer.Option(
        "--durable",
        metavar="URL",
        help="Hand the turns to `agentkit worker`s of this database, which the chats are in then.",
    ),
]
Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")]
Hosts = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="A name under which browsers reach the server, such as chat.example.org; "
        "http://NAME:PORT for one without HTTPS. May be repeated.",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="AGENTKIT_WEB_TOKEN", help="The token in the link. Default: a new one each time."
    ),
]
Open = Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")]


def serve(
    *,
    model: given.Model = None,
    system: given.System = None,
    tool: given.Tools = None,
    option: given.Settings = None,
    agent: given.AgentName = None,
    api: given.Api = None,
    draw: given.Draw = None,
    offer: Offer = None,
    budget: Most = None,
    sessions: Database = None,
    durable: Handed = None,
    shared_folder: Shared = False,
    store: given.Store = None,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    hosts: Hosts = None,
    token: Token = None,
    open_: Open = False,
    offline: given.Offline = False,
    live: Live = False,
) -> None:
    """Serve a chat with a page for browsers, until Ctrl-C. Prints the link to it.

    Without --live or -A, an emulator on this machine answers. Every chat is kept.
    """
    from agentkit.budget import Budget

    described = AgentOptions(agent, model, system, tool or (), option or (), api, draw)
    described.check()
    limit = None if budget is None else Budget(budget)
    place = Place(
        sessions,
        offer or (),
        limit,
        hosts or (),
        token,
        is_opened=open_,
        durable=durable,
        shared_folder=shared_folder,
    )
    place.check(host)
    if durable is not None:
        _check_durable(place, agent, is_emulated=offline)
    if store is not None:
        os.environ["AGENTKIT_STORE"] = store
    reached = chat_service(has_agent=agent is not None, offline=offline, live=live)
    with reached as address, environment_of(address):
        _listen(host, port, described, address, place)


@dataclass(frozen=True, slots=True)
class Place:
    """What the options say of the server."""

    sessions: str | None
    offered: Sequence[str]
    budget: Budget | None
    hosts: Sequence[str]
    token: str | None
    is_opened: bool
    durable: str | None = None
    """The database of durable runs."""
    shared_folder: bool = False

    def check(self, host: str) -> None:
        """Raise `UsageError` for an address that must not be listened on."""
        from agentkit._access import check_token, read_hosts
        from agentkit.web.access import check_address

        if self.token is not None:
            check_token("--token", self.token)
        sites = read_hosts("--hosts {!r}", self.hosts)
        check_address("--host {!r}", host, sites, has_login=True)


def _listen(host: str, port: int, described: AgentOptions, address: Address, place: Place) -> None:
    import asyncio

    from agentkit.web.serve import listener

    # uvicorn passes on the signals that it has heard, when the server has ended.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    with suppress(KeyboardInterrupt), listener(host, port) as listening:
        asyncio.run(_serve(listening, described, address, place))


async def _serve(
    listening: socket.socket, described: AgentOptions, address: Address, place: Place
) -> None:
    from agentkit.cli.agents import agent_for
    from agentkit.web import app
    from agentkit.web.serve import Server, address_of

    agent = await agent_for(described, address, "agentkit serve")
    budget, durable = place.budget, _durable_at(place, agent)
    try:
        web = app(
            agent,
            sessions=None if durable else sessions_at(place.sessions, agent.store),
            durable=durable,
            hosts=place.hosts,
            token=place.token,
            models=place.offered,
            budget=None if budget is None else lambda _: budget,
            emulator=address.base_url is not None,
        )
        link = web.link(address_of(listening))
        typer.echo(link)
        if address.base_url is not None:
            typer.echo(EMULATOR_NOTE, err=True)
        if place.is_opened:
            typer.launch(link)
        await Server(web).serve([listening])
    finally:
        await agent.client.close()
        if durable is not None:
            await durable.close()


def _check_durable(place: Place, agent: str | None, *, is_emulated: bool) -> None:
    """Raise `UsageError` for options that workers know nothing of."""
    if agent is None or is_emulated:
        raise UsageError(
            "--durable: accepted is one with --agent, and without --offline: the workers have that "
            "agent, and the service that it asks"
        )
    for word, value in (("--sessions", place.sessions), ("--budget", place.budget)):
        if value is not None:
            raise UsageError(
                f"--durable and {word}: accepted is one of them; the chats are in the database of "
                "the runs, and a budget is that of the workers' agent"
            )


def _durable_at(place: Place, agent: Agent[Any]) -> Durable | None:
    if place.durable is None:
        return None
    from agentkit.integrations.dbos import Durable

    return Durable(place.durable, agents=[agent], shared_folder=place.shared_folder)
