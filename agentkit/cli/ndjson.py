"""Events as JSON, one a line. A picture is its sha256 and a path; no base64 is ever printed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Any, assert_never, cast

from agentkit.errors import AgentkitError
from agentkit.events import (
    Event,
    ImageFailed,
    ImagePreview,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    ReasoningDelta,
    RunFinished,
    TextDelta,
    TurnFinished,
)
from agentkit.values import File, Image, ImageFailure, Invocation, Message, Text

Json = dict[str, Any]


def encoded(value: Mapping[str, Any]) -> str:
    """One line of JSON in ASCII, in which no control character stands as itself."""
    return json.dumps(value, ensure_ascii=True, default=str, separators=(",", ":"))


def event_json(event: Event, path: Path | None = None) -> Json:
    """An event. `path` is the file of the picture that it tells of."""
    match event:
        case TextDelta() | ReasoningDelta():
            rest: Json = {"text": event.text}
        case InvocationStarted() | InvocationFinished():
            rest = {"invocation": invocation_json(event.invocation)}
        case InvocationProgress():
            inner = None if event.event is None else event_json(event.event)
            invocation = invocation_json(event.invocation)
            rest = {"invocation": invocation, "message": event.message, "event": inner}
        case ImagePreview():
            rest = {
                "item": event.item,
                "index": event.index,
                "media_type": event.media_type,
                "sha256": hashlib.sha256(event.data).hexdigest(),
                "size": len(event.data),
            }
        case ImageReady():
            rest = {"item": event.item, "image": image_json(event.image, path)}
        case ImageFailed():
            rest = {"item": event.item, "failure": failure_json(event.failure)}
        case TurnFinished():
            rest = {"message": message_json(event.message), "usage": plain_json(event.usage)}
        case RunFinished():
            rest = {"status": event.status, "usage": plain_json(event.usage)}
        case _:
            assert_never(event)
    return {"kind": event.kind, **rest}


def error_json(error: AgentkitError, code: int) -> Json:
    """The error that ended a run."""
    return {
        "kind": "error",
        "error": type(error).__name__,
        "message": str(error),
        "generation_id": getattr(error, "generation_id", None),
        "exit_code": code,
    }


def image_json(image: Image, path: Path | None = None) -> Json:
    """A picture, without its bytes."""
    names = ("name", "sha256", "media_type", "size", "width", "height", "alt", "prompt")
    more = ("revised_prompt", "model", "parents", "invocation_id", "cost_usd")
    known = {name: getattr(image, name) for name in (*names, *more)}
    return {**known, "path": None if path is None else str(path)}


def file_json(file: File, path: Path | None = None) -> Json:
    """A file, without its bytes."""
    names = ("name", "file_name", "sha256", "media_type", "size", "pages", "invocation_id")
    known = {name: getattr(file, name) for name in names}
    return {**known, "path": None if path is None else str(path)}


def failure_json(failure: ImageFailure) -> Json:
    """A picture that was announced and could not be had."""
    return {"place": failure.source.place, "url": failure.url, "reason": failure.reason}


def invocation_json(invocation: Invocation) -> Json:
    """A tool call."""
    return plain_json(invocation)


def plain_json(value: object) -> Any:
    """Any frozen value of ours, by the names of its fields."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {str(name): plain_json(each) for name, each in items}
    if isinstance(value, tuple | list):
        return [plain_json(each) for each in cast("Sequence[object]", value)]
    return None if isinstance(value, float) and not isfinite(value) else value


def message_json(
    message: Message, path: Callable[[Image | File], Path | None] | None = None
) -> Json:
    """A message: its words, pictures and files. `path` says where one lies."""
    parts = [_part(part, path) for part in message.parts if isinstance(part, Text | Image | File)]
    return {"role": message.role, "model": message.model, "parts": parts}


def _part(part: Text | Image | File, path: Callable[[Image | File], Path | None] | None) -> Json:
    if isinstance(part, Text):
        return {"kind": "text", "text": part.text}
    if isinstance(part, File):
        return {"kind": "file", **file_json(part, None if path is None else path(part))}
    if path is not None:
        return {"kind": "image", **image_json(part, path(part))}
    return {"kind": "image", "name": part.name, "sha256": part.sha256}
