"""`agentkit worker`: a process that goes on with durable runs."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from agentkit.cli import options as given

if TYPE_CHECKING:
    from agentkit.integrations.dbos import Durable, Worker

Db = Annotated[
    str,
    typer.Option(
        "--db",
        metavar="URL",
        envvar="AGENTKIT_RUNS",
        help="The database of the runs: sqlite:///FILE, or postgresql://… for several machines.",
    ),
]
DEFAULT_DB = "sqlite:///runs.db"
Application = Annotated[
    str, typer.Option("--name", help="Which application's runs, where a database has several.")
]
Agents = Annotated[
    list[str],
    typer.Option(
        "-A",
        "--agent",
        metavar="MODULE:NAME",
        help="An agent whose runs are taken: package.module:name, or file.py:name. "
        "May be repeated; each has a name of its own.",
    ),
]
Number = Annotated[
    int, typer.Option("-n", min=1, max=1000, help="How many runs of each agent at once.")
]
Shared = Annotated[
    bool,
    typer.Option(
        "--shared-folder", help="The folder of the pictures is one that all machines share."
    ),
]


def worker(
    *,
    agent: Agents,
    db: Db = DEFAULT_DB,
    number: Number = 4,
    store: given.Store = None,
    name: Application = "agentkit",
    shared_folder: Shared = False,
) -> None:
    """Go on with durable runs until a signal ends it, and print its name.

    Ctrl-C or SIGTERM ends it after the steps under way, a second one at once; what is left goes on
    elsewhere.
    """
    import asyncio

    from agentkit.cli.agents import load_agent
    from agentkit.cli.stored_key import use_stored_key
    from agentkit.images.drafts import check_room

    use_stored_key()
    if store is not None:
        os.environ["AGENTKIT_STORE"] = store
    from agentkit.integrations.dbos import Durable

    agents = [load_agent(each) for each in agent]
    durable = Durable(db, agents=agents, name=name, shared_folder=shared_folder)
    check_room(durable.store)  # a bucket that is missing is told now, not by each run
    asyncio.run(_work(durable, number))


async def _work(durable: Durable, number: int) -> None:
    from agentkit.cli.output import Output

    out = Output()
    try:
        async with durable.working(number) as working:
            _heed_signals(working)
            out.line(working.name)
            out.tell(f"agentkit: taking runs of {', '.join(durable.agents)}; Ctrl-C ends it")
            await working.wait()
            if working.runs:
                out.tell("agentkit: ending after the steps under way; once more ends it at once")
    finally:
        for each in durable.agents.values():
            await each.client.close()
        await durable.close()


def _heed_signals(working: Worker) -> None:
    import asyncio

    if sys.platform == "win32":  # where Ctrl-C interrupts, and the block ends in the same way
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, working.stop)
