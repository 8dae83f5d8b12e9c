"""Checked before it is paid for: a request against the rules that hold for all models, and against
what the catalogue says of this one. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from agentkit.errors import Unsupported, UsageError
from agentkit.openrouter.prices import PIXELS, eligible
from agentkit.wire.catalogue import Capability, ImageEndpoint, ImageModel
from agentkit.wire.images import ImageRequest, side_of

MAX_PICTURES = 10
MAX_REFERENCES = 16
MOST_NAMED = 8
"""Models that an error names."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One parameter that is not accepted, and what is there (None: no such parameter at all)."""

    parameter: str
    given: object
    accepted: str | None


def check_prompt(owner: str, request: ImageRequest) -> None:
    """Raises `UsageError` for an empty prompt, which no model takes."""
    if not request.prompt.strip():
        raise UsageError(
            f"{owner}(prompt={request.prompt!r}): the prompt is empty; "
            "accepted is text that says what to draw"
        )


def check_rules(owner: str, request: ImageRequest) -> None:
    """What no model accepts. Raises `UsageError`."""
    if request.n is not None and not 1 <= request.n <= MAX_PICTURES:
        raise UsageError(f"{owner}(n={request.n}): accepted is 1 to {MAX_PICTURES}")
    if len(request.references) > MAX_REFERENCES:
        raise UsageError(
            f"{owner}: {len(request.references)} pictures are given; "
            f"accepted are at most {MAX_REFERENCES}"
        )
    compression = request.output_compression
    if compression is not None and not 0 <= compression <= 100:
        raise UsageError(f"{owner}(output_compression={compression}): accepted is 0 to 100")
    if compression is not None and request.output_format in {"png", "svg"}:
        raise UsageError(
            f"{owner}(output_compression={compression}, "
            f"output_format={request.output_format!r}): compression needs jpeg or webp"
        )
    if request.background == "transparent" and request.output_format not in {None, "png", "webp"}:
        raise UsageError(
            f"{owner}(background='transparent', "
            f"output_format={request.output_format!r}): transparent needs png or webp"
        )
    if request.size is not None:
        _check_size(owner, request, request.size)


def _check_size(owner: str, request: ImageRequest, size: str) -> None:
    """A tier is another word for `resolution`; pixels decide both it and the aspect ratio."""
    if size == "auto":
        return
    if side_of(size) is not None:
        if request.resolution not in {None, size}:
            raise UsageError(
                f"{owner}(size={size!r}, resolution={request.resolution!r}): they "
                "contradict each other; give one of the two"
            )
        return
    match = PIXELS.fullmatch(size)
    if match is None:
        raise UsageError(
            f"{owner}(size={size!r}): accepted is auto, a tier such as 512, 1K, 1.5K or 4K, or "
            "WIDTHxHEIGHT such as 1536x1024"
        )
    width, height = int(match[1]), int(match[2])
    tier = side_of(request.resolution)
    if tier is not None and not 0.5 < max(width, height) / tier < 2:
        raise UsageError(
            f"{owner}(size={size!r}, resolution={request.resolution!r}): they "
            "contradict each other; give one of the two"
        )
    ratio = _ratio(request.aspect_ratio)
    if ratio is not None and not math.isclose(width / height, ratio, rel_tol=0.02):
        raise UsageError(
            f"{owner}(size={size!r}, aspect_ratio={request.aspect_ratio!r}): they "
            "contradict each other; give one of the two"
        )


def _ratio(text: str | None) -> float | None:
    try:
        across, down = (float(side) for side in (text or "").split(":"))
        return across / down
    except (ValueError, ZeroDivisionError):
        return None


def check_model(
    owner: str, request: ImageRequest, model: ImageModel, others: Sequence[ImageModel]
) -> None:
    """What this model does not accept. Raises `Unsupported`, which names what it does, and other
    models that take the request.
    """
    faults = _faults_at(request, model)
    if not faults:
        return
    takers = () if any(map(_is_of_a_provider, faults)) else _takers(request, model, others)
    first = faults[0]
    raise Unsupported(
        f"{owner}(model={model.id!r}): {'; '.join(map(_told, faults))}."
        + (f" Models that accept this request: {_listed(takers)}." if takers else "")
        + " With checks=False it is sent all the same",
        model=model.id,
        parameter=first.parameter,
        accepted=first.accepted,
        models=takers,
    )


