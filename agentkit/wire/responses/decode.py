"""The Responses API: from the wire to a reply. Items are gathered by what `places` says that an
event is about; `response.completed` may bring them all once more, and adds only what was
missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from agentkit.errors import APIError
from agentkit.values import Text, ToolCall
from agentkit.wire import faults, shapes
from agentkit.wire.common import (
    IMAGE_ITEMS,
    Repeats,
    picture_values,
    reasoning_of,
    uncounted,
)
from agentkit.wire.json import as_count, as_object, as_objects, as_text
from agentkit.wire.responses.items import (
    GAP,
    PLAIN,
    Content,
    Item,
    filtered,
    message_parts,
    text_of,
)
from agentkit.wire.responses.places import Places
from agentkit.wire.server_calls import Called, is_call, server_item
from agentkit.wire.size import SizeLimit
from agentkit.wire.tool_calls import settle
from agentkit.wire.types import (
    IMAGE_GENERATION,
    ImageKey,
    ImageRef,
    JsonObject,
    NewFilter,
    Preview,
    Reply,
    ServerCall,
    Signal,
    Unfiltered,
    Words,
)
from agentkit.wire.usage import Bill

_MOST_TEXTS = 1000
"""Texts of one message, so that item and text make one number."""
_ENDED = {"completed", "incomplete", "failed", "cancelled"}
_REASONING = {"response.reasoning_text.delta", "response.reasoning_summary_text.delta"}


class ResponsesReply:
    """Gathers one reply; see `agentkit.wire.types.Decoder`. `server_tools` are the types that the
    request carried; `new_filter` makes what takes pictures out of the words.
    """

    def __init__(
        self, server_tools: Sequence[str] = (), new_filter: NewFilter = Unfiltered
    ) -> None:
        self._new_filter = new_filter
        self._tools = tuple(server_tools)
        self._draws = any(
            tool.removeprefix("openrouter:") == "image_generation" for tool in server_tools
        )
        self._limit = SizeLimit()
        self._id: str | None = None
        self._model: str | None = None
        self._places = Places()
        self._bill = Bill()
        self._status: str | None = None
        self.closed = False
        self._incomplete: str | None = None
        self._error: APIError | None = None
        self._repeats = Repeats()
        self._in_use: tuple[str, ...] | None = None
        self._drawn_by: str | None = None
        self._drawing = Bill()

    @property
    def finished(self) -> bool:
        return self._error is not None or self._status in _ENDED

    def whole(self, body: JsonObject) -> list[Signal]:
        self._limit.value(body)
        signals = self._response(body)
        if not isinstance(body.get("output"), list):
            self._status = None
        elif body["output"] and self._status is None:
            self._status = "completed"  # recorded bodies leave it out
        self.closed = self._status in _ENDED
        return signals

    def feed(self, event: JsonObject) -> list[Signal]:
        if self._repeats.again(event):
            return []
        if event.get("type") == "response.output_text.delta":  # as most are
            return self._more(event, "text")
        kind = as_text(event.get("type"))
        if kind in _REASONING:
            return self._more(event, "reasoning")
        self._limit.value(event)
        return self._rare(kind, event)

    def _more(self, event: JsonObject, what: Literal["text", "reasoning"]) -> list[Signal]:
        place = self._places.of(event)
        item, delta = self._places.items[place], event.get("delta")
        words = delta if isinstance(delta, str) else ""
        if item.joiner.held or not words.isascii():
            words = item.joiner.more(words)
        if what == "reasoning":
            self._limit.words(words)
            return [Words(item.think(words, event.get("summary_index")), what)] if words else []
        if item.filter is None:
            item.filter = self._new_filter()
        number = as_count(event.get("content_index"))
        if number == item.number:  # as almost always
            return self._said(place, number, item.filter.more(words))
        rest = self._said(place, item.number, item.filter.rest())
        item.number = number
        return rest + self._said(place, number, item.filter.more(words))

    def _said(self, place: int, number: int, words: str) -> list[Signal]:
        """Words of a message, in one of its texts."""
        if not words:
            return []
        self._limit.words(words)
        item = self._places.items[place]
        item.words.append(words)
        if len(item.words) == 1:
            words = self._gap_before(item) + words
        return [Words(words, "text", place * _MOST_TEXTS + number)]

    def _gap_before(self, item: Item) -> str:
        """A blank line where another message of this reply has spoken before: each is a message of
        its own.
        """
        others = [other for other in self._places.items.values() if other is not item]
        return GAP if any(any(other.words) for other in others) else ""

    def _rare(self, kind: str | None, event: JsonObject) -> list[Signal]:
        match kind:
            case "response.output_item.added":
                return self._added(event)
            case "response.output_item.done":
                item = filtered(as_object(event.get("item")), self._new_filter)
                return self._done(self._places.ended({**event, "item": item}), item)
            case "response.function_call_arguments.delta":
                self._item(event).arguments.append(str(event.get("delta") or ""))
            case "response.function_call_arguments.done" | "response.output_text.done":
                return self._told_whole(event)
            case "response.image_generation_call.partial_image":
                return _preview(event)
            case (
                "response.image_generation_call.in_progress"
                | "response.image_generation_call.generating"
            ):
                return self._phase(event, kind.rsplit(".", 1)[1])
            case "response.created" | "response.in_progress":
                return self._response(as_object(event.get("response")), final=False)
            case "response.completed" | "response.incomplete" | "response.failed":
                return self._response(as_object(event.get("response")))
            case _:
                self._take_error(kind, event)
        return []

    def _told_whole(self, event: JsonObject) -> list[Signal]:
        """The whole arguments of a call, or a whole text: news only where no delta told it."""
        item = self._item(event)
        arguments = as_text(event.get("arguments"))
        if arguments is not None and not item.arguments:
            item.arguments.append(arguments)
        if as_text(event.get("text")) is None or item.filter is not None or item.done:
            return []
        return self._more({**event, "delta": event["text"]}, "text")

    def _take_error(self, kind: str | None, event: JsonObject) -> None:
        """An event that is not known here says nothing that is needed, unless it has an error."""
        error = faults.error_object(event.get("error"))
        if error or kind in {"error", "response.error"}:
            self._error = faults.from_error(error or event, generation_id=self._id)

    def _item(self, event: JsonObject) -> Item:
        return self._places.items[self._places.of(event)]

    def _added(self, event: JsonObject) -> list[Signal]:
        place = self._places.started(event)
        item = self._places.items[place]
        if not item.done:
            item.take(as_object(event.get("item")))
        return self._phase_at(place, "in_progress")

    def _phase(self, event: JsonObject, phase: str) -> list[Signal]:
        """What a server tool is doing, while its call goes on."""
        return self._phase_at(self._places.of(event), phase)

    def _phase_at(self, place: int, phase: str) -> list[Signal]:
        item = self._places.items[place]
        if not self._is_call(item.type):
            return []
        invocation, _ = self._server(place, item, running=True)
        return [ServerCall(invocation, phase)]

    def _server(self, index: int, known: Item, *, running: bool = False) -> Called:
        key = ImageKey("item", str(index))
        invocation, images = server_item(known.item, key, tracked=self._is_call(known.type))
        if running:
            invocation = replace(invocation, status="running")
        if not known.call_id:
            has_id = invocation.id != str(key)
            known.call_id = invocation.id if has_id else f"{self._seed}_{index}"
        owned = [
            replace(image, invocation_id=known.call_id) if image.invocation_id else image
            for image in images
        ]
        return replace(invocation, id=known.call_id), tuple(owned)

    @property
    def _seed(self) -> str:
        """The end of the reply's id, from which ids are made for calls that have none."""
        return (self._id or "reply")[-12:]

    def _is_call(self, kind: str) -> bool:
        """Whether an item of this type is a tool's call: a model that draws by itself gives image
        items too.
        """
        if kind in PLAIN or not is_call(kind):
            return False  # a compaction, a list of tools: kept and echoed, but nothing was called
        return kind not in IMAGE_ITEMS or self._draws or kind == IMAGE_GENERATION

    def _done(self, index: int, item: JsonObject) -> list[Signal]:
        known = self._places.items[index]
        if known.done and (_has_pictures(known.item) or not _has_pictures(item)):
            return []
        known.take(item)
        known.done = True
        if known.is_call:
            return []
        signals: list[Signal] = []
        rest = known.rest()
        first_part = index * _MOST_TEXTS
        if known.type == "message" and not known.words:
            words = text_of(item)
            known.words.append(words)
            if words:
                signals.append(Words(self._gap_before(known) + words, "text", first_part))
        elif known.type == "message" and rest:
            known.words.append(rest)
            last = max(0, len(as_objects(item.get("content"))) - 1)
            signals.append(Words(rest, "text", first_part + last))
        elif known.type == "reasoning":
            told, words = "".join(known.reasoning), reasoning_of(item)
            if words != told and words.startswith(told):
                known.reasoning.append(words[len(told) :])
                signals.append(Words(words[len(told) :], "reasoning"))
        return signals + self._seen(index, known)

    def _seen(self, index: int, known: Item) -> list[Signal]:
        """The server-tool call and the pictures of an item that is complete."""
        if known.type == "message":
            parts = message_parts(index, known)
            return [part for part in parts if isinstance(part, ImageRef)]
        if not known.type or known.type in PLAIN:
            return []
        signals: list[Signal] = []
        invocation, images = self._server(index, known)
        if self._is_call(known.type):
            signals.append(ServerCall(invocation))
        # What is still missing may come with `response.completed`.
        return [*signals, *(image for image in images if image.values)]

    def _response(self, response: JsonObject, *, final: bool = True) -> list[Signal]:
        self._id = self._id or as_text(response.get("id"))
        self._model = as_text(response.get("model")) or self._model
        self._bill.add(response.get("usage"))
        self._tools_in_use(response)
        if error := faults.error_object(response.get("error")):
            if kind := as_text(response.get("error_type")):
                error = {"error_type": kind, **error}
            self._error = faults.from_error(error, generation_id=self._id)
        if not final:
            return []
        signals: list[Signal] = []
        output = [filtered(item, self._new_filter) for item in as_objects(response.get("output"))]
        for index, item in zip(self._places.of_all(output), output, strict=True):
            signals += self._done(index, item)
        self._status = as_text(response.get("status")) or self._status
        self.closed = self._status in _ENDED
        self._incomplete = as_text(as_object(response.get("incomplete_details")).get("reason"))
        if self._status in {"failed", "cancelled"} and self._error is None:
            reason = response.get("error_type") or f"status: {self._status}"
            self._error = faults.bare(reason, self._id)
        return signals

    def _tools_in_use(self, response: JsonObject) -> None:
        """What OpenAI says of the tools that run on its side: which there are, the model that
        draws, and the tokens of its pictures.
        """
        if isinstance(response.get("tools"), list):
            tools = as_objects(response["tools"])
            self._in_use = tuple([kind for each in tools if (kind := as_text(each.get("type")))])
            drawing = [each for each in tools if each.get("type") == "image_generation"]
            self._drawn_by = as_text(drawing[0].get("model")) if drawing else None
        self._drawing.add(as_object(response.get("tool_usage")).get("image_gen"))

    def reply(self) -> Reply:
        """What has come so far. Where the stream was cut, items that were not done give only their
        words.
        """
        calls = self._settled()
        content = Content()
        for index, known in self._places.ordered():
            if known.is_call:
                if index in calls:
                    content.add_call(calls[index], known)
            elif known.type in PLAIN or not known.type:
                content.add_plain(index, known)
            elif known.done:
                invocation, images = self._server(index, known)
                content.add_server_item(
                    known, images, invocation if self._is_call(known.type) else None
                )
        server = content.calls()
        server += uncounted(self._bill, len(server), self._tools, self._seed)
        finish = faults.finish_of(self._incomplete) if self._incomplete else self._status
        is_silent = not any(isinstance(part, Text | ImageRef | ToolCall) for part in content.parts)
        stopped = is_silent and faults.filtered(self._incomplete)
        if (finish == "content_filter" or stopped) and not content.refusal:
            content.refusal = faults.filter_words(self._incomplete)
        return Reply(
            id=self._id,
            model=self._model,
            parts=tuple(content.parts),
            raw=content.echo(),
            server_calls=tuple(server),
            usage=self._bill.usage(),
            tells_cache=self._bill.tells_cache,
            finish=finish,
            refusal=content.refusal or None,
            error=self._error,
            tools=self._in_use,
            drawn_by=self._drawn_by,
            drawing=drawing if (drawing := self._drawing.usage()).output_tokens else None,
        )

    def _settled(self) -> dict[int, ToolCall]:
        """The calls by the index of their item. `settle` leaves out a call that came twice under
        one id.
        """
        found = [(index, known.call()) for index, known in self._places.ordered() if known.is_call]
        cut = self._status != "completed"
        calls = iter(settle([call for _, call in found], seed=self._seed, cut=cut))
        result: dict[int, ToolCall] = {}
        seen: set[tuple[str, str, str]] = set()
        for index, call in found:
            if call[0] and call in seen:
                continue
            seen.add(call)
            result[index] = next(calls)
        return result


def _has_pictures(item: JsonObject) -> bool:
    return bool(picture_values(item)) or next(shapes.pictures(item), None) is not None


def _preview(event: JsonObject) -> list[Signal]:
    value = as_text(event.get("partial_image_b64"))
    if value is None:
        return []
    key = ImageKey("item", str(as_count(event.get("output_index"))))
    return [Preview(str(key), as_count(event.get("partial_image_index")), value)]
