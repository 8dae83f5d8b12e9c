"""Small copies of pictures, as `data:` URLs, for a page that is one file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from agentkit.errors import AgentkitError
from agentkit.values import Image
from agentkit.values.image_header import RASTER_TYPES

MAX_BYTES = 2_700_000
"""Characters of all thumbnails of a page, so that the page has at most 3 MB."""
_LEVELS = ((1024, 82), (800, 78), (640, 72), (480, 64), (320, 55), (200, 45), (120, 35))
"""Longest side in pixels and quality, the best first."""
_SMALL = (320, 60)
_SHARE_OF_SMALL = 0.35


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """The thumbnails of a page, by the digest of the picture. A picture that cannot be decoded, or
    for which there is no room, has none.
    """

    large: Mapping[str, str] = field(default_factory=dict[str, str])
    small: Mapping[str, str] = field(default_factory=dict[str, str])


def thumbnails(images: Iterable[Image], *, shown: int = 1) -> Thumbnails:
    """Thumbnails as large as there is room for. `shown` is how often a page shows the small one of
    a picture.
    """
    pictures = [image for image in images if image.media_type in RASTER_TYPES]
    large = _fitting(pictures, _LEVELS, int(MAX_BYTES * (1 - _SHARE_OF_SMALL)))
    unique = {image.sha256: image for image in pictures}
    times = max(1, shown) * max(1, len(pictures)) / max(1, len(unique))
    room = int(MAX_BYTES * _SHARE_OF_SMALL / times)
    levels = [each for each in _LEVELS if each[0] <= _SMALL[0]]
    return Thumbnails(large, _fitting(list(unique.values()), levels, room))


def _fitting(pictures: list[Image], levels: Iterable[tuple[int, int]], room: int) -> dict[str, str]:
    """The thumbnails at the best level at which all fit; at the last one, as many as fit."""
    found: dict[str, str] = {}
    for side, quality in levels:
        found = {}
        used = 0
        for image in pictures:
            if image.sha256 not in found and (url := _thumbnail(image, side, quality)):
                found[image.sha256] = url
            used += len(found.get(image.sha256, ""))
        if used <= room:
            return found
    kept: dict[str, str] = {}
    for image in pictures:
        url = found.get(image.sha256, "")
        room -= len(url)
        if url and room >= 0:
            kept[image.sha256] = url
    return kept


def _thumbnail(image: Image, side: int, quality: int) -> str:
    """A copy as a `data:` URL. Empty where the picture cannot be decoded."""
    try:
        picture: Any = image.to_pillow()
    except AgentkitError:  # its bytes are gone, or no picture
        return ""
    if picture.mode not in {"RGB", "RGBA"}:
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    picture.thumbnail((side, side))
    data = BytesIO()
    picture.save(data, "WEBP", quality=quality, method=4)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
