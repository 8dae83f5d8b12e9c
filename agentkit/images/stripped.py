"""A picture without what tells where it was taken. Its pixels are not encoded anew: the blocks of
metadata are left out, and what an editor or a phone put behind the end.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from agentkit.values.image_header import PNG_TEXTS

_JPEG_KEPT = frozenset({0xE0, 0xE2, 0xEE})
"""JFIF, the ICC profile, and Adobe's, which says what the colours are."""
_PICTURES = b"MPF\0"
"""Of APP2: where further pictures lie behind the end, each with metadata of its own."""
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""A marker behind pixels: those of restarts stand between them. Bytes that fill the room before it
count as pixels; a pattern for them would try each way to split a long row of them."""
_PNG_LEFT_OUT = PNG_TEXTS | {b"eXIf"}
_WEBP_LEFT_OUT = frozenset({b"EXIF", b"XMP ", b"C2PA"})
_WEBP_FLAGS = 0x0C
"""Of `VP8X`: there is EXIF, there is XMP."""


def without_location(data: bytes, media_type: str) -> bytes:
    """The same picture without its metadata. The bytes have to be those of a whole picture, as
    `inspect` tells.
    """
    match media_type:
        case "image/jpeg":
            return b"".join(_jpeg(data))
        case "image/png":
            return b"".join(_png(data))
        case "image/webp":
            return _webp(data)
        case _:
            return data


def _jpeg(data: bytes) -> Iterator[bytes]:
    """Segments of ISO/IEC 10918-1, B.1.1.4, as far as the end of the first picture."""
    yield data[:2]
    offset = 2
    while found := _MARKER.search(data, offset):
        if found.start() > offset:  # pixels, behind the start of their scan
            yield data[offset : found.start()]
        marker, start = data[found.end() - 1], found.end()
        if marker == 0xD9:
            break
        if marker == 0x01:
            offset = start
            continue
        (length,) = struct.unpack_from(">H", data, start)
        segment = data[start : start + length]
        is_metadata = (0xE0 < marker <= 0xEF and marker not in _JPEG_KEPT) or marker == 0xFE
        if not is_metadata and not (marker == 0xE2 and segment[2:].startswith(_PICTURES)):
            yield b"\xff" + bytes([marker]) + segment
        offset = start + max(length, 2)
    yield b"\xff\xd9"


def _png(data: bytes) -> Iterator[bytes]:
    yield data[:8]
    offset, kind = 8, b""
    while kind != b"IEND" and offset + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        if kind not in _PNG_LEFT_OUT:
            yield data[offset : offset + 12 + length]
        offset += 12 + length


def _webp(data: bytes) -> bytes:
    chunks: list[bytes] = []
    offset, end = 12, struct.unpack_from("<I", data, 4)[0] + 8
    while offset + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, offset)
        chunk = data[offset : offset + 8 + length + length % 2]
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~_WEBP_FLAGS]) + chunk[9:]
        if kind not in _WEBP_LEFT_OUT:
            chunks.append(chunk)
        offset += 8 + length + length % 2
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body
