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
from agentkit.values.image_boxes import boxed, sniff_boxes
from agentkit.values.image_jpeg import jpeg_header
from agentkit.values.image_metadata import (
    INTEGERS,
    ORIENTATION,
    STEPS,
    Header,
    Metadata,
    entries,
    of_exif,
    of_xmp,
    tells_place,
    values,
)

MAX_PIXELS = 50_000_000
_TAIL = 4096

#: An encoder may cut 64 MiB of pixels into chunks of 8 KiB; each chunk costs whoever decodes them.
_PNG_CHUNKS = 1 << 15
_PNG_PIXELS = frozenset({b"IDAT", b"fdAT"})
PNG_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"caBX"})
"""Chunks that hold words of any kind, `caBX` those of a C2PA manifest."""
_METADATA = 1 << 22
"""Bytes of one block of metadata that are looked at."""

_SVG_END = re.compile(rb"</(?:[\w.-]{1,32}:)?svg\s{0,32}>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Info:
    """What a picture's bytes tell of it. `size` is in bytes; width and height are in pixels, as it
    is shown upright, None for SVG.
    """

    media_type: str
    size: int
    width: int | None
    height: int | None
    orientation: int = 1
    """How its pixels lie in the file, as EXIF counts: 1 is upright."""
    located: bool = False
    """Whether its metadata tells where it was taken."""
    unusual: bool = False
    """Whether its pixels are of a kind that many readers show wrong: CMYK, 16 bits of grey."""


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
        raise ImageError(f"the {name_of(media_type)} is cut off in its header") from None
    if measured is None:
        return Info(media_type, size, None, None)
    width, height = measured.width, measured.height
    if width <= 0 or height <= 0:
        raise ImageError(f"the {name_of(media_type)} has no pixels ({width}×{height})")
    if width * height > max_pixels:
        raise ImageError(
            f"the {name_of(media_type)} has too many pixels ({width}×{height}, "
            f"at most {max_pixels} are accepted)"
        )
    if measured.orientation >= 5:  # it lies on its side
        width, height = height, width
    located = measured.metadata.located
    return Info(media_type, size, width, height, measured.orientation, located, measured.unusual)


_OTHERS = {
    b"%PDF-": "PDF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"8BPS": "Photoshop",
    b"\0\0\x01\0": "ICO",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"gimp xcf": "GIMP",
    b"\x1aE\xdf\xa3": "a film",
    b"PK\x03\x04": "a ZIP file",
}
"""What people take for a picture that can be used here, by its first bytes."""


def describe(head: bytes) -> str:
    """In a word or two, what bytes that are no picture seem to be."""
    start = head.lstrip()[:64].lower()
    if head[4:8] == b"ftyp":
        return "a film"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "text/html"
    if start.startswith((b"{", b"[")):
        return "JSON"
    for beginning, name in _OTHERS.items():
        if head.startswith(beginning):
            return name
    if not head.translate(None, bytes(range(32, 127)) + b"\t\r\n"):
        return "text"
    return f"starts with {head[:8].hex(' ')}"


def name_of(media_type: str) -> str:
    """What people call pictures of this kind: `JPEG`."""
    name = EXTENSIONS[media_type].upper()
    return {"JPG": "JPEG", "TIF": "TIFF", "WEBP": "WebP"}.get(name, name)


def _at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _cut(media_type: str, missing: str) -> ImageError:
    return ImageError(f"the {name_of(media_type)} is cut off ({missing})")


def _png(file: BinaryIO, head: bytes, size: int) -> Header:
    if head[12:16] != b"IHDR":
        raise ImageError("the PNG does not start with its header")
    width, height, depth, colours = struct.unpack_from(">IIBB", head, 16)
    exif, xmp = Metadata(), Metadata()
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
            return Header(width, height, exif.joined(xmp), unusual=(depth, colours) == (16, 0))
        if kind == b"eXIf":
            exif = exif.joined(of_exif(file.read(min(length, _METADATA))))
        elif kind in PNG_TEXTS:
            xmp = xmp.joined(_png_text(file.read(min(length, _METADATA))))
        others += kind not in _PNG_PIXELS
        if others > STEPS:
            break
    raise ImageError("the PNG is broken: it has too many chunks")


def _png_text(data: bytes) -> Metadata:
    """What a text tells. One that is packed is not unpacked, for it may be a bomb: it counts as one
    that tells a place where it may.
    """
    keyword, _, text = data.partition(b"\0")
    if keyword.lower().startswith(b"raw profile type"):
        return Metadata(located=True)
    if keyword == b"XML:com.adobe.xmp":
        return Metadata(located=True) if text[:1] == b"\x01" else of_xmp(text)
    return Metadata(located=tells_place(data))


def _gif(file: BinaryIO, head: bytes, size: int) -> Header:
    width, height = struct.unpack_from("<HH", head, 6)
    if not _at(file, max(0, size - _TAIL), _TAIL).rstrip(b"\0\r\n").endswith(b";"):
        raise _cut("image/gif", "it has no trailer")
    return Header(width, height)


def _jpeg(file: BinaryIO, head: bytes, size: int) -> Header:
    del head
    return jpeg_header(file, size)


def _webp(file: BinaryIO, head: bytes, size: int) -> Header:
    end = struct.unpack_from("<I", head, 4)[0] + 8
    if size < end:
        raise _cut("image/webp", "it is shorter than its RIFF length")
    match head[12:16]:
        case b"VP8 ":
            if head[23:26] != b"\x9d\x01\x2a":
                raise ImageError("the WebP is broken: no key frame")
            width, height = struct.unpack_from("<HH", head, 26)
            return Header(width & 0x3FFF, height & 0x3FFF)
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", head, 21)
            return Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8X":
            width, height = head[24:27], head[27:30]
            if len(height) < 3:
                raise _cut("image/webp", "in its header")
            return Header(
                int.from_bytes(width, "little") + 1,
                int.from_bytes(height, "little") + 1,
                _webp_metadata(file, end),
            )
        case _:
            raise ImageError("the WebP is broken: no picture chunk")


def _webp_metadata(file: BinaryIO, end: int) -> Metadata:
    exif, xmp = Metadata(), Metadata()
    offset = 12
    for _ in range(STEPS):
        start = _at(file, offset, 8)
        if len(start) < 8 or offset >= end:
            break
        kind, length = struct.unpack("<4sI", start)
        if kind == b"EXIF":
            exif = exif.joined(of_exif(file.read(min(length, _METADATA))))
        elif kind in {b"XMP ", b"C2PA"}:
            xmp = xmp.joined(of_xmp(file.read(min(length, _METADATA))))
        offset += 8 + length + length % 2
    return exif.joined(xmp)


def _bmp(file: BinaryIO, head: bytes, size: int) -> Header:
    del file
    length, pixels, header = struct.unpack_from("<I4xII", head, 2)
    if header == 12:
        width, height = struct.unpack_from("<HH", head, 18)
    else:
        width, height = struct.unpack_from("<ii", head, 18)
    if size < max(length, pixels + 1):
        raise _cut("image/bmp", "it is shorter than its header says")
    return Header(width, abs(height))


def _avif(file: BinaryIO, head: bytes, size: int) -> Header:
    del head
    return boxed("AVIF", file, size)


def _heic(file: BinaryIO, head: bytes, size: int) -> Header:
    del head
    return boxed("HEIC", file, size)


_TIFF_TAGS = frozenset({256, 257, 273, 279, 324, 325, ORIENTATION})


def _tiff(file: BinaryIO, head: bytes, size: int) -> Header:
    order, directory = entries(file, head)
    found: dict[int, tuple[int, ...]] = {}
    for entry in directory:
        if entry.where + entry.length > size:
            raise _cut("image/tiff", "its directory points behind its end")
        if entry.tag in _TIFF_TAGS and entry.kind in INTEGERS and entry.number <= 1 << 16:
            found[entry.tag] = values(file, order, entry)
    for offsets, lengths in ((273, 279), (324, 325)):
        parts = zip(found.get(offsets, ()), found.get(lengths, ()), strict=False)
        if any(start + length > size for start, length in parts):
            raise _cut("image/tiff", "pixels lie behind its end")
    if not found.get(256) or not found.get(257):
        raise ImageError("the TIFF is broken: it does not tell its size")
    orientation = found.get(ORIENTATION, (1,))
    told = Metadata(orientation[0] if orientation else None)
    return Header(found[256][0], found[257][0], told)


def _svg(file: BinaryIO, head: bytes, size: int) -> None:
    del head
    _, *behind = _SVG_END.split(_at(file, max(0, size - _TAIL), _TAIL))
    rest = behind[-1].strip() if behind else b"nothing"
    if rest and not (rest.startswith(b"<!--") and rest.endswith(b"-->")):
        raise _cut("image/svg+xml", "it has no </svg>")


_READERS: dict[str, Callable[[BinaryIO, bytes, int], Header | None]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "image/gif": _gif,
    "image/avif": _avif,
    "image/heic": _heic,
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
    "image/heic": "heic",
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
    if boxes := sniff_boxes(head):
        return boxes
    if head.startswith(b"BM") and head[6:10] == b"\x00\x00\x00\x00" and len(head) >= 18:
        return "image/bmp"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0\b\0\0\0", b"MM\0+\0\b\0\0")):
        return "image/tiff"
    if _SVG.match(head[:HEAD]):
        return "image/svg+xml"
    return None
