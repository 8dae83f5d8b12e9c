"""Server-sent events: however the bytes are cut, and however lines end, the events are those of the
standard.
"""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentkit.errors import ProtocolError
from agentkit.wire.sse import DONE, EventStream


def reference(stream: bytes) -> list[bytes]:
    """The standard, read slowly: lines, then fields, then events; what is cut at the very end
    counts by whole lines.
    """
    lines = re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))
    lines[-1] = b""  # a line without its end is no line; and the end of the stream ends the event
    events: list[bytes] = []
    data: list[bytes] = []
    for line in lines:
        if not line:
            if data:
                events.append(b"\n".join(data))
            data = []
            continue
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
    return events


def decoded(*chunks: bytes) -> list[bytes]:
    stream = EventStream()
    events: list[bytes] = []
    for chunk in chunks:
        events += stream.feed(chunk)
    return events + stream.close()


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(bounds)]


ends = st.sampled_from([b"\n", b"\r", b"\r\n"])
values = st.sampled_from(
    [
        "",
        " ",
        "x",
        '{"a":1}',
        "[DONE]",
        "a\u2028b",
        "a\u0085b",
        "é\ufeff",
        ": no comment",
        "data: x",
        "\x0b\x0c\x1c",
    ]
).map(str.encode)
lines = st.one_of(
    st.builds(
        lambda space, value: b"data:" + space + value, st.sampled_from([b"", b" ", b"  "]), values
    ),
    st.sampled_from(
        [
            b"",
            b"data",
            b": OPENROUTER PROCESSING",
            b":",
            b"event: x",
            b"id: 1",
            b"retry: 5",
            b"dataset: y",
        ]
    ),
    values,
)
streams = st.builds(
    lambda bom, each, rest: bom + b"".join(line + end for line, end in each) + rest,
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.tuples(lines, ends), max_size=12),
    st.sampled_from([b"", b"data: cut", b"data", b"\r"]),
)


@given(streams, st.lists(st.integers(0, 400), max_size=12))
@example(b"data: x\rdata: y", [8])
@example(b"data: x\r\ndata: y\r\n\r\n", [8, 17])
@example(b"\xef\xbb\xbfdata: x\n\n", [1, 2])
@example(b"\xef\xbb", [1])
def test_any_slicing_gives_the_events_of_the_standard(stream: bytes, places: list[int]) -> None:
    assert decoded(*cut(stream, places)) == reference(stream)


@given(streams)
def test_one_byte_at_a_time(stream: bytes) -> None:
    assert decoded(*(stream[index : index + 1] for index in range(len(stream)))) == reference(
        stream
    )


@given(st.binary(max_size=80), st.lists(st.integers(0, 80), max_size=5))
def test_any_bytes(stream: bytes, places: list[int]) -> None:
    assert decoded(*cut(stream, places)) == reference(stream)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data\n\n", [b""]),
        (b": OPENROUTER PROCESSING\n\n: \n\ndata: a\n\n", [b"a"]),
        (b"event: message\nid: 1\ndata: a\n\n", [b"a"]),
        (b"data: a\rdata: b\r\r", [b"a\nb"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        ("data: a\u2028b\u0085c\n\n".encode(), ["a\u2028b\u0085c".encode()]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"\n\n\xef\xbb\xbfdata: a\n\n", []),
        (b"data: [DONE]", []),
        (b"data: [DONE]\n", [DONE]),
        (b"", []),
    ],
)
def test_by_hand(stream: bytes, events: list[bytes]) -> None:
    assert decoded(stream) == events


def test_an_event_is_given_as_soon_as_its_blank_line_is_there() -> None:
    stream = EventStream()
    assert stream.feed(b"data: a\n") == []
    assert stream.feed(b"\n") == [b"a"]
    assert stream.feed(b"data: b\r\n\r") == []  # it might be half of a CRLF
    assert stream.feed(b"d") == [b"b"]


def test_a_line_may_be_long_but_not_endless() -> None:
    stream = EventStream(max_line=1000)
    assert stream.feed(b"data: " + b"x" * 900) == []
    with pytest.raises(ProtocolError, match="longer than 1000 bytes"):
        stream.feed(b"x" * 200)


def test_the_cap_is_for_each_line() -> None:
    stream = EventStream(max_line=100)
    assert sum(len(stream.feed(b"data: " + b"x" * 80 + b"\n\n")) for _ in range(50)) == 50


def test_a_long_line_in_small_pieces_is_read_in_linear_time() -> None:
    stream = EventStream()
    for _ in range(20_000):
        assert stream.feed(b"x" * 64) == []
    assert stream.close() == []
