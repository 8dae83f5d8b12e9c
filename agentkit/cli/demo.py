"""The commands of `agentkit demo`. `agentkit demo SCRIPT` is `agentkit demo run SCRIPT`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from agentkit.cli.connection import Address, Live, openrouter

if TYPE_CHECKING:
    from agentkit.demo.player import Played
    from agentkit.demo.script import Script
    from agentkit.demo.tools import Toolbox
    from agentkit.images.store import FileImageStore
    from agentkit.values import Api


class _DemoGroup(TyperGroup):
    """A group whose command `run` need not be named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with `run` before them where they name no command."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_DemoGroup,
    help="Play scripts in the terminal and write reports.",
    rich_markup_mode=None,
)


@app.callback()
def root() -> None:
    """Play scripts in the terminal and write reports: `agentkit demo SCRIPT`."""


class ApiChoice(StrEnum):
    chat = "chat"
    responses = "responses"
    both = "both"


@app.command()
def run(
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
        openrouter(live=live) as address,
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
