"""Agents that draw at OpenAI and at services like it, on a server in OpenAI's published shapes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentkit import (
    Agent,
    Answer,
    Budget,
    Image,
    ImageFailed,
    ImageGeneration,
    ImagePreview,
    ImageReady,
    Limits,
    ModelSettings,
    OpenRouter,
    ServerTool,
    WebSearch,
    tool,
)
from agentkit.errors import OutcomeUnknown, RunError, Unsupported, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Price
from agentkit.studio import Studio
from tests.conftest import picture
from tests.stubs.openai_drawing import Call, Draw, Fail, Message, OpenAIStub, Say, serving_openai

BIG = picture(size=(160, 120), noise=1)
OTHER = picture(size=(120, 90), noise=2)
EARLY = picture("blue", (8, 8))
MODEL = "gpt-5.2"
PRICES = {MODEL: Price(input=1, output=10, image=0.04), "gpt-image-2": Price(image=0.04)}
WORDS_USD = 0.001 + 0.005
"""What the words of one reply cost by these prices."""


@tool
def weather(city: str) -> str:
    """Today's weather."""
    return f"rain in {city}"


@pytest.fixture
async def stub() -> AsyncIterator[OpenAIStub]:
    async with serving_openai() as running:
        yield running


class Bench:
    """Makes agents for the stub, and asks them buffered or streamed."""

    def __init__(self, stub: OpenAIStub, store: MemoryImageStore, *, stream: bool) -> None:
        self.stub, self.store, self.stream = stub, store, stream
        self.events: list[Any] = []

    def client(self, service: str = "openai", **options: Any) -> OpenRouter:
        return OpenRouter(api_key="k", base_url=self.stub.url, service=service, **options)  # type: ignore[arg-type]

    def agent(self, client: OpenRouter, *, api: Any = "responses", **options: Any) -> Agent[Any]:
        return Agent(MODEL, client=client, api=api, store=self.store, **options)

    def studio(self, client: OpenRouter) -> Studio:
        return Studio("gpt-image-2", client=client, store=self.store)

    async def ask(self, chat: Any, prompt: Any, **options: Any) -> Answer[Any]:
        if not self.stream:
            return await (chat.send if hasattr(chat, "send") else chat.run)(prompt, **options)
        async with chat.stream(prompt, **options) as stream:
            self.events = [event async for event in stream]
            return await stream.finish()


@pytest.fixture(params=[False, True], ids=["buffered", "streamed"])
def bench(request: pytest.FixtureRequest, stub: OpenAIStub, store: MemoryImageStore) -> Bench:
    return Bench(stub, store, stream=request.param)


def drawing_tool(body: Any) -> Any:
    return next(each for each in body["tools"] if each["type"] == "image_generation")


async def test_the_tool_of_the_server_draws_beside_ours(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Call("weather", {"city": "Oslo"}), Draw(BIG, (EARLY,), "a red fox, oil"))
    stub.play(Say("There it is."))
    drawing = ImageGeneration(
        "gpt-image-2", aspect_ratio="16:9", quality="low", background="opaque", output_format="webp",
        output_compression=50, moderation="low", input_fidelity="high", partial_images=2,
        action="auto",
    )  # fmt: skip
    async with bench.client() as client:
        answer = await bench.ask(bench.agent(client, tools=[weather, drawing]), "a fox")
    (image,) = answer.images
    assert (image.bytes(), image.name, image.model) == (BIG, "img_1", "gpt-image-2")
    assert image.revised_prompt == "a red fox, oil"
    assert answer.text == "There it is."
    assert [(call.name, call.executor, call.status) for call in answer.invocations] == [
        ("openrouter:image_generation", "server", "completed"),
        ("weather", "client", "completed"),
    ]
    assert answer.failures == ()
    previews = {"partial_images": 2} if bench.stream else {}  # nobody sees them in a buffered reply
    assert drawing_tool(stub.asked[0].body) == {
        "type": "image_generation", "model": "gpt-image-2", "size": "1536x864", "quality": "low",
        "background": "opaque", "output_format": "webp", "output_compression": 50,
        "moderation": "low", "input_fidelity": "high", "action": "auto", **previews,
    }  # fmt: skip
    assert stub.gets == []
    if bench.stream:
        shown = [event for event in bench.events if isinstance(event, ImagePreview)]
        assert [each.data for each in shown] == [EARLY]
        assert sum(isinstance(event, ImageReady) for event in bench.events) == 1
    assert bench.store.size() == len(BIG)


