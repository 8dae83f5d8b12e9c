"""A reply as a Responses result, buffered and streamed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from time import time
from typing import Any

from agentkit.emulator.ids import Ids
from agentkit.emulator.job import Job
from agentkit.emulator.script import (
    CallTool,
    Draw,
    Failure,
    Json,
    Raw,
    Say,
    Think,
    UseServerTool,
)
from agentkit.emulator.wire.chat import REASONING_FORMAT, failure_body
from agentkit.emulator.wire.image_places import (
    call_result,
    item_fields,
    link_text,
    previews_of,
    reference,
)
from agentkit.emulator.wire.output_parts import (
    MessagePart,
    OutputPart,
    PlacedPicture,
    joined_text,
    output_parts,
)
from agentkit.emulator.wire.request import IMAGE_TOOL
from agentkit.emulator.wire.sse import DONE, data, pieces
from agentkit.emulator.wire.tool_items import PLACES, begun, picture_item, tool_item

ERROR_CODES = {429: "rate_limit_exceeded", 400: "invalid_prompt"}
ERROR_TYPES = {
    429: "rate_limit_exceeded",
    400: "invalid_request",
    502: "provider_unavailable",
    529: "provider_overloaded",
}


class ResponsesEncoder:
    """`echo` are the fields of the request that a response repeats."""

    def __init__(self, job: Job, ids: Ids, echo: Mapping[str, Any]) -> None:
        self._job = job
        self._ids = ids
        self._echo = echo
        self._sequence = 0
        self._output: list[Json] = []

    # Buffered

    async def result(self) -> Json:
        """The whole response. Raises nothing: a failure inside a 200 is part of it."""
        error = self._job.reply.error
        if error is not None and error.form == "body":
            self._job.settle(finish_reason=None)
            return failure_body(error)
        for group in output_parts(self._job):
            async for _ in self._item(group):
                pass
        return self._closed()

    def _closed(self) -> Json:
        reply = self._job.reply
        called = any(isinstance(item, CallTool) for item in reply.content)
        finish = reply.finish_reason or ("tool_calls" if called else "stop")
        error = reply.error
        self._job.settle(finish_reason="error" if error else finish)
        status = (
            "failed"
            if error or finish == "error"
            else "incomplete"
            if finish in _INCOMPLETE
            else "completed"
        )
        closed = self._response(status)
        closed["output"] = self._output
        closed["output_text"] = "".join(_texts(self._output))
        closed["usage"] = self._job.usage()
        if status == "completed":
            closed["completed_at"] = int(time())
        if finish in _INCOMPLETE:
            closed["incomplete_details"] = {"reason": _INCOMPLETE[finish]}
        if error is not None and error.form != "silent":
            closed["error"] = {
                "code": ERROR_CODES.get(error.code, "server_error"),
                "message": error.message,
            }
            closed["error_type"] = error.error_type or ERROR_TYPES.get(error.code, "server")
        return closed

    def _response(self, status: str) -> Json:
        job = self._job
        return {
            "id": job.id,
            "object": "response",
            "created_at": job.created,
            "completed_at": None,
            "model": job.model.id,
            "status": status,
            "output": [],
            "output_text": "",
            "error": None,
            "incomplete_details": None,
            **self._echo,
        }

    # Streamed

    async def events(self) -> AsyncIterator[bytes]:
        """The stream's frames, down to `[DONE]`."""
        error = self._job.reply.error
        if error is not None and error.form == "body":
            self._job.settle(finish_reason=None)
            yield data(failure_body(error))
            yield DONE
            return
        for kind in ("created", "in_progress"):
            yield self._event(
                {"type": f"response.{kind}", "response": self._response("in_progress")}
            )
        for group in output_parts(self._job):
            async for event in self._item(group):
                yield self._event(event)
        closed = self._closed()
        yield self._event(self._last(error, closed))
        yield DONE

    def _last(self, error: Failure | None, closed: Json) -> Json:
        if error is None or error.event == "response.failed":
            return {"type": f"response.{closed['status']}", "response": closed}
        if error.event == "error":
            return {
                "type": "error",
                "code": str(error.code),
                "message": error.message,
                "param": None,
            }
        return {
            "type": "response.error",
            "error": {"code": str(error.code), "message": error.message},
        }

    def _event(self, event: Json) -> bytes:
        number, self._sequence = self._sequence, self._sequence + 1
        return data({**event, "sequence_number": number})

    # Items: the events of each, which leave the finished item in the output

    async def _item(self, group: OutputPart) -> AsyncIterator[Json]:
        index = len(self._output)
        match group:
            case MessagePart():
                stream = self._message_item(group, index)
            case PlacedPicture(place=place) if place in PLACES:
                stream = self._file_item(group, index)
            case PlacedPicture():
                stream = self._image_item(group, index)
            case Think():
                stream = self._reasoning_item(group, index)
            case CallTool():
                stream = self._call_item(group, index)
            case UseServerTool():
                stream = self._tool_item(group, index)
            case Raw():
                stream = self._raw_item(group, index)
        async for event in stream:
            yield event

    def _done(self, item: Json, index: int) -> Json:
        self._output.append(item)
        return {"type": "response.output_item.done", "output_index": index, "item": item}

    async def _message_item(self, group: MessagePart, index: int) -> AsyncIterator[Json]:
        item: Json = {"id": self._ids.new("msg_tmp_", 11), "type": "message", "role": "assistant"}
        yield _added({**item, "status": "in_progress", "content": []}, index)
        content: list[Json] = []
        text: list[Say] = []
        for piece in group.contents:
            if isinstance(piece, Say):
                text.append(piece)
                continue
            picture = await self._job.picture(piece.draw)
            if picture is None:
                continue
            if piece.place != "content_parts":
                text.append(Say(link_text(piece.draw, picture, piece.place), ({"link": True},)))
                continue
            for event in self._text_part(text, item["id"], index, content):
                yield event
            text = []
            part = {"type": "output_image", "image_url": reference(piece.draw, picture, link=False)}
            where = {
                "item_id": item["id"],
                "output_index": index,
                "content_index": len(content),
                "part": part,
            }
            yield {"type": "response.content_part.added", **where}
            yield {"type": "response.content_part.done", **where}
            content.append(part)
        for event in self._text_part(text, item["id"], index, content):
            yield event
        yield self._done({**item, "status": "completed", "content": content}, index)

    def _text_part(
        self, says: Sequence[Say], item_id: str, index: int, content: list[Json]
    ) -> list[Json]:
        if not says:
            return []
        text, notes = joined_text(says)
        self._job.wrote(text)
        where: Json = {"item_id": item_id, "output_index": index, "content_index": len(content)}
        part: Json = {"type": "output_text", "text": text, "annotations": notes}
        events: list[Json] = [
            {
                "type": "response.content_part.added",
                **where,
                "part": {**part, "text": "", "annotations": []},
            }
        ]
        events += [
            {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []}
            for piece in pieces(text, self._job.reply.chunk or self._job.chunk)
        ]
        for number, note in enumerate(notes):
            note_event = {"annotation_index": number, "annotation": note}
            events.append({"type": "response.output_text.annotation.added", **where, **note_event})
        events.append({"type": "response.output_text.done", **where, "text": text, "logprobs": []})
        events.append({"type": "response.content_part.done", **where, "part": part})
        content.append(part)
        return events

    async def _reasoning_item(self, think: Think, index: int) -> AsyncIterator[Json]:
        self._job.thought(think.text)
        item: Json = {"id": self._ids.new("rs_tmp_", 11), "type": "reasoning", "summary": []}
        yield _added(item, index)
        where: Json = {"item_id": item["id"], "output_index": index, "content_index": 0}
        done = {**item}
        if think.text:
            part = {"type": "reasoning_text", "text": think.text}
            yield {"type": "response.content_part.added", **where, "part": {**part, "text": ""}}
            for piece in pieces(think.text, self._job.reply.chunk or self._job.chunk):
                yield {"type": "response.reasoning_text.delta", **where, "delta": piece}
            yield {"type": "response.reasoning_text.done", **where, "text": think.text}
            yield {"type": "response.content_part.done", **where, "part": part}
            done["content"] = [part]
        if think.encrypted and self._job.encrypted_reasoning:
            done["encrypted_content"] = think.encrypted
        if think.signature:
            done["signature"] = think.signature
        done["format"] = REASONING_FORMAT.get(self._job.model.provider, "unknown")
        yield self._done(done, index)

    async def _call_item(self, call: CallTool, index: int) -> AsyncIterator[Json]:
        arguments = call.arguments_text()
        self._job.wrote(call.name + arguments)
        item: Json = {
            "id": self._ids.new("fc_tmp_", 11),
            "type": "function_call",
            "call_id": call.id if call.id is not None else self._ids.new("call_"),
            "name": call.name,
        }
        where: Json = {"item_id": item["id"], "output_index": index}
        yield _added({**item, "arguments": "", "status": "in_progress"}, index)
        for piece in pieces(arguments, self._job.reply.chunk or self._job.chunk):
            yield {"type": "response.function_call_arguments.delta", **where, "delta": piece}
        yield {
            "type": "response.function_call_arguments.done",
            **where,
            "name": call.name,
            "arguments": arguments,
        }
        yield self._done({**item, "arguments": arguments, "status": "completed"}, index)

    async def _image_item(self, shown: PlacedPicture, index: int) -> AsyncIterator[Json]:
        draw = shown.draw
        own = shown.place == "server_tool_item"
        kind = IMAGE_TOOL if own else "image_generation_call"
        item: Json = {"id": self._ids.new("ig_tmp_", 11), "type": kind}
        where: Json = {"item_id": item["id"], "output_index": index}
        pending = {
            **item,
            "status": "in_progress",
            **({"prompt": draw.prompt} if own else {"result": None}),
        }
        yield _added(pending, index)
        yield {"type": "response.image_generation_call.in_progress", **where}
        yield {"type": "response.image_generation_call.generating", **where}
        picture = await self._job.picture(draw)
        if picture is None:
            yield self._done({**pending, **_failed(draw, own=own)}, index)
            return
        for number, preview in enumerate(
            await self._job.preview_texts(draw, picture, previews_of(draw))
        ):
            partial = {"partial_image_index": number, "partial_image_b64": preview}
            yield {"type": "response.image_generation_call.partial_image", **where, **partial}
        yield {"type": "response.image_generation_call.completed", **where}
        done: Json = {**item, "status": "completed", "prompt": draw.prompt}
        if own:
            done |= {
                **item_fields(draw, picture),
                **({"revisedPrompt": draw.revised_prompt} if draw.revised_prompt else {}),
            }
        else:
            done |= {"result": call_result(draw, picture), "output_format": draw.format}
            if draw.revised_prompt:
                done["revised_prompt"] = draw.revised_prompt
        yield self._done(done, index)

    async def _tool_item(self, use: UseServerTool, index: int) -> AsyncIterator[Json]:
        self._job.used(use)
        item = tool_item(use, self._job, self._ids)
        yield _added(begun(item), index)
        yield self._done(item, index)

    async def _file_item(self, shown: PlacedPicture, index: int) -> AsyncIterator[Json]:
        """A picture that another tool than image generation made."""
        picture = await self._job.picture(shown.draw)
        item = picture_item(shown.draw, picture, shown.place, self._job, self._ids)
        yield _added(begun(_without_picture(item)), index)
        yield self._done(item, index)

    async def _raw_item(self, raw: Raw, index: int) -> AsyncIterator[Json]:
        if raw.responses_event is not None:
            yield dict(raw.responses_event)
        if raw.responses is not None:
            item = dict(raw.responses)
            yield _added(item, index)
            yield self._done(item, index)


_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def _added(item: Json, index: int) -> Json:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def _without_picture(item: Json) -> Json:
    """What of an item is known before its tool has run."""
    results = ("outputs", "output", "screenshotB64", "files", "error")
    return {name: value for name, value in item.items() if name not in results}


def _failed(draw: Draw, *, own: bool) -> Json:
    reason = draw.error or "The image could not be generated"
    return {"status": "incomplete" if own else "failed", "result": None, "error": reason}


def _texts(output: Sequence[Json]) -> list[str]:
    return [
        part["text"]
        for item in output
        if item["type"] == "message"
        for part in item["content"]
        if "text" in part
    ]
