"""One long string that may be a picture, decoded while it arrives.

What was decoded need not be held to be given back: as long as the text was plain base64, encoding
the bytes again gives it, digit for digit. From the first deviation on (an escape, white space,
another alphabet), the text is also written down as it came. So a string that turns out to be none
is restored byte for byte, and memory stays bounded all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

import pybase64

from agentkit.errors import ImageError, StoreError
from agentkit.images.drafts import SafeDraft
from agentkit.images.store import ImageStore
from agentkit.values.image_header import HEAD, inspect, sniff
from agentkit.wire.base64text import (
    blank_inside,
    edge_of,
    is_plain,
    open_escape,
    standard,
    unescape,
)

#: How many characters of a string are looked at to tell whether it is a picture; HEAD bytes are in
#: fewer, escapes and all.
DECISIVE = 4096
_HEADER = re.compile(rb'(?:[ \t]|\\+[nrt])*[dD][aA][tT][aA]:[^,"]{1,512},')
_DATA_IMAGE = re.compile(rb"\s*data:(image/[\w.+-]+)\s*(?:;[^;,]*)*;\s*base64\s*,\Z", re.IGNORECASE)
_NOT_IN_A_STRING = re.compile(rb"[\r\n]")
#: Escaped through and through (`\u002b`), a character has six; more is not read of one string.
_LONGEST_CHARACTER = 8
_PIECE = 1 << 18
#: By chunks, by a length, or by a mark that no pixels hold; the `;` of a GIF may be any byte.
_TELL_THEIR_END = frozenset({"image/png", "image/webp", "image/jpeg"})
_MANY = 64  # backslashes: more than any depth has


@dataclass(frozen=True, slots=True)
class Opening:
    """How a string begins that is a picture's."""

    depth: int
    """How many JSON strings it is nested in."""
    header: bytes
    """`data:image/png;base64,` as it stands in the document; empty for bare base64."""
    claimed: str | None

    @property
    def header_text(self) -> str:
        return unescape(self.header, self.depth).decode("utf-8", "replace")

    @classmethod
    def read(cls, start: bytes, depth: int) -> Opening | None:
        """What `start`, the first DECISIVE bytes of a string or all of it, tells; None where it is
        no picture's.
        """
        if _NOT_IN_A_STRING.search(start):
            return None
        header, claimed = b"", None
        if found := _HEADER.match(start):
            data_url = _DATA_IMAGE.match(unescape(found[0], depth))
            if data_url is None:
                return None
            header, claimed = found[0], data_url[1].decode("ascii").lower()
        head = _decode_head(start[len(header) :], depth)
        return None if head is None or sniff(head) is None else cls(depth, header, claimed)


