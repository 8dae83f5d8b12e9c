"""`agentkit mcp`: an agent as an MCP server, over stdin and stdout, or over HTTP on loopback."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentkit._check import check_pattern
from agentkit.cli import options as given
from agentkit.cli.agents import AgentOptions, agent_for
from agentkit.cli.connection import environment_of, service
from agentkit.errors import UsageError

if TYPE_CHECKING:
    from agentkit.cli.connection import Address
    from agentkit.integrations.mcp.serving import AgentServer

TOKEN = "AGENTKIT_MCP_TOKEN"  # noqa: S105 - the name of a variable

Port = Annotated[
    int | None,
    typer.Option(
        "--http",
        metavar="PORT",
        min=0,
        max=65535,
        help="Serve over HTTP on this port of 127.0.0.1; 0 takes a free one. "
        f"The token is that of {TOKEN}, or a random one, which is printed.",
    ),
]
Name = Annotated[str, typer.Option(help="The name of the tool that clients see.")]
About = Annotated[str, typer.Option(help="What clients are told of the tool.")]
Preview = Annotated[
    int,
    typer.Option(
        min=0, max=700_000, help="Characters of base64 of a preview; 0 gives links alone."
    ),
]


def mcp(
    *,
    agent: given.AgentName = None,
    model: given.Model = None,
    system: given.System = None,
    tool: given.Tools = None,
    http: Port = None,
    name: Name = "draw",
    description: About = "",
    preview: Preview = 24_000,
    offline: given.Offline = False,
    live: given.AskLive = False,
) -> None:
    """Serve an agent over MCP, so that Claude Desktop, Claude Code and other clients can ask it.

    Without --http it speaks on stdin and stdout, as a client that starts it expects.
    """
    import asyncio

    from agentkit.tools.tool import NAME

    options = AgentOptions(agent, model, system, tool or ())
    options.check()
    check_pattern("--name {!r}", name, NAME, "1 to 64 of a-z, A-Z, 0-9, _ and -")
    _show_warnings()
    with (
        _quiet_stdout(is_wire=http is None) as restore,
        service(offline=offline, live=live, own_client=agent is not None) as address,
        environment_of(address),
    ):
        asyncio.run(_serve(options, address, http, (name, description, preview), restore))


def _show_warnings() -> None:
    """What goes wrong is told on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    handler.setLevel(logging.WARNING)
    logging.getLogger("agentkit").addHandler(handler)


@contextmanager
def _quiet_stdout(*, is_wire: bool) -> Generator[Any]:
    """While the agent's modules are imported, what they print goes to stderr: stdout belongs to the
    protocol. The function that is given puts it back.
    """
    if not is_wire:
        yield lambda: None
        return
    sys.stdout.flush()
    wire = os.dup(1)
    os.dup2(2, 1)

    def restore() -> None:
        sys.stdout.flush()
        os.dup2(wire, 1)

    try:
        yield restore
    finally:
        os.close(wire)


async def _serve(
    options: AgentOptions,
    address: Address,
    port: int | None,
    described: tuple[str, str, int],
    restore: Any,
) -> None:
    from agentkit.integrations import mcp as protocol

    agent = await agent_for(options, address, "agentkit mcp")
    name, description, preview = described
    server = protocol.server(agent, name=name, description=description, preview=preview)
    if port is None:
        restore()
        await _serve_stdio(server)
    else:
        await _serve_http(server, port)


async def _serve_stdio(server: AgentServer) -> None:
    """Serve until the client closes stdin, or a signal ends the program: then turns are stopped,
    and what had come of them is kept.
    """
    import asyncio

    if sys.stdin is not None and sys.stdin.isatty():
        typer.echo(
            "agentkit mcp: this speaks MCP on stdin and stdout, for a program that starts it; "
            "Ctrl-C ends it, and --http PORT serves a port",
            err=True,
        )
    serving = asyncio.create_task(server.run_stdio())
    is_over = asyncio.Event()

    def end() -> None:
        is_over.set()
        serving.cancel()

    if sys.platform != "win32":  # which knows no such signal
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    try:
        await serving
    except asyncio.CancelledError:
        if not is_over.is_set():
            raise


async def _serve_http(server: AgentServer, port: int) -> None:
    import uvicorn

    from agentkit._access import check_token

    given_token = os.environ.get(TOKEN)
    app = server.http(token=check_token(TOKEN, given_token) if given_token else None)
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise UsageError(
            f"cannot listen on 127.0.0.1:{port}: {why}; --http 0 takes a free port"
        ) from error
    with listener:
        typer.echo(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp")
        if not given_token:
            typer.echo(f"Authorization: Bearer {app.token}", err=True)
        config = uvicorn.Config(app, log_level="warning", access_log=False, ws="none")
        await uvicorn.Server(config).serve(sockets=[listener])
