"""The judge of requests is judged: each thing that must not be is complained of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import picture
from tests.unit.loop import orphans

USER: dict[str, Any] = {"role": "user", "content": "x"}


def data_url(seed: int = 1) -> str:
    from agentkit import Image

    return Image.from_bytes(picture(size=(30, 20), noise=seed)).data_url()


def call(name: str) -> dict[str, Any]:
    return {"id": name, "type": "function", "function": {"name": "look", "arguments": "{}"}}


def calls(*names: str) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [call(name) for name in names]}


def result(name: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": name, "content": "seen"}


def item(name: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": name, "name": "look", "arguments": "{}"}


def output(name: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": name, "output": "seen"}


THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
SAID = {"type": "message", "role": "assistant", "content": "y"}


@pytest.mark.parametrize(
    "messages",
    [
        [USER],
        [USER, calls("a", "b"), result("b"), result("a")],
        [USER, calls("a"), result("a"), USER],
    ],
)
def test_good_chats(messages: list[Any]) -> None:
    assert orphans.complaints({"messages": messages}) == []


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([USER, result("a")], "no call"),
        ([USER, calls("a"), USER], "has no result"),
        ([USER, calls("a", "b"), result("a"), USER, result("b")], "has no result"),
        ([USER, calls("a"), result("a"), result("a")], "no call"),
        ([USER, calls("a", "a"), result("a"), result("a")], "two calls with one id"),
        ([USER, calls("a")], "without a result"),
        ([USER, {"role": "assistant", "content": ""}, USER], "empty"),
        ([USER, {"role": "assistant", "content": "y"}], "last word"),
    ],
)
def test_bad_chats(messages: list[Any], words: str) -> None:
    assert any(words in each for each in orphans.complaints({"messages": messages}))


@pytest.mark.parametrize(
    "items",
    [[USER, THOUGHT, SAID, USER], [USER, item("a"), item("b"), output("a"), output("b")], [USER, THOUGHT, item("a"), output("a")]],
)  # fmt: skip
def test_good_responses(items: list[Any]) -> None:
    assert orphans.complaints({"input": items}) == []


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([USER, output("a")], "no call before it"),
        ([USER, item("a"), output("a"), output("a")], "second result"),
        ([USER, item("a"), USER], "have no result"),
        ([USER, item("a"), item("b"), output("a"), SAID, output("b")], "have no result"),
        ([USER, THOUGHT, USER], "without the item"),
        ([USER, THOUGHT, item("a"), output("a"), THOUGHT, SAID, USER], "stands 2 times"),
        ([USER, SAID], "last word"),
    ],
)
def test_bad_responses(items: list[Any], words: str) -> None:
    assert any(words in each for each in orphans.complaints({"input": items}))


def test_pictures_are_found_wherever_they_are() -> None:
    url = data_url()
    bare = url.partition(",")[2]
    for value in (url, f"see {url}!", bare, json.dumps({"imageUrl": url})):
        assert len(orphans.pictures({"a": [{"b": value}]})) == 1
    twice = {
        "messages": [{"role": "user", "content": [{"image_url": {"url": url}}, {"text": bare}]}]
    }
    assert any("2 times" in each for each in orphans.complaints(twice))
    assert orphans.pictures(["gAAAAA" * 40]) == []


def test_reasoning_and_what_followed_it() -> None:
    thought = {**THOUGHT, "encrypted_content": "secret"}
    said = {**SAID, "content": "word"}
    assert orphans.parted({"input": [USER, thought, said]}, {"secret": "word"}, {}) == []
    assert orphans.parted({"input": [USER, thought, SAID]}, {"secret": "word"}, {})
    assert orphans.parted({"input": [USER, thought, SAID]}, {}, {"secret": "word"})


def test_handles_and_the_pictures_behind_them() -> None:
    def text(words: str) -> dict[str, Any]:
        return {"type": "text", "text": words}

    def image(seed: int) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": data_url(seed)}}

    shas = [orphans.pictures(image(seed))[0].sha256 for seed in (1, 2, 3)]
    content = [
        text("[picture img_3 (30×20):]"),
        image(1),
        text("Pictures from camera (img_1, img_2):"),
        image(2),
        image(3),
    ]
    body = {"messages": [{"role": "user", "content": content}]}
    assert orphans.handles(body) == {"img_1", "img_2", "img_3"}
    assert orphans.shown(body) == [("img_3", shas[0]), ("img_1", shas[1]), ("img_2", shas[2])]
