"""The output items of the Responses API: one while it arrives, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from agentkit.values import Invocation, Reasoning, Text, ToolCall
from agentkit.wire.common import IMAGE_ITEMS, IMAGE_PARTS, citations, picture_of_part, reasoning_of
from agentkit.wire.json import (
    SurrogateJoiner,
    as_object,
    as_objects,
    as_text,
    join_surrogates,
    write,
)
from agentkit.wire.parts import standard_part
from agentkit.wire.server_calls import (
    is_output,
    refs_of,
    result_of,
    text_without_base64,
    without_base64,
)
from agentkit.wire.tool_calls import for_history
from agentkit.wire.types import ImageKey, ImageRef, JsonObject, NewFilter, ReplyPart, WordFilter

GAP = "\n\n"
PLAIN = {"message", "reasoning", "function_call"}
"""Types of items that are no server tool's."""
_FILE = "container_file_citation"


@dataclass(slots=True)
class Item:
    """One output item while it arrives."""

    item: JsonObject = field(default_factory=dict[str, Any])
    done: bool = False
    """Whether the item came as a whole; before that, only its deltas have come."""
    type: str = ""
    words: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    arguments: list[str] = field(default_factory=list[str])
    joiner: SurrogateJoiner = field(default_factory=SurrogateJoiner)
    filter: WordFilter | None = None
    """Takes the pictures out of its words, as soon as some came."""
    number: int = 0
    """Which of its texts the latest words belong to."""
    id: str = ""
    """The id of the item, as the latest event says."""
    part: object = None
    """The summary part to which the latest words of its reasoning belong."""
    call_id: str = ""
    """The first id that the call had: some providers rotate the ids."""

    def take(self, item: JsonObject) -> None:
        """Take the item as an event has it."""
        self.item, self.type = item, as_text(item.get("type")) or ""

    @property
    def is_call(self) -> bool:
        return self.type == "function_call"

    def rest(self) -> str:
        """The end of its words, which was held back."""
        rest = self.joiner.rest()
        return rest if self.filter is None else self.filter.more(rest) + self.filter.rest()

    def think(self, words: str, part: object) -> str:
        """Take words of the reasoning, of this summary part. Returns them as they are told: a part
        stands a blank line after the one before it, as in the whole item."""
        if self.reasoning and part != self.part:
            words = GAP + words
        self.part = part
        self.reasoning.append(words)
        return words

    def call(self) -> tuple[str, str, str]:
        """Id, name and arguments of a `function_call`."""
        arguments: object = self.item.get("arguments") if self.done else None
        if isinstance(arguments, dict):
            arguments = write(cast("object", arguments)).decode()
        elif not isinstance(arguments, str) or not arguments:
            arguments = "".join(self.arguments)
        call_id = as_text(self.item.get("call_id")) or as_text(self.item.get("id")) or ""
        name = as_text(self.item.get("name")) or ""
        return call_id, name, join_surrogates(arguments)


class Content:
    """The content of a reply, gathered from its items in their order."""

    def __init__(self) -> None:
        self.parts: list[ReplyPart] = []
        self.server: list[Invocation] = []
        self.refusal = ""
        self._raw: list[tuple[str, bytes]] = []
        """The type and the JSON of each item that is echoed."""
        self._spoke = False
        self._outputs: dict[str, str | None] = {}

    def add_call(self, call: ToolCall, known: Item) -> None:
        self.parts.append(call)
        arguments = for_history(call.arguments)
        item = {**known.item, "call_id": call.id, "arguments": arguments}
        self._raw.append((known.type, write(item)))

    def add_plain(self, index: int, known: Item) -> None:
        """A message or reasoning; one that did not come to its end gives its words, no echo."""
        if known.type == "reasoning":
            whole = reasoning_of(known.item) if known.done else ""
            if words := whole or "".join(known.reasoning):
                self.parts.append(Reasoning(words))
        else:
            spoken = message_parts(index, known)
            self.parts += _after_gap(spoken) if self._spoke else spoken
            self._spoke = self._spoke or any(isinstance(part, Text) for part in spoken)
            self.refusal += _refusal_of(known.item)
        self._echo(known)

    def add_server_item(
        self, known: Item, images: Sequence[ImageRef], invocation: Invocation | None
    ) -> None:
        if invocation is not None:
            self.server.append(invocation)
        elif is_output(known.type):
            self._outputs[as_text(known.item.get("call_id")) or ""] = result_of(known.item)
        self.parts += images
        self._echo(known)

    def calls(self) -> list[Invocation]:
        """The calls of server tools, with what items of their own say that they gave."""
        return [
            replace(each, status="completed", error=None, result=self._outputs[each.id])
            if each.id in self._outputs and each.status != "failed"
            else each
            for each in self.server
        ]

    def _echo(self, known: Item) -> None:
        if known.done:
            self._raw.append((known.type, write(known.item)))

    def echo(self) -> tuple[bytes, ...]:
        """The items to echo. Reasoning at their end goes: without the item that follows it, it is
        refused.
        """
        raw = list(self._raw)
        while raw and raw[-1][0] == "reasoning":
            raw.pop()
        return tuple([data for _, data in raw])


