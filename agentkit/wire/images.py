"""The Image API: values → the JSON of `POST /images`, and its replies, buffered or streamed → what
was seen of pictures. The requests of OpenAI's are in `openai_images`; its replies are read here.

A provider that cannot stream answers `stream: true` with JSON, so both forms are read by one
decoder and give equal replies. No recording exists of a stream: its events come from spec and docs
alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pybase64

from agentkit.errors import APIError
from agentkit.values import Image, Pieces, Usage
from agentkit.wire import faults
from agentkit.wire.body import Placeholders
from agentkit.wire.common import picture_values
from agentkit.wire.json import SurrogateJoiner, as_object, as_objects, as_text
from agentkit.wire.size import SizeLimit
from agentkit.wire.types import ImageKey, ImageRef, JsonObject, Preview, Signal, Words
from agentkit.wire.usage import Bill

PATH = "/images"
_FIELDS = ("b64_json", "url", "image_url", "result")


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One request for pictures. What is None is not sent; `extra` goes into the body as it is, and
    wins.
    """

    model: str
    prompt: str
    references: tuple[Image, ...] = ()
    """Stored pictures: their bytes are sent as data URLs."""
    mask: Image | None = None
    """A stored picture whose transparent parts are those of the first reference that change."""
    n: int | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None
    size: str | None = None
    quality: str | None = None
    output_format: str | None = None
    background: str | None = None
    output_compression: int | None = None
    moderation: str | None = None
    """No parameter of its own on the wire but a provider's option: `moderators` says whose."""
    moderators: tuple[str, ...] = ()
    partial_images: int | None = None
    """How many previews a stream shows, where the service has to be told."""
    input_fidelity: str | None = None
    response_format: str | None = None
    seed: int | None = None
    user: str | None = None
    session_id: str | None = None
    trace: Mapping[str, Any] | None = None
    provider: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stream: bool = False


_TIER = re.compile(r"([1-9][0-9]{0,4}(?:\.[0-9]{1,3})?)([Kk]?)")


def side_of(tier: str | None) -> int | None:
    """The pixels of a side of a square picture of this resolution: 1536 for `1.5K`. None for what
    is no resolution.
    """
    match = _TIER.fullmatch(tier or "")
    return None if match is None else round(float(match[1]) * (1024 if match[2] else 1))


def encode(request: ImageRequest) -> Pieces:
    """The body of the request."""
    holes = Placeholders()
    references = [
        {"type": "image_url", "image_url": {"url": holes.hole(image)}}
        for image in request.references
    ]
    body: dict[str, Any] = {
        "model": request.model,
        "prompt": request.prompt,
        "n": request.n,
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "size": request.size,
        "quality": request.quality,
        "output_format": request.output_format,
        "background": request.background,
        "output_compression": request.output_compression,
        "seed": request.seed,
        "input_references": references or None,
        "user": request.user,
        "session_id": request.session_id,
        "trace": request.trace,
        "provider": _provider(request),
        "stream": request.stream or None,
    }
    return holes.pieces(
        {**{name: value for name, value in body.items() if value is not None}, **request.extra}
    )


def _provider(request: ImageRequest) -> Mapping[str, Any] | None:
    """The routing, with `moderation` among the options of each provider that takes it."""
    if request.moderation is None or not request.moderators:
        return request.provider
    given = request.provider or {}
    options = as_object(given.get("options"))
    moderated = {
        slug: {"moderation": request.moderation, **as_object(options.get(slug))}
        for slug in request.moderators
    }
    return {**given, "options": {**options, **moderated}}


@dataclass(frozen=True, slots=True)
class ImageReply:
    """One reply, whole or as far as it came."""

    pictures: tuple[ImageRef, ...]
    usage: Usage
    error: APIError | None = None


