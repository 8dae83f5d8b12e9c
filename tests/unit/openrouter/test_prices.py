"""What a request costs at most, from the lines of a catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit.openrouter.prices import eligible, price
from agentkit.values import Image
from agentkit.wire.catalogue import ImageEndpoint, Price
from agentkit.wire.images import ImageRequest


def endpoint(*prices: Price, slug: str = "a", tag: str | None = None) -> ImageEndpoint:
    return ImageEndpoint(slug.upper(), slug, tag, prices=prices)


def out(cost: float, unit: str = "image", variant: str | None = None) -> Price:
    return Price("output_image", unit, cost, variant)


PLAIN = endpoint(out(0.04))
QUALITIES = endpoint(out(0.04), out(0.01, variant="low"), out(0.16, variant="high"))
SIZES = endpoint(out(0.1, variant="1K"), out(0.2, variant="2K"), out(0.3, variant="2K high"))
BOTH = endpoint(
    *(
        out(cost, variant=f"{quality} {size}")
        for quality, size, cost in [
            ("low", "1024x1024", 0.01), ("low", "1536x1024", 0.02), ("high", "1024x1024", 0.2), ("high", "1536x1024", 0.25)
        ]
    )
)  # fmt: skip
MEGAPIXELS = endpoint(out(0.01, "megapixel"))
TOKENS = endpoint(out(4e-5, "token"))
INPUTS = endpoint(
    out(0.04), Price("input_image", "image", 0.002), Price("input_text", "token", 1e-5)
)
PICTURE = Image("a" * 64, "image/png", 10, 1000, 500)

CASES: list[tuple[ImageEndpoint, dict[str, Any], float | None]] = [
    (PLAIN, {}, 0.04),
    (PLAIN, {"n": 3, "quality": "high"}, 0.12),
    (QUALITIES, {"quality": "low"}, 0.01),
    (QUALITIES, {"quality": "medium"}, 0.04),
    (QUALITIES, {}, 0.16),
    (QUALITIES, {"quality": "auto", "n": 2}, 0.32),
    (SIZES, {"resolution": "1K"}, 0.1),
    (SIZES, {"size": "2K"}, 0.2),
    (SIZES, {"size": "2K", "quality": "high"}, 0.3),
    (SIZES, {}, 0.3),
    (SIZES, {"resolution": "4K", "quality": "low"}, 0.3),
    (BOTH, {"quality": "low"}, 0.02),
    (BOTH, {"quality": "low", "size": "1024x1024"}, 0.01),
    (BOTH, {"size": "1024x1024"}, 0.2),
    (BOTH, {"quality": "medium"}, 0.25),
    (BOTH, {"quality": "auto", "size": "auto"}, 0.25),
    (BOTH, {}, 0.25),
    (MEGAPIXELS, {"size": "2000x1000"}, 0.02),
    (MEGAPIXELS, {"resolution": "1K"}, 0.01048576),
    (MEGAPIXELS, {}, None),
    (TOKENS, {}, None),
    (INPUTS, {"prompt": "x" * 10}, 0.04003),
    (INPUTS, {"references": (PICTURE, PICTURE)}, 0.04401),
    (
        endpoint(out(0.04), Price("input_image", "megapixel", 0.01)),
        {"references": (PICTURE,)},
        0.045,
    ),
    (endpoint(out(0.04), Price("input_image", "token", 1e-5)), {"references": (PICTURE,)}, None),
    (endpoint(out(0.04), Price("input_image", "token", 1e-5)), {}, 0.04),
    (endpoint(out(0.04), Price("input_font", "image", 1.0)), {}, 0.04),
    (endpoint(out(0.05, "request")), {"n": 4, "resolution": "4K"}, 0.05),
    (endpoint(out(0.05, "request"), out(0.04)), {"n": 2}, 0.08),
    (endpoint(out(0.04), Price("input_text", "request", 0.01)), {"n": 2}, 0.09),
    (endpoint(out(0.04), Price("input_reference", "request", 0.01)), {}, 0.04),
    (
        endpoint(out(0.04), Price("input_reference", "request", 0.01)),
        {"references": (PICTURE, PICTURE)},
        0.05,
    ),
    (endpoint(out(0.04), Price("input_font", "request", 1.0)), {}, 0.04),
    (endpoint(out(0.04, "request", "low"), out(0.1, "request", "high")), {"quality": "low"}, 0.04),
    (endpoint(out(0.04, "parsec")), {}, None),
    (endpoint(Price("input_text", "token", 1e-5)), {}, None),
    (endpoint(), {}, None),
]


@pytest.mark.parametrize(("at", "options", "cost"), CASES, ids=lambda value: str(value)[:60])
def test_a_price(at: ImageEndpoint, options: dict[str, Any], cost: float | None) -> None:
    request = ImageRequest(**{"model": "a/b", "prompt": "four", **options})
    assert price([at], request) == (None if cost is None else pytest.approx(cost))


def test_the_dearest_of_those_that_may_serve() -> None:
    each = [
        endpoint(out(0.1), slug="a"),
        endpoint(out(0.3), slug="b", tag="b/fast"),
        endpoint(slug="c"),
    ]

    def at(**provider: Any) -> tuple[list[str], float | None]:
        request = ImageRequest("m", "x", provider=provider or None)
        return [one.slug for one in eligible(each, request)], price(each, request)

    assert at() == (["a", "b", "c"], None)
    assert at(ignore=["C"]) == (["a", "b"], 0.3)
    assert at(only=["a"]) == (["a"], 0.1)
    assert at(only=["b/fast"]) == (["b"], 0.3)
    assert at(only=["A", "c"]) == (["a", "c"], None)
    assert at(order=["a"]) == (["a", "b", "c"], None)
    assert at(order=["a"], allow_fallbacks=False) == (["a"], 0.1)
    assert at(only=["z"]) == ([], None)
    assert at(only="a", ignore=None) == (["a", "b", "c"], None)
    assert price([], ImageRequest("m", "x")) is None
