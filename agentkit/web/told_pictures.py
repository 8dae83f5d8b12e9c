"""The pictures of a message as its stream tells them: one `data-picture` part each, which changes
from a placeholder to a preview to the picture, and a `file` part once the picture is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from agentkit.errors import ImageError
from agentkit.events import ImagePreview
from agentkit.run import Run
from agentkit.values import Image, ImageFailure, Invocation
from agentkit.values.image_header import inspect
from agentkit.web import chunks
from agentkit.web.addresses import picture_url, preview_url
from agentkit.web.chunks import Chunk

NOT_COME = "the turn ended before the picture came"
_URL = re.compile(r"https?://[^\s<>\"')\]]+")
_EMPTY: Mapping[str, Any] = {
    "status": "making",
    "name": None,
    "url": None,
    "previewUrl": None,
    "mediaType": None,
    "width": None,
    "height": None,
    "size": None,
    "alt": "",
    "prompt": None,
    "revisedPrompt": None,
    "model": None,
    "parents": [],
    "costUsd": None,
    "reason": None,
    "invocationId": None,
    "startedAt": None,
}
_NOTHING: Mapping[str, Any] = {
    "previewUrl": None,
    "mediaType": None,
    "width": None,
    "height": None,
}
"""What is told of the bytes of a picture that does not come."""


@dataclass
class _Place:
    """Where a picture stands in the message."""

    id: str
    scope: str
    """The call of the sub-agent that draws it; empty for the run's own pictures."""
    data: dict[str, Any] = field(default_factory=lambda: dict(_EMPTY))
    item: str | None = None
    sha256: str | None = None
    is_named: bool = False

    @property
    def is_free(self) -> bool:
        """Whether it waits for a picture, and nobody knows yet for which."""
        return self.item is None and self.data["status"] == "making"

    def changed(self, **changes: Any) -> list[Chunk]:
        """What tells these changes."""
        if all(self.data[name] == value for name, value in changes.items()):
            return []
        self.data.update(changes)
        return [self.told()]

    def told(self) -> Chunk:
        """The part as it is now."""
        return chunks.data("picture", self.id, self.data)


