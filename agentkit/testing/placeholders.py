"""Pictures as cassettes hold them: one flat colour, of the same width, height and format, in a few
hundred bytes.

The colour comes from the picture's digest, so one picture is always the same placeholder, and two
are two. A small picture of one colour is its own placeholder: what was played and is sent again
stays as it is.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from typing import Any, cast

import PIL.Image

from agentkit.values.image_header import HEAD, sniff

Picture = PIL.Image.Image

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {"optimize": True},
    "JPEG": {"quality": 75, "optimize": True, "progressive": True},
    "WEBP": {"lossless": True},
    "GIF": {},
    "AVIF": {"quality": 75},
}
SVG = "image/svg+xml"
_SVG_ROOT = re.compile(rb"<svg\b[^>]{0,2000}>")
_SVG_SIZE = re.compile(rb"""\s(width|height|viewBox)\s*=\s*["']([\w.,\s%+-]{1,60})["']""")
_SVG_BEGIN = b'<svg xmlns="http://www.w3.org/2000/svg"'
_SVG_FILL = b'width="100%" height="100%" fill="#'
_OWN_SVG = re.compile(
    re.escape(_SVG_BEGIN)
    + rb"([^>]*)><rect "
    + re.escape(_SVG_FILL[:-1])
    + rb'(#[0-9a-f]{6})"/></svg>'
)
_LONGEST_FLAT = 64 * 1024
"""Bytes. A longer picture is none of ours, so its pixels are not looked at."""
_MAX_PIXELS = 100_000_000
_BASE64 = re.compile(r"[A-Za-z0-9+/]{64,}={0,2}")
_HEAD = HEAD // 3 * 4
ANY_COLOUR = "any colour"


@lru_cache(maxsize=32)
def placeholder(data: bytes) -> bytes:
    """The flat picture that stands for this one. What is no whole picture, or one of a kind that
    cannot be written, comes back unchanged.
    """
    if sniff(data[:HEAD]) == SVG:
        return _flat_svg(data)
    opened = _opened(data)
    if opened is None or not _is_whole(opened) or _colour(opened, data) is not None:
        return data
    colour = (*hashlib.sha256(data).digest()[:3],)
    file = BytesIO()
    kind = cast("str", opened.format)
    if kind in {"PNG", "GIF"}:
        flat = PIL.Image.new("P", opened.size, 0)
        flat.putpalette(colour)
    else:
        flat = PIL.Image.new("RGB", opened.size, colour)
    flat.save(file, kind, **_OPTIONS[kind])
    return file.getvalue()


def summary(data: bytes) -> str | None:
    """What identifies a picture and its placeholder alike, whichever version of a compressor made
    it: format, width, height and colour. None for what has no placeholder.
    """
    return _summary(placeholder(data))


def loose_summary(data: bytes) -> str | None:
    """As `summary`, for any colour."""
    if svg := _OWN_SVG.fullmatch(_flat_svg(data)):
        return f"(SVG{svg[1].decode()} {ANY_COLOUR})"
    opened = _opened(data)
    return None if opened is None else _told(opened, ANY_COLOUR)


def is_flat(data: bytes) -> bool:
    """Whether it is a small picture of one colour, as placeholders are."""
    if _OWN_SVG.fullmatch(data):
        return True
    opened = _opened(data)
    return opened is not None and _colour(opened, data) is not None


def in_text(text: str, change: Callable[[bytes], str | None]) -> list[tuple[int, int, str]]:
    """Where pictures in base64 are in a text, in `data:` URLs or bare, and what `change` says that
    stands in their place. Where it says None, the picture stays.
    """
    found: list[tuple[int, int, str]] = []
    for match in _BASE64.finditer(text):
        run = match[0]
        try:
            if sniff(b64decode(run[: min(len(run), _HEAD) // 4 * 4])) is None:
                continue
            new = change(b64decode(run, validate=True))
        except ValueError:
            continue
        if new is not None:
            found.append((*match.span(), new))
    return found


def encoded_placeholder(data: bytes) -> str | None:
    """The placeholder in base64; None where the picture is its own."""
    flat = placeholder(data)
    return None if flat == data else b64encode(flat).decode()


@lru_cache(maxsize=256)
def _summary(flat: bytes) -> str | None:
    if svg := _OWN_SVG.fullmatch(flat):
        return f"(SVG{svg[1].decode()} {svg[2].decode()})"
    opened = _opened(flat)
    if opened is None:
        return None
    colour = _colour(opened, flat) or ()
    return _told(opened, "#" + bytes(colour).hex())


def _is_whole(opened: Picture) -> bool:
    try:
        opened.load()
    except (OSError, ValueError, SyntaxError):
        return False
    return True


def _flat_svg(data: bytes) -> bytes:
    """A drawing of one rectangle, with the size that the root of this one tells."""
    root = _SVG_ROOT.search(data)
    is_whole = data.rstrip().endswith((b"</svg>", b"/>"))
    if root is None or not is_whole or _OWN_SVG.fullmatch(data):
        return data
    size = b"".join(b' %s="%s"' % pair for pair in _SVG_SIZE.findall(root[0]))
    colour = hashlib.sha256(data).hexdigest()[:6].encode()
    return _SVG_BEGIN + size + b"><rect " + _SVG_FILL + colour + b'"/></svg>'


def _told(opened: Picture, colour: str) -> str:
    return f"({opened.format} {opened.width}×{opened.height} {colour})"


def _colour(opened: Picture, data: bytes) -> tuple[int, ...] | None:
    """Of a picture that has one only."""
    if len(data) > _LONGEST_FLAT or not _is_whole(opened):
        return None
    colours = opened.convert("RGB").getcolors(1)
    return None if not colours else cast("tuple[int, ...]", colours[0][1])


def _opened(data: bytes) -> Picture | None:
    """The header of a picture that can have a placeholder; its pixels are not read yet."""
    if sniff(data[:HEAD]) is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            opened = PIL.Image.open(BytesIO(data), formats=_FORMATS)
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        return None
    return opened if opened.width * opened.height <= _MAX_PIXELS else None
