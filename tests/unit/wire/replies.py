"""Replies of both dialects, made by hand: as a stream's events, and as one whole body."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from agentkit.values import Text, Usage
from agentkit.wire.chat.decode import ChatReply
from agentkit.wire.responses.decode import ResponsesReply
from agentkit.wire.types import ImageRef, Reply, Signal

URL = "https://images.openrouter.ai/fox.png"
DRAW = "openrouter:image_generation"
USAGE = {
    "prompt_tokens": 5, "completion_tokens": 7, "cost": 0.25, "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 2, "image_tokens": 3},
}  # fmt: skip
READ = Usage(5, 7, 1, 2, 3, requests=1, priced_requests=1, cost_usd=0.25)


def chunk(
    delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any
) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "gen-abc", "model": "a/b", "choices": choices, **more}


def streamed(*chunks: dict[str, Any], tools: tuple[str, ...] = ()) -> Reply:
    reply = ChatReply(tools)
    for each in chunks:
        reply.feed(each)
    return reply.reply()


def buffered(
    message: dict[str, Any],
    *,
    finish: str | None = "stop",
    tools: tuple[str, ...] = (),
    **more: Any,
) -> Reply:
    reply = ChatReply(tools)
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    reply.whole({"id": "gen-abc", "model": "a/b", "choices": [choice], **more})
    assert reply.finished
    return reply.reply()


def raw(reply: Reply) -> list[Any]:
    return [json.loads(item) for item in reply.raw]


def text(reply: Reply) -> str:
    return "".join(part.text for part in reply.parts if isinstance(part, Text))


def sightings(reply: Reply) -> list[ImageRef]:
    return [part for part in reply.parts if isinstance(part, ImageRef)]


halves = st.lists(st.sampled_from(["a", "é", "\ud83d", "\ude00", "\ud83d\ude00", "z"]), max_size=8)


def mended(words: str) -> str:
    return words.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def message_item(words: str, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": words, "annotations": []}
    return {
        "type": "message",
        "id": "m1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
        **more,
    }


def body(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 5, "output_tokens": 7, "cost": 0.25, "input_tokens_details": {"cached_tokens": 1},
             "output_tokens_details": {"reasoning_tokens": 2, "image_tokens": 3}}  # fmt: skip
    return {
        "id": "resp-abc",
        "model": "a/b",
        "status": "completed",
        "output": [*items],
        "usage": usage,
        **more,
    }


def whole_responses(*items: dict[str, Any], tools: tuple[str, ...] = (), **more: Any) -> Reply:
    reply = ResponsesReply(tools)
    reply.whole(body(*items, **more))
    assert reply.finished
    return reply.reply()


def events_of(
    *items: dict[str, Any], final: dict[str, Any] | None = None, rotate: bool = False
) -> list[dict[str, Any]]:
    """The events in which a provider streams these items."""
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**body(), "status": "in_progress", "usage": None}}
    ]
    for index, item in enumerate(items):
        at = {"output_index": index, "item_id": f"other{index}" if rotate else item.get("id")}
        started = {**item, "content": [], "arguments": "", "result": None, "status": "in_progress"}
        if rotate:
            started["id"] = f"first{index}"
        events.append({"type": "response.output_item.added", "item": started, **at})
        if item["type"] == "message":
            for part in item["content"]:
                events += [
                    {"type": "response.output_text.delta", "delta": letter, **at}
                    for letter in part.get("text", "")
                ]
                events.append(
                    {"type": "response.output_text.done", "text": part.get("text", ""), **at}
                )
        if item["type"] == "reasoning":
            for part in item.get("summary", []):
                events.append(
                    {"type": "response.reasoning_summary_text.delta", "delta": part["text"], **at}
                )
        if item["type"] == "function_call":
            events += [
                {"type": "response.function_call_arguments.delta", "delta": each, **at}
                for each in item["arguments"]
            ]
        events.append(
            {
                "type": "response.output_item.done",
                "item": {**item, **({"id": f"last{index}"} if rotate else {})},
                **at,
            }
        )
    events.append(
        {"type": "response.completed", "response": body(*items) if final is None else final}
    )
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def fed(events: list[dict[str, Any]], tools: tuple[str, ...] = ()) -> tuple[Reply, list[Signal]]:
    reply, signals = ResponsesReply(tools), list[Signal]()
    for event in events:
        signals += reply.feed(event)
    return reply.reply(), signals


THOUGHT = {
    "type": "reasoning",
    "id": "rs1",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": "secret",
}
CALL = {
    "type": "function_call",
    "id": "fc1",
    "call_id": "c1",
    "name": "w",
    "arguments": '{"a":1}',
    "status": "completed",
}
PICTURE = {
    "type": DRAW,
    "id": "ig1",
    "status": "completed",
    "imageUrl": URL,
    "prompt": "a fox",
    "revisedPrompt": "a red fox",
}
OWN = {
    "type": "image_generation_call",
    "id": "ig2",
    "status": "completed",
    "result": "data:image/png;base64,AAAA",
}
UNKNOWN = {"type": "hologram", "id": "h1", "new": {"a": [1]}}
ITEMS = (THOUGHT, PICTURE, OWN, message_item("Here it is."), UNKNOWN, CALL)
