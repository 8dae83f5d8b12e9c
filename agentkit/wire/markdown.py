"""Pictures in the words of an answer: Markdown images, inline and by reference, and bare links.

A link in prose is a claim of the model, so finding one decides nothing: the fetch policy decides
whether it is fetched, and if no picture comes of it, it stays a plain link.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agentkit.values import Image, Text
from agentkit.wire.types import BLOB

_FENCED = re.compile(
    r"(?ms)^[ "
    r"]{0,3}(?P<fence>`{3,}+(?=[^`\n]*+$)|~{3,}+)[^\n]*+\n.*?(?:^[ ]{0,3}(?P=fence)[`~]*[ \t]*$|\Z)"
)
_TICKS = re.compile(r"`+|\n[ \t]*+\n")
ALT = r"(?:[^\[\]\\\n]|\n(?![ \t]*\n)|\\(?:[^\n]|(?=\n))|\[[^\[\]\n]{0,500}\])"
"""A character, or a pair of brackets, of what a picture is called: all but a blank line."""
LABEL = r"(?:[^\[\]\\\n]|\\[^\n]|\[[^\[\]\n]{0,500}\])"
"""Likewise of what a link is called, which ends with its line: a bracket that never closes is
common in words.
"""
_INLINE = re.compile(
    rf"(?:(?P<bang>!)\[(?P<alt>{ALT}{{0,2000}})\]|\[(?P<label>{LABEL}{{0,2000}})\])"
    r"\(\s{0,8}(?:<(?P<angle>[^<>\n]{1,4000})>"
    r"|(?P<url>[^\s()<>]{1,4000}+(?:\([^\s()]{0,200}+\)[^\s()<>]{0,4000}+){0,8}+))"
    r"(?:\s{1,8}(?:\"[^\"\n]{0,500}\"|'[^'\n]{0,500}'))?\s{0,8}\)"
)
_REFERENCE = re.compile(
    r"!\[(?P<alt>(?:[^\[\]\n]|\n(?![ \t]*\n)){0,2000})\](?:\[(?P<label>[^\[\]]{0,200})\])?(?!\()"
)
_DEFINITION = re.compile(
    r"(?m)^[ ]{0,3}\[(?P<label>[^\[\]\n]{1,200})\]:[ "
    r"\t]{0,8}<?(?P<url>[^\s<>]{1,4000}+)>?[^\n]{0,500}$\n?"
)
_BARE = re.compile(r"<?(?P<url>https?://[^\s<>\"'`\[\]{}|\\^]{1,4000})>?")
_TAG = re.compile(
    r"<(?:img|image)\b(?P<before>[^<>]{0,2000}?)\b(?:src|href)\s{0,4}=\s{0,4}"
    r"(?P<quote>[\"']?)(?P<url>[^\s<>\"']{1,4000})(?P=quote)(?P<after>[^<>]{0,2000})>",
    re.IGNORECASE,
)
_TAG_ALT = re.compile(
    r"\balt\s{0,4}=\s{0,4}(?:\"([^\"]{0,2000})\"|'([^']{0,2000})')", re.IGNORECASE
)
_WRAPPED = re.compile(
    rf"<(?P<tag>image|img)>\s{{0,8}}(?P<url>{BLOB}:[\w-]+:\d+)\s{{0,8}}</(?P=tag)>"
)
_REFERENCE_URL = re.compile(rf"{BLOB}:[\w-]+:\d+")
MOST = 64
"""Links of one text that are looked at; what is beyond stays as it is."""
_TRAILING = ".,;:!?*"


@dataclass(frozen=True, slots=True)
class Found:
    """A picture that the words point to: `text[start:end]` is the whole link."""

    start: int
    end: int
    url: str
    alt: str
    bare: bool
    """A link that is no Markdown image (`[…](…)` without the mark, or a URL alone): a picture only
    by extension or host.
    """


@dataclass(frozen=True, slots=True)
class Definition:
    """Where a URL is given the label by which pictures refer to it: `text[start:end]` is the whole
    line.
    """

    start: int
    end: int
    url: str
    label: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What is in some words: links to pictures, definitions, and code, each in order."""

    found: tuple[Found, ...] = ()
    definitions: tuple[Definition, ...] = ()
    code: tuple[tuple[int, int], ...] = ()
    block: tuple[int, int, str] | None = None
    """The last block of code between fences, and its fence."""
    links: tuple[tuple[int, int], ...] = ()
    """Where any link stands, to a picture or to none."""


