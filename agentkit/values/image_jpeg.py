"""JPEG: segments of ISO/IEC 10918-1, B.1.1.4, as far as the pixels."""

from __future__ import annotations

import struct
from typing import BinaryIO

from agentkit.errors import ImageError
from agentkit.values.image_metadata import STEPS, Header, Metadata, of_exif, of_xmp

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_TAIL = 4096
_CHUNK = 1 << 20
_EXIF = 1 << 20
"""Bytes of EXIF. A segment has no more than 64 KiB, and Pillow copies all of them for each further
one.
"""


def jpeg_header(file: BinaryIO, size: int) -> Header:
    """The size, and what the metadata tells. Raises `ImageError` and `struct.error`."""
    measured: tuple[int, int, int] | None = None
    metadata = _Metadata()
    offset = 2
    for _ in range(STEPS):
        file.seek(offset)
        lead, marker, length = struct.unpack(">BBH", file.read(4))
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
                raise ImageError("the JPEG is cut off (it has no EOI)")
            height, width, bands = measured
            return Header(width, height, metadata.known, unusual=bands == 4)
        elif marker == 0xD9 or length < 2:
            raise ImageError("the JPEG is broken: it ends before its pixels")
        else:
            if marker in _SOF:
                measured = struct.unpack(">xHHB", file.read(6))
            elif 0xE1 <= marker <= 0xEF:
                metadata.take(file.read(length - 2))
            offset += 2 + length
    raise ImageError("the JPEG is broken: its header does not end")


class _Metadata:
    """What the segments of an application (`APP1` to `APP15`) tell."""

    def __init__(self) -> None:
        self._exif, self._others, self._bytes = Metadata(), Metadata(), 0

    def take(self, data: bytes) -> None:
        if not data.startswith(b"Exif\0"):
            self._others = self._others.joined(of_xmp(data))
            return
        self._bytes += len(data)
        if self._bytes > _EXIF:
            raise ImageError(f"the JPEG is broken: its EXIF has more than {_EXIF} bytes")
        self._exif = self._exif.joined(of_exif(data))

    @property
    def known(self) -> Metadata:
        """XMP counts where EXIF says nothing."""
        return self._exif.joined(self._others)


def _has_end(file: BinaryIO, scan: int, size: int) -> bool:
    """Is there an EOI behind the start of the scan? Mostly at the very end; some cameras append a
    film.
    """
    last_part = max(scan, size - _TAIL)
    file.seek(last_part)
    if b"\xff\xd9" in file.read(_TAIL):
        return True
    last = b""
    file.seek(scan)
    while chunk := file.read(_CHUNK):
        if b"\xff\xd9" in last + chunk:
            return True
        last = chunk[-1:]
    return False
