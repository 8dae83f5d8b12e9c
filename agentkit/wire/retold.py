"""The raw items of a reply as they are kept: a picture is sent again only where an API takes one.

In any other place, such as the words of a message, the output of a tool or an item of a new kind,
the handle of the picture stands for it: no later request carries its bytes or its temporary URL
there, and no saved run shows that URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from agentkit.wire import markdown, shapes
from agentkit.wire.common import IMAGE_ITEMS, IMAGE_PARTS
from agentkit.wire.json import as_text, read_object, with_texts, write
from agentkit.wire.markdown import Found
from agentkit.wire.types import BLOB, IMAGE_GENERATION, JsonObject

LOST = "a picture that could not be had"
"""What stands for a picture that has no handle."""
_CALLS = ("arguments", "tool_calls")
"""Fields of a call of the user's tools: their pictures are arguments, and stay as they came."""


def retold(items: tuple[bytes, ...], names: Mapping[str, str]) -> tuple[bytes, ...]:
    """The items with a handle for each picture outside the places where an API takes one. `names`
    has the handle of what stands for a picture: a reference, base64 or a URL.
    """
    urls = [name.encode() for name in names if not markdown.is_reference(name)]
    blob = BLOB.encode()
    return tuple(
        [
            write(_item(read_object(data), names))
            if blob in data or any(url in data for url in urls)
            else data
            for data in items
        ]
    )


def told(text: str, names: Mapping[str, str]) -> str:
    """A text of a tool's with the handles of the pictures in it."""
    if (name := names.get(text)) is not None:
        return name
    for value, name in names.items():
        if value in text and not markdown.is_reference(value):
            text = text.replace(value, name)
    return _words(text, names)


def told_within(value: object, names: Mapping[str, str]) -> object:
    """The same for each text inside a JSON value."""
    return with_texts(value, lambda text: told(text, names))


def _item(item: JsonObject, names: Mapping[str, str]) -> dict[str, Any]:
    if item.get("type") == IMAGE_GENERATION:
        # Its temporary URL shows nothing to a later request, and its picture to whoever has it.
        kept = {key: value for key, value in item.items() if not _is_known_url(value, names)}
        return {key: _within(value, names) for key, value in kept.items()}
    if as_text(item.get("type")) in IMAGE_ITEMS:
        return dict(item)
    is_call = item.get("type") == "function_call"
    changed: dict[str, Any] = {}
    for key, value in item.items():
        if key == "images" or (key in _CALLS and (is_call or key == "tool_calls")):
            changed[key] = value
        elif key == "content":
            kind = "output_text" if item.get("type") == "message" else "text"
            changed[key] = _content(value, names, kind)
        else:
            changed[key] = _kept(value, names)
    return changed


def _is_known_url(value: object, names: Mapping[str, str]) -> bool:
    return isinstance(value, str) and shapes.is_url(value) and value in names


def _within(value: object, names: Mapping[str, str]) -> object:
    """A field of a drawing whose pictures are deeper inside, or in JSON."""
    is_json = isinstance(value, str) and value.lstrip()[:1] in {"{", "["}
    is_deep = is_json or isinstance(value, dict | list)
    field = cast("object", value)
    return _kept(field, names) if is_deep else field


def _kept(value: object, names: Mapping[str, str]) -> object:
    """A field of an item. An entry of a list that was a picture goes: a handle is no URL."""
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {key: _kept(each, names) for key, each in fields.items()}
    if not isinstance(value, list):
        return told_within(value, names)
    entries = cast("list[object]", value)
    return [_kept(each, names) for each in entries if not _was_picture(each, names)]


def _was_picture(value: object, names: Mapping[str, str]) -> bool:
    fields = shapes.as_fields(value)
    return shapes.claims_picture(fields) and any(
        isinstance(each, str) and each in names for each in shapes.block_values(fields)
    )


def _content(content: object, names: Mapping[str, str], kind: str) -> object:
    if isinstance(content, str):
        return _words(content, names)
    if not isinstance(content, list):
        return told_within(content, names)
    return [_part(part, names, kind) for part in cast("list[object]", content)]


def _part(part: object, names: Mapping[str, str], kind: str) -> object:
    """A part of a message. A picture stays where its part is one that an API takes; any other part
    that held one is words of this `kind` with its handle.
    """
    fields = shapes.as_fields(part)
    if not fields or as_text(fields.get("type")) in IMAGE_PARTS:
        return part
    if isinstance(text := fields.get("text"), str):
        return {**fields, "text": _words(text, names)}
    seen = [value for each in shapes.pictures(dict(fields)) for value in each.values]
    handles = dict.fromkeys([names[value] for value in seen if value in names])
    if not handles:
        return part
    return {"type": kind, "text": " ".join([f"[{each}]" for each in handles])}


def _words(text: str, names: Mapping[str, str]) -> str:
    """Words with handles in the places of the pictures that were taken out of them."""
    if BLOB not in text:
        return text
    pieces: list[str] = []
    at = 0
    reading = markdown.read(text)
    for link in sorted((*reading.found, *reading.definitions), key=lambda each: each.start):
        if (name := names.get(link.url)) is None or not markdown.is_reference(link.url):
            continue
        is_quoted = text[max(0, link.start - 1) : link.start] in {'"', "\\"}
        shown = name if is_quoted else f"[{name}]"
        pieces += [text[at : link.start], shown if isinstance(link, Found) else ""]
        at = link.end
    return "".join([*pieces, text[at:]])
