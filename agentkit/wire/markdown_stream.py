"""The words of a stream as they will stand in the answer: the links of its pictures are taken out
before anyone has read them.

What may be the beginning of a link, or the blank space before one, is held back until more words
decide it. A link to a picture is held back until the picture is stored, or until it is clear that
there is none and the link stays. All other words go on as they come.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator

from agentkit.wire import markdown
from agentkit.wire.markdown import ALT, LABEL, MOST, Definition, Found, Reading, is_reference
from agentkit.wire.types import BLOB

LONGEST = 8000
"""Most characters that are held back. Undecided words beyond it are given as they are, and links to
pictures that are still downloading are taken out.
"""
Verdict = Callable[[str, bool], bool | None]
"""Says of a URL, and whether it is bare (`markdown.Found.bare`), if its picture is stored. True: it
is. False: there is none. None: not known yet.
"""

_SHORT = 500
_MAY_BEGIN = re.compile(rf"\[|`|~|://|{BLOB}|<[iI]|!\Z|<\Z|h(?:t(?:t(?:ps?(?::/?)?)?)?)?\Z")
"""Words without any of these hold nothing back. Each alternative begins with one letter, not with a
set of them: then the search skips what begins none.
"""
_BEGINS_URL = "htps"
"""Letters with one of which a word ends that may be the beginning of `https://`."""
_CUT_URL = re.compile(
    r"(?:!|<?(?:https?://[^\s<>\"'`\[\]{}|\\^]*|h(?:t(?:t(?:ps?(?::/?)?)?)?)?)|<)\Z"
)
_CUT_TAG = re.compile(
    r"<(?:i(?:m(?:a(?:ge?)?|g)?)?|(?:image|img)(?:\s[^<>]{0,4000}|>[^<>]{0,200}(?:</?\w{0,5})?))\Z",
    re.IGNORECASE,
)
_CUT_LINK = re.compile(
    rf"(?:!\[{ALT}{{0,2000}}+|\[{LABEL}{{0,2000}}+)"
    r"(?:(?:\\|\[[^\[\]\n]{0,500})?\Z"
    r"|\](?:\Z|\[[^\[\]]{0,200}\Z|\(\s{0,8}(?:<[^<>\n]{0,4000}(?:\Z|>)|[^\s()<>]{0,4000}+"
    r"(?:\([^\s()]{0,200}+(?:\)[^\s()<>]{0,4000}+)?){0,8}+)"
    r"(?:\s{1,8}(?:\"[^\"\n]{0,500}(?:\"\s{0,8})?|'[^'\n]{0,500}(?:'\s{0,8})?)|\s{0,16})\Z))"
)
_BRACKET = re.compile(r"!?\[")
_CUT_DEFINITION = re.compile(r"(?m)^[ ]{0,3}\[[^\[\]\n]{1,200}\]:[^\n]*\Z")
_CUT_FENCE = re.compile(r"(?m)^[ ]{0,3}(?:`{3,}[^`\n]*|~{1,2}|~{3,}[^\n]*)\Z")
_BLANK_LINE = re.compile(r"\n[ \t]*+\n")
_TICKS = re.compile(r"`+")


class TextFilter:
    """Takes the links of pictures out of the words of one reply while they stream.

    What `more` returns, and `rest` at the end, is together the text that `markdown.place` leaves.
    A reply has one text or several (`Words.part`), each of which is read by itself. `before` parts
    the first words from what was said before them.
    """

    def __init__(self, had: Verdict, before: str = "") -> None:
        self._had = had
        self._before = before
        self._part: object = None
        self._later: deque[list[str]] = deque()  # texts that come after the one that is read
        self._read_last: tuple[str, int, Reading] = ("", MOST, Reading())
        self._begin_text()

    def more(self, text: str = "", part: object = None) -> str:
        """What can be given on, now that these words have come. Call it without words when a
        download has ended.
        """
        if text and part != self._part:
            self._part = part
            self._later.append([text])
        elif text and self._later:
            self._later[-1].append(text)
        elif not self._later:
            words = self._more(text)
            return self._with_before(words) if self._before else words
        given = [self._more("")]
        while self._later and self._all_is_known():
            given += [self._rest(), self._more(self._next_text())]
        return self._with_before("".join(given))

    def rest(self) -> str:
        """What is left at the end of the reply. Links whose pictures are not known stay links."""
        given = [self._rest()]
        while self._later:
            given += [self._more(self._next_text()), self._rest()]
        return self._with_before("".join(given))

    def _with_before(self, given: str) -> str:
        if given and self._before:
            given, self._before = self._before + given, ""
        return given

    def _next_text(self) -> str:
        return "".join(self._later.popleft())

    def _begin_text(self) -> None:
        """Forget the text before. While idle, no word is held back."""
        self._idle: bool = True
        self._head: str = ""  # stands for the words that were forgotten, see `_head`
        self._space: str = ""  # while idle: blank space at the end of what has come
        self._window: str = ""  # else: the words that are looked at, after the head
        self._given: int = 0  # characters of the shown window that were given
        self._next: int = 0  # the window is read again when it is so long
        self._left: int = MOST  # links that are still looked at
        self._urls: set[str] = set()  # of pictures whose links were taken out
        self._verdicts: dict[tuple[str, bool], bool] = {}

    def _more(self, text: str) -> str:
        word = text.strip()  # a search costs more than all else that is done for one
        is_word = word.isalpha() and word[-1] not in _BEGINS_URL
        if self._idle and (is_word or not _MAY_BEGIN.search(text)):
            words = self._space + text
            given = words.rstrip()
            self._space = words[len(given) :]
            if given:
                self._head = "_" if given[-1] == "_" else "x"
            return given
        self._open(text)
        if text and len(self._window) < self._next:
            return ""
        return self._decided()

    def _rest(self) -> str:
        """The end of one text. The next one begins afterwards."""
        if self._idle:
            given = self._space
            self._begin_text()
            return given
        reading = self._read(self._window)
        for link in reading.found:
            self._verdict(link.url, bare=link.bare, unknown=False)
        given = self._ungiven(reading, len(self._window), last=True)
        self._begin_text()
        return given

    def _all_is_known(self) -> bool:
        """Whether nothing is missing for `_rest`."""
        if self._idle:
            return True
        links = self._read(self._window).found
        return all(self._verdict(link.url, bare=link.bare) is not None for link in links)

    def _read(self, words: str) -> Reading:
        """The links of these words; those that were read last are not read again."""
        last, left, reading = self._read_last
        if words != last or left != self._left:
            reading = markdown.read(words, self._left)
            self._read_last = words, self._left, reading
        return reading

    def _open(self, text: str) -> None:
        if self._idle:
            self._idle = False
            self._window = self._head + self._space
            self._given = len(self._head)
            self._next = 0
        self._window += text

    def _decided(self) -> str:
        """What of the window can be given, however the text goes on."""
        window = self._window
        forced = len(window) > LONGEST
        body = window if forced else _certain(window)
        reading = self._read(body)
        end = len(body) if forced else _undecided(body, reading)
        end = self._judged(reading, end, forced=forced)
        given = self._ungiven(reading, end)
        if forced or not _needed(window[:end], reading):
            self._advance(end, reading)
        # A long window is not read again for each word.
        length = len(self._window)
        self._next = length + length // 10 if length > _SHORT else 0
        return given

    def _judged(self, reading: Reading, end: int, *, forced: bool) -> int:
        """How far it is known of each picture whether it is stored."""
        end = sure = next((start for start, stop in reading.links if start < end < stop), end)
        for link in reading.found:
            if link.end > sure:
                break
            if self._verdict(link.url, bare=link.bare, unknown=True if forced else None) is None:
                end = min(end, link.start)
        for each in reading.definitions:
            if each.end > end or forced or each.url in self._urls:
                continue
            # A picture further below may refer to this definition, and take it away.
            if self._verdict(each.url) is not False:
                return each.start
        return end

    def _verdict(self, url: str, *, bare: bool = False, unknown: bool | None = None) -> bool | None:
        """The first verdict on a link holds for all like it: words that were given cannot be taken
        back. `unknown` is the verdict if there is none yet.
        """
        had = self._verdicts.get((url, bare))
        if had is None:
            had = self._had(url, bare)
            had = unknown if had is None else had
            if had is not None:
                self._verdicts[url, bare] = had
        return had

    def _is_taken_out(self, each: Found | Definition) -> bool:
        if isinstance(each, Found):
            return self._verdicts.get((each.url, each.bare)) is True
        return each.url in self._urls and self._verdicts.get((each.url, False)) is not False

    def _ungiven(self, reading: Reading, end: int, *, last: bool = False) -> str:
        """What of the words up to `end` was not given before."""
        found = tuple(each for each in reading.found if each.end <= end)
        definitions = tuple(each for each in reading.definitions if each.end <= end)
        self._urls.update(each.url for each in found if self._is_taken_out(each))
        known = Reading(found, definitions)
        pieces = [""]
        for piece, cut in markdown.taken_out(self._window[:end], known, self._is_taken_out):
            pieces[-1] += piece
            if cut is not None:
                pieces.append("")
        shown = "".join(markdown.closed(pieces))
        shown = shown if last else shown.rstrip()
        ungiven = shown[self._given :]
        self._given = max(self._given, len(shown))
        return ungiven

    def _advance(self, end: int, reading: Reading) -> None:
        """Forget what is decided. The head that replaces it says where the rest stands: in code, at
        the beginning of a line, or after words.
        """
        window = self._window
        words = window[:end].rstrip()
        if not words:
            return
        space, held = window[len(words) : end], window[end:]
        self._left -= sum(each.end <= end and not is_reference(each.url) for each in reading.found)
        head = _head(words)
        if reading.block is not None and reading.block[1] == end:
            start, _, fence = reading.block
            inside = window.index("\n", start) + 1
            line = words[words.rfind("\n") + 1 :]
            head = f"{fence}\n{line if not line.strip(' `~') else 'x'}"
            if len(words) < inside:
                head = fence
        elif not held:
            self._idle = True
            self._head, self._space, self._window = head, space, ""
            return
        self._window = f"{head}{space}{held}"
        self._given = len(head)


def _head(words: str) -> str:
    """What stands for these words once they are forgotten. An underscore before a URL tells how the
    URL ends (`markdown.find`).
    """
    return words and ("_" if words.endswith("_") else "x")


def _certain(window: str) -> str:
    """The words without an end whose meaning the next ones decide: back-ticks, or a line that may
    fence code.
    """
    if cut := _CUT_FENCE.search(window):
        return window[: cut.start()]
    return window.rstrip("`")


def _undecided(body: str, reading: Reading) -> int:
    """Where the words begin whose meaning may still change; blank space at the end apart."""
    ends = [len(body), *_cut_links(body, reading)]
    known = set[str]()
    open_ticks = _open_ticks(body, reading)
    cut = _CUT_DEFINITION.search(body)
    unfinished = cut.start() if cut and not _in_code(cut.start(), reading) else len(body)
    ends.append(unfinished)
    each: Found | Definition
    for each in (*reading.definitions, *reading.found):
        if each.end > open_ticks:
            ends.append(each.start)
        elif isinstance(each, Definition) and each.start < unfinished:
            known.add(each.label)
    for start, end, label in markdown.references(body):
        if (label not in known or end > open_ticks) and not _in_code(start, reading):
            ends.append(start)
    return min(ends)


def _cut_links(body: str, reading: Reading) -> Iterator[int]:
    for pattern in (_CUT_URL, _CUT_TAG):
        if (cut := pattern.search(body)) and not _in_code(cut.start(), reading):
            yield cut.start()
    for bracket in _BRACKET.finditer(body):
        if not _in_code(bracket.start(), reading) and _CUT_LINK.match(body, bracket.start()):
            yield bracket.start()
            return


def _in_code(at: int, reading: Reading) -> bool:
    index = bisect_left(reading.code, (at + 1,)) - 1
    return index >= 0 and at < reading.code[index][1]


def _open_ticks(body: str, reading: Reading) -> int:
    """Where back-ticks stand that may yet find their partner in this paragraph."""
    after = max([0, *(match.end() for match in _BLANK_LINE.finditer(body))])
    for ticks in _TICKS.finditer(body, max(after, reading.block[1] if reading.block else 0)):
        if not _in_code(ticks.start(), reading):
            return ticks.start()
    return len(body)


def _needed(decided: str, reading: Reading) -> bool:
    """Whether later words need these: there is a definition, back-ticks without a partner, or a gap
    that a picture left at the end.
    """
    words, end = len(decided.rstrip()), len(decided)
    gap = any(words <= each.end <= end for each in reading.found)
    return (
        gap
        or any(each.start < end for each in reading.definitions)
        or _open_ticks(decided, reading) < end
    )
