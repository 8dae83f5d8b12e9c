"""What a ledger writes of a reply: its bytes without the secrets that this process knows, also
where one comes in pieces.

A connection cuts bytes anywhere, so the end of what came is held back where a secret may begin in
it. A model tells a key in a dozen events: where a JSON string ends with the begin of a secret, a
later one that begins with the rest goes on with it, whatever stands between them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush

from agentkit._redact import RUN, known_forms, masked

Span = tuple[int, int]
"""Where bytes stand, and how many they are."""
_SURE = 4
"""Bytes with which a longer string begins that are taken for the rest of a secret."""
_MOST_SPACES = 64
"""Between the name of a value and the value."""


class ReplyMask:
    """Masks the bytes of one reply, which are fed in their order: `*` stands for each byte of a
    secret, so their number stays.

    Of a secret in several strings, those that were fed at once are masked as a whole. Where its
    begin was written before, fewer than `RUN` characters of it, or half of a short one, may stay
    there; and its last three, where a string goes on behind them.
    """

    def __init__(self) -> None:
        self.has_masked = False
        """Whether a secret was found."""
        self._searches: dict[bytes, _Search] = {}
        self._held: bytes = b""

    def feed(self, data: bytes, *, is_last: bool = False) -> bytes:
        """What can be written once these bytes have come: all but the last ones, fewer than a
        secret has, in which one may begin. Of the last piece of a reply, all.
        """
        searches = [self._search(form) for form in known_forms()]
        data = self._held + data
        end = len(data) if is_last else min([each.decided(data) for each in searches], default=None)
        data, self._held = data[:end], b"" if end is None else data[end:]
        whole = masked(data)
        spans = [span for each in searches for span in each.feed(data)]
        self.has_masked = self.has_masked or bool(spans) or whole is not data
        if not spans:
            return whole
        hidden = bytearray(whole)
        for at, length in spans:
            hidden[at : at + length] = b"*" * length
        return bytes(hidden)

    def _search(self, form: bytes) -> _Search:
        if form not in self._searches:
            self._searches[form] = _Search(form)
        return self._searches[form]


@dataclass(slots=True)
class _Begin:
    """A begin of a secret that came, in one string or several."""

    spans: tuple[Span, ...]
    """Where it stands in the bytes that are being fed."""
    is_spent: bool = False
    """Whether the whole secret came since. Then it is masked only where the rest comes once more,
    since a reply may tell its words twice: else whatever looks like a part of it would be masked.
    """


class _Search:
    """Finds the pieces of one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._least = min(RUN, max(len(secret) // 2, 4))
        """Bytes of it that are not left in the clear."""
        last = b"".join(re.escape(bytes([each])) for each in {*secret[:-1]})
        self._ends = re.compile(b'"(?<=[%b]")(?!:)' % last)
        """The end of a value behind a byte of the secret. The pattern begins with the quote: the
        bytes of a picture have none, and are passed over fast.
        """
        self._by_end: dict[bytes, list[int]] = defaultdict(list)
        """The last two bytes of a begin → its lengths."""
        for length in range(2, len(secret)):
            self._by_end[secret[length - 2 : length]].append(length)
        self._begun: dict[int, _Begin] = {}
        """How much of the secret had come where a string ended: it may go on where one begins."""
        self._last = b""
        """The last byte that was fed and is no space."""
        self._found: list[Span] = []
        self._ahead: list[tuple[int, int]] = []
        """A heap: where a string begins that may go on with it, and how much had come."""

    def decided(self, data: bytes) -> int:
        """Up to where no bytes that follow matter."""
        end = len(data)
        least = max(end - len(self._secret) - 2, 0)
        found = [end, *(end - length for length in self._ending(data, end))]
        quote = data.rfind(b'"', least)
        if quote < 0:
            return min(found)
        if quote == end - 1:  # the begin of a string, or its end
            found += [quote, *(quote - length for length in self._ending(data, quote))]
            end, quote = quote, data.rfind(b'"', least, quote)
        if quote >= 0 and data[quote + 1 : end] in self._secret:
            found.append(quote)
        return min(found)

    def feed(self, data: bytes) -> list[Span]:
        """What is to be masked of these bytes."""
        self._found, self._ahead = [], []
        for length in self._begun:
            self._look_ahead(data, 0, length)
        begins = [(at, each) for at in self._value_ends(data) for each in self._ending(data, at)]
        heapify(begins)
        while begins or self._ahead:
            if not self._ahead or (begins and begins[0] < self._ahead[0]):
                end, length = heappop(begins)
                self._keep(data, end, length, _Begin(((end - length, length),)))
                continue
            at, length = heappop(self._ahead)
            if length in self._begun:
                self._go_on(data, at, length, self._begun[length])
                self._look_ahead(data, at, length)
        for length in self._ending(data, len(data)):  # only where no more comes
            self._found += [(len(data) - length, length)] if length >= self._least else ()
        self._write_down()
        self._last = self._mark(data, len(data))
        return self._found

    def _value_ends(self, data: bytes) -> Iterator[int]:
        return (found.start() for found in self._ends.finditer(data))

    def _ending(self, data: bytes, end: int) -> Iterator[int]:
        """The lengths of the begins of the secret that end there."""
        if end and data[end - 1] == self._secret[0]:
            yield 1
        for length in self._by_end.get(data[max(end - 2, 0) : end], ()):
            if length <= end and data.startswith(self._secret[:length], end - length):
                yield length

    def _go_on(self, data: bytes, at: int, length: int, before: _Begin) -> None:
        """Whether the string that begins there goes on with what had come. One that is the name of
        a value does not.
        """
        if self._mark(data, at - 1) not in b":[":
            return
        more = self._common(data, at, length)
        end, length = at + more, length + more
        begin = replace(before, spans=(*before.spans, (at, more)))
        is_closed = data[end : end + 1] == b'"'
        if length == len(self._secret):
            # A letter or two may begin any word, and one of the protocol's must not be masked.
            is_sure = more >= _SURE or (is_closed and not before.is_spent)
            self._found += begin.spans if is_sure else before.spans
            for each in self._begun.values() if is_sure or not before.is_spent else ():
                each.is_spent = True
        elif end == len(data) and length >= self._least:  # no more comes
            self._found += begin.spans
        elif is_closed and data[end + 1 : end + 2] != b":":
            self._keep(data, end, length, begin)

    def _keep(self, data: bytes, end: int, length: int, begin: _Begin) -> None:
        """Remember what came until the end of a string."""
        if (earlier := self._begun.get(length)) is not None:
            begin.is_spent = begin.is_spent and earlier.is_spent
            if self._is_told(length, earlier):
                self._found += earlier.spans
        else:
            self._look_ahead(data, end, length)
        self._begun[length] = begin

    def _is_told(self, length: int, begin: _Begin) -> bool:
        """Whether so much of the secret is masked, even if its rest does not come."""
        return length >= self._least and not begin.is_spent

    def _look_ahead(self, data: bytes, start: int, length: int) -> None:
        at = data.find(b'"' + self._secret[length : length + 1], start)
        if at >= 0:
            heappush(self._ahead, (at + 1, length))

    def _write_down(self) -> None:
        """The bytes are written now: what is left of them in the clear is too short to tell."""
        for length, begin in self._begun.items():
            if self._is_told(length, begin):
                self._found += begin.spans
            begin.spans = ()

    def _mark(self, data: bytes, end: int) -> bytes:
        """The byte before this place, but for spaces."""
        return data[max(end - _MOST_SPACES, 0) : end].rstrip()[-1:] or self._last

    def _common(self, data: bytes, at: int, length: int) -> int:
        """How many bytes go on with the secret."""
        most = min(len(self._secret) - length, len(data) - at)
        pairs = zip(data[at : at + most], self._secret[length:], strict=False)
        return next((number for number, (one, other) in enumerate(pairs) if one != other), most)
