"""`agentkit keys`: the key for OpenRouter, kept for this user alone."""

from __future__ import annotations

import sys

import typer

from agentkit.cli import options as given
from agentkit.errors import MissingKey, UsageError

app = typer.Typer(
    cls=given.Subcommands,
    help="Keep the key for OpenRouter.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def root() -> None:
    """Keep the key for OpenRouter, which OPENROUTER_API_KEY goes before."""


@app.command("set")
def set_key() -> None:
    """Keep a key: typed without being shown, or piped in. It is never taken from the command line,
    which other users can see.
    """
    from agentkit.cli.stored_key import write_key

    if sys.stdin.isatty():
        text = typer.prompt("Key for OpenRouter", hide_input=True, err=True, default="")
    else:
        text = sys.stdin.readline()
    path = write_key(text)
    typer.echo(f"kept in {path}", err=True)


@app.command()
def path() -> None:
    """Print the file of the key."""
    from agentkit.cli.stored_key import key_file

    typer.echo(key_file())


@app.command()
def show() -> None:
    """Say where the key comes from. The key itself is not shown."""
    import os

    from agentkit.cli.stored_key import is_private, key_file, read_key

    if os.environ.get("OPENROUTER_API_KEY", "").strip():
        typer.echo("OPENROUTER_API_KEY")
        return
    if read_key() is None:
        raise MissingKey("no API key: set OPENROUTER_API_KEY, or keep one: `agentkit keys set`")
    typer.echo(key_file())
    if not is_private():
        typer.echo(f"agentkit: others can read {key_file()}: chmod 600 it", err=True)


@app.command()
def remove() -> None:
    """Remove the kept key."""
    from agentkit.cli.stored_key import key_file, remove_key

    if not remove_key():
        raise UsageError(f"keys remove: there is no key in {key_file()}")
