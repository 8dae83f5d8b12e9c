"""The commands of `agentkit`, with their options and help texts."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from agentkit.errors import MissingKey, UsageError

if TYPE_CHECKING:
    from agentkit.demo.player import Played
    from agentkit.demo.script import Script
    from agentkit.demo.tools import Toolbox
    from agentkit.images.store import FileImageStore
    from agentkit.openrouter.client import OpenRouter
    from agentkit.values import Api

app = typer.Typer(
    help="Agents that draw, on OpenRouter.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="--debug, with any command, shows the traceback of an error.",
)

CHUNK_DELAY = 0.012
"""Seconds between two pieces of the emulator's streams, so that a reader can follow them."""


class Address(NamedTuple):
    """Address and key of an OpenRouter. None: those of the environment."""

    base_url: str | None = None
    api_key: str | None = None

    def client(self, app_name: str) -> OpenRouter:
        """A client for it. An emulator of our own is reached without the proxy of the environment,
        which would look for it on its own machine.
        """
        from agentkit.openrouter.client import OpenRouter

        return OpenRouter(
            base_url=self.base_url,
            api_key=self.api_key,
            app_name=app_name,
            proxy=None if self.base_url is None else False,
        )


class ApiChoice(StrEnum):
    chat = "chat"
    responses = "responses"
    both = "both"


class OneApi(StrEnum):
    chat = "chat"
    responses = "responses"


Live = Annotated[
    bool,
    typer.Option(
        "--live",
        envvar="LIVE",
        help="Use OpenRouter, which needs OPENROUTER_API_KEY, instead of the emulator.",
    ),
]
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
def demo(
    script: Annotated[
        Path, typer.Argument(metavar="SCRIPT", help="A script, such as examples/fox.demo.yaml.")
    ],
    *,
    api: Annotated[
        ApiChoice | None, typer.Option(help="The API to use. Default: those of the script.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder for the report.")] = Path("out/demo"),
    live: Live = False,
) -> None:
    """Play a script in the terminal and write a report."""
    import tempfile

    from agentkit.demo.report import write
    from agentkit.demo.script import load
    from agentkit.demo.tools import load_tools
    from agentkit.images.store import FileImageStore
    from agentkit.show.plain import line

    loaded = load(script)
    tools = load_tools(loaded)
    apis = _chosen_apis(api) or loaded.apis
    with (
        _openrouter(live=live) as address,
        tempfile.TemporaryDirectory(prefix="agentkit-demo-") as pictures,
    ):
        results = _play(loaded, apis, tools, address, FileImageStore(pictures))
        page = write(loaded, results, out)
    typer.echo(f"\nReport: {page}")
    failed = [why for played in results for why in played.failed]
    for why in failed:
        typer.echo(f"agentkit: not as expected: {line(why, width=400)}", err=True)
    if failed:
        raise typer.Exit(1)


def _chosen_apis(choice: ApiChoice | None) -> tuple[Api, ...]:
    match choice:
        case None:
            return ()
        case ApiChoice.both:
            return ("chat", "responses")
        case _:
            return (choice.value,)


def _play(
    script: Script,
    apis: Sequence[Api],
    tools: Toolbox,
    address: Address,
    store: FileImageStore,
) -> list[Played]:
    """Play a script through each API, one after the other, in the terminal."""
    import asyncio

    from agentkit.demo.live import TerminalView
    from agentkit.demo.player import play

    async def play_all() -> list[Played]:
        client = address.client("agentkit demo")
        with TerminalView() as view:
            async with client:
                return [
                    await play(script, api, tools, view, client=client, store=store) for api in apis
                ]

    return asyncio.run(play_all())


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
    import asyncio

    from agentkit.agent import Agent
    from agentkit.budget import Budget
    from agentkit.cli.chat import run_chat
    from agentkit.demo.tools import named_tools
    from agentkit.images.store import FileImageStore

    names = list(tool or [])
    if draw:
        names.append("openrouter:image_generation")
    toolbox = named_tools(names, Path.cwd())
    chat_budget = Budget(budget)
    with _openrouter(live=live) as address, asyncio.Runner() as runner:
        client = address.client("agentkit chat")
        store = FileImageStore()
        agent = Agent(
            model,
            instructions=instructions,
            tools=toolbox.tools(1, client, store),
            api=api.value,
            client=client,
            store=store,
            budget=chat_budget,
        )
        try:
            run_chat(agent.conversation(), runner, budget=chat_budget)
        finally:
            runner.run(client.close())


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


@contextmanager
def _openrouter(*, live: bool) -> Generator[Address]:
    """The OpenRouter that a command talks to: the real one if `live`, else a new emulator."""
    if live:
        if not os.environ.get("OPENROUTER_API_KEY", "").strip():
            raise MissingKey(
                "--live needs a key: set OPENROUTER_API_KEY; without --live the emulator answers"
            )
        yield Address()
        return
    from agentkit.emulator import Emulator

    with Emulator(chunk_delay=CHUNK_DELAY) as running:
        yield Address(running.base_url, running.api_key)
