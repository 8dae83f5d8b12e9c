"""A reply as a chat completion, buffered and streamed. Both are made from the same steps, so they
say the same.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentkit.emulator.ids import Ids
from agentkit.emulator.job import Job
from agentkit.emulator.script import (
    CallTool,
    Draw,
    Failure,
    Json,
    Place,
    Raw,
    Say,
    Think,
    UseServerTool,
)
from agentkit.emulator.wire.errors import ApiError
from agentkit.emulator.wire.image_places import link_text, places_of, reference
from agentkit.emulator.wire.request import IMAGE_TOOL
from agentkit.emulator.wire.sse import DONE, data, pieces

NATIVE_FINISH = {
    "stop": "completed",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "error": "MALFORMED_FUNCTION_CALL",
}
REASONING_FORMAT = {
    "OpenAI": "openai-responses-v1",
    "Anthropic": "anthropic-claude-v1",
    "Google AI Studio": "google-gemini-v1",
}


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    annotations: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields of the message that arrive whole; lists are appended to what is there."""

    value: Json


@dataclass(frozen=True, slots=True)
class ImageBlock:
    """An image as a part of the content, which makes a list of it."""

    part: Json


@dataclass(frozen=True, slots=True)
class ReasoningText:
    detail: Json


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    name: str
    arguments: str
    index: int


@dataclass(frozen=True, slots=True)
class WholeChunk:
    value: Json


Step = Text | Fields | ImageBlock | ReasoningText | Call | WholeChunk


