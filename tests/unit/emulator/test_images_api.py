"""The Images API: parameters against descriptors, formats, all or nothing, streams, discovery."""

import base64
import io

import pytest
from PIL import Image

from agentkit.emulator import Draw, Failure, Reply

REFERENCE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
BAD = [
    ({"model": "nobody/nothing"}, 400, "valid model ID"),
    ({"model": "openai/gpt-5.2"}, 404, "image generation"),
    ({"prompt": ""}, 400, "prompt"),
    ({"prompt": None}, 400, "prompt"),
    ({"n": 0}, 400, "between 1 and 10"),
    ({"n": 11}, 400, "between 1 and 10"),
    ({"n": "2"}, 400, "n"),
    ({"model": "black-forest-labs/flux.2-pro", "n": 2}, 400, "supports 1 to 1"),
    ({"resolution": "4K", "size": None}, 400, "supports 1K"),
    ({"resolution": "8K"}, 400, "resolution"),
    ({"aspect_ratio": "5:7"}, 400, "aspect_ratio"),
    ({"size": "1024x1024", "aspect_ratio": "16:9"}, 400, "does not match aspect_ratio"),
    ({"size": "512x512", "resolution": "2K"}, 400, "does not match resolution"),
    ({"size": "1K", "resolution": "2K"}, 400, "does not match resolution"),
    ({"size": "big"}, 400, "Invalid size"),
    ({"size": "9999x9999"}, 400, "4096"),
    ({"quality": "superb"}, 400, "quality"),
    ({"output_format": "bmp"}, 400, "output_format"),
    ({"output_format": "svg"}, 400, "supports png, jpeg, webp"),
    ({"background": "transparent", "output_format": "jpeg"}, 400, "transparent"),
    (
        {"model": "google/gemini-2.5-flash-image", "size": "1K", "background": "transparent"},
        400,
        "not supported",
    ),
    ({"output_compression": 101}, 400, "between 0 and 100"),
    ({"input_references": [REFERENCE] * 17}, 400, "16"),
    (
        {"input_references": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]},
        400,
        "http",
    ),
    (
        {"model": "recraft/recraft-v4-vector", "size": "1K", "input_references": [REFERENCE]},
        400,
        "not supported",
    ),
    ({"provider": {"only": ["nobody"]}}, 404, "No allowed providers"),
    ({"provider": {"only": "openai"}}, 400, "provider.only"),
]


@pytest.mark.parametrize(("fields", "status", "words"), BAD, ids=lambda value: str(value)[:60])
def test_what_does_not_fit_is_turned_down(wire, fields, status: int, words: str) -> None:
    found, error = wire.error(
        "/images", {"model": "openai/gpt-5-image", "prompt": "a fox", "size": "1024x1024", **fields}
    )
    assert found == status
    assert words in error["message"]
    assert wire.emulator.ledger == []


def opened(one: dict) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(one["b64_json"], validate=True)))


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_formats_and_sizes(wire, form: str) -> None:
    (one,) = wire.images("a red fox in the snow", output_format=form, size="96x64")["data"]
    picture = opened(one)
    assert (picture.format, picture.size, one["media_type"]) == (
        form.upper(),
        (96, 64),
        f"image/{form}",
    )


@pytest.mark.parametrize(
    ("ratio", "size"), [("16:9", (512, 288)), ("2:3", (336, 512)), ("1:8", (288, 512))]
)
def test_aspect_ratios_are_clamped_to_what_the_model_knows(wire, ratio: str, size) -> None:
    fields = {"model": "black-forest-labs/flux.2-pro", "size": "512", "aspect_ratio": ratio}
    assert opened(wire.images("a red fox", **fields)["data"][0]).size == size


def test_several_pictures_differ(wire) -> None:
    found = wire.images("a red fox", n=2, size="64x64")
    assert len({one["b64_json"] for one in found["data"]}) == 2
    assert wire.emulator.ledger[0].images == 2


def test_the_same_request_gives_the_same_picture(wire) -> None:
    first, second, other = (
        wire.images(prompt, size="64x64", seed=3)["data"] for prompt in ("a fox", "a fox", "an owl")
    )
    assert first == second != other


def test_vector_graphics(wire) -> None:
    (one,) = wire.images("a red fox", model="recraft/recraft-v4-vector", size="1K")["data"]
    assert one["media_type"] == "image/svg+xml"
    assert b"<svg" in base64.b64decode(one["b64_json"])
    events = wire.images("a red fox", model="recraft/recraft-v4-vector", size="1K", stream=True)
    markup = "".join(
        event["text"] for event in events if event["type"] == "image_generation.text_chunk"
    )
    assert base64.b64decode(events[-1]["b64_json"]).decode() == markup


