"""The JSON bodies of requests, refused as they arrive where they are too large, and the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from agentkit.web.refusal import Refused
from agentkit.wire import json as wire_json

MOST_BYTES = 64 << 20
"""Of a body with messages: `useChat` sends attachments as data URLs, and all messages each time."""
MOST_SHORT_BYTES = 64 << 10
"""Of a body with a title, or a number."""
MOST_VALUES = 500_000
"""About how many values a body has at most: one that is made of nothing else holds up the loop, and
fills memory, 30 times its length. Counted are commas and brackets, those in words too.
"""
_DEEPEST = 64
_LARGE = 1 << 17
"""A body of more bytes is read in a thread: the event loop serves others meanwhile."""


async def read_object(request: Request, most: int) -> dict[str, Any]:
    """The JSON object in the body; an empty one where there is no body. Raises `Refused`."""
    data = await _read(request, most)
    if not data:
        return {}
    if len(data) > _LARGE:
        return await asyncio.to_thread(_parsed, data)
    return _parsed(data)


async def _read(request: Request, most: int) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and int(told[:20]) > most:
        raise _too_large(most)
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > most:
                raise _too_large(most)
            pieces.append(piece)
    except ClientDisconnect:
        raise Refused(400, "The request broke off.") from None
    return b"".join(pieces)


def _too_large(most: int) -> Refused:
    shown = f"{most >> 20} MiB" if most >= 1 << 20 else f"{most >> 10} KiB"
    refused = Refused(413, "The request is too large.")
    refused.refusal = replace(
        refused.refusal,
        accepted=f"a body of at most {shown}; pictures go to api/images first, files to api/files, "
        "and earlier messages need not be sent",
        headers=(("connection", "close"),),  # the rest of it is not read
    )
    return refused


def _parsed(data: bytes) -> dict[str, Any]:
    if sum(data.count(each) for each in (b",", b"[", b"{")) > MOST_VALUES:
        accepted = f"at most about {MOST_VALUES} values; earlier messages need not be sent"
        raise Refused(413, "The request has too many values.", accepted)
    try:
        value = json.loads(data, parse_constant=_no_number)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:  # bytes that are no UTF-8, too
        raise Refused(400, f"The body is no JSON: {_why(error)}", "a JSON object") from None
    if not isinstance(value, dict):
        raise Refused(400, "The body is JSON, and no object.", "a JSON object")
    found = cast("dict[str, Any]", value)
    if wire_json.exceeds_depth(found, _DEEPEST):
        raise _too_deep()
    return found


def _too_deep() -> Refused:
    return Refused(400, "The body is nested too deep.", f"JSON of at most {_DEEPEST} levels")


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no number that JSON has")


def _why(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8."
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}."
    return f"{error}."


def json_answer(value: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON object as an answer. What no JSON has in it (half a surrogate pair) is mended."""
    return Response(wire_json.write(value), status, media_type="application/json")
