"""The strings of a reply that have a name, found in its bytes as they come, and the texts that they
are parts of: what a model says comes in many events, a few letters in each.

No JSON is parsed: a reply may be cut anywhere, and may be none. No string goes on behind the end of
a line, so what is wrong in one line is over in the next one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMED = re.compile(rb'"([^"\\]{1,64})"\s{0,64}:\s{0,64}(?:\[\s{0,64})?"')
"""The name of a string, or of a list that begins with one; up to where the string begins."""
_PLACE = re.compile(rb'"(index|\w{1,32}_index|item_id)"\s{0,64}:\s{0,64}("[^"\\]{0,128}"|\d{1,9})')
"""Which of several texts of one name an event goes on with, if it says so before."""
_KEPT = 384
"""Bytes that are looked at again: they may have a name, or a place, without its string."""
_LOOKED_AT = 192
"""Bytes before a name in which its place is looked for."""
_BACKSLASH = ord("\\")


@dataclass(slots=True)
class Value:
    """A string, or what came of it."""

    name: bytes
    at: int
    """Where the name stands; where the string does, if it was begun before."""
    start: int
    """Behind the first quote; or where the bytes begin that go on with it."""
    end: int
    """Where its last quote stands; or the end of what came."""
    is_begun_here: bool
    """Whether its first byte is there; else it was begun in bytes that came before."""
    is_closed: bool
    texts: tuple[bytes, ...] = ()
    """What it is a part of, if that was asked for."""


class Values:
    """The values of one reply, which is fed in pieces."""

    def __init__(self) -> None:
        self.read: bytes = b""
        """The bytes that were fed last, behind some that came before."""
        self.at = 0
        """Up to where they were looked at."""
        self._open: Value | None = None
        """The string that is not at its end."""

    def feed(self, data: bytes) -> int:
        """Take more. Returns where they stand in `read`."""
        dropped = max(len(self.read) - _KEPT, 0)
        self.read = self.read[dropped:] + data
        self.at = max(self.at - dropped, 0)
        return len(self.read) - len(data)

    def skip(self, end: int) -> None:
        """Pass over the lines that end before this place."""
        line = self.read.rfind(b"\n", self.at, end)
        if line >= 0:
            self.at, self._open = line + 1, None

    def line(self) -> tuple[list[Value], bool]:
        """The values that stand in the rest of this line, and whether the line's end has come."""
        data, found = self.read, self.read.find(b"\n", self.at)
        limit, is_whole = (len(data), False) if found < 0 else (found, True)
        values: list[Value] = []
        while (value := self._next(data, limit, is_whole=is_whole)) is not None:
            values.append(value)
            if not value.is_closed:
                break
        if is_whole:
            self.at, self._open = limit + 1, None
        return values, is_whole

    def _next(self, data: bytes, limit: int, *, is_whole: bool) -> Value | None:
        value = self._open
        if value is not None:
            if self.at == limit:
                return None
            value.at = value.start = self.at
            value.is_begun_here = False
        elif (named := _NAMED.search(data, self.at, limit)) is not None:
            at = named.end()
            value = Value(named[1], named.start(), at, at, is_begun_here=True, is_closed=False)
        else:
            return None
        at = value.start
        while (quote := data.find(b'"', at, limit)) >= 0 and _half_escape(data, value.start, quote):
            at = quote + 1
        value.end = limit if quote < 0 else quote
        value.is_closed = quote >= 0 or is_whole
        if value.is_closed:
            self._open, self.at = None, value.end + 1
        else:
            self.texts(value)  # later, what tells them is gone
            self._open, self.at = value, limit - _half_escape(data, value.start, limit)
        return value

    def texts(self, value: Value) -> tuple[bytes, ...]:
        """What it is a part of: the text of its name, for places that are told behind the string;
        and that of its name and place, for texts that come in turns.
        """
        if not value.texts:
            first = max(self.read.rfind(b"\n", 0, value.at) + 1, value.at - _LOOKED_AT)
            places = dict(_PLACE.findall(self.read, first, value.at))
            told = b" ".join(b"%b=%b" % each for each in sorted(places.items()))
            value.texts = (value.name, b"%b %b" % (value.name, told)) if told else (value.name,)
        return value.texts


def _half_escape(data: bytes, start: int, end: int) -> int:
    """1 where a backslash stands before the end that belongs to what comes behind it."""
    first = end
    while first > start and data[first - 1] == _BACKSLASH:
        first -= 1
    return (end - first) % 2
