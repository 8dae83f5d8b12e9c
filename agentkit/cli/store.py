"""`agentkit store`: the pictures, on the disk or in an object store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from agentkit.cli import options as given
from agentkit.cli.saved import Database, sessions_at

if TYPE_CHECKING:
    from agentkit.images.store import ImageStore

app = typer.Typer(
    cls=given.Subcommands,
    help="Look after the kept pictures.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def root() -> None:
    """Look after the kept pictures: those of AGENTKIT_STORE, else of the user's data folder."""


@app.command()
def size(*, store: given.Store = None, json: given.Json = False) -> None:
    """Print where the pictures are, and how large they are together."""
    from agentkit.cli import ndjson
    from agentkit.cli.output import Output
    from agentkit.images.stores import place_of
    from agentkit.show.plain import kilobytes

    pictures, out = _store(store), Output()
    total, place = pictures.size(), place_of(pictures)
    if json:
        out.json(ndjson.encoded({"path": place, "bytes": total}))
    else:
        out.cells((kilobytes(total), place))


@app.command()
def check(*, store: given.Store = None, json: given.Json = False) -> None:
    """Look whether pictures can be written and read, and print where they are. An error says
    what to do.
    """
    from agentkit.cli import ndjson
    from agentkit.cli.output import Output
    from agentkit.images.drafts import check_room
    from agentkit.images.stores import place_of

    pictures, out = _store(store), Output()
    check_room(pictures)
    place = place_of(pictures)
    if json:
        out.json(ndjson.encoded({"path": place, "ok": True}))
    else:
        out.line(place)


@app.command()
def sweep(
    *, sessions: Database = None, store: given.Store = None, json: given.Json = False
) -> None:
    """Remove pictures that no kept conversation names any more, a day after they were kept last,
    and what the ledger of paid requests no longer needs. Prints how many pictures were removed.

    Pictures that were never part of a kept conversation stay.
    """
    import asyncio

    from agentkit.cli import ndjson
    from agentkit.cli.output import Output

    removed = asyncio.run(sessions_at(sessions, _store(store)).sweep())
    out = Output()
    if json:
        out.json(ndjson.encoded({"removed": removed}))
    else:
        out.line(str(removed))


def _store(place: str | None) -> ImageStore:
    from agentkit.images.stores import default_store, store_at

    return default_store() if place is None else store_at(place)
