"""What a ledger writes of a reply: its bytes without the secrets that this process knows, also
where one comes in pieces.

A connection cuts bytes anywhere, so the end of what came is held back where a secret may begin in
it. A model tells a key in a dozen events: where a string ends with the begin of a secret, and the
next string of the same name begins with the rest, they are parts of one text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agentkit._redact import RUN, known_forms, masked
from agentkit.openrouter.ledger_values import Value, Values

Span = tuple[int, int]
"""Where bytes stand, and how many they are."""
_MOST_BEGUN = 64
"""Texts that end with the begin of a secret and may go on: of more, the oldest are given up."""


class ReplyMask:
    """Masks the bytes of one reply, which are fed in their order: `*` stands for each byte of a
    secret, so their number stays.

    Of a secret in several strings, those that were fed at once are masked as a whole. Where its
    begin was written before, fewer than `RUN` characters of it, or half of a short one, may stay
    there.
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
        end = len(data) if is_last else _decided(data, searches)
        data, self._held = data[:end], data[end:]
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


def _decided(data: bytes, searches: Sequence[_Search]) -> int:
    """Up to where no bytes that follow matter to any search."""
    end = len(data)
    while (least := min([each.decided(data[:end]) for each in searches], default=end)) < end:
        end = least
    return end


@dataclass(slots=True)
class _Begin:
    """A begin of a secret, at the end of a text so far."""

    length: int
    spans: tuple[Span, ...]
    """Where it stands in the bytes that are being fed."""


class _Search:
    """Finds the pieces of one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._least = min(RUN, max(len(secret) // 2, 4))
        """Bytes of it that are not left in the clear."""
        self._by_end: dict[bytes, list[int]] = defaultdict(list)
        """The last two bytes of a begin → its lengths."""
        for length in range(2, len(secret)):
            self._by_end[secret[length - 2 : length]].append(length)
        ends = b"|".join(map(re.escape, self._by_end))
        self._ends = re.compile(b'"(?:(?<=%b.)|(?<=(?:%b).))' % (re.escape(secret[:1]), ends))
        """The end of a string that ends with a begin of the secret. The pattern begins with the
        quote: the bytes of a picture have none, and are passed over fast.
        """
        self._values = Values()
        self._begun: dict[bytes, list[_Begin]] = {}
        """Text → the begins of the secret that it ends with."""
        self._found: list[Span] = []

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
        self._found, values = [], self._values
        first = at = values.feed(data)
        read, is_whole = values.read, True
        while is_whole:
            if not self._begun:  # pass over the lines that have no begin
                found = self._ends.search(read, at)
                values.skip(len(read) if found is None else found.start())
            line, is_whole = values.line()
            for value in line:
                self._read(read, value)
            at = values.at
        for length in self._ending(read, len(read)):  # only where no more comes
            self._found += [(len(read) - length, length)] if length >= self._least else ()
        for begins in self._begun.values():  # what they have in the clear is written now
            for each in begins:
                each.spans = ()
        return [
            (max(at - first, 0), at + length - max(at, first))
            for at, length in self._found
            if at + length > first
        ]

    def _read(self, data: bytes, value: Value) -> None:
        """Go on with the texts that the value is a part of."""
        most = value.end - value.start
        ends = [each for each in self._ending(data, value.end) if each <= most]
        if not (ends or self._begun) or (most == 0 and value.is_begun_here):
            return  # an empty string is no end of what was begun
        added = [_Begin(length, ((value.end - length, length),)) for length in ends]
        for text in self._values.texts(value):
            before = self._begun.pop(text, []) if value.is_begun_here else []
            begins = [*self._gone_on(data, value, before), *added]
            for each in begins:
                if each.length >= self._least:  # masked, even if its rest does not come
                    self._found += each.spans
            if begins and value.is_closed:
                self._begun[text] = begins
        while len(self._begun) > _MOST_BEGUN:
            self._begun.pop(next(iter(self._begun)))

    def _gone_on(self, data: bytes, value: Value, before: Iterable[_Begin]) -> Iterator[_Begin]:
        """Those that are longer by the whole value. One that is the whole secret is found."""
        for begin in before:
            more = self._common(data, value, begin.length)
            length = begin.length + more
            longer = _Begin(length, (*begin.spans, (value.start, more)))
            if length == len(self._secret):
                self._found += longer.spans
            elif value.start + more == value.end:
                yield longer

    def _ending(self, data: bytes, end: int) -> Iterator[int]:
        """The lengths of the begins of the secret that end there."""
        if end and data[end - 1] == self._secret[0]:
            yield 1
        for length in self._by_end.get(data[max(end - 2, 0) : end], ()):
            if length <= end and data.startswith(self._secret[:length], end - length):
                yield length

    def _common(self, data: bytes, value: Value, length: int) -> int:
        """How many bytes of the value go on with the secret, of which so many had come."""
        most = min(len(self._secret) - length, value.end - value.start)
        at = value.start
        pairs = zip(data[at : at + most], self._secret[length:], strict=False)
        return next((number for number, (one, other) in enumerate(pairs) if one != other), most)
