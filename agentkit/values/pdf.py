"""What a PDF says of itself, read without trusting it: nothing is followed, the objects that are
packed are unpacked up to a bound, and what is not found is not known.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_CHUNK = 1 << 20
_OVERLAP = 1 << 12
"""Bytes of a chunk that are looked at again with the next one: no dictionary of the page tree that
is looked for is longer.
"""
_UNPACKED = 16 << 20
"""Bytes of packed objects that are looked through, in all."""
_PACKED = 1 << 20
"""Bytes of one object stream that are read."""
_STREAMS = 2000
MOST_PAGES = 100_000

_ENCRYPTED = re.compile(rb"/Encrypt(?:\s+\d{1,10}\s+\d{1,5}\s+R\b|\s*<<)")
_TREE = re.compile(rb"/Type\s*/Pages\b")
_COUNT = re.compile(rb"/Count\s+(\d{1,9})\b")
_STREAM = re.compile(rb"/Type\s*/ObjStm\b[^\0]{0,400}?stream\r?\n")
_AROUND = 2048


@dataclass(frozen=True, slots=True)
class PdfInfo:
    """What is known of a PDF."""

    pages: int | None
    encrypted: bool


def read_pdf(file: BinaryIO, size: int) -> PdfInfo:
    """The pages, by the largest node of the page tree, and whether it is encrypted."""
    most, encrypted, streams = 0, False, list[int]()
    for at, data in _windows(file, size):
        encrypted = encrypted or _ENCRYPTED.search(data) is not None
        most = max(most, _pages_in(data))
        if len(streams) < _STREAMS:
            streams += [at + match.end() for match in _STREAM.finditer(data)]
    if not encrypted:
        most = max(most, _pages_packed(file, sorted(set(streams))[:_STREAMS]))
    return PdfInfo(most if 0 < most <= MOST_PAGES else None, encrypted)


def _windows(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """The file in pieces that overlap, each with its position."""
    for at in range(0, size, _CHUNK):
        start = max(0, at - _OVERLAP)
        file.seek(start)
        yield start, file.read(at + _CHUNK - start)


def _pages_in(data: bytes) -> int:
    """The highest count of a node of the page tree in these bytes."""
    most = 0
    for match in _TREE.finditer(data):
        before = data.rfind(b"<<", max(0, match.start() - _AROUND), match.start())
        after = data.find(b">>", match.end(), match.end() + _AROUND)
        whole = data[max(before, 0) : after if after >= 0 else match.end() + _AROUND]
        most = max([most, *(int(each) for each in _COUNT.findall(whole))])
    return most


def _pages_packed(file: BinaryIO, streams: list[int]) -> int:
    """The same for the objects that are packed in streams."""
    most, left = 0, _UNPACKED
    for at in streams:
        file.seek(at)
        unpack = zlib.decompressobj()
        try:
            data = unpack.decompress(file.read(_PACKED), left)
        except zlib.error:
            continue
        most, left = max(most, _pages_in(data)), left - len(data)
        if left <= 0:
            break
    return most
