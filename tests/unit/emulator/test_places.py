"""Every place where a picture can arrive, in both dialects, buffered and streamed."""

import base64
import json

import pytest

from agentkit.emulator import Draw, Emulator, Reply, Say

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["buffered", "streamed"])


def test_message_images(wire, fold, png, decode) -> None:
    wire.emulator.play(
        [
            Reply(
                [
                    Draw("a fox", data=png, places=("message_images",)),
                    Draw("an owl", data=png, places=("message_images",)),
                ]
            )
        ]
        * 2
    )
    images = wire.message("hi")["images"]
    streamed = fold(wire.chat("hi", stream=True))["images"]
    for found in (images, streamed):
        assert [(image["type"], image["index"]) for image in found] == [
            ("image_url", 0),
            ("image_url", 1),
        ]
        assert decode(found[0]["image_url"]["url"]) == png


@BOTH
@pytest.mark.parametrize("shape", [None, "data_url"])
def test_server_tool_call(wire, fold, png, decode, stream: bool, shape) -> None:
    wire.emulator.play(
        Reply(
            [
                Draw(
                    "a fox",
                    data=png,
                    places=("server_tool_call",),
                    shape=shape,
                    revised_prompt="A fox!",
                )
            ]
        )
    )
    message = fold(wire.chat("hi", stream=True)) if stream else wire.message("hi")
    detail = message["reasoning_details"][0]
    assert detail["type"] == "reasoning.server_tool_call"
    assert detail["tool_name"] == "openrouter:image_generation"
    assert json.loads(detail["arguments"]) == {"prompt": "a fox"}
    result = json.loads(detail["result"])
    assert (result["status"], result["revisedPrompt"]) == ("ok", "A fox!")
    found = decode(result["imageUrl"]) if shape else wire.http.get(result["imageUrl"]).content
    assert found == png


@BOTH
@pytest.mark.parametrize("place", ["markdown", "bare_link"])
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_links_in_the_text(wire, fold, png, stream: bool, place, api: str) -> None:
    wire.emulator.play(
        Reply([Say("Before."), Draw("a [red] fox", data=png, places=(place,)), Say("After.")])
    )
    if api == "chat":
        text = fold(wire.chat("hi", stream=True))["content"] if stream else wire.text("hi")
    else:
        result = (
            wire.responses("hi", stream=True)[-1]["response"] if stream else wire.responses("hi")
        )
        text = result["output_text"]
    before, link, after = text.split("\n\n")
    assert (before, after) == ("Before.", "After.")
    if place == "markdown":
        assert link.startswith("![a (red) fox](http")
        link = link[link.index("](") + 2 : -1]
    assert wire.http.get(link).content == png


def test_content_parts(wire, fold, png, decode) -> None:
    reply = Reply([Say("Look:"), Draw("a fox", data=png, places=("content_parts",)), Say("There.")])
    wire.emulator.play([reply] * 3)
    content = wire.message("hi")["content"]
    assert [part["type"] for part in content] == ["text", "image_url", "text"]
    assert decode(content[1]["image_url"]["url"]) == png
    streamed = fold(wire.chat("hi", stream=True))
    assert streamed["parts"] == content[1:2]
    parts = wire.responses("hi")["output"][0]["content"]
    assert [part["type"] for part in parts] == ["output_text", "output_image", "output_text"]
    assert decode(parts[1]["image_url"]) == png


FIELDS = [
    ("imageUrl", "imageUrl"),
    ("imageB64", "imageB64"),
    ("result_url", "result"),
    ("result_data_url", "result"),
    ("result_base64", "result"),
]


@BOTH
@pytest.mark.parametrize(("shape", "field"), FIELDS)
def test_server_tool_item(wire, png, decode, stream: bool, shape, field: str) -> None:
    wire.emulator.play(Reply([Draw("a fox", data=png, places=("server_tool_item",), shape=shape)]))
    item = (
        wire.responses("hi", stream=True)[-2]["item"]
        if stream
        else wire.responses("hi")["output"][0]
    )
    assert (item["type"], item["status"], item["prompt"]) == (
        "openrouter:image_generation",
        "completed",
        "a fox",
    )
    assert len({"imageUrl", "imageB64", "result"} & set(item)) == 1
    value = item[field]
    if value.startswith("http"):
        assert wire.http.get(value).content == png
    else:
        assert (
            decode(value) if value.startswith("data:") else base64.b64decode(value, validate=True)
        ) == png