async def test_the_next_turn_shows_the_picture_that_was_drawn(
    bench: Bench, stub: OpenAIStub
) -> None:
    stub.play(Draw(BIG), Say("A fox."))
    stub.play(Draw(OTHER, id="ig_2"), Say("With a hat."))
    stub.play(Say("Two."))
    async with bench.client() as client:
        chat = bench.agent(client, tools=[ImageGeneration()]).conversation()
        await bench.ask(chat, "a fox")
        await bench.ask(chat, "put a hat on it")
        await bench.ask(chat, "how many?")
    items = [each for each in stub.asked[2].body["input"] if "result" in each]
    assert [each["id"] for each in items] == ["ig_1", "ig_2"]
    assert [each["result"] for each in items] == [
        _b64(BIG),
        _b64(OTHER),
    ]  # bare base64, as OpenAI gave it
    assert list(chat.images) == ["img_1", "img_2"]
    assert json.dumps(stub.asked[2].body).count(_b64(BIG)) == 1


def _b64(data: bytes) -> str:
    from tests.stubs.openai_replies import b64

    return b64(data)


async def test_no_base64_is_kept_anywhere(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Draw(BIG), Draw(OTHER, id="ig_2"), Say("Two."))
    async with bench.client() as client:
        answer = await bench.ask(bench.agent(client, tools=[ImageGeneration()]), "two")
    assert [image.bytes() for image in answer.images] == [BIG, OTHER]
    saved = answer.run.to_json()
    assert _b64(BIG)[:60] not in saved
    assert _b64(OTHER)[:60] not in saved


async def test_pictures_of_the_user_go_as_ever(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Draw(OTHER), Say("Done."))
    async with bench.client() as client:
        agent = bench.agent(client, tools=[ImageGeneration(action="edit")])
        answer = await bench.ask(agent, ["a hat, please", Image.from_bytes(BIG)])
    assert _b64(BIG) in json.dumps(stub.asked[0].body["input"])
    assert answer.images[0].bytes() == OTHER


async def test_a_drawing_that_was_refused_is_a_failure(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Fail(), Say("I cannot draw that."))
    stub.play(Say("Hello."))
    async with bench.client() as client:
        chat = bench.agent(client, tools=[ImageGeneration()]).conversation()
        answer = await bench.ask(chat, "gore")
        assert answer.images == ()
        assert "rejected by the safety system" in answer.failures[0].reason
        assert answer.invocations[0].status == "failed"
        assert (await bench.ask(chat, "hello")).text == "Hello."  # its item is taken again


async def test_a_drawing_can_be_forced(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Draw(BIG), Say("There."))
    settings = ModelSettings(tool_choice="openrouter:image_generation")
    async with bench.client() as client:
        agent = bench.agent(client, tools=[weather, ImageGeneration()], settings=settings)
        await bench.ask(agent, "a fox")
    assert stub.asked[0].body["tool_choice"] == {"type": "image_generation"}


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (ImageGeneration(resolution="2K"), r"resolution='2K'.*WIDTHxHEIGHT"),
        (ImageGeneration(size="1K"), r"size='1K'.*WIDTHxHEIGHT"),
        (ImageGeneration(seed=3), "seed=3"),
        (ImageGeneration("openai/gpt-5-image"), "such as gpt-image-2"),
        (ImageGeneration(aspect_ratio="9:1"), "aspect_ratio='9:1'.*between 1:3 and 3:1"),
        (ImageGeneration("gpt-image-1.5", aspect_ratio="16:9"), "accepted is 1:1, 3:2, 2:3"),
        (ImageGeneration(size="1024x1024", aspect_ratio="3:2"), "that of size='1024x1024'"),
        (WebSearch(), "openrouter:web_search"),
        (ServerTool("openrouter:image_generation"), "openrouter:image_generation"),
    ],
    ids=str,
)
async def test_what_openai_has_no_counterpart_for_is_refused_by_name(
    made: Any, words: str, bench: Bench, stub: OpenAIStub
) -> None:
    async with bench.client() as client:
        with pytest.raises(Unsupported, match=words):
            await bench.ask(bench.agent(client, tools=[made]), "a fox")
    assert stub.asked == []


async def test_extra_goes_as_it_is(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Draw(BIG))
    made = ImageGeneration(extra={"svg": {"model": "gpt-5.2"}, "output_format": "svg"})
    async with bench.client() as client:
        await bench.ask(bench.agent(client, tools=[made]), "a fox")
    assert drawing_tool(stub.asked[0].body) == {
        "type": "image_generation",
        "svg": {"model": "gpt-5.2"},
        "output_format": "svg",
    }


