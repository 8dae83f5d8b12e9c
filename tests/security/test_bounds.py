"""Replies without an end: stopped within the limit of time and a second, in the limit of memory and
64 MB.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentkit.openrouter.response import MAX_BODY
from agentkit.wire.size import MAX_HELD
from agentkit.wire.sse import MAX_LINE
from tests.clock import GUARD
from tests.security.peer import Script, http, peering, start
from tests.security.pictures import SIGNATURE, header, whole

MB = 1 << 20
SPARE_MEGABYTES = 64
SECONDS = 3.0
SLOW = 40.0
"""What is not stopped goes on to the time-outs, which are a minute."""

WELL = {
    "id": "gen-1",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Well."}}
    ],
}
WELL_RESPONSES = {
    "id": "resp-1", "status": "completed", "object": "response",
    "output": [{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "Well.", "annotations": []}]}],
}  # fmt: skip
PICTURE = base64.b64encode((SIGNATURE + header(2_000, 2_000) + bytes(300))[:300])


def endless(
    head: bytes, block: bytes, *, pause: float = 0.0, most: int = 1 << 40, tail: bytes = b""
) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """`head`, then `block` again and again, until `most` bytes are sent, or nobody listens."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        sent = 0
        while sent < most:
            writer.write(block)
            await writer.drain()
            sent += len(block)
            if pause:
                await asyncio.sleep(pause)
        writer.write(tail)
        await writer.drain()

    return script