class ChatEncoder:
    def __init__(self, job: Job, ids: Ids) -> None:
        self._job = job
        self._ids = ids
        self._details = 0
        self._calls = 0
        self._images = 0
        self._tail = ""  # the end of the text so far, to keep links and prose apart

    # What both forms are made of

    async def _all_steps(self) -> AsyncIterator[Step]:
        """What was read out of files, then the steps of the reply."""
        if self._job.read.annotations:
            yield Fields({"annotations": list(self._job.read.annotations)})
        async for step in self._steps():
            yield step

    async def _steps(self) -> AsyncIterator[Step]:
        for item in self._job.reply.content:
            match item:
                case Say():
                    yield Text(
                        self._prose(item.text), tuple(citation(note) for note in item.annotations)
                    )
                case Think():
                    for step in self._thought(item):
                        yield step
                case CallTool():
                    yield self._call(item)
                case Draw():
                    async for step in self._drawing(item):
                        yield step
                case UseServerTool():
                    self._job.used(item)
                case Raw():
                    if item.chat is not None:
                        yield Fields(dict(item.chat))
                    if item.chat_chunk is not None:
                        yield WholeChunk(dict(item.chat_chunk))

    def _prose(self, text: str) -> str:
        if self._tail == "link" and text and not text.startswith("\n"):
            text = f"\n\n{text}"
        self._tail = text[-1:] or self._tail
        self._job.wrote(text)
        return text

    def _link(self, text: str) -> Text:
        before = "\n\n" if self._tail not in ("", "\n") else ""
        self._tail = "link"
        self._job.wrote(before + text)
        return Text(before + text)

    def _thought(self, think: Think) -> list[Step]:
        self._job.thought(think.text)
        steps: list[Step] = []
        style = REASONING_FORMAT.get(self._job.model.provider, "unknown")
        if think.text or think.signature:
            kind = (
                "reasoning.summary" if think.encrypted and not think.signature else "reasoning.text"
            )
            detail: Json = {"type": kind, "format": style, "index": self._details}
            detail["summary" if kind == "reasoning.summary" else "text"] = think.text
            if think.signature:
                detail["signature"] = think.signature
            steps.append(ReasoningText(detail))
            self._details += 1
        if think.encrypted:
            hidden = {
                "type": "reasoning.encrypted",
                "data": think.encrypted,
                "format": style,
                "index": self._details,
            }
            steps.append(Fields({"reasoning_details": [{**hidden, "id": self._ids.new("rs_")}]}))
            self._details += 1
        return steps

    def _call(self, call: CallTool) -> Call:
        arguments = call.arguments_text()
        self._job.wrote(call.name + arguments)
        index, self._calls = self._calls, self._calls + 1
        return Call(
            call.id if call.id is not None else self._ids.new("call_"), call.name, arguments, index
        )

    async def _drawing(self, draw: Draw) -> AsyncIterator[Step]:
        picture = await self._job.picture(draw)
        for place in places_of(draw, "chat", native=self._job.native, preferred=self._job.places):
            if place == "server_tool_call":
                yield self._detail(draw, reference(draw, picture, link=True) if picture else None)
            elif picture is None:
                continue
            elif place in ("markdown", "bare_link"):
                yield self._link(link_text(draw, picture, place))
            elif place == "content_parts":
                url = reference(draw, picture, link=False)
                self._tail = ""
                yield ImageBlock({"type": "image_url", "image_url": {"url": url}})
            else:
                yield self._image(reference(draw, picture, link=False), place)

    def _image(self, url: str, place: Place) -> Fields:
        if place != "message_images":
            raise AssertionError(f"{place} has no form in chat")
        index, self._images = self._images, self._images + 1
        return Fields(
            {"images": [{"type": "image_url", "image_url": {"url": url}, "index": index}]}
        )

    def _detail(self, draw: Draw, url: str | None) -> Fields:
        if url is None:
            result = {"status": "error", "error": draw.error or "The image could not be generated"}
        else:
            result = {"status": "ok", "imageUrl": url}
            if draw.revised_prompt:
                result["revisedPrompt"] = draw.revised_prompt
        detail = {
            "type": "reasoning.server_tool_call",
            "tool_name": IMAGE_TOOL,
            "tool_call_id": self._ids.new("call_"),
            "arguments": json.dumps({"prompt": draw.prompt}, ensure_ascii=False),
            "result": json.dumps(result),
            "format": "unknown",
            "index": self._details,
        }
        self._details += 1
        return Fields({"reasoning_details": [detail]})

    def _finish(self) -> tuple[str | None, str | None]:
        reply = self._job.reply
        if reply.error is not None and reply.error.form in ("choice", "silent"):
            reason: str | None = "error"
        else:
            reason = reply.finish_reason or ("tool_calls" if self._calls else "stop")
        return reason, reply.native_finish_reason or NATIVE_FINISH.get(reason, reason)

    # Buffered

    async def result(self) -> Json:
        """The whole completion. Raises nothing: a failure inside a 200 is part of it."""
        error = self._job.reply.error
        if error is not None and error.form == "body":
            self._settle(None)
            return failure_body(error)
        message: Json = {"role": "assistant", "content": "", "refusal": None, "reasoning": None}
        blocks: list[Json] = []
        async for step in self._all_steps():
            _fold(message, blocks, step)
        if any(block["type"] != "text" for block in blocks):
            message["content"] = blocks
        else:
            message["content"] = "".join(block["text"] for block in blocks)
            if not blocks and "tool_calls" in message:
                message["content"] = None
        finish, native = self._finish()
        self._settle(finish)
        choice: Json = {
            "index": 0,
            "finish_reason": finish,
            "native_finish_reason": native,
            "logprobs": None,
            "message": message,
        }
        whole: Json = {**self._head("chat.completion"), "system_fingerprint": None}
        if error is not None and error.form in ("choice", "stream"):
            (choice if error.form == "choice" else whole)["error"] = error_object(error)
        return {**whole, "choices": [choice], "usage": self._job.usage()}

    # Streamed

    async def events(self) -> AsyncIterator[bytes]:
        """The stream's frames, down to `[DONE]`."""
        error = self._job.reply.error
        if error is not None and error.form == "body":
            self._settle(None)
            yield data(failure_body(error))
            yield DONE
            return
        async for step in self._all_steps():
            for delta in self._deltas(step):
                yield data(delta)
        if error is not None and error.form == "stream":
            finish: str | None = None
            frames = [
                {
                    **self._chunk({"content": ""}, None),
                    "error": error_object(error),
                    "usage": self._job.usage(),
                }
            ]
        else:
            finish, native = self._finish()
            last = self._chunk({"content": ""}, finish, native)
            if error is not None and error.form == "choice":
                last["choices"][0]["error"] = error_object(error)
            frames = [last, {**last, "usage": self._job.usage()}]
        self._settle(finish)
        for frame in frames:
            yield data(frame)
        yield DONE

    def _deltas(self, step: Step) -> list[Json]:
        size = self._job.reply.chunk or self._job.chunk
        match step:
            case Text(text=text, annotations=notes):
                deltas: list[Json] = [{"content": piece} for piece in pieces(text, size)]
                if notes:
                    deltas.append({"content": "", "annotations": list(notes)})
            case ReasoningText(detail=detail):
                deltas = _reasoning_deltas(detail, size)
            case Fields(value=value):
                deltas = [{"content": "", **value}]
            case ImageBlock(part=part):
                deltas = [{"content": [part]}]
            case Call():
                first = {"index": step.index, "id": step.id, "type": "function"}
                deltas = [_call_delta({**first, "function": {"name": step.name, "arguments": ""}})]
                for piece in pieces(step.arguments, size):
                    deltas.append(
                        _call_delta({"index": step.index, "function": {"arguments": piece}})
                    )
            case WholeChunk(value=value):
                return [value]
        return [self._chunk(delta, None) for delta in deltas]

    def _chunk(self, delta: Json, finish: str | None, native: str | None = None) -> Json:
        choice: Json = {
            "index": 0,
            "delta": {"role": "assistant", **delta},
            "finish_reason": finish,
            "native_finish_reason": native,
        }
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> Json:
        job = self._job
        head = {"id": job.id, "object": kind, "created": job.created, "model": job.model.id}
        return {**head, "provider": job.model.provider}

    def _settle(self, finish: str | None) -> None:
        self._job.settle(finish_reason=finish)


