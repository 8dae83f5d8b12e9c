"""Pictures in the words of an answer (WIRE place 4): Markdown images, inline and by reference, and bare links.

A link in prose is a claim of the model, so finding one decides nothing: whether it is fetched is for the fetch policy,
and a picture that was not had stays what it is, a plain link.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agentkit.values import Image, Text

_FENCED = re.compile(
    r"(?ms)^[ ]{0,3}(?P<fence>`{3,}+(?=[^`\n]*+$)|~{3,}+)[^\n]*+\n.*?(?:^[ ]{0,3}(?P=fence)[`~]*[ \t]*$|\Z)"
)
_TICKS = re.compile(r"`+|\n[ \t]*+\n")
_INLINE = re.compile(
    r"(?P<bang>!?)\[(?P<alt>(?:[^\[\]\\]|\\.|\[[^\[\]]*\]){0,2000})\]"
    r"\(\s{0,8}(?:<(?P<angle>[^<>\n]{1,4000})>"
    r"|(?P<url>[^\s()<>]{1,4000}+(?:\([^\s()]{0,200}+\)[^\s()<>]{0,4000}+){0,8}+))"
    r"(?:\s{1,8}(?:\"[^\"\n]{0,500}\"|'[^'\n]{0,500}'))?\s{0,8}\)"
)
_REFERENCE = re.compile(r"!\[(?P<alt>[^\[\]]{0,2000})\](?:\[(?P<label>[^\[\]]{0,200})\])?(?!\()")
_DEFINITION = re.compile(
    r"(?m)^[ ]{0,3}\[(?P<label>[^\[\]\n]{1,200})\]:[ \t]{0,8}<?(?P<url>[^\s<>]{1,4000}+)>?[^\n]{0,500}$\n?"
)
_BARE = re.compile(r"<?(?P<url>https?://[^\s<>\"'`\[\]{}|\\^]{1,4000})>?")
MOST = 64
"""Links of one text that are looked at; what is beyond stays as it is."""
_TRAILING = ".,;:!?*_"


@dataclass(frozen=True, slots=True)
class Found:
    """A picture that the words point to: `text[start:end]` is the whole link."""

    start: int
    end: int
    url: str
    alt: str
    bare: bool
    """A link that is no Markdown image (`[…](…)` without the mark, or a URL alone): a picture only by extension or host."""


def find(text: str) -> tuple[Found, ...]:
    """Every picture that these words point to, in order. Code is left alone."""
    if "://" not in text:
        return ()
    definitions: dict[str, str] = {}
    taken = bytearray(len(text))
    found: list[Found] = []
    for start, stop in _code(text):
        taken[start:stop] = b"\1" * (stop - start)
    for match in _DEFINITION.finditer(text):
        if not taken[match.start()]:
            definitions.setdefault(match["label"].casefold(), match["url"])
            taken[match.start() : match.end()] = b"\1" * (match.end() - match.start())

    def take(match: re.Match[str], url: str, alt: str, *, bare: bool = False, end: int | None = None) -> None:
        stop = match.end() if end is None else end
        if 1 not in taken[match.start() : stop]:
            taken[match.start() : stop] = b"\1" * (stop - match.start())
            found.append(Found(match.start(), stop, url, alt, bare))

    for match in _INLINE.finditer(text):
        inner = _INLINE.match(match["alt"].strip())
        if not match["bang"] and inner and inner["bang"]:  # a picture that is a link: the picture is what counts
            take(match, inner["angle"] or inner["url"], inner["alt"])
        else:
            take(match, match["angle"] or match["url"], match["alt"], bare=not match["bang"])
    for match in _REFERENCE.finditer(text):
        label = (match["label"] or match["alt"]).casefold()
        if label in definitions:
            take(match, definitions[label], match["alt"])
    for match in _BARE.finditer(text):
        url, end = _trimmed(match)
        take(match, url, "", bare=True, end=end)
    remote = [each for each in found if each.url.startswith(("http://", "https://"))]
    return tuple(sorted(remote, key=lambda each: each.start)[:MOST])


def _code(text: str) -> Iterator[tuple[int, int]]:
    """Where code stands: fenced blocks, and spans between two runs of as many back-ticks in one paragraph."""
    at = 0
    for block in (*_FENCED.finditer(text), None):
        runs: list[tuple[int, int]] = []
        for match in _TICKS.finditer(text, at, len(text) if block is None else block.start()):
            if match[0][0] == "`":
                runs.append(match.span())
            else:
                yield from _spans(runs)
                runs = []
        yield from _spans(runs)
        if block is not None:
            yield block.span()
            at = block.end()


def _spans(runs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Each run of back-ticks with the next one that is as long; one without a partner is just text."""
    partner: dict[int, int] = {}
    nearest: dict[int, int] = {}
    for index in range(len(runs) - 1, -1, -1):
        length = runs[index][1] - runs[index][0]
        if length in nearest:
            partner[index] = nearest[length]
        nearest[length] = index
    index = 0
    while index < len(runs):
        other = partner.get(index)
        if other is not None:
            yield runs[index][0], runs[other][1]
        index = 1 + (index if other is None else other)


