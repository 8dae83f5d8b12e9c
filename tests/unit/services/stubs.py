"""Servers that speak OpenAI's API and are not OpenRouter, written from what others publish.

`OpenAI` refuses a body with a field that its SDK does not declare, tells no cost, tells the usage
of a chat stream only where it is asked for, and ends no stream of Responses with `[DONE]`. `Local`
is like llama.cpp's server: it drops what it does not know, and needs no key.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)

from tests.unit.openrouter.peer import Line, Request, chunk, reply, serving, stream
from tests.unit.services.shapes import problems

JSON = dict[str, Any]
USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200,
         "prompt_tokens_details": {"cached_tokens": 400, "audio_tokens": 0},
         "completion_tokens_details": {"reasoning_tokens": 50, "audio_tokens": 0,
                                       "accepted_prediction_tokens": 0,
                                       "rejected_prediction_tokens": 0}}  # fmt: skip
RESPONSES_USAGE = {"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200,
                   "input_tokens_details": {"cached_tokens": 400},
                   "output_tokens_details": {"reasoning_tokens": 50}}  # fmt: skip
MODELS = {"object": "list", "data": [
    {"id": "gpt-5.2", "object": "model", "created": 1754073306, "owned_by": "system"}]}  # fmt: skip


@dataclass
class Said:
    """What the model says: words, or one call."""

    text: str = ""
    call: tuple[str, str] | None = None
    images: tuple[str, ...] = ()
    """Data URLs, as LiteLLM gives those of a model that draws by itself."""


@dataclass
class Stub:
    """A server and what it was asked."""

    url: str = ""
    bodies: list[JSON] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    models: Any = field(default_factory=lambda: MODELS)
    gone: str = ""
    """A model that there is not."""
    more_usage: JSON = field(default_factory=dict[str, Any])
    """What its usage tells beside the standard fields."""

    def judge(self, path: str, body: JSON) -> list[str]:  # noqa: ARG002 - another server may
        """What is wrong with this body, for this server."""
        return []

    def says(self, body: JSON) -> Said:
        """A call of the first function, once; then JSON if a schema is given; else words."""
        turns: list[JSON] = body.get("messages") or body.get("input") or []
        tools: list[JSON] = [each for each in body.get("tools", []) if each["type"] == "function"]
        called = any(each.get("role") == "tool" or each.get("type") == "function_call_output" for each in turns)  # fmt: skip
        if tools and not called:
            name = tools[0].get("name") or tools[0]["function"]["name"]
            return Said(call=(name, '{"city":"Oslo"}'))
        if body.get("response_format") or body.get("text"):
            return Said('{"city":"Oslo","celsius":3}')
        return Said("It snows in Oslo.")

    async def serve(self, line: Line) -> None:
        while True:
            request = await line.request()
            self.lines.append(" ".join(request.line.split()[:2]))
            self.keys += request.values("authorization")
            await self.answer(line, request)

    async def answer(self, line: Line, request: Request) -> None:
        method, path = request.line.split()[:2]
        path = path.removeprefix("/api/v1")
        if (method, path.partition("?")[0]) == ("GET", "/models"):
            await line.send(reply(json.dumps(self.models).encode()))
            return
        if method != "POST" or path not in ("/chat/completions", "/responses"):
            await line.send(_error(404, f"Invalid URL ({method} {path})", None))
            return
        body: JSON = json.loads(request.body)
        self.bodies.append(body)
        if wrong := self.judge(path, body):
            await line.send(_error(400, wrong[0], "unknown_parameter"))
            return
        if body["model"] == self.gone:
            words = f"The model `{self.gone}` does not exist or you do not have access to it."
            await line.send(_error(404, words, "model_not_found"))
            return
        said, more = self.says(body), self.more_usage
        events = (
            chat_events(said, body, more)
            if path == "/chat/completions"
            else response_events(said, more)
        )
        if not body.get("stream"):
            whole = (
                chat_whole(said, more)
                if path == "/chat/completions"
                else response_whole(said, more)
            )
            await line.send(reply(json.dumps(whole).encode()))
            return
        await line.send(stream(), *[chunk(each) for each in events], chunk(b""))


class OpenAI(Stub):
    """As OpenAI's: any field that it does not declare is a 400."""

    def judge(self, path: str, body: JSON) -> list[str]:
        if path == "/chat/completions":
            kind = CompletionCreateParamsStreaming if body.get("stream") else CompletionCreateParamsNonStreaming  # fmt: skip
        else:
            kind = ResponseCreateParamsStreaming if body.get("stream") else ResponseCreateParamsNonStreaming  # fmt: skip
        wrong = problems(body, kind)
        if "reasoning.encrypted_content" in body.get("include", []) and "gpt-4" in body["model"]:
            wrong.append("Encrypted content is not supported with this model.")
        if "max_tokens" in body:
            wrong.append("Unsupported parameter: 'max_tokens' is not supported with this model.")
        return wrong


class Local(Stub):
    """As llama.cpp's: what it does not know is dropped without a word."""


def _error(status: int, words: str, code: str | None) -> bytes:
    body = {"error": {"message": words, "type": "invalid_request_error", "param": None, "code": code}}  # fmt: skip
    return reply(json.dumps(body).encode(), status=f"{status} Refused")


