"""Replies sent again without pictures that are hidden: what has to go with them, what has to stay,
byte for byte.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentkit.run.history import MessageView
from agentkit.values import Api, BlobRef, Image, Message, Pieces, Source, Text, ToolCall, ToolResult
from agentkit.wire import encode
from agentkit.wire.body import Encoded, cut
from agentkit.wire.types import Request
from tests.unit.wire.test_encode import joined_bytes

A, B = "a" * 64, "b" * 64
URL = {
    letter: f"data:image/png;base64,{base64.b64encode((letter * 3).encode()).decode()}"
    for letter in "abcd"
}


def raw(*items: Any) -> tuple[Pieces, ...]:
    """Items in which `<a>` stands for the bytes of picture `a`."""
    refs = {f"<{letter}>".encode(): BlobRef(letter * 64, "image/png") for letter in "abcd"}
    return tuple(cut(json.dumps(item, separators=(",", ":")).encode(), refs) for item in items)


def reply(api: Api, *items: Any, parts: tuple[Any, ...] = ()) -> Message:
    pictures = tuple(
        Image(each * 64, "image/png", 3, name=f"img_{each}", sources=(Source("images"),))
        for each in "ab"
    )
    return Message("assistant", (*parts, *pictures), raw(*items), api)


def sent(message: Message, *hidden: str) -> Any:
    """The items of this message in a request."""
    assert message.api is not None
    request = Request(
        "a/b",
        (Message("user", (Text("x"),)), message),
        shown={1: MessageView(hidden=frozenset(hidden))},
    )
    body = json.loads(joined_bytes(encode(message.api, request, Encoded())[1]))
    return body["messages" if message.api == "chat" else "input"][1:]


def entry(letter: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"<{letter}>"}}


SIGNED = {"type": "reasoning.encrypted", "data": "iVgAAAA", "signature": "c2ln", "index": 0}


def test_chat_loses_the_entries_and_keeps_the_signatures() -> None:
    item = {
        "role": "assistant",
        "content": "Two.",
        "reasoning_details": [SIGNED],
        "images": [entry("a"), entry("b")],
    }
    (left,) = sent(reply("chat", item), A)
    assert left == {**item, "images": [{"type": "image_url", "image_url": {"url": URL["b"]}}]}
    (none,) = sent(reply("chat", item), A, B)
    assert none == {"role": "assistant", "content": "Two.", "reasoning_details": [SIGNED]}


def test_chat_loses_content_parts() -> None:
    item = {"role": "assistant", "content": [{"type": "text", "text": "One"}, entry("a")]}
    assert sent(reply("chat", item), A) == [
        {"role": "assistant", "content": [{"type": "text", "text": "One"}]}
    ]


def test_a_reply_that_was_only_a_picture_says_that_it_was() -> None:
    for item in (
        {"role": "assistant", "content": "", "images": [entry("a")]},
        {"role": "assistant", "content": [entry("a")]},
    ):
        assert sent(reply("chat", item), A) == [
            {"role": "assistant", "content": "Here are img_a and img_b."}
        ]
    called = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c"}],
        "images": [entry("a")],
    }
    assert sent(reply("chat", called), A)[0]["content"] is None
    drawn = {"type": "image_generation_call", "id": "ig", "status": "completed", "result": "<a>"}
    (said,) = sent(reply("responses", drawn), A)
    assert (said["role"], said["content"]) == ("assistant", "Here are img_a and img_b.")


def test_a_server_tools_record_never_carries_bytes() -> None:
    def detail(url: str) -> dict[str, Any]:
        result = json.dumps({"status": "ok", "imageUrl": url})
        return {
            "type": "reasoning.server_tool_call",
            "tool_name": "openrouter:image_generation",
            "result": result,
        }

    for url, echoed in (
        ("<a>", f"sha256:{A}"),
        ("https://images.example/1.png", "https://images.example/1.png"),
    ):
        item = {
            "role": "assistant",
            "content": "Done.",
            "reasoning_details": [detail(url)],
            "images": [entry("b")],
        }
        (left,) = sent(reply("chat", item))
        assert json.loads(left["reasoning_details"][0]["result"]) == {
            "status": "ok",
            "imageUrl": echoed,
        }
        assert left["images"][0]["image_url"]["url"] == URL["b"]


def test_none_is_carried_twice_in_one_reply() -> None:
    item = {
        "role": "assistant",
        "content": [entry("a")],
        "images": [entry("a"), entry("b")],
        "new": "<b>",
    }
    (left,) = sent(reply("chat", item))
    assert json.dumps(left).count(URL["a"]) == json.dumps(left).count(URL["b"]) == 1
    tool = {
        "type": "openrouter:image_generation",
        "id": "x",
        "status": "completed",
        "result": "<a>",
        "imageB64": "<a>",
    }
    (kept,) = sent(reply("responses", tool))
    assert kept == {"type": tool["type"], "id": "x", "status": "completed", "result": URL["a"]}


REASONED = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "gAAAA"}
SAID = {
    "type": "message",
    "role": "assistant",
    "id": "m",
    "content": [{"type": "output_text", "text": "Here."}],
}


def drawn(letter: str, kind: str = "image_generation_call") -> dict[str, Any]:
    return {"type": kind, "id": f"ig_{letter}", "status": "completed", "result": f"<{letter}>"}


def test_responses_loses_the_item_with_the_reasoning_right_before_it() -> None:
    items = [
        {**REASONED, "id": "1"},
        SAID,
        {**REASONED, "id": "2"},
        {**REASONED, "id": "3"},
        drawn("a"),
        drawn("b"),
    ]
    left = sent(reply("responses", *items), A)
    assert [item["id"] for item in left] == ["1", "m", "ig_b"]
    assert [item["id"] for item in sent(reply("responses", *items), B)] == [
        "1",
        "m",
        "2",
        "3",
        "ig_a",
    ]


def test_pictures_of_items_that_are_not_known_go_too() -> None:
    new = {"type": "openrouter:new", "id": "n", "frames": [{"data": "<a>"}], "note": "kept"}
    assert sent(reply("responses", SAID, new), A)[1] == {**new, "frames": [{"data": f"sha256:{A}"}]}


def test_what_loses_nothing_goes_byte_for_byte() -> None:
    odd = (
        b'{"role": "assistant",  "content":"\\u00e9", "images":[{"image_url":{"url":"',
        BlobRef(A, "image/png"),
        b'"}}]}',
    )
    message = Message("assistant", (Text("é"),), (odd,), "chat")
    request = Request("a/b", (message,), shown={0: MessageView(hidden=frozenset({B}))})
    assert odd[0] in joined_bytes(encode("chat", request, Encoded())[1])


kinds = st.sampled_from(["reasoning", "message", "call", "a", "b", "c", "new"])
made = st.lists(st.lists(kinds, min_size=1, max_size=5), min_size=1, max_size=4)


def talk(api: Api, replies: list[list[str]]) -> list[Message]:
    messages = [Message("user", (Text("x"),))]
    for number, each in enumerate(replies):
        calls = [
            ToolCall(f"c{number}_{index}", "w", "{}")
            for index, kind in enumerate(each)
            if kind == "call"
        ]
        messages.append(Message("assistant", tuple(calls), raw(*_items(api, each, calls)), api))
        if calls:
            messages.append(
                Message("tool", tuple(ToolResult(call.id, "w", (Text("ok"),)) for call in calls))
            )
        messages.append(Message("user", (Text("x"),)))
    return messages


def _items(api: Api, kinds: list[str], calls: list[ToolCall]) -> list[Any]:
    if api == "chat":
        said = "message" in kinds or not {"a", "b", "c", "call"} & set(kinds)
        item: dict[str, Any] = {"role": "assistant", "content": "said" if said else ""}
        item["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": "w", "arguments": "{}"}}
            for call in calls
        ]
        return [{**item, "images": [entry(kind) for kind in kinds if kind in "abc"]}]
    waiting = iter(calls)
    items: list[Any] = []
    for kind in kinds:
        if kind == "call":
            items.append(
                {
                    "type": "function_call",
                    "call_id": next(waiting).id,
                    "name": "w",
                    "arguments": "{}",
                }
            )
        else:
            items.append(
                {"reasoning": REASONED, "message": SAID, "new": {"type": "new"}}.get(kind)
                or drawn(kind)
            )
    while items and items[-1]["type"] == "reasoning":
        items.pop()  # the decoder gives none without what followed it
    return [{**item, "n": number} for number, item in enumerate(items)]


@given(st.sampled_from(["chat", "responses"]), made, st.sets(st.sampled_from("abc")))
def test_nothing_is_orphaned(api: Api, replies: list[list[str]], hidden: set[str]) -> None:
    messages = talk(api, replies)
    shown = {
        index: MessageView(hidden=frozenset(each * 64 for each in hidden))
        for index in range(len(messages))
    }
    body = json.loads(
        joined_bytes(encode(api, Request("a/b", tuple(messages), shown=shown), Encoded())[1])
    )
    items = body["messages" if api == "chat" else "input"]
    for letter in hidden:
        assert URL[letter] not in json.dumps(items)
    if api == "chat":
        called = [call["id"] for item in items for call in item.get("tool_calls", ())]
        answered = [item["tool_call_id"] for item in items if item["role"] == "tool"]
        assert all(
            item.get("content") or item.get("tool_calls") or item.get("images") for item in items
        )
    else:
        called = [item["call_id"] for item in items if item["type"] == "function_call"]
        answered = [item["call_id"] for item in items if item["type"] == "function_call_output"]
        for item, after in zip(items, [*items[1:], {"type": "end"}], strict=True):
            if item["type"] == "reasoning":
                assert after.get("n") == item["n"] + 1, "what follows it is what followed it"
    assert called == answered