def _trimmed(match: re.Match[str]) -> tuple[str, int]:
    """A bare URL without the punctuation that only ends its sentence."""
    url, end = match["url"], match.end()
    if match[0].startswith("<") and match[0].endswith(">"):
        return url, end
    end = match.end("url")
    while url and (url[-1] in _TRAILING or (url[-1] == ")" and url.count(")") > url.count("("))):
        url, end = url[:-1], end - 1
    return url, end


def place(text: Text, had: Callable[[str], Image | None]) -> tuple[Text | Image, ...]:
    """The words with each picture that was had at its place, and its link gone; the others as plain links.

    No empty paragraph stays behind: the words around a picture, joined again, read as if it had never been there.
    """
    words = text.text
    links = find(words)
    if not links:
        return (text,)
    definitions = frozenset(link.url for link in links if had(link.url) is not None)
    pictures: list[Image] = []
    pieces = [""]
    at = 0
    for link in links:
        pieces[-1] += words[at : link.start]
        image = had(link.url)
        if image is not None:
            pictures.append(image)
            pieces.append("")
        elif link.bare:
            pieces[-1] += words[link.start : link.end]
        else:
            url = f"<{link.url}>" if re.search(r"[\s()]", link.url) else link.url
            pieces[-1] += f"[{link.alt or 'image'}]({url})"
        at = link.end
    pieces[-1] += words[at:]
    if definitions:
        pieces = [_without_definitions(piece, definitions) for piece in pieces]
        pieces[-1] = pieces[-1] if words.endswith(pieces[-1]) else pieces[-1].rstrip()
    return _close_gaps(pieces, pictures, text)


def _without_definitions(words: str, urls: frozenset[str]) -> str:
    """The words without the reference definitions of pictures that were had, and without the lines these stood apart by."""
    kept, at = "", 0
    for match in _DEFINITION.finditer(words):
        if match["url"] in urls:
            kept, at = _apart(kept, words[at : match.start()]) if at else words[: match.start()], match.end()
    return _apart(kept, words[at:]) if at else words


def _apart(before: str, after: str) -> str:
    """Both, with the wider of the gaps that were at the seam."""
    first, second = before.rstrip("\n"), after.lstrip("\n")
    gap = max(len(before) - len(first), len(after) - len(second))
    return f"{first}{chr(10) * gap}{second}"


def _close_gaps(pieces: list[str], pictures: list[Image], text: Text) -> tuple[Text | Image, ...]:
    """Words and pictures in turn, with the gaps closed that the links left."""
    kept: list[str] = [pieces[0]]
    for after in pieces[1:]:
        kept.append(_closed(_last_said(kept), after))
    if pictures:
        _strip_end(kept)
        kept[0] = kept[0] if kept[0].strip() else ""
    parts: list[Text | Image] = []
    for index, words in enumerate(kept):
        if words:
            cited = any(isinstance(part, Text) for part in parts)
            parts.append(Text(words, () if cited else text.citations))
        if index < len(pictures):
            parts.append(pictures[index])
    return tuple(parts)


def _last_said(kept: list[str]) -> str:
    """The last words, with whatever blank space has followed them since."""
    for index in range(len(kept) - 1, -1, -1):
        if kept[index].strip():
            return "".join(kept[index:])
    return ""


def _closed(before: str, after: str) -> str:
    """What follows a picture, without the blank lines or spaces that stood between it and the picture."""
    if not before.strip():
        return after.lstrip("\n ") if after.strip() else ""
    gap_before = len(before) - len(before.rstrip("\n"))
    gap_after = len(after) - len(after.lstrip("\n"))
    if gap_before:
        stripped = after.lstrip("\n ")
        return stripped if gap_before >= gap_after else "\n" * (gap_after - gap_before) + stripped
    if before.endswith(" ") and after.startswith(" "):
        return after.lstrip(" ")
    return after


def _strip_end(kept: list[str]) -> None:
    """Blank space before a picture that ends the words belongs to neither."""
    for index in range(len(kept) - 1, -1, -1):
        if kept[index].strip():
            kept[index] = kept[index].rstrip() if index < len(kept) - 1 else kept[index]
            return
        kept[index] = ""
