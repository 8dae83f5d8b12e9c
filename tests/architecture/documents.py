"""The documents that a reader sees, as Markdown: their code blocks, their links and the anchors of
their headings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = (
    README,
    *(path for name in ("CONTRIBUTING.md", "CHANGELOG.md") if (path := ROOT / name).exists()),
    *sorted((ROOT / "docs").rglob("*.md")),
)


@dataclass(frozen=True)
class Block:
    """A fenced code block."""

    page: Path
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))


def blocks(*languages: str) -> list[Block]:
    """Every code block in one of these languages, of every page; without a language, every
    block.
    """
    return [
        Block(page, token.map[0] + 1, token.info.strip(), token.content)
        for page in PAGES
        for token in tokens(page)
        if token.type == "fence"
        and token.map
        and (not languages or token.info.strip() in languages)
    ]


def links(page: Path) -> Iterator[str]:
    """The target of every link and picture of a page."""
    for token in tokens(page):
        for child in token.children or ():
            target = child.attrGet("src" if child.type == "image" else "href")
            if target is not None:
                yield str(target)


def anchors(page: Path) -> set[str]:
    """What a link to a heading of this page may be, as a code host makes it."""
    found: Counter[str] = Counter()
    names: set[str] = set()
    page_tokens = tokens(page)
    for at, token in enumerate(page_tokens):
        if token.type != "heading_open":
            continue
        words = "".join(
            child.content for child in page_tokens[at + 1].children or () if child.content
        )
        name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        names.add(f"{name}-{found[name]}" if found[name] else name)
        found[name] += 1
    return names


def public_modules() -> list[str]:
    """The list in `docs/architecture.md`."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    section = text.partition("\n## Public modules\n")[2].partition("\n## ")[0]
    return re.findall(r"^- `([\w.]+)`", section, re.MULTILINE)
