"""A request body as a ledger keeps it: with references for its pictures, and for the bytes that an
earlier request of the same conversation has.

    body → flat bytes → segments, literal or copied from an earlier body → flat bytes → body

All of it is pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Literal, cast, get_args

from agentkit.values import BlobRef, Pieces

_PIECE = re.compile(rb"\0(\0|[^\0]+\0)")
"""A zero byte that is one, or a reference to a picture. JSON has none; a form may."""
Form = Literal["data_url", "base64", "file"]
_LEAST = 64
"""Bytes that a copy has at least, and by which a body is found in another."""

Segment = tuple[int, int]
"""Where in the earlier body the bytes stand and how many they are; or -1, and how many bytes of the
literal data they are."""


def flat(body: Pieces) -> bytes:
    """The body as bytes, a short reference in the place of each picture."""
    return b"".join(
        piece.replace(b"\0", b"\0\0")
        if isinstance(piece, bytes)
        else f"\0{piece.sha256} {piece.media_type} {piece.form}\0".encode()
        for piece in body
    )


def pieces(data: bytes) -> Pieces:
    """The body that `flat` has made bytes of. Raises `ValueError` for other bytes."""
    found: list[bytes | BlobRef] = []
    literal, at = b"", 0
    for match in _PIECE.finditer(data):
        literal += data[at : match.start()]
        at = match.end()
        if match[1] == b"\0":
            literal += b"\0"
            continue
        sha256, media_type, form = match[1][:-1].decode().split(" ")
        if form not in get_args(Form):
            raise ValueError(f"no form of a picture: {form!r}")
        found += (literal, BlobRef(sha256, media_type, cast("Form", form)))
        literal = b""
    return (*found, literal + data[at:])


def digest(data: bytes) -> str:
    """The sha256 of the bytes."""
    return hashlib.sha256(data).hexdigest()


def segments(data: bytes, earlier: bytes) -> tuple[list[Segment], bytes]:
    """How to make `data` of `earlier` and of literal bytes, and these.

    A request begins with its settings, some of which change; then come the messages, to which new
    ones are added. So the earlier body is looked for at the start, and once more behind the first
    difference.
    """
    found: list[Segment] = []
    literal: list[bytes] = []

    def keep(start: int, end: int) -> None:
        if end > start:
            found.append((-1, end - start))
            literal.append(data[start:end])

    same = _common(data, 0, earlier, 0)
    at = same if same >= _LEAST else 0
    if at:
        found.append((0, at))
    probe = same
    while probe + _LEAST <= len(earlier) and probe - same <= 16 * _LEAST:
        place = data.find(earlier[probe : probe + _LEAST], at)
        if place >= 0:
            length = _common(data, place, earlier, probe)
            keep(at, place)
            found.append((probe, length))
            at = place + length
            break
        probe += _LEAST // 2
    keep(at, len(data))
    return found, b"".join(literal)


def joined(parts: Sequence[Sequence[int]], literal: bytes, earlier: bytes) -> bytes:
    """The bytes that `segments` has taken apart. Raises `ValueError` where they do not fit."""
    whole: list[bytes] = []
    at = 0
    for start, length in parts:
        source = literal if start < 0 else earlier
        begin = at if start < 0 else start
        if length < 0 or begin + length > len(source):
            raise ValueError("a segment lies outside of its body")
        whole.append(source[begin : begin + length])
        at += length if start < 0 else 0
    return b"".join(whole)


def _common(one: bytes, start: int, other: bytes, at: int) -> int:
    """How many bytes are the same from there on."""
    low, high = 0, min(len(one) - start, len(other) - at)
    while low < high:
        middle = (low + high + 1) // 2
        if one[start + low : start + middle] == other[at + low : at + middle]:
            low = middle
        else:
            high = middle - 1
    return low
