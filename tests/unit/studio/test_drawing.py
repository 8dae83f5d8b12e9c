"""Draw, edit and stream through the public API, on the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agentkit import Image, ImagePreview, ImageReady, OpenRouter, TextDelta
from agentkit.emulator import Draw, Emulator, Failure, Reply
from agentkit.errors import BadRequest, ImageError, MissingKey, ProviderFailed, RunError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.studio import Drawing, DrawingStream, Studio
from agentkit.values import Source
from tests.conftest import picture

BIG = picture(size=(160, 120), noise=1)
OTHER = picture(size=(120, 90), noise=2)
SMALL = picture("blue", (8, 8))
VECTOR = "recraft/recraft-v4-vector"
FLUX = "black-forest-labs/flux.2-pro"

How = Callable[..., Any]


async def buffered(studio: Studio, prompt: str, **options: Any) -> Drawing:
    return await studio.draw(prompt, **options)


async def streamed(studio: Studio, prompt: str, **options: Any) -> Drawing:
    async with studio.stream(prompt, **options) as stream:
        return await stream.finish()


both = pytest.mark.parametrize("ask", [buffered, streamed])


@both
async def test_a_picture_from_words(
    ask: How, studio: Studio, store: MemoryImageStore, emulator: Emulator
) -> None:
    drawing = await ask(studio, "a red fox", size="1024x1024", output_format="webp", seed=4)
    image = drawing.image
    assert (image.media_type, image.width, image.height) == ("image/webp", 1024, 1024)
    assert (image.prompt, image.model, image.parents) == ("a red fox", "openai/gpt-5-image", ())
    assert image.sources == (Source("data"),)
    assert store.open(image.sha256).read() == image.bytes()
    assert drawing.generation_id is not None
    assert drawing.generation_id == emulator.ledger[0].generation_id
    assert drawing.usage.cost_usd == image.cost_usd == pytest.approx(emulator.ledger[0].cost_usd)
    assert (drawing.usage.requests, drawing.usage.images) == (1, 1)


@both
@pytest.mark.parametrize(
    ("slug", "meant"),
    [
        ("openai/gpt-5-imag", "openai/gpt-5-image"),
        ("gpt-5-image", "openai/gpt-5-image"),
        ("openai/gpt-5.2", "did you mean openai/gpt-"),  # a model, and none that draws here
        ("zzz/qqq", "the catalogue has no name like it"),
    ],
)
async def test_a_name_that_is_no_model_is_told_with_those_that_are_like_it(
    ask: How, studio: Studio, slug: str, meant: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        await ask(studio, "a red fox", model=slug)
    assert caught.value.is_unknown_model
    assert slug in str(caught.value)
    assert meant in str(caught.value)


@both
async def test_several_pictures_have_no_cost_of_their_own(
    ask: How, studio: Studio, emulator: Emulator
) -> None:
    emulator.play(Reply([Draw("a", data=BIG), Draw("b", data=OTHER), Draw("c", data=SMALL)]))
    drawing = await ask(studio, "three", n=3)
    assert [image.bytes() for image in drawing.images] == [BIG, OTHER, SMALL]
    assert [image.cost_usd for image in drawing.images] == [None] * 3
    assert drawing.usage.cost_usd == pytest.approx(emulator.ledger[0].cost_usd)


@both
async def test_the_same_bytes_are_one_picture(ask: How, studio: Studio, emulator: Emulator) -> None:
    emulator.play(Reply([Draw("a", data=BIG), Draw("b", data=BIG)]))
    assert len((await ask(studio, "two", n=2)).images) == 1


async def test_both_ways_give_the_same(studio: Studio, emulator: Emulator) -> None:
    reply = Reply([Draw("a", data=BIG, preview_count=2), Draw("b", data=OTHER)])
    emulator.play([reply, reply])
    one, other = await buffered(studio, "two", n=2), await streamed(studio, "two", n=2)
    assert (one.images, one.usage, one.failures) == (other.images, other.usage, other.failures)


async def test_what_is_sent(studio: Studio, emulator: Emulator) -> None:
    emulator.play([Reply([Draw("a", data=BIG)])] * 2)
    await studio.draw(
        "a fox", n=2, size="1024x1024", aspect_ratio="1:1", quality="high", output_format="webp", background="opaque",
        output_compression=70, moderation="low", seed=7, extra={"user": "u1"},
        provider={"only": ["openai"], "allow_fallbacks": False, "options": {"openai": {"input_fidelity": "high"}}},
    )  # fmt: skip
    assert emulator.requests[-1].body == {
        "model": "openai/gpt-5-image", "prompt": "a fox", "n": 2, "size": "1024x1024", "aspect_ratio": "1:1", "quality": "high",
        "output_format": "webp", "background": "opaque", "output_compression": 70, "seed": 7, "user": "u1",
        "provider": {"only": ["openai"], "allow_fallbacks": False,
                     "options": {"openai": {"moderation": "low", "input_fidelity": "high"}}},
    }  # fmt: skip
    await studio.draw("an owl", resolution="2K", model=FLUX)
    assert emulator.requests[-1].body == {"model": FLUX, "prompt": "an owl", "resolution": "2K"}


async def test_previews_come_before_the_picture_and_are_not_kept(
    studio: Studio, store: MemoryImageStore, emulator: Emulator
) -> None:
    emulator.play(
        Reply([Draw("a", data=BIG, preview_count=2), Draw("b", data=OTHER, preview_count=1)])
    )
    async with studio.stream("two", n=2) as stream:
        events = [event async for event in stream]
        again = [event async for event in stream]
    assert events == again
    previews = [event for event in events if isinstance(event, ImagePreview)]
    assert [(preview.item, preview.index) for preview in previews] == [
        ("data:0", 0),
        ("data:0", 1),
        ("data:1", 0),
    ]
    ready = [event.image for event in events if isinstance(event, ImageReady)]
    assert [image.sha256 for image in ready] == [image.sha256 for image in stream.result.images]
    assert events.index(previews[-1]) < len(events) - len(ready)
    assert store.size() == len(BIG) + len(OTHER)


async def test_a_model_that_cannot_stream_answers_all_the_same(
    studio: Studio, emulator: Emulator
) -> None:
    async with studio.stream("a fox", model=FLUX, resolution="512") as stream:
        events = [event async for event in stream]
    assert [type(event) for event in events] == [ImageReady]
    assert stream.result.image.sha256 == events[0].image.sha256
    assert emulator.requests[-1].body["stream"] is True


async def test_vector_graphics_are_kept_as_they_are(studio: Studio) -> None:
    async with studio.stream("a fox", model=VECTOR) as stream:
        markup = "".join([event.text async for event in stream if isinstance(event, TextDelta)])
    image = stream.result.image
    assert image.media_type == "image/svg+xml"
    assert image.bytes().decode() == markup
    assert (image.width, image.height) == (None, None)
    with pytest.raises(ImageError, match="never rasterised"):
        image.to_pillow()


async def test_editing_sends_the_pictures_and_names_the_parents(
    studio: Studio, emulator: Emulator
) -> None:
    emulator.play([Reply([Draw("a", data=data)]) for data in (BIG, OTHER, SMALL)])
    fox = (await studio.draw("a fox", seed=1)).image
    given = Image.from_bytes(picture("red"))
    drawing = await studio.edit([fox, given], "put a hat on it")
    urls = [each["image_url"]["url"] for each in emulator.requests[-1].body["input_references"]]
    assert urls == [fox.data_url(), given.data_url()]
    assert drawing.image.parents == (fox.sha256, given.sha256)
    assert drawing.image.sha256 != fox.sha256
    async with studio.stream("and a scarf", drawing.image) as stream:
        assert (await stream.finish()).image.parents == (drawing.image.sha256,)


async def test_a_picture_with_a_handle_is_a_parent_by_it(
    studio: Studio, emulator: Emulator
) -> None:
    emulator.play(Reply([Draw("a", data=OTHER)]))
    named = replace(Image.from_bytes(BIG), name="img_3")
    assert (await studio.edit(named, "again")).image.parents == ("img_3",)


async def test_a_url_is_fetched_and_sent_as_what_it_is(studio: Studio, emulator: Emulator) -> None:
    emulator.play(Reply([Draw("a", data=BIG)]))
    url = emulator._state.studio.lend(BIG, "image/png", "png")
    drawing = await studio.edit([url, Image.from_bytes(SMALL)], "make it blue")
    assert drawing.image.parents == (Image.from_bytes(BIG).sha256, Image.from_bytes(SMALL).sha256)
    first = emulator.requests[-1].body["input_references"][0]
    assert first == {"type": "image_url", "image_url": {"url": Image.from_bytes(BIG).data_url()}}


def test_the_sync_forms(emulator: Emulator) -> None:
    emulator.play([Reply([Draw("a", data=data)]) for data in (BIG, OTHER)])
    studio = Studio(
        client=OpenRouter(api_key="k", base_url=emulator.base_url), store=MemoryImageStore()
    )
    fox = studio.draw_sync("a fox", seed=3).image
    assert studio.edit_sync(fox, "at night").image.parents == (fox.sha256,)


@both
async def test_all_or_nothing(ask: How, studio: Studio, emulator: Emulator) -> None:
    emulator.play([Reply([Draw("a", data=BIG), Draw("b", status="error", error="Refused")])] * 3)
    with pytest.raises(ProviderFailed, match="Refused") as caught:
        await ask(studio, "two", n=2)
    assert caught.value.drawing is not None
    assert caught.value.drawing.images == ()
    assert emulator.ledger == []


async def test_an_error_after_previews_is_raised_once_from_a_stream(
    studio: Studio, emulator: Emulator
) -> None:
    emulator.play(
        Reply([Draw("a", data=BIG, preview_count=1)], error=Failure("Gone", 502, form="stream"))
    )
    seen: list[Any] = []
    with pytest.raises(ProviderFailed, match="Gone"):
        async with studio.stream("a fox") as stream:
            async for event in stream:
                seen.append(event)  # noqa: PERF401 - it raises at its end
    assert [type(event) for event in seen] == [ImagePreview]
    assert sum(request.method == "POST" for request in emulator.requests) == 1


async def test_it_is_asked_again_where_nothing_was_billed(
    studio: Studio, emulator: Emulator
) -> None:
    emulator.play([Reply(error=Failure("Busy", 503)), Reply([Draw("a", data=BIG)])])
    assert (await studio.draw("a fox")).image.bytes() == BIG
    assert sum(request.method == "POST" for request in emulator.requests) == 2


async def test_a_broken_picture_is_a_failure_and_its_bytes_are_kept(
    studio: Studio, emulator: Emulator
) -> None:
    emulator.play(Reply([Draw("a", data=BIG[:-400])]))
    drawing = await studio.draw("a fox")
    assert drawing.images == ()
    assert drawing.failures[0].kept
    assert drawing.usage.cost_usd
    with pytest.raises(ImageError, match="cut off"):
        _ = drawing.image


async def test_leaving_a_stream_early_stops_the_request(studio: Studio, emulator: Emulator) -> None:
    emulator.play(Reply([Draw("a", data=BIG, preview_count=2)], hang=True))
    async with studio.stream("a fox") as stream:
        async for event in stream:
            assert isinstance(event, ImagePreview)
            break
    with pytest.raises(UsageError, match="stopped before its end"):
        _ = stream.result


async def test_a_stream_is_used_in_its_order(studio: Studio) -> None:
    stream = studio.stream("a fox")
    assert isinstance(stream, DrawingStream)
    with pytest.raises(UsageError, match="enter the stream"):
        _ = stream.result
    async with stream:
        with pytest.raises(UsageError, match="goes on"):
            _ = stream.result
        await stream.finish()
        with pytest.raises(UsageError, match="entered once"):
            await stream.__aenter__()


async def test_many_at_once_on_one_studio(studio: Studio, emulator: Emulator) -> None:
    emulator.play([Reply([Draw("a", data=picture("red", (n + 9, 9)))]) for n in range(6)])
    drawings = await asyncio.gather(
        *(studio.draw(f"fox {n}", model=FLUX, resolution="512") for n in range(6))
    )
    assert len({drawing.image.sha256 for drawing in drawings}) == 6
    assert sum(request.method == "GET" for request in emulator.requests) == 2  # the catalogue, once


async def test_without_a_key_nothing_is_tried(emulator: Emulator) -> None:
    async with OpenRouter(api_key="", base_url=emulator.base_url) as client:
        with pytest.raises(MissingKey):
            await Studio(client=client, store=MemoryImageStore()).draw("a fox")
    assert emulator.requests == []


async def test_a_wrong_key_is_told_by_the_request(emulator: Emulator) -> None:
    with Emulator(api_key="right") as strict:
        async with OpenRouter(api_key="wrong", base_url=strict.base_url) as client:
            with pytest.raises(RunError, match="401"):
                await Studio(client=client, store=MemoryImageStore()).draw("a fox")
