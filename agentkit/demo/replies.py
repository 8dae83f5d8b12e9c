"""What a script lets the emulator's model say, draw and call: its `replies:`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from agentkit.emulator import CallTool, Draw, Reply, Say, Think

ItemKind = Literal["say", "think", "draw", "call"]
_KINDS: tuple[ItemKind, ...] = ("say", "think", "draw", "call")
_SIZE = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})")
_DRAW_KEYS = ("prompt", "size", "format", "file")
_FORMATS = ("png", "jpeg", "webp")
_ACCEPTED = (
    "accepted is a text, {say: …, think: …, draw: …, call: {TOOL: {…}}} with any of these keys, "
    "or a list of them"
)


@dataclass(frozen=True, slots=True)
class ReplyItem:
    """One thing of a reply. `text` is what is said or thought, what a picture shows, or the tool
    that is called; `options` are those of the drawing, or the arguments of the call.
    """

    kind: ItemKind
    text: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """One reply of the emulator's model: its items in order."""

    items: tuple[ReplyItem, ...]


def reply_from(value: object) -> ScriptedReply:
    """The reply that a value of a script stands for. Raises `ValueError`."""
    parts = cast("Sequence[object]", value) if isinstance(value, list) else [value]
    items = tuple(item for part in parts for item in _items(part))
    if not items:
        raise ValueError(_ACCEPTED)
    return ScriptedReply(items)


def _items(value: object) -> list[ReplyItem]:
    if isinstance(value, str) and value:
        return [ReplyItem("say", value, {})]
    if not isinstance(value, Mapping):
        raise ValueError(_ACCEPTED)
    items: list[ReplyItem] = []
    for key, inner in cast("Mapping[str, object]", value).items():
        if key == "draw":
            items.append(_drawing(inner))
        elif key == "call":
            items += _calls(inner)
        elif key in _KINDS and isinstance(inner, str) and inner:
            items.append(ReplyItem(key, inner, {}))
        else:
            raise ValueError(_ACCEPTED)
    return items


def _calls(value: object) -> list[ReplyItem]:
    if isinstance(value, Mapping) and value:
        called = cast("Mapping[str, object]", value)
        if all(isinstance(inner, Mapping | None) for inner in called.values()):
            return [
                ReplyItem("call", name, cast("Mapping[str, Any]", inner or {}))
                for name, inner in called.items()
            ]
    raise ValueError("call: accepted is {TOOL: {ARGUMENT: VALUE, …}}")


def _drawing(value: object) -> ReplyItem:
    if isinstance(value, str) and value:
        return ReplyItem("draw", value, {})
    accepted = (
        "draw: accepted is what the picture shows, or {prompt: …, size: 512x288, "
        f"format: {', '.join(_FORMATS)}, file: FILE}}"
    )
    if not isinstance(value, Mapping):
        raise ValueError(accepted)
    given = cast("Mapping[str, object]", value)
    size = given.get("size", "512x512")
    if (
        not set(given) <= set(_DRAW_KEYS)
        or not isinstance(given.get("prompt"), str)
        or not isinstance(size, str)
        or not _SIZE.fullmatch(size)
        or given.get("format", "png") not in _FORMATS
        or not isinstance(given.get("file", ""), str)
    ):
        raise ValueError(accepted)
    return ReplyItem("draw", str(given["prompt"]), {key: given[key] for key in given})


def files_of(reply: ScriptedReply) -> list[str]:
    """The files that a reply draws."""
    return [item.options["file"] for item in reply.items if "file" in item.options]


def emulated(reply: ScriptedReply, folder: Path) -> Reply:
    """The reply as the emulator plays it. `folder` is that of the script. Raises `OSError`."""
    from agentkit.emulator import Reply

    return Reply([_emulated_item(item, folder) for item in reply.items])


def _emulated_item(item: ReplyItem, folder: Path) -> Say | Think | Draw | CallTool:
    from agentkit.emulator import CallTool, Draw, Say, Think

    match item.kind:
        case "say":
            return Say(item.text)
        case "think":
            return Think(item.text)
        case "call":
            return CallTool(item.text, item.options)
        case "draw":
            size = _SIZE.fullmatch(str(item.options.get("size", "")))
            file = item.options.get("file")
            return Draw(
                item.text,
                size=None if size is None else (int(size[1]), int(size[2])),
                format=str(item.options.get("format", "png")),
                data=None if file is None else (folder / file).read_bytes(),
            )


_REPLY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {
        "say": {"type": "string", "minLength": 1},
        "think": {"type": "string", "minLength": 1},
        "draw": {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "object",
                    "properties": {
                        "prompt": {"type": "string"},
                        "size": {"type": "string", "pattern": f"^{_SIZE.pattern}$"},
                        "format": {"enum": list(_FORMATS)},
                        "file": {"type": "string"},
                    },
                    "required": ["prompt"],
                    "additionalProperties": False,
                },
            ]
        },
        "call": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": ["object", "null"]},
        },
    },
}
ONE_REPLY_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        _REPLY_SCHEMA,
        {
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [{"type": "string"}, _REPLY_SCHEMA]},
        },
    ],
}
"""The JSON Schema of one reply."""