def blocks(piece: bytes) -> bytes:
    return piece * max(1, MB // len(piece))


EVENT = b'data: {"id":"gen-1","choices":[{"index":0,"delta":{"content":"'
JSON_START = b'{"id":"gen-1","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"'
IMAGE_START = b'{"id":"gen-1","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Well.","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,'
IMAGE_END = b'"}}]}}]}'
RECORDS = (
    b'data: {"id":"g","choices":[{"index":0,"delta":{"annotations":['
    + b'{"a":1},' * 30
    + b"{}]}}]}\n\n"
) * 1000
CALLS = b"".join(
    b'data: {"id":"g","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"%d","function":{"name":"x"}}]}}]}\n\n'
    % number
    for number in range(10_000)
)


@dataclass(frozen=True)
class Endless:
    """What the server does, and what is kept of it at most, in megabytes."""

    script: Script
    stream: bool
    megabytes: int
    told: str


LINE, BODY = MAX_LINE // MB, MAX_BODY // MB
HELD = MAX_HELD // MB
STREAM, JSON = start(), start("application/json")
ATTACKS = {
    "a line of 100 MB": Endless(endless(STREAM + EVENT, blocks(b"x"), most=100 * MB, tail=b'"}}]}\n\n'), True, LINE, "a line of the stream is longer"),
    "a line without an end": Endless(endless(STREAM + EVENT, blocks(b"x")), True, LINE, "a line of the stream is longer"),
    "a line of backslashes": Endless(endless(STREAM + EVENT, blocks(b"\\\\")), True, LINE, "a line of the stream is longer"),
    "a line of quotes": Endless(endless(STREAM + EVENT, blocks(b'","')), True, LINE, "a line of the stream is longer"),
    "a comment without an end": Endless(endless(STREAM + b": ", blocks(b"x")), True, LINE, "a line of the stream is longer"),
    "comments without an end": Endless(endless(STREAM, blocks(b": OPENROUTER PROCESSING\n\n")), True, LINE, "longer than|limit of"),
    "a comment now and then": Endless(endless(STREAM, b": OPENROUTER PROCESSING\n\n", pause=0.05), True, 0, "limit of 3 seconds"),
    "one byte now and then": Endless(endless(STREAM, b":", pause=0.2), True, 0, "limit of 3 seconds"),
    "one byte of a body now and then": Endless(endless(JSON, b" ", pause=0.2), False, 0, "limit of 3 seconds"),
    "one byte of the head now and then": Endless(endless(b"HTTP/1.1 200 X\r\nx-a: ", b"x", pause=0.2), False, 0, "limit of 3 seconds"),
    "a head without an end": Endless(endless(b"HTTP/1.1 200 X\r\n", blocks(b"x-a: " + b"b" * 999 + b"\r\n")), False, 8, "broke|time-out|header|Header"),
    "empty lines without an end": Endless(endless(STREAM, blocks(b"\n")), True, LINE, "bytes of nothing|limit of"),
    "empty events without an end": Endless(endless(STREAM, blocks(b"data:\n\n")), True, LINE, "no JSON object|longer than|limit of|events"),
    "events of nothing without an end": Endless(endless(STREAM, blocks(b"data: {}\n\n")), True, LINE, "longer than|too large|limit of|events"),
    "one event of data lines without an end": Endless(endless(STREAM, blocks(b"data: ab\n")), True, LINE, "longer than|limit of"),
    "names of fields without an end": Endless(endless(STREAM, blocks(b"id: 1\nevent: a\nretry: 9\n")), True, LINE, "longer than|limit of"),
    "a body without an end": Endless(endless(JSON + JSON_START, blocks(b"x")), False, BODY, "longer than"),
    "a body of blanks": Endless(endless(JSON, blocks(b" ")), False, BODY, "bytes of nothing"),
    "500 MB of base64 in a body": Endless(endless(JSON + IMAGE_START + PICTURE, blocks(b"AAAA"), most=500 * MB, tail=IMAGE_END), False, 0, "too large|limit of|ended before|no answer"),
    "500 MB of base64 in a stream": Endless(endless(STREAM + b"data: " + IMAGE_START.replace(b"message", b"delta") + PICTURE, blocks(b"AAAA"), most=500 * MB, tail=IMAGE_END + b"\n\ndata: [DONE]\n\n"), True, 0, "too large|limit of|ended before"),
    "base64 without an end": Endless(endless(JSON + IMAGE_START + PICTURE, blocks(b"AAAA")), False, 0, "limit of 3 seconds"),
    "base64 of nothing but white space": Endless(endless(JSON + IMAGE_START + PICTURE, blocks(b"\\n")), False, 0, "limit of 3 seconds|too large"),
    "500 MB of base64 of no picture": Endless(endless(JSON + IMAGE_START, blocks(b"AAAA"), most=500 * MB, tail=IMAGE_END), False, BODY, "longer than"),
    "pictures without an end": Endless(endless(STREAM, b"data: " + IMAGE_START.replace(b"message", b"delta") + base64.b64encode(whole("PNG", (100, 100))) + IMAGE_END + b"\n\n", pause=0.01), True, 0, "limit of 3 seconds"),
    "an error body without an end": Endless(endless(b"HTTP/1.1 500 X\r\nconnection: close\r\n\r\n", blocks(b"x")), False, 1, "HTTP 500"),
    "an error body of one byte now and then": Endless(endless(b"HTTP/1.1 400 X\r\nconnection: close\r\n\r\n", b"x", pause=0.2), False, 1, "HTTP 400|limit of 3 seconds"),
    "a body of nothing but lists": Endless(endless(JSON + b'{"id":"gen-1","choices":[', blocks(b"[],"), most=14 * MB, tail=b"1]}"), False, BODY, "more than 500000 values"),
    "a body of strings": Endless(endless(JSON + b'{"id":"gen-1","choices":[', blocks(b'"ab",'), most=14 * MB, tail=b"1]}"), False, BODY, "more than 500000 values"),
    "a body of words": Endless(endless(JSON + JSON_START, blocks(b"word "), most=14 * MB, tail=b'"}}]}'), False, BODY, "too large|completed|holds no answer"),
    "records without an end": Endless(endless(STREAM, RECORDS), True, HELD, "too large|limit of"),
    "large records without an end": Endless(endless(STREAM, b'data: {"id":"g","choices":[{"index":0,"delta":{"annotations":[' + b'{"a":1},' * 30_000 + b"{}]}}]}\n\n"), True, HELD, "too large|limit of"),
    "calls without an end": Endless(endless(STREAM, CALLS), True, HELD, "too large|limit of"),
    "words without an end": Endless(endless(STREAM, EVENT + b"word " * 10_000 + b'"}}]}\n\n'), True, HELD, "too large|limit of"),
    "an answer that packs 1 GB": Endless(b"", False, BODY, "longer than|cannot|broke"),
}  # fmt: skip


def packed() -> bytes:
    deflate = zlib.compressobj(9, wbits=31)
    body = b"".join(
        [
            deflate.compress(JSON_START),
            *(deflate.compress(b"x" * MB) for _ in range(400)),
            deflate.flush(),
        ]
    )
    return http(body, content_encoding="gzip")


async def attacked(script: Script, api: str, *, stream: bool) -> dict[str, Any]:
    well = WELL if api == "chat" else WELL_RESPONSES
    first = http(json.dumps(well).encode())
    async with peering(first, script) as peer:
        command = [
            "-m",
            "tests.security.bounded",
            peer.origin,
            api,
            "stream" if stream else "whole",
            str(SECONDS),
        ]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        out, err = await asyncio.wait_for(process.communicate(), GUARD)
        assert process.returncode == 0, err.decode()[-2000:]
        return json.loads(out)


#: One of each limit: of a picture, of what is kept, of a line, of time. Each starts a process.
QUICK = {
    ("500 MB of base64 in a body", "chat"),
    ("records without an end", "responses"),
    ("a line of 100 MB", "chat"),
    ("one byte now and then", "chat"),
}


#: The pictures' events are those of chat; what a dialect does not know, it passes over.
CASES = [
    (name, api)
    for name in ATTACKS
    for api in ("chat", "responses")
    if (name, api) != ("pictures without an end", "responses")
]


@pytest.mark.parametrize(
    ("name", "api"),
    [case if case in QUICK else pytest.param(*case, marks=pytest.mark.slow) for case in CASES],
)
async def test_what_never_ends_is_stopped(
    name: str, api: str, record_property: Callable[[str, object], None]
) -> None:
    attack = ATTACKS[name]
    came = await attacked(attack.script or packed(), api, stream=attack.stream)
    record_property("came", came)
    print(f"{name}, {api}: {came}")
    assert came["seconds"] <= SLOW
    assert came["megabytes"] <= attack.megabytes + SPARE_MEGABYTES
    assert re.search(attack.told, came["told"])