def find(text: str) -> tuple[Found, ...]:
    """Every picture that these words point to, in order. Code is left alone."""
    return read_whole(text).found


def read_whole(text: str) -> Reading:
    """The links of a whole text. Most texts have none, which costs nothing."""
    return read(text) if "://" in text or BLOB in text else Reading()


def is_reference(url: str) -> bool:
    """Whether this stands for a picture that was taken out of the words."""
    return url.startswith(BLOB)


def read(text: str, most: int = MOST) -> Reading:
    """All that `find` looks at, with at most `most` links; whether or not the text has a URL."""
    code = tuple(_code(text))
    taken = bytearray(len(text))
    found: list[Found] = []
    for start, stop in code:
        taken[start:stop] = b"\1" * (stop - start)
    definitions = _definitions(text, taken)

    def take(
        match: re.Match[str], url: str, alt: str, *, bare: bool = False, end: int | None = None
    ) -> None:
        stop = match.end() if end is None else end
        if 1 not in taken[match.start() : stop]:
            taken[match.start() : stop] = b"\1" * (stop - match.start())
            found.append(Found(match.start(), stop, url, alt, bare))

    for match in (*_TAG.finditer(text), *_WRAPPED.finditer(text)):
        take(match, match["url"], _alt_of(match))
    for match in _INLINE.finditer(text):
        inner = None if match["bang"] else _INLINE.match(match["label"].strip())
        if inner and inner["bang"]:  # a picture that is a link: the picture is what counts
            take(match, inner["angle"] or inner["url"], inner["alt"])
        else:
            alt = match["alt"] if match["bang"] else match["label"]
            take(match, match["angle"] or match["url"], alt, bare=not match["bang"])
    urls = {each.label: each.url for each in reversed(definitions)}
    for match in _REFERENCE.finditer(text):
        if (url := urls.get(label_of(match))) is not None:
            take(match, url, match["alt"])
    for match in _BARE.finditer(text):
        url, end = _trimmed(match)
        take(match, url, "", bare=True, end=end)
    if BLOB in text:
        definitions, unused = _used(definitions, {each.url for each in found})
        found += unused
        found += _references_left(text, [*found, *definitions])
    remote = [each for each in found if each.url.startswith(("http://", "https://"))]
    inside = [each for each in found if is_reference(each.url)]
    fences = deque(_FENCED.finditer(text), 1)
    block = (*fences[0].span(), fences[0]["fence"]) if fences else None
    return Reading(
        tuple(sorted([*_first(remote, most), *inside], key=lambda each: each.start)),
        tuple(definitions),
        code,
        block,
        tuple(sorted((each.start, each.end) for each in found)),
    )


