"""`agentkit runs`: durable runs, from any machine that reaches their database."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

import typer

from agentkit._redact import redacted
from agentkit.cli import deciding
from agentkit.cli import options as given
from agentkit.cli.worker import DEFAULT_DB, Application, Db
from agentkit.errors import AgentkitError, UsageError

if TYPE_CHECKING:
    from agentkit.answer import Answer
    from agentkit.cli.output import Output
    from agentkit.integrations.dbos import Durable, RunState
    from agentkit.integrations.dbos.states import Status

T = TypeVar("T")
app = typer.Typer(
    cls=given.Subcommands,
    help="Look after durable runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Id = Annotated[str, typer.Argument(metavar="ID", help="The id of a run.")]


@app.callback()
def root() -> None:
    """Look after durable runs, those that `agentkit worker` goes on with."""


@app.command("list")
def list_(
    *,
    status: Annotated[
        str | None,
        typer.Option(metavar="STATUS", help="Only those that are waiting, say, or failed."),
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Only those of the agent of this name.")] = None,
    number: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many.")] = 20,
    db: Db = DEFAULT_DB,
    name: Application = "agentkit",
    json: given.Json = False,
) -> None:
    """List runs, the newest first: id, time, status, agent, and what it waits for.

    Columns are separated by tabs.
    """
    from agentkit.cli import ndjson
    from agentkit.cli.output import Output

    wanted = cast("Status | None", status)
    found = _ask(db, name, lambda runs: runs.list(status=wanted, agent=agent, limit=number))
    out = Output()
    for each in found:
        if json:
            out.json(ndjson.encoded(ndjson.plain_json(each)))
        else:
            out.cells(_cells(each))
    if not found:
        out.tell("agentkit: no run")


def _cells(state: RunState) -> list[str]:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(state.created_at))
    return [state.id, when, state.status, state.agent, state.waits_for or state.error or ""]


@app.command()
def show(
    run: Id,
    *,
    db: Db = DEFAULT_DB,
    name: Application = "agentkit",
    store: given.Store = None,
    json: given.Json = False,
) -> None:
    """Print how a run is, what it waits for and how to decide, and its answer with the places of
    its pictures.
    """
    from agentkit.cli import ndjson
    from agentkit.cli.output import Output

    async def read(runs: Durable) -> tuple[RunState, Answer[Any] | None]:
        state = await runs.state(run)
        if state.status in {"queued", "running"}:
            return state, None
        try:
            return state, await runs.result(run)
        except AgentkitError:  # how it failed is in its state
            return state, None

    state, answer = _ask(db, name, read, store=store)
    out = Output()
    if json:
        messages = [] if answer is None else [ndjson.message_json(m) for m in answer.messages]
        out.json(ndjson.encoded({**ndjson.plain_json(state), "messages": messages}))
        return
    out.cells(_cells(state))
    if answer is not None:
        _print_answer(state, answer, out, store, _words(db, name))


def _print_answer(
    state: RunState, answer: Answer[Any], out: Output, store: str | None, words: Sequence[str]
) -> None:
    from agentkit.cli.faces import Files
    from agentkit.images.stores import default_store, store_at

    files = Files(default_store() if store is None else store_at(store), None)
    for line in answer.text.strip().splitlines():
        out.line_of(line)
    for each in (*answer.images, *answer.files):
        out.line_of(str(files.path(each) or files.place(each) or each.name))
    for line in deciding.asked_lines(answer):
        out.tell(f"agentkit: {line}")
    for line in deciding.ways_on(answer.run, ["agentkit", "runs", "approve", state.id, *words]):
        out.tell(line)


@app.command()
def approve(
    run: Id,
    *,
    approve: deciding.Approve = None,
    deny: deciding.Deny = None,
    result: deciding.Result = None,
    outcome: deciding.Outcome = None,
    answer: deciding.Given = None,
    db: Db = DEFAULT_DB,
    name: Application = "agentkit",
    json: given.Json = False,
) -> None:
    """Decide about the calls that a run waits for; a worker goes on with it. `runs show` prints the
    commands that decide.
    """
    made = deciding.decided(approve, deny, result, outcome, answer)
    if not made:
        raise UsageError(
            f"runs approve {run}: accepted is --approve, --deny, --result, --outcome or --answer; "
            f"`agentkit runs show {run}` prints what it waits for"
        )

    async def decide(runs: Durable) -> None:
        await runs.approve(
            run,
            made.approve,
            results=made.results,
            outcomes=made.outcomes,
            answers=made.answers,
        )

    _change(run, decide, db, name, json=json)


@app.command()
def resume(
    run: Id, *, db: Db = DEFAULT_DB, name: Application = "agentkit", json: given.Json = False
) -> None:
    """Go on with a run that failed, from where it was: what had come is not paid for again."""
    _change(run, lambda runs: runs.resume(run), db, name, json=json)


@app.command()
def cancel(
    run: Id, *, db: Db = DEFAULT_DB, name: Application = "agentkit", json: given.Json = False
) -> None:
    """End a run that is not over. Its pictures, and what they cost, stay in its conversation."""
    _change(run, lambda runs: runs.cancel(run), db, name, json=json)


def _change(
    run: str,
    change: Callable[[Durable], Coroutine[Any, Any, None]],
    db: str,
    name: str,
    *,
    json: bool,
) -> None:
    """Change a run, and print how it is then."""
    from agentkit.cli import ndjson
    from agentkit.cli.output import Output

    async def changed(runs: Durable) -> RunState:
        await change(runs)
        return await runs.state(run)

    state = _ask(db, name, changed)
    if json:
        Output().json(ndjson.encoded(ndjson.plain_json(state)))
    else:
        Output().cells(_cells(state))


def _words(db: str, name: str) -> list[str]:
    """The database as it is written in a command."""
    words = [] if db == DEFAULT_DB else ["--db", redacted(db)]
    return words if name == "agentkit" else [*words, "--name", name]


def _ask(
    db: str,
    name: str,
    question: Callable[[Durable], Coroutine[Any, Any, T]],
    *,
    store: str | None = None,
) -> T:
    """The answer of the database to a question. No run is begun and no picture written here, so any
    store will do.
    """
    import asyncio

    from agentkit.images.stores import default_store, store_at
    from agentkit.integrations.dbos import Durable

    _check_is_there(db)
    pictures = default_store() if store is None else store_at(store)

    async def ask() -> T:
        durable = Durable(db, store=pictures, name=name, shared_folder=True)
        try:
            return await question(durable)
        finally:
            await durable.close()

    return asyncio.run(ask())


def _check_is_there(db: str) -> None:
    """Raise `UsageError` for a file that nobody has made yet: a slip in its name is no new one."""
    from pathlib import Path

    from agentkit.sessions.address import read_address

    path = read_address(db).path
    if path is not None and not Path(path).exists():
        raise UsageError(f"--db {db}: there is no such file; a worker, or Durable(…), makes it")
