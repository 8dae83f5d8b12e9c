"""`agentkit image`: pictures from words, and from pictures, through the Image API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentkit.cli import options as given
from agentkit.cli.connection import Address, service
from agentkit.cli.pictures import attached_pictures, ready_folder
from agentkit.cli.prompts import piped, prompt_of
from agentkit.errors import AgentkitError, UsageError

if TYPE_CHECKING:
    from agentkit.cli.faces import Face
    from agentkit.studio.studios import Studio
    from agentkit.studio.values import Drawing
    from agentkit.values import Image

app = typer.Typer(
    cls=given.Subcommands,
    help="Draw and edit pictures.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def root() -> None:
    """Draw and edit pictures. Their paths are printed."""


Model = Annotated[
    str | None,
    typer.Option("-m", "--model", help="A model that draws. Default: openai/gpt-5-image."),
]
Option = Annotated[
    list[str] | None,
    typer.Option(
        "-o",
        "--option",
        metavar="KEY VALUE",
        help="An option of the Image API, such as -o aspect_ratio 16:9. May be repeated.",
    ),
]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="The folder for the pictures.")]
Words = Annotated[list[str] | None, typer.Argument(metavar="[WORDS]...", help="What to draw.")]


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be drawn, and how it is shown."""

    prompt: str
    pictures: list[Image]
    model: str | None
    options: dict[str, Any]
    budget: float | None
    out: Path | None
    json: bool
    quiet: bool


@app.command(cls=given.PairedOptions)
def draw(
    words: Words = None,
    *,
    model: Model = None,
    option: Option = None,
    number: Annotated[int | None, typer.Option("-n", min=1, max=10, help="How many.")] = None,
    budget: given.Cost = None,
    out: Out = Path(),
    json: given.Json = False,
    quiet: given.Quiet = False,
    offline: given.Offline = False,
    live: given.AskLive = False,
) -> None:
    """Draw from words. Files that are there are not overwritten."""
    options = _options(option) | ({} if number is None else {"n": number})
    order = _Order(
        prompt_of(words or (), piped(), (), example='agentkit image draw "a fox"'),
        [],
        model,
        options,
        budget,
        ready_folder(out),
        json,
        quiet,
    )
    raise typer.Exit(_run(order, offline=offline, live=live))


@app.command(cls=given.PairedOptions)
def edit(
    words: Words = None,
    *,
    attach: given.Pictures = None,
    model: Model = None,
    option: Option = None,
    budget: given.Cost = None,
    out: Out = Path(),
    json: given.Json = False,
    quiet: given.Quiet = False,
    offline: given.Offline = False,
    live: given.AskLive = False,
) -> None:
    """Draw from words and the pictures of -a. Files that are there are not overwritten."""
    if not attach:
        raise UsageError("image edit: no picture to edit; accepted is -a FILE, -a URL, or -a -")
    text = "" if "-" in attach else piped()
    order = _Order(
        prompt_of(words or (), text, (), example='agentkit image edit -a FILE "a hat"'),
        attached_pictures(attach),
        model,
        _options(option),
        budget,
        ready_folder(out),
        json,
        quiet,
    )
    raise typer.Exit(_run(order, offline=offline, live=live))


def _options(given_options: list[str] | None) -> dict[str, Any]:
    from agentkit.studio.options import NAMES

    return given.pairs(given_options, NAMES)


def _run(order: _Order, *, offline: bool, live: bool) -> int:
    import asyncio

    with service(offline=offline, live=live) as address:
        return asyncio.run(_drawn(order, address))


async def _drawn(order: _Order, address: Address) -> int:
    from agentkit.budget import Budget
    from agentkit.cli import ndjson
    from agentkit.cli.exits import DONE, FAILED
    from agentkit.cli.faces import Ended, Files, JsonFace, TextFace
    from agentkit.cli.output import Output
    from agentkit.studio.studios import DEFAULT_MODEL, Studio

    output = Output(quiet=order.quiet)
    async with address.client("agentkit image") as client:
        studio = Studio(order.model or DEFAULT_MODEL, client=client, budget=Budget(order.budget))
        files = Files(studio.store, order.out, words=order.prompt)
        face: Face = JsonFace(output, files) if order.json else TextFace(output, files)
        drawing = await _watched(order, studio, face)
        usage = ndjson.plain_json(drawing.usage)
        last = {"kind": "run_finished", "status": "completed", "usage": usage}
        face.end(Ended(drawing.images, drawing.usage, last=last))
    return DONE if drawing.images and not files.troubles else FAILED


async def _watched(order: _Order, studio: Studio, face: Face) -> Drawing:
    from agentkit.cli import ndjson
    from agentkit.cli.exits import code_of
    from agentkit.cli.faces import Ended
    from agentkit.cli.watching import ticking

    stream = studio.stream(order.prompt, order.pictures, **order.options)
    try:
        async with stream, ticking(face):
            async for event in stream:
                face.show(event)
            return await stream.finish()
    except AgentkitError as error:
        last, drawing = ndjson.error_json(error, code_of(error)), stream.drawing
        images, usage = ((), None) if drawing is None else (drawing.images, drawing.usage)
        face.end(Ended(images, usage, last=last))
        raise
