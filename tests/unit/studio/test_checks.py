"""Checked before it is paid for: what is refused, in which words, and what is never refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agentkit import Image, OpenRouter
from agentkit.emulator import Draw, Emulator, RawReply, Reply
from agentkit.errors import BadRequest, ConnectionFailed, Unsupported, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.studio import Studio
from tests.conftest import picture
from tests.unit.studio.conftest import Line, body

BIG = picture(size=(160, 120), noise=1)
GEMINI = "google/gemini-2.5-flash-image"
VECTOR = "recraft/recraft-v4-vector"
FLUX = "black-forest-labs/flux.2-pro"
SEEDREAM = "bytedance-seed/seedream-4.5"

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"n": 0}, "1 to 10"),
    ({"n": 11}, "1 to 10"),
    ({"n": True}, "whole number"),
    ({"n": "2"}, "whole number"),
    ({"seed": 1.5}, "whole number"),
    ({"output_compression": 101}, "0 to 100"),
    ({"output_compression": 50, "output_format": "png"}, "needs jpeg or webp"),
    ({"background": "transparent", "output_format": "jpeg"}, "needs png or webp"),
    ({"size": "2K", "resolution": "1K"}, "contradict"),
    ({"size": "1024x1024", "aspect_ratio": "16:9"}, "contradict"),
    ({"size": "512x512", "resolution": "4K"}, "contradict"),
    ({"size": "large"}, "WIDTHxHEIGHT"),
    ({"quality": 3}, "text"),
    ({"model": "a b"}, "slug"),
    ({"model": ""}, "slug"),
    ({"provider": ["openai"]}, "mapping"),
    ({"provider": {"only": {1, 2}}}, "JSON"),
    ({"extra": {"x": float("nan")}}, "JSON"),
    ({"sise": "2K"}, "no such parameter; accepted are model, aspect_ratio"),
    ({"checks": 1}, "True or False"),
]


@pytest.mark.parametrize(("options", "words"), WRONG, ids=lambda value: str(value)[:50])
async def test_what_no_model_accepts(
    studio: Studio, emulator: Emulator, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        await studio.draw("a fox", **options)
    assert next(iter(options)) in str(caught.value)
    with pytest.raises(UsageError, match=words):
        studio.stream("a fox", **options)  # at once, not inside the block
    assert emulator.requests == []


@pytest.mark.parametrize("prompt", ["", "  \n", None, 3, b"fox"])
@pytest.mark.parametrize("checks", [True, False])
async def test_a_prompt_that_is_none(
    studio: Studio, emulator: Emulator, prompt: Any, checks: bool
) -> None:
    with pytest.raises(UsageError, match="prompt"):
        await studio.draw(prompt, checks=checks)
    assert emulator.requests == []


UNSUPPORTED: list[tuple[dict[str, Any], str, str | None, set[str]]] = [
    ({"model": FLUX, "n": 2}, "n", "1 to 1", {GEMINI, VECTOR, "openai/gpt-5-image"}),
    ({"model": FLUX, "background": "opaque"}, "background", None, {VECTOR, "openai/gpt-5-image"}),
    ({"model": FLUX, "quality": "high"}, "quality", None, {"openai/gpt-5-image"}),
    ({"resolution": "4K"}, "resolution", "1K", {GEMINI}),
    ({"aspect_ratio": "21:9"}, "aspect_ratio", "1:1, 3:2, 2:3, auto", {GEMINI, FLUX, SEEDREAM}),
    ({"output_format": "svg"}, "output_format", "png, jpeg, webp", {VECTOR}),
    ({"size": "640x480"}, "size", "1024x1024, 1536x1024, 1024x1536, 1K", {GEMINI, FLUX}),
    ({"model": SEEDREAM, "size": "4K"}, "size", "1K, 2K", {GEMINI}),
    ({"model": SEEDREAM, "seed": 1}, "seed", None, {GEMINI, FLUX, VECTOR}),
    ({"output_format": "svg", "quality": "high"}, "quality", None, set()),
]


@pytest.mark.parametrize(
    ("options", "parameter", "accepted", "takers"),
    UNSUPPORTED,
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value)[:40],
)
async def test_what_this_model_does_not_accept(
    studio: Studio,
    emulator: Emulator,
    options: dict[str, Any],
    parameter: str,
    accepted: str | None,
    takers: set[str],
) -> None:
    if not takers:
        options = {**options, "model": VECTOR}
    with pytest.raises(Unsupported) as caught:
        await studio.draw("a fox", **options)
    error = caught.value
    assert (error.parameter, error.accepted, error.model) == (
        parameter, accepted, options.get("model", "openai/gpt-5-image"),
    )  # fmt: skip
    assert takers <= set(error.models)
    assert error.model not in error.models
    assert bool(takers) == bool(error.models)
    for word in (error.model, parameter, accepted or "no parameter", *takers):
        assert word in str(error)
    assert not [request for request in emulator.requests if request.method == "POST"]


@pytest.mark.parametrize(
    ("options", "parameter", "accepted"),
    [
        ({"provider": {"only": ["nobody"]}}, "provider", "openai"),
        ({"provider": {"ignore": ["OpenAI"]}}, "provider", "openai"),
        (
            {"provider": {"options": {"openai": {"steps": 3}}}},
            "provider.options.openai.steps",
            "input_fidelity",
        ),
        ({"model": FLUX, "moderation": "low"}, "moderation", None),
    ],
)
async def test_what_its_providers_do_not_accept(
    studio: Studio, options: dict[str, Any], parameter: str, accepted: str | None
) -> None:
    with pytest.raises(Unsupported) as caught:
        await studio.draw("a fox", **options)
    assert caught.value.parameter == parameter
    assert (accepted or "no parameter") in str(caught.value)
    assert caught.value.models == ()


async def test_a_model_that_takes_no_pictures(studio: Studio) -> None:
    with pytest.raises(Unsupported, match="input_references") as caught:
        await studio.edit(Image.from_bytes(BIG), "a hat", model=VECTOR)
    assert GEMINI in caught.value.models


async def test_too_many_pictures(studio: Studio, emulator: Emulator) -> None:
    with pytest.raises(UsageError, match="at most 16"):
        await studio.edit([Image.from_bytes(BIG)] * 17, "a hat")
    with pytest.raises(Unsupported, match="0 to 8"):
        await studio.edit([Image.from_bytes(BIG)] * 9, "a hat", model=FLUX)
    assert not [request for request in emulator.requests if request.method == "POST"]


@pytest.mark.parametrize(
    "options",
    [
        {"n": 1, "model": SEEDREAM},
        {"size": "2K", "model": SEEDREAM},
        {"quality": "auto", "background": "auto"},
        {"size": "640x480", "model": GEMINI},
        {"size": "1K", "resolution": "1K"},
        {"size": "1536x1024", "aspect_ratio": "3:2"},
        {"provider": {"only": ["openai/fast"], "options": {"other": {"x": 1}}}},
    ],
    ids=str,
)
async def test_what_is_let_through(
    studio: Studio, emulator: Emulator, options: dict[str, Any]
) -> None:
    emulator.play(
        Reply([Draw("a", data=BIG)]) if "provider" not in options else RawReply(body=body(BIG))
    )
    if "provider" in options:
        with pytest.raises(
            BadRequest, match="No allowed providers"
        ):  # by the emulator, which knows no variants
            await studio.draw("a fox", **options)
        return
    assert (await studio.draw("a fox", **options)).image.bytes() == BIG


async def test_the_checks_can_be_turned_off(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    with pytest.raises(BadRequest, match="supports 1K"):
        await Studio(client=client, store=store).draw("a fox", resolution="4K", checks=False)
    unchecked = Studio(client=client, store=store, checks=False)
    with pytest.raises(BadRequest, match="between 1 and 10"):
        await unchecked.draw("a fox", n=11)
    assert {request.method for request in emulator.requests} == {"POST"}
    with pytest.raises(Unsupported):
        await unchecked.draw("a fox", resolution="4K", checks=True)


async def test_an_unknown_model_is_for_the_server_to_refuse(studio: Studio) -> None:
    with pytest.raises(BadRequest, match="not a valid model ID"):
        await studio.draw("a fox", model="nobody/nothing", quality="high")


async def test_a_catalogue_that_cannot_be_had_stops_nobody(line: Line, at_line: Any) -> None:
    """It answers 404 to each GET."""
    line.say(body(BIG))
    studio = at_line(checks=True)
    assert (await studio.draw("a fox", resolution="4K", moderation="low")).image.bytes() == BIG
    assert line.gets == ["/api/v1/images/models"]
    assert line.posts[0]["provider"] == {"options": {"a": {"moderation": "low"}}}
    assert await studio.price() is None
    with pytest.raises(BadRequest):
        await studio.models()
    with pytest.raises(BadRequest):
        await studio.endpoints()


async def test_offline_it_is_the_request_that_says_so() -> None:
    async with OpenRouter(api_key="k", base_url="http://127.0.0.1:9/api/v1") as client:
        studio = Studio(client=client, store=MemoryImageStore())
        assert await studio.price() is None
        with pytest.raises(ConnectionFailed):
            await studio.models()


@pytest.mark.parametrize(
    "options",
    [
        {"model": "x y"}, {"client": "openrouter"}, {"fetch": 3}, {"inputs": 3}, {"checks": "no"}, {"seconds": 0}, {"seconds": True},
        {"seconds": float("inf")}, {"ttl": -1}, {"ttl": "long"},
    ],
    ids=str,
)  # fmt: skip
def test_a_studio_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        Studio(**options)


async def test_models_endpoints_and_price(studio: Studio, emulator: Emulator) -> None:
    models = {model.id: model for model in await studio.models()}
    assert models[VECTOR].parameters["output_format"].values == ("svg", "png", "webp")
    assert (models[VECTOR].streams, models[FLUX].streams) == (True, False)
    (endpoint,) = await studio.endpoints(FLUX)
    assert (endpoint.slug, endpoint.passthrough) == (
        "black-forest-labs",
        ("guidance", "steps", "safety_tolerance"),
    )
    assert await studio.price(FLUX) == pytest.approx(0.03)
    assert await studio.price("nobody/nothing") is None
    with pytest.raises(UsageError, match="1 to 10"):
        await studio.price(FLUX, n=20)
    with pytest.raises(UsageError, match="slug"):
        await studio.endpoints("/")


PRICED: list[dict[str, Any]] = [
    {}, {"quality": "low"}, {"quality": "high", "n": 2}, {"quality": "medium", "n": 3}, {"model": FLUX, "resolution": "512"},
    {"model": GEMINI, "n": 2, "resolution": "512"}, {"model": VECTOR, "output_format": "webp"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "images"),
    [
        (each, images)
        for each in PRICED
        for images in (0, 2)
        if not (images and each.get("model") == VECTOR)
    ],
    ids=str,
)
async def test_it_costs_no_more_than_the_price_that_was_told(
    studio: Studio, emulator: Emulator, options: dict[str, Any], images: int
) -> None:
    drawn = Draw("a fox", data=BIG, quality=options.get("quality", "auto"))
    emulator.play(Reply([replace(drawn) for _ in range(options.get("n", 1))]))
    price = await studio.price(prompt="a fox", images=images, **options)
    assert price is not None
    given = [Image.from_bytes(BIG)] * images
    drawing = await (
        studio.edit(given, "a fox", **options) if given else studio.draw("a fox", **options)
    )
    cost = drawing.usage.cost_usd
    assert cost is not None
    assert cost <= price + 1e-9
    if "quality" in options or options.get("model"):
        assert cost == pytest.approx(price)
