"""A second, plain reading of a recorded reply: straight from its JSON, sharing nothing with the
decoders under test.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import PIL.Image

from agentkit.errors import (
    BadRequest,
    InsufficientCredits,
    ProtocolError,
    ProviderFailed,
    RateLimited,
    RunError,
    StreamInterrupted,
)
from tests.recorded.recordings import Recording

ERRORS: dict[object, type[RunError]] = {
    400: BadRequest,
    429: RateLimited,
    "insufficient_quota": InsufficientCredits,
}


@dataclass
class Plain:
    """What a reply says."""

    id: str | None = None
    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    """Id, name, parsed arguments."""
    pictures: list[str] = field(default_factory=list)
    """As they stand on the wire."""
    annotations: list[Any] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    finish: str | None = None
    error: type[RunError] | None = None
    words: str = ""
    """Of the error."""
    echo: list[Any] = field(default_factory=list)
    """What the next request has to hold of it: reasoning details, or output items."""
    also: list[Any] = field(default_factory=list)
    """Output items as `output_item.done` had them: ids and encrypted reasoning may be others in
    `response.completed`.
    """

    @property
    def cost(self) -> float | None:
        """What the user pays: with a key of their own, the provider's price on top of the fee."""
        cost, details = self.usage.get("cost"), self.usage.get("cost_details") or {}
        own = details.get("upstream_inference_cost") if self.usage.get("is_byok") else 0
        return None if cost is None else cost + own

    def numbers(self) -> dict[str, Any]:
        """The usage, under the names that agentkit gives."""
        usage = self.usage
        given = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
        made = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
        server = usage.get("server_tool_use_details") or {}
        return {
            "input_tokens": usage.get("prompt_tokens") or usage.get("input_tokens") or 0,
            "output_tokens": usage.get("completion_tokens") or usage.get("output_tokens") or 0,
            "cached_tokens": given.get("cached_tokens") or 0,
            "reasoning_tokens": made.get("reasoning_tokens") or 0,
            "image_tokens": made.get("image_tokens") or 0,
            "server_tool_calls": server.get("tool_calls_executed")
            or server.get("web_search_requests")
            or 0,
            "cost_usd": self.cost,
        }


def read(recording: Recording) -> Plain:
    documents = recording.documents
    plain = Plain()
    if recording.status >= 400:
        _fail(plain, documents[0]["error"], ERRORS.get(recording.status))
    elif recording.api == "chat":
        _chat(plain, documents, "delta" if recording.is_stream else "message")
    else:
        _responses(plain, documents)
    return plain


def bytes_of(value: str) -> bytes | None:
    """What this base64 holds, bare or in a data URL; None where it is none: cut in the middle, its
    publisher's dots inside.
    """
    try:
        return base64.b64decode(
            value.partition(",")[2] if value.startswith("data:") else value, validate=True
        )
    except binascii.Error:
        return None


def picture(value: str) -> bytes | None:
    """The bytes of a whole picture; None where its publisher cut it."""
    data = bytes_of(value)
    try:
        with PIL.Image.open(BytesIO(data or b"")) as opened:
            opened.load()
    except (OSError, SyntaxError):
        return None
    return data


def _fail(plain: Plain, error: dict[str, Any], kind: type[RunError] | None) -> None:
    plain.error = kind or ProviderFailed
    plain.words = error.get("message", "")


def _chat(plain: Plain, documents: list[Any], holder: str) -> None:
    plain.id = documents[0].get("id")
    calls: dict[int, dict[str, str]] = {}
    for document in documents:
        plain.usage = document.get("usage") or plain.usage
        for choice in document.get("choices", ()):
            _message(plain, choice.get(holder, {}), calls)
            plain.finish = choice.get("finish_reason") or plain.finish
        if error := document.get("error"):
            _fail(plain, error, ERRORS.get(error["code"]))
    if plain.finish == "error" and plain.error is None:
        plain.error, plain.words = (
            ProviderFailed,
            documents[-1]["choices"][0]["native_finish_reason"],
        )
    plain.calls = [
        (call["id"], call["name"], json.loads(call["arguments"] or "{}"))
        for _, call in sorted(calls.items())
    ]


def _message(plain: Plain, message: dict[str, Any], calls: dict[int, dict[str, str]]) -> None:
    plain.text += message.get("content") or ""
    plain.reasoning += message.get("reasoning") or message.get("reasoning_content") or ""
    plain.pictures += [entry["image_url"]["url"] for entry in message.get("images", ())]
    plain.annotations += message.get("annotations") or []
    for detail in message.get("reasoning_details") or ():
        same = [
            each
            for each in plain.echo
            if each.get("index") == detail.get("index") and each["type"] == detail["type"]
        ]
        if same:
            joined = {
                name: same[0].get(name, "") + detail[name]
                for name in ("text", "summary")
                if detail.get(name)
            }
            same[0].update(
                {name: value for name, value in detail.items() if value is not None} | joined
            )
        else:
            plain.echo.append(dict(detail))
    for number, call in enumerate(message.get("tool_calls") or ()):
        known = calls.setdefault(call.get("index", number), {"id": "", "name": "", "arguments": ""})
        known["id"] = known["id"] or call.get("id") or ""
        known["name"] = known["name"] or call["function"].get("name") or ""
        known["arguments"] += call["function"].get("arguments") or ""


def _responses(plain: Plain, documents: list[Any]) -> None:
    result: dict[str, Any] = documents[0]
    for event in documents:
        match event.get("type"):
            case "response.output_item.done":
                plain.also.append(event["item"])
            case "response.completed" | "response.incomplete" | "response.failed":
                result = event["response"]
            case "error":
                _fail(plain, event["error"], ERRORS.get(event["error"]["code"]))
    result = result.get("response", result)
    plain.id = result["id"]
    plain.usage = result.get("usage") or {}
    plain.finish = result.get("status", "completed")
    plain.echo = result.get("output") or plain.also
    if plain.error is None and plain.finish not in {"completed", "incomplete"}:
        plain.error = StreamInterrupted if len(documents) > 1 else ProtocolError
    said: list[str] = []
    for item in plain.echo:
        match item["type"]:
            case "message":
                said.append("".join(part.get("text", "") for part in item["content"]))
                plain.annotations += [
                    each for part in item["content"] for each in part.get("annotations", ())
                ]
            case "reasoning":
                plain.reasoning += "".join(
                    part["text"] for part in item.get("content") or ()
                ) or "\n\n".join(part["text"] for part in item.get("summary") or ())
            case "function_call":
                plain.calls.append(
                    (item["call_id"], item["name"], json.loads(item["arguments"] or "{}"))
                )
            case "image_generation_call":
                plain.pictures.append(item["result"])
    plain.text = "\n\n".join(each for each in said if each)
