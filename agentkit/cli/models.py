"""`agentkit models`: which models there are, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from agentkit.cli import options as given
from agentkit.cli.connection import Address, service

if TYPE_CHECKING:
    import asyncio

    from agentkit.cli.output import Output
    from agentkit.openrouter.catalogue import Catalogue
    from agentkit.wire.catalogue import ChatModel, ImageModel


_AT_ONCE = 8
"""Requests to the catalogue."""
_HEAD = ("model", "$/M prompt", "$/M reply", "$/picture")


@dataclass(frozen=True, slots=True)
class Row:
    """A model, and what it costs in USD: a million tokens, and a picture without further options at
    most. None: not known.
    """

    id: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    context_length: int | None
    prompt_usd: float | None
    reply_usd: float | None
    picture_usd: float | None


class Kind(StrEnum):
    text = "text"
    image = "image"


def models(
    search: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORDS]...", help="Only models whose names have these words."),
    ] = None,
    *,
    output: Annotated[Kind | None, typer.Option(help="Only models that give this.")] = None,
    json: given.Json = False,
    offline: given.Offline = False,
    live: given.AskLive = False,
) -> None:
    """List models, with prices in USD: a million tokens of prompt, of reply, and a picture.

    Columns are separated by tabs where the output is no terminal.
    """
    import asyncio

    with service(offline=offline, live=live, own_client=True) as address:
        asyncio.run(_listed(search or [], output, address, json=json))


async def _listed(search: list[str], kind: Kind | None, address: Address, *, json: bool) -> None:
    import asyncio

    from agentkit.cli import ndjson
    from agentkit.cli.output import Output
    from agentkit.openrouter.catalogue import Catalogue

    async with address.client("agentkit models") as client:
        catalogue = Catalogue(client)
        models = {each.id: each for each in await catalogue.chat_models()}
        for each in await catalogue.all_image_models():
            models.setdefault(each.id, _as_chat_model(each))
        found = [each for each in models.values() if _is_wanted(each, search, kind)]
        gate = asyncio.Semaphore(_AT_ONCE)
        pictures = await asyncio.gather(*(_picture(each, catalogue, gate) for each in found))
    rows = [_row(model, picture) for model, picture in zip(found, pictures, strict=True)]
    rows.sort(key=lambda row: row.id)
    out = Output()
    if json:
        for row in rows:
            out.json(ndjson.encoded(ndjson.plain_json(row)))
    else:
        _print(rows, out)
    if not rows:
        out.tell("agentkit: no model has these words in its name")


def _as_chat_model(model: ImageModel) -> ChatModel:
    from agentkit.wire.catalogue import ChatModel

    return ChatModel(model.id, model.name, model.inputs, model.outputs)


def _is_wanted(model: ChatModel, search: list[str], kind: Kind | None) -> bool:
    names = f"{model.id} {model.name}".lower()
    is_of_kind = kind is None or kind.value in model.outputs
    return is_of_kind and all(word.lower() in names for word in search)


async def _picture(model: ChatModel, catalogue: Catalogue, gate: asyncio.Semaphore) -> float | None:
    """What a picture without further options costs at most; None where that is not known."""
    from agentkit.openrouter.prices import price
    from agentkit.wire.images import ImageRequest

    if not model.draws:
        return None
    async with gate:
        drawn_by = await catalogue.image_model(model.id)
    request = ImageRequest(prompt="", model=model.id)
    return None if drawn_by is None else price(drawn_by.endpoints, request)


def _row(model: ChatModel, picture: float | None) -> Row:
    def per_million(name: str) -> float | None:
        usd = model.prices.get(name)
        return None if usd is None else round(usd * 1e6, 6)

    return Row(
        model.id,
        model.name,
        model.inputs,
        model.outputs,
        model.context_length,
        per_million("prompt"),
        per_million("completion"),
        picture,
    )


def _print(rows: list[Row], out: Output) -> None:
    from agentkit.show import plain

    cells = [
        (row.id, _usd(row.prompt_usd), _usd(row.reply_usd), _usd(row.picture_usd)) for row in rows
    ]
    if not out.is_terminal:
        for each in cells:
            out.cells(each)
        return
    table = [_HEAD, *cells]
    widths = [max(len(plain.line(each[at])) for each in table) for at in range(len(_HEAD))]
    if sum(widths) + 2 * len(widths) > out.columns:
        for name, *prices in cells:
            out.line(name)
            told = [f"{price} {what}" for price, what in zip(prices, _HEAD[1:], strict=True)]
            for each in told:
                out.line_of(f"  {each}")
        return
    for name, *prices in table:
        padded = [price.rjust(width) for price, width in zip(prices, widths[1:], strict=True)]
        out.line_of(f"{plain.line(name).ljust(widths[0])}  {'  '.join(padded)}")


def _usd(amount: float | None) -> str:
    if amount is None:
        return "–"
    return f"{amount:.4g}"