def _call_delta(call: Json) -> Json:
    return {"content": None, "tool_calls": [call]}


def _reasoning_deltas(detail: Json, size: int) -> list[Json]:
    """The text in fragments that share an index; the signature comes late, in a fragment of its
    own.
    """
    key = "summary" if detail["type"] == "reasoning.summary" else "text"
    base = {name: detail[name] for name in ("type", "format", "index")}
    deltas: list[Json] = [
        {"content": "", "reasoning": piece, "reasoning_details": [{**base, key: piece}]}
        for piece in pieces(detail[key], size)
    ]
    if "signature" in detail:
        late = (
            {**base, key: "", "signature": detail["signature"]}
            if not deltas
            else {**base, "signature": detail["signature"]}
        )
        deltas.append({"content": "", "reasoning_details": [late]})
    return deltas


def _fold(message: Json, blocks: list[Json], step: Step) -> None:
    match step:
        case Text(text=text, annotations=notes):
            if blocks and blocks[-1]["type"] == "text":
                blocks[-1]["text"] += text
            elif text:
                blocks.append({"type": "text", "text": text})
            if notes:
                message.setdefault("annotations", []).extend(notes)
        case ReasoningText(detail=detail):
            message["reasoning"] = (message["reasoning"] or "") + (
                detail.get("text") or detail.get("summary") or ""
            )
            message.setdefault("reasoning_details", []).append(detail)
        case Fields(value=value):
            for name, new in value.items():
                old = message.get(name)
                message[name] = (
                    [*old, *new] if isinstance(old, list) and isinstance(new, list) else new
                )
        case ImageBlock(part=part):
            blocks.append(part)
        case Call():
            function = {"name": step.name, "arguments": step.arguments}
            call = {"id": step.id, "type": "function", "index": step.index, "function": function}
            message.setdefault("tool_calls", []).append(call)
        case WholeChunk():
            return  # a chunk belongs to streams alone


def citation(note: Mapping[str, Any]) -> Json:
    return {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 0, **note}}


def error_object(error: Failure) -> Json:
    found: Json = {"code": error.code, "message": error.message}
    if error.error_type is not None or error.metadata is not None:
        found["metadata"] = {
            **({"error_type": error.error_type} if error.error_type else {}),
            **(error.metadata or {}),
        }
    return found


def failure_body(error: Failure) -> Json:
    return dict(error.body) if error.body is not None else {"error": error_object(error)}


def as_api_error(error: Failure) -> ApiError:
    """A failure by HTTP status as the answer that it is."""
    details = error_object(error).get("metadata")
    return ApiError(error.code, error.message, metadata=details)
