"""Pictures leave the wire here: between the socket and the JSON parser.

The spool sees the bytes of a reply, JSON or lines of it, and passes them on at once; but a long
string that is a picture in base64 is decoded into the store as it arrives, and a short reference
takes its place. Nothing above it holds base64.

It parses no JSON. A picture's string has no quote inside, not even an escaped one, so only the gaps
between two quotes count: `rfind` leaps from quote to quote, at most `threshold` bytes at a time,
and what follows a quote tells whether a picture may begin there. A closing quote is never followed
by base64, so nothing need be known of what came before, and no odd quote in a comment, nor any
other garbage, can derail it. A line's end is the end of a string too: none holds one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from functools import cached_property

from agentkit.errors import ImageError, UsageError
from agentkit.images.beginnings import MAY_BEGIN
from agentkit.images.blob import Blob
from agentkit.images.capture import DECISIVE, Capture, Opening, State
from agentkit.images.store import ImageStore
from agentkit.values.image_header import MAX_PIXELS
from agentkit.wire.types import BLOB

MAX_IMAGE_BYTES = 64 << 20
MAX_PICTURES = 256
"""Pictures of one reply that are kept; of those beyond, one `ImageFailure` tells."""
MAX_STRINGS = 4 * MAX_PICTURES
"""Pictures in base64 of one reply that are decoded, previews and repetitions counted: each may come
in several places.
"""
MAX_TOTAL_BYTES = 1 << 30
"""Bytes of all pictures of one reply; those that came as base64 and those that were fetched are
counted apart.
"""
SALVAGED = 32
"""Characters beyond which a string in text that nobody will read counts."""
MAX_SALVAGE = 16 << 20
"""Bytes of such text that are looked through."""
MOST_WORDS = 1 << 20
"""Bytes of a string that began as a picture, and beyond which it is one even where it does not go
on as one.
"""
#: How much of what came before a string is remembered: its key, and how deep it is nested.
_BEFORE = 128
_DEPTHS = {2**depth - 1: depth for depth in range(5)}
_KEY = re.compile(rb'"([\w.$-]{1,64})\\*"\s*:\s*\Z')
#: What stands before a string in JSON that stands in a string; in prose or HTML, something else
#: does.
_NESTED = re.compile(rb'[:,\["](?:[ \t]|\\+[nrt])*\Z')


def too_many_bytes(most: int) -> str:
    return f"the pictures of one reply have more than {most} bytes"


class Spool:
    """One reply's. `feed` it what arrives, pass on what it returns, and `close` it at the end, or
    `discard` it.

    A string of more than `threshold` characters counts. A picture of more than `max_image_bytes`,
    beyond `MAX_STRINGS` or beyond `max_total_bytes` of all, is not decoded further; its blob says
    so. `token` makes the references impossible to forge; by default it is random.
    """

    def __init__(
        self,
        store: ImageStore,
        *,
        threshold: int = 4096,
        max_image_bytes: int = MAX_IMAGE_BYTES,
        max_total_bytes: int = MAX_TOTAL_BYTES,
        max_pixels: int = MAX_PIXELS,
        token: str | None = None,
    ) -> None:
        if threshold < 0 or max_image_bytes <= 0:
            raise UsageError(
                "threshold must be 0 or more, and max_image_bytes 1 or more, not "
                f"{threshold!r} and {max_image_bytes!r}"
            )
        if token is not None:
            self.token = token
        self._store = store
        self._threshold = threshold
        self._max_image_bytes = max_image_bytes
        self._max_pixels = max_pixels
        self._decisive = max(threshold + 1, DECISIVE)
        self._blobs: dict[str, Blob] = {}
        self._before = b""
        self._held = b""  # a string whose beginning does not tell yet; starts with its quote
        self._capture: Capture | None = None
        self.max_total_bytes = self._left = max_total_bytes
        self.texts: dict[bytes, str] = {}
        """Digests of base64 that stood in words, and their references: the end of a stream may
        bring the same words once more.
        """

    @cached_property
    def token(self) -> str:
        """What no server can know, in each reference. Made for the first, as most replies have no
        picture.
        """
        return secrets.token_hex(16)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"{BLOB}:{re.escape(self.token)}:\d+")

    @property
    def blobs(self) -> Mapping[str, Blob]:
        """By reference (`agentkit-blob:TOKEN:NUMBER`), in the order of arrival."""
        return self._blobs

    def feed(self, data: bytes) -> bytes:
        """More of the body. Returns what can be passed on, each long picture replaced by its
        reference.
        """
        if self._held:
            data = self._held + data
            self._held = b""
        passed = 0  # data[:passed] is dealt with
        out: list[bytes] = []
        while passed < len(data):
            capture = self._capture
            if capture is not None:
                passed = self._pour(capture, data, passed, out)
                if self._capture is capture:
                    continue
            found = self._seek(data, passed)
            if found is None:
                if passed == 0 and not out:
                    self._remember(data)
                    return data
                out.append(data[passed:])
                break
            quote, opening = found
            if opening is None:
                out.append(data[passed:quote])
                self._held = data[quote:]
                data = data[:quote]
                break
            out.append(data[passed : quote + 1])
            passed = quote + 1
            self._begin(opening, data, quote)
        self._remember(data)
        return b"".join(out)

    def close(self) -> bytes:
        """The end of the body. Returns what was held back; a picture that is cut off here is kept
        aside as broken, unless all of it had arrived.
        """
        out: list[bytes] = []
        held, self._held = self._held, b""
        if held:
            opening = (
                self._read_opening(held, 0, held[1:]) if len(held) - 1 > self._threshold else None
            )
            if opening is None:
                return held
            out.append(held[:1])
            capture = self._begin(opening, held, 0)
            if capture.feed(held[1:]) is State.INVALID:
                return held[:1] + self._give_up(capture)
        if self._capture is not None:
            out.append(self._cut(self._capture, "the reply ended inside it"))
        return b"".join(out)

    def discard(self) -> None:
        """Drop whatever was not kept: for a reply that nobody reads to its end."""
        self._held = b""
        if self._capture is not None:
            self._capture.discard()
            self._capture = None
        for blob in self._blobs.values():
            blob.discard()

    def held_back(self) -> bytes:
        """What was fed and not passed on yet, pictures apart."""
        return self._held

    def salvage(self, pieces: Iterable[bytes]) -> None:
        """Take the short pictures, too, out of what had passed and will not be read, since the
        reply broke off; whole ones only.
        """
        other = Spool(
            self._store,
            threshold=SALVAGED,
            max_image_bytes=self._max_image_bytes,
            max_pixels=self._max_pixels,
        )
        left = MAX_SALVAGE
        for piece in (*pieces, self.held_back()):
            other.feed(piece[:left])
            left -= min(len(piece), left)
        found = dict(other.blobs)
        other.close()
        found |= {key: blob for key, blob in other.blobs.items() if blob.reason is None}
        self._blobs.update(found)
        for reference in found:
            del other._blobs[reference]
        other.discard()

    def is_reference(self, text: str) -> bool:
        """Whether this is the reference of a picture of this reply."""
        return text in self._blobs

    def references(self, text: str) -> list[str]:
        """The references in this text, each once."""
        return list(dict.fromkeys(self.split(text)[1::2]))

    def split(self, text: str) -> list[str]:
        """The text in pieces, words and references by turns: the first and the last are words,
        possibly empty.
        """
        if not self._blobs or self.token not in text:
            return [text]
        pieces: list[str] = []
        at = 0
        for found in self._pattern.finditer(text):
            if found[0] in self._blobs:
                pieces += [text[at : found.start()], found[0]]
                at = found.end()
        return [*pieces, text[at:]]

    def restore(self, text: str) -> str:
        """`text` with each reference replaced by the string it stands for, wherever in it that is.

        For strings that are no picture's place, a tool call's arguments above all. Raises
        `ImageError` for a picture that was not kept, or is too large.
        """
        if not self._blobs or self.token not in text:
            return text
        return self._pattern.sub(lambda found: self._text_of(found[0]), text)

    def _text_of(self, reference: str) -> str:
        blob = self._blobs.get(reference)
        if blob is not None and blob.size > MOST_WORDS:
            raise ImageError(f"too large for words: more than {MOST_WORDS} bytes")
        return reference if blob is None else blob.text()

    def _seek(self, data: bytes, position: int) -> tuple[int, Opening | None] | None:
        """The next quote that opens a long picture string, and how it begins: None where more must
        arrive to tell.
        """
        reach = self._threshold + 1
        while True:
            quote = data.rfind(b'"', position, position + reach)
            if quote < 0:
                quote = data.find(b'"', position + reach)
                if quote < 0:
                    return None
            if quote > position:  # all strings up to it are short
                position = quote
                continue
            if MAY_BEGIN.match(data, quote):
                end = data.find(b'"', quote + 1)
                start = data[
                    quote + 1 : quote + 1 + self._decisive
                    if end < 0
                    else min(end, quote + 1 + self._decisive)
                ]
                if end < 0 and len(start) < self._decisive:
                    if b"\n" not in start and b"\r" not in start:
                        return quote, None
                elif end < 0 or end - quote - 1 > self._threshold:
                    opening = self._read_opening(data, quote, start)
                    if opening is not None:
                        return quote, opening
            position += 1

    def _read_opening(self, data: bytes, quote: int, start: bytes) -> Opening | None:
        before = self._context(data, quote)
        bare = before.rstrip(b"\\")
        depth = _DEPTHS.get(len(before) - len(bare))
        if depth is None or (depth > 0 and not _NESTED.search(bare)):
            return None
        return Opening.read(start[:DECISIVE], depth)

    def _context(self, data: bytes, quote: int) -> bytes:
        before = data[max(0, quote - _BEFORE) : quote]
        return before if len(before) == _BEFORE else (self._before + before)[-_BEFORE:]

    def _remember(self, data: bytes) -> None:
        self._before = data[-_BEFORE:] if len(data) >= _BEFORE else (self._before + data)[-_BEFORE:]

    def _begin(self, opening: Opening, data: bytes, quote: int) -> Capture:
        key = _KEY.search(self._context(data, quote).rstrip(b"\\"))
        name = key[1].decode("ascii", "replace") if key else None
        self._capture = self.capture(opening, name)
        return self._capture

    def capture(self, opening: Opening, key: str | None = None) -> Capture:
        """A new string of the reply that may be a picture; see `add`."""
        room = min(self._max_image_bytes, self._left) if len(self._blobs) < MAX_STRINGS else 0
        return Capture(opening, self._store, room, key)

    def _pour(self, capture: Capture, data: bytes, start: int, out: list[bytes]) -> int:
        """Give the string what `data` has of it, and end it where it ends. Returns where the rest
        begins.
        """
        quote = data.find(b'"', start)
        stop = len(data) if quote < 0 else quote
        line = min(
            (
                at
                for at in (data.find(b"\n", start, stop), data.find(b"\r", start, stop))
                if at >= 0
            ),
            default=-1,
        )
        if line >= 0:
            stop = line
        state = capture.feed(data[start:stop])
        if state is State.INVALID:
            out.append(self._give_up(capture))
        elif line >= 0:
            out.append(self._cut(capture, "its line ended inside it"))
        elif quote >= 0:
            return self._close_at(quote, capture, out)
        return stop

    def _close_at(self, quote: int, capture: Capture, out: list[bytes]) -> int:
        state = capture.finish()
        if state is State.INVALID:
            out.append(self._give_up(capture))
            return quote
        backslashes = 2**capture.opening.depth - 1
        if state is State.FULL:
            if len(capture.backslashes) > backslashes:  # a quote inside the string
                capture.feed(b'"')
                return quote + 1
            out.append(self._finish(capture, None) + capture.backslashes)
            return quote
        cut = len(capture.tail.rstrip(b"=")) == 1
        out.append(
            self._finish(capture, "cut off: its base64 is not whole" if cut else None)
            + b"\\" * backslashes
        )
        return quote

    def _cut(self, capture: Capture, why: str) -> bytes:
        capture.cut()
        return self._finish(capture, None if capture.is_whole() else f"cut off: {why}")

    def _too_large(self, capture: Capture) -> str:
        if capture.broken:
            return "broken: its base64 is not valid"
        if len(self._blobs) >= MAX_STRINGS:
            return f"more than {MAX_STRINGS} pictures and previews in one reply"
        if self._left < self._max_image_bytes:
            return too_many_bytes(self.max_total_bytes)
        return f"too large: more than {self._max_image_bytes} bytes"

    def _give_up(self, capture: Capture) -> bytes:
        """It is no base64 after all: words, or a picture that is broken, if it has more bytes than
        words ever have.
        """
        if capture.draft.size > MOST_WORDS:
            capture.swallow()
            return b""
        text = capture.restore()
        capture.discard()
        self._capture = None
        return text

    def _finish(self, capture: Capture, reason: str | None) -> bytes:
        self._capture = None
        return self.add(capture, reason).encode("ascii")

    def add(self, capture: Capture, reason: str | None = None) -> str:
        """Keep what was captured as a picture of the reply, or, for `reason`, as one that is not
        usable. Returns its reference.
        """
        if capture.state is State.FULL:
            reason = self._too_large(capture)
        capture.settle()
        reference = f"{BLOB}:{self.token}:{min(len(self._blobs), MAX_STRINGS) + 1}"
        # All that is beyond the limit has one reference, so that they do not pile up.
        if reference in self._blobs:
            capture.discard()
            return reference
        blob = Blob(
            reference,
            capture.draft,
            self._store,
            media_type=capture.opening.claimed,
            key=capture.key,
            reason=reason,
            header=capture.opening.header_text,
            tail=capture.tail,
            dashed=capture.dashed,
            max_pixels=self._max_pixels,
        )
        if capture.state is State.FULL and not capture.broken:
            blob.discard()
        self._left -= blob.size
        self._blobs[reference] = blob
        return reference
