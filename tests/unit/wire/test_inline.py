"""Base64 in words, in whatever slices it comes."""

from __future__ import annotations

import base64
import json
import textwrap
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentkit.wire.inline import Begin, Digits, End, Inline, InlineReader, Token, read_inline
from tests.conftest import picture

PICTURE = picture(size=(20, 16), noise=40)
B64 = base64.b64encode(PICTURE).decode()
URL = f"data:image/png;base64,{B64}"
LINES = "\n".join(textwrap.wrap(B64, 76))
WRITTEN = {
    "markdown": f"Here:\n\n![image]({URL})\n\nbye",
    "with a title": f'![a fox](<{URL}> "title")',
    "alone": URL,
    "bare": B64,
    "html": f"<p>A fox: <img src='{URL}' alt='fox'></p>",
    "json": json.dumps({"b64_json": B64, "note": f"a\n{URL}"}),
    "json with escaped slashes": json.dumps({"image": URL}).replace("/", "\\/"),
    "json in json": json.dumps({"text": json.dumps({"image": URL})}),
    "reference": f"![fox][1]\n\n[1]: {URL}\n\nbye",
    "wrapped": f"data:image/png;base64,\n{LINES}\n\nbye now",
    "wrapped in brackets": "![a](data:image/png;base64,\n"
    + "\n".join(textwrap.wrap(B64, 50))
    + ")",
    "a tag": f"<image>{B64}</image> and data",
    "loud": f"DATA:IMAGE/PNG;charset=utf-8;BASE64,{B64} d",
}


def tokens_of(slices: list[str], *, quickly: bool = False) -> list[Token]:
    """The tokens of these words; `quickly`, as a stream reads them."""
    reader = InlineReader()
    found: list[Token] = []

    def read(piece: str) -> list[Token]:
        return [piece] if quickly and piece and reader.passes(piece) else reader.more(piece)

    for token in (*(each for piece in slices for each in read(piece)), *reader.rest()):
        last = found[-1] if found else None
        if isinstance(token, str) and isinstance(last, str):
            found[-1] = last + token
        elif isinstance(token, Digits) and isinstance(last, Digits):
            found[-1] = Digits(last.text + token.text)
        else:
            found.append(token)
    return found


@pytest.mark.parametrize("name", WRITTEN)
def test_each_way_to_write_a_picture(name: str) -> None:
    found = [each for each in read_inline(WRITTEN[name]) if isinstance(each, Inline)]
    assert [each.decode() for each in found] == [PICTURE] * len(found)
    assert len(found) == (2 if name == "json" else 1)
    assert not any(each.in_code for each in found)


def test_code_is_told_from_words() -> None:
    for text, in_code in (
        (f"```html\n<img src='{URL}'>\n```", True),
        (f"`{URL}` is it", True),
        (f"```\nx\n```\n{URL}", False),
        (f"~~~~\n~~~\n{URL}", True),
    ):
        (run,) = [each for each in read_inline(text) if isinstance(each, Inline)]
        assert run.in_code is in_code, text[:20]


def _text_of(token: Token) -> str:
    match token:
        case str():
            return token
        case Begin(header=header):
            return header
        case Digits(text=text):
            return text
        case End():
            return ""


@given(
    st.lists(
        st.sampled_from(
            [*WRITTEN.values(), "and\n", "data:", "`", "``` \n", "/9j", "iVBORw0KGgo", " "]
        ),
        max_size=4,
    ),
    st.lists(st.integers(0, 8000), max_size=12),
    st.booleans(),
)
@example([WRITTEN["bare"], WRITTEN["bare"]], [], True)  # one right behind the other
def test_slices_change_nothing(pieces: list[str], cuts: list[int], one_by_one: bool) -> None:
    text = "".join(pieces)
    whole = tokens_of([text])
    joined = "".join([_text_of(each) for each in whole])
    assert joined == text
    edges = range(len(text) + 1) if one_by_one else sorted({0, len(text), *cuts})
    slices = [text[start:end] for start, end in pairwise(edges)]
    assert tokens_of(slices) == whole
    assert tokens_of(slices, quickly=True) == whole


@given(st.lists(st.sampled_from(["see ", "a ", " ", "gold ", "d", "data", ":"]), max_size=6))
def test_short_words_before_a_picture_change_nothing(words: list[str]) -> None:
    slices = [*words, *[URL[at : at + 7] for at in range(0, len(URL), 7)]]
    assert tokens_of(slices, quickly=True) == tokens_of(["".join(slices)])