def _decode_head(raw: bytes, depth: int) -> bytes | None:
    """The first HEAD bytes, or None where this is no base64."""
    text = unescape(raw[: open_escape(raw)], depth)
    if blank_inside(text) >= 0:
        return None
    digits, _, _ = standard(text).partition(b"=")
    digits = digits[: (HEAD + 2) // 3 * 4]
    try:
        return pybase64.b64decode(digits[: len(digits) & ~3], validate=True)[:HEAD]
    except ValueError:
        return None


def _backslashes_behind(raw: bytes) -> bytes:
    return raw[len(raw.rstrip(b"\\")) :]


def _ends_plainly(raw: bytes) -> bool:
    """Is this the standard alphabet alone, with at most the usual padding behind it?"""
    return is_plain(raw) and b"=" not in raw.rstrip(b"=") and not raw.endswith(b"===")


class State(Enum):
    GOING = auto()
    """All is well so far."""
    INVALID = auto()
    """It is no base64: `restore`."""
    FULL = auto()
    """It is larger than allowed: nothing more is decoded."""


class Capture:
    """The string after its opening quote. `feed` it, then `finish` or `restore`."""

    def __init__(
        self, opening: Opening, store: ImageStore, max_bytes: int, key: str | None
    ) -> None:
        self.opening = opening
        self.key = key
        self.draft = SafeDraft(store)
        self.state = State.GOING
        self.dashed = False
        """Was it in the URL-safe alphabet?"""
        self.broken = False
        """Was it swallowed?"""
        self._store = store
        self._max_bytes = max_bytes
        self._skip = len(opening.header)
        self._room = _LONGEST_CHARACTER * max_bytes + (1 << 16)  # characters, white space and all
        self._digits = b""  # fewer than four, not decoded yet
        self._padding = b""
        self._edge = b""  # how what was read so far ends: white space is not accepted everywhere
        self._raw = b""  # not read yet: an escape that may go on
        self._verbatim: SafeDraft | None = None
        self._plain_until = 0  # the bytes of the draft that came as plain base64

    @property
    def backslashes(self) -> bytes:
        """Those at the end of what was fed: they belong to the quote that follows."""
        return _backslashes_behind(self._raw)

    @property
    def tail(self) -> bytes:
        """The last digits that fill no three bytes, with the padding."""
        return self._digits + self._padding

    def feed(self, data: bytes) -> State:
        """More of the string, without its closing quote."""
        if self.state is State.FULL:
            self._raw = _backslashes_behind(self._raw + data[-_MANY:])[-_MANY:]
            return self.state
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        for start in range(0, len(data), _PIECE):
            if self.state is not State.GOING:
                break
            piece = data[start : start + _PIECE] if len(data) > _PIECE else data
            self._room -= len(piece)
            if not self._feed_plain(piece):
                self._feed_any(self._raw + piece)
            if self._room < 0 and self.state is State.GOING:
                self._overflow()
        return self.state

    def finish(self) -> State:
        """The string's end. FULL and INVALID as in `feed`; a single digit left over stays in
        `tail`: it was cut off.
        """
        if self.state is not State.GOING:
            return self.state
        # Before the closing quote, as before the opening one.
        closing = b"\\" * (2**self.opening.depth - 1)
        raw = self._raw
        if _backslashes_behind(raw) != closing:
            self.state = State.INVALID
            return self.state
        self._raw = b""
        self._feed_settled(raw[: len(raw) - len(closing)])
        if self.state is State.GOING and len(self._digits) > 1:
            self._decode(self._digits + b"=" * (4 - len(self._digits)))
        return self.state

    def cut(self) -> None:
        """The body, or its line, ends inside the string: keep what can be decoded."""
        if self.state is State.GOING and len(self._digits) > 1:
            self._decode(self._digits + b"=" * (4 - len(self._digits)))

    def is_whole(self) -> bool:
        """Whether a string that was `cut` lacks nothing but its quote: the picture tells its own
        end, and that had arrived.
        """
        if self.state is not State.GOING:
            return False
        try:
            with self.draft.read_back() as file:
                return inspect(file).media_type in _TELL_THEIR_END
        except (ImageError, StoreError):
            return False

    def restore(self) -> bytes:
        """All that was fed, byte for byte. Bytes in the store are left to `discard`."""
        plain = self.draft.size if self._verbatim is None else self._plain_until
        with self.draft.read_back() as file:
            parts = [self.opening.header, pybase64.b64encode(file.read(plain))]
        if self._verbatim is None:
            parts += [self._digits, self._padding]
        else:
            with self._verbatim.read_back() as file:
                parts.append(file.read())
        return b"".join((*parts, self._raw))

    def swallow(self) -> None:
        """It is too large for words: whatever it is, what was decoded stays, and nothing more
        is.
        """
        self.state, self.broken = State.FULL, True
        self.settle()

    def discard(self) -> None:
        """Leave no trace."""
        self.draft.discard()
        self.settle()

    def settle(self) -> None:
        """It is a picture: what was written down to restore the string is not needed any more."""
        if self._verbatim is not None:
            self._verbatim.discard()

    def _feed_plain(self, piece: bytes) -> bool:
        """The fast way, for plain base64 only. False, and nothing done, for anything else."""
        if self._raw or self._padding or self._verbatim is not None:
            return False
        text = self._digits + piece if self._digits else piece
        whole = len(text) & ~3
        rest = text[whole:]
        if rest and not rest.isalnum():
            return False
        try:
            decoded = pybase64.b64decode(memoryview(text)[:whole], validate=True)
        except ValueError:
            return False
        if len(decoded) * 4 != whole * 3 or self.draft.size + len(decoded) > self._max_bytes:
            return False
        self.draft.write(decoded)
        self._digits = rest
        self._edge = text[-1:]
        return True

    def _feed_any(self, raw: bytes) -> None:
        settled = open_escape(raw)
        self._raw = raw[settled:]
        self._feed_settled(raw[:settled])

    def _feed_settled(self, raw: bytes) -> None:
        if not raw:
            return
        if self._verbatim is None and (self._padding or not _ends_plainly(raw)):
            self._verbatim = SafeDraft(self._store)
            self._verbatim.write(self._digits + self._padding)
            self._plain_until = self.draft.size
        if self._verbatim is not None:
            self._verbatim.write(raw)
        text = unescape(raw, self.opening.depth)
        self.dashed = self.dashed or b"-" in text or b"_" in text
        broken = blank_inside(text, self._edge)
        self._edge = edge_of(text, self._edge)
        digits, equals, behind = standard(text if broken < 0 else text[:broken]).partition(b"=")
        padding = self._padding + equals + behind
        if broken >= 0 or (self._padding and digits) or padding.strip(b"=") or len(padding) > 2:
            if self._padding or self._decode_ahead(digits) is not State.FULL:
                self.state = State.INVALID
            return
        if digits:
            self._decode_ahead(digits)
        self._padding = padding

    def _decode_ahead(self, digits: bytes) -> State:
        text = self._digits + digits
        whole = len(text) & ~3
        self._digits = b""
        if self._decode(text[:whole]) is State.GOING:
            self._digits = text[whole:]
            if not is_plain(self._digits):
                self.state = State.INVALID
        return self.state

    def _decode(self, text: bytes) -> State:
        """Decode whole quanta of the standard alphabet. What is too large is found before what is
        invalid behind it, so that the slicing of the input makes no difference."""
        room = (self._max_bytes - self.draft.size) // 3 * 4 + 4
        try:
            decoded = pybase64.b64decode(text[:room], validate=True)
        except ValueError:
            self.state = State.INVALID
            return self.state
        if self.draft.size + len(decoded) > self._max_bytes:
            self._overflow()
        else:
            self.draft.write(decoded)
        return self.state

    def _overflow(self) -> None:
        self.state = State.FULL
        self.discard()
