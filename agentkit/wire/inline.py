"""Pictures that were written into words: data URLs, and base64 that begins like a picture.

Gateways and tools write pictures into text in many ways: Markdown, HTML, JSON, a code block, or
bare. In all of them the picture is one run of base64, so the run is what is looked for, and not
what stands around it. Whether its bytes are a picture is for the reader of the tokens to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agentkit.wire.base64text import decode_base64, unescape

LONG_IN_CODE = 4096
"""Characters from which base64 in a block of code is a picture that was delivered there; shorter
ones are a part of the code.
"""
_ENOUGH = 24
"""Characters of base64 that have to follow the signature of a picture without a header."""
_WRAPPED_AT = frozenset({60, 64, 70, 72, 76})
"""Lengths of the lines in which base64 is commonly wrapped."""

_DIGIT = r"[A-Za-z0-9+/_-]"
_SLASH = r"\\{0,8}/"
_HEADER = (
    rf"(?i:(?:(?<!\w)|(?<=\\[nrt]))data:image{_SLASH}[\w.+-]{{1,60}}"
    r"(?:;\s?[^;,\s\"'<>()]{1,80}){0,6}?;\s?base64\s?,)"
)
_SIGNATURES = (
    "iVBORw0KGgo",  # PNG
    "/9j/",  # JPEG
    "R0lGODlh",
    "R0lGODdh",
    "UklGR",  # WebP
    "PHN2Zy",  # <svg
    "PD94bWwg",  # <?xml
    "SUkqA",  # TIFF
    "TU0AK",
)
_BOX = r"AAAA[A-Za-z0-9]GZ0eXBhdm"  # AVIF: a box of some bytes, `ftypav`


def _signature(text: str) -> str:
    return _SLASH.join(re.escape(piece) for piece in text.split("/"))


_SIGN = "|".join([*map(_signature, _SIGNATURES), _BOX])
_EDGE = r"(?:(?<![\w+/=\\-])|(?<=\\[nrt]))"
_BEGINNING = re.compile(
    rf"(?P<header>{_HEADER})|{_EDGE}(?=(?:{_SIGN})(?:{_DIGIT}|\\){{{_ENOUGH}}})"
)


def _or_less(text: str) -> str:
    """A pattern for the beginnings of `text`, one character at least, at the end of the words."""
    pattern = ""
    for each in reversed(text):
        escapes = r"\\{0,8}" if each == "/" else ""
        pattern = f"{escapes}{re.escape(each)}(?:{pattern})?" if pattern else re.escape(each)
    return pattern


_PARTIAL = re.compile(
    rf"(?i:(?:(?<!\w)|(?<=\\[nrt])){_or_less('data:image')}"
    rf"(?:(?<=image)\\{{0,8}}(?:/[^,\"'<>()\n]{{0,300}})?)?)\Z"
    rf"|{_EDGE}(?:{'|'.join(map(_or_less, _SIGNATURES))}|A{{1,4}}(?:(?<=AAAA)[A-Za-z0-9]"
    rf"(?:GZ0eXBhdm|{_or_less('GZ0eXBhd')})?)?|\\{{1,8}}"
    rf"|(?:{_SIGN})(?:{_DIGIT}|\\){{0,{_ENOUGH}}})\Z"
)
_NEAR = re.compile(
    r"d[aA][tT][aA]:|D[aA][tT][aA]:|iVBORw0|/9j|R0lG|UklG|PHN2|PD94|SUkq|TU0A|AAAA"
    r"|d(?:[aA](?:[tT][aA]?)?)?\Z|D(?:[aA](?:[tT][aA]?)?)?\Z|i(?:V(?:B(?:O(?:Rw?)?)?)?)?\Z"
    r"|/9?\Z|R(?:0(?:lG?)?)?\Z|U(?:kl?)?\Z|P(?:HN?|D9?)?\Z|S(?:Uk?)?\Z|T(?:U0?)?\Z|AA?A?\Z|\\\Z"
)
"""Quick and rough: words without any of these hold nothing. Each alternative begins with one
letter, not with a set of them: then the search skips what begins none, at a fifth of the cost.
"""
_SUSPICIOUS = frozenset(
    (
        "d",
        "D",
        "i",
        "R",
        "U",
        "P",
        "S",
        "T",
        "A",
        "da",
        "Da",
        "dA",
        "DA",
        "iV",
        "Uk",
        "PH",
        "PD",
        "SU",
        "TU",
        "AA",
    )
)
"""How a word begins that may be the beginning of a run."""
_FEW = 20
"""Characters of words that no whole beginning fits into."""
_LONGEST_PARTIAL = 400
_RUN = re.compile(rf"{_DIGIT}*+(?:(?:\\{{1,8}}/|\\{{1,8}}u00(?:2[bBfF]|5[fF]|2[dD])){_DIGIT}*+)*+")
_PADDING = re.compile(r"(?:=|\\{1,8}u003[dD]){1,2}")
_GAP = re.compile(r"[ \t]*+(?:(?:\r?\n|\\{1,8}[nr])[ \t]*+)++")
_UNDECIDED = re.compile(r"(?:[ \t]++\r?|\r|\\{1,8}(?:u(?:0(?:0[0-9a-fA-F]?)?)?)?)?\Z")
_OPENS = frozenset("(<>\"'`=")
"""What stands before base64 that ends where its bracket or quote does: it may be wrapped."""
_RUN_SAID = "\0"
"""What stands for a run in the words so far: another may follow right behind its padding."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Begin:
    """Here a run of base64 begins."""

    header: str
    """`data:image/png;base64,` as it stands there; empty for bare base64."""
    in_code: bool