def _takers(
    request: ImageRequest, model: ImageModel, others: Sequence[ImageModel]
) -> tuple[str, ...]:
    return tuple(
        other.id for other in others if other.id != model.id and not _faults_at(request, other)
    )


def _listed(slugs: tuple[str, ...]) -> str:
    more = len(slugs) - MOST_NAMED
    return ", ".join(slugs[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _is_of_a_provider(fault: Fault) -> bool:
    """Whether only endpoints can tell, which are known of the one model that was asked for."""
    return fault.parameter == "moderation" or fault.parameter.startswith("provider")


def _told(fault: Fault) -> str:
    if fault.accepted is None:
        return f"it has no parameter {fault.parameter} (given: {fault.given!r})"
    return f"{fault.parameter}={fault.given!r} is not accepted; accepted is {fault.accepted}"


def _faults_at(request: ImageRequest, model: ImageModel) -> list[Fault]:
    """Empty if one of the endpoints that may serve the request accepts all of it; else what the
    best of them lacks.
    """
    if not model.endpoints:
        return list(_faults(request, model.parameters))
    endpoints = eligible(model.endpoints, request)
    if not endpoints:
        slugs = ", ".join(endpoint.slug for endpoint in model.endpoints)
        return [
            Fault("provider", dict(request.provider or {}), f"a provider that serves it: {slugs}")
        ]
    return min(
        (
            [*_faults(request, each.parameters), *_option_faults(request, each)]
            for each in endpoints
        ),
        key=len,
    )


def _faults(request: ImageRequest, parameters: Mapping[str, Capability]) -> Iterator[Fault]:
    asked: dict[str, object] = {
        "n": request.n if request.n != 1 else None,
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "quality": request.quality,
        "output_format": request.output_format,
        "background": request.background,
        "output_compression": request.output_compression,
        "seed": request.seed,
        "input_references": len(request.references) or None,
    }
    for name, value in asked.items():
        capability = parameters.get(name)
        if value is not None and (capability is None or not capability.accepts(value)):
            yield Fault(name, value, None if capability is None else str(capability))
    if request.size is not None:
        yield from _size_fault(request.size, parameters)


def _size_fault(size: str, parameters: Mapping[str, Capability]) -> Iterator[Fault]:
    """`size` is OpenRouter's shorthand: a tier is accepted where `resolution` has it, pixels where
    they are not listed.
    """
    own, tiers = parameters.get("size"), parameters.get("resolution")
    known = [each for each in (own, tiers) if each is not None]
    if not known:
        yield Fault("size", size, None)
    elif side_of(size) is not None:
        if not any(each.accepts(size) for each in known):
            yield Fault("size", size, str(known[0]))
    elif (
        own is not None
        and any(PIXELS.fullmatch(value) for value in own.values)
        and not own.accepts(size)
    ):
        yield Fault("size", size, str(own))


def _option_faults(request: ImageRequest, endpoint: ImageEndpoint) -> Iterator[Fault]:
    """Options that would be dropped on the way without a word."""
    options = (request.provider or {}).get("options")
    if isinstance(options, Mapping) and isinstance(
        own := cast("Mapping[str, Any]", options).get(endpoint.slug), Mapping
    ):
        for name, value in cast("Mapping[str, Any]", own).items():
            if name not in endpoint.passthrough:
                accepted = ", ".join(endpoint.passthrough) or "no options at all"
                yield Fault(f"provider.options.{endpoint.slug}.{name}", value, accepted)
    if request.moderation is not None and "moderation" not in endpoint.passthrough:
        yield Fault("moderation", request.moderation, None)


def with_moderators(request: ImageRequest, model: ImageModel | None) -> ImageRequest:
    """The request with the providers that `moderation` is for; where they are not known, the
    model's author.
    """
    if request.moderation is None:
        return request
    known = tuple(
        each.slug for each in (model.endpoints if model else ()) if "moderation" in each.passthrough
    )
    author = request.model.partition("/")[0].lstrip("~@")
    return replace(request, moderators=known or ((author,) if author else ()))
