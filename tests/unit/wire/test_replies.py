"""Both dialects alike, and JSON of any kind: nothing that a server sends breaks a decoder."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.values import Reasoning, Text
from agentkit.wire import decoder
from agentkit.wire.json import UnreadableJson, read, read_object, write
from tests.unit.wire.replies import (
    DRAW,
)

KEYS = ["id", "choices", "delta", "message", "content", "images", "reasoning_details", "tool_calls", "function", "name",
        "arguments", "usage", "error", "code", "type", "item", "output", "response", "output_index", "delta", "text",
        "image_url", "url", "result", "index", "finish_reason", "cost", "annotations", "status", "sequence_number"]  # fmt: skip
KINDS = ["response.completed", "response.output_item.done", "response.output_item.added", "response.output_text.delta",
         "error", "reasoning.server_tool_call", "function_call", "message", DRAW, "image_generation_call",
         "response.function_call_arguments.delta", "response.image_generation_call.generating"]  # fmt: skip
wild = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.floats()
    | st.sampled_from(["", "x", "\ud83d", "{}", '{"a":1}', *KINDS]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=12,
)
wild_events = st.lists(st.dictionaries(st.sampled_from(KEYS), wild, max_size=6), max_size=4)


@given(st.sampled_from(["chat", "responses"]), wild_events, st.booleans())
def test_nothing_that_is_json_breaks_a_decoder(
    api: Any, events: list[dict[str, Any]], stream: bool
) -> None:
    reply = decoder(api, (DRAW,))
    for event in events:
        (reply.feed if stream else reply.whole)(read_object(json.dumps(event).encode()))
    result = reply.reply()
    for item in result.raw:
        json.loads(item, parse_constant=lambda name: pytest.fail(name))
    for part in result.parts:
        if isinstance(part, Text | Reasoning):
            part.text.encode()


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}), (b'{"a":"\\ud83d"}', {"a": "\ud83d"}), (b'{"a":NaN}', {"a": None}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}), (b'{"a":1,"a":2}', {"a": 2}),
    ],
)  # fmt: skip
def test_json_as_providers_write_it(data: bytes, value: Any) -> None:
    assert read_object(data) == value


@pytest.mark.parametrize("data", [b"", b"{", b"<html>", b"[1]", b"5", b"null", b"\xff", b"[" * 10_000 + b"]" * 10_000,
                                  b'{"a":"\\ud83d","b":' + b"[" * 500 + b"]" * 500 + b"}", b'{"a":' + b"9" * 9999 + b"}"])  # fmt: skip
def test_what_is_no_object(data: bytes) -> None:
    with pytest.raises(UnreadableJson):
        read_object(data)


def test_what_is_written_is_always_json() -> None:
    assert read(write({"a": [float("inf"), float("nan"), "\ud83d", "\ud83d\ude00"]})) == {
        "a": [None, None, "\ufffd", "😀"]
    }
