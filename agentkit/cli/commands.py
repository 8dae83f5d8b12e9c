"""The commands of `agentkit`, with their options and help texts."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from agentkit.cli import demo
from agentkit.cli.connection import CHUNK_DELAY, EMULATOR_NOTE, Live, openrouter
from agentkit.errors import UsageError

app = typer.Typer(
    help="Agents that draw, on OpenRouter.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="--debug, with any command, shows the traceback of an error.",
)
app.add_typer(demo.app, name="demo")


class OneApi(StrEnum):
    chat = "chat"
    responses = "responses"


Draw = Annotated[bool, typer.Option(help="Offer OpenRouter's image generation tool to the model.")]
Tools = Annotated[
    list[str] | None,
    typer.Option(
        help="Another tool, as in a script: FILE.py:NAME, a server tool, or studio. "
        "May be repeated."
    ),
]
Cost = Annotated[
    float | None, typer.Option(metavar="USD", help="The most that the whole chat may cost.")
]


def invoke(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code. Errors of the command itself are raised."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that knows only ASCII gets a `?` in place of an error.
            stream.reconfigure(errors="replace")
    try:
        app(list(arguments), prog_name="agentkit")
    except SystemExit as end:
        if end.code is None:
            return 0
        return end.code if isinstance(end.code, int) else 1
    return 0


def _show_version(wanted: bool) -> None:
    if wanted:
        from agentkit._version import __version__

        typer.echo(f"agentkit {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
]


@app.callback()
def root(*, version: Version = False) -> None:
    """Agents that draw, on OpenRouter."""


@app.command()
def chat(
    *,
    model: Annotated[str, typer.Option(help="A model's name on OpenRouter.")] = "openai/gpt-5.2",
    api: Annotated[OneApi, typer.Option(help="The API to use.")] = OneApi.chat,
    instructions: Annotated[str, typer.Option(help="Instructions for the model.")] = "",
    draw: Draw = True,
    tool: Tools = None,
    budget: Cost = None,
    live: Live = False,
) -> None:
    """Chat with a model that draws. Type /help in the chat for its commands."""
    from agentkit.agent import Agent
    from agentkit.budget import Budget
    from agentkit.cli.chat import open_chat
    from agentkit.demo.tools import named_tools
    from agentkit.images.store import FileImageStore

    names = list(tool or [])
    if draw:
        names.append("openrouter:image_generation")
    toolbox = named_tools(names, Path.cwd())
    chat_budget = Budget(budget)
    with openrouter(live=live) as address:
        client = address.client("agentkit chat")
        store = FileImageStore()
        agent = Agent(
            model,
            instructions=instructions,
            tools=toolbox.tools(1, client, store),
            api=api.value,
            client=client,
            store=store,
        )
        open_chat(agent, budget=chat_budget, note="" if live else EMULATOR_NOTE)


@app.command()
def emulator(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 0,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    faults: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Faults to inject, such as examples/chaos.yaml."),
    ] = None,
) -> None:
    """Run a local OpenRouter whose model follows rules, until Ctrl-C. Prints its address."""
    from agentkit.emulator import ChaosError, Emulator, Faults, faults_from_file

    try:
        chaos = faults_from_file(faults) if faults is not None else Faults()
    except ChaosError as error:
        raise UsageError(str(error)) from error
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
    try:
        running = Emulator(host=host, port=port, chunk_delay=CHUNK_DELAY, faults=chaos).start()
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    typer.echo(running.base_url)
    typer.echo(
        f"OPENROUTER_BASE_URL={running.base_url} OPENROUTER_API_KEY={running.api_key}", err=True
    )
    if faults is not None:
        typer.echo(f"{len(chaos)} faults from {faults}, seed {chaos.seed}", err=True)
    try:
        while not ended.wait(1.0):
            pass
    except KeyboardInterrupt:
        pass
    finally:
        running.stop()
