"""Request bodies as pieces: bytes, and references where a stored picture's base64 goes. Each history item is serialised
once; a body is joined from what is kept, so that a turn costs what is new."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentkit.values import BlobRef, Image, Message, Pieces, Text
from agentkit.wire.model import JsonObject, Request
from agentkit.wire.text import write

_HOLE = f"\ufdd1{secrets.token_hex(8)}:"
"""Cannot be guessed, so no text that is sent can pass for a picture."""


class Holes:
    """Lets JSON be written with pictures left out: `hole` gives a string that `pieces` turns into a reference."""

    def __init__(self) -> None:
        self._refs: list[BlobRef] = []

    def hole(self, image: Image, form: str = "data_url") -> str:
        self._refs.append(BlobRef(image.sha256, image.media_type, "base64" if form == "base64" else "data_url"))
        return f"{_HOLE}{len(self._refs) - 1}"

    def pieces(self, value: object) -> Pieces:
        data = write(value)
        if not self._refs:
            return (data,)
        refs = {f"{_HOLE}{index}".encode(): ref for index, ref in enumerate(self._refs)}
        return cut(data, refs)


def cut(data: bytes, refs: Mapping[bytes, BlobRef]) -> Pieces:
    """JSON text with each quoted `refs` key replaced by its reference (the quotes stay)."""
    if not refs:
        return (data,)
    pattern = re.compile(
        b'(?<=")(?:' + b"|".join(re.escape(key) for key in sorted(refs, key=len, reverse=True)) + b')(?=\\\\*")'
    )
    pieces: list[bytes | BlobRef] = []
    at = 0
    for match in pattern.finditer(data):
        pieces += (data[at : match.start()], refs[match[0]])
        at = match.end()
    return (*pieces, data[at:])


def joined(parts: Iterable[Pieces]) -> Pieces:
    """Pieces one after another, neighbouring bytes as one."""
    result: list[bytes | BlobRef] = []
    run: list[bytes] = []
    for part in parts:
        for piece in part:
            if isinstance(piece, bytes):
                run.append(piece)
            else:
                result += (b"".join(run), piece)
                run = []
    return (*result, b"".join(run))


def listed(items: Sequence[Pieces]) -> Iterable[Pieces]:
    """The items of a JSON array, with commas between them."""
    for index, item in enumerate(items):
        if index:
            yield (b",",)
        yield item


def around(head: JsonObject, key: str, items: Sequence[Pieces]) -> Pieces:
    """A body: `head` with the array `key` of these items behind it."""
    start = write(head)[:-1] + (b"," if head else b"") + f'"{key}":['.encode()
    return joined([(start,), *listed(items), (b"]}",)])


@dataclass(slots=True)
class Encoded:
    """Items that were serialised before, by message. It lives as long as its conversation."""

    items: dict[tuple[int, str], tuple[Message, tuple[Pieces, ...]]] = field(
        default_factory=dict[tuple[int, str], tuple[Message, tuple[Pieces, ...]]]
    )

    def get(self, message: Message, how: str) -> tuple[Pieces, ...] | None:
        kept = self.items.get((id(message), how))
        return kept[1] if kept is not None and kept[0] is message else None

    def put(self, message: Message, how: str, items: tuple[Pieces, ...]) -> tuple[Pieces, ...]:
        self.items[(id(message), how)] = (message, items)  # the message is held, so its id is not given to another
        return items


def settings(request: Request) -> dict[str, Any]:
    """What both APIs call by the same name."""
    given = request.settings
    common: dict[str, Any] = {
        "model": request.model,
        "models": given.models,
        "preset": f"@preset/{given.preset.removeprefix('@preset/')}" if given.preset else None,
        "stream": request.stream or None,
        "temperature": given.temperature,
        "top_p": given.top_p,
        "parallel_tool_calls": given.parallel_tool_calls if request.functions else None,
        "provider": given.provider,
        "plugins": given.plugins,
        "modalities": given.modalities,
        "image_config": given.image_config,
        "session_id": given.session_id or request.session_id,
        "reasoning": {"effort": given.reasoning} if isinstance(given.reasoning, str) else given.reasoning,
        "stop_server_tools_when": _stop_conditions(request),
    }
    return {name: value for name, value in common.items() if value is not None}


def _stop_conditions(request: Request) -> list[dict[str, Any]] | None:
    """What of our limits OpenRouter can keep for us while its server tools run."""
    if not request.server_tools or request.closing:
        return None
    conditions: list[dict[str, Any]] = []
    if request.server_calls_left is not None:
        conditions.append({"type": "step_count_is", "step_count": max(1, request.server_calls_left)})
    if request.cost_left is not None:
        conditions.append({"type": "max_cost", "max_cost_in_dollars": request.cost_left})
    return conditions or None


def fitting_choice(request: Request) -> str | None:
    """The tool choice for this turn, if there is anything to choose from."""
    if request.closing:
        return "none" if request.functions else None
    return (request.tool_choice or None) if request.functions or request.server_tools else None


def words(message: Message) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, Text))
