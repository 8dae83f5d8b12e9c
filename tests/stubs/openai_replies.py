"""Replies of OpenAI's three APIs, buffered and streamed, in the shapes that it publishes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.stubs.openai_types import Json, said

EVENTS, JSON = "text/event-stream", "application/json"
TOKENS = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
"""What the words of each reply of Responses used."""
DRAWING = {
    "input_tokens": 40,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 40},
    "output_tokens": 4000,
    "output_tokens_details": {"image_tokens": 4000, "text_tokens": 0},
    "total_tokens": 4040,
}
"""What each picture used."""


@dataclass(frozen=True)
class Say:
    text: str


@dataclass(frozen=True)
class Call:
    """A call of a function."""

    name: str
    arguments: Json
    id: str = "call_1"


@dataclass(frozen=True)
class Draw:
    """A picture, with its previews; by `url`, as some services give it."""

    data: bytes
    previews: tuple[bytes, ...] = ()
    revised_prompt: str | None = None
    url: str | None = None
    status: str = "completed"
    id: str = "ig_1"


@dataclass(frozen=True)
class Fail:
    """A drawing that failed, or with a `status` an error in place of the reply."""

    message: str = "Your request was rejected by the safety system."
    status: int = 0
    id: str = "ig_1"

    @property
    def body(self) -> Json:
        error = {"message": self.message, "type": "image_generation_user_error"}
        return {"error": {**error, "param": None, "code": "moderation_blocked"}}


@dataclass(frozen=True)
class Message:
    """A chat message with these fields, as some gateway writes it."""

    fields: Json


Item = Say | Call | Draw | Fail | Message


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def event(body: Json) -> bytes:
    return f"event: {body['type']}\ndata: {json.dumps(body)}\n\n".encode()


def images(body: Json, items: Sequence[Item], *, edits: bool) -> tuple[str, list[bytes]]:
    """A reply of the Image API."""
    drawn = [item for item in items if isinstance(item, Draw)]
    usage = {
        name: value if isinstance(value, dict) else value * len(drawn)
        for name, value in DRAWING.items()
    }
    shape = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}
    if not body.get("stream"):
        data = [{"url": each.url} if each.url else {"b64_json": b64(each.data)} for each in drawn]
        whole = {"created": 1764500000, **shape, "data": data, "usage": usage}
        return JSON, [json.dumps(said("images", whole)).encode()]
    pieces: list[bytes] = []
    start = "image_edit" if edits else "image_generation"
    for each in drawn:
        for index, preview in enumerate(each.previews[: int(body.get("partial_images", 0))]):
            kind = f"{start}.partial_image"
            told = {"type": kind, "b64_json": b64(preview), "created_at": 1764500000, **shape}
            pieces.append(event(said(kind, {**told, "partial_image_index": index})))
        kind = f"{start}.completed"
        told = {"type": kind, "b64_json": b64(each.data), "created_at": 1764500000, **shape}
        short = {name: usage[name] for name in usage if name != "output_tokens_details"}
        pieces.append(event(said(kind, {**told, "usage": short})))
    return EVENTS, pieces


@dataclass
class _Numbered:
    """Numbers the events of a stream."""

    pieces: list[bytes] = field(default_factory=list[bytes])

    def tell(self, kind: str, **fields: Any) -> None:
        self.pieces.append(event({"type": kind, "sequence_number": len(self.pieces), **fields}))


def responses(body: Json, items: Sequence[Item], *, edits: bool) -> tuple[str, list[bytes]]:
    """A reply of Responses."""
    output = [_output(item, number) for number, item in enumerate(items)]
    whole = said("response", _response(body, items, output))
    if not body.get("stream"):
        return JSON, [json.dumps(whole).encode()]
    stream = _Numbered()
    early = {**whole, "status": "in_progress", "output": [], "usage": None}
    stream.tell("response.created", response=early)
    for index, (item, known) in enumerate(zip(items, output, strict=True)):
        started = {**known, "status": "in_progress"}
        if isinstance(item, Draw | Fail):
            started = {"id": item.id, "type": "image_generation_call", "status": "in_progress"}
            started["result"] = None
        stream.tell("response.output_item.added", output_index=index, item=started)
        _tell(stream, item, {"output_index": index, "item_id": known["id"]})
        done = known
        if isinstance(item, Draw):
            done = {**known, "status": "generating"}  # as it is recorded
        stream.tell("response.output_item.done", output_index=index, item=done)
    stream.tell("response.completed", response=whole)
    return EVENTS, stream.pieces


def _tell(stream: _Numbered, item: Item, place: Json) -> None:
    if isinstance(item, Say):
        for word in item.text.split(" "):
            fields = {**place, "content_index": 0, "logprobs": []}
            stream.tell("response.output_text.delta", **fields, delta=f"{word} ")
    elif isinstance(item, Call):
        words = json.dumps(item.arguments)
        stream.tell("response.function_call_arguments.delta", **place, delta=words)
        stream.tell("response.function_call_arguments.done", **place, arguments=words)
    elif isinstance(item, Draw):
        stream.tell("response.image_generation_call.in_progress", **place)
        stream.tell("response.image_generation_call.generating", **place)
        for number, preview in enumerate(item.previews):
            fields = {"partial_image_index": number, "partial_image_b64": b64(preview)}
            kind = "response.image_generation_call.partial_image"
            stream.tell(kind, **place, **fields, size="1024x1024", output_format="png")
        stream.tell("response.image_generation_call.completed", **place)


def _output(item: Item, number: int) -> Json:
    match item:
        case Say(text=text):
            content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
            message = {"type": "message", "role": "assistant", "status": "completed"}
            return {"id": f"msg_{number}", **message, "content": content}
        case Call():
            call = {"type": "function_call", "status": "completed", "call_id": item.id}
            words = json.dumps(item.arguments)
            return {"id": f"fc_{number}", **call, "name": item.name, "arguments": words}
        case Draw():
            drawn = {"id": item.id, "type": "image_generation_call", "status": item.status}
            shape = {"background": "opaque", "output_format": "png", "quality": "low"}
            prompt = {"revised_prompt": item.revised_prompt, "size": "1024x1024"}
            return {**drawn, **shape, **prompt, "action": "generate", "result": b64(item.data)}
        case Fail():
            failed = {"id": item.id, "type": "image_generation_call", "status": "failed"}
            return {**failed, "result": None, **item.body}
        case Message():
            raise TypeError("only Chat Completions have messages")


def _response(body: Json, items: Sequence[Item], output: list[Json]) -> Json:
    count = sum(isinstance(item, Draw) for item in items)
    used = {
        name: value * count
        if isinstance(value, int)
        else {key: tokens * count for key, tokens in value.items()}
        for name, value in DRAWING.items()
    }
    tools = [
        {**tool, "model": tool.get("model") or "gpt-image-2"}
        if tool["type"] == "image_generation"
        else tool
        for tool in body.get("tools") or ()
    ]
    details = {
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1764500000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": tools,
        "top_p": 1.0,
        "usage": {**TOKENS, **details},
        "tool_usage": {"image_gen": used, "web_search": {"num_requests": 0}},
    }


def chat(body: Json, items: Sequence[Item], *, edits: bool) -> tuple[str, list[bytes]]:
    """A reply of Chat Completions; pictures stand in `message.images`, as LiteLLM has them."""
    calls = [
        {
            "index": index,
            "id": item.id,
            "type": "function",
            "function": {"name": item.name, "arguments": json.dumps(item.arguments)},
        }
        for index, item in enumerate(each for each in items if isinstance(each, Call))
    ]
    pictures = [
        {
            "index": index,
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{b64(item.data)}", "detail": "auto"},
        }
        for index, item in enumerate(each for each in items if isinstance(each, Draw))
    ]
    message: Json = {
        "role": "assistant",
        "content": "".join(item.text for item in items if isinstance(item, Say)) or None,
        "refusal": None,
    }
    message |= {"tool_calls": calls} if calls else {}
    message |= {"images": pictures} if pictures else {}
    own = [item.fields for item in items if isinstance(item, Message)]
    message |= own[0] if own else {}
    finish = "tool_calls" if calls else "stop"
    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
    head = {"id": "chatcmpl-1", "created": 1764500000, "model": body["model"]}
    if not body.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
        return JSON, [json.dumps(whole if own else said("chat.completion", whole)).encode()]
    return EVENTS, list(_chunks(body, head, message, finish, usage, judged=not own))


def _chunks(
    body: Json, head: Json, message: Json, finish: str, usage: Json, *, judged: bool
) -> Iterator[bytes]:
    tells_usage = (body.get("stream_options") or {}).get("include_usage")
    head = {**head, "object": "chat.completion.chunk"}
    deltas: list[tuple[Json, str | None]] = [(message, None), ({}, finish)]
    for delta, end in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": end, "logprobs": None}
        chunk = {**head, "choices": [choice]}
        chunk = said("chat.completion.chunk", chunk) if judged else chunk
        yield f"data: {json.dumps(chunk)}\n\n".encode()
    if tells_usage:
        yield f"data: {json.dumps({**head, 'choices': [], 'usage': usage})}\n\n".encode()
    yield b"data: [DONE]\n\n"
