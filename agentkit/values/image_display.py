"""Pictures in a notebook: small enough to be kept in it, with their words, handle and price."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from io import BytesIO
from typing import Any, Protocol

from agentkit._visible import visible
from agentkit.errors import AgentkitError
from agentkit.values.image_header import RASTER_TYPES


class Picture(Protocol):
    """What is shown of an `Image`, which imports this module."""

    @property
    def media_type(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...
    @property
    def name(self) -> str: ...
    @property
    def alt(self) -> str: ...
    @property
    def prompt(self) -> str | None: ...
    @property
    def revised_prompt(self) -> str | None: ...
    @property
    def cost_usd(self) -> float | None: ...
    @property
    def blobs(self) -> object: ...
    def data_url(self) -> str: ...
    def to_pillow(self) -> Any: ...


MAX_CHARACTERS = 300_000
"""Of the `data:` URL of one picture. A larger one is shown as a smaller copy."""
_LEVELS = ((1024, 80), (800, 75), (640, 70), (480, 60), (320, 50), (160, 40))
"""Longest side in pixels and quality of a copy, the best first."""


def data_url(image: Picture, limit: int = MAX_CHARACTERS) -> str:
    """The picture as a `data:` URL of at most `limit` characters: itself, or a WebP copy of it.

    Raises `ImageError` or `StoreError` for bytes that are gone, or cannot be decoded.
    """
    if image.size * 4 // 3 + 40 <= limit:
        return image.data_url()
    import pybase64

    picture: Any = image.to_pillow()
    if picture.mode not in {"RGB", "RGBA"}:
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    url = ""
    for side, quality in _LEVELS:
        picture.thumbnail((side, side))
        data = BytesIO()
        picture.save(data, "WEBP", quality=quality, method=4)
        url = f"data:image/webp;base64,{pybase64.b64encode(data.getvalue()).decode('ascii')}"
        if len(url) <= limit:
            break
    return url


def caption(image: Picture) -> str:
    """What a picture shows, in words: its alt text, else the prompt it was drawn from, else its
    name.
    """
    return image.alt or image.revised_prompt or image.prompt or image.name or "a picture"


def figure(source: str, words: str, facts: Iterable[str]) -> str:
    """A picture as an HTML `<figure>` with its words and facts. `source` is a URL."""
    shown = escape(visible(words))
    below = escape(visible(" · ".join(fact for fact in facts if fact)))
    return (
        f'<figure><img src="{escape(source)}" alt="{shown}" style="max-width:100%;height:auto">'
        f"<figcaption>{shown} <small>{below}</small></figcaption></figure>"
    )


def picture_facts(image: Picture) -> list[str]:
    """Its handle, pixels and price, as far as they are known."""
    facts = [image.name]
    if image.width and image.height:
        facts.append(f"{image.width}×{image.height}")
    if image.cost_usd is not None:
        facts.append(f"${image.cost_usd:.4f}")
    return [fact for fact in facts if fact]


def displayed(image: Picture, limit: int = MAX_CHARACTERS) -> str:
    """A raster picture as a `<figure>` for a notebook. Empty where it cannot be shown: an SVG can
    carry a script; bytes may be gone.
    """
    if image.media_type not in RASTER_TYPES or image.blobs is None:
        return ""
    try:
        return figure(data_url(image, limit), caption(image), picture_facts(image))
    except AgentkitError:
        return ""


def displayed_together(images: Iterable[Picture]) -> str:
    """Pictures beside each other; one that cannot be shown is named."""
    cells = [
        f'<div style="flex:0 1 16rem">{displayed(image) or _named(image)}</div>' for image in images
    ]
    return f'<div style="display:flex;flex-wrap:wrap;gap:1rem">{"".join(cells)}</div>'


def _named(image: Picture) -> str:
    return f"<p>{escape(visible(caption(image)))} <small>{escape(visible(repr(image)))}</small></p>"
