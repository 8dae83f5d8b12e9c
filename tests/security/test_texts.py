"""What a model writes commands no terminal and no page: every control is shown, nothing executes,
nothing loads.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from io import BytesIO

import PIL.Image
import pytest
from markdown_it import MarkdownIt

from agentkit.show import html, markdown, plain
from agentkit.values import Image, ImageFailure, MemoryBlobs, Source, Text
from tests.conftest import spread
from tests.security.browser import CHROMIUM, Seen, look, page_of
from tests.security.texts import HTML, LOAD, RUN, TERMINAL

BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\u2028\u2029]")
TAGS = {
    "a", "blockquote", "br", "code", "div", "em", "figcaption", "figure", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p", "s", "small",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


def picture(words: str) -> Image:
    file = BytesIO()
    PIL.Image.new("RGB", (2, 2), "orange").save(file, "PNG")
    data = file.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    return Image(
        digest,
        "image/png",
        len(data),
        2,
        2,
        words,
        alt=words,
        prompt=words,
        blobs=MemoryBlobs(data),
    )


def answer_parts(words: str) -> tuple[tuple[Text | Image, ...], tuple[ImageFailure, ...]]:
    return (Text(words), picture(words)), (ImageFailure(Source("images", words), words, words),)


TO_TERMINAL: dict[str, Callable[[str], str]] = {
    "terminal": plain.terminal,
    "line": plain.line,
    "answer": lambda words: plain.answer(*answer_parts(words)),
    "markdown prose": markdown.prose,
    "markdown inline": markdown.inline,
    "markdown answer": lambda words: markdown.answer(*answer_parts(words)),
    "html text": html.text,
    "html prose": html.prose,
}


def test_the_tables_are_large_enough() -> None:
    assert len(set(TERMINAL)) >= 100
    assert len(set(HTML)) >= 100


@pytest.mark.parametrize("sink", TO_TERMINAL)
def test_no_control_character_reaches_a_terminal(sink: str) -> None:
    assert [
        ascii(words)
        for words in TERMINAL
        if is_obeyed(shown := TO_TERMINAL[sink](words)) or (sink == "line" and "\n" in shown)
    ] == []


def is_obeyed(shown: str) -> bool:
    controls = {"Cc", "Cs"}
    return BIDI.search(shown) is not None or any(
        each not in "\n\t" and unicodedata.category(each) in controls for each in shown
    )


@pytest.mark.parametrize("words", ["\x1b[31m", "\x07", "\u202e", "\ud800", "\x9b"], ids=ascii)
def test_what_a_terminal_obeys_would_be_found(words: str) -> None:
    assert is_obeyed(f"a{words}b")
    assert not is_obeyed("naïve 🦊\n\tb")


def rendered(words: str) -> str:
    """Markdown as a renderer shows it that allows HTML and loads pictures on sight."""
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(words)


TO_PAGE: dict[str, Callable[[str], str]] = {
    "text": html.text,
    "an attribute": lambda words: f'<p title="{html.text(words)}">x</p>',
    "prose": html.prose,
    "an answer": lambda words: html.answer(*answer_parts(words)),
    "our Markdown in a careless renderer": lambda words: rendered(markdown.prose(words)),
    "our Markdown answer in a careless renderer": lambda words: rendered(
        markdown.answer((Text(words),), (ImageFailure(Source("images"), None, words),))
    ),
}


@pytest.fixture(scope="module")
def browse(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[str]], Seen]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    return lambda fragments: look(page_of(fragments), tmp_path_factory.mktemp("profile"))


def test_the_browser_would_tell(browse: Callable[[list[str]], Seen]) -> None:
    """Unescaped, the same texts do execute and load: one that escaped would be seen."""
    harmless = (
        "<base",
        "<meta",
        "<frameset",
        "<plaintext",
        "<!--",
        "<title",
        "<xmp",
        "<noembed",
        "<textarea",
        "<select",
    )
    raw = [each for each in HTML if not any(word in each for word in harmless)]
    seen = browse(
        [
            "<p>safe</p>",
            *[each for each in raw if each.count("<script") == each.count("</script>")][:60],
        ]
    )
    assert len(seen.hits) >= 20
    assert len(seen.asked) >= 8
    assert len(seen.odd) >= 20


@pytest.mark.parametrize("sink", spread(TO_PAGE, 4))
def test_nothing_executes_or_loads(sink: str, browse: Callable[[list[str]], Seen]) -> None:
    seen = browse([TO_PAGE[sink](words) for words in (*HTML, *TERMINAL)])
    assert (seen.hits, seen.asked) == ([], [])
    assert [
        each for each in seen.odd if not (sink.startswith("our Markdown") and "A href=" in each)
    ] == []
    assert seen.tags <= TAGS | ({"h1", "h2"} if sink.startswith("our Markdown") else set())
    assert seen.sections == len(HTML) + len(TERMINAL)


def test_the_texts_name_what_the_browser_looks_for() -> None:
    assert sum(RUN in words for words in HTML) >= 100
    assert sum(LOAD in words for words in HTML) >= 60