@pytest.mark.parametrize("shape", [None, "base64", "url"])
def test_image_generation_call(wire, png, decode, shape) -> None:
    wire.emulator.play(
        Reply(
            [
                Draw(
                    "a fox",
                    data=png,
                    places=("image_generation_call",),
                    shape=shape,
                    revised_prompt="A fox!",
                )
            ]
        )
    )
    item = wire.responses("hi")["output"][0]
    assert (item["type"], item["prompt"], item["revised_prompt"]) == (
        "image_generation_call",
        "a fox",
        "A fox!",
    )
    if shape == "url":
        assert wire.http.get(item["result"]).content == png
    else:
        assert (
            base64.b64decode(item["result"], validate=True) if shape else decode(item["result"])
        ) == png


def test_partial_images_are_previews_and_never_the_picture(wire, png) -> None:
    wire.emulator.play(Reply([Draw("a fox", data=png, places=("partial_image",))]))
    events = wire.responses("hi", stream=True)
    partial = next(event for event in events if event["type"].endswith("partial_image"))
    assert base64.b64decode(partial["partial_image_b64"]).startswith(b"\x89PNG")
    assert base64.b64decode(partial["partial_image_b64"]) != png
    assert events[-1]["response"]["output"][0]["type"] == "openrouter:image_generation"


@pytest.mark.parametrize(
    ("place", "chat", "responses"),
    [
        ("server_tool_item", "reasoning_details", "openrouter:image_generation"),
        ("image_generation_call", "reasoning_details", "image_generation_call"),
        ("message_images", "images", "image_generation_call"),
        ("server_tool_call", "reasoning_details", "openrouter:image_generation"),
        ("images_data", "reasoning_details", "openrouter:image_generation"),
    ],
)
def test_a_place_that_a_dialect_lacks_has_kin(wire, png, place, chat: str, responses: str) -> None:
    wire.emulator.play([Reply([Draw("a fox", data=png, places=(place,))])] * 2)
    assert len(wire.message("hi")[chat]) == 1
    assert [
        item["type"] for item in wire.responses("hi")["output"] if item["type"] != "message"
    ] == [responses]


def test_one_picture_in_two_places_is_paid_once(wire, png) -> None:
    wire.emulator.play(
        Reply([Draw("a fox", data=png, places=("server_tool_call", "markdown", "message_images"))])
    )
    message = wire.message("hi")
    assert message["images"]
    assert message["reasoning_details"]
    assert "![a fox]" in message["content"]
    assert [charge.images for charge in wire.emulator.ledger] == [1]


@BOTH
def test_a_drawing_that_failed(wire, fold, stream: bool) -> None:
    failed = Draw("a fox", status="error", error="The prompt was refused")
    wire.emulator.play(
        [
            Reply([failed]),
            Reply([failed]),
            Reply([Draw("a fox", status="error", places=("image_generation_call",))]),
        ]
    )
    message = fold(wire.chat("hi", stream=True)) if stream else wire.message("hi")
    assert json.loads(message["reasoning_details"][0]["result"]) == {
        "status": "error",
        "error": "The prompt was refused",
    }
    assert message["content"] == ""
    own, call = (wire.responses("hi")["output"][0] for _ in range(2))
    assert (own["status"], own["result"], own["error"]) == (
        "incomplete",
        None,
        "The prompt was refused",
    )
    assert (call["status"], call["result"]) == ("failed", None)
    assert all(charge.images == 0 for charge in wire.emulator.ledger)


def test_the_emulator_can_prefer_a_place(wire_to) -> None:
    with Emulator(image_places=("image_generation_call",)) as emulator:
        tools = [{"type": "openrouter:image_generation", "parameters": {"size": "64x64"}}]
        output = wire_to(emulator).responses("Draw a fox", tools=tools)["output"]
        assert output[-1]["type"] == "image_generation_call"


def test_the_plain_tool_answers_with_its_own_item(wire) -> None:
    tools = [{"type": "image_generation", "size": "64x64", "partial_images": 1}]
    events = wire.responses("Draw a fox", tools=tools, stream=True)
    assert [item["type"] for item in events[-1]["response"]["output"]] == [
        "message",
        "image_generation_call",
    ]
    assert sum(event["type"].endswith("partial_image") for event in events) == 1


def test_unknown_places_are_told_at_once() -> None:
    with pytest.raises(
        ValueError, match="places: 'moon' is no place for an image; accepted: message_images"
    ):
        Draw("a fox", places=("moon",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="image_places: 'moon'"):
        Emulator(image_places=("moon",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shape: 'round'"):
        Draw("a fox", shape="round")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="format: 'bmp'"):
        Draw("a fox", format="bmp")
