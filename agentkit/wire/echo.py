"""The raw items of an earlier reply, sent again: with the reasoning that goes to whom is asked,
with ids and names that every provider takes, without the pictures that are hidden, and with each
picture once. What both APIs share; `chat.echo` and `responses.echo` have the rest.

An item that loses nothing is sent byte for byte. A reply that consisted of a hidden picture says in
words that there was one: many providers refuse an empty message, and without any message the model
would think that it had not answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from typing import Any, cast

from agentkit.values import BlobRef, Image, Message, Pieces
from agentkit.wire.body import HOLE, cut
from agentkit.wire.json import as_objects, read_object, write
from agentkit.wire.reasoning import RECORD, Recipient
from agentkit.wire.tool_calls import sent_name

_TOUCHED = re.compile(rb'"reasoning|"(?:text|content)":"(?:\s|\\[nrt])*"')
"""In JSON: reasoning, or words that are only white space."""
_MARK = re.compile(re.escape(HOLE) + "([0-9]+)")
NO_ANSWER = "(no answer)"
"""The words for a reply that brought nothing, or only a picture that could not be downloaded."""


def in_words(images: list[Image] | tuple[Image, ...]) -> str:
    """The words of an assistant's message that had only pictures, or nothing."""
    if not images:
        return NO_ANSWER
    names = dict.fromkeys([image.name or "a picture" for image in images])
    verb = "are" if len(names) > 1 else "is"
    return f"Here {verb} {' and '.join(names)}."


class RawItem:
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


class Sieve:
    """Lets each picture pass once, and a hidden picture never."""

    def __init__(self, hidden: frozenset[str]) -> None:
        self._gone = set(hidden)

    def passes(self, item: RawItem, value: object) -> bool:
        """Whether the value has no picture, or one that passes; then it is kept there."""
        marks = item.marks(value)
        for mark in marks:
            sha256 = item.refs[mark].sha256
            if sha256 not in self._gone:
                self._gone.add(sha256)
                item.kept.add(mark)
                return True
        return not marks

    def entries(self, item: RawItem, name: str) -> None:
        """Reduce a list of parts in the item to those that pass."""
        entries = item.value.get(name)
        if isinstance(entries, list):
            parts = cast("list[object]", entries)
            item.value[name] = [each for each in parts if self.passes(item, each)]

    def rest(self, item: RawItem, done: set[int]) -> None:
        """Let further pictures pass, in places that are not known here."""
        for mark, ref in enumerate(item.refs):
            if mark not in done and ref.sha256 not in self._gone:
                self._gone.add(ref.sha256)
                item.kept.add(mark)


def as_kept(pieces: Pieces) -> Pieces:
    """A raw item as a message keeps it: with the pictures that its echo will carry. The record of a
    server tool names its pictures by digest.
    """
    if len(pieces) == 1 or not names_record(pieces):
        return pieces
    item = RawItem(pieces)
    item.kept = set(range(len(item.refs)))
    for detail in as_objects(item.value.get("reasoning_details")):
        if detail.get("type") == RECORD:
            item.kept.difference_update(item.marks(detail))
    return item.pieces()


def names_record(pieces: Pieces) -> bool:
    record = RECORD.encode()
    return any(record in piece for piece in pieces if isinstance(piece, bytes))


def stays_whole(message: Message, hidden: frozenset[str]) -> bool:
    """Whether no picture has to go, which is so for almost every message."""
    digests = [piece.sha256 for item in message.raw for piece in item if isinstance(piece, BlobRef)]
    if not digests:
        return True
    return hidden.isdisjoint(digests) and len(set(digests)) == len(digests)


def is_touched(message: Message, recipient: Recipient, ids: Mapping[str, str]) -> bool:
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


def replace_value(holder: Mapping[str, Any], name: str, values: Mapping[str, str]) -> bool:
    """Put another value in the place of this one. Returns whether it changed."""
    given = holder.get(name)
    value = values.get(given, given) if isinstance(given, str) else given
    if value == given:
        return False
    cast("dict[str, Any]", holder)[name] = value
    return True
