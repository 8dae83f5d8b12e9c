"""The stub says what OpenAI publishes: OpenAI's own client reads it, and what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI, BadRequestError

from tests.stubs.openai_drawing import Call, Draw, OpenAIStub, Say, serving_openai


@pytest.fixture
async def stub() -> AsyncIterator[OpenAIStub]:
    async with serving_openai() as running:
        yield running


@pytest.fixture
async def theirs(stub: OpenAIStub) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="k", base_url=stub.url, max_retries=0) as client:
        yield client


async def test_pictures(stub: OpenAIStub, theirs: AsyncOpenAI) -> None:
    stub.play(Draw(b"one"))
    drawn = await theirs.images.generate(model="gpt-image-2", prompt="a fox", size="1536x864")
    assert drawn.usage is not None
    assert drawn.usage.output_tokens == 4000
    stub.play(Draw(b"two", (b"early",)))
    stream = await theirs.images.edit(
        model="gpt-image-2",
        prompt="a hat",
        image=[("a.png", b"1\r\n2", "image/png"), ("b.png", b"--3", "image/png")],
        stream=True,
        partial_images=1,
    )
    kinds = [event.type async for event in stream]
    assert kinds == ["image_edit.partial_image", "image_edit.completed"]
    assert stub.asked[-1].files == (
        ("image[]", "a.png", "image/png", b"1\r\n2"),
        ("image[]", "b.png", "image/png", b"--3"),
    )


async def test_the_tool_that_draws(stub: OpenAIStub, theirs: AsyncOpenAI) -> None:
    tool = {"type": "image_generation", "size": "auto", "partial_images": 1}
    for stream in (False, True):
        stub.play(Draw(b"one", (b"early",)), Call("look", {"at": 1}), Say("There."))
        reply = await theirs.responses.create(
            model="gpt-5.2", input=[], tools=[tool], stream=stream
        )  # type: ignore[arg-type, call-overload]
        if stream:
            events = [event async for event in reply]
            reply = events[-1].response
            assert "response.image_generation_call.partial_image" in [each.type for each in events]
        assert [each.type for each in reply.output] == [
            "image_generation_call",
            "function_call",
            "message",
        ]
        assert reply.tool_usage.image_gen.output_tokens == 4000


@pytest.mark.parametrize(
    ("field", "value"), [("seed", 1), ("aspect_ratio", "1:1"), ("quality", "best"), ("n", "two")]
)
async def test_what_it_does_not_know_is_refused(
    field: str, value: object, stub: OpenAIStub, theirs: AsyncOpenAI
) -> None:
    with pytest.raises(BadRequestError, match=field):
        await theirs.images.generate(model="gpt-image-2", prompt="a fox", extra_body={field: value})
    tool = {"type": "image_generation", field: value}
    with pytest.raises(BadRequestError, match=rf"tools\[0\].{field}"):
        await theirs.responses.create(model="gpt-5.2", input=[], tools=[tool])  # type: ignore[list-item, call-overload]
    assert stub.drawn == 0
