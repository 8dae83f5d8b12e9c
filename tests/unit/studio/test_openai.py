"""The studio at OpenAI and at services like it, on a server in OpenAI's published shapes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from io import BytesIO
from typing import Any

import PIL.Image
import pytest

from agentkit import Budget, Image, ImagePreview, OpenRouter
from agentkit.emulator import Emulator
from agentkit.errors import (
    BadRequest,
    BudgetExceeded,
    ImageError,
    OutcomeUnknown,
    ProviderFailed,
    RunError,
    Unsupported,
    UsageError,
)
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Price
from agentkit.studio import Drawing, Studio
from agentkit.values import Source
from tests.conftest import picture
from tests.stubs.openai_drawing import Draw, Fail, OpenAIStub, serving_openai

BIG = picture(size=(160, 120), noise=1)
OTHER = picture(size=(120, 90), noise=2)
EARLY = picture("blue", (8, 8))
MODEL = "gpt-image-2"
SERVICES = ("openai", "compatible")

How = Callable[..., Any]


async def buffered(studio: Studio, prompt: str, *images: Image, **options: Any) -> Drawing:
    return await (
        studio.edit(list(images), prompt, **options) if images else studio.draw(prompt, **options)
    )


async def streamed(studio: Studio, prompt: str, *images: Image, **options: Any) -> Drawing:
    async with studio.stream(prompt, images, **options) as stream:
        return await stream.finish()


both = pytest.mark.parametrize("ask", [buffered, streamed])


@pytest.fixture
async def stub() -> AsyncIterator[OpenAIStub]:
    async with serving_openai() as running:
        yield running


@pytest.fixture(params=SERVICES)
async def studio(
    request: pytest.FixtureRequest, stub: OpenAIStub, store: MemoryImageStore
) -> AsyncIterator[Studio]:
    async with OpenRouter(api_key="k", base_url=stub.url, service=request.param) as client:
        yield Studio(MODEL, client=client, store=store)


@both
async def test_a_picture_from_words(ask: How, stub: OpenAIStub, studio: Studio) -> None:
    stub.play(Draw(BIG))
    drawing = await ask(
        studio, "a red fox", aspect_ratio="16:9", quality="low", output_format="webp",
        background="opaque", output_compression=70, moderation="low", user="u1",
        extra={"complexity": "low"},
    )  # fmt: skip
    assert drawing.image.bytes() == BIG
    assert drawing.image.sources == (Source("data"),)
    assert (drawing.model, drawing.prompt) == (MODEL, "a red fox")
    usage = drawing.usage
    assert (usage.input_tokens, usage.output_tokens) == (40, 4000)
    assert (usage.requests, usage.images, usage.cost_usd) == (1, 1, None)
    (asked,) = stub.asked
    assert asked.path == "/v1/images/generations"
    assert asked.body == {
        "model": MODEL, "prompt": "a red fox", "size": "1536x864", "quality": "low",
        "output_format": "webp", "background": "opaque", "output_compression": 70,
        "moderation": "low", "user": "u1", "complexity": "low",
        **({"stream": True} if ask is streamed else {}),
    }  # fmt: skip
    assert stub.gets == []  # there is no catalogue, and none is asked


@both
async def test_an_edit_is_a_form_with_the_files_of_the_store(
    ask: How, stub: OpenAIStub, studio: Studio
) -> None:
    stub.play(Draw(OTHER))
    stub.play(Draw(EARLY))
    first = (await ask(studio, "a hat", Image.from_bytes(BIG), input_fidelity="high")).image
    second = await ask(studio, "both of them", Image.from_bytes(BIG), first, n=1, size="auto")
    assert second.image.parents == (Image.from_bytes(BIG).sha256, first.sha256)
    one, two = stub.asked
    assert one.path == two.path == "/v1/images/edits"
    assert one.files == (("image", "picture.png", "image/png", BIG),)
    assert [each[0] for each in two.files] == ["image[]"] * 2
    assert [each[3] for each in two.files] == [BIG, OTHER]
    streams = {"stream": True} if ask is streamed else {}
    assert one.body == {"model": MODEL, "prompt": "a hat", "input_fidelity": "high", **streams}
    assert two.body == {
        "model": MODEL, "prompt": "both of them", "n": 1, "size": "auto", **streams
    }  # fmt: skip
    assert int(two.headers["content-length"]) == len(two.raw)
    assert b"base64" not in two.raw


async def test_words_that_look_like_a_form_stay_words(stub: OpenAIStub, studio: Studio) -> None:
    stub.play(Draw(OTHER))
    words = 'a "hat"\r\n--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n9 \U0001f98a'
    extra = {"svg": {"model": "gpt-5.2", "reasoning": {"effort": "low"}}, 'a"\r\nb': "x"}
    with pytest.raises(BadRequest, match="Unknown parameter"):  # the name with a quote is one name
        await studio.edit(Image.from_bytes(BIG), words, extra=extra)
    body = stub.asked[-1].body
    assert body["prompt"] == words
    assert (body["svg[model]"], body["svg[reasoning][effort]"]) == ("gpt-5.2", "low")
    assert body["a%22%0D%0Ab"] == "x"


async def test_previews_are_asked_for_and_shown(
    stub: OpenAIStub, studio: Studio, store: MemoryImageStore
) -> None:
    for images in ((), (Image.from_bytes(OTHER),)):
        stub.play(Draw(BIG, (EARLY, EARLY, EARLY)))
        async with studio.stream("a fox", images, partial_images=2) as stream:
            events = [event async for event in stream]
        previews = [event for event in events if isinstance(event, ImagePreview)]
        assert [(each.index, each.data) for each in previews] == [(0, EARLY), (1, EARLY)]
        assert stream.result.image.bytes() == BIG
        assert stub.asked[-1].body["partial_images"] == 2
    assert store.size() == len(BIG) + len(OTHER)


@both
async def test_several_pictures(ask: How, stub: OpenAIStub, studio: Studio) -> None:
    stub.play(Draw(BIG), Draw(OTHER))
    drawing = await ask(studio, "two", n=2)
    assert [image.bytes() for image in drawing.images] == [BIG, OTHER]


async def test_a_picture_by_its_url(stub: OpenAIStub, studio: Studio) -> None:
    stub.files["/files/fox.png"] = BIG
    stub.play(Draw(b"", url=f"{stub.origin}/files/fox.png"))
    studio = Studio("flux", client=studio.client, store=studio.store)
    drawing = await studio.draw("a fox", response_format="url")
    assert drawing.image.bytes() == BIG
    assert stub.asked[-1].body["response_format"] == "url"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resolution": "2K"}, r"draw\(resolution=…\).*'2K'.*accepted is size=WIDTHxHEIGHT"),
        ({"size": "1K"}, r"draw\(size=…\).*'1K'.*accepted is WIDTHxHEIGHT"),
        ({"seed": 4, "session_id": "s"}, r"seed=4.*session_id='s'.*extra=\{'seed': …\}"),
        ({"provider": {"only": ["openai"]}}, "provider="),
        ({"trace": {"trace_id": "1"}}, "trace="),
        ({"aspect_ratio": "16:9", "model": "gpt-image-1.5"}, "accepted is 1:1, 3:2, 2:3"),
        ({"aspect_ratio": "5:1"}, "between 1:3 and 3:1"),
        ({"input_fidelity": "high"}, "accepted is edits"),
        ({"partial_images": 2}, "stream, which alone shows previews"),
    ],
)
@pytest.mark.parametrize("checks", [True, False])
async def test_options_without_a_counterpart_are_refused_by_name(
    options: dict[str, Any], words: str, checks: bool, stub: OpenAIStub, studio: Studio
) -> None:
    with pytest.raises(Unsupported, match=words) as caught:
        await studio.draw("a fox", checks=checks, **options)
    assert caught.value.parameter in options
    assert stub.asked == []


def transparent(size: tuple[int, int]) -> bytes:
    file = BytesIO()
    PIL.Image.new("RGBA", size, (0, 0, 0, 0)).save(file, "PNG")
    return file.getvalue()


async def test_a_mask_goes_as_a_file_of_its_own(stub: OpenAIStub, studio: Studio) -> None:
    mask = Image.from_bytes(transparent((160, 120)))
    stub.play(Draw(OTHER))
    drawing = await studio.edit(Image.from_bytes(BIG), "a hat", mask=mask)
    assert [(name, data) for name, _, _, data in stub.asked[-1].files] == [
        ("image", BIG),
        ("mask", mask.bytes()),
    ]
    assert drawing.image.parents == (Image.from_bytes(BIG).sha256,)
    with pytest.raises(Unsupported, match="mask=.*accepted is edits"):
        await studio.draw("a hat", mask=mask)
    with pytest.raises(UsageError, match="mask='mask.png'.*an Image"):
        await studio.edit(Image.from_bytes(BIG), "a hat", mask="mask.png")  # type: ignore[arg-type]


async def test_openai_knows_no_slugs_of_openrouter(
    stub: OpenAIStub, store: MemoryImageStore
) -> None:
    async with OpenRouter(api_key="k", base_url=stub.url, service="openai") as client:
        with pytest.raises(Unsupported, match=r"model='openai/gpt-5-image'.*such as gpt-image-2"):
            await Studio(client=client, store=store).draw("a fox")
    assert stub.asked == []


async def test_prices_tell_what_pictures_cost(stub: OpenAIStub, store: MemoryImageStore) -> None:
    prices = {MODEL: Price(image=0.04), "by-tokens": Price(input=5, output=40)}
    options: dict[str, Any] = {"api_key": "k", "base_url": stub.url, "service": "openai"}
    async with OpenRouter(**options, prices=prices) as client:
        studio, budget = Studio(MODEL, client=client, store=store), Budget(0.1)
        assert await studio.price(n=2) == pytest.approx(0.08)
        for ask in (buffered, streamed):
            stub.play(Draw(BIG))
            drawing = await ask(studio, "a fox", budget=budget)
            assert drawing.usage.cost_usd == drawing.image.cost_usd == pytest.approx(0.04)
            assert drawing.usage.cost_is_whole
        with pytest.raises(BudgetExceeded, match=r"\$0.0400 at worst, and \$0.0200 is left"):
            await studio.draw("a fox", budget=budget)
        for ask in (buffered, streamed):
            stub.play(Draw(BIG))
            drawing = await ask(studio, "a fox", model="by-tokens", budget=Budget(1))
            assert drawing.usage.cost_usd == pytest.approx(40 * 5e-6 + 4000 * 40e-6)
    assert len(stub.asked) == 4


@both
async def test_without_a_price_a_limit_in_money_cannot_be_kept(
    ask: How, stub: OpenAIStub, studio: Studio
) -> None:
    with pytest.raises(UsageError, match=r"does not tell what a picture costs.*Price\(image="):
        await ask(studio, "a fox", budget=Budget(1.0))
    assert stub.asked == []
    stub.play(Draw(BIG))
    drawing = await ask(studio, "a fox", budget=Budget(1.0, unmetered=True))
    assert (drawing.usage.cost_usd, drawing.usage.is_metered) == (None, False)


async def test_moderation_is_for_words_alone(stub: OpenAIStub, studio: Studio) -> None:
    with pytest.raises(Unsupported, match="moderation='low'.*words alone"):
        await studio.edit(Image.from_bytes(BIG), "a hat", moderation="low")
    assert stub.asked == []


@pytest.mark.parametrize(
    "options", [{"partial_images": 2}, {"input_fidelity": "low"}, {"response_format": "url"}]
)
async def test_openrouter_has_none_of_the_options_of_others(
    options: dict[str, Any], emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    with pytest.raises(Unsupported, match=f"{next(iter(options))}=.*OpenRouter"):
        await Studio(client=client, store=store).draw("a fox", **options)
    assert [each for each in emulator.requests if each.method == "POST"] == []


@both
async def test_a_break_is_told_and_nothing_is_sent_again(
    ask: How, stub: OpenAIStub, studio: Studio
) -> None:
    stub.cut = True
    stub.play(Draw(BIG))
    budget = Budget(images=3)
    with pytest.raises(RunError) as caught:
        await ask(studio, "a fox", budget=budget)
    assert isinstance(caught.value, OutcomeUnknown) or ask is streamed
    assert caught.value.billed is None
    assert (len(stub.asked), stub.gets) == (1, [])  # there is nobody to look it up
    assert (budget.spent_images, budget.uncertain_images) == (0, 1)


@both
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_gateway_is_asked_once(
    status: int, ask: How, stub: OpenAIStub, studio: Studio
) -> None:
    stub.status, stub.page = status, b"<html><h1>Bad gateway</h1></html>"
    budget = Budget(images=3)
    with pytest.raises(ProviderFailed) as caught:
        await ask(studio, "a fox", budget=budget)
    assert caught.value.billed is None
    assert (len(stub.asked), budget.uncertain_images) == (1, 1)


@both
async def test_a_refusal_is_told_in_its_words(ask: How, stub: OpenAIStub, studio: Studio) -> None:
    stub.play(Fail("Your request was rejected by the safety system.", status=400))
    budget = Budget(images=3)
    with pytest.raises(BadRequest, match="rejected by the safety system") as caught:
        await ask(studio, "a fox", budget=budget)
    assert (caught.value.billed, caught.value.code) == (False, "moderation_blocked")
    assert budget.remaining_images == 3


async def test_what_no_catalogue_tells(stub: OpenAIStub, studio: Studio) -> None:
    with pytest.raises(UsageError, match=r"Studio.models\(\).*no list"):
        await studio.models()
    with pytest.raises(UsageError, match=r"Studio.endpoints\(\).*no list"):
        await studio.endpoints()
    assert await studio.price(quality="low") is None
    assert stub.gets == []


async def test_a_picture_that_is_gone_is_not_sent(stub: OpenAIStub, studio: Studio) -> None:
    stub.play(Draw(BIG))
    drawn = (await studio.draw("a fox")).image
    studio.store.delete(drawn.sha256)
    with pytest.raises((ImageError, RunError), match=drawn.sha256[:12]):
        await studio.edit(drawn, "a hat")
    assert len(stub.posts("edits")) == 0