@dataclass(frozen=True, slots=True)
class Digits:
    """More of the run: base64, and what wraps it."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """Here the run ends. `cut`: so do the words."""

    cut: bool = False


Token = str | Begin | Digits | End
"""A string is words. The tokens of a text, joined again, are the text."""


class InlineReader:
    """Reads words, in any slices, for runs of base64. What may be the beginning of one is held
    back until it is decided.
    """

    def __init__(self) -> None:
        self.is_idle = True
        """Whether nothing is held back, and no run goes on."""
        self._held = ""
        self._inside = False
        self._padded = False
        self._wraps = False
        self._line = 0  # digits since the last line break
        self._said: list[str] = []  # words whose fences were not looked at yet
        self._fence = ""

    def passes(self, text: str) -> bool:
        """Whether these words are decided by themselves, as most are; then they are read."""
        if not self.is_idle:
            return False
        # A regular expression costs more than all else that is done for a delta of a few letters.
        last = text[text.rfind(" ") + 1 :]
        # Behind blank space only a header may go on, and none is without its colon.
        ends = last[:2] not in _SUSPICIOUS if last.isalpha() else not last and ":" not in text
        is_word = ends and len(text) < _FEW
        if not is_word and _NEAR.search(text):
            return False
        self._said.append(text)
        return True

    def more(self, text: str) -> list[Token]:
        """The tokens of these words, as far as they are decided."""
        data, self._held = self._held + text, ""
        tokens: list[Token] = []
        while data:
            step = self._in_run if self._inside else self._in_words
            data = step(data, tokens)
        self.is_idle = not (self._held or self._inside)
        return tokens

    def rest(self) -> list[Token]:
        """The tokens at the end of the words."""
        held, self._held = self._held, ""
        self.is_idle = True
        if not self._inside:
            return self._words(held) if held else []
        self._inside = False
        tokens: list[Token] = [End(cut=not self._padded)]
        return [*tokens, *self._words(held)]

    def _words(self, words: str) -> list[Token]:
        if not words:
            return []
        self._said.append(words)
        return [words]

    def _tail(self) -> str:
        """The last characters before what has come."""
        return "".join(self._said[-3:])[-3:]

    def _in_words(self, data: str, tokens: list[Token]) -> str:
        """Words up to the next run. Returns what is left."""
        tail = self._tail()
        before, window = len(tail), tail + data
        found = _BEGINNING.search(window, before)
        if found is None:
            cut = _PARTIAL.search(window, max(before, len(window) - _LONGEST_PARTIAL))
            end = len(window) if cut is None else cut.start()
            self._held = window[end:]
            tokens += self._words(window[before:end])
            return ""
        tokens += self._words(window[before : found.start()])
        header = found["header"] or ""
        self._inside, self._padded, self._line = True, False, 0
        self._wraps = self._tail()[-1:] in _OPENS
        tokens.append(Begin(header, self._is_in_code()))
        return window[found.end() :]

    def _in_run(self, data: str, tokens: list[Token]) -> str:
        """The run as far as it goes. Returns what is left behind it."""
        at = 0
        while True:
            at = self._digits(data, at)
            if _UNDECIDED.match(data, at) or self._may_go_on(data, at):
                break
            gap = _GAP.match(data, at)
            if gap is None or not self._goes_on_behind(data, gap.end()):
                self._inside = False
                break
            at, self._line = gap.end(), 0
        if at:
            tokens.append(Digits(data[:at]))
        if self._inside:
            self._held = data[at:]
            return ""
        tokens.append(End())
        self._said.append(_RUN_SAID)
        return data[at:]

    def _digits(self, data: str, at: int) -> int:
        if not self._padded:
            run = _RUN.match(data, at)
            end = at if run is None else run.end()
            self._line += end - at
            at = end
        if padding := _PADDING.match(data, at):
            self._padded, at = True, padding.end()
        return at

    def _may_go_on(self, data: str, at: int) -> bool:
        """Whether a gap reaches the end of what has come."""
        gap = _GAP.match(data, at)
        return (
            gap is not None and not self._padded and _UNDECIDED.match(data, gap.end()) is not None
        )

    def _goes_on_behind(self, data: str, at: int) -> bool:
        if self._padded or not (self._wraps or self._line in _WRAPPED_AT or self._line == 0):
            return False
        return re.match(rf"{_DIGIT}|\\+/", data[at : at + 10]) is not None

    def _is_in_code(self) -> bool:
        """Whether the words so far end inside code: a block between fences, or back-ticks."""
        text = "".join(self._said)
        lines = text.split("\n")
        for line in lines[:-1]:
            fence = _FENCE.match(line)
            if fence is None:
                continue
            if not self._fence:
                self._fence = fence[1]
            elif fence[1].startswith(self._fence) and not line[fence.end() :].strip():
                self._fence = ""
        self._said = [lines[-1]]
        return bool(self._fence) or lines[-1].count("`") % 2 == 1


def may_hold(text: str, before: str = "") -> bool:
    """Whether these words, which follow others, may hold a run or end with the beginning of one."""
    if _NEAR.search(text) is None:
        return False
    window, start = before + text, len(before)
    return (
        _PARTIAL.search(window, max(start, len(window) - _LONGEST_PARTIAL)) is not None
        or _BEGINNING.search(window, start) is not None
    )


@dataclass(frozen=True, slots=True)
class Inline:
    """A run of base64 in a whole text."""

    text: str
    """The run as it stands there, its header included."""
    header: str
    in_code: bool

    def decode(self) -> bytes:
        """Its bytes. Raises `ImageError` where it is no base64."""
        raw = self.text[len(self.header) :].encode("ascii", "replace")
        return decode_base64(unescape(raw, 3).decode("ascii"))


def read_inline(text: str) -> Iterator[str | Inline]:
    """The words of a whole text, and the runs of base64 between them."""
    reader = InlineReader()
    begin = Begin("", in_code=False)
    run: list[str] = []
    for token in (*reader.more(text), *reader.rest()):
        match token:
            case str():
                yield token
            case Begin():
                begin, run = token, [token.header]
            case Digits(text=digits):
                run.append(digits)
            case End():
                yield Inline("".join(run), begin.header, begin.in_code)
