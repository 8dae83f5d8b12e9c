"""The raw items of an earlier reply, sent again: with the reasoning that goes to whom is asked,
with ids and names that every provider takes, without the pictures that are hidden, and with each
picture once.

An item that loses nothing is sent byte for byte. A reply that consisted of a hidden picture says in
words that there was one: many providers refuse an empty message, and without any message the model
would think that it had not answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from typing import Any, cast

from agentkit.run.audience import Audience
from agentkit.run.history import MessageView
from agentkit.values import BlobRef, Image, Message, Pieces, replace
from agentkit.wire.body import HOLE, cut
from agentkit.wire.common import IMAGE_ITEMS
from agentkit.wire.json import as_object, as_objects, as_text, read_object, write
from agentkit.wire.reasoning import (
    RECORD,
    Recipient,
    is_sealed,
    reasoning_item,
    unsigned_item,
    with_reasoning,
)
from agentkit.wire.tool_calls import sent_name

_TOUCHED = re.compile(rb'"reasoning|"(?:text|content)":"(?:\s|\\[nrt])*"')
"""In JSON: reasoning, or words that are only white space."""
_MARK = re.compile(re.escape(HOLE) + "([0-9]+)")
_SAYS = ("content", "images", "tool_calls")
_NEED_ID = {
    "apply_patch_call",
    "code_interpreter_call",
    "file_search_call",
    "image_generation_call",
    "local_shell_call",
    "mcp_approval_request",
    "mcp_call",
    "mcp_list_tools",
    "openrouter:armor_blocked",
    "shell_call",
    "shell_call_output",
    "web_search_call",
}
"""Items that OpenRouter's specification does not take without their id."""
NO_ANSWER = "(no answer)"
"""The words for a reply that brought nothing, or only a picture that could not be downloaded."""


def in_words(images: list[Image] | tuple[Image, ...]) -> str:
    """The words of an assistant's message that had only pictures, or nothing."""
    if not images:
        return NO_ANSWER
    names = dict.fromkeys([image.name or "a picture" for image in images])
    verb = "are" if len(names) > 1 else "is"
    return f"Here {verb} {' and '.join(names)}."


class _Item:
    """A raw item as a value, with a mark where a picture's bytes go."""

    def __init__(self, pieces: Pieces) -> None:
        self.refs = [piece for piece in pieces if isinstance(piece, BlobRef)]
        self.value: dict[str, Any] = dict(read_object(_marked(pieces)))
        self.kept: set[int] = set()

    def marks(self, value: object) -> list[int]:
        """The pictures in a part of the item, as positions in `refs`."""
        if not self.refs:
            return []
        return [int(number) for number in _MARK.findall(write(value).decode())]

    def pieces(self) -> Pieces:
        """The item as it is now. A picture that is not kept is replaced by its digest."""
        text = _MARK.sub(self._mark_or_digest, write(self.value).decode())
        kept = {f"{HOLE}{index}".encode(): self.refs[index] for index in self.kept}
        return cut(text.encode(), kept)

    def _mark_or_digest(self, mark: re.Match[str]) -> str:
        index = int(mark[1])
        return mark[0] if index in self.kept else f"sha256:{self.refs[index].sha256}"


def _marked(pieces: Pieces) -> bytes:
    """The JSON text with a numbered mark for each picture."""
    numbers = count()
    return b"".join(
        [
            piece if isinstance(piece, bytes) else f"{HOLE}{next(numbers)}".encode()
            for piece in pieces
        ]
    )


class _Sieve:
    """Lets each picture pass once, and a hidden picture never."""

    def __init__(self, hidden: frozenset[str]) -> None:
        self._gone = set(hidden)

    def passes(self, item: _Item, value: object) -> bool:
        """Whether the value has no picture, or one that passes; then it is kept there."""
        marks = item.marks(value)
        for mark in marks:
            sha256 = item.refs[mark].sha256
            if sha256 not in self._gone:
                self._gone.add(sha256)
                item.kept.add(mark)
                return True
        return not marks

    def entries(self, item: _Item, name: str) -> None:
        """Reduce a list of parts in the item to those that pass."""
        entries = item.value.get(name)
        if isinstance(entries, list):
            parts = cast("list[object]", entries)
            item.value[name] = [each for each in parts if self.passes(item, each)]

    def rest(self, item: _Item, done: set[int]) -> None:
        """Let further pictures pass, in places that are not known here."""
        for mark, ref in enumerate(item.refs):
            if mark not in done and ref.sha256 not in self._gone:
                self._gone.add(ref.sha256)
                item.kept.add(mark)


