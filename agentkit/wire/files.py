"""Files in a reply that are no pictures: what a server tool left in its container, or gave a URL
to be downloaded from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agentkit.wire import shapes
from agentkit.wire.json import UnreadableJson, as_object, as_objects, as_text, read
from agentkit.wire.types import JsonObject, Reply

_MARKS = (b"container_id", b"download_url")
_CITED = "container_file_citation"


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that a reply names."""

    value: str
    """A URL, or what stands for a file of a container (`CONTAINER_FILE`)."""
    name: str = ""
    """What the tool calls it."""
    invocation_id: str | None = None
    """The call that left it, where that is known."""
    error: str | None = None
    """Why it cannot be had."""


def files_of(reply: Reply) -> tuple[FileRef, ...]:
    """The files of a reply, each once: those that items of tools name first, since these say of
    which call they are.
    """
    calls = {each.id for each in reply.server_calls}
    found: list[FileRef] = []
    for raw in reply.raw:
        if not any(mark in raw for mark in _MARKS):
            continue
        try:
            item = as_object(read(raw))
        except UnreadableJson:
            continue
        found += _of_item(item, calls)
    found.sort(key=lambda each: each.invocation_id is None)
    return tuple({each.value: each for each in reversed(found)}.values())[::-1]


def _of_item(item: JsonObject, calls: set[str]) -> Iterator[FileRef]:
    if item.get("type") == "message" or "role" in item:
        parts = [item, *as_objects(item.get("content"))]
        cited = [each for part in parts for each in as_objects(part.get("annotations"))]
        yield from _seen([each for each in cited if each.get("type") == _CITED], None)
        for detail in as_objects(item.get("reasoning_details")):
            if detail.get("type") == "reasoning.server_tool_call":
                yield from _seen(detail.get("result"), _call_of(detail, calls))
    elif item.get("type") not in {"reasoning", "function_call"}:
        yield from _seen(item, _call_of(item, calls))


def _call_of(item: JsonObject, calls: set[str]) -> str | None:
    ids = [as_text(item.get(name)) for name in ("call_id", "tool_call_id", "id")]
    return next((each for each in ids if each in calls), None)


def _seen(value: object, call: str | None) -> Iterator[FileRef]:
    for seen in shapes.files(value):
        yield FileRef(seen.values[0], seen.alt, call, seen.error)