@pytest.mark.parametrize(
    ("service", "api", "words"),
    [
        ("openai", "chat", r"api='chat'.*OpenAI.*api='responses', or .*fallback="),
        ("compatible", "chat", r"api='chat'.*accepted is ImageGeneration\(fallback="),
        ("compatible", "responses", r"api='responses'.*accepted is ImageGeneration\(fallback="),
    ],
)
async def test_where_there_is_no_tool_it_is_refused_or_the_studio_draws(
    service: str, api: str, words: str, bench: Bench, stub: OpenAIStub
) -> None:
    async with bench.client(service) as client:
        with pytest.raises(Unsupported, match=words):
            await bench.ask(bench.agent(client, api=api, tools=[ImageGeneration()]), "a fox")
        assert stub.asked == []
        stub.play(Call("draw_image", {"prompt": "a fox"}))
        stub.play(Draw(BIG))
        stub.play(Call("edit_image", {"images": ["img_1"], "prompt": "a hat"}, "call_2"))
        stub.play(Draw(OTHER))
        stub.play(Say("There."))
        made = ImageGeneration(aspect_ratio="3:2", fallback=bench.studio(client))
        settings = ModelSettings(tool_choice="openrouter:image_generation")
        agent = bench.agent(client, api=api, tools=[weather, made], settings=settings)
        answer = await bench.ask(agent, "a fox with a hat")
    assert [image.bytes() for image in answer.images] == [BIG, OTHER]
    assert [call.name for call in answer.invocations] == ["draw_image", "edit_image"]
    assert [each.path for each in stub.asked if "images" in each.path] == [
        "/v1/images/generations",
        "/v1/images/edits",
    ]
    assert stub.posts("generations")[0].body["size"] == "1536x1024"
    assert "draw_image" in json.dumps(stub.asked[0].body["tool_choice"])
    assert answer.text == "There."


async def test_a_service_that_passes_the_tool_over_is_told_of(
    bench: Bench, stub: OpenAIStub
) -> None:
    stub.ignores = True
    stub.play(Call("weather", {"city": "Oslo"}), Say("I draw it now."))
    stub.play(Say("Here is your fox!"))
    async with bench.client() as client:
        answer = await bench.ask(bench.agent(client, tools=[weather, ImageGeneration()]), "a fox")
    (failure,) = answer.failures
    assert "OpenAI passed over the tool that draws" in failure.reason
    assert "were function" in failure.reason
    if bench.stream:
        assert sum(isinstance(event, ImageFailed) for event in bench.events) == 1


async def test_a_forced_drawing_that_did_not_come_is_told_of(
    bench: Bench, stub: OpenAIStub
) -> None:
    stub.play(Say("I would rather not."))
    settings = ModelSettings(tool_choice="openrouter:image_generation")
    async with bench.client() as client:
        agent = bench.agent(client, tools=[ImageGeneration()], settings=settings)
        (failure,) = (await bench.ask(agent, "a fox")).failures
    assert "tool_choice named the tool that draws" in failure.reason


async def test_words_alone_are_no_failure(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Say("Hello."))
    async with bench.client() as client:
        answer = await bench.ask(bench.agent(client, tools=[ImageGeneration()]), "hello")
    assert (answer.text, answer.failures) == ("Hello.", ())


@pytest.mark.parametrize(
    "field",
    [
        {"images": [{"image_url": {"url": "DATA"}, "index": 0, "type": "image_url"}]},
        {"images": [{"b64_json": "BASE64"}]},
        {"image": {"url": "DATA", "detail": "auto"}},
        {"content": [{"type": "image_url", "image_url": {"url": "DATA"}}]},
        {"content": "![fox](DATA)"},
    ],
    ids=["LiteLLM", "base64", "one", "parts", "words"],
)
async def test_pictures_where_gateways_put_them(
    field: dict[str, Any], bench: Bench, stub: OpenAIStub
) -> None:
    text = json.dumps(field).replace("DATA", f"data:image/png;base64,{_b64(BIG)}")
    stub.play(Message(json.loads(text.replace("BASE64", _b64(BIG)))))
    async with bench.client("compatible") as client:
        answer = await bench.ask(bench.agent(client, api="chat"), "a fox")
    assert [image.bytes() for image in answer.images] == [BIG]
    assert _b64(BIG)[:60] not in answer.run.to_json()
    assert answer.failures == ()


async def test_a_picture_that_the_words_pretend_is_told_of(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Say("Here: ![a fox](sandbox:/mnt/data/fox.png)"))
    stub.play(Say("Hello, and no picture."))
    async with bench.client() as client:
        agent = bench.agent(client, tools=[ImageGeneration()])
        answer = await bench.ask(agent, "a fox")
        assert "sandbox:/mnt/data/fox.png" in answer.failures[0].reason
        assert (await bench.ask(agent, "hello")).failures == ()


async def test_pictures_in_the_messages_of_a_gateway(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Say("A fox."), Draw(BIG))
    stub.play(Say("Yes."))
    async with bench.client("compatible", prices=PRICES) as client:
        chat = bench.agent(client, api="chat").conversation()
        answer = await bench.ask(chat, "draw a fox")
        assert [image.bytes() for image in answer.images] == [BIG]
        assert answer.usage.cost_usd == pytest.approx(WORDS_USD + 0.04)
        await bench.ask(chat, "is it red?")
    assert json.dumps(stub.asked[1].body).count(_b64(BIG)) == 1