def as_kept(pieces: Pieces) -> Pieces:
    """A raw item as a message keeps it: with the pictures that its echo will carry. The record of a
    server tool names its pictures by digest.
    """
    if len(pieces) == 1 or not _names_record(pieces):
        return pieces
    item = _Item(pieces)
    item.kept = set(range(len(item.refs)))
    for detail in as_objects(item.value.get("reasoning_details")):
        if detail.get("type") == RECORD:
            item.kept.difference_update(item.marks(detail))
    return item.pieces()


def _names_record(pieces: Pieces) -> bool:
    record = RECORD.encode()
    return any(record in piece for piece in pieces if isinstance(piece, bytes))


def _stays_whole(message: Message, hidden: frozenset[str]) -> bool:
    """Whether no picture has to go, which is so for almost every message."""
    digests = [piece.sha256 for item in message.raw for piece in item if isinstance(piece, BlobRef)]
    if not digests:
        return True
    return hidden.isdisjoint(digests) and len(set(digests)) == len(digests)


def chat(message: Message, view: MessageView, audience: Audience) -> tuple[Pieces, ...]:
    """The message as it came, but for what its audience cannot take. `images` and content parts
    lose what is hidden; the record of a server tool never carries the bytes of a picture: no model
    looks for one there."""
    recipient, ids = Recipient.of(message, audience), dict(view.calls.ids)
    items = message.raw
    if _is_touched(message, recipient, ids):
        items = tuple([_chat_addressed(each, message, recipient, ids) for each in items])
    if not _stays_whole(message, view.hidden) or _has_record(message):
        sieve = _Sieve(view.hidden)
        items = tuple(_chat_item(pieces, sieve, message) for pieces in items)
    if message.text.strip() or message.calls:
        return items
    return tuple([_not_empty(pieces, message) for pieces in items])


def _is_touched(message: Message, recipient: Recipient, ids: Mapping[str, str]) -> bool:
    """Whether there is reasoning or a blank text to look at, an id or a name to change, or a
    signature to add."""
    calls = message.calls
    return (
        bool(ids)
        or any(sent_name(call.name) != call.name for call in calls)
        or (bool(calls) and recipient.wants_signed_calls)
        or any(
            _TOUCHED.search(piece) is not None
            for item in message.raw
            for piece in item
            if isinstance(piece, bytes)
        )
    )


def _chat_addressed(
    pieces: Pieces, message: Message, recipient: Recipient, ids: Mapping[str, str]
) -> Pieces:
    """The message with what of its reasoning goes, and with ids and names that are taken."""
    item = _Item(pieces)
    changed = with_reasoning(item.value, message, recipient)
    for call in as_objects(item.value.get("tool_calls")):
        changed |= _replace(call, "id", ids)
        function = as_object(call.get("function"))
        name = as_text(function.get("name")) or ""
        changed |= _replace(function, "name", {name: sent_name(name)})
    for detail in as_objects(item.value.get("reasoning_details")):
        changed |= detail.get("type") != RECORD and _replace(detail, "id", ids)
    item.kept = set(range(len(item.refs)))
    return item.pieces() if changed else pieces


def _replace(holder: Mapping[str, Any], name: str, values: Mapping[str, str]) -> bool:
    """Put another value in the place of this one. Returns whether it changed."""
    given = holder.get(name)
    value = values.get(given, given) if isinstance(given, str) else given
    if value == given:
        return False
    cast("dict[str, Any]", holder)[name] = value
    return True


def _not_empty(pieces: Pieces, message: Message) -> Pieces:
    """The item with words, if it has nothing else that a model reads. What a model refused with is
    its words: only some providers read it where it came."""
    item = _Item(pieces)
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
    return any(len(item) > 1 and _names_record(item) for item in message.raw)


def _chat_item(pieces: Pieces, sieve: _Sieve, message: Message) -> Pieces:
    item = _Item(pieces)
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


def responses(message: Message, view: MessageView, audience: Audience) -> tuple[Pieces, ...]:
    """The items as they came, but for what their audience cannot take. One whose picture is hidden
    goes, and with it the reasoning directly before it, which is refused without the item that
    followed it."""
    recipient, ids = Recipient.of(message, audience), dict(view.calls.ids)
    items = message.raw
    if _is_touched(message, recipient, ids):
        items = _responses_addressed(message, recipient, ids)
    if not _stays_whole(message, view.hidden):
        sieve = _Sieve(view.hidden)
        items = _without_loose_reasoning([_responses_item(each, sieve) for each in items])
    if items:
        return items
    words = {"type": "message", "role": "assistant", "content": in_words(message.images)}
    return ((write(words),),)


def _without_loose_reasoning(items: list[Pieces | None]) -> tuple[Pieces, ...]:
    """The items that are left, without reasoning whose next item went, or that has none. Words and
    calls after it go without their ids."""
    kept: list[Pieces] = []
    lost = False
    for pieces in [*items, None]:
        if pieces is not None:
            kept.append(_without_id(pieces) if lost else pieces)
            continue
        while kept and _Item(kept[-1]).value.get("type") == "reasoning":
            kept.pop()
            lost = True
    return tuple(kept)