class ToldPictures:
    """What was told of the pictures of one message. Each method returns what has to be told."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._places: list[_Place] = []
        self._by_item: dict[str, _Place] = {}
        self._by_digest: dict[str, _Place] = {}
        self._replied = 0
        """How many places there were before the present reply."""

    def next_reply(self) -> None:
        """Another reply begins."""
        self._replied = len(self._places)

    def making(self, call: Invocation, call_id: str, scope: str) -> list[Chunk]:
        """A call begins that draws. In some replies its picture came before it, and is not told of
        twice.
        """
        for place in self._places[self._replied :]:
            if place.scope == scope and place.sha256 and place.data["invocationId"] is None:
                return place.changed(invocationId=call_id)
        place = self._new(scope)
        prompt = (call.arguments or {}).get("prompt")
        place.data["invocationId"] = call_id
        place.data["startedAt"] = call.started_at
        place.data["prompt"] = prompt if isinstance(prompt, str) else None
        return [place.told()]

    def preview(self, item: str, preview: ImagePreview, scope: str) -> list[Chunk]:
        """A coarse version of a picture came."""
        place = self._of(item, scope)
        if place.sha256 is not None:
            return []
        width, height = _size_of(preview.data) or (place.data["width"], place.data["height"])
        return self._told_first(
            place,
            status="preview",
            previewUrl=preview_url(self._run_id, item, preview.index),
            mediaType=preview.media_type,
            width=width,
            height=height,
        )

    def ready(self, item: str, image: Image, scope: str) -> list[Chunk]:
        """A picture is stored. That of a sub-agent gets its handle later, from the caller."""
        place = self._by_digest.get(image.sha256)
        if place is None:
            place = self._of(item, scope, image.invocation_id)
        own = _full(image.invocation_id, scope)
        self._by_item[item] = place
        is_new = place.sha256 != image.sha256
        place.sha256 = image.sha256
        place.is_named = place.is_named or not scope
        self._by_digest[image.sha256] = place
        place.data["invocationId"] = place.data["invocationId"] or own
        told = self._told_first(place, **_facts(image, place))
        return [*told, _file(image)] if is_new else told

    def failed(self, item: str, failure: ImageFailure, scope: str) -> list[Chunk]:
        """A picture was announced and does not come."""
        place = self._of(item, scope, failure.invocation_id)
        if place.sha256 is not None:
            return []
        why = without_addresses(failure.reason)
        return self._told_first(place, **_NOTHING, status="failed", reason=why)

    def call_ended(self, call: Invocation, call_id: str) -> list[Chunk]:
        """A call that was to draw has ended: what it did not bring does not come."""
        told: list[Chunk] = []
        for place in self._places:
            if place.data["invocationId"] == call_id and place.is_free:
                why = without_addresses(call.error or f"{call.name} gave no picture")
                told += place.changed(status="failed", reason=why)
        return told

    def settled(self, run: Run) -> list[Chunk]:
        """What is known of the pictures by now: what came later is told too."""
        by_digest = {image.sha256: image for image in run.images}
        told: list[Chunk] = []
        for place in self._places:
            image = by_digest.get(place.sha256 or "")
            if image is not None:
                place.is_named = True
                told += place.changed(**_facts(image, place))
        return told

    def given_up(self) -> list[Chunk]:
        """The turn has ended: what did not come by now is told to have failed."""
        told: list[Chunk] = []
        for place in self._places:
            if place.data["status"] in {"making", "preview"}:
                told += place.changed(**_NOTHING, status="failed", reason=NOT_COME)
        return told

    def _of(self, item: str, scope: str, call_id: str | None = None) -> _Place:
        """The place of a picture: its own, or one that waits for a picture, or a new one."""
        place = self._by_item.get(item)
        if place is None or place.data["status"] == "failed":
            # One that failed is known by the same name in the request that was sent once more.
            free = [each for each in self._places if each.is_free and each.scope == scope]
            wanted = _full(call_id, scope)
            own = [each for each in free if each.data["invocationId"] == wanted]
            place = next(iter((*own, *free)), None) or place or self._new(scope)
            place.item = item
            self._by_item[item] = place
        return place

    def _new(self, scope: str) -> _Place:
        place = _Place(f"picture-{len(self._places) + 1}", scope)
        self._places.append(place)
        return place

    def _told_first(self, place: _Place, **changes: Any) -> list[Chunk]:
        """The change; of a place that was not told yet, the place in any case."""
        return place.changed(**changes) or [place.told()]


def _full(call_id: str | None, scope: str) -> str | None:
    """The id of a call as the run has it: that of a sub-agent's has the caller's before it."""
    if call_id is None or not scope or call_id.startswith(f"{scope}/"):
        return call_id
    return f"{scope}/{call_id}"


def _facts(image: Image, place: _Place) -> dict[str, Any]:
    """What is told of a picture that is there."""
    return {
        "status": "ready",
        "name": image.name if place.is_named else None,
        "url": picture_url(image.sha256),
        "previewUrl": None,
        "mediaType": image.media_type,
        "width": image.width,
        "height": image.height,
        "size": image.size,
        "alt": image.alt,
        "prompt": image.prompt or place.data["prompt"],
        "revisedPrompt": image.revised_prompt,
        "model": image.model,
        "parents": list(image.parents) if place.is_named else [],
        "costUsd": image.cost_usd,
        "reason": None,
        "invocationId": place.data["invocationId"] or image.invocation_id,
    }


def _size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height of a picture, in pixels; None where its bytes do not tell."""
    try:
        info = inspect(BytesIO(data))
    except ImageError:
        return None
    return None if info.width is None or info.height is None else (info.width, info.height)


def _file(image: Image) -> Chunk:
    """The picture for clients that know no `data-picture`."""
    return {"type": "file", "url": picture_url(image.sha256), "mediaType": image.media_type}


def user_picture(image: Image, number: int) -> list[Chunk]:
    """The parts of a picture that the user gave."""
    place = _Place(f"picture-{number}", "", is_named=True)
    place.data.update(_facts(image, place))
    return [place.told(), _file(image)]


def without_addresses(words: str) -> str:
    """The words without the paths of URLs in them, which may be temporary and signed."""
    return _URL.sub(_origin, words)


def _origin(found: re.Match[str]) -> str:
    try:
        host = urlsplit(found[0]).hostname
    except ValueError:
        host = None
    return f"{host or 'a URL'}/…"