def test_transparency(wire) -> None:
    (one,) = wire.images("a red fox", background="transparent", size="64x64")["data"]
    assert opened(one).mode == "RGBA"


def test_a_reference_is_what_is_changed(wire, decode) -> None:
    (before,) = wire.images("a red fox in the snow", size="128x128")["data"]
    reference = {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{before['b64_json']}"},
    }
    (after,) = wire.images(
        "a red fox in the snow at night", size="128x128", input_references=[reference]
    )["data"]
    assert after != before


def test_a_provider_without_streaming_answers_with_json(wire) -> None:
    found = wire.images("a red fox", model="black-forest-labs/flux.2-pro", size="512", stream=True)
    assert isinstance(found, dict)
    assert len(found["data"]) == 1


def test_previews_differ_from_the_picture(wire, png) -> None:
    wire.emulator.play(Reply([Draw("a", data=png, preview_count=3)]))
    *previews, completed = wire.images("a", stream=True)
    assert [event["partial_image_index"] for event in previews] == [0, 1, 2]
    assert base64.b64decode(completed["b64_json"]) == png
    assert completed["usage"]["cost"] == wire.emulator.ledger[0].cost_usd
    assert len({event["b64_json"] for event in (*previews, completed)}) == 4


@pytest.mark.parametrize("stream", [False, True])
def test_it_is_all_or_nothing(wire, png, stream: bool) -> None:
    wire.emulator.play(Reply([Draw("a", data=png), Draw("b", status="error", error="Refused")]))
    if stream:
        (event,) = wire.images("a", stream=True)
        assert (event["type"], event["error"]["message"], event["error"]["code"]) == (
            "error",
            "Refused",
            "502",
        )
    else:
        assert (
            wire.error("/images", {"model": "openai/gpt-5-image", "prompt": "a"})[1]["message"]
            == "Refused"
        )
    assert wire.emulator.ledger == []


def test_a_stream_can_fail_after_its_previews(wire, png) -> None:
    wire.emulator.play(
        Reply([Draw("a", data=png, preview_count=1)], error=Failure("Gone", 502, form="stream"))
    )
    assert [event["type"] for event in wire.images("a", stream=True)] == [
        "image_generation.partial_image",
        "error",
    ]
    assert wire.emulator.ledger == []


def test_the_catalogue_of_image_models(wire) -> None:
    models = {model["id"]: model for model in wire.get("/images/models").json()["data"]}
    assert models["openai/gpt-5-image"]["supports_streaming"]
    assert not models["black-forest-labs/flux.2-pro"]["supports_streaming"]
    assert (
        "svg"
        in models["recraft/recraft-v4-vector"]["supported_parameters"]["output_format"]["values"]
    )
    (endpoint,) = wire.get("/images/models/openai/gpt-5-image/endpoints").json()["endpoints"]
    assert endpoint["provider_tag"] is None
    assert endpoint["pricing"][0] == {
        "billable": "output_image",
        "unit": "image",
        "cost_usd": 0.042,
    }
    assert wire.get("/images/models/openai/gpt-5.2/endpoints").status_code == 404


def test_the_catalogue_of_models(wire) -> None:
    def ids(query: str) -> set[str]:
        return {model["id"] for model in wire.get(f"/models{query}").json()["data"]}

    drawing = ids("?output_modalities=image")
    assert {"google/gemini-2.5-flash-image", "openai/gpt-5-image"} <= drawing
    assert "openai/gpt-5.2" not in drawing
    assert {"openai/gpt-5.2", "anthropic/claude-sonnet-4.6", "google/gemini-2.5-flash"} <= ids("")
    assert "black-forest-labs/flux.2-pro" not in ids("")
    assert ids("?output_modalities=all") >= drawing | ids("")
    assert ids("?supported_parameters=tools&input_modalities=image") >= {"openai/gpt-5.2"}
    assert ids("?q=claude") == {"anthropic/claude-sonnet-4.6"}
    assert len(ids("?limit=2&offset=1")) == 2
    for query in (
        "?output_modalities=smell",
        "?limit=0",
        "?offset=x",
        "?sort=best",
        "?category=cats",
    ):
        assert wire.get(f"/models{query}").status_code == 400
