"""Replies as providers distort them: each quirk, as it shows to a plain HTTP client."""

import base64
import json
import re

import pytest

from agentkit.emulator import (
    QUIRKS,
    CallTool,
    Draw,
    Fault,
    Reply,
    Say,
)
from tests.conftest import examples
from tests.unit.emulator.faulty import BODIES


def quirky(wire, quirk: str, reply: Reply, *, api: str = "chat", stream: bool = True):
    wire.emulator.faults.clear()
    wire.emulator.faults.add(Fault(quirks=(quirk,)))
    wire.emulator.play(reply)
    path, body = BODIES[api]
    return wire.post(path, {**body, "stream": stream})


TWO_CALLS = Reply(
    [CallTool("weather", {"city": "Oslo"}, "call_1"), CallTool("clock", {"zone": "UTC"}, "call_2")]
)


@pytest.mark.parametrize(
    ("quirk", "expected"),
    [
        ("arguments.empty", lambda text: text == ""),
        ("arguments.double", lambda text: json.loads(json.loads(text)) == {"city": "Oslo"}),
        ("arguments.invalid", lambda text: text == '{"city": "Oslo",'),
        ("arguments.large", lambda text: len(json.loads(text)["padding"]) == 1_000_000),
        ("arguments.deep", lambda text: text.count("[") == 10_000),
        ("arguments.nan", lambda text: text == '{"city":NaN}'),
        ("arguments.duplicate_keys", lambda text: text.count('"city"') == 2),
        ("arguments.array", lambda text: json.loads(text) == [{"city": "Oslo"}]),
    ],
)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_arguments(wire, fold, sse, quirk: str, expected, api: str) -> None:
    reply = Reply([CallTool("weather", {"city": "Oslo"}, "call_1")], chunk=200_000)
    whole = quirky(wire, quirk, reply, api=api, stream=False).json()
    events = sse(quirky(wire, quirk, reply, api=api).text)
    if api == "chat":
        texts = [
            whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"],
            fold(events)["tool_calls"][0]["arguments"],
        ]
    else:
        texts = [whole["output"][0]["arguments"], events[-1]["response"]["output"][0]["arguments"]]
    assert all(expected(text) for text in texts)


def test_calls(wire, fold, sse) -> None:
    def deltas(quirk: str):
        chunks = sse(quirky(wire, quirk, TWO_CALLS).text)
        return [
            call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])
        ]

    def whole(quirk: str):
        return quirky(wire, quirk, TWO_CALLS, stream=False).json()["choices"][0]

    assert all(
        "id" not in call
        for call in [*deltas("calls.no_id"), *whole("calls.no_id")["message"]["tool_calls"]]
    )
    assert {call["id"] for call in whole("calls.same_id")["message"]["tool_calls"]} == {"call_1"}
    assert {call["index"] for call in deltas("calls.index_zero")} == {0}
    names = [
        call["function"]["name"]
        for call in deltas("calls.split_name")
        if "name" in call["function"]
    ]
    assert names == ["wea", "ther", "cl", "ock"]
    assert all("name" in call["function"] for call in deltas("calls.repeated_name"))
    assert (
        whole("calls.unknown_tool")["message"]["tool_calls"][0]["function"]["name"]
        == "no_such_tool"
    )
    assert (
        whole("calls.server_tool")["message"]["tool_calls"][0]["function"]["name"]
        == "openrouter:image_generation"
    )
    assert whole("calls.wrong_finish")["finish_reason"] == "stop"
    cut = whole("calls.cut")
    assert cut["finish_reason"] == "length"
    assert cut["message"]["tool_calls"][0]["function"]["arguments"] == '{"city":'
    responses = quirky(wire, "calls.no_id", TWO_CALLS, api="responses", stream=False).json()[
        "output"
    ]
    assert all("call_id" not in item for item in responses)
    shuffled = [call["index"] for call in deltas("stream.shuffled")]
    assert sorted(shuffled) != shuffled
    one = Reply([CallTool("weather", {"city": "Oslo"}, "call_1")])
    assert (
        len(
            quirky(wire, "calls.same_id", one, stream=False).json()["choices"][0]["message"][
                "tool_calls"
            ]
        )
        == 2
    )


