"""What a picture's metadata tells: how its pixels stand, and whether it says where it was taken.

EXIF is a TIFF directory, XMP is XML, of which two properties are looked for. Both are written by
all kinds of devices and editors, so what cannot be read is passed over.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

ORIENTATION, GPS = 274, 34853
"""Tags of EXIF 2.32, table 4 and section 4.6.6."""
STEPS = 4096
"""Directory entries, segments or boxes beyond which a picture is none of good faith."""
_FAR = 1 << 40
"""No file is as long; `seek` takes no number of 64 bits."""
INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_CLASSIC = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SIZES = {**_CLASSIC, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value, by its kind; the last four are of BigTIFF."""
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_XMP_PLACE = re.compile(rb"gpsl(?:at|ong)itude", re.IGNORECASE)
"""`exif:GPSLatitude`, in XMP and in the JSON of a C2PA manifest."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """`orientation` is EXIF's (1 to 8), None where nothing tells it; `located` says whether there
    is a place where the picture was taken.
    """

    orientation: int | None = None
    located: bool = False

    def joined(self, more: Metadata) -> Metadata:
        """Both. What is told first counts."""
        known = more.orientation if self.orientation is None else self.orientation
        return Metadata(known, self.located or more.located)


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a picture tells. The size is that of its pixels as they lie in the
    file.
    """

    width: int
    height: int
    metadata: Metadata = Metadata()
    unusual: bool = False
    """Whether its pixels are of a kind that many readers show wrong: CMYK, 16 bits of grey."""

    @property
    def orientation(self) -> int:
        """1 to 8, as EXIF counts; 1 is upright."""
        told = self.metadata.orientation
        return told if told is not None and 1 <= told <= 8 else 1


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a TIFF directory: `number` values of a `kind`, `length` bytes at `where`."""

    tag: int
    kind: int
    number: int
    where: int
    length: int


def entries(file: BinaryIO, head: bytes) -> tuple[str, Iterator[Entry]]:
    """The byte order of a TIFF file, and the entries of its first directory. Raises `struct.error`
    where it is cut off.
    """
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in {b"+\0", b"\0+"}
    count, entry, pointer = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    (offset,) = struct.unpack_from(order + pointer, head, 8 if big else 4)
    (number,) = struct.unpack(order + count, _at(file, offset, struct.calcsize(count)))
    start, size = offset + struct.calcsize(count), 20 if big else 12
    return order, _entries(file, order + entry, order + pointer, start, min(number, STEPS) * size)


def _entries(file: BinaryIO, entry: str, pointer: str, start: int, length: int) -> Iterator[Entry]:
    room, before = struct.calcsize(pointer), struct.calcsize(entry)
    directory = _at(file, start, length)
    for place in range(0, len(directory) - before - room + 1, before + room):
        tag, kind, number = struct.unpack_from(entry, directory, place)
        size = number * _SIZES.get(kind, 0)
        (where,) = struct.unpack_from(pointer, directory, place + before)
        yield Entry(tag, kind, number, start + place + before if size <= room else where, size)


def values(file: BinaryIO, order: str, entry: Entry) -> tuple[int, ...]:
    """The integers of an entry. Raises `struct.error` where they are cut off."""
    kind = f"{order}{entry.number}{INTEGERS[entry.kind]}"
    return struct.unpack(kind, _at(file, entry.where, entry.length))


def of_exif(data: bytes) -> Metadata:
    """What an EXIF block tells; `Exif` and two zeros may stand before it."""
    data = data.removeprefix(b"Exif\0\0")
    if not data.startswith((b"II*\0", b"MM\0*")):
        return Metadata()
    file, found = io.BytesIO(data), Metadata()
    try:
        order, each_entry = entries(file, data[:16])
        for each in each_entry:
            if each.tag == ORIENTATION and each.kind in INTEGERS and 0 < each.number < STEPS:
                found = found.joined(Metadata(values(file, order, each)[0]))
            if each.tag == GPS:
                found = found.joined(Metadata(located=True))
    except struct.error:
        return found
    return found


def of_xmp(data: bytes) -> Metadata:
    """What a block of XMP tells."""
    told = _XMP_ORIENTATION.search(data)
    return Metadata(int(told[1]) if told else None, tells_place(data))


def tells_place(data: bytes) -> bool:
    """Whether bytes of any kind of metadata name a place in letters, as XMP does."""
    return _XMP_PLACE.search(data) is not None


def _at(file: BinaryIO, offset: int, length: int) -> bytes:
    if offset > _FAR:
        return b""
    file.seek(offset)
    return file.read(length)
