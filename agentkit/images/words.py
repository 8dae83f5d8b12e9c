"""Pictures that a reply writes into its words are taken out of them while they arrive.

A run of base64 in the words is decoded into the store, and a reference takes its place, as the
spool does with strings that are nothing but a picture. Words that only look like one stay as they
are.
"""

from __future__ import annotations

import hashlib
import re

from agentkit.errors import ImageError, StoreError
from agentkit.images.capture import Capture, Opening, State
from agentkit.images.spool import MOST_WORDS, Spool
from agentkit.values.image_header import HEAD, inspect, sniff
from agentkit.wire.inline import LONG_IN_CODE, Begin, Digits, End, InlineReader

_SHORT = 200
"""Bytes below which what is no whole picture is an example in words, not a broken picture."""
_VERBATIM = 1 << 16
"""Characters of a run with escapes that are kept to be given back."""
_TYPE = re.compile(r"image\\*/([\w.+-]+)", re.IGNORECASE)
_ESCAPES = re.compile(r"\\{2,}")


_NO_RUN, _NO_DIGITS = Begin("", in_code=False), hashlib.sha256()
"""Of a spool that has met no run yet, as most do."""


class WordSpool:
    """The words of one text of a reply. `more` gives them on with references in the places of
    pictures; what may be one is held back until it has ended, or until `rest`.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._reader = InlineReader()
        self._begin = _NO_RUN
        self._capture: Capture | None = None
        self._digest = _NO_DIGITS
        self._length = 0
        self._verbatim: list[str] = []

    def more(self, text: str) -> str:
        """The words that are decided, now that these have come."""
        if self._reader.passes(text):
            return text
        return "".join([self._take(token) for token in self._reader.more(text)])

    def rest(self) -> str:
        """The end of the words."""
        if self._reader.is_idle:
            return ""
        return "".join([self._take(token) for token in self._reader.rest()])

    def _take(self, token: str | Begin | Digits | End) -> str:
        match token:
            case str():
                return token
            case Begin():
                self._open(token)
            case Digits(text=digits):
                self._feed(digits)
            case End():
                return self._close()
        return ""

    def _open(self, begin: Begin) -> None:
        header = begin.header.encode("ascii", "replace")
        claimed = _TYPE.search(begin.header)
        opening = Opening(0, header, f"image/{claimed[1].lower()}" if claimed else None)
        self._begin, self._capture = begin, self._spool.capture(opening)
        self._digest, self._length, self._verbatim = hashlib.sha256(), len(header), []
        self._capture.feed(header)

    def _feed(self, digits: str) -> None:
        assert self._capture is not None  # noqa: S101 - the reader gives `Begin` first
        self._length += len(digits)
        if self._length <= _VERBATIM:
            self._verbatim.append(digits)
        data = _ESCAPES.sub(r"\\", digits).encode("ascii", "replace")
        self._digest.update(data)
        if self._capture.state is not State.INVALID:
            self._capture.feed(data)

    def _close(self) -> str:
        """What takes the place of the run: the reference of its picture, or the run itself."""
        capture, self._capture = self._capture, None
        assert capture is not None  # noqa: S101 - as above
        if capture.finish() is State.INVALID or not self._is_picture(capture):
            if capture.draft.size <= MOST_WORDS or self._length <= _VERBATIM:
                return self._given_back(capture)
            capture.swallow()
        known = self._spool.texts.get(self._digest.digest())
        if known is not None:
            capture.discard()
            return known
        is_cut = len(capture.tail.rstrip(b"=")) == 1
        reference = self._spool.add(capture, "cut off: its base64 is not whole" if is_cut else None)
        self._spool.texts[self._digest.digest()] = reference
        return reference

    def _is_picture(self, capture: Capture) -> bool:
        if capture.state is State.FULL:
            return True
        if self._begin.in_code and self._length < LONG_IN_CODE:
            return False
        try:
            with capture.draft.read_back() as file:
                if sniff(file.read(HEAD)) is None:
                    return False
                if capture.draft.size < _SHORT:
                    inspect(file)
        except ImageError:
            return False
        except StoreError:
            return True  # it cannot be looked at: what the store says comes with its failure
        return True

    def _given_back(self, capture: Capture) -> str:
        if self._length <= _VERBATIM:
            text = self._begin.header + "".join(self._verbatim)
        else:
            text = capture.restore().decode("ascii", "replace")
        capture.discard()
        return text
