"""The output items of the Responses API: one while it arrives, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

from agentkit.values import Invocation, Reasoning, Text, ToolCall
from agentkit.wire.common import IMAGE_PARTS, citations, picture_of_part, reasoning_of
from agentkit.wire.inline import may_hold
from agentkit.wire.json import (
    SurrogateJoiner,
    as_object,
    as_objects,
    as_text,
    join_surrogates,
    write,
)
from agentkit.wire.tool_calls import for_history
from agentkit.wire.types import ImageKey, ImageRef, JsonObject, NewFilter, ReplyPart, WordFilter

GAP = "\n\n"
PLAIN = {"message", "reasoning", "function_call"}
"""Types of items that are no server tool's."""


@dataclass(slots=True)
class Item:
    """One output item while it arrives."""

    item: JsonObject = field(default_factory=dict[str, Any])
    done: bool = False
    """Whether the item came as a whole; before that, only its deltas have come."""
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

    @property
    def type(self) -> str:
        return as_text(self.item.get("type")) or ""

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
        arguments = self.item.get("arguments") if self.done else None
        if not isinstance(arguments, str):
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
        self, known: Item, image: ImageRef | None, invocation: Invocation | None
    ) -> None:
        if invocation is not None:
            self.server.append(invocation)
        if image is not None:
            self.parts.append(image)
        self._echo(known)

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
    """A message item with the pictures taken out of its words."""
    content = item.get("content")
    if item.get("type") != "message":
        return item
    if isinstance(content, str):
        return {**item, "content": _filtered(content, new_filter)}
    if not isinstance(content, list):
        return item
    parts = [
        {**part, "text": _filtered(text, new_filter)}
        if isinstance(text := as_object(part).get("text"), str)
        else part
        for part in cast("list[Any]", content)
    ]
    return {**item, "content": parts}


def _filtered(text: str, new_filter: NewFilter) -> str:
    if not may_hold(text):
        return text
    words = new_filter()
    return words.more(text) + words.rest()


def _refusal_of(item: JsonObject) -> str:
    """The words with which a message item refuses."""
    return _joined(item, "refusal")


def _joined(item: JsonObject, name: str) -> str:
    texts = [part.get(name) for part in as_objects(item.get("content"))]
    return "".join([join_surrogates(text) for text in texts if isinstance(text, str)])