def message_parts(index: int, known: Item) -> list[ReplyPart]:
    """Words and pictures of a message item; where it never came as a whole, the words that were
    streamed.
    """
    content = as_objects(known.item.get("content")) if known.done else []
    if not content:
        if rest := known.rest():
            known.words.append(rest)
        words = "".join(known.words)
        return [Text(words)] if words else []
    parts: list[ReplyPart] = []
    for number, part in enumerate(content):
        text = part.get("text")
        if as_text(part.get("type")) in IMAGE_PARTS:
            if values := picture_of_part(part):
                parts.append(ImageRef(ImageKey("content", f"{index}:{number}"), "content", values))
        elif isinstance(text, str) and text:
            annotations = citations(part.get("annotations"))
            parts.append(Text(join_surrogates(text), annotations))
            cited = [each for each in annotations if each.get("type") == _FILE]
            parts += refs_of(cited, ImageKey("content", f"{index}:{number}"), "content")
        else:
            parts += refs_of(part, ImageKey("content", f"{index}:{number}"), "content")
    return parts


def _after_gap(parts: list[ReplyPart]) -> list[ReplyPart]:
    """The parts of a further message, its first words after a blank line."""
    for index, part in enumerate(parts):
        if isinstance(part, Text):
            after = replace(part, text=GAP + part.text)
            return [*parts[:index], after, *parts[index + 1 :]]
    return parts


def text_of(item: JsonObject) -> str:
    """The words of a message item."""
    content = item.get("content")
    return join_surrogates(content) if isinstance(content, str) else _joined(item, "text")


def filtered(item: JsonObject, new_filter: NewFilter) -> JsonObject:
    """An item with the pictures taken out of its words, or of what a tool gave."""
    kind = as_text(item.get("type")) or ""
    if kind in IMAGE_ITEMS or (kind in PLAIN and kind != "message"):
        return item
    if kind != "message":
        return without_base64(item, new_filter)
    content = item.get("content")
    if isinstance(content, str):
        return {**item, "content": text_without_base64(content, new_filter)}
    if not isinstance(content, list | dict):
        return item
    given = cast("list[Any]", [content] if isinstance(content, dict) else content)
    parts = [_filtered(_as_part(part), new_filter) for part in given]
    return {**item, "content": parts}


def _as_part(part: object) -> JsonObject:
    """A part of a message; words alone are one, too."""
    if isinstance(part, str):
        return {"type": "output_text", "text": part, "annotations": []}
    return as_object(part)


def _filtered(part: JsonObject, new_filter: NewFilter) -> JsonObject:
    if isinstance(text := part.get("text"), str):
        return {**part, "text": text_without_base64(text, new_filter)}
    return standard_part(part, new_filter, "output_image")


def _refusal_of(item: JsonObject) -> str:
    """The words with which a message item refuses."""
    return _joined(item, "refusal")


def _joined(item: JsonObject, name: str) -> str:
    texts = [part.get(name) for part in as_objects(item.get("content"))]
    return "".join([join_surrogates(text) for text in texts if isinstance(text, str)])