def _definitions(text: str, taken: bytearray) -> list[Definition]:
    """The definitions that stand in no code; they are marked as taken."""
    definitions: list[Definition] = []
    for match in _DEFINITION.finditer(text):
        if not taken[match.start()]:
            definitions.append(
                Definition(match.start(), match.end(), match["url"], match["label"].casefold())
            )
            taken[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    return definitions


def _first(found: list[Found], most: int) -> list[Found]:
    return sorted(found, key=lambda each: each.start)[:most]


def _used(definitions: list[Definition], urls: set[str]) -> tuple[list[Definition], list[Found]]:
    """The definitions without those of a picture to which nothing refers: it stands there."""
    unused = [each for each in definitions if is_reference(each.url) and each.url not in urls]
    kept = [each for each in definitions if each not in unused]
    return kept, [Found(each.start, each.end, each.url, "", bare=False) for each in unused]


def _references_left(text: str, found: Sequence[Found | Definition]) -> Iterator[Found]:
    """References that stand in no link: in code, too, they are pictures."""
    taken = bytearray(len(text))
    for each in found:
        if is_reference(each.url):
            taken[each.start : each.end] = b"\1" * (each.end - each.start)
    for match in _REFERENCE_URL.finditer(text):
        if not taken[match.start()]:
            yield Found(match.start(), match.end(), match[0], "", bare=True)


def _alt_of(match: re.Match[str]) -> str:
    """The description in a tag of HTML."""
    fields = match.groupdict()
    alt = _TAG_ALT.search(f"{fields.get('before') or ''} {fields.get('after') or ''}")
    return (alt[1] or alt[2] or "") if alt else ""


def references(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and label of what refers to a definition, if there is one."""
    for match in _REFERENCE.finditer(text):
        yield match.start(), match.end(), label_of(match)


def label_of(match: re.Match[str]) -> str:
    return (match["label"] or match["alt"]).casefold()


def _code(text: str) -> Iterator[tuple[int, int]]:
    """Where code stands: fenced blocks, and spans between two runs of as many back-ticks in one
    paragraph.
    """
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
    """Each run of back-ticks with the next one that is as long; one without a partner is just
    text.
    """
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
    """A bare URL without the punctuation that only ends its sentence, or its emphasis: but the
    signature of a URL may well end with an underscore, so in a query that is taken for emphasis
    only where one stands before the URL, too."""
    url, end = match["url"], match.end()
    if match[0].startswith("<") and match[0].endswith(">"):
        return url, end
    end = match.end("url")
    emphasis = (
        "_"
        if "?" not in url or match.string[max(match.start() - 1, 0) : match.start()] == "_"
        else ""
    )
    while url and (
        url[-1] in _TRAILING + emphasis or (url[-1] == ")" and url.count(")") > url.count("("))
    ):
        url, end = url[:-1], end - 1
    return url, end


def _nothing(_: str) -> bool:
    return False


def place(
    text: Text,
    had: Callable[[str], Image | None],
    reading: Reading | None = None,
    gone: Callable[[str], bool] = _nothing,
) -> tuple[Text | Image, ...]:
    """The words with each picture that `had` gives at its place, and its link gone; the others as
    plain links, but those that are `gone` in any case. `reading` is that of the words, if they
    were read already.

    No empty paragraph stays behind: the words around a picture, joined again, read as if it had
    never been there.
    """
    words = text.text
    if reading is None:
        reading = read_whole(words)
    if not reading.found:
        return (text,)
    images = {each.url: image for each in reading.found if (image := had(each.url)) is not None}
    cuts: list[Image | None] = []
    pieces = [""]
    for piece, cut in taken_out(words, reading, lambda each: each.url in images or gone(each.url)):
        pieces[-1] += piece
        if cut is not None:
            cuts.append(images.get(cut.url) if isinstance(cut, Found) else None)
            pieces.append("")
    parts: list[Text | Image] = []
    for index, piece in enumerate(closed(pieces)):
        last = parts[-1] if parts else None
        if piece and isinstance(last, Text):
            parts[-1] = Text(last.text + piece, last.citations)
        elif piece:
            cited = any(isinstance(part, Text) for part in parts)
            parts.append(Text(piece, () if cited else text.citations))
        if index < len(cuts) and (image := cuts[index]) is not None:
            parts.append(image)
    return tuple(parts)


def taken_out(
    words: str, reading: Reading, goes: Callable[[Found | Definition], bool]
) -> Iterator[tuple[str, Found | Definition | None]]:
    """The words up to each link or definition that `goes`, with it; what stays is a plain link. The
    last come with None.
    """
    at = 0
    each: Found | Definition
    for each in sorted((*reading.found, *reading.definitions), key=lambda each: each.start):
        before, at = words[at : each.start], each.end
        if goes(each):
            yield before, each
        elif isinstance(each, Definition) or each.bare:
            yield before + words[each.start : each.end], None
        else:
            url = f"<{each.url}>" if re.search(r"[\s()]", each.url) else each.url
            yield f"{before}[{each.alt or 'image'}]({url})", None
    yield words[at:], None


def closed(pieces: Sequence[str]) -> list[str]:
    """The words between what was taken out, with the gaps closed that it left."""
    kept: list[str] = [pieces[0]]
    for after in pieces[1:]:
        kept.append(_closed(_last_said(kept), after))
    if len(pieces) > 1:
        _strip_end(kept)
        kept[0] = kept[0] if kept[0].strip() else ""
    return kept


def _last_said(kept: list[str]) -> str:
    """The last words, with whatever blank space has followed them since."""
    for index in range(len(kept) - 1, -1, -1):
        if kept[index].strip():
            return "".join(kept[index:])
    return ""


def _closed(before: str, after: str) -> str:
    """What follows a picture, without the blank lines or spaces that stood between it and the
    picture.
    """
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
