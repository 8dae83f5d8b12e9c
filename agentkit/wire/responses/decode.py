"""The Responses API: from the wire to a reply. Items are gathered by `output_index`, since some
providers rotate their ids between events; `response.completed` may bring them all once more, and
adds only what was missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from agentkit.errors import APIError
from agentkit.values import Invocation, Reasoning, Text, ToolCall
from agentkit.wire import faults
from agentkit.wire.common import (
    IMAGE_ITEMS,
    IMAGE_PARTS,
    Repeats,
    citations,
    is_another,
    picture_of_part,
    picture_values,
    reasoning_of,
    server_item,
    uncounted,
    usage_of,
)
from agentkit.wire.json import (
    SurrogateJoiner,
    as_count,
    as_object,
    as_objects,
    as_text,
    join_surrogates,
    write,
)
from agentkit.wire.size import SizeLimit
from agentkit.wire.tool_calls import for_history, settle
from agentkit.wire.types import (
    IMAGE_GENERATION,
    ImageRef,
    JsonObject,
    Preview,
    Reply,
    ReplyPart,
    ServerCall,
    Signal,
    Words,
)

_GAP = "\n\n"
_MOST_TEXTS = 1000
"""Of one message, so that item and text make one number."""
_PLAIN = {"message", "reasoning", "function_call"}


@dataclass(slots=True)
class _Item:
    """One output item while it arrives."""

    item: JsonObject = field(default_factory=dict[str, Any])
    done: bool = False
    said: list[str] = field(default_factory=list[str])
    reasoned: list[str] = field(default_factory=list[str])
    arguments: list[str] = field(default_factory=list[str])
    joiner: SurrogateJoiner = field(default_factory=SurrogateJoiner)
    call_id: str = ""
    """As the item was first called: some providers rotate the ids."""

    @property
    def type(self) -> str:
        return as_text(self.item.get("type")) or ""


class ResponsesReply:
    """Gathers one reply; see `agentkit.wire.types.Decoder`. `server_tools` are the types that the
    request carried.
    """

    def __init__(self, server_tools: Sequence[str] = ()) -> None:
        self._tools = tuple(server_tools)
        self._draws = any(
            tool.removeprefix("openrouter:") == "image_generation" for tool in server_tools
        )
        self._held = SizeLimit()
        self._id: str | None = None
        self._model: str | None = None
        self._items: dict[int, _Item] = {}
        self._usage: JsonObject = {}
        self._status: str | None = None
        self._incomplete: str | None = None
        self._error: APIError | None = None
        self._repeats = Repeats()
        self._moved: dict[int, int] = {}
        self._free = 0

    @property
    def finished(self) -> bool:
        return self._error is not None or self._status in {
            "completed",
            "incomplete",
            "failed",
            "cancelled",
        }

    def whole(self, body: JsonObject) -> list[Signal]:
        self._held.value(body)
        signals = self._response(body)
        if not isinstance(body.get("output"), list):
            self._status = None
        elif body["output"] and self._status is None:
            self._status = "completed"  # recorded bodies leave it out
        return signals

    def feed(self, event: JsonObject) -> list[Signal]:
        if self._repeats.again(event):
            return []
        kind = as_text(event.get("type"))
        if kind == "response.output_text.delta":
            return self._more(event, "text")
        if kind in {"response.reasoning_text.delta", "response.reasoning_summary_text.delta"}:
            return self._more(event, "reasoning")
        self._held.value(event)
        return self._rare(kind, event)

    def _more(self, event: JsonObject, what: str) -> list[Signal]:
        item, delta = self._item(event), event.get("delta")
        if not isinstance(delta, str) or not (words := item.joiner.more(delta)):
            return []
        self._held.words(words)
        if what == "reasoning":
            item.reasoned.append(words)
            return [Words(words, "reasoning")]
        item.said.append(words)
        part = as_count(event.get("output_index")) * _MOST_TEXTS + as_count(
            event.get("content_index")
        )
        return [
            Words(words if len(item.said) > 1 else self._gap_before(item) + words, "text", part)
        ]

    def _gap_before(self, item: _Item) -> str:
        """A blank line where another message of this reply has spoken before: each is a message of
        its own.
        """
        return (
            _GAP
            if any(any(other.said) for other in self._items.values() if other is not item)
            else ""
        )

    def _rare(self, kind: str | None, event: JsonObject) -> list[Signal]:
        match kind:
            case "response.output_item.added":
                return self._added(event)
            case "response.output_item.done":
                item = as_object(event.get("item"))
                return self._done(self._place(as_count(event.get("output_index")), item), item)
            case "response.function_call_arguments.delta":
                self._item(event).arguments.append(str(event.get("delta") or ""))
            case "response.image_generation_call.partial_image":
                value = as_text(event.get("partial_image_b64"))
                key = f"item:{as_count(event.get('output_index'))}"
                return (
                    [Preview(key, as_count(event.get("partial_image_index")), value)]
                    if value
                    else []
                )
            case (
                "response.image_generation_call.in_progress"
                | "response.image_generation_call.generating"
            ):
                return self._phase(event, kind.rsplit(".", 1)[1])
            case "response.created" | "response.in_progress":
                return self._response(as_object(event.get("response")), final=False)
            case "response.completed" | "response.incomplete" | "response.failed":
                return self._response(as_object(event.get("response")))
            case _ if (error := faults.error_object(event.get("error"))) or kind in {
                "error",
                "response.error",
            }:
                self._error = faults.from_error(error or event, generation_id=self._id)
            case _:
                pass  # an event that is not known here says nothing that is needed
        return []

    def _item(self, event: JsonObject) -> _Item:
        index = as_count(event.get("output_index"))
        known = self._items.get(index)
        if known is None:  # not `setdefault`: an item costs more to make than a delta to read
            known = self._items[index] = _Item()
        return known

    def _added(self, event: JsonObject) -> list[Signal]:
        item = self._item(event)
        if not item.done:
            item.item = as_object(event.get("item"))
        if item.type in _PLAIN or not item.type or not self._is_call(item.type):
            return []
        return [
            ServerCall(
                self._server(as_count(event.get("output_index")), item, running=True)[0],
                "in_progress",
            )
        ]

    def _phase(self, event: JsonObject, phase: str) -> list[Signal]:
        item = self._item(event)
        if not self._is_call(item.type):
            return []
        return [
            ServerCall(
                self._server(as_count(event.get("output_index")), item, running=True)[0], phase
            )
        ]

    def _server(
        self, index: int, known: _Item, *, running: bool = False
    ) -> tuple[Invocation, ImageRef | None]:
        item = {**known.item, "status": "in_progress"} if running else known.item
        invocation, sighting = server_item(item, f"item:{index}", tracked=self._is_call(known.type))
        known.call_id = known.call_id or (
            invocation.id
            if invocation.id != f"item:{index}"
            else f"{(self._id or 'reply')[-12:]}_{index}"
        )
        if sighting is not None and sighting.invocation_id:
            sighting = replace(sighting, invocation_id=known.call_id)
        return replace(invocation, id=known.call_id), sighting

    def _is_call(self, kind: str) -> bool:
        """Whether an item of this type is a tool's call: a model that draws by itself gives image
        items too.
        """
        if kind in _PLAIN or (not kind.startswith("openrouter:") and not kind.endswith("_call")):
            return False  # a compaction, a list of tools: kept and echoed, but nothing was called
        return kind not in IMAGE_ITEMS or self._draws or kind == IMAGE_GENERATION

    def _done(self, index: int, item: JsonObject) -> list[Signal]:
        known = self._items.setdefault(index, _Item())
        if known.done and (picture_values(known.item) or not picture_values(item)):
            return []
        known.item, known.done = item, True
        signals: list[Signal] = []
        rest = known.joiner.rest()  # half a pair, where the words were cut inside it
        if known.type == "message" and not known.said:
            known.said.append(_text_of(item))
            part = index * _MOST_TEXTS
            signals += (
                [Words(self._gap_before(known) + known.said[0], "text", part)]
                if known.said[0]
                else []
            )
        elif known.type == "message" and rest:
            known.said.append(rest)
            last = max(0, len(as_objects(item.get("content"))) - 1)
            signals.append(Words(rest, "text", index * _MOST_TEXTS + last))
        if known.type == "reasoning" and not known.reasoned:
            known.reasoned.append(reasoning_of(item))
            signals += [Words(known.reasoned[0], "reasoning")] if known.reasoned[0] else []
        return signals + self._seen(index, known)

    def _seen(self, index: int, known: _Item) -> list[Signal]:
        """The server-tool call and the pictures of an item that is whole."""
        signals: list[Signal] = []
        if known.type == "message":
            signals += [part for part in _message_parts(index, known) if isinstance(part, ImageRef)]
        elif known.type and known.type not in _PLAIN:
            invocation, sighting = self._server(index, known)
            if self._is_call(known.type):
                signals.append(ServerCall(invocation))
            # What is still missing may come with `response.completed`.
            if sighting is not None and sighting.values:
                signals.append(sighting)
        return signals

    def _place(self, index: int, item: JsonObject) -> int:
        """Where an item that came whole belongs: some providers give all of them one index."""
        known = self._items.get(place := self._moved.get(index, index))
        if known is None or not known.done or not is_another(known.item, item):
            return place
        while self._free in self._items:
            self._free += 1
        self._moved[index] = self._free
        return self._free

    def _places(self, output: list[JsonObject]) -> list[int]:
        """Where the items of the whole response belong. Some providers leave items out of it, or
        give them in another order than they were streamed in: then the first of a type is the first
        of that type, and so on."""
        known = [
            self._items[index].type if index in self._items else "" for index in range(len(output))
        ]
        types = [as_text(item.get("type")) or "" for item in output]
        if all(before in {"", after} for before, after in zip(known, types, strict=True)):
            return list(range(len(output)))
        free = {
            kind: [index for index, item in sorted(self._items.items()) if item.type == kind]
            for kind in types
        }
        fresh = count(max(self._items) + 1)
        return [free[kind].pop(0) if free[kind] else next(fresh) for kind in types]

    def _response(self, response: JsonObject, *, final: bool = True) -> list[Signal]:
        self._id = self._id or as_text(response.get("id"))
        self._model = as_text(response.get("model")) or self._model
        if usage := as_object(response.get("usage")):
            self._usage = usage
        if error := faults.error_object(response.get("error")):
            error_type = (
                {"error_type": kind} if (kind := as_text(response.get("error_type"))) else {}
            )
            self._error = faults.from_error({**error_type, **error}, generation_id=self._id)
        if not final:
            return []
        signals: list[Signal] = []
        output = as_objects(response.get("output"))
        for index, item in zip(self._places(output), output, strict=True):
            signals += self._done(index, item)
        self._status = as_text(response.get("status")) or self._status
        self._incomplete = as_text(as_object(response.get("incomplete_details")).get("reason"))
        if self._status in {"failed", "cancelled"} and self._error is None:
            self._error = faults.bare(
                response.get("error_type") or f"status: {self._status}", self._id
            )
        return signals

    def reply(self) -> Reply:
        """What has come so far. Where the stream was cut, items that were not done give only their
        words.
        """
        parts: list[ReplyPart] = []
        raw: list[tuple[str, bytes]] = []
        server: list[Invocation] = []
        calls = self._settled()
        refusal, spoke = "", False
        for index, known in sorted(self._items.items()):
            if known.type in {"message", ""}:
                spoken = _message_parts(index, known)
                parts += _after_gap(spoken) if spoke else spoken
                spoke = spoke or any(isinstance(part, Text) for part in spoken)
                refusal += _refusal_of(known.item)
            elif known.type == "reasoning":
                parts += (
                    [Reasoning(words)]
                    if (words := "".join(known.reasoned) or reasoning_of(known.item))
                    else []
                )
            elif known.type == "function_call":
                parts += [calls[index]] if index in calls else []
            elif known.type and known.done:
                invocation, sighting = self._server(index, known)
                server += [invocation] if self._is_call(known.type) else []
                parts += [sighting] if sighting is not None else []
            if known.type == "function_call":
                raw += (
                    [(known.type, write(self._echoed(known.item, calls[index])))]
                    if index in calls
                    else []
                )
            elif known.done:
                raw.append((known.type, write(known.item)))
        while raw and raw[-1][0] == "reasoning":
            raw.pop()  # without the item that follows it, it is refused
        server += uncounted(self._usage, len(server), self._tools, (self._id or "reply")[-12:])
        finish = {"max_output_tokens": "length", "content_filter": "content_filter"}.get(
            self._incomplete or "", self._status
        )
        return Reply(
            id=self._id,
            model=self._model,
            parts=tuple(parts),
            raw=tuple(data for _, data in raw),
            server_calls=tuple(server),
            usage=usage_of(self._usage),
            finish=finish,
            refusal=refusal or (faults.filter_words() if finish == "content_filter" else None),
            error=self._error,
        )

    def _echoed(self, item: JsonObject, call: ToolCall) -> JsonObject:
        return {**item, "call_id": call.id, "arguments": for_history(call.arguments)}

    def _settled(self) -> dict[int, ToolCall]:
        found: list[tuple[int, tuple[str, str, str]]] = []
        for index, known in sorted(self._items.items()):
            if known.type == "function_call":
                whole_text = known.item.get("arguments") if known.done else None
                arguments = whole_text if isinstance(whole_text, str) else "".join(known.arguments)
                call_id = as_text(known.item.get("call_id")) or as_text(known.item.get("id")) or ""
                found.append(
                    (
                        index,
                        (
                            call_id,
                            as_text(known.item.get("name")) or "",
                            join_surrogates(arguments),
                        ),
                    )
                )
        cut = self._status != "completed"
        settled = settle([call for _, call in found], seed=(self._id or "reply")[-12:], cut=cut)
        by_call = iter(settled)
        result: dict[int, ToolCall] = {}
        seen: set[tuple[str, str, str]] = set()
        for index, call in found:  # `settle` leaves out a call that came twice under one id
            if call[0] and call in seen:
                continue
            seen.add(call)
            result[index] = next(by_call)
        return result


def _message_parts(index: int, known: _Item) -> list[ReplyPart]:
    """Words and pictures of a message item; where it never came whole, the words that were
    streamed.
    """
    content = as_objects(known.item.get("content")) if known.done else []
    if not content:
        if rest := known.joiner.rest():
            known.said.append(rest)
        words = "".join(known.said)
        return [Text(words)] if words else []
    parts: list[ReplyPart] = []
    for number, part in enumerate(content):
        if as_text(part.get("type")) in IMAGE_PARTS:
            if values := picture_of_part(part):
                parts.append(ImageRef(f"content:{index}:{number}", "content", values))
        elif isinstance(text := part.get("text"), str) and text:
            parts.append(Text(join_surrogates(text), citations(part.get("annotations"))))
    return parts


def _after_gap(parts: list[ReplyPart]) -> list[ReplyPart]:
    """The parts of a further message, its first words after a blank line."""
    for index, part in enumerate(parts):
        if isinstance(part, Text):
            return [*parts[:index], replace(part, text=_GAP + part.text), *parts[index + 1 :]]
    return parts


def _text_of(item: JsonObject) -> str:
    if isinstance(content := item.get("content"), str):
        return join_surrogates(content)
    return "".join(
        join_surrogates(text)
        for part in as_objects(content)
        if isinstance(text := part.get("text"), str)
    )


def _refusal_of(item: JsonObject) -> str:
    return "".join(
        join_surrogates(text)
        for part in as_objects(item.get("content"))
        if isinstance(text := part.get("refusal"), str)
    )
