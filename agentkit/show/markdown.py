"""An answer as Markdown that is safe in any renderer: one that allows HTML, one that loads pictures
on sight.

The model's Markdown stays Markdown. Two things are taken from it, wherever they stand: the `<` that
could open a tag becomes `&lt;`, and the `!` that would make a picture of a link is dropped, so that
a remote picture is a link to click on. Code is left as it is only where every renderer agrees that
it is code (`_code`): text made to be read as code by one and as HTML by another is treated as HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from urllib.parse import quote

from agentkit._visible import visible
from agentkit.run.lines import of_file
from agentkit.show.plain import caption, failed
from agentkit.values import File, Image, ImageFailure, Text
from agentkit.values.image_header import EXTENSIONS, HEAD, RASTER_TYPES, sniff

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_PICTURE = re.compile(r"!+(?=\[)")
_FENCE_LIKE = re.compile(
    r"^[^\S\n]*(?:(?:[>*+-]|\d+[.)])[^\S\n]*)*(?:`{3,}|~{3,}).*$", re.MULTILINE
)
_OPENING = re.compile(r"(?P<fence>`{3,}|~{3,})[ \t]*[\w+#.-]*[ \t]*")
_SPAN = re.compile(r"`[^`\n]+`")
# An underscore inside a word is only that.
_SPECIAL = re.compile(r"([\\`*\[\]<>&|~$]|(?<![^\W_])_|_(?![^\W_]))")


def answer(
    parts: Iterable[Text | Image],
    failures: Iterable[ImageFailure] = (),
    *,
    files: Iterable[File] = (),
    folder: str = "images",
) -> str:
    """An answer as Markdown; pictures point to `folder/NAME.EXTENSION`, where `Answer.save` puts
    them, and so do bytes that the store could not write. `files` are named.
    """
    blocks: list[str] = []
    words = ""
    for part in parts:
        if isinstance(part, Text):
            words += part.text
        else:
            blocks += [prose(words), picture(part, folder=folder)]
            words = ""
    blocks.append(prose(words))
    blocks += [f"- {inline(of_file(each))}" for each in files]
    for number, each in enumerate(failures, 1):
        told = f"> {inline(failed(each))}"
        if each.data is not None:
            told += f" ([its bytes]({_link(folder, failure_name(number, each.data))}))"
        blocks.append(told)
    return "\n\n".join(stripped for block in blocks if (stripped := block.strip("\n"))) + "\n"


def picture(image: Image, *, folder: str = "images") -> str:
    """A picture that lies in `folder`; an SVG, which can carry a script, is a link."""
    sign = "!" if image.media_type in RASTER_TYPES else ""
    return f"{sign}[{inline(caption(image))}]({_link(folder, image.file_name)})"


def failure_name(number: int, data: bytes) -> str:
    """The file into which the bytes of a failure go that the store could not write; the first
    failure of an answer has number 1.
    """
    return f"failure_{number}.{EXTENSIONS.get(sniff(data[:HEAD]) or '', 'bin')}"


def _link(folder: str, name: str) -> str:
    return f"{quote(folder, safe='/.', errors='replace')}/{quote(name, safe='')}"


def inline(text: str) -> str:
    """Plain words for within a Markdown paragraph: on one line, and none of it is markup."""
    return _SPECIAL.sub(r"\\\1", visible(" ".join(text.split())))


def prose(text: str) -> str:
    """The model's Markdown without HTML and without pictures; a fence that was left open is
    closed.
    """
    shown = visible(text)
    safe = "".join(
        piece if is_code else _PICTURE.sub("", _TAG.sub("&lt;", piece))
        for piece, is_code in _pieces(shown)
    )
    return safe + _closing(shown)


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, each with whether it is surely code."""
    cuts = [0, *(edge for span in _code(text) for edge in span), len(text)]
    for index, (start, end) in enumerate(pairwise(cuts)):
        yield text[start:end], index % 2 == 1


def _code(text: str) -> list[tuple[int, int]]:
    """Where code stands beyond doubt: none at all, if any fence or backtick could be read in two
    ways.
    """
    fences = _fences(text)
    if fences is None:
        return []
    spans = list(fences)
    outside = _between(fences, len(text))
    if any(sign in text[start:end] for start, end in outside for sign in ("](", "]:")):
        return fences  # a link's target and title are read before any backtick in them
    for start, end in outside:
        found = _spans(text, start, end)
        if found is None:
            return fences
        spans += found
    return sorted(spans)


def _fences(text: str) -> list[tuple[int, int]] | None:
    """Fenced blocks, where all fences stand in the first column and open and close in turn; else
    None.
    """
    found: list[tuple[int, int]] = []
    opened: re.Match[str] | None = None
    for each in _FENCE_LIKE.finditer(text):
        if opened is None:
            opened = _OPENING.fullmatch(text, each.start(), each.end())
            if opened is None:
                return None
        elif re.fullmatch(f"{opened['fence']}[ \t]*", each[0]):
            found.append((opened.start(), each.end()))
            opened = None
        else:
            return None
    return found if opened is None else None


def _between(spans: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    edges = [0, *(edge for span in spans for edge in span), length]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _spans(text: str, start: int, end: int) -> list[tuple[int, int]] | None:
    """Code spans, where all backticks are single, unescaped and paired within their line, outside
    of tables; else None.
    """
    found: list[tuple[int, int]] = []
    at = start
    for row in text[start:end].split("\n"):
        ticks = row.count("`")
        spans = [(at + match.start(), at + match.end()) for match in _SPAN.finditer(row)]
        if ticks and (ticks != 2 * len(spans) or "``" in row or "\\" in row or "|" in row):
            return None
        found += spans
        at += len(row) + 1
    return found


def _closing(text: str) -> str:
    """A fence of the first column that was left open would swallow what follows."""
    opened = ""
    for each in re.finditer(r"^ {0,3}(`{3,}|~{3,})(.*)$", text, re.MULTILINE):
        fence, rest = each[1], each[2]
        if not opened and (fence[0] == "~" or "`" not in rest):
            opened = fence
        elif opened and fence[0] == opened[0] and len(fence) >= len(opened) and not rest.strip():
            opened = ""
    return f"\n{opened}" if opened else ""
