"""`agentkit sessions`: the conversations that are kept."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentkit.cli import options as given
from agentkit.cli.saved import Database, sessions_at
from agentkit.errors import UsageError

if TYPE_CHECKING:
    from agentkit.cli.faces import Files
    from agentkit.cli.output import Output
    from agentkit.sessions import SavedChat, SavedConversation
    from agentkit.values import Message

app = typer.Typer(
    cls=given.Subcommands,
    help="Look after kept conversations.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The id of a conversation.")]
_WIDEST_TITLE = 60


@app.callback()
def root() -> None:
    """Look after kept conversations."""


@app.command("list")
def list_(
    search: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORDS]...", help="Only those in which these words stand."),
    ] = None,
    *,
    number: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many.")] = 20,
    sessions: Database = None,
    json: given.Json = False,
) -> None:
    """List conversations, the latest first: id, time, turns, cost and title.

    Columns are separated by tabs where the output is no terminal.
    """
    import asyncio

    from agentkit.cli import ndjson
    from agentkit.cli.output import Output

    words = " ".join(search or ()) or None
    found = asyncio.run(sessions_at(sessions).list(search=words, limit=number))
    out = Output()
    for each in found:
        if json:
            out.json(ndjson.encoded(ndjson.plain_json(each)))
        else:
            _print_row(each, out)
    if not found:
        out.tell("agentkit: no conversation" if words is None else "agentkit: none has these words")


def _print_row(chat: SavedChat, out: Output) -> None:
    from agentkit.show import plain

    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(chat.changed_at))
    cells = [chat.id, when, str(chat.turns), plain.dollars(chat.cost_usd), chat.title]
    if not out.is_terminal:
        out.cells(cells)
        return
    out.line(chat.id)
    status = "" if chat.status == "idle" else f" · {chat.status}"
    turns = f"{chat.turns} turn{'' if chat.turns == 1 else 's'}"
    out.line_of(f"  {when} · {turns} · {plain.dollars(chat.cost_usd)}{status}")
    if chat.title:
        out.line_of(f"  {plain.line(chat.title, width=max(out.columns - 3, 8))}")


@app.command()
def show(
    chat: Id, *, sessions: Database = None, json: given.Json = False, quiet: given.Quiet = False
) -> None:
    """Print a conversation: its prompts, each after a ›, its answers, its pictures and files."""
    from agentkit.cli import ndjson
    from agentkit.cli.faces import Files
    from agentkit.cli.output import Output

    found = _found(chat, sessions)
    out, files = Output(quiet=quiet), Files(found.agent.store, None)
    for message in found.messages:
        if json:
            out.json(ndjson.encoded(ndjson.message_json(message, files.path)))
        else:
            _print_message(message, out, files)
    for name in found.damaged:
        out.tell(f"agentkit: cannot be read, and is left out: {name}")


def _print_message(message: Message, out: Output, files: Files) -> None:
    from agentkit.show import plain
    from agentkit.values import File, Image, Text

    if message.role not in {"user", "assistant"}:
        return
    sign = "› " if message.role == "user" else ""
    for part in message.parts:
        if isinstance(part, Text) and part.text.strip():
            for line in part.text.strip().splitlines():
                out.line_of(f"{sign}{line}")
                sign = "  " if sign else ""
        elif isinstance(part, Image | File):
            path = files.path(part)
            out.line_of(f"{sign}{path or plain.line(part.name)}")


@app.command()
def export(
    chat: Id,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, such as a.zip.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    sessions: Database = None,
) -> None:
    """Write a conversation with its pictures to one file. Prints its path."""
    import asyncio

    from agentkit.cli.output import Output

    if path.exists() and not force:
        raise UsageError(f"sessions export: {path} is there already; --force overwrites it")
    left_out = asyncio.run(sessions_at(sessions).export(chat, path))
    out = Output()
    out.path(path)
    for each in left_out:
        out.tell(f"agentkit: left out: {each}")
    if left_out:
        raise typer.Exit(1)


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file that export has written.")],
    *,
    cid: Annotated[str | None, typer.Option(help="Under this id. Default: its own.")] = None,
    sessions: Database = None,
) -> None:
    """Read a conversation from a file. Prints its id."""
    import asyncio

    from agentkit.cli.output import Output

    Output().line(asyncio.run(sessions_at(sessions).load(path, cid)))


@app.command()
def delete(
    chat: Id,
    *,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove its pictures now, not by a later sweep.")
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    sessions: Database = None,
) -> None:
    """Delete a conversation. At a terminal you are asked first; elsewhere --yes is needed."""
    import asyncio

    from agentkit.cli.output import Output

    out = Output()
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("sessions delete: nobody can be asked here; accepted is --yes")
        if (out.ask(f"delete {chat}? [y/N]") or "").lower() not in {"y", "yes"}:
            raise typer.Exit(1)
    asyncio.run(sessions_at(sessions).delete(chat, purge=purge))


def _found(chat: str, url: str | None) -> SavedConversation[Any]:
    """The conversation, for reading. Raises `UsageError` where it is not there."""
    from agentkit.agent import Agent
    from agentkit.cli.options import DEFAULT_MODEL

    agent: Agent[Any] = Agent(DEFAULT_MODEL)  # nothing is sent
    found = agent.conversation(chat, sessions=sessions_at(url))
    if not (found.messages or found.images or found.waiting or found.interrupted):
        raise UsageError(
            f"sessions show {chat}: there is no such conversation; "
            "`agentkit sessions list` lists them"
        )
    return found
