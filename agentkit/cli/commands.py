"""What `agentkit` can be told to do."""

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
from typing import Annotated

import typer

from agentkit.errors import MissingKey, UsageError

app = typer.Typer(
    help="Agents that draw, on OpenRouter.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="--debug, with any command, shows the traceback of an error.",
)

EMULATED_DELAY = 0.012
"""Seconds between two pieces of the emulator's streams, so that they can be watched."""


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
        help="Talk to OpenRouter (OPENROUTER_API_KEY), not to the emulator.",
    ),
]


def invoke(arguments: Sequence[str]) -> int:
    """Run the app; its exit code. Errors that are not of the command line pass through."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that knows ASCII alone gets a `?`, not an error.
            stream.reconfigure(errors="replace")
    try:
        app(list(arguments), prog_name="agentkit")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
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
        Path, typer.Argument(metavar="SCRIPT", help="The script, such as examples/fox.demo.yaml.")
    ],
    *,
    api: Annotated[
        ApiChoice | None, typer.Option(help="Through which API; by default as the script says.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("out/demo"),
    live: Live = False,
) -> None:
    """Play a script, watch it, and write a report of it."""
    import asyncio
    import tempfile

    from agentkit.demo.live import TerminalView
    from agentkit.demo.player import Played, play
    from agentkit.demo.report import write
    from agentkit.demo.script import load
    from agentkit.demo.tools import load_tools
    from agentkit.images.store import FileImageStore
    from agentkit.show.plain import line
    from agentkit.values import APIS, Api

    loaded = load(script)
    tools = load_tools(loaded)
    chosen: tuple[Api, ...] = (
        loaded.apis if api is None else APIS if api is ApiChoice.both else (api.value,)
    )

    async def played(base_url: str | None, key: str | None, store: FileImageStore) -> list[Played]:
        from agentkit.openrouter.client import OpenRouter

        with TerminalView() as view:
            async with OpenRouter(
                base_url=base_url, api_key=key, app_name="agentkit demo"
            ) as client:
                return [
                    await play(loaded, each, tools, view, client=client, store=store)
                    for each in chosen
                ]

    with (
        _openrouter(live=live) as (base_url, key),
        tempfile.TemporaryDirectory(prefix="agentkit-demo-") as pictures,
    ):
        results = asyncio.run(played(base_url, key, FileImageStore(pictures)))
        page = write(loaded, results, out)
    typer.echo(f"\nReport: {page}")
    failed = [why for each in results for why in each.failed]
    for why in failed:
        typer.echo(f"agentkit: not as expected: {line(why, width=400)}", err=True)
    if failed:
        raise typer.Exit(1)


@app.command()
def chat(
    *,
    model: Annotated[str, typer.Option(help="An OpenRouter slug.")] = "openai/gpt-5.2",
    api: Annotated[OneApi, typer.Option(help="Through which API.")] = OneApi.chat,
    instructions: Annotated[str, typer.Option(help="What the model is told first.")] = "",
    draw: Annotated[
        bool, typer.Option(help="Whether the model gets OpenRouter's tool for drawing.")
    ] = True,
    tool: Annotated[
        list[str] | None,
        typer.Option(
            help="One more tool, as in a script: FILE.py:NAME, a server "
            "tool, or studio. May be repeated."
        ),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="USD", help="What the whole chat may cost.")
    ] = None,
    live: Live = False,
) -> None:
    """Talk with a model that draws. /images lists the pictures, /attach adds one, /save keeps them,
    /quit ends.
    """
    import asyncio

    from agentkit.agent import Agent
    from agentkit.budget import Budget
    from agentkit.cli.chat import talk
    from agentkit.demo.tools import named_tools
    from agentkit.images.store import FileImageStore
    from agentkit.openrouter.client import OpenRouter

    shared = Budget(budget)
    box = named_tools(
        [*(tool or []), *(["openrouter:image_generation"] if draw else [])], Path.cwd()
    )
    with _openrouter(live=live) as (base_url, key), asyncio.Runner() as runner:
        client, store = (
            OpenRouter(base_url=base_url, api_key=key, app_name="agentkit chat"),
            FileImageStore(),
        )
        agent = Agent(
            model,
            instructions=instructions,
            tools=box.tools(1, client, store),
            api=api.value,
            client=client,
            store=store,
            budget=shared,
        )
        try:
            talk(agent.conversation(), runner, budget=shared)
        finally:
            runner.run(client.close())


@app.command()
def emulator(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 0,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    faults: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What goes wrong, and when: see examples/chaos.yaml."),
    ] = None,
) -> None:
    """Run an OpenRouter on loopback, whose model follows rules, until Ctrl-C. Prints its
    address.
    """
    from agentkit.emulator import ChaosError, Emulator, Faults, faults_from_file

    try:
        chaos = faults_from_file(faults) if faults is not None else Faults()
    except ChaosError as error:
        raise UsageError(str(error)) from error
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
    try:
        running = Emulator(host=host, port=port, chunk_delay=EMULATED_DELAY, faults=chaos).start()
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
def _openrouter(*, live: bool) -> Generator[tuple[str | None, str | None]]:
    """Address and key of OpenRouter: None, None for the real one, which reads the environment."""
    if live:
        if not os.environ.get("OPENROUTER_API_KEY", "").strip():
            raise MissingKey(
                "--live needs a key: set OPENROUTER_API_KEY; without --live the emulator answers"
            )
        yield None, None
        return
    from agentkit.emulator import Emulator

    with Emulator(chunk_delay=EMULATED_DELAY) as running:
        yield running.base_url, running.api_key
