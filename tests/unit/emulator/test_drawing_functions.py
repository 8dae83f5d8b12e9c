"""Where a model has only functions to draw with, the rules call them."""

import pytest

from agentkit import Agent, Image, OpenRouter, tool
from agentkit.images.store import MemoryImageStore
from tests.conftest import picture


def studio() -> tuple[list[object], list[tuple[str, object]]]:
    """Tools that draw, and the calls that were made of them."""
    calls: list[tuple[str, object]] = []

    @tool
    def draw_image(prompt: str, aspect_ratio: str | None = None) -> dict[str, list[Image]]:
        """Draw a new picture from words."""
        calls.append(("draw", (prompt, aspect_ratio)))
        return {"images": [Image.from_bytes(picture(size=(40, 30 + len(calls))))]}

    @tool
    def edit_image(
        images: list[Image], prompt: str, aspect_ratio: str | None = None
    ) -> dict[str, list[Image]]:
        """Change a picture."""
        calls.append(("edit", ([image.name for image in images], prompt, aspect_ratio)))
        return {"images": [Image.from_bytes(picture(size=(40, 30 + len(calls))))]}

    @tool
    def weather(city: str) -> str:
        """Today's weather in a city."""
        calls.append(("weather", city))
        return f"In {city} it snows."

    return [draw_image, edit_image, weather], calls


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_functions_that_draw_are_called(
    api: str, client: OpenRouter, store: MemoryImageStore
) -> None:
    tools, calls = studio()
    chat = Agent("openai/gpt-5.2", tools=tools, client=client, store=store, api=api).conversation()  # type: ignore[arg-type]
    said = [
        (await chat.send(prompt)).text
        for prompt in (
            "Draw a blue owl, 16:9.",
            "Put a red hat on the owl in img_1.",
            "What did I ask first?",
            "How is the weather in Oslo? Draw a picture of it.",
        )
    ]
    assert calls[:3] == [
        ("draw", ("a blue owl", "16:9")),
        ("edit", (["img_1"], "the picture wearing a red hat", None)),
        ("weather", "Oslo"),
    ]
    assert [name for name, _ in calls[3:]] == ["draw"]
    assert said[:2] == ["img_1 shows a blue owl.", "img_2 shows the picture wearing a red hat."]
    assert "img_3 shows" in said[3]
    assert "snows" in said[3]
