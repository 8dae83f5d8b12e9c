"""A key that a reply tells, as a ledger writes it: in whatever pieces it comes, it is not there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentkit._redact import RUN, Secret
from agentkit.openrouter.ledger_mask import ReplyMask

KEY = "sk-or-v1-" + hashlib.sha256(b"a key").hexdigest()
KNOWN = Secret(KEY)
SAID = f"see dogs {KEY} and more"


def event(words: str, name: str = "content") -> bytes:
    delta = {"role": "assistant", name: words}
    told = {"id": "gen-1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def fed(pieces: Iterable[bytes]) -> tuple[bytes, bool]:
    mask = ReplyMask()
    written = b"".join([*(mask.feed(each) for each in pieces), mask.feed(b"", is_last=True)])
    return written, mask.has_masked


def cut(whole: str, places: Sequence[int]) -> list[str]:
    ends = sorted({each % (len(whole) + 1) for each in places})
    return [whole[a:b] for a, b in zip([0, *ends], [*ends, len(whole)], strict=True)]


def words_of(data: bytes, name: str = "content") -> str:
    events = [json.loads(each[6:]) for each in data.split(b"\n\n") if each.startswith(b"data:")]
    return "".join(each["choices"][0]["delta"].get(name, "") for each in events)


def check(words: str, *, is_whole: bool = False) -> None:
    """Nothing but the key is masked, and of that at most its begin and its last letters are
    left.
    """
    assert len(words) == len(SAID)
    assert (words[:9], words[-9:]) == (SAID[:9], SAID[-9:])
    key = words[9:-9]
    begin, end = key.rstrip(KEY).rstrip("*"), key[len(key.rstrip(KEY)) :]
    assert KEY.startswith(begin)
    assert KEY.endswith(end)
    assert len(begin) < (1 if is_whole else RUN)
    assert len(end) < 4


@pytest.mark.parametrize("place", range(len(SAID)))
def test_cut_once(place: int) -> None:
    """In two events, written at once or one after the other; and by the connection."""
    two = [event(SAID[:place]), event(SAID[place:])]
    for pieces in ([b"".join(two)], two):
        written, has_masked = fed(pieces)
        assert has_masked
        check(words_of(written), is_whole=len(pieces) == 1)
    whole = json.dumps({"text": SAID}).encode()
    written, has_masked = fed([whole[:place], whole[place:]])
    assert has_masked
    check(json.loads(written)["text"], is_whole=True)


@given(
    places=st.lists(st.integers(0, 200), max_size=60),
    bounds=st.lists(st.integers(0, 1 << 20), max_size=40),
    twice=st.booleans(),
)
@example(places=[*range(100)], bounds=[*range(0, 9000, 7)], twice=True)
def test_in_any_pieces(places: list[int], bounds: list[int], twice: bool) -> None:
    """Some services tell the same words twice in each event."""
    spoken = cut(SAID, places)
    names = ("reasoning", "content") if twice else ("content",)
    events = [event(each, name) for each in spoken for name in names]
    raw = b": PROCESSING\n\n".join(events)
    ends = sorted({each % (len(raw) + 1) for each in bounds})
    pieces = [raw[a:b] for a, b in zip([0, *ends], [*ends, len(raw)], strict=True)]
    written, has_masked = fed(pieces)
    assert has_masked
    assert len(written) == len(raw)
    for name in names:
        check(words_of(written, name))


@pytest.mark.parametrize("places", [[9 + 72], [9 + 11, 9 + 72], [*range(90)]])
def test_words_of_the_protocol_stay(places: list[int]) -> None:
    """Those that begin as the rest of the key does."""
    names = {f"n{at}": KEY[-rest:] + "ompleted" for rest in (1, 2, 3) for at in range(3)}
    others = b"data: " + json.dumps({**names, KEY[-1]: 1, "object": "chunk"}).encode() + b"\n\n"
    spoken = [event(each) for each in cut(SAID, places)]
    written, has_masked = fed([others.join(spoken) + others])
    assert has_masked
    assert written.count(others) == len(spoken)


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_a_key_that_is_told_more_than_once(size: int) -> None:
    events = [event(SAID[at : at + size]) for at in range(0, len(SAID), size)]
    for pieces in (events * 3, [b"".join(events * 3)]):
        words = words_of(fed(pieces)[0])
        for at in range(0, len(words), len(SAID)):
            check(words[at : at + len(SAID)])


@given(st.lists(st.text("sk-orv1 abcdef", max_size=12), max_size=60), st.integers(1, 500))
def test_words_that_only_look_like_it_stay(words: list[str], size: int) -> None:
    raw = b"".join(event(each) for each in words)
    written, has_masked = fed(raw[at : at + size] for at in range(0, len(raw), size))
    assert written == raw
    assert not has_masked


def call(words: str, index: int) -> bytes:
    """An event of one of several calls."""
    call = {"index": index, "function": {"arguments": words}}
    told = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


@pytest.mark.parametrize("between", ["x", " ", "of", KEY[0]])
@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_letters_with_others_between_them_are_no_key(between: str, size: int) -> None:
    words = [each for letter in KEY for each in (letter, between)]
    raw = b"".join(map(event, words))
    written, has_masked = fed(raw[at : at + size] for at in range(0, len(raw), size))
    assert written == raw
    assert not has_masked


@given(st.lists(st.booleans(), min_size=len(KEY), max_size=len(KEY)), st.integers(1, 500))
def test_calls_that_come_in_turns(is_followed: list[bool], size: int) -> None:
    """The one tells the key, the other one something else; neither is a part of the other one."""
    events: list[bytes] = []
    for letter, also in zip(KEY, is_followed, strict=True):
        events += [call(letter, 0), *([call("no", 1)] if also else ())]
    raw = b"".join(events)
    written, has_masked = fed(raw[at : at + size] for at in range(0, len(raw), size))
    assert has_masked
    calls = [json.loads(each[6:]) for each in written.split(b"\n\n") if each]
    told = [each["choices"][0]["delta"]["tool_calls"][0] for each in calls]
    words = "".join(each["function"]["arguments"] for each in told if each["index"] == 0)
    assert len(words.rstrip("*")) < RUN
    assert all(each["function"]["arguments"] == "no" for each in told if each["index"] == 1)


def test_an_empty_string_ends_no_key() -> None:
    raw = b"".join(event(each) for letter in KEY for each in (letter, "", "", ""))
    assert words_of(fed([raw])[0]) == "*" * len(KEY)


def test_a_string_that_is_cut_does_not_hide_those_behind_it() -> None:
    spoken = [event(KEY[at : at + 5]) for at in range(0, len(KEY), 5)]
    cut_off = b'data: {"choices": [{"delta": {"content": "it \\'
    raw = b"\n\n".join([cut_off, b"".join(spoken)])
    for size in (1, 13, 1 << 20):
        written, _ = fed(raw[at : at + size] for at in range(0, len(raw), size))
        assert len(words_of(written[len(cut_off) :]).rstrip("*")) < RUN


def test_what_is_held_back_is_shorter_than_a_secret() -> None:
    mask = ReplyMask()
    raw = event(SAID[: 9 + 40])[:-20] + b"x" * 1000
    written = 0
    for at in range(len(raw)):
        written += len(mask.feed(raw[at : at + 1]))
        assert at + 1 - written <= len(KEY) + 2


def test_a_reply_that_breaks_off_inside_a_key() -> None:
    mask = ReplyMask()
    raw = event(SAID)
    raw = raw[: raw.index(KEY.encode()) + 50]
    written = mask.feed(raw) + mask.feed(b"", is_last=True)
    assert written.endswith(b"dogs " + b"*" * 50)
    assert mask.has_masked


def test_a_key_in_json_that_is_a_string_of_json() -> None:
    odd = Secret('a "quoted" key \\ with all')
    arguments = json.dumps({"token": odd.reveal()})
    written, has_masked = fed([json.dumps({"arguments": arguments}).encode()])
    assert has_masked
    assert b"quoted" not in written