async def test_what_pictures_cost(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Draw(BIG), Draw(OTHER, id="ig_2"), Say("Two."))
    async with bench.client(prices=PRICES) as client:
        answer = await bench.ask(bench.agent(client, tools=[ImageGeneration()]), "two")
    usage = answer.usage
    assert usage.cost_usd == pytest.approx(WORDS_USD + 2 * 0.04)
    assert (usage.cost_is_whole, usage.images, usage.image_tokens) == (True, 2, 8000)
    assert (usage.input_tokens, usage.output_tokens) == (1000, 500)


async def test_pictures_cost_what_the_tokens_of_their_painter_do(
    bench: Bench, stub: OpenAIStub
) -> None:
    prices = {MODEL: Price(input=1, output=10), "gpt-image-2": Price(input=5, output=40)}
    stub.play(Draw(BIG), Say("One."))
    async with bench.client(prices=prices) as client:
        answer = await bench.ask(bench.agent(client, tools=[ImageGeneration()]), "one")
    drawn_usd = 40 * 5e-6 + 4000 * 40e-6  # the reply names the painter, and its tokens
    assert answer.usage.cost_usd == pytest.approx(WORDS_USD + drawn_usd)
    assert answer.usage.cost_is_whole


async def test_pictures_without_a_price_leave_the_cost_open(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Draw(BIG), Say("One."))
    async with bench.client(prices={MODEL: Price(input=1, output=10)}) as client:
        agent = bench.agent(client, tools=[ImageGeneration()])
        answer = await bench.ask(agent, "one")
        assert answer.usage.cost_usd == pytest.approx(WORDS_USD)
        assert not answer.usage.cost_is_whole
        with pytest.raises(UsageError, match=r"does not tell what a picture costs.*image="):
            await bench.ask(agent, "one", budget=Budget(1.0))
    assert len(stub.asked) == 1


async def test_a_budget_holds(bench: Bench, stub: OpenAIStub) -> None:
    for _ in range(4):
        stub.play(Draw(BIG), Say("One."))
    budget = Budget(0.11)
    async with bench.client(prices=PRICES) as client:
        agent = bench.agent(
            client, tools=[ImageGeneration()], settings=ModelSettings(max_tokens=500)
        )
        first = await bench.ask(agent, "one", budget=budget)
        second = await bench.ask(agent, "another", budget=budget)
        third = await bench.ask(agent, "one more", budget=budget)
    assert [len(each.images) for each in (first, second)] == [1, 1]
    assert third.images == ()
    assert budget.spent_usd <= 0.11
    assert stub.asked[0].body["max_tool_calls"] == 2  # a third picture would pass the budget
    assert stub.asked[1].body["max_tool_calls"] == 1
    assert third.status == "limited"
    assert all("tools" not in each.body for each in stub.asked[2:])


async def test_limits_of_pictures_are_told_to_the_server(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Draw(BIG), Say("One."))
    async with bench.client() as client:
        agent = bench.agent(client, tools=[ImageGeneration()], limits=Limits(images=1))
        await bench.ask(agent, "a fox")
    assert stub.asked[0].body["max_tool_calls"] == 1


async def test_a_break_is_not_drawn_twice(bench: Bench, stub: OpenAIStub) -> None:
    stub.cut = True
    stub.play(Draw(BIG), Say("One."))
    budget = Budget(1.0)
    async with bench.client(prices=PRICES) as client:
        with pytest.raises(RunError) as caught:
            await bench.ask(bench.agent(client, tools=[ImageGeneration()]), "a fox", budget=budget)
    assert isinstance(caught.value, OutcomeUnknown) or bench.stream
    assert (len(stub.asked), stub.gets) == (1, [])
    assert budget.uncertain_usd >= 0.04


async def test_a_studio_as_fallback_counts_by_its_own_price(bench: Bench, stub: OpenAIStub) -> None:
    stub.play(Call("draw_image", {"prompt": "a fox"}))
    stub.play(Draw(BIG))
    stub.play(Say("There."))
    budget = Budget(1.0)
    prices = {**PRICES, MODEL: Price(input=1, output=10)}
    async with bench.client("compatible", prices=prices) as client:
        made = ImageGeneration(fallback=bench.studio(client))
        answer = await bench.ask(bench.agent(client, tools=[made]), "a fox", budget=budget)
    assert answer.usage.cost_usd == pytest.approx(2 * WORDS_USD + 0.04)
    assert budget.spent_usd == pytest.approx(answer.usage.cost_usd)
    assert budget.uncertain_usd == 0
