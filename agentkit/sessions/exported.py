"""What the file of an exported conversation says, and how a new conversation comes of it.

It may come from anybody. Its runs get ids of their own; what waited for a person does not wait any
more; and it has no picture but those whose bytes came with it, so that no digest in it opens a
picture of somebody else's in the store.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from agentkit._check import check_model, check_number
from agentkit._redact import masked
from agentkit.loop.approvals import given_up
from agentkit.run import Run
from agentkit.run.handles import FILE_HANDLE, HANDLE
from agentkit.sessions.names import one_line
from agentkit.values import (
    Api,
    BlobRef,
    Blobs,
    File,
    Image,
    ImageFailure,
    Message,
    Part,
    Text,
    ToolResult,
    replace,
)
from agentkit.values.codec import Amount, dumped

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_HIGHEST = 999_999_999
"""Number of a handle."""
_LATEST = 1e12
"""Unix time."""


@dataclass(frozen=True, slots=True)
class ExportedRun:
    """A run of a conversation, with the messages that it added."""

    turn: int | None
    """Its place in the history; None for one that was not kept."""
    run: Run


@dataclass(frozen=True, slots=True)
class Exported:
    """What `conversation.json` holds. It does not say whom the conversation belonged to."""

    id: str
    title: str
    agent: str
    api: Api
    model: str
    handles: int
    created_at: Amount
    written_by: str
    """The version of agentkit."""
    pictures: tuple[Image | File, ...]
    """Its files are among them."""
    runs: tuple[ExportedRun, ...]


def to_json(exported: Exported) -> bytes:
    """What stands in the file, without any secret that this process knows."""
    return masked(dumped(_codec(), exported), cut=True)


def from_json(data: bytes) -> Exported:
    """What `to_json` wrote. Raises `ValueError` for anything else."""
    found = _codec().validate_json(data)
    check_model("model={!r}", found.model)
    check_number("handles={!r}", found.handles, whole=True, least=0, most=_HIGHEST)
    check_number("created_at={!r}", found.created_at, least=0, most=_LATEST)
    for each in found.runs:
        Run.from_json(each.run.to_json())
    names = [each.name for each in found.pictures]
    fit = [
        (FILE_HANDLE if isinstance(each, File) else HANDLE).match(each.name)
        for each in found.pictures
    ]
    if len({*names}) < len(names) or not all(fit):
        raise ValueError("the handles of its pictures are not img_1, img_2, …, each once")
    return found


def as_new(exported: Exported, known: Collection[str], store: Blobs) -> Exported:
    """The conversation as a new one: its runs under new ids, in the order of their turns, and
    nothing that waits or dangles. It has the pictures that are `known`, by their sha256.
    """
    kept = sorted(
        [each for each in exported.runs if each.turn is not None], key=lambda each: each.turn or 0
    )
    others = [each for each in exported.runs if each.turn is None]
    things = tuple(replace(each, blobs=store) for each in exported.pictures if each.sha256 in known)
    pictures = [each for each in exported.pictures if isinstance(each, Image)]
    numbers = [int(each.name.removeprefix("img_")) for each in pictures]
    return replace(
        exported,
        title=one_line(exported.title),
        agent=one_line(exported.agent),
        handles=max([exported.handles, *numbers]),
        pictures=things,
        runs=tuple(replace(each, run=_new_run(each.run, known)) for each in (*kept, *others)),
    )


def _new_run(run: Run, known: Collection[str]) -> Run:
    run = given_up(run)
    return run.replace(
        id=f"run_{secrets.token_hex(8)}",
        messages=_answered(tuple(_own(each, known) for each in run.messages)),
        start=0,
        results=(),
        nested=(),
        images=(),
        files=(),
        failures=tuple(_own_failure(each, known) for each in run.failures),
        broken=(),
        partial=None,
        session_id=None,
    )


def _own(message: Message, known: Collection[str]) -> Message:
    """The message without pictures that did not come with it."""
    parts = tuple(_own_part(each, known) for each in message.parts)
    refers = [piece.sha256 for item in message.raw for piece in item if isinstance(piece, BlobRef)]
    # Without its raw items, it is encoded anew from its parts.
    raw = message.raw if all(each in known for each in refers) else ()
    parsed = tuple(
        each
        for each in message.parsed
        if all(piece.sha256 in known for piece in each.item if isinstance(piece, BlobRef))
    )
    return replace(message, parts=parts, raw=raw, parsed=parsed)


def _own_part(part: Part, known: Collection[str]) -> Part:
    match part:
        case Image() | File():
            return _own_image(part, known)
        case ImageFailure():
            return _own_failure(part, known)
        case ToolResult():
            return replace(part, parts=tuple(_own_image(each, known) for each in part.parts))
        case _:
            return part


def _own_image(part: Text | Image | File, known: Collection[str]) -> Text | Image | File:
    if isinstance(part, Text) or part.sha256 in known:
        return part
    what = part.name or f"a {'picture' if isinstance(part, Image) else 'file'}"
    return Text(f"({what}: its bytes are not in the exported conversation)")


def _own_failure(failure: ImageFailure, known: Collection[str]) -> ImageFailure:
    return failure if failure.kept in known else replace(failure, kept=None)


def _answered(said: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with a result for each call, as the APIs want it."""
    whole: list[Message] = []
    for number, message in enumerate(said):
        whole.append(message)
        following = said[number + 1] if number + 1 < len(said) else None
        answered = {
            part.call_id
            for part in (following.parts if following and following.role == "tool" else ())
            if isinstance(part, ToolResult)
        }
        missing = tuple(
            ToolResult(call.id, call.name, (Text("cancelled: the run was stopped"),), error=True)
            for call in message.calls
            if call.id not in answered
        )
        if missing:
            whole.append(Message("tool", missing))
    return tuple(whole)


@cache
def _codec() -> TypeAdapter[Exported]:
    from pydantic import TypeAdapter

    return TypeAdapter(Exported)
