"""The chunks of a chat stream, and the bytes that carry them.

They are those of the AI SDK's UI message stream (`x-vercel-ai-ui-message-stream: v1`), in the types
and fields that versions 6 and 7 of npm's `ai` both know: version 6.0 refuses a field that it does
not know, so nothing else is ever sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from agentkit.wire import json

Chunk = dict[str, Any]
"""One chunk, as JSON values: `type` says which."""

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "x-vercel-ai-ui-message-stream": "v1",
        "x-accel-buffering": "no",  # nginx would hold the words back
    }
)
"""The headers of a response that is such a stream."""
DONE = b"data: [DONE]\n\n"
"""The end of a stream."""
KEEP_ALIVE = b": still here\n\n"
"""A comment, which no client reads: a proxy closes a connection on which nothing moves."""

ANSWERED = "tool-approval-response"
"""What a person said to an approval request. Only version 7 knows it, so it is kept for the history
and never sent: the client that answered knows the answer.
"""


def sse(chunk: Chunk) -> bytes:
    """The chunk as a server-sent event. Lone surrogates become U+FFFD, and numbers that JSON does
    not have null.
    """
    return b"data: " + json.write(chunk) + b"\n\n"


def is_sent(chunk: Chunk) -> bool:
    """Whether the chunk goes to clients."""
    return chunk["type"] != ANSWERED


def sent(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Those of the chunks that go to clients."""
    return [chunk for chunk in chunks if is_sent(chunk)]


def start(message_id: str, metadata: Mapping[str, Any]) -> Chunk:
    """A message begins, or goes on if the client has one of this id."""
    return {"type": "start", "messageId": message_id, "messageMetadata": dict(metadata)}


def finish(reason: str) -> Chunk:
    """The message is whole."""
    return {"type": "finish", "finishReason": reason}


def data(name: str, identifier: str, value: Mapping[str, Any]) -> Chunk:
    """A part of our own: it takes the place of an earlier one with this id."""
    return {"type": f"data-{name}", "id": identifier, "data": dict(value)}


def delta(kind: str, identifier: str, words: str) -> Chunk:
    """More of a `text` or a `reasoning` part."""
    return {"type": f"{kind}-delta", "id": identifier, "delta": words}


def tool_input(call_id: str, name: str, arguments: object, *, is_server: bool) -> Chunk:
    """A tool is called with these arguments; told again, they replace the first ones."""
    return {
        "type": "tool-input-available",
        "toolCallId": call_id,
        "toolName": name,
        "input": arguments,
        "dynamic": True,
        **({"providerExecuted": True} if is_server else {}),
    }


def tool_output(call_id: str, output: object, *, is_server: bool) -> Chunk:
    """What a tool returned."""
    return {
        "type": "tool-output-available",
        "toolCallId": call_id,
        "output": output,
        "dynamic": True,
        **({"providerExecuted": True} if is_server else {}),
    }


def tool_error(call_id: str, words: str, *, is_server: bool) -> Chunk:
    """Why a tool gave no result."""
    return {
        "type": "tool-output-error",
        "toolCallId": call_id,
        "errorText": words,
        "dynamic": True,
        **({"providerExecuted": True} if is_server else {}),
    }


def tool_denied(call_id: str) -> Chunk:
    """A person said no to a call."""
    return {"type": "tool-output-denied", "toolCallId": call_id}


def approval_request(call_id: str, approval_id: str) -> Chunk:
    """A person has to decide on a call."""
    return {"type": "tool-approval-request", "approvalId": approval_id, "toolCallId": call_id}


def approval_answer(approval_id: str, reason: str | None, *, approved: bool) -> Chunk:
    """What the person decided; see `ANSWERED`."""
    chunk: Chunk = {"type": ANSWERED, "approvalId": approval_id, "approved": approved}
    return chunk if reason is None else {**chunk, "reason": reason}
