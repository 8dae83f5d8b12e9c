"""The words of a stream as they will stand in the answer: the links of its pictures are out before
anyone has read them.

What may be the beginning of a link, or the blank space before one, is held back until more words
decide it; a link to a picture until the picture was had, or was not and stays a plain link. All
other words go on as they come.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator

from agentkit.wire import markdown
from agentkit.wire.markdown import ALT, LABEL, MOST, Definition, Found, Reading

LONGEST = 8000
"""Characters that are held back at most. Beyond them goes what is not decided, and links to
pictures that are under way are taken out unseen."""
Verdict = Callable[[str, bool], bool | None]
"""Of a URL, and whether it is bare (`prose.Found`): whether the answer has its picture; None where
that is not known yet.
"""

_SHORT = 500
_MAY_BEGIN = re.compile(r"[\[`~]|://|(?:[!<]|h(?:t(?:t(?:ps?(?::/?)?)?)?)?)\Z")
"""Without one of these, nothing begins here that would have to be held back."""
_CUT_URL = re.compile(
    r"(?:!|<?(?:https?://[^\s<>\"'`\[\]{}|\\^]*|h(?:t(?:t(?:ps?(?::/?)?)?)?)?)|<)\Z"
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
    """The words of one text, piece by piece: all that `more` gives, and `rest` at the end, is what
    `prose.place` leaves.
    """

    __slots__ = (
        "_had",
        "_head",
        "_idle",
        "_left",
        "_next",
        "_space",
        "_told",
        "_urls",
        "_verdicts",
        "_window",
    )

    def __init__(self, had: Verdict) -> None:
        self._had = had
        self._idle: bool = True
        self._head: str = ""
        """What tells a reading of the window that words stand before it: their last character,
        where that matters.
        """
        self._space: str = ""
        """While idle, blank space at the end of what has come."""
        self._window: str = ""
        self._told: int = 0
        """Else, the words that are looked at, after what says where they stand; and how many of
        those shown were given.
        """
        self._urls: set[str] = set()
        """Of pictures whose links were taken out."""
        self._verdicts: dict[tuple[str, bool], bool] = {}
        self._left: int = MOST
        self._next: int = 0
        """How long the window has to be before it is looked at again: a long one is not read for
        each word.
        """

    def more(self, text: str) -> str:
        """What can be given on, now that these words have come; without any, now that a picture may
        have.
        """
        if self._idle and not _MAY_BEGIN.search(text):
            words = self._space + text
            given = words.rstrip()
            self._space = words[len(given) :]
            self._head = _head(given) or self._head
            return given
        self._open(text)
        if text and len(self._window) < self._next:
            return ""
        return self._decided()

    def rest(self) -> str:
        """What is left at the end, when it is known of every picture whether it was had. Nothing
        may come after it.
        """
        self._open("")
        reading = markdown.read(self._window, self._left)
        for link in reading.found:
            self._verdict(link.url, bare=link.bare, unknown=False)
        return self._given(reading, len(self._window), last=True)

    @property
    def knows_all(self) -> bool:
        """Whether nothing is missing for `rest`."""
        if self._idle:
            return True
        links = markdown.read(self._window, self._left).found
        return all(self._verdict(link.url, bare=link.bare) is not None for link in links)

    def _open(self, text: str) -> None:
        if self._idle:
            self._next = 0
            self._window, self._told, self._idle = self._head + self._space, len(self._head), False
        self._window += text

    def _decided(self) -> str:
        window, forced = self._window, len(self._window) > LONGEST
        body = window if forced else _certain(window)
        reading = markdown.read(body, self._left)
        end = len(body) if forced else _undecided(body, reading)
        end = self._judged(reading, end, forced=forced)
        given = self._given(reading, end)
        if forced or not _needed(window[:end], reading):
            self._advance(end, reading)
        self._next = (
            len(self._window) + len(self._window) // 10 if len(self._window) > _SHORT else 0
        )
        return given

    def _judged(self, reading: Reading, end: int, *, forced: bool) -> int:
        """How far it is known of each picture whether it was had."""
        end = sure = next((start for start, stop in reading.links if start < end < stop), end)
        for link in reading.found:
            if link.end > sure:
                break
            if self._verdict(link.url, bare=link.bare, unknown=True if forced else None) is None:
                end = min(end, link.start)
        for each in reading.definitions:
            if (
                each.end <= end
                and not forced
                and each.url not in self._urls
                and self._verdict(each.url) is not False
            ):
                return each.start  # a picture that comes further below may take it away
        return end

    def _verdict(self, url: str, *, bare: bool = False, unknown: bool | None = None) -> bool | None:
        """What was once said of a link holds for all that are like it: words that were given cannot
        be taken back.
        """
        had = self._verdicts.get((url, bare))
        if had is None:
            had = self._had(url, bare)
            had = unknown if had is None else had
            if had is not None:
                self._verdicts[url, bare] = had
        return had

    def _goes(self, each: Found | Definition) -> bool:
        if isinstance(each, Found):
            return self._verdicts.get((each.url, each.bare)) is True
        return each.url in self._urls and self._verdicts.get((each.url, False)) is not False

    def _given(self, reading: Reading, end: int, *, last: bool = False) -> str:
        """What of the words up to there was not given before."""
        found = tuple(each for each in reading.found if each.end <= end)
        definitions = tuple(each for each in reading.definitions if each.end <= end)
        self._urls.update(each.url for each in found if self._goes(each))
        pieces = [""]
        for piece, cut in markdown.taken_out(
            self._window[:end], Reading(found, definitions), self._goes
        ):
            pieces[-1] += piece
            if cut is not None:
                pieces.append("")
        shown = "".join(markdown.closed(pieces))
        shown = shown if last else shown.rstrip()
        given, self._told = shown[self._told :], max(self._told, len(shown))
        return given

    def _advance(self, end: int, reading: Reading) -> None:
        """Forget what is decided, but for where it leaves us: in code, at the beginning of a line,
        after words.
        """
        window, words = self._window, self._window[:end].rstrip()
        if not words:
            return
        space, held = window[len(words) : end], window[end:]
        self._left -= sum(each.end <= end for each in reading.found)
        head = _head(words)
        if reading.block is not None and reading.block[1] == end:
            start, _, fence = reading.block
            inside = window.index("\n", start) + 1
            line = words[words.rfind("\n") + 1 :]
            head = f"{fence}\n{line if not line.strip(' `~') else 'x'}"
            if len(words) < inside:
                head = fence
        elif not held:
            self._idle, self._head, self._space, self._window = True, head, space, ""
            return
        self._window, self._told = f"{head}{space}{held}", len(head)


def _head(words: str) -> str:
    """What stands for these words: an underscore before a URL tells how it ends (`prose.find`)."""
    return words and ("_" if words.endswith("_") else "x")


def _certain(window: str) -> str:
    """The words without an end that only the next ones make something of: back-ticks, a line that
    may fence code.
    """
    if cut := _CUT_FENCE.search(window):
        return window[: cut.start()]
    return window.rstrip("`")


def _undecided(body: str, reading: Reading) -> int:
    """From where on more words may change what these are; blank space at the end apart."""
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
    if (cut := _CUT_URL.search(body)) and not _in_code(cut.start(), reading):
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
    """Whether later words need these: a definition, back-ticks without a partner, a gap that a
    picture left at the end.
    """
    words, end = len(decided.rstrip()), len(decided)
    gap = any(words <= each.end <= end for each in reading.found)
    return (
        gap
        or any(each.start < end for each in reading.definitions)
        or _open_ticks(decided, reading) < end
    )


class Speech:
    """The words of a reply: one text, or several, of which each begins anew (`Words.part`).
    `before` parts the first words from what was said before."""

    def __init__(self, had: Verdict, before: str = "") -> None:
        self._had, self._before = had, before
        self._part: object = None
        self._texts: deque[tuple[TextFilter, list[str]]] = deque()
        """Those that are not at their end, each with what waits for the end of the one before."""

    def more(self, text: str = "", part: object = None) -> str:
        """What can be given on, now that these words have come; without any, now that a picture may
        have.
        """
        if part == self._part and len(self._texts) == 1:
            given = self._texts[0][0].more(text)
        else:
            given = self._later(text, part)
        return self._parted(given) if self._before and given else given

    def rest(self) -> str:
        """What is left at the end, when it is known of every picture whether it was had."""
        given = "".join(
            text for spoken, waiting in self._texts for text in (*waiting, spoken.rest())
        )
        self._texts.clear()
        return self._parted(given) if given else given

    def _parted(self, given: str) -> str:
        given, self._before = self._before + given, ""
        return given

    def _later(self, text: str, part: object) -> str:
        if text and (part != self._part or not self._texts):
            self._part = part
            self._texts.append((TextFilter(self._had), []))
        given: list[str] = []
        while self._texts:
            spoken, waiting = self._texts[0]
            is_last = len(self._texts) == 1
            given += [*waiting, spoken.more(text if is_last else "")]
            waiting.clear()
            if is_last or not spoken.knows_all:
                break
            given.append(spoken.rest())
            self._texts.popleft()
        if text and len(self._texts) > 1:
            spoken, waiting = self._texts[-1]
            waiting.append(spoken.more(text))
        return "".join(given)
