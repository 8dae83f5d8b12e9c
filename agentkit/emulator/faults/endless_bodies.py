"""Bodies that do not end, or only after very much."""

import asyncio
from collections.abc import AsyncIterator

from agentkit.emulator.faults.values import Endless
from agentkit.emulator.wire.sse import COMMENT, DONE

PIECE = 65_536
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x04\0\0\0\x04\0\x08\x02\0\0\0"
_TEXT = {
    ("chat", True): (
        (b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"'),
        b'"}}]}\n\n',
    ),
    ("chat", False): (
        (
            b'{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant",'
            b'"content":"'
        ),
        b'"},"finish_reason":"stop"}]}',
    ),
    ("responses", True): (
        (
            b"data: "
            b'{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"'
        ),
        b'"}\n\n',
    ),
    ("responses", False): (
        (
            b'{"object":"response","status":"completed","output":[{"type":"message",'
            b'"id":"msg_endless","status":"completed","role":"assistant","content":'
            b'[{"type":"output_text","annotations":[],"text":"'
        ),
        b'"}]}]}',
    ),
    ("images", True): (
        (b'data: {"type":"image_generation.text_chunk","phase":"content","text":"'),
        b'"}\n\n',
    ),
    ("images", False): (b'{"created":0,"data":[],"note":"', b'"}'),
}
_IMAGE = {
    ("chat", True): (
        (
            b"data: "
            b'{"object":"chat.completion.chunk","choices":[{"index":0,'
            b'"delta":{"images":[{"type":"image_url","image_url":'
            b'{"url":"data:image/png;base64,'
        ),
        b'"}}]}}]}\n\n',
    ),
    ("chat", False): (
        (
            b'{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant",'
            b'"content":"","images":'
            b'[{"type":"image_url","image_url":{"url":"data:image/png;base64,'
        ),
        b'"}}]},"finish_reason":"stop"}]}',
    ),
    ("responses", True): (
        (
            b"data: "
            b'{"type":"response.output_item.done","output_index":0,'
            b'"item":{"type":"image_generation_call",'
            b'"status":"completed","result":"'
        ),
        b'"}}\n\n',
    ),
    ("responses", False): (
        (
            b'{"object":"response","status":"completed","output":[{"type":"image_generation_call",'
            b'"status":"completed","result":"'
        ),
        b'"}]}',
    ),
    ("images", True): (b'data: {"type":"image_generation.completed","b64_json":"', b'"}\n\n'),
    ("images", False): (b'{"created":0,"data":[{"b64_json":"', b'"}]}'),
}
_BASE64_OF_PNG = b"iVBORw0KGgoAAAANSUhEUgAABAAAAAQACAIAAADwf7zU"


async def endless(fault: Endless, api: str, *, stream: bool) -> AsyncIterator[bytes]:
    """The pieces of the body: each up to 64 KiB of a string, or one event."""
    head, filler, tail = _parts(fault, api, stream=stream)
    sent = 0
    if head:
        yield head
    while fault.bytes is None or sent < fault.bytes:
        piece = filler if fault.bytes is None else filler[: fault.bytes - sent]
        yield piece
        sent += len(piece)
        await asyncio.sleep(fault.pause)
    if tail:
        yield tail


def _parts(fault: Endless, api: str, *, stream: bool) -> tuple[bytes, bytes, bytes]:
    """What comes first, what is repeated, and what comes after it, if ever."""
    key = (api if api in ("chat", "responses", "images") else "chat", stream)
    end = DONE if stream else b""
    match fault.kind:
        case "bytes":
            return PNG, b"\0" * PIECE, b""
        case "base64":
            head, tail = _IMAGE[key]
            return head + _BASE64_OF_PNG, b"A" * PIECE, tail + end
        case "line":
            head, tail = _TEXT[key]
            return head, b"x" * PIECE, tail + end
        case "events" if stream:
            head, tail = _TEXT[key]
            return b"", head + b"again " + tail, end
        case "empty_events" if stream:
            return b"", b"data:\n\n", end
        case "comments" if stream:
            return b"", COMMENT, end
        case "events" | "empty_events" | "comments":
            return b"", b" \n", b"{}"
