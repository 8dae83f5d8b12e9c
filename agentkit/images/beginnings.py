"""How a string of JSON begins that may be a picture in base64."""

from __future__ import annotations

import re


def _or_cut(*characters: str) -> str:
    """A pattern for these characters, or for as many of them as there are before the end of the
    data.
    """
    pattern = ""
    for each in reversed(characters):
        pattern = rf"{each}(?:{pattern}|\Z)" if pattern else each
    return pattern


_BEGINNINGS = (
    _or_cut("[dD]", "[aA]", "[tT]", "[aA]", ":"),
    _or_cut(*"iVBORw0KGg"),  # PNG
    _or_cut("[/_]", "9", "j"),  # JPEG
    _or_cut(*"R0lGOD"),  # GIF
    _or_cut(*"UklGR"),  # WebP
    _or_cut(*"AAA"),  # AVIF
    _or_cut("Q", "k", "[0-3]"),  # BMP
    _or_cut(*"SUkqA"),  # TIFF
    _or_cut(*"TU0AK"),
    _or_cut("P", "[CDFH]"),  # SVG: <! <? <S <s
    _or_cut(*"77u"),  # and behind a byte order mark, or white space
    _or_cut("C", "[Q-Za-z0-9+/_-]"),
    _or_cut("D", "[A-Za-f]"),
    _or_cut("I", "[A-P]"),
    "[ \\t]",
    "\\\\+(?:[/nrtu]|\\Z)",
)
#: How a string begins that may be a picture: quick and rough, `Opening.read` decides.
MAY_BEGIN = re.compile('"(?:{}|\\Z)'.format("|".join(_BEGINNINGS)).encode("ascii"))
