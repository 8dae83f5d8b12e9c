"""An earlier reply, sent to Chat Completions again."""

from __future__ import annotations

from collections.abc import Mapping

from agentkit.run.audience import Audience
from agentkit.run.history import MessageView
from agentkit.values import Message, Pieces
from agentkit.wire.echo import (
    RawItem,
    Sieve,
    in_words,
    is_touched,
    names_record,
    replace_value,
    stays_whole,
)
from agentkit.wire.json import as_object, as_objects, as_text
from agentkit.wire.reasoning import RECORD, Recipient, with_reasoning
from agentkit.wire.tool_calls import sent_name

_SAYS = ("content", "images", "tool_calls")


def echo(message: Message, view: MessageView, audience: Audience) -> tuple[Pieces, ...]:
    """The message as it came, but for what its audience cannot take. `images` and content parts
    lose what is hidden; the record of a server tool never carries the bytes of a picture: no model
    looks for one there."""
    recipient, ids = Recipient.of(message, audience), dict(view.calls.ids)
    items = message.raw
    if is_touched(message, recipient, ids):
        items = tuple([_chat_addressed(each, message, recipient, ids) for each in items])
    if not stays_whole(message, view.hidden) or _has_record(message):
        sieve = Sieve(view.hidden)
        items = tuple(_chat_item(pieces, sieve, message) for pieces in items)
    if message.text.strip() or message.calls:
        return items
    return tuple([_not_empty(pieces, message) for pieces in items])


def _chat_addressed(
    pieces: Pieces, message: Message, recipient: Recipient, ids: Mapping[str, str]
) -> Pieces:
    """The message with what of its reasoning goes, and with ids and names that are taken."""
    item = RawItem(pieces)
    changed = with_reasoning(item.value, message, recipient)
    for call in as_objects(item.value.get("tool_calls")):
        changed |= replace_value(call, "id", ids)
        function = as_object(call.get("function"))
        name = as_text(function.get("name")) or ""
        changed |= replace_value(function, "name", {name: sent_name(name)})
    for detail in as_objects(item.value.get("reasoning_details")):
        changed |= detail.get("type") != RECORD and replace_value(detail, "id", ids)
    item.kept = set(range(len(item.refs)))
    return item.pieces() if changed else pieces


def _not_empty(pieces: Pieces, message: Message) -> Pieces:
    """The item with words, if it has nothing else that a model reads. What a model refused with is
    its words: only some providers read it where it came."""
    item = RawItem(pieces)
    content = item.value.get("content")
    said = not isinstance(content, str) or content.strip()
    if (said and content) or any(item.value.get(name) for name in ("images", "tool_calls")):
        return pieces
    refusal = as_text(item.value.pop("refusal", None)) or ""
    item.value["content"] = refusal if refusal.strip() else in_words(message.images)
    item.kept = set(range(len(item.refs)))
    return item.pieces()


def _has_record(message: Message) -> bool:
    """Whether a picture might stand in the record of a server tool."""
    return any(len(item) > 1 and names_record(item) for item in message.raw)


def _chat_item(pieces: Pieces, sieve: Sieve, message: Message) -> Pieces:
    item = RawItem(pieces)
    if not item.refs:
        return pieces
    known: set[int] = set()
    for name in ("content", "images"):
        known.update(item.marks(item.value.get(name)))
        sieve.entries(item, name)
    for detail in as_objects(item.value.get("reasoning_details")):
        if detail.get("type") == RECORD:
            known.update(item.marks(detail))
    sieve.rest(item, known)
    if len(item.kept) == len(item.refs):
        return pieces
    if item.value.get("images") == []:
        del item.value["images"]
    if not any(item.value.get(name) for name in _SAYS):
        item.value["content"] = in_words(message.images)
    return item.pieces()
