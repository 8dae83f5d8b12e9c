"""A fault at work: what it makes of a request and of its reply."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request

from agentkit.emulator.faults.active_faults import RequestFacts, request_facts
from agentkit.emulator.faults.endless_bodies import PIECE, endless
from agentkit.emulator.faults.quirks import distort_events, distort_result
from agentkit.emulator.faults.values import BILLABLE, Body, Fault, Status
from agentkit.emulator.script import Json
from agentkit.emulator.server.connection import Connection
from agentkit.emulator.server.response import ConnectionCut, Outgoing
from agentkit.emulator.server.state import State
from agentkit.emulator.wire.sse import DONE, encode

JSON = "application/json"
EVENTS = "text/event-stream"
PROVIDER = "Emulated"
HTML = (
    b"<!DOCTYPE html><html><head><title>502 Bad "
    b"Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n"
)
MESSAGES = {
    400: "Invalid request",
    401: "User not found.",
    402: "Insufficient credits. Add more at https://openrouter.ai/credits",
    403: "Your input was flagged by the provider",
    404: "No endpoints found for this model",
    408: "Request timed out",
    409: "Conflict",
    413: "Payload too large",
    422: "Provider returned error",
    425: "Too early",
    429: "Provider returned error",
    500: "Internal Server Error",
    502: "Provider returned error",
    503: "No available model provider meets your routing requirements",
    504: "Gateway timeout",
    524: "A timeout occurred",
    529: "Provider is overloaded",
}
MODERATION = {
    "reasons": ["violence"],
    "flagged_input": "the prompt",
    "provider_name": PROVIDER,
    "model_slug": "emulated/model",
}


async def read_body(state: State, request: Request, api: str) -> bytes:
    """The body of a request. Raises `Cut` where a fault ends the connection while it comes."""
    strike = state.faults.choose(RequestFacts(api, request.url.path), at="request")
    fault = strike.fault.socket if strike is not None else None
    if strike is None or fault is None:
        return await request.body()
    connection: Connection = request.state.connection
    content = bytearray()
    pieces = request.stream()
    whole = False
    while not whole and len(content) < fault.byte:
        piece = await anext(pieces, b"")
        content += piece
        whole = not piece
    if fault.action == "stall":
        connection.pause_reading()
        state.faults.stalled()
        await (
            asyncio.sleep(fault.seconds) if fault.seconds is not None else asyncio.Event().wait()
        )
        connection.resume_reading()
        return bytes(content) + b"".join([piece async for piece in pieces])
    if api in BILLABLE:
        state.ledger.posts.receive(api, bytes(content), whole=whole, fault=strike.number)
    connection.deaf = True
    connection.hang_up(fault.action)
    raise ConnectionCut


async def answer_with_faults(
    state: State, request: Request, api: str, value: Any, answer: Callable[[], Awaitable[Outgoing]]
) -> Outgoing:
    """The response to a request, with what a fault makes of it; `answer` makes and bills the true
    one.
    """
    seen = request_facts(api, request.url.path, value)
    wanted = request.query_params.get("id") if api == "generation" else None
    strike = state.faults.choose(seen, generation=wanted)
    if strike is None:
        return await answer()
    fault = request.state.fault = strike.fault
    number: int | None = request.state.post
    if number is not None:
        state.ledger.posts.struck(number, strike.number)
    if fault.lookup is not None and fault.lookup.answer == "free":
        outgoing = await _free(state, wanted or "", answer)
    elif fault.lookup is not None:
        outgoing = error_response(Status(404 if fault.lookup.answer == "unknown" else 500), {})
        state.ledger.posts.looked_up(wanted or "", None)
    elif fault.status is not None and not fault.billed:
        outgoing = error_response(
            fault.status, _id_header(state, number) if fault.status.generation_id else {}
        )
    elif fault.billed is False:
        outgoing = Outgoing(200, JSON, b"{}")  # no byte of it gets out
    else:
        outgoing = await _distorted(fault, api, await answer(), stream=seen.stream)
    outgoing.fault = fault.socket
    return outgoing


async def _free(state: State, wanted: str, answer: Callable[[], Awaitable[Outgoing]]) -> Outgoing:
    """The record of a generation that never began; of one that did, the true one."""
    if state.ledger.generation(wanted) is not None:
        return await answer()
    state.ledger.posts.looked_up(wanted, 0.0)
    record = {
        "id": wanted,
        "total_cost": 0,
        "usage": 0,
        "is_byok": False,
        "cancelled": False,
        "finish_reason": "error",
    }
    return Outgoing(200, JSON, encode({"data": record}))


def _id_header(state: State, number: int | None) -> dict[str, str]:
    """The id of a generation that never began."""
    if number is None:
        return {}
    name = state.ids.generation()
    state.ledger.posts.named(number, name)
    return {"X-Generation-Id": name}


async def _distorted(fault: Fault, api: str, outgoing: Outgoing, *, stream: bool) -> Outgoing:
    if fault.billed:
        outgoing.body = await _whole(outgoing.body)
    if outgoing.status != 200:
        return outgoing
    known = {
        name: value for name, value in outgoing.headers.items() if name.lower() == "x-generation-id"
    }
    if fault.status is not None:
        return error_response(fault.status, known if fault.status.generation_id else {})
    if fault.endless is not None:
        await _whole(outgoing.body)
        streamed = stream and outgoing.content_type == EVENTS
        outgoing.body, outgoing.witness = endless(fault.endless, api, stream=streamed), None
        return outgoing
    if fault.quirks:
        await _quirky(fault.quirks, api, outgoing)
    if fault.body is not None:
        await _bad_body(fault.body, outgoing)
    return outgoing


async def _whole(body: bytes | AsyncIterator[bytes]) -> bytes | AsyncIterator[bytes]:
    """The body as it is, but made, and billed, to its end."""
    if isinstance(body, bytes):
        return body
    return _again([piece async for piece in body])


async def _again(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _quirky(quirks: tuple[str, ...], api: str, outgoing: Outgoing) -> None:
    if isinstance(outgoing.body, bytes):
        if outgoing.content_type == JSON:
            outgoing.body = distort_result(quirks, api, outgoing.body)
        return
    outgoing.body = _again(distort_events(quirks, api, [piece async for piece in outgoing.body]))


async def _bad_body(bad: Body, outgoing: Outgoing) -> None:
    pieces = (
        [outgoing.body]
        if isinstance(outgoing.body, bytes)
        else [piece async for piece in outgoing.body]
    )
    whole = b"".join(pieces)
    last = next((piece for piece in reversed(pieces) if piece not in (DONE, b"")), b"")
    if bad.kind != "wrong_type" or bad.text is not None:
        outgoing.witness = None
    bodies: dict[str, tuple[bytes, str]] = {
        "html": (HTML, "text/html"),
        "empty": (b"", outgoing.content_type),
        "cut_json": (
            whole[: len(whole) - len(last) // 2 - (len(DONE) if len(pieces) > 1 else 0)],
            outgoing.content_type,
        ),
        "not_json": (
            b"upstream connect error or disconnect/reset before headers",
            outgoing.content_type,
        ),
        "null": (b"null", JSON),
        "array": (b"[]", JSON),
        "wrong_type": (whole, "text/plain"),
        "unstreamed": (_unstreamed(last), JSON),
    }
    outgoing.body, outgoing.content_type = bodies[bad.kind]
    if bad.text is not None:
        outgoing.body = bad.text.encode("utf-8", "surrogatepass")
    if bad.content_type is not None:
        outgoing.content_type = bad.content_type


def _unstreamed(last: bytes) -> bytes:
    """What the last event of a stream holds, or a body that was whole anyway."""
    text = last.removeprefix(b"data: ").strip()
    try:
        value: Json = json.loads(text)
    except ValueError:
        return text
    return encode(value.get("response", value))


# HTTP errors


def error_response(status: Status, headers: Mapping[str, str]) -> Outgoing:
    """An error status with the body that goes with it."""
    extra: dict[str, str] = {}
    if status.retry_after is not None:
        extra["Retry-After"] = str(status.retry_after)
    if status.location is not None or status.code < 400:
        extra["Location"] = status.location or "https://elsewhere.example/api/v1"
    content = b"" if status.code == 304 else _content(status)
    kind = status.content_type or ("text/plain" if status.text is not None else JSON)
    body = _filled(content, status.fill) if status.fill else content
    return Outgoing(status.code, kind, body, {**headers, **extra, **status.headers})


def _content(status: Status) -> bytes:
    if status.text is not None:
        return status.text.encode("utf-8", "surrogatepass")
    if status.json is not None:
        return encode(dict(status.json))
    error: Json = {
        "message": status.message or MESSAGES.get(status.code, "Provider returned error"),
        "code": status.code,
    }
    metadata: dict[str, Any] = dict(status.metadata or {})
    if status.raw is not None:
        metadata |= {"raw": status.raw, "provider_name": PROVIDER}
    elif status.metadata is None and status.code == 403:
        metadata = dict(MODERATION)
    elif status.metadata is None and status.code in (422, 429, 502, 529):
        metadata = {"raw": f"the provider's own words for {status.code}", "provider_name": PROVIDER}
    if metadata:
        error["metadata"] = metadata
    if status.availability is not None:
        error["availability"] = dict(status.availability)
    return encode({"error": error, "user_id": "user_emulated"})


async def _filled(content: bytes, size: int) -> AsyncIterator[bytes]:
    """The body with a long string in front of its last brace, never held as a whole."""
    opened, closed = (
        (content[:-1] + b',"padding":"', b'"}') if content.endswith(b"}") else (content, b"")
    )
    yield opened
    for start in range(0, size, PIECE):
        yield b"x" * min(PIECE, size - start)
    yield closed