def chat_whole(said: Said, more: JSON) -> JSON:
    """A `ChatCompletion`."""
    message: JSON = {"role": "assistant", "content": said.text or None, "refusal": None, "annotations": []}  # fmt: skip
    if said.images:
        message["images"] = [{"type": "image_url", "image_url": {"url": url}} for url in said.images]  # fmt: skip
    if said.call:
        message["tool_calls"] = [_call(said.call)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(said)}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5.2-2025-12-11",
            "choices": [choice], "usage": {**USAGE, **more}, "service_tier": "default", "system_fingerprint": None}  # fmt: skip


def _call(call: tuple[str, str]) -> JSON:
    return {"id": "call_1", "type": "function", "function": {"name": call[0], "arguments": call[1]}}


def _finish(said: Said) -> str:
    return "tool_calls" if said.call else "stop"


def chat_events(said: Said, body: JSON, more: JSON) -> Iterator[bytes]:
    """The `ChatCompletionChunk`s of a stream, as server-sent events."""
    options: JSON = body.get("stream_options") or {}
    usage: JSON = {"usage": None} if options.get("include_usage") else {}

    def event(choices: list[JSON], **more: Any) -> bytes:
        found = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
                 "model": "gpt-5.2-2025-12-11", "service_tier": "default", "system_fingerprint": None,
                 "choices": choices, **usage, **more}  # fmt: skip
        return b"data: " + json.dumps(found).encode() + b"\n\n"

    def delta(finish: str | None = None, **given: Any) -> JSON:
        return {"index": 0, "delta": given, "logprobs": None, "finish_reason": finish}

    yield event([delta(role="assistant", content="", refusal=None)])
    for word in said.text.split(" ") if said.text else ():
        yield event([delta(content=f"{word} " if not said.text.endswith(word) else word)])
    if said.images:
        yield event([delta(images=[{"type": "image_url", "image_url": {"url": url}} for url in said.images])])  # fmt: skip
    if said.call:
        yield event([delta(tool_calls=[{"index": 0, **_call((said.call[0], ""))}])])
        yield event([delta(tool_calls=[{"index": 0, "function": {"arguments": said.call[1]}}])])
    yield event([delta(_finish(said))])
    if usage:
        yield event([], usage={**USAGE, **more})
    yield b"data: [DONE]\n\n"


def response_whole(said: Said, more: JSON, status: str = "completed") -> JSON:
    """A `Response`."""
    output: list[JSON] = [{"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}]  # fmt: skip
    if said.call:
        output.append({"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": said.call[0],
                       "arguments": said.call[1], "status": "completed"})  # fmt: skip
    else:
        part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        output.append({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]})  # fmt: skip
    done = status == "completed"
    return {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "background": False,
            "error": None, "incomplete_details": None, "instructions": None, "max_output_tokens": None,
            "model": "gpt-5.2-2025-12-11", "output": output if done else [], "parallel_tool_calls": True,
            "previous_response_id": None, "store": True, "temperature": 1.0, "tool_choice": "auto",
            "tools": [], "top_p": 1.0, "truncation": "disabled", "metadata": {},
            "usage": {**RESPONSES_USAGE, **more} if done else None}  # fmt: skip


def response_events(said: Said, more: JSON) -> Iterator[bytes]:
    """The events of a stream of Responses; there is no `[DONE]`."""
    whole = response_whole(said, more)
    events: list[JSON] = []

    def add(kind: str, **given: Any) -> None:
        events.append({"type": kind, "sequence_number": len(events), **given})

    add("response.created", response=response_whole(said, more, "in_progress"))
    add("response.in_progress", response=response_whole(said, more, "in_progress"))
    for at, item in enumerate(whole["output"]):
        opened = {**item, "status": "in_progress"} if item["type"] != "reasoning" else item
        if item["type"] == "message":
            opened["content"] = []
        if item["type"] == "function_call":
            opened["arguments"] = ""
        add("response.output_item.added", output_index=at, item=opened)
        where = {"item_id": item["id"], "output_index": at}
        if item["type"] == "message":
            part = item["content"][0]
            add("response.content_part.added", **where, content_index=0, part={**part, "text": ""})
            for piece in (said.text[:5], said.text[5:]):
                add("response.output_text.delta", **where, content_index=0, delta=piece, logprobs=[], obfuscation="x9")  # fmt: skip
            add("response.output_text.done", **where, content_index=0, text=said.text, logprobs=[])
            add("response.content_part.done", **where, content_index=0, part=part)
        if item["type"] == "function_call":
            add("response.function_call_arguments.delta", **where, delta=item["arguments"])
            add("response.function_call_arguments.done", **where, arguments=item["arguments"], name=item["name"])  # fmt: skip
        add("response.output_item.done", output_index=at, item=item)
    add("response.completed", response=whole)
    for event in events:
        yield (
            f"event: {event['type']}\n".encode() + b"data: " + json.dumps(event).encode() + b"\n\n"
        )


@asynccontextmanager
async def running(stub: Stub) -> AsyncIterator[Stub]:
    """The stub, serving for the block."""
    async with serving(stub.serve) as peer:
        stub.url = peer.url
        yield stub
