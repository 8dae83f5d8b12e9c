"""One table of scenarios, each run in all four ways: chat and Responses, buffered and streamed. The
answers must be equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from typing_extensions import TypedDict

from agentkit import (
    Agent,
    Answer,
    Image,
    ImageGeneration,
    ModelSettings,
    OpenRouter,
    Text,
    TextDelta,
    WebSearch,
    tool,
)
from agentkit.emulator import CallTool, Draw, Emulator, Raw, Reply, Say, Think, UseServerTool
from agentkit.images.store import MemoryImageStore
from tests.conftest import WAYS, Way, picture

BIG = picture(size=(160, 120), noise=90)
OTHER = picture(size=(150, 120), noise=80)
SMALL = picture("blue", (8, 8))


@tool
def weather(city: str) -> str:
    """Today's weather in a city."""
    return f"rain in {city}, 7 °C"


@tool
async def paint(colour: str) -> Image:
    """A plain picture of a colour."""
    return Image.from_bytes(picture(colour, (12, 12)))


@tool
def broken() -> str:
    """Fails."""
    raise RuntimeError("no such luck")


class Forecast(TypedDict):
    city: str
    degrees: int


@dataclass(frozen=True)
class Scenario:
    name: str
    replies: tuple[Reply, ...]
    check: Callable[[Answer[Any]], None]
    tools: tuple[object, ...] = ()
    prompt: object = "Go on"
    options: dict[str, Any] = field(default_factory=dict)


def draws(*places: str, data: bytes = BIG, **options: Any) -> Draw:
    return Draw("a fox", places=places, data=data, **options)


def one_picture(answer: Answer[Any]) -> None:
    assert [image.name for image in answer.images] == ["img_1"]
    assert answer.images[0].bytes() in {BIG, OTHER, SMALL}
    assert not answer.failures


def hello(answer: Answer[Any]) -> None:
    assert answer.text == "Hello, ✨ wörld 🦊!"
    assert answer.parts == (Text("Hello, ✨ wörld 🦊!"),)
    assert answer.status == "completed"
    assert answer.usage.cost_usd is not None


def cited(answer: Answer[Any]) -> None:
    part = answer.parts[0]
    assert isinstance(part, Text)
    assert len(part.citations) == 1


def reasoned(answer: Answer[Any]) -> None:
    assert answer.text == "42"
    assert answer.messages[-1].parts[0].text == "Let me think."  # type: ignore[union-attr]


def one_call(answer: Answer[Any]) -> None:
    (call,) = answer.invocations
    assert (call.name, call.arguments, call.executor, call.status) == (
        "weather",
        {"city": "Oslo"},
        "client",
        "completed",
    )
    assert call.result == "rain in Oslo, 7 °C"
    assert call.seconds is not None
    assert answer.text == "It rains."


def two_calls(answer: Answer[Any]) -> None:
    assert [(call.name, call.result) for call in answer.invocations] == [
        ("weather", "rain in Oslo, 7 °C"),
        ("weather", "rain in Rome, 7 °C"),
    ]
    assert answer.text == "Let me see.\n\nBoth wet."


def failing(answer: Answer[Any]) -> None:
    (call,) = answer.invocations
    assert call.status == "failed"
    assert "no such luck" in (call.error or "")
    assert answer.status == "completed"


def unknown_tool(answer: Answer[Any]) -> None:
    (call,) = answer.invocations
    assert call.status == "failed"
    assert "there is no tool 'fly'" in (call.error or "")


def bad_arguments(answer: Answer[Any]) -> None:
    assert [call.status for call in answer.invocations] == ["failed", "failed"]
    assert all("arguments do not fit" in (call.error or "") for call in answer.invocations)


def tool_picture(answer: Answer[Any]) -> None:
    assert answer.images[0].bytes() == picture("green", (12, 12))
    assert answer.invocations[0].images == ("img_1",)
    assert answer.images[0].invocation_id == answer.invocations[0].id
    assert all(isinstance(part, Text) for part in answer.parts)


def drawn(answer: Answer[Any]) -> None:
    one_picture(answer)
    (call,) = answer.invocations
    assert (call.name, call.executor, call.status, call.images) == (
        "openrouter:image_generation",
        "server",
        "completed",
        ("img_1",),
    )
    image = answer.images[0]
    assert (image.prompt, image.width, image.height, image.media_type) == (
        "a fox",
        160,
        120,
        "image/png",
    )


def drawn_in_words(answer: Answer[Any]) -> None:
    one_picture(answer)
    assert [type(part).__name__ for part in answer.parts] == ["Text", "Image", "Text"]
    assert answer.text == "Before.\n\nAfter."
    assert "http" not in answer.text


def two_pictures(answer: Answer[Any]) -> None:
    assert [image.bytes() for image in answer.images] == [BIG, OTHER]
    assert [part.name for part in answer.parts if isinstance(part, Image)] == ["img_1", "img_2"]


def twice_the_same(answer: Answer[Any]) -> None:
    assert [image.name for image in answer.images] == ["img_1"]


