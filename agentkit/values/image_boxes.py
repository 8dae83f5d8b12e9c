"""AVIF and HEIC: boxes of ISO/IEC 14496-12, in which ISO/IEC 23008-12 puts pictures as items with
properties.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from agentkit.errors import ImageError
from agentkit.values.image_metadata import STEPS, Header

_META = 1 << 20
"""Bytes of the `meta` box that are looked at."""
_AVIF = (b"avif", b"avis")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")


def sniff_boxes(head: bytes) -> str | None:
    """The media type of a file that begins with an `ftyp` box: its brand, or those that it is
    compatible with.
    """
    if head[4:8] != b"ftyp":
        return None
    brand, others = head[8:12], head[16:64]
    if brand in _AVIF or any(each in others for each in _AVIF):
        return "image/avif"
    return "image/heic" if brand in _HEIC or any(each in others for each in _HEIC[:4]) else None


def boxed(name: str, file: BinaryIO, size: int) -> Header:
    """The size of the picture as it is shown: decoders turn it themselves, as its own properties
    say, and EXIF does not count. Raises `ImageError` and `struct.error`.
    """
    measured: tuple[int, int] | None = None
    offset = 0
    for _ in range(STEPS):
        if offset >= size:
            break
        file.seek(offset)
        box = file.read(16)
        length, kind = struct.unpack_from(">I4s", box)
        if length == 1:
            (length,) = struct.unpack_from(">Q", box, 8)
        elif length == 0:
            length = size - offset
        if length < 8:
            raise ImageError(f"the {name} is broken: a box of no size")
        if kind == b"meta" and length <= size - offset:
            file.seek(offset)
            measured = _measured(file.read(min(length, _META)))
        offset += length
    if offset > size:
        raise ImageError(f"the {name} is cut off ({offset - size} bytes are missing)")
    if measured is None:
        raise ImageError(f"the {name} is broken: it does not tell its size")
    return Header(*measured)


def _measured(meta: bytes) -> tuple[int, int] | None:
    """The largest size that is told: others are of tiles and thumbnails. Turned by a quarter where
    the main picture is.
    """
    sizes: list[tuple[int, int]] = []
    found = meta.find(b"ispe\0\0\0\0")
    while 0 <= found <= len(meta) - 16 and len(sizes) < STEPS:
        sizes.append(struct.unpack_from(">II", meta, found + 8))
        found = meta.find(b"ispe\0\0\0\0", found + 16)
    largest = max(sizes, key=lambda each: each[0] * each[1], default=None)
    if largest is None or not _is_turned(meta):
        return largest
    return largest[1], largest[0]


def _is_turned(meta: bytes) -> bool:
    """Whether `irot` turns the primary item by 90 or 270 degrees (ISO/IEC 23008-12, 6.5.10)."""
    try:
        boxes = dict(_boxes(meta[12:]))
        inside = dict(_boxes(boxes[b"iprp"]))
        properties = list(_boxes(inside[b"ipco"]))
        primary = boxes[b"pitm"]
        (item,) = struct.unpack_from(">I" if primary[0] else ">H", primary, 4)
        turns = [
            properties[index - 1][1]
            for index in _properties_of(item, inside[b"ipma"])
            if 0 < index <= len(properties) and properties[index - 1][0] == b"irot"
        ]
    except (KeyError, IndexError, struct.error):
        return False
    return sum(turn[0] & 1 for turn in turns if turn) % 2 == 1


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind and the content of each box. Of `dict`, the last of a kind counts."""
    offset = 0
    for _ in range(STEPS):
        if offset + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, offset)
        if length < 8:
            return
        yield kind, data[offset + 8 : offset + length]
        offset += length


def _properties_of(item: int, ipma: bytes) -> list[int]:
    """The numbers of an item's properties, counted from 1 (ISO/IEC 23008-12, 9.3.1)."""
    version, wide = ipma[0], ipma[3] & 1
    (count,) = struct.unpack_from(">I", ipma, 4)
    offset, name, number = 8, ">IB" if version else ">HB", ">H" if wide else ">B"
    for _ in range(min(count, STEPS)):
        this, links = struct.unpack_from(name, ipma, offset)
        offset += struct.calcsize(name)
        if this == item:
            each = struct.unpack_from(f">{links}{number[1]}", ipma, offset)
            return [link & (0x7FFF if wide else 0x7F) for link in each]
        offset += links * struct.calcsize(number)
    return []