def test_finishes(wire) -> None:
    reply = Reply([Say("hello")])

    def finishes(quirk: str):
        return quirky(wire, quirk, reply).text

    assert finishes("stream.two_finishes").count('"finish_reason":"stop"') == 2
    one = finishes("stream.one_finish")
    assert (one.count('"finish_reason":"stop"'), '"usage"' in one, "[DONE]" in one) == (
        1,
        True,
        True,
    )
    none = finishes("stream.no_finish")
    assert ('"finish_reason":"stop"' in none, "[DONE]" in none) == (False, False)
    assert "[DONE]" not in finishes("stream.no_done")
    assert '"choices":[],"usage"' in finishes("stream.usage_apart").replace(" ", "")
    responses = quirky(wire, "stream.no_finish", reply, api="responses").text
    assert "response.completed" not in responses


def test_lines(wire) -> None:
    reply = Reply([Say("hello")])
    assert b"\r\n\r\n" in quirky(wire, "stream.crlf", reply).content
    assert b"\n" not in quirky(wire, "stream.cr", reply).content
    assert quirky(wire, "stream.bom", reply).content.startswith(b"\xef\xbb\xbf:")
    assert b'data: {\ndata: "id":' in quirky(wire, "stream.split_data", reply).content
    assert b": \n\n" in quirky(wire, "stream.comments", reply).content
    assert b"\ndata:\n\n" in quirky(wire, "stream.empty_events", reply).content
    assert (
        b"event:message\nid:1\nretry:1000\ndata:{"
        in quirky(wire, "stream.event_names", reply).content
    )


def test_texts(wire, sse) -> None:
    reply = Reply([Say("hello")])
    split = quirky(wire, "text.split_surrogates", reply).text
    assert '"\\ud83e"' in split
    assert '"\\udd8a"' in split
    assert json.loads(quirky(wire, "text.lone_surrogate", reply, stream=False).text)["choices"][0][
        "message"
    ]["content"].endswith("\ud83d!")
    assert "\u2028" in quirky(wire, "text.separators", reply).text
    assert "\\u001b[31m" in quirky(wire, "text.controls", reply, stream=False).text


def test_duplicates_and_unknown_things(wire, sse) -> None:
    reply = Reply([Say("hello")])
    events = sse(quirky(wire, "stream.duplicated", reply, api="responses").text)
    assert events[0::2] == events[1::2]
    assert any(
        event.get("type") == "response.hologram.spun"
        for event in sse(quirky(wire, "unknown.event", reply, api="responses").text)
    )
    assert (
        quirky(wire, "unknown.item", reply, api="responses", stream=False).json()["output"][-1][
            "type"
        ]
        == "openrouter:hologram"
    )
    assert "hologram" in quirky(wire, "unknown.field", reply, stream=False).json()
    assert "HOLOGRAM_COMPLETE" in quirky(wire, "unknown.enum", reply).text


@pytest.mark.parametrize(
    ("quirk", "whole"),
    [
        ("spaced", True),
        ("urlsafe", True),
        ("unpadded", True),
        ("cut", False),
        ("broken", False),
        ("wrong_type", True),
    ],
)
def test_base64(wire, png, quirk: str, whole: bool) -> None:
    reply = Reply([Draw("a", data=png, places=["message_images"])])
    url = quirky(wire, f"base64.{quirk}", reply, stream=False).json()["choices"][0]["message"][
        "images"
    ][0]["image_url"]["url"]
    head, _, text = url.partition(",")
    assert (head == "data:text/plain;base64") == (quirk == "wrong_type")
    text = re.sub(r"\s", "", text).translate(str.maketrans("-_", "+/")).rstrip("=")
    if whole:
        assert base64.b64decode(text + "=" * (-len(text) % 4), validate=True) == png
    (post,) = wire.emulator.posts
    assert post.delivered == (post.images if whole else ())


@pytest.mark.parametrize("quirk", QUIRKS)
def test_every_quirk_leaves_an_answer_in_every_way(wire, png, quirk: str) -> None:
    ways = [(api, stream) for api in BODIES for stream in (False, True)]
    at = list(QUIRKS).index(quirk)
    quick = [ways[at % len(ways)], ways[(at + 3) % len(ways)]]
    for api, stream in quick if examples(1) == 1 else ways:
        reply = Reply(
            [Draw("a", data=png), *([] if api == "images" else [Say("hi"), *TWO_CALLS.content])]
        )
        assert quirky(wire, quirk, reply, api=api, stream=stream).status_code == 200
