"""The Images API: what it turns down, what it draws, and its answer as JSON or as a stream."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from agentkit.emulator.catalogue import Catalogue
from agentkit.emulator.job import Job
from agentkit.emulator.json_values import as_list
from agentkit.emulator.listed_model import ImageEndpoint, Model
from agentkit.emulator.painter.studio import MAX_SIDE, Picture, Studio
from agentkit.emulator.script import Draw, Failure, Json, Reply, Say
from agentkit.emulator.tables import word_list
from agentkit.emulator.wire.chat import error_object, failure_body
from agentkit.emulator.wire.errors import ApiError, invalid
from agentkit.emulator.wire.image_places import AS_LINK, previews_of
from agentkit.emulator.wire.request_bodies import ImagesBody
from agentkit.emulator.wire.sse import DONE, data, pieces

RATIOS = word_list(
    """
    1:1 1:2 1:4 1:8 2:1 2:3 2.35:1 3:2 3:4 4:1 4:3 4:5 5:2 5:4 5:7 7:5 8:1 9:16 16:9 9:19.5 19.5:9
    9:20 20:9 9:21 21:9 auto
    """
)
TIERS = {"512": 512, "768": 768, "1K": 1024, "1.5K": 1536, "2K": 2048, "4K": 4096}
_PIXELS = re.compile(r"(\d{2,5})x(\d{2,5})\Z")


def choose_image_model(body: ImagesBody, catalogue: Catalogue) -> tuple[Model, ImageEndpoint]:
    model = catalogue.find(body.model)
    if model is None:
        raise invalid(f"{body.model} is not a valid model ID")
    if model.image_api is None:
        raise ApiError(404, f"No endpoints found that support image generation for {body.model}")
    endpoint = model.image_api
    names = {endpoint.provider_slug.lower(), endpoint.provider_name.lower()}
    only, ignored = _names(body.provider, "only"), _names(body.provider, "ignore")
    if (
        (only and not names & set(only))
        or names & set(ignored)
        or model.id in catalogue.unavailable
    ):
        raise ApiError(
            404, f"No allowed providers are available for the selected model {body.model}"
        )
    return model, endpoint


def _names(provider: Mapping[str, Any] | None, key: str) -> list[str]:
    value = (provider or {}).get(key)
    if value is None:
        return []
    names = as_list(value)
    if names is None or not all(isinstance(name, str) for name in names):
        raise invalid(f"Invalid input: provider.{key}: a list of strings is required")
    return [str(name).lower() for name in names]


def check_parameters(body: ImagesBody, endpoint: ImageEndpoint) -> None:
    """The limits that hold for all models, then those of this endpoint's descriptors.

    An aspect ratio that a provider lacks is clamped to its nearest, and a quality or compression
    that it lacks is ignored; anything else without a descriptor is a 400.
    """
    if body.n is not None and not 1 <= body.n <= 10:
        raise invalid("n must be between 1 and 10")
    if body.aspect_ratio is not None and body.aspect_ratio not in RATIOS:
        raise invalid(f"Invalid aspect_ratio '{body.aspect_ratio}'")
    if body.output_compression is not None and not 0 <= body.output_compression <= 100:
        raise invalid("output_compression must be between 0 and 100")
    if body.background == "transparent" and body.output_format not in (None, "png", "webp"):
        raise invalid("background 'transparent' requires output_format png or webp")
    if body.size is not None:
        _check_size(body, body.size)
    references = body.input_references or []
    if len(references) > 16:
        raise invalid("input_references can hold at most 16 images")
    for reference in references:
        if not reference.image_url.url.startswith(("data:image/", "https://", "http://")):
            raise invalid("input_references must be http(s) URLs or base64 data URLs of images")
    wanted = {
        "n": body.n,
        "resolution": body.resolution
        if body.size is None
        else body.size
        if body.size in TIERS
        else None,
        "background": body.background,
        "output_format": body.output_format,
        "input_references": len(references) or None,
    }
    for name, value in wanted.items():
        if value is not None:
            _check_supported(name, value, endpoint.supported.get(name))


def _check_size(body: ImagesBody, size: str) -> None:
    if size in TIERS:
        if body.resolution not in (None, size):
            raise invalid(f"size '{size}' does not match resolution '{body.resolution}'")
        return
    pixels = _PIXELS.match(size)
    if pixels is None:
        raise invalid(f"Invalid size '{size}': use a tier such as 2K, or pixels such as 1024x1024")
    width, height = int(pixels[1]), int(pixels[2])
    if max(width, height) > 4096:
        raise invalid(f"Invalid size '{size}': at most 4096 pixels per side")
    if body.aspect_ratio not in (None, "auto"):
        across, down = (float(side) for side in body.aspect_ratio.split(":"))
        if abs(width / height - across / down) > 0.02 * across / down:
            raise invalid(f"size '{size}' does not match aspect_ratio '{body.aspect_ratio}'")
    if body.resolution is not None and not 0.5 < max(width, height) / TIERS[body.resolution] < 2:
        raise invalid(f"size '{size}' does not match resolution '{body.resolution}'")


def _check_supported(name: str, value: object, descriptor: Mapping[str, Any] | None) -> None:
    if descriptor is None:
        if name == "n" and value == 1:
            return
        raise invalid(f"Parameter '{name}' is not supported by this model")
    match descriptor["type"]:
        case "enum":
            if value not in descriptor["values"]:
                raise invalid(
                    f"Invalid {name} '{value}': this model supports "
                    f"{', '.join(descriptor['values'])}"
                )
        case "range":
            if not descriptor["min"] <= value <= descriptor["max"]:
                raise invalid(
                    f"Invalid {name} {value}: this model supports "
                    f"{descriptor['min']:g} to {descriptor['max']:g}"
                )
        case _:
            return


def size_in_pixels(
    size: object = None, resolution: object = None, ratio: object = None
) -> tuple[int, int]:
    """Width and height for the parameters of a request, at most 2048 pixels a side."""
    pixels = _PIXELS.match(size) if isinstance(size, str) else None
    if pixels is not None:
        return min(int(pixels[1]), MAX_SIDE), min(int(pixels[2]), MAX_SIDE)
    tier = size if isinstance(size, str) and size in TIERS else resolution
    side = min(TIERS.get(tier, 1024) if isinstance(tier, str) else 1024, MAX_SIDE)
    across, down = _ratio(ratio)
    width, height = (
        (side, round(side * down / across))
        if across >= down
        else (round(side * across / down), side)
    )
    return max(64, width // 16 * 16), max(64, height // 16 * 16)


def _ratio(ratio: object) -> tuple[float, float]:
    found = (
        re.match(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)\Z", ratio) if isinstance(ratio, str) else None
    )
    across, down = (float(found[1]), float(found[2])) if found else (1.0, 1.0)
    return (across, down) if across > 0 and down > 0 else (1.0, 1.0)


def reply_to(body: ImagesBody, endpoint: ImageEndpoint, studio: Studio) -> Reply:
    """The drawings that a request asks for."""
    ratio = _nearest(body.aspect_ratio, endpoint.supported.get("aspect_ratio"))
    size = size_in_pixels(body.size, body.resolution, ratio)
    sources = [studio.look_up(reference.image_url.url) for reference in body.input_references or ()]
    formats: Sequence[str] = endpoint.supported.get("output_format", {}).get("values", ("png",))
    if body.background == "transparent":
        formats = [name for name in formats if name in ("png", "webp")]
    draws = [
        Draw(
            body.prompt if number == 0 else f"{body.prompt} (variation {number + 1})",
            size=size,
            format=body.output_format or formats[0],
            seed=None if body.seed is None else body.seed + number,
            source=next((source for source in sources if source), None),
            transparent=body.background == "transparent",
            quality=body.quality or "auto",
            compression=body.output_compression,
            preview_count=2 if body.stream and endpoint.streaming else 0,
        )
        for number in range(body.n or 1)
    ]
    return Reply(draws)


def _nearest(ratio: str | None, descriptor: Mapping[str, Any] | None) -> str | None:
    if ratio in (None, "auto") or descriptor is None or ratio in descriptor["values"]:
        return ratio
    across, down = _ratio(ratio)
    known = [value for value in descriptor["values"] if value != "auto"]
    return min(known, key=lambda value: abs(_ratio(value)[0] / _ratio(value)[1] - across / down))


class ImagesEncoder:
    def __init__(self, job: Job) -> None:
        self._job = job

    async def _pictures(self) -> AsyncIterator[tuple[Draw, Picture]]:
        """All or nothing: a drawing that fails is a 502, and nothing is billed."""
        for item in self._job.reply.content:
            if not isinstance(item, Draw):
                continue
            picture = await self._job.picture(item)
            if picture is None:
                self._job.settle(finish_reason="error", free=True)
                raise ApiError(502, item.error or "The image could not be generated")
            yield item, picture

    async def result(self) -> Json:
        error = self._job.reply.error
        if error is not None:
            self._job.settle(finish_reason=None, free=True)
            return failure_body(error)
        shown = [pair async for pair in self._pictures()]
        self._job.settle(finish_reason="stop")
        images = [_picture(draw, picture) for draw, picture in shown]
        return {"created": 0, "data": images, "usage": self._job.usage()}

    async def events(self) -> AsyncIterator[bytes]:
        error = self._job.reply.error
        try:
            async for frame in self._drawn():
                yield frame
            if error is not None:
                self._job.settle(finish_reason="error", free=True)
                yield data(_stream_error(error))
        except ApiError as problem:
            yield data(_stream_error(Failure(problem.message, problem.status)))
        yield DONE

    async def _drawn(self) -> AsyncIterator[bytes]:
        for item in self._job.reply.content:
            if isinstance(item, Say):
                yield data(
                    {"type": "image_generation.text_chunk", "phase": "reasoning", "text": item.text}
                )
        shown = [(draw, picture) async for draw, picture in self._pictures()]
        for draw, picture in shown:
            if draw.format == "svg":
                markup = picture.data.decode("utf-8", "replace")
                for piece in pieces(markup, max(1, -(-len(markup) // 4))):
                    yield data(
                        {"type": "image_generation.text_chunk", "phase": "content", "text": piece}
                    )
                continue
            for number, preview in enumerate(
                await self._job.preview_texts(draw, picture, previews_of(draw))
            ):
                yield data(
                    {
                        "type": "image_generation.partial_image",
                        "partial_image_index": number,
                        "b64_json": preview,
                    }
                )
        if self._job.reply.error is not None:
            return
        self._job.settle(finish_reason="stop")
        for number, (draw, picture) in enumerate(shown):
            last = {"usage": self._job.usage()} if number == len(shown) - 1 else {}
            event = {"type": "image_generation.completed", **_picture(draw, picture)}
            yield data({**event, "created": self._job.created, **last})


def _picture(draw: Draw, picture: Picture) -> Json:
    """One entry of `data`: base64, or a URL where the script wants one (OpenAI's own Image API
    gives both).
    """
    if draw.shape in AS_LINK:
        return {"url": picture.url}
    return {"b64_json": picture.base64, "media_type": picture.claimed}


def _stream_error(error: Failure) -> Json:
    return {
        "type": "error",
        "error": {**error_object(error), "code": str(error.code), "type": None, "param": None},
    }
