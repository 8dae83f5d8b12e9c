"""The command line: which commands there are. What is no command is a question to the model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from agentkit.cli import (
    ask,
    chat_command,
    demo,
    emulator,
    image,
    keys,
    mcp,
    models,
    runs,
    serve,
    sessions,
    store,
    worker,
)

_HELP = ("-h", "--help")
_OF_THE_GROUP = (*_HELP, "--version", "--install-completion", "--show-completion")


class _Commands(TyperGroup):
    """The commands. Words that name none are those of `ask`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with `ask` before them where they name no command."""
        is_asked = bool(args) or (not sys.stdin.isatty() and not ctx.resilient_parsing)
        named = bool(args) and (args[0] in self.commands or args[0] in _OF_THE_GROUP)
        if is_asked and not named:
            args = ["ask", "--guessed", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Commands,
    help="Agents that draw, on OpenRouter.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": list(_HELP)},
    epilog="--debug, with any command, shows logs, and the traceback of an error; "
    "--no-color, or NO_COLOR, shows no colours.",
)
app.command(name="ask", cls=ask.Command)(ask.ask)
app.command(name="chat", cls=ask.Command)(chat_command.chat)
app.command(name="serve", cls=ask.Command)(serve.serve)
app.add_typer(demo.app, name="demo")
app.add_typer(image.app, name="image")
app.command(name="mcp")(mcp.mcp)
app.command(name="models")(models.models)
app.add_typer(sessions.app, name="sessions")
app.add_typer(store.app, name="store")
app.command(name="worker")(worker.worker)
app.add_typer(runs.app, name="runs")
app.add_typer(keys.app, name="keys")
app.command(name="emulator")(emulator.emulator)


def invoke(arguments: Sequence[str], *, debug: bool = False) -> int:
    """Run a command line and return its exit code. Errors of the command itself are raised."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that knows only ASCII gets a `?` in place of an error.
            stream.reconfigure(errors="replace")
    if debug:
        import logging

        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logging.getLogger("agentkit").addHandler(handler)
        logging.getLogger("agentkit").setLevel(logging.INFO)
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
    """Agents that draw, on OpenRouter.

    agentkit "Draw a fox in the snow" asks a model; what is piped in stands before the words.
    """
