"""Small copies of pictures, for clients that count every character of a result."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pybase64

from agentkit.errors import ImageError, StoreError
from agentkit.values import Image
from agentkit.values.image_header import RASTER_TYPES

SIDE = 384
"""Pixels of the longest side of a preview, at most."""
_QUALITIES = (85, 70, 55, 40, 30)
_SMALLER = (288, 192, 128, 96, 64, 32, 16)
_SHOWN_BY_ALL = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture as base64."""

    data: str
    media_type: str


def preview_of(image: Image, limit: int) -> Preview | None:
    """The picture itself if it is small, else a smaller copy of at most `limit` characters of
    base64. None where there is none: an SVG is not made pixels, and bytes may be gone or broken.
    It blocks: it reads, decodes and encodes.
    """
    if not limit or image.media_type not in RASTER_TYPES:
        return None
    try:
        if _is_small(image, limit):
            return Preview(_base64(image.bytes()), image.media_type)
        return _copy(_flat(image.to_pillow()), limit)
    except (ImageError, StoreError, OSError, ValueError):
        return None


def _is_small(image: Image, limit: int) -> bool:
    longest = max(image.width or SIDE + 1, image.height or SIDE + 1)
    fits = (image.size + 2) // 3 * 4 <= limit
    return fits and longest <= SIDE and image.media_type in _SHOWN_BY_ALL


def _flat(picture: Any) -> Any:
    """The picture as JPEG takes it: what shows through is white."""
    import PIL.Image

    picture.thumbnail((SIDE, SIDE))
    if picture.mode in {"RGB", "L"} and "transparency" not in picture.info:
        return picture
    above = picture.convert("RGBA")
    below = PIL.Image.new("RGBA", above.size, "white")
    below.alpha_composite(above)
    return below.convert("RGB")


def _copy(picture: Any, limit: int) -> Preview | None:
    tries = [(SIDE, quality) for quality in _QUALITIES]
    tries += [(side, _QUALITIES[-1]) for side in _SMALLER]
    for side, quality in tries:
        picture.thumbnail((side, side))
        file = BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True)
        data = _base64(file.getvalue())
        if len(data) <= limit:
            return Preview(data, "image/jpeg")
    return None


def _base64(data: bytes) -> str:
    return pybase64.b64encode(data).decode("ascii")
