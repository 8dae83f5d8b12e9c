"""What the decoders of both dialects share: pictures in loose shapes, citations, repeats."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import cast

from agentkit.values import Invocation
from agentkit.wire.json import (
    as_object,
    as_objects,
    as_text,
    join_surrogates,
    keepable,
    read_object,
    write,
)
from agentkit.wire.types import BLOB, IMAGE_GENERATION, JsonObject
from agentkit.wire.usage import COUNTS, SEARCHES, Bill

IMAGE_ITEMS = {IMAGE_GENERATION, "image_generation_call"}
IMAGE_PARTS = ("image_url", "output_image", "input_image", "image")
_FIELDS = ("result", "imageB64", "image_b64", "b64_json", "imageUrl", "image_url", "url")


def picture_values(holder: JsonObject, fields: Sequence[str] = _FIELDS) -> tuple[str, ...]:
    """Every string in these fields that may be a picture; a field may hold the string, or an object
    with a `url`.
    """
    values: list[str] = []
    for field in fields:
        value = holder.get(field)
        text = as_text(as_object(value).get("url")) or as_text(value)
        if text and text not in values:
            values.append(text)
    return tuple(values)


def picture_of_part(part: JsonObject) -> tuple[str, ...]:
    """The picture in an entry of `images`, or in a content part of one of the types in
    `IMAGE_PARTS`.
    """
    return picture_values(
        part, ("image_url", "url", "image", "result", "b64_json", "imageUrl", "imageB64")
    )


def is_another(known: JsonObject, item: JsonObject) -> bool:
    """Responses: whether two whole items that came under one index are two: calls by their id,
    pictures by what they show. The ids of items prove nothing, since some providers rotate them."""
    if known.get("type") != item.get("type"):
        return True
    if known.get("type") == "function_call":
        return known.get("call_id") != item.get("call_id")
    if as_text(known.get("id")) and known.get("id") == item.get("id"):
        return False
    before, after = set(picture_values(known)), set(picture_values(item))
    return bool(before and after) and before.isdisjoint(after)


def uncounted(bill: Bill, shown: int, tools: Sequence[str], seed: str) -> Iterator[Invocation]:
    """Server-tool calls of which the wire shows only how many there were."""
    executed = bill.count(*COUNTS["server_tool_calls"])
    hidden = executed - shown
    if hidden <= 0:
        return
    is_search = bill.count(*SEARCHES) >= executed
    name = "openrouter:web_search" if is_search else "openrouter:server_tool"
    if len(tools) == 1:
        name = tools[0]
    yield Invocation(f"server_{seed}", name, executor="server", status="completed", count=hidden)


def citations(annotations: object) -> tuple[JsonObject, ...]:
    """The annotations as a run may hold them."""
    kept = map(keepable, as_objects(annotations))
    return tuple([each for each in kept if each is not None])


def without(items: tuple[bytes, ...], lost: frozenset[str]) -> tuple[bytes, ...]:
    """The raw items without the pictures that could not be stored. A message loses its entry. An
    item that is a picture goes, and with it the reasoning directly before it: providers refuse
    reasoning without the item that followed it.
    """
    if not lost:
        return items
    kept: list[bytes] = []
    for data in items:
        rest = _without(data, lost)
        if rest is not None:
            kept.append(rest)
            continue
        while kept and read_object(kept[-1]).get("type") == "reasoning":
            kept.pop()
    return tuple(kept)


def _without(data: bytes, lost: frozenset[str]) -> bytes | None:
    """What is left of an item; None where nothing is."""
    item = read_object(data)
    pictures = picture_values(item)
    is_picture = as_text(item.get("type")) in IMAGE_ITEMS
    if is_picture and pictures and lost.issuperset(pictures):
        return None
    changed = dict(item)
    for name in ("images", "content"):
        entries = item.get(name)
        if isinstance(entries, list):
            changed[name] = _left_of(cast("list[object]", entries), lost)
    if changed == item:
        return data
    if changed.get("images") == []:
        del changed["images"]
    is_empty = item.get("type") == "message" and changed.get("content") == []
    return None if is_empty else write(changed)


def _left_of(entries: list[object], lost: frozenset[str]) -> list[object]:
    return [each for each in entries if lost.isdisjoint(picture_of_part(as_object(each)))]


def reasoning_of(item: JsonObject) -> str:
    """The content where there is any, else the summary: both are the model's words for the same
    thing.
    """
    for name in ("content", "summary"):
        texts = [part.get("text") for part in as_objects(item.get(name))]
        words = [join_surrogates(text) for text in texts if isinstance(text, str)]
        if any(words):
            return "\n\n".join(words) if name == "summary" else "".join(words)
    return ""


_REFERENCE = re.compile(rf"{BLOB}:[^:\"]+:\d+".encode())


def _bare(event: object) -> bytes:
    """An event without the references in it: a picture that comes twice is given another each
    time.
    """
    return _REFERENCE.sub(b"", write(event))


class Repeats:
    """Tells events that came before, by their sequence number. Where one number is given to events
    that differ, the numbers of this stream mean nothing, and every event counts."""

    def __init__(self) -> None:
        self._seen: dict[int, object] = {}
        self._numbered = True

    def again(self, event: JsonObject) -> bool:
        number, delta = event.get("sequence_number"), event.get("delta")
        if not self._numbered or not isinstance(number, int):
            return False
        mark: object = event
        # Of the many, no more is kept than the words, which the reply keeps too.
        if isinstance(delta, str):
            mark = (event.get("type"), event.get("output_index"), event.get("content_index"), delta)
        if number not in self._seen:
            self._seen[number] = mark
            return False
        before = self._seen[number]
        self._numbered = before == mark or _bare(before) == _bare(mark)
        return self._numbered
