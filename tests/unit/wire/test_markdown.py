"""Pictures in the words of an answer: found where Markdown shows one, and put where they were
shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentkit.values import Image, Source, Text
from agentkit.wire.markdown import MOST, Found, find, place
from tests.conftest import spread

U = "https://images.openrouter.ai/a.png"
V = "https://images.openrouter.ai/b.png"
P = "https://en.wikipedia.org/wiki/Fox_(animal).png"


def picture(url: str) -> Image:
    return Image(url[-5] * 64, "image/png", 1, sources=(Source("text", url),))


def had(*urls: str) -> Callable[[str], Image | None]:
    return lambda url: picture(url) if url in urls else None


def marked(text: str, *urls: str) -> str:
    """The words with `<a>` where the picture stands that was at `…/a.png`."""
    return "".join(
        part.text if isinstance(part, Text) else f"<{part.sha256[0]}>"
        for part in place(Text(text), had(*urls))
    )


def words(text: str, *urls: str) -> str:
    return "".join(part.text for part in place(Text(text), had(*urls)) if isinstance(part, Text))


FOUND: list[tuple[str, list[tuple[str, str, bool]]]] = [
    (f"![a fox]({U})", [(U, "a fox", False)]),
    (f"![]({U})", [(U, "", False)]),
    (f"![a]( {U} )", [(U, "a", False)]),
    (f"![a](<{U}>)", [(U, "a", False)]),
    ("![a](<https://x.ai/a b.png>)", [("https://x.ai/a b.png", "a", False)]),
    (f'![a]({U} "a title")', [(U, "a", False)]),
    (f"![a]({U} 'a title')", [(U, "a", False)]),
    (f"![a [nested] b]({U})", [(U, "a [nested] b", False)]),
    (f"![a \\] b]({U})", [(U, "a \\] b", False)]),
    (f"![a]({P})", [(P, "a", False)]),
    ("![a](https://x.ai/a_(b)_(c).png)", [("https://x.ai/a_(b)_(c).png", "a", False)]),
    (f"![a]({U}?x=1&y=2#z)", [(U + "?x=1&y=2#z", "a", False)]),
    (f"![a]({U})![b]({V})", [(U, "a", False), (V, "b", False)]),
    (f"![a fox][1]\n\n[1]: {U}", [(U, "a fox", False)]),
    (f'![fox][]\n\n[fox]: <{U}> "title"', [(U, "fox", False)]),
    (f"![Fox]\n\n[fox]: {U}", [(U, "Fox", False)]),
    (f"![a][1]\n\n[1]: {U}\n[1]: {V}", [(U, "a", False)]),
    ("![a][nowhere] https", []),
    (f"[a fox]({U})", [(U, "a fox", True)]),
    (f"see {U}.", [(U, "", True)]),
    (f"see <{U}>, or", [(U, "", True)]),
    (f"({U})", [(U, "", True)]),
    (f"({P})", [(P, "", True)]),
    (f"**{U}**", [(U, "", True)]),
    (f"_{U}_", [(U, "", True)]),
    (f"_a fox: {U}_", [(U, "", True)]),
    (f"see {U}?Signature=abc__", [(U + "?Signature=abc__", "", True)]),
    (f"__{U}?token=abc__, see", [(U + "?token=abc", "", True)]),
    (f"[![a]({U})]({V})", [(U, "a", False)]),
    (f"`![a]({U})`", []),
    (f"``a ` ![a]({U})``", []),
    (f"```\n![a]({U})\n```", []),
    (f"~~~md\n{U}\n~~~\n![b]({V})", [(V, "b", False)]),
    (f"```\n![a]({U})", []),
    (f"```\n```\n![a]({U})", [(U, "a", False)]),
    (f"5` wide\n\n![a]({U})\n\n6` high", [(U, "a", False)]),
    (f"[1]: {U}", []),
    (f"```\n[1]: {V}\n```\n![a][1]\n\n[1]: {U}", [(U, "a", False)]),
    ("![a](images/a.png) ![b](data:image/png;base64,AAAA) ![c](file:///etc/passwd) ://", []),
    ("![a](javascript:alert(1)//https://x.ai/) ", []),
    (f"![a]({U}", [(U, "", True)]),
    (f"![a\n\n{U}", [(U, "", True)]),
    ("![a](https://", []),
    ("no link at all", []),
    ("", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "links"), FOUND)
def test_what_is_found(text: str, links: list[tuple[str, str, bool]]) -> None:
    found = find(text)
    assert [(each.url, each.alt, each.bare) for each in found] == links
    for each in found:
        assert each.url in text[each.start : each.end] or "[" in text[each.start : each.end]


PLACED: list[tuple[str, str]] = [
    (f"![a]({U})", "<a>"),
    (f"Here: ![a]({U})", "Here:<a>"),
    (f"Here:\n\n![a]({U})", "Here:<a>"),
    (f"Here:\n\n![a]({U})\n", "Here:<a>"),
    (f"![a]({U})\n\nDone.", "<a>Done."),
    (f"One.\n\n![a]({U})\n\nTwo.", "One.\n\n<a>Two."),
    (f"One ![a]({U}) two.", "One <a>two."),
    (f"One.\n![a]({U})\nTwo.", "One.\n<a>Two."),
    (f"One![a]({U})two", "One<a>two"),
    (f"![a]({U})\n\n![b]({V})", "<a><b>"),
    (f"One.\n\n![a]({U})\n\n![b]({V})\n\nTwo.", "One.\n\n<a><b>Two."),
    (f"One.\n\n![a]({U})\n\nTwo.\n\n![b]({V})\n\nThree.", "One.\n\n<a>Two.\n\n<b>Three."),
    (f"One ![a][1] two.\n\n[1]: {U}\n", "One <a>two."),
    (f"See {U}.", "See <a>."),
    (f"[![a]({U})](https://x.ai/)", "<a>"),
    (f"![a]({U}) and ![a]({U})", "<a>and<a>"),
    (f"One.\n\n[1]: {U}\n\nTwo ![a][1] three.", "One.\n\nTwo <a>three."),
    (f"One ![a][1].\n\n[1]: {U}\n[2]: {V}\n\n![b][2] Two.", "One <a>.\n\n<b>Two."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), PLACED)
def test_the_picture_stands_where_it_was_shown(text: str, shown: str) -> None:
    assert marked(text, U, V) == shown


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (f"One.\n\n![a]({U})\n\nTwo.", "One.\n\nTwo."),
        (f"One ![a]({U}) two.", "One two."),
        (f"One.\n\n![a]({U})\n\n![b]({V})\n\n\n\nTwo.", "One.\n\n\n\nTwo."),
        (f"- one\n- ![a]({U})\n- two", "- one\n- \n- two"),
        (f"![a]({U})", ""),
        (f"  \n\n![a]({U})\n\n  ", ""),
    ],
)
def test_the_words_read_as_if_the_picture_had_never_been_there(text: str, read: str) -> None:
    assert words(text, U, V) == read


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (f"See ![a fox]({U}).", f"See [a fox]({U})."),
        (f"See ![]({U}).", f"See [image]({U})."),
        (f'![a fox]({U} "title")', f"[a fox]({U})"),
        (f"![fox][1]\n\n[1]: {U}", f"[fox]({U})\n\n[1]: {U}"),
        ("![a](<https://x.ai/a b.png>)", "[a](<https://x.ai/a b.png>)"),
        (f"![a]({P})", f"[a](<{P}>)"),
        (f"[a fox]({U}) and {V}", f"[a fox]({U}) and {V}"),
        (f"`![a]({U})`", f"`![a]({U})`"),
    ],
)
def test_a_picture_that_was_not_had_is_a_plain_link(text: str, plain: str) -> None:
    assert place(Text(text), had()) == (Text(plain),)


def test_a_plain_link_is_no_picture_when_it_is_read_again() -> None:
    (text,) = place(Text(f"![a fox]({U}) ![b](<https://x.ai/b c.png>) ![c][1]\n\n[1]: {V}"), had())
    assert isinstance(text, Text)
    assert all(found.bare for found in find(text.text))
    assert place(text, had()) == (text,)


def test_one_had_and_one_not() -> None:
    assert marked(f"A ![a]({U}) B ![b]({V}) C", V) == f"A [a]({U}) B <b>C"
    assert marked(f"![a][1] ![b][2]\n\n[1]: {U}\n[2]: {V}", V) == f"[a]({U}) <b>\n\n[1]: {U}"


def test_text_without_a_link_is_the_same_value() -> None:
    text = Text("no link", ({"type": "url_citation"},))
    assert place(text, had(U))[0] is text


def test_citations_are_kept_once() -> None:
    cited = ({"type": "url_citation", "n": 1},)
    parts = place(Text(f"A ![a]({U}) B", cited), had(U))
    assert [part.citations for part in parts if isinstance(part, Text)] == [cited, ()]


def test_at_most_so_many_links_are_looked_at_in_order() -> None:
    text = " ".join(f"![{number}](https://x.ai/{number}.png)" for number in range(3 * MOST))
    assert [found.alt for found in find(text)] == [str(number) for number in range(MOST)]
    shown = place(Text(text), lambda url: picture(url))
    assert sum(isinstance(part, Image) for part in shown) == MOST
    assert f"![{MOST}](" in words(text, U)


BIG = 200_000
BOMBS: dict[str, str] = {
    "opening brackets": "![" * (BIG // 2),
    "images never closed": "![a](https://x" * (BIG // 14),
    "labels never closed": "![a" * (BIG // 3),
    "brackets in brackets": "[" * (BIG // 2) + "]" * (BIG // 2),
    "pairs in an open bracket": "![" + "[x]" * (BIG // 3),
    "escapes": "![" + "\\]" * (BIG // 2),
    "back-ticks": "`" * BIG,
    "back-ticks, then words": "`" * (BIG // 2) + "a" * (BIG // 2),
    "runs of back-ticks that never match": "".join("`" * length + "a " for length in range(1, 500)),
    "many links": "[a](b) " * (BIG // 7),
    "many pictures": "![a](https://x.ai/a.png) " * (BIG // 25),
    "many bare links": "https://x.ai/a.png " * (BIG // 19),
    "one long link": "https://x.ai/" + "a" * BIG,
    "closing parentheses": "https://x.ai/" + ")" * BIG,
    "nested parentheses": "![a](https://x.ai/" + "(" * (BIG // 2) + ")" * (BIG // 2) + ")",
    "pairs of parentheses": "![a](https://x.ai/" + "(a)" * (BIG // 3) + ")",
    "many definitions": "[a]: https://x.ai/a.png\n" * (BIG // 24),
    "a long definition": ("[a]: " + "x" * 5000 + "\n") * (BIG // 5005),
    "many references": "![a][b] " * (BIG // 8) + "\n\n[b]: https://x.ai/a.png\n",
    "open fences": "```\n" * (BIG // 4),
    "open fences of both kinds": "```\n~~~\n" * (BIG // 8),
    "titles": '![a](https://x.ai "' * (BIG // 19),
    "spaces": "![a](" + " " * BIG + "https://x.ai)",
    "angles": "![a](<https://x.ai " * (BIG // 19),
    "blank lines": "\n" * BIG + "![a](https://x.ai/a.png)" + "\n" * BIG,
}


@pytest.mark.parametrize("name", spread(BOMBS, 8))
def test_hostile_markdown_takes_no_time(name: str) -> None:
    text = BOMBS[name] + " https://x.ai/end.png"
    began = time.thread_time()  # what other processes take does not count
    find(text)
    place(Text(text), had(U, "https://x.ai/a.png"))
    assert time.thread_time() - began < 5


snippets = st.sampled_from(
    [f"![a]({U})", f"![b]({V})", f"[a]({U})", U, "![", "](", ")", "`", "```\n", "\n", "\n\n", " ", "One.", "two", "[1]",
     f"\n[1]: {U}\n", "![c][1]", "<", ">", "\\", "\u2028", "é", f"[![a]({U})]({V})", "- ", "x"]
)  # fmt: skip
markdown = st.lists(snippets, max_size=14).map("".join)


@given(markdown)
@example(f"One.\n\n![a]({U})\n\n[1]: {U}\n")
@example(f"![![a]({U})\n[1]: {U}\n![a]({U})\n\n![")
def test_no_empty_part_no_empty_paragraph_nothing_lost(text: str) -> None:
    urls = {found.url for found in find(text)}
    parts = place(Text(text), had(*urls))
    assert all(not isinstance(part, Text) or part.text or not text for part in parts)
    assert sum(isinstance(part, Image) for part in parts) == len(find(text))
    joined = "".join(part.text for part in parts if isinstance(part, Text))
    if "\n\n\n" not in text:
        assert "\n\n\n" not in joined
    outside = text
    for found in reversed(find(text)):
        outside = f"{outside[: found.start]}|{outside[found.end :]}"
    for word in ("One.", "two", "é", "x"):
        assert joined.count(word) == outside.count(word)


@given(markdown)
def test_what_is_not_had_loses_no_link(text: str) -> None:
    parts = place(Text(text), had())
    assert len(parts) <= 1 or all(isinstance(part, Text) for part in parts)
    joined = "".join(part.text for part in parts if isinstance(part, Text))
    assert joined.count(U) + joined.count(V) >= min(1, text.count(U) + text.count(V))


@given(st.text(st.sampled_from("![]()<>`~\\ \n:/abht ps\"'1."), max_size=120))
def test_any_words_are_read(text: str) -> None:
    for found in find(text + " https://x.ai/a.png"):
        assert isinstance(found, Found)
        assert found.start < found.end
        assert found.url.startswith(("http://", "https://"))


@given(
    st.lists(st.sampled_from(["One.", "Two.", "Three."]), max_size=4),
    st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_paragraphs_stay_paragraphs(paragraphs: list[str], pictures: list[bool]) -> None:
    blocks: list[str] = []
    for index, paragraph in enumerate([*paragraphs, None]):
        blocks += [f"![a]({U})"] if pictures[index] else []
        blocks += [paragraph] if paragraph is not None else []
    assert words("\n\n".join(blocks), U) == "\n\n".join(paragraphs)
