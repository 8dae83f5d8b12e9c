"""The most that a request for pictures may cost, as far as the catalogue tells. Pure.

Each endpoint lists what it bills. A request may leave open what decides the price: which provider
serves it, or which quality `auto` turns out to be. Then the highest price counts, since a limit in
money is kept by what a request may cost. `n` is an upper bound too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from math import ceil, fsum

from agentkit.wire.catalogue import ImageEndpoint, Price
from agentkit.wire.images import ImageRequest, side_of

PIXELS = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
CHARACTERS_A_TOKEN = 4
_INPUTS = ("input_image", "input_reference")
_BILLED = (*_INPUTS, "input_text", "output_image")


def price(
    endpoints: Sequence[ImageEndpoint], request: ImageRequest, when: datetime | None = None
) -> float | None:
    """USD, at most, for a request at this time (None: at any); None where the catalogue does not
    tell it (no endpoint, prices by the token of a picture, or by its megapixels where its size is
    not known).

    Text that is billed by the token counts as a token for every four characters.
    """
    each = [_price_at(endpoint, request, when) for endpoint in eligible(endpoints, request)]
    known = [one for one in each if one is not None]
    return max(known) if known and len(known) == len(each) else None


def eligible(endpoints: Sequence[ImageEndpoint], request: ImageRequest) -> list[ImageEndpoint]:
    """The endpoints that may serve this request, by its `provider`."""
    provider = request.provider or {}
    only, ignored, order = (_names(provider.get(key)) for key in ("only", "ignore", "order"))
    found = [
        each
        for each in endpoints
        if (not only or _is_named(each, only)) and not (ignored and _is_named(each, ignored))
    ]
    if order and provider.get("allow_fallbacks") is False:
        found = [each for each in found if _is_named(each, order)]
    return found


def _names(value: object) -> frozenset[str]:
    """Slugs in lower case."""
    if not isinstance(value, Iterable) or isinstance(value, str):
        return frozenset()
    return frozenset(str(each).lower() for each in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _is_named(endpoint: ImageEndpoint, names: frozenset[str]) -> bool:
    """Whether the endpoint is among them; the name of a provider's variant (`deepinfra/turbo`)
    stands for the provider.
    """
    if endpoint.names & names:
        return True
    providers = {name.partition("/")[0] for name in names}
    return endpoint.slug.lower() in providers


def _price_at(
    endpoint: ImageEndpoint, request: ImageRequest, when: datetime | None
) -> float | None:
    """The sum of what this endpoint bills; None where a line of it cannot be known."""
    if not any(line.billable == "output_image" for line in endpoint.prices):
        return None
    parts: list[float] = []
    by_billable: dict[str, list[Price]] = {}
    for line in endpoint.prices:
        by_billable.setdefault(line.billable, []).append(line)
    for lines in by_billable.values():
        costs = [_cost(line, request, line.highest(when)) for line in _fitting(lines, request)]
        known = [cost for cost in costs if cost is not None]
        if len(known) < len(costs):
            return None
        # Which of several lines holds is open: the highest counts.
        parts.append(max(known, default=0.0))
    return fsum(parts)


def _fitting(lines: list[Price], request: ImageRequest) -> list[Price]:
    """The lines that may hold: those whose variant was asked for, else those without a variant,
    else all.
    """
    asked = _words(
        request.size, request.resolution, request.quality, request.background, request.output_format
    )
    lines = [line for line in lines if not _excluded(line, request)] or lines
    named = [line for line in lines if line.variant and _words(line.variant) <= asked]
    if named:
        most = max(len(_words(line.variant)) for line in named)
        return [line for line in named if len(_words(line.variant)) == most]
    plain = [line for line in lines if not line.variant]
    by_quality = any(_words(line.variant) & _QUALITIES for line in lines)
    if by_quality and request.quality in {None, "auto"}:
        return lines  # the provider chooses the quality, and so the price
    return plain or lines


def _excluded(line: Price, request: ImageRequest) -> bool:
    """Whether this line is for another quality, or another size, than was asked for."""
    words = _words(line.variant)
    qualities = words & _QUALITIES
    sizes = frozenset(word for word in words if side_of(word) or PIXELS.fullmatch(word))
    quality = _words(request.quality) & _QUALITIES
    size = _words(request.size, request.resolution) - {"auto"}
    other_quality = quality and qualities and not quality & qualities
    other_size = size and sizes and not size & sizes
    return bool(other_quality or other_size)


_QUALITIES = frozenset({"low", "medium", "high", "xhigh", "max"})


def _words(*texts: str | None) -> frozenset[str]:
    joined = " ".join(text for text in texts if text)
    return frozenset(re.findall(r"[0-9]+\.[0-9]+k|[a-z0-9]+", joined.lower()))


def _cost(line: Price, request: ImageRequest, usd: float) -> float | None:
    """USD for one line of this request, at this price of its unit."""
    references = len(request.references)
    if line.unit == "request":
        needed = references or line.billable not in _INPUTS
        return usd if needed and line.billable in _BILLED else 0.0
    if line.billable == "input_text":
        tokens = ceil(len(request.prompt) / CHARACTERS_A_TOKEN)
        return usd * tokens if line.unit == "token" else None
    if line.billable in _INPUTS:
        if not references or line.unit == "image":
            return usd * references
        megapixels = _megapixels_in(request) if line.unit == "megapixel" else None
        return usd * megapixels if megapixels is not None else None
    if line.billable != "output_image":
        return 0.0  # a font, or what is unknown here: the request asks for none of it
    count = request.n or 1
    if line.unit == "image":
        return usd * count
    pixels = pixels_of(request)
    if line.unit != "megapixel" or pixels is None:
        return None
    return usd * count * pixels / 1_000_000


def _megapixels_in(request: ImageRequest) -> float | None:
    """The megapixels of the pictures to start from; None if the size of one is not known."""
    pixels = 0
    for image in request.references:
        if not image.width or not image.height:
            return None
        pixels += image.width * image.height
    return pixels / 1_000_000


def pixels_of(request: ImageRequest) -> int | None:
    """The number of pixels of one picture; a tier counts as its square. None if the request does
    not say.
    """
    if request.size and (match := PIXELS.fullmatch(request.size)):
        return int(match[1]) * int(match[2])
    side = side_of(request.size or request.resolution)
    return side * side if side is not None else None