def failed_drawing(answer: Answer[Any]) -> None:
    assert not answer.images
    (failure,) = answer.failures
    assert "too dark" in failure.reason
    assert failure.url is None
    assert answer.invocations[0].status == "failed"
    assert answer.text == "Sorry."


def searched(answer: Answer[Any]) -> None:
    (call,) = answer.invocations
    assert (call.executor, call.name, call.count) == ("server", "openrouter:web_search", 1)


def unknown_things(answer: Answer[Any]) -> None:
    assert answer.text == "Still here."


def cut_short(answer: Answer[Any]) -> None:
    assert answer.status == "limited"
    assert answer.text == "Once upon"


def cut_call(answer: Answer[Any]) -> None:
    (call,) = answer.invocations
    assert call.status == "cancelled"
    assert "cut" in (call.error or "")


def structured(answer: Answer[Any]) -> None:
    assert answer.output == {"city": "Oslo", "degrees": 7}


def refused(answer: Answer[Any]) -> None:
    assert answer.status == "refused"


SCENARIOS = [
    Scenario("words", (Reply([Say("Hello, ✨ wörld 🦊!")], chunk=3),), hello),
    Scenario(
        "citations",
        (
            Reply(
                [
                    Say(
                        "See there.",
                        [
                            {
                                "url": "https://example.org",
                                "title": "E",
                                "start_index": 0,
                                "end_index": 3,
                            }
                        ],
                    )
                ]
            ),
        ),
        cited,
    ),
    Scenario("reasoning", (Reply([Think("Let me think."), Say("42")]),), reasoned),
    Scenario(
        "encrypted reasoning",
        (Reply([Think("Let me think.", encrypted="QUJD" * 9000), Say("42")]),),
        reasoned,
    ),
    Scenario(
        "one call",
        (Reply([CallTool("weather", {"city": "Oslo"})]), Reply([Say("It rains.")])),
        one_call,
        (weather,),
    ),
    Scenario(
        "two calls at once",
        (
            Reply(
                [
                    Say("Let me see."),
                    CallTool("weather", {"city": "Oslo"}),
                    CallTool("weather", {"city": "Rome"}),
                ]
            ),
            Reply([Say("Both wet.")]),
        ),
        two_calls,
        (weather,),
    ),
    Scenario(
        "a tool that fails",
        (Reply([CallTool("broken")]), Reply([Say("Well.")])),
        failing,
        (broken,),
    ),
    Scenario(
        "an unknown tool",
        (Reply([CallTool("fly")]), Reply([Say("Well.")])),
        unknown_tool,
        (weather,),
    ),
    Scenario(
        "arguments that do not fit",
        (
            Reply(
                [CallTool("weather", '{"city": ["Oslo"]}'), CallTool("weather", '{"town": "Oslo"}')]
            ),
            Reply([Say("Well.")]),
        ),
        bad_arguments,
        (weather,),
    ),
    Scenario(
        "a tool that gives a picture",
        (Reply([CallTool("paint", {"colour": "green"})]), Reply([Say("Green.")])),
        tool_picture,
        (paint,),
    ),
    Scenario(
        "server tool, default places",
        (Reply([Say("Here:"), draws()]),),
        drawn,
        (ImageGeneration(),),
    ),
    Scenario(
        "server tool, only in its record",
        (Reply([draws("server_tool_call"), Say("Done.")]),),
        drawn,
        (ImageGeneration(),),
    ),
    Scenario(
        "server tool item, base64",
        (Reply([draws("server_tool_item", shape="imageB64"), Say("Done.")]),),
        drawn,
        (ImageGeneration(),),
    ),
    Scenario(
        "server tool item, data URL",
        (Reply([draws("server_tool_item", shape="result_data_url"), Say("Done.")]),),
        drawn,
        (ImageGeneration(),),
    ),
    Scenario(
        "server tool item, result URL",
        (Reply([draws("server_tool_item", shape="result_url"), Say("Done.")]),),
        drawn,
        (ImageGeneration(),),
    ),
    Scenario("message images", (Reply([Say("Look:"), draws("message_images")]),), one_picture),
    Scenario(
        "message images, small",
        (Reply([Say("Look:"), draws("message_images", data=SMALL)]),),
        one_picture,
    ),
    Scenario(
        "message images, URL",
        (Reply([Say("Look:"), draws("message_images", shape="url")]),),
        one_picture,
    ),
    Scenario(
        "image generation call, base64",
        (Reply([Say("Look:"), draws("image_generation_call", shape="base64")]),),
        drawn,
        (ImageGeneration(),),
    ),
    Scenario(
        "Markdown in the text",
        (Reply([Say("Before.\n\n"), draws("markdown"), Say("\n\nAfter.")]),),
        drawn_in_words,
    ),
    Scenario(
        "content parts",
        (Reply([Say("Look: "), draws("content_parts"), Say("nice.")]),),
        one_picture,
    ),
    Scenario(
        "previews",
        (Reply([draws("partial_image", "image_generation_call", preview_count=2), Say("Done.")]),),
        drawn,
        (ImageGeneration(),),
    ),
    Scenario(
        "in the record and in the words",
        (Reply([draws("server_tool_call", "markdown"), Say("Done.")]),),
        twice_the_same,
        (ImageGeneration(),),
    ),
    Scenario(
        "two pictures",
        (Reply([Say("Two:"), draws(), draws(data=OTHER)]),),
        two_pictures,
        (ImageGeneration(),),
    ),
    Scenario("the same picture twice", (Reply([draws("message_images")]),), twice_the_same),
    Scenario(
        "a drawing that failed",
        (Reply([draws(status="error", error="too dark"), Say("Sorry.")]),),
        failed_drawing,
        (ImageGeneration(),),
    ),
    Scenario(
        "a web search",
        (Reply([UseServerTool("openrouter:web_search"), Say("Found.")]),),
        searched,
        (WebSearch(),),
    ),
    Scenario(
        "unknown items and events",
        (
            Reply(
                [
                    Raw(
                        chat={"aura": "green"},
                        responses={
                            "type": "telepathy",
                            "id": "x1",
                            "status": "completed",
                            "aura": "green",
                        },
                    ),
                    Raw(
                        chat_chunk={"object": "chat.mood", "mood": 3},
                        responses_event={"type": "response.mood", "mood": 3},
                    ),
                    Say("Still here."),
                ]
            ),
        ),
        unknown_things,
    ),
    Scenario("cut by length", (Reply([Say("Once upon")], finish_reason="length"),), cut_short),
    Scenario(
        "a call cut by length",
        (
            Reply([CallTool("weather", '{"city": "Os')], finish_reason="length"),
            Reply([Say("Sorry.")]),
        ),
        cut_call,
        (weather,),
    ),
    Scenario(
        "structured output",
        (Reply([Say('{"city": "Oslo", "degrees": 7}')]),),
        structured,
        options={"output": Forecast},
    ),
    Scenario("refused by a filter", (Reply([Say("")], finish_reason="content_filter"),), refused),
]


