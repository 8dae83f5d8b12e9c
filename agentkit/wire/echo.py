"""The raw items of an earlier reply, sent again: without the pictures that are hidden, and with
each picture once.

An item that loses nothing is sent byte for byte. A reply that consisted of a hidden picture says in
words that there was one: many providers refuse an empty message, and without any message the model
would think that it had not answered.
"""

from __future__ import annotations

import re
from itertools import count
from typing import Any, cast

from agentkit.values import BlobRef, Image, Message, Pieces
from agentkit.wire.body import HOLE, cut
from agentkit.wire.common import IMAGE_ITEMS
from agentkit.wire.json import as_objects, as_text, read_object, write

_MARK = re.compile(re.escape(HOLE) + "([0-9]+)")
_RECORD = "reasoning.server_tool_call"
_SAYS = ("content", "images", "tool_calls")
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
        if detail.get("type") == _RECORD:
            item.kept.difference_update(item.marks(detail))
    return item.pieces()


def _names_record(pieces: Pieces) -> bool:
    record = _RECORD.encode()
    return any(record in piece for piece in pieces if isinstance(piece, bytes))


def _stays_whole(message: Message, hidden: frozenset[str]) -> bool:
    """Whether no picture has to go, which is so for almost every message."""
    digests = [piece.sha256 for item in message.raw for piece in item if isinstance(piece, BlobRef)]
    if not digests:
        return True
    return hidden.isdisjoint(digests) and len(set(digests)) == len(digests)


def chat(message: Message, hidden: frozenset[str]) -> tuple[Pieces, ...]:
    """The message as it came. `images` and content parts lose what is hidden; `reasoning_details`
    stay, signatures and all, but the record of a server tool never carries the bytes of a picture:
    no model looks for one there."""
    items = message.raw
    if not _stays_whole(message, hidden) or _has_record(message):
        sieve = _Sieve(hidden)
        items = tuple(_chat_item(pieces, sieve, message) for pieces in items)
    if message.text or message.calls:
        return items
    return tuple([_not_empty(pieces, message) for pieces in items])


def _not_empty(pieces: Pieces, message: Message) -> Pieces:
    """The item with words, if it has nothing else that a model reads."""
    item = _Item(pieces)
    readable = (*_SAYS, "refusal")
    if any(item.value.get(name) for name in readable):
        return pieces
    item.value["content"] = in_words(message.images)
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
        if detail.get("type") == _RECORD:
            known.update(item.marks(detail))
    sieve.rest(item, known)
    if len(item.kept) == len(item.refs):
        return pieces
    if item.value.get("images") == []:
        del item.value["images"]
    if not any(item.value.get(name) for name in _SAYS):
        item.value["content"] = in_words(message.images)
    return item.pieces()


def responses(message: Message, hidden: frozenset[str]) -> tuple[Pieces, ...]:
    """The items as they came. One whose picture is hidden goes, and with it the reasoning directly
    before it, which is refused without the item that followed it."""
    if _stays_whole(message, hidden):
        return message.raw
    sieve = _Sieve(hidden)
    kept: list[Pieces] = []
    for pieces in message.raw:
        item = _responses_item(pieces, sieve)
        if item is not None:
            kept.append(item)
            continue
        while kept and _Item(kept[-1]).value.get("type") == "reasoning":
            kept.pop()
    if kept:
        return tuple(kept)
    words = {"type": "message", "role": "assistant", "content": in_words(message.images)}
    return ((write(words),),)


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
