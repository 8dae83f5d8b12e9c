"""What bytes really are: the kind of picture, its size in pixels, and whether it is whole.

Nothing is decoded, so neither a decompression bomb nor endless frames cost anything: the size comes
from the header and the end from the file's structure, in a bounded number of steps. Pillow would
read all text, metadata and comments on the way, which a hostile file makes as long as it likes. SVG
is recognised and never rasterised: it has no size in pixels.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from agentkit.errors import ImageError

MAX_PIXELS = 50_000_000
#: More segments, boxes or directory entries than this before the size is known, and it is no
#: picture of good faith.
_STEPS = 4096
_TAIL = 4096
_CHUNK = 1 << 20

#: An encoder may cut 64 MiB of pixels into chunks of 8 KiB; each chunk costs whoever decodes them.
_PNG_CHUNKS = 1 << 15
_PNG_PIXELS = frozenset({b"IDAT", b"fdAT"})

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_SVG_END = re.compile(rb"</(?:[\w.-]{1,32}:)?svg\s{0,32}>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Info:
    """What a picture's bytes tell of it. `size` is in bytes; width and height are in pixels, None
    for SVG.
    """

    media_type: str
    size: int
    width: int | None
    height: int | None


def inspect(file: BinaryIO, *, max_pixels: int = MAX_PIXELS) -> Info:
    """What the bytes of a seekable file are. Raises `ImageError` that says why they are no usable
    picture.
    """
    size = file.seek(0, io.SEEK_END)
    head = _at(file, 0, HEAD)
    media_type = sniff(head)
    if media_type is None:
        raise ImageError(
            f"not a picture ({describe(head)})" if size else "not a picture (no bytes at all)"
        )
    try:
        measured = _READERS[media_type](file, head, size)
    except (struct.error, IndexError):
        raise ImageError(f"the {_name(media_type)} is cut off in its header") from None
    if measured is None:
        return Info(media_type, size, None, None)
    width, height = measured
    if width <= 0 or height <= 0:
        raise ImageError(f"the {_name(media_type)} has no pixels ({width}×{height})")
    if width * height > max_pixels:
        raise ImageError(
            f"the {_name(media_type)} has too many pixels ({width}×{height}, "
            f"at most {max_pixels} are accepted)"
        )
    return Info(media_type, size, width, height)


def describe(head: bytes) -> str:
    """In a word or two, what bytes that are no picture seem to be."""
    start = head.lstrip()[:64].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "text/html"
    if start.startswith((b"{", b"[")):
        return "JSON"
    if start.startswith(b"%pdf-"):
        return "PDF"
    if not head.translate(None, bytes(range(32, 127)) + b"\t\r\n"):
        return "text"
    return f"starts with {head[:8].hex(' ')}"


def _name(media_type: str) -> str:
    return (
        EXTENSIONS[media_type]
        .upper()
        .replace("JPG", "JPEG")
        .replace("TIF", "TIFF")
        .replace("WEBP", "WebP")
    )


def _at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _cut(media_type: str, missing: str) -> ImageError:
    return ImageError(f"the {_name(media_type)} is cut off ({missing})")


def _png(file: BinaryIO, head: bytes, size: int) -> tuple[int, int]:
    if head[12:16] != b"IHDR":
        raise ImageError("the PNG does not start with its header")
    width, height = struct.unpack_from(">II", head, 16)
    offset, others = 8, 0
    for _ in range(_PNG_CHUNKS):
        start = _at(file, offset, 8)
        if len(start) < 8:
            raise _cut("image/png", "it has no IEND")
        length, kind = struct.unpack(">I4s", start)
        if not kind.isalpha():
            raise ImageError("the PNG is broken: no chunk where one must be")
        offset += 12 + length
        if offset > size:
            raise _cut("image/png", f"{offset - size} bytes are missing")
        if kind == b"IEND":
            return width, height
        others += kind not in _PNG_PIXELS
        if others > _STEPS:
            break
    raise ImageError("the PNG is broken: it has too many chunks")


def _gif(file: BinaryIO, head: bytes, size: int) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", head, 6)
    if not _at(file, max(0, size - _TAIL), _TAIL).rstrip(b"\0\r\n").endswith(b";"):
        raise _cut("image/gif", "it has no trailer")
    return width, height


def _jpeg(file: BinaryIO, head: bytes, size: int) -> tuple[int, int]:
    del head
    measured: tuple[int, int] | None = None
    offset = 2
    for _ in range(_STEPS):
        lead, marker, length = struct.unpack(">BBH", _at(file, offset, 4))
        if lead != 0xFF:
            raise ImageError("the JPEG is broken: no marker where one must be")
        if marker == 0xFF:
            offset += 1  # fill bytes may stand before a marker
        elif marker in _BARE:
            offset += 2
        elif marker == 0xDA:
            if measured is None:
                raise ImageError("the JPEG is broken: it has no frame header")
            if not _has_end(file, offset, size):
                raise _cut("image/jpeg", "it has no EOI")
            return measured
        elif marker == 0xD9 or length < 2:
            raise ImageError("the JPEG is broken: it ends before its pixels")
        else:
            if marker in _SOF:
                height, width = struct.unpack(">HH", _at(file, offset + 5, 4))
                measured = (width, height)
            offset += 2 + length
    raise ImageError("the JPEG is broken: its header does not end")


def _has_end(file: BinaryIO, scan: int, size: int) -> bool:
    """Is there an EOI behind the start of the scan? Mostly at the very end; some cameras append a
    film.
    """
    if b"\xff\xd9" in _at(file, max(scan, size - _TAIL), _TAIL):
        return True
    last = b""
    file.seek(scan)
    while chunk := file.read(_CHUNK):
        if b"\xff\xd9" in last + chunk:
            return True
        last = chunk[-1:]
    return False


def _webp(file: BinaryIO, head: bytes, size: int) -> tuple[int, int]:
    del file
    if size < struct.unpack_from("<I", head, 4)[0] + 8:
        raise _cut("image/webp", "it is shorter than its RIFF length")
    match head[12:16]:
        case b"VP8 ":
            if head[23:26] != b"\x9d\x01\x2a":
                raise ImageError("the WebP is broken: no key frame")
            width, height = struct.unpack_from("<HH", head, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", head, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            width, height = head[24:27], head[27:30]
            if len(height) < 3:
                raise _cut("image/webp", "in its header")
            return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
        case _:
            raise ImageError("the WebP is broken: no picture chunk")


def _bmp(file: BinaryIO, head: bytes, size: int) -> tuple[int, int]:
    del file
    length, pixels, header = struct.unpack_from("<I4xII", head, 2)
    if header == 12:
        width, height = struct.unpack_from("<HH", head, 18)
    else:
        width, height = struct.unpack_from("<ii", head, 18)
    if size < max(length, pixels + 1):
        raise _cut("image/bmp", "it is shorter than its header says")
    return width, abs(height)


def _avif(file: BinaryIO, head: bytes, size: int) -> tuple[int, int]:
    """Walk the outer boxes; the largest `ispe` in `meta` is the picture itself, others are its
    tiles and thumbnails.
    """
    del head
    measured: tuple[int, int] | None = None
    offset = 0
    for _ in range(_STEPS):
        if offset >= size:
            break
        box = _at(file, offset, 16)
        length, kind = struct.unpack_from(">I4s", box)
        if length == 1:
            (length,) = struct.unpack_from(">Q", box, 8)
        elif length == 0:
            length = size - offset
        if length < 8:
            raise ImageError("the AVIF is broken: a box of no size")
        if kind == b"meta" and length <= size - offset:
            measured = _largest_ispe(_at(file, offset, min(length, _CHUNK)))
        offset += length
    if offset > size:
        raise _cut("image/avif", f"{offset - size} bytes are missing")
    if measured is None:
        raise ImageError("the AVIF is broken: it does not tell its size")
    return measured


def _largest_ispe(meta: bytes) -> tuple[int, int] | None:
    sizes: list[tuple[int, int]] = []
    found = meta.find(b"ispe\0\0\0\0")
    while 0 <= found <= len(meta) - 16 and len(sizes) < _STEPS:
        sizes.append(struct.unpack_from(">II", meta, found + 8))
        found = meta.find(b"ispe\0\0\0\0", found + 16)
    return max(sizes, key=lambda each: each[0] * each[1], default=None)


_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_TIFF_INTEGERS = {1: "B", 3: "H", 4: "I"}


def _tiff(file: BinaryIO, head: bytes, size: int) -> tuple[int, int]:
    order = "<" if head[:2] == b"II" else ">"
    (offset,) = struct.unpack_from(f"{order}I", head, 4)
    (count,) = struct.unpack(f"{order}H", _at(file, offset, 2))
    directory = _at(file, offset + 2, min(count, _STEPS) * 12)
    entries: dict[int, tuple[int, ...]] = {}
    for place in range(0, len(directory) - 11, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", directory, place)
        length = number * _TIFF_SIZES.get(kind, 0)
        (where,) = struct.unpack_from(f"{order}I", directory, place + 8)
        if length <= 4:
            where = offset + 2 + place + 8
        if where + length > size:
            raise _cut("image/tiff", "its directory points behind its end")
        if tag in {256, 257, 273, 279, 324, 325} and kind in _TIFF_INTEGERS and number <= 1 << 16:
            entries[tag] = struct.unpack(
                f"{order}{number}{_TIFF_INTEGERS[kind]}", _at(file, where, length)
            )
    for offsets, lengths in ((273, 279), (324, 325)):
        parts = zip(entries.get(offsets, ()), entries.get(lengths, ()), strict=False)
        if any(start + length > size for start, length in parts):
            raise _cut("image/tiff", "pixels lie behind its end")
    if not entries.get(256) or not entries.get(257):
        raise ImageError("the TIFF is broken: it does not tell its size")
    return entries[256][0], entries[257][0]


def _svg(file: BinaryIO, head: bytes, size: int) -> None:
    del head
    _, *behind = _SVG_END.split(_at(file, max(0, size - _TAIL), _TAIL))
    rest = behind[-1].strip() if behind else b"nothing"
    if rest and not (rest.startswith(b"<!--") and rest.endswith(b"-->")):
        raise _cut("image/svg+xml", "it has no </svg>")


_READERS: dict[str, Callable[[BinaryIO, bytes, int], tuple[int, int] | None]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "image/gif": _gif,
    "image/avif": _avif,
    "image/bmp": _bmp,
    "image/tiff": _tiff,
    "image/svg+xml": _svg,
}

#: media type → the extension that a stored file gets. Raster types first, SVG (never rasterised,
#: never inlined) last.
EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/tiff": "tif",
    "image/svg+xml": "svg",
}
RASTER_TYPES = frozenset(EXTENSIONS) - {"image/svg+xml"}

#: `sniff` needs no more than this many bytes.
HEAD = 1024

# Possessive and atomic: comments of a hostile file must not make it try every way to split them.
_SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?:<\?xml[^>]*\?>\s*+)?(?>(?><!--.*?-->)\s*+)*+(?:<!DOCTYPE\s+svg[^>]*>\s*+)?<svg[\s>]",
    re.DOTALL | re.IGNORECASE,
)
_AVIF_BRANDS = (b"avif", b"avis")


def sniff(head: bytes) -> str | None:
    """The media type of the picture that starts with `head`, or None where it is not a picture
    known here.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and (
        head[8:12] in _AVIF_BRANDS or any(brand in head[16:64] for brand in _AVIF_BRANDS)
    ):
        return "image/avif"
    if head.startswith(b"BM") and head[6:10] == b"\x00\x00\x00\x00" and len(head) >= 18:
        return "image/bmp"
    if head.startswith((b"II*\x00", b"MM\x00*")):
        return "image/tiff"
    if _SVG.match(head[:HEAD]):
        return "image/svg+xml"
    return None
