"""What the benchmark server answers: whole bodies and whole streams, built once, in both
dialects.
"""

from __future__ import annotations

import base64
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

CALLS = 4
"""Parallel tool calls in each round."""
CITIES = ("Oslo", "Bergen", "Tromsø", "Bodø")
WORDS = (
    "The rain has stopped, the harbour lies still, and over the hills the light turns slowly from grey to gold. "
    * 4
)
DELTA = "gold "
MODEL = "openai/gpt-5.2"
_CHAT_USAGE = {"prompt_tokens": 120, "completion_tokens": 80, "total_tokens": 200, "cost": 0.0021}
_RESPONSES_USAGE = {
    "input_tokens": 120,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 80,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 200,
    "cost": 0.0021,
}


def png(megabytes: int) -> bytes:
    """A true picture of about so many MiB: noise, stored without compression."""
    width, noise = 2048, random.Random(7)
    height = max(megabytes << 20, width * 3) // (width * 3)
    rows = b"".join(b"\0" + noise.randbytes(width * 3) for _ in range(height))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 0)),
        (b"IEND", b""),
    )
    framed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@cache
def _data_url(megabytes: int) -> str:
    return "data:image/png;base64," + base64.b64encode(png(megabytes)).decode()


def arguments(number: int, index: int) -> str:
    """Others in each round: agentkit ends a run that makes the same calls over and over."""
    return json.dumps({"city": CITIES[index], "days": number * CALLS + index + 1})


def _whole(value: object) -> bytes:
    body = json.dumps(value).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _stream(events: Iterable[object], *, done: bool) -> bytes:
    """Each event a chunk of its own, as providers send them."""
    datas = [f"data: {json.dumps(event)}\n\n".encode() for event in events] + (
        [b"data: [DONE]\n\n"] if done else []
    )
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(data), data) for data in datas)
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head + chunks + b"0\r\n\r\n"


def _completion(message: dict[str, Any], finish: str = "stop") -> bytes:
    choice = {"index": 0, "finish_reason": finish, "native_finish_reason": finish, "logprobs": None}
    shared = {
        "id": "gen-bench",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "provider": "OpenAI",
    }
    message = {"role": "assistant", "content": None, "refusal": None, **message}
    return _whole({**shared, "choices": [{**choice, "message": message}], "usage": _CHAT_USAGE})


def _chunks(deltas: Iterable[dict[str, Any]]) -> bytes:
    shared = {
        "id": "gen-bench",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "provider": "OpenAI",
    }

    def events() -> Iterable[object]:
        for delta in deltas:
            choice = {
                "index": 0,
                "delta": {"role": "assistant", "content": "", **delta},
                "finish_reason": None,
            }
            yield {**shared, "choices": [choice]}
        yield {
            **shared,
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            "usage": _CHAT_USAGE,
        }

    return _stream(events(), done=True)


def _response(items: list[dict[str, Any]], status: str = "completed") -> dict[str, Any]:
    return {
        "id": "gen-bench",
        "object": "response",
        "created_at": 1,
        "model": MODEL,
        "status": status,
        "output": items,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": _RESPONSES_USAGE if status == "completed" else None,
    }


def _message(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


@cache
def catalogue() -> bytes:
    """A catalogue of one model, which can do what is measured."""
    can = {"input_modalities": ["text", "image"], "output_modalities": ["text"]}
    model = {
        "id": MODEL,
        "name": MODEL,
        "architecture": can,
        "supported_parameters": ["tools", "tool_choice"],
    }
    return _whole({"data": [model]})


@cache
def picture(megabytes: int) -> bytes:
    """The picture itself, behind a URL."""
    data = png(megabytes)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def plain(api: str, _size: int) -> bytes:
    return (
        _completion({"content": WORDS}) if api == "chat" else _whole(_response([_message(WORDS)]))
    )


def round_of_calls(api: str, number: int) -> bytes:
    """The model asks for `CALLS` tools at once."""
    names = [f"call_{number}_{index}" for index in range(CALLS)]
    if api == "chat":
        calls = [
            {
                "id": name,
                "type": "function",
                "index": index,
                "function": {"name": "weather", "arguments": arguments(number, index)},
            }
            for index, name in enumerate(names)
        ]
        return _completion({"tool_calls": calls}, "tool_calls")
    called = {"type": "function_call", "status": "completed", "name": "weather"}
    return _whole(
        _response(
            [
                {
                    **called,
                    "id": f"fc_{name}",
                    "call_id": name,
                    "arguments": arguments(number, index),
                }
                for index, name in enumerate(names)
            ]
        )
    )


def deltas(api: str, count: int) -> bytes:
    if api == "chat":
        return _chunks({"content": DELTA} for _ in range(count))
    at = {"output_index": 0, "item_id": "msg_1"}
    empty = {**_message(""), "status": "in_progress", "content": []}
    said = _message(DELTA * count)
    text = {
        "type": "response.output_text.delta",
        **at,
        "content_index": 0,
        "delta": DELTA,
        "logprobs": [],
    }
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": _response([], "in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
        {
            "type": "response.content_part.added",
            **at,
            "content_index": 0,
            "part": {**said["content"][0], "text": ""},
        },
        *([text] * count),
        {
            "type": "response.output_text.done",
            **at,
            "content_index": 0,
            "text": DELTA * count,
            "logprobs": [],
        },
        {"type": "response.output_item.done", "output_index": 0, "item": said},
        {"type": "response.completed", "response": _response([said])},
    ]
    return _stream(
        ({**event, "sequence_number": number} for number, event in enumerate(events)), done=True
    )


def image(_api: str, megabytes: int) -> bytes:
    return _completion({"content": "", "images": [_picture(megabytes)]})


def image_stream(_api: str, megabytes: int) -> bytes:
    return _chunks([{"content": "Here it is."}, {"images": [_picture(megabytes)]}])


def drawn(_api: str, number: int) -> bytes:
    """A picture of a megabyte, another for each number, and words."""
    comment = b"tEXt" + f"n\0{number}".encode()
    chunk = struct.pack(">I", len(comment) - 4) + comment + struct.pack(">I", zlib.crc32(comment))
    whole = png(1)
    url = "data:image/png;base64," + base64.b64encode(whole[:-12] + chunk + whole[-12:]).decode()
    return _completion(
        {"content": WORDS, "images": [{"type": "image_url", "image_url": {"url": url}}]}
    )


def _picture(megabytes: int) -> dict[str, Any]:
    return {"type": "image_url", "index": 0, "image_url": {"url": _data_url(megabytes)}}


Maker = Callable[[str, int], bytes]
MAKERS: dict[str, Maker] = {
    "plain": plain,
    "slow": plain,
    "round": round_of_calls,
    "deltas": deltas,
    "image": image,
    "image-stream": image_stream,
    "drawn": drawn,
}


@cache
def reply(name: str, api: str, size: int) -> bytes:
    return MAKERS[name](api, size)
