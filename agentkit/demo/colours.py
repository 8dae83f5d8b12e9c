"""Which colours a picture shows, by the names that people use. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

Colour = Literal[
    "black", "blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow"
]
_SIDE = 256
_DARK, _PALE, _BRIGHT = 46, 38, 217
"""Of 255: a value below is black; a saturation below is grey, or white from this value on."""
_HUES: tuple[tuple[int, Colour], ...] = (
    (15, "red"),
    (42, "orange"),
    (70, "yellow"),
    (165, "green"),
    (255, "blue"),
    (290, "purple"),
    (345, "pink"),
    (361, "red"),
)
"""Up to which degree of the colour circle each reaches."""


def colours_of(picture: Any) -> Mapping[Colour, float]:
    """The share of the pixels of a Pillow image that has each colour, from 0 to 1."""
    small = picture.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    found = cast("list[tuple[int, tuple[int, int, int]]]", small.convert("HSV").getcolors(_SIDE**2))
    counts: dict[Colour, int] = {}
    for count, (hue, saturation, value) in found:
        name = _name(hue * 360 / 255, saturation, value)
        counts[name] = counts.get(name, 0) + count
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()}


def _name(degrees: float, saturation: int, value: int) -> Colour:
    if value < _DARK:
        return "black"
    if saturation < _PALE:
        return "white" if value >= _BRIGHT else "grey"
    name: Colour = next(colour for end, colour in _HUES if degrees < end)
    if name == "orange" and value < 140:
        return "brown"
    if name == "red" and saturation < 102:
        return "pink"
    return name