def _without_id(pieces: Pieces) -> Pieces:
    item = _Item(pieces)
    item.kept = set(range(len(item.refs)))
    has_to_stay = item.value.get("type") in _NEED_ID or item.value.get("type") == "reasoning"
    return item.pieces() if not has_to_stay and _loses_id(item.value) else pieces


def _without_reasoning(pieces: Pieces) -> Pieces | None:
    """An item after reasoning that does not go with it; None where it cannot go alone."""
    item = _Item(pieces)
    item.kept = set(range(len(item.refs)))
    return _as_users_pictures(item) if item.value.get("type") in _NEED_ID else _without_id(pieces)


def _responses_addressed(
    message: Message, recipient: Recipient, ids: Mapping[str, str]
) -> tuple[Pieces, ...]:
    """The items with what of their reasoning goes, and with ids and names that are taken."""
    kept: list[Pieces | None] = []
    lost = signed = False
    for pieces in message.raw:
        item = _Item(pieces)
        item.kept = set(range(len(item.refs)))
        if item.value.get("type") == "reasoning":
            thought = reasoning_item(item.value, recipient)
            if thought is not None and thought is item.value:
                signed = signed or is_sealed(thought)
                kept.append(pieces)
                continue
            lost = True
            if thought is not None:
                item.value = dict(thought)
                kept.append(item.pieces())
            continue
        is_call = item.value.get("type") == "function_call"
        if is_call and recipient.wants_signed_calls and not signed:
            call_id = as_text(item.value.get("call_id")) or ""
            kept.append((write(unsigned_item(ids.get(call_id, call_id))),))
            signed = True
        changed = _loses_blank_text(item.value)
        if item.value.get("type") == "message" and not item.value.get("content"):
            continue
        if is_call:
            name = as_text(item.value.get("name")) or ""
            changed |= _replace(item.value, "call_id", ids)
            changed |= _replace(item.value, "name", {name: sent_name(name)})
        left = item.pieces() if changed else pieces
        kept.append(_without_reasoning(left) if lost else left)
    return _without_loose_reasoning(kept)


def _as_users_pictures(item: _Item) -> Pieces | None:
    """The pictures of an item that cannot go itself; None where it has none."""
    if not item.refs:
        return None
    item.refs = [replace(ref, form="data_url") for ref in item.refs]
    content = [
        {"type": "input_image", "detail": "auto", "image_url": f"{HOLE}{number}"}
        for number in range(len(item.refs))
    ]
    item.value = {"type": "message", "role": "user", "content": content}
    return item.pieces()


def _loses_blank_text(item: dict[str, Any]) -> bool:
    """Take text parts that are only white space from a message: providers refuse them. Returns
    whether it changed."""
    content = item.get("content")
    if item.get("type") != "message":
        return False
    if isinstance(content, str):
        item["content"] = content if content.strip() else ""
    elif isinstance(content, list):
        parts = cast("list[object]", content)
        item["content"] = [each for each in parts if not _is_blank(as_object(each))]
    return item.get("content") != content


def _is_blank(part: Mapping[str, Any]) -> bool:
    text = part.get("text")
    return isinstance(text, str) and not text.strip() and "image_url" not in part


def _loses_id(item: dict[str, Any]) -> bool:
    """Take the id from an item whose reasoning does not go with it: by its id, OpenAI would ask for
    that reasoning. A message without an id has its words as one text. Returns whether it changed.
    """
    had = item.pop("id", None)
    parts = as_objects(item.get("content"))
    texts = [part.get("text") or part.get("refusal") for part in parts]
    if item.get("type") == "message" and parts and all(isinstance(each, str) for each in texts):
        item["content"] = "".join(cast("list[str]", texts))
        item.pop("status", None)
        return True
    return had is not None


def _responses_item(pieces: Pieces, sieve: _Sieve) -> Pieces | None:
    """The item with what passes; None where nothing is left that is worth its place."""
    item = _Item(pieces)
    if not item.refs:
        return pieces
    if as_text(item.value.get("type")) in IMAGE_ITEMS:
        if not sieve.passes(item, item.value):
            return None
        item.value = {name: value for name, value in item.value.items() if _stays(item, value)}
    elif item.value.get("type") == "message":
        sieve.entries(item, "content")
        if item.value.get("content") == []:
            return None
    else:
        sieve.rest(item, set())
    return pieces if len(item.kept) == len(item.refs) else item.pieces()


def _stays(item: _Item, value: object) -> bool:
    """Whether a field of one picture (`result`, `imageB64`, …) has no bytes, or bytes that are
    kept.
    """
    marks = item.marks(value)
    return not marks or not item.kept.isdisjoint(marks)