def told(answer: Answer[Any], *, across: bool) -> dict[str, Any]:
    """What must be the same: everything but ids, times and prices. `across` the APIs also but what
    one of them does not carry for the same picture: its prompt, and a Markdown link with its
    alternative text."""
    return {
        "text": answer.text,
        "parts": [
            part.text
            if isinstance(part, Text)
            else (part.name, part.sha256, None if across else part.alt)
            for part in answer.parts
        ],
        "images": [
            (
                i.name,
                i.sha256,
                i.media_type,
                i.width,
                i.height,
                None if across else i.prompt,
                i.model,
                i.parents,
            )
            for i in answer.images
        ],
        "failures": [failure.reason for failure in answer.failures],
        "invocations": [
            (
                i.name,
                i.arguments if i.executor == "client" else None,
                i.executor,
                i.status,
                i.images,
                i.count,
            )
            for i in answer.invocations
        ],
        "status": answer.status,
        "output": answer.output,
        "usage": (answer.usage.requests, answer.usage.priced_requests, answer.usage.images),
        "roles": [message.role for message in answer.messages],
    }


def places(answer: Answer[Any]) -> list[list[str]]:
    return [[source.place for source in image.sources] for image in answer.images]


async def play(scenario: Scenario, way: Way) -> Answer[Any]:
    with Emulator() as emulator:
        async with OpenRouter(api_key="sk-or-test-key", base_url=emulator.base_url) as client:
            emulator.play(list(scenario.replies))
            agent = Agent(
                "openai/gpt-5.2",
                tools=scenario.tools,
                api=way.api,
                client=client,
                store=MemoryImageStore(),
                **scenario.options,
            )  # type: ignore[arg-type]
            if not way.stream:
                return await agent.run(scenario.prompt)  # type: ignore[arg-type]
            async with agent.stream(scenario.prompt) as stream:  # type: ignore[arg-type]
                said = "".join(
                    [event.text async for event in stream if isinstance(event, TextDelta)]
                )
            assert said == stream.answer.text
            return stream.answer


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_equal_in_all_four_ways(scenario: Scenario) -> None:
    answers = {str(way): await play(scenario, way) for way in WAYS}
    for answer in answers.values():
        scenario.check(answer)
    first = answers["chat-buffered"]
    for name, answer in answers.items():
        assert told(answer, across=True) == told(first, across=True), name
    for api in ("chat", "responses"):
        buffered, streamed = answers[f"{api}-buffered"], answers[f"{api}-streamed"]
        assert told(buffered, across=False) == told(streamed, across=False), api
        assert places(buffered) == places(streamed), api


async def test_a_forced_server_tool(
    emulator: Emulator, client: OpenRouter, store: MemoryImageStore
) -> None:
    for api, wanted in (
        ("chat", {"type": "openrouter:image_generation"}),
        ("responses", "required"),
    ):
        settings = ModelSettings(tool_choice="openrouter:image_generation")
        agent = Agent(
            "openai/gpt-5.2",
            tools=[ImageGeneration()],
            api=api,
            client=client,
            store=store,
            settings=settings,
        )  # type: ignore[arg-type]
        answer = await agent.run("a fox in the snow")
        assert len(answer.images) == 1
        assert emulator.requests[-2].body["tool_choice"] == wanted
