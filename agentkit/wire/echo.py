"""The raw items of an earlier reply, sent again without pictures that are not to go, and with none
carried twice.

An item that loses nothing goes byte for byte. A reply that had nothing but the picture says in
words that there was one: an empty message is refused by many, and without any the model would think
that it had not answered.
"""

from __future__ import annotations

import re
from typing import Any, cast

from agentkit.values import BlobRef, Image, Message, Pieces
from agentkit.wire.body import HOLE, cut
from agentkit.wire.common import IMAGE_ITEMS
from agentkit.wire.json import as_objects, as_text, read_object, write

_MARK = re.compile(re.escape(HOLE) + "([0-9]+)")
_RECORD = "reasoning.server_tool_call"
_SAYS = ("content", "images", "tool_calls")
NO_ANSWER = "(no answer)"
"""What stands for a reply that brought nothing, or nothing but a picture that could not be had."""


def in_words(images: list[Image] | tuple[Image, ...]) -> str:
    """What an assistant's message says that had only pictures, or nothing."""
    if not images:
        return NO_ANSWER
    names = list(dict.fromkeys(image.name or "a picture" for image in images))
    return f"Here {'are' if len(names) > 1 else 'is'} {' and '.join(names)}."


class _Item:
    """A raw item as a value, with a mark where a picture's bytes go."""

    def __init__(self, pieces: Pieces) -> None:
        self.refs = [piece for piece in pieces if isinstance(piece, BlobRef)]
        marks = iter(range(len(self.refs)))
        data = b"".join(
            piece if isinstance(piece, bytes) else f"{HOLE}{next(marks)}".encode()
            for piece in pieces
        )
        self.value: dict[str, Any] = dict(read_object(data))
        self.kept: set[int] = set()

    def marks(self, value: object) -> list[int]:
        return [int(number) for number in _MARK.findall(write(value).decode())] if self.refs else []

    def pieces(self) -> Pieces:
        """The item as it is now. Of a picture that does not go, its digest stands where its bytes
        were.
        """
        text = _MARK.sub(
            lambda mark: (
                mark[0] if int(mark[1]) in self.kept else f"sha256:{self.refs[int(mark[1])].sha256}"
            ),
            write(self.value).decode(),
        )
        return cut(
            text.encode(), {f"{HOLE}{index}".encode(): self.refs[index] for index in self.kept}
        )


class _Sieve:
    """Lets each picture pass once, and those not at all that are hidden."""

    def __init__(self, hidden: frozenset[str]) -> None:
        self._gone = set(hidden)

    def passes(self, item: _Item, value: object) -> bool:
        """Whether the value has no picture, or one that passes; then it is kept there."""
        marks = item.marks(value)
        for mark in marks:
            if (sha256 := item.refs[mark].sha256) not in self._gone:
                self._gone.add(sha256)
                item.kept.add(mark)
                return True
        return not marks

    def entries(self, item: _Item, name: str) -> None:
        """Of a list of parts in the item, those that pass."""
        if isinstance(entries := item.value.get(name), list):
            item.value[name] = [
                each for each in cast("list[object]", entries) if self.passes(item, each)
            ]

    def rest(self, item: _Item, done: set[int]) -> None:
        """Any further picture, in a place that is not known here."""
        for mark, ref in enumerate(item.refs):
            if mark not in done and ref.sha256 not in self._gone:
                self._gone.add(ref.sha256)
                item.kept.add(mark)


def as_kept(pieces: Pieces) -> Pieces:
    """A raw item as a message keeps it: what it holds of pictures is what its echo carries. The
    record of a server tool tells of them by digest."""
    record = _RECORD.encode()
    if len(pieces) == 1 or not any(record in piece for piece in pieces if isinstance(piece, bytes)):
        return pieces
    item = _Item(pieces)
    details = [
        each
        for each in as_objects(item.value.get("reasoning_details"))
        if each.get("type") == _RECORD
    ]
    item.kept = set(range(len(item.refs))).difference(*(item.marks(each) for each in details))
    return item.pieces()


def _untouched(message: Message, hidden: frozenset[str]) -> bool:
    """Whether no picture has to go: what holds for almost every message."""
    digests = [piece.sha256 for item in message.raw for piece in item if isinstance(piece, BlobRef)]
    return not digests or (hidden.isdisjoint(digests) and len(set(digests)) == len(digests))


def chat(message: Message, hidden: frozenset[str]) -> tuple[Pieces, ...]:
    """The message as it came. `images` and content parts lose what is hidden; `reasoning_details`
    stay, signatures and all, but the record of a server tool never carries the bytes of a picture:
    no model looks for one there."""
    items = message.raw
    if not _untouched(message, hidden) or _has_record(message):
        sieve = _Sieve(hidden)
        items = tuple(_chat_item(pieces, sieve, message) for pieces in items)
    return (
        items
        if message.text or message.calls
        else tuple(_not_empty(pieces, message) for pieces in items)
    )


def _not_empty(pieces: Pieces, message: Message) -> Pieces:
    """The item with words, if it has nothing else that a model reads."""
    item = _Item(pieces)
    if any(item.value.get(name) for name in (*_SAYS, "refusal")):
        return pieces
    item.value["content"] = in_words(message.images)
    item.kept = set(range(len(item.refs)))
    return item.pieces()


def _has_record(message: Message) -> bool:
    """Whether a picture might stand in the record of a server tool."""
    record = _RECORD.encode()
    return any(
        len(item) > 1 and any(record in each for each in item if isinstance(each, bytes))
        for item in message.raw
    )


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
    if _untouched(message, hidden):
        return message.raw
    sieve = _Sieve(hidden)
    kept: list[Pieces] = []
    for pieces in message.raw:
        if (shown := _responses_item(pieces, sieve)) is not None:
            kept.append(shown)
            continue
        while kept and _Item(kept[-1]).value.get("type") == "reasoning":
            kept.pop()
    return tuple(kept) or (
        (write({"type": "message", "role": "assistant", "content": in_words(message.images)}),),
    )


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
    """Of the fields of one picture (`result`, `imageB64`, …), the one that is carried, and all that
    carry none.
    """
    return not (marks := item.marks(value)) or not item.kept.isdisjoint(marks)
