"""The words of a stream: whatever the slices, what is given is in the end what the answer says."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentkit.values import Api, Image, Source, Text
from agentkit.wire import decoder
from agentkit.wire.markdown import place
from agentkit.wire.markdown_stream import LONGEST, TextFilter
from agentkit.wire.types import JsonObject, Words
from tests.conftest import examples, spread
from tests.unit.wire.test_markdown import BOMBS, FOUND, PLACED, U, V

URLS = (U, V, "https://x.ai/", U + "?t=a_", U + "?t=a")


def kept(text: str, had: Callable[[str], bool]) -> str:
    """What the answer says."""
    parts = place(
        Text(text),
        lambda url: (
            Image("0" * 64, "image/png", 1, sources=(Source("text", url),)) if had(url) else None
        ),
    )
    return "".join(part.text for part in parts if isinstance(part, Text))


def sliced(text: str, cuts: Sequence[int]) -> list[str]:
    at = sorted({cut % (len(text) + 1) for cut in cuts})
    return [
        text[start:end]
        for start, end in zip([0, *at], [*at, len(text)], strict=True)
        if start < end
    ]


class Downloads:
    """Says of each picture whether it was had, after it was asked so often."""

    def __init__(self, had: Callable[[str], bool], after: int) -> None:
        self.had, self.after = had, after
        self.ended = False
        self.asked: dict[str, int] = {}

    def __call__(self, url: str, _: bool) -> bool | None:
        self.asked[url] = self.asked.get(url, 0) + 1
        return self.had(url) if self.ended or self.asked[url] > self.after else None


def spoken(
    text: str, slices: Sequence[str], had: Callable[[str], bool], after: int = 0
) -> list[str]:
    downloads = Downloads(had, after)
    words = TextFilter(downloads)
    given: list[str] = []
    for each in slices:
        given.append(words.more(each))
        assert kept(text, had).startswith("".join(given)), (text, slices, given)
    downloads.ended = True
    return [*given, words.rest()]


snippets = st.sampled_from(
    [f"![a]({U})", f"![b]({V})", f"[a]({U})", U, "![", "](", ")", "`", "``", "```\n", "```", "~~~\n", "~", "\n", "\n\n", " ", "One.",
     "two", "[1]", f"[1]: {U}", f"\n[1]: {V}\n", "![c][1]", "![1]", "<", ">", "\\", "!", "é", f"[![a]({U})]({V})", "- ", "x", "http",
     ' "', "\t", "[0, 1)", "]", "(", "_", f"{U}?t=a_"]
)  # fmt: skip
markdown = st.lists(snippets, max_size=16).map("".join)
cuts = st.lists(st.integers(0, 400), max_size=12)
sets = st.sets(st.sampled_from(URLS))


@settings(max_examples=examples(200))
@given(markdown, cuts, sets, st.integers(0, 3))
@example(f"`![a]({U})`", [12, 30, 40], {U}, 0)
@example(f"One.\n\n![a]({U})\n\nTwo.", [5, 6, 50], {U}, 1)
def test_what_is_given_is_what_the_answer_says(
    text: str, where: list[int], had: set[str], after: int
) -> None:
    assert "".join(spoken(text, sliced(text, where), had.__contains__, after)) == kept(
        text, had.__contains__
    )


@settings(max_examples=examples(100))
@given(st.text(st.sampled_from("![]()<>`~\\ \n:/abht ps\"'1."), max_size=60), st.booleans())
def test_any_words_character_by_character(text: str, had: bool) -> None:
    text = f"{text}(https://x.ai/a.png) {text}"
    assert "".join(spoken(text, list(text), lambda _: had)) == kept(text, lambda _: had)


@pytest.mark.parametrize("text", [text for text, _ in (*FOUND, *PLACED)])
@pytest.mark.parametrize("had", [True, False])
def test_every_kind_of_link_character_by_character(text: str, had: bool) -> None:
    assert "".join(spoken(text, list(text), lambda _: had)) == kept(text, lambda _: had)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Ordinary words, 5 < 6! And so on", ""),
        ("see [1] and array[5], vec[x](y) and [ ] todo, ", " "),
        ("a `code [x` and ```, ", " "),
        ("```py\nprint(a[0], `x`)\nx = [1, 2", ""),
        ("with", "h"),
        ("words ", " "),
        ("wow!", "!"),
        ("[a title", "[a title"),
        ("[a title](https://example.com/x", "[a title](https://example.com/x"),
        ("[a title](https://example.com/x) ", " "),
        ("[0, 1) is half open\nand so", ""),
        ("![a fox", "![a fox"),
        ("![a fox\n\nis red", ""),
        ("go to https://x.ai/", "https://x.ai/"),
        ("go to https://x.ai/ now", ""),
    ],
)
def test_no_more_is_held_back_than_what_may_become_a_picture(text: str, held: str) -> None:
    words = TextFilter(lambda *_: False)
    given = "".join(words.more(each) for each in text)
    assert given + held == text or (given + " " + held == text)
    assert given + words.rest() == text


def test_words_after_a_picture_wait_until_it_is_known_and_no_others() -> None:
    known: dict[str, bool] = {}
    words = TextFilter(lambda url, _: known.get(url))
    assert words.more(f"One ![a]({U}) two ![b]({V}) three.") == "One"
    assert words.more(" Four.") == ""
    known[V] = False
    assert words.more("") == ""
    known[U] = True
    assert words.more("") == f" two [b]({V}) three. Four."
    assert words.more(" Five.") == " Five."
    assert words.rest() == ""


@pytest.mark.parametrize("start", [f"![a]({U}) ", "![x] ", f"[1]: {U}\n", "![a](" + " " * 8, "`a "])
def test_not_more_than_so_much_is_held_back(start: str) -> None:
    words = TextFilter(lambda *_: None)
    text = start + "and so on. " * 2000
    given = "".join(words.more(text[at : at + 11]) for at in range(0, len(text), 11))
    assert len(given) > len(text) - LONGEST - 2000
    assert U not in given or start.startswith("[1]")
    assert (given + words.rest()).endswith("and so on. " * 1999)


@pytest.mark.parametrize("name", spread(BOMBS, 8))
def test_hostile_words_take_no_time(name: str) -> None:
    text = BOMBS[name][:50_000] + " https://x.ai/end.png"
    words = TextFilter(lambda *_: None)
    began = time.thread_time()  # what other processes take does not count
    given = sum(len(words.more(text[at : at + 10])) for at in range(0, len(text), 10)) + len(
        words.rest()
    )
    assert time.thread_time() - began < 3
    assert given or name == "blank lines"


def test_texts_follow_one_another() -> None:
    known: dict[str, bool] = {}
    speech = TextFilter(lambda url, _: known.get(url), "\n\n")
    assert speech.more("", 0) == ""
    assert speech.more("One ", 0) == "\n\nOne"
    assert speech.more(f"![a]({U}) two ", 0) == ""
    assert speech.more("``` three", 1) == ""
    assert speech.more("[four", 2) == ""
    known[U] = True
    assert speech.more() == " two ``` three"
    assert speech.more("] five", 2) == "[four] five"
    assert speech.rest() == ""


def chat(delta: JsonObject, finish: str | None = None) -> JsonObject:
    return {"id": "gen-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def item(kind: str, text: str) -> JsonObject:
    return {"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "content": [{"type": kind, "text": text}]}}  # fmt: skip


def delta(text: str) -> JsonObject:
    return {
        "type": "response.output_text.delta",
        "output_index": 0,
        "content_index": 0,
        "delta": text,
    }


DONE: JsonObject = {
    "type": "response.completed",
    "response": {"id": "r", "status": "completed", "output": []},
}
CUT_PAIRS: list[tuple[Api, list[JsonObject]]] = [
    ("chat", [chat({"content": "Hi "}), chat({"content": "there \ud83d"}), chat({}, "length")]),
    ("chat", [chat({"content": "Hi there \ud83d"}, "length")]),
    (
        "chat",
        [
            chat({"content": "Hi there \ud83d"}),
            {"id": "gen-1", "error": {"code": 502, "message": "gone"}},
        ],
    ),
    (
        "responses",
        [delta("Hi "), delta("there \ud83d"), item("output_text", "Hi there \ud83d"), DONE],
    ),
    ("responses", [delta("\ud83d"), item("output_text", "\ud83d"), DONE]),
]


@pytest.mark.parametrize(("api", "events"), CUT_PAIRS)
def test_half_a_pair_at_the_end_is_said_as_the_answer_has_it(
    api: Api, events: list[JsonObject]
) -> None:
    gathered = decoder(api, [])
    signals = [signal for event in events for signal in gathered.feed(event)]
    heard = "".join(
        signal.text for signal in signals if isinstance(signal, Words) and signal.what == "text"
    )
    words = "".join(part.text for part in gathered.reply().parts if isinstance(part, Text))
    assert heard == words
    assert words.endswith("\ufffd")
    assert words.count("\ufffd") == 1


@pytest.mark.parametrize("finish", ["length", None])
def test_half_a_pair_at_the_end_of_a_body_is_said(finish: str | None) -> None:
    gathered = decoder("chat", [])
    message = {"content": "Hi \ud83d", "reasoning": "so \ud83d"}
    signals = gathered.whole(
        {"id": "gen-1", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    )
    heard = [(signal.what, signal.text) for signal in signals if isinstance(signal, Words)]
    assert heard == [
        ("reasoning", "so "),
        ("text", "Hi "),
        ("text", "\ufffd"),
        ("reasoning", "\ufffd"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "```py  \ncode here\n```\nend",
        "```py \nx",
        "~~~ \nx",
        "~~~\t\n\n  x\n~~~\ny",
        "a\n```\nb\n``` \nx",
        "```  \n```\nx",
    ],
)
@pytest.mark.parametrize("chunk", [1, 2, 4, 7])
def test_blank_space_at_the_end_of_the_line_of_a_fence_is_given(text: str, chunk: int) -> None:
    slices = [text[at : at + chunk] for at in range(0, len(text), chunk)]
    assert "".join(spoken(text, slices, lambda _: False)) == text
