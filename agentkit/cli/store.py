"""`agentkit store`: the pictures on the disk."""

from __future__ import annotations

import typer

from agentkit.cli import options as given
from agentkit.cli.saved import Database, sessions_at

app = typer.Typer(
    help="Look after the pictures on the disk.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def root() -> None:
    """Look after the pictures on the disk: AGENTKIT_STORE, else the user's data folder."""


@app.command()
def size(*, json: given.Json = False) -> None:
    """Print the folder of the pictures, and how large they are together."""
    from agentkit.cli import ndjson
    from agentkit.cli.output import Output
    from agentkit.images.store import default_store
    from agentkit.show.plain import kilobytes

    store, out = default_store(), Output()
    total = store.size()
    if json:
        out.json(ndjson.encoded({"path": str(store.path), "bytes": total}))
    else:
        out.cells((kilobytes(total), str(store.path)))


@app.command()
def sweep(*, sessions: Database = None, json: given.Json = False) -> None:
    """Remove pictures that no kept conversation names any more, a day after they were kept last,
    and what the ledger of paid requests no longer needs. Prints how many pictures were removed.

    Pictures that were never part of a kept conversation stay.
    """
    import asyncio

    from agentkit.cli import ndjson
    from agentkit.cli.output import Output

    removed = asyncio.run(sessions_at(sessions).sweep())
    out = Output()
    if json:
        out.json(ndjson.encoded({"removed": removed}))
    else:
        out.line(str(removed))
