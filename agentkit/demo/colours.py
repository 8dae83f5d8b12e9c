"""What can be measured in a picture: its colours, by the names that people use and by their
distance, its outline, its transparency. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import atan2, cbrt, cos, degrees, exp, hypot, radians, sin, sqrt
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


def css_colour(text: str) -> tuple[int, int, int]:
    """Red, green and blue, from 0 to 255, of a CSS colour: `tomato`, `#c33`, `hsl(0, 60%, 50%)`.

    Raises `ValueError`.
    """
    from PIL import ImageColor

    try:
        found = ImageColor.getrgb(text.strip())
    except ValueError:
        raise ValueError(
            "accepted is a CSS colour, such as tomato, #cc3333 or hsl(0, 60%, 50%)"
        ) from None
    return found[0], found[1], found[2]


def dominant_colour(picture: Any) -> tuple[int, int, int]:
    """Red, green and blue of the most frequent of the sixteen colours to which a Pillow image is
    reduced. What is transparent does not count, unless all is.
    """
    small = picture.convert("RGBA")
    small.thumbnail((_SIDE, _SIDE))
    reduced = small.convert("RGB").quantize(colors=16)
    palette = cast("list[int]", reduced.getpalette())
    opaque = small.getchannel("A").point([0] * 128 + [255] * 128)
    counts = cast("list[int]", reduced.histogram(opaque if opaque.getbbox() else None))
    first = 3 * counts.index(max(counts))
    return palette[first], palette[first + 1], palette[first + 2]


def has_alpha(picture: Any) -> bool:
    """Whether some pixel of a Pillow image is not opaque."""
    lowest, _ = cast("tuple[int, int]", picture.convert("RGBA").getchannel("A").getextrema())
    return lowest < 255


def dhash(picture: Any) -> int:
    """64 bits that say where a Pillow image becomes brighter to the right: 9×8 pixels in grey, each
    compared with its right neighbour. What is transparent is white.
    """
    from PIL import Image

    full = picture.convert("RGBA")
    flat = Image.new("RGBA", full.size, "white")
    flat.alpha_composite(full)
    grey: Any = flat.convert("L")
    small = grey.resize((9, 8), Image.Resampling.LANCZOS)
    pixels = small.tobytes()
    bits = 0
    for row in range(8):
        for column in range(8):
            at = 9 * row + column
            bits = 2 * bits + (pixels[at] < pixels[at + 1])
    return bits


def distance(one: int, other: int) -> int:
    """In how many of 64 bits two dHashes differ."""
    return (one ^ other).bit_count()


def delta_e(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """How different two colours look: CIEDE2000; 1 can just be seen, black and white are 100
    apart.
    """
    (l1, a1, b1), (l2, a2, b2) = _lab(one), _lab(other)
    mean_chroma = (hypot(a1, b1) + hypot(a2, b2)) / 2
    stretch = 1.5 - sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7)) / 2
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = hypot(a1, b1), hypot(a2, b2)
    h1, h2 = degrees(atan2(b1, a1)) % 360, degrees(atan2(b2, a2)) % 360
    turn, hue = _hues(h1, h2, is_grey=c1 * c2 == 0)
    chroma = (c1 + c2) / 2
    light = ((l1 + l2) / 2 - 50) ** 2
    weight = (
        1
        - 0.17 * cos(radians(hue - 30))
        + 0.24 * cos(radians(2 * hue))
        + 0.32 * cos(radians(3 * hue + 6))
        - 0.20 * cos(radians(4 * hue - 63))
    )
    lightness = (l2 - l1) / (1 + 0.015 * light / sqrt(20 + light))
    colour = (c2 - c1) / (1 + 0.045 * chroma)
    angle = 2 * sqrt(c1 * c2) * sin(radians(turn / 2)) / (1 + 0.015 * chroma * weight)
    rotation = -2 * sqrt(chroma**7 / (chroma**7 + 25.0**7))
    rotation *= sin(radians(60 * exp(-(((hue - 275) / 25) ** 2))))
    return sqrt(lightness**2 + colour**2 + angle**2 + rotation * colour * angle)


def _hues(h1: float, h2: float, *, is_grey: bool) -> tuple[float, float]:
    """The angle from one hue to another, and their mean, in degrees."""
    if is_grey:
        return 0.0, h1 + h2
    turn = (h2 - h1 + 180) % 360 - 180
    if abs(h1 - h2) <= 180:
        return turn, (h1 + h2) / 2
    return turn, (h1 + h2 + (360 if h1 + h2 < 360 else -360)) / 2


def _lab(rgb: tuple[int, int, int]) -> tuple[float, float, float]:
    """CIELAB of an sRGB colour, under D65."""
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
        for each in (value / 255 for value in rgb)
    )
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
    fx, fy, fz = (
        cbrt(each) if each > 216 / 24389 else (24389 / 27 * each + 16) / 116 for each in (x, y, z)
    )
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)