class ImagesReply:
    """Builds the reply from the events of a stream, or from one whole body. `count` is how many
    pictures were asked for.
    """

    def __init__(self, prompt: str, count: int) -> None:
        self._prompt, self._count = prompt, count
        self._held = SizeLimit()
        self._pictures: list[ImageRef] = []
        self._bill = Bill()
        self._error: APIError | None = None
        self._markup: list[str] = []
        self._menders = {"text": SurrogateJoiner(), "reasoning": SurrogateJoiner()}
        self._item, self._index = 0, -1
        self._whole = False

    @property
    def finished(self) -> bool:
        """Whether nothing more is to come: `n` is an upper bound, so a stream with fewer pictures
        only ends with `[DONE]`.
        """
        return self._whole or self._error is not None or len(self._pictures) >= self._count

    @property
    def closed(self) -> bool:
        return False  # the usage may follow

    @property
    def begun(self) -> bool:
        """Whether anything of a picture has come."""
        return bool(self._pictures or self._markup or self._index >= 0)

    def whole(self, body: JsonObject) -> list[Signal]:
        """Take a buffered body."""
        self._held.value(body)
        if error := faults.error_object(body.get("error")):
            self._error = faults.from_error(error)
        self._whole = True
        self._bill.add(body.get("usage"))
        return [self._picture(each) for each in as_objects(body.get("data"))]

    def feed(self, event: JsonObject) -> list[Signal]:
        """Take one event of a stream; one of an unknown type is passed over."""
        if isinstance(event.get("data"), list):
            return self.whole(event)
        if "type" not in event and (inner := as_object(event.get("data"))):
            event = inner  # as the spec's schema writes it
        self._held.value(event)
        kind = as_text(event.get("type")) or ""
        if kind == "error" or event.get("error"):
            self._error = faults.from_error(faults.error_object(event.get("error")) or event)
            return []
        match kind.rpartition(".")[2]:
            case "partial_image":
                return self._preview(event)
            case "text_chunk":
                return self._chunk(event)
            case "completed":
                self._bill.add(event.get("usage"))
                return [self._picture(event)]
            case _:
                return []

    def _preview(self, event: JsonObject) -> list[Signal]:
        """Nothing says which picture a preview belongs to, but its index begins anew with each."""
        given = event.get("partial_image_index")
        index = given if isinstance(given, int) and not isinstance(given, bool) else self._index + 1
        item = max(self._item + (index <= self._index), len(self._pictures))
        self._item, self._index = min(item, self._count - 1), index
        return [
            Preview(str(ImageKey("data", str(self._item))), index, value)
            for value in picture_values(event, _FIELDS)[:1]
        ]

    def _chunk(self, event: JsonObject) -> list[Signal]:
        text = event.get("text")
        if not isinstance(text, str) or not text:
            return []
        what = "text" if event.get("phase", "content") == "content" else "reasoning"
        mended = self._menders[what].more(text)
        if what == "text":
            self._markup.append(mended)
        return [Words(mended, what)] if mended else []

    def _picture(self, holder: JsonObject) -> ImageRef:
        values = picture_values(holder, _FIELDS) or self._written()
        self._markup.clear()
        ref = ImageRef(
            ImageKey("data", str(len(self._pictures))),
            "data",
            values,
            prompt=self._prompt,
            revised_prompt=as_text(holder.get("revised_prompt")),
            error=None if values else "no picture came with it",
        )
        self._pictures.append(ref)
        return ref

    def _written(self) -> tuple[str, ...]:
        """The SVG whose markup came in pieces, as base64."""
        markup = "".join(self._markup)
        return (
            (pybase64.b64encode(markup.encode("utf-8", "replace")).decode("ascii"),)
            if markup.strip()
            else ()
        )

    def unfinished(self) -> ImageRef | None:
        """After a break: the SVG whose markup had come, in part or whole, without the event that
        ends it.
        """
        values = self._written()
        return (
            ImageRef(
                ImageKey("data", str(len(self._pictures))), "data", values, prompt=self._prompt
            )
            if values
            else None
        )

    def reply(self) -> ImageReply:
        """What has come so far."""
        return ImageReply(tuple(self._pictures), self._bill.usage(), self._error)
