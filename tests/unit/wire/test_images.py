"""The Image API's requests and replies as values, and its stream under any slicing."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentkit.errors import APIError, ProviderFailed
from agentkit.values import BlobRef, Image, MemoryBlobs
from agentkit.wire.catalogue import (
    Capability,
    ChatModel,
    chat_models,
    endpoints_path,
    image_endpoints,
    image_models,
)
from agentkit.wire.images import PATH, ImageRequest, ImagesReply, encode
from agentkit.wire.json import read_object
from agentkit.wire.sse import DONE, EventStream
from agentkit.wire.types import ImageRef, Preview, Signal, Words
from tests.conftest import picture

RED = Image.from_bytes(picture("red"))


def test_a_request_with_pictures_holds_no_base64() -> None:
    pieces = encode(ImageRequest("a/b", 'say "hi"\n', (RED, RED), n=2, stream=True, extra={"n": 3}))
    assert [piece for piece in pieces if isinstance(piece, BlobRef)] == [
        BlobRef(RED.sha256, "image/png")
    ] * 2
    text = b"".join(piece if isinstance(piece, bytes) else b"X" for piece in pieces)
    assert json.loads(text) == {
        "model": "a/b", "prompt": 'say "hi"\n', "n": 3, "stream": True,
        "input_references": [{"type": "image_url", "image_url": {"url": "X"}}] * 2,
    }  # fmt: skip
    assert PATH == "/images"


def test_what_is_not_given_is_not_sent() -> None:
    assert encode(ImageRequest("a/b", "x")) == (b'{"model":"a/b","prompt":"x"}',)


def test_moderation_is_an_option_of_those_who_take_it_and_gives_way_to_what_is_there() -> None:
    routing = {"sort": "price", "options": {"openai": {"moderation": "auto"}, "x": {"y": 1}}}
    request = ImageRequest(
        "a/b", "x", moderation="low", moderators=("openai", "azure"), provider=routing
    )
    assert json.loads(encode(request)[0])["provider"] == {  # type: ignore[arg-type]
        "sort": "price",
        "options": {
            "openai": {"moderation": "auto"},
            "azure": {"moderation": "low"},
            "x": {"y": 1},
        },
    }


def done(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_generation.completed", "b64_json": value, "created": 1, **more}


def partial(index: object, value: str = "p") -> dict[str, Any]:
    return {
        "type": "image_generation.partial_image",
        "partial_image_index": index,
        "b64_json": value,
    }


def chunk(text: str, phase: str = "content") -> dict[str, Any]:
    return {"type": "image_generation.text_chunk", "phase": phase, "text": text}


def heard(*events: dict[str, Any], count: int = 1) -> tuple[list[Signal], ImagesReply]:
    decoder = ImagesReply("a fox", count)
    return [signal for event in events for signal in decoder.feed(event)], decoder


def test_both_forms_give_equal_replies() -> None:
    usage = {
        "prompt_tokens": 2,
        "completion_tokens": 30,
        "cost": 0.5,
        "completion_tokens_details": {"image_tokens": 30},
    }
    whole = ImagesReply("a fox", 2)
    signals = whole.whole(
        {
            "created": 0,
            "data": [{"b64_json": "A"}, {"b64_json": "B", "revised_prompt": "r"}],
            "usage": usage,
        }
    )
    streamed, decoder = heard(done("A"), done("B", revised_prompt="r", usage=usage), count=2)
    assert signals == streamed == list(decoder.reply().pictures)
    assert whole.reply() == decoder.reply()
    assert (whole.finished, decoder.finished) == (True, True)
    assert decoder.reply().usage.cost_usd == 0.5
    assert decoder.reply().usage.image_tokens == 30


def test_json_in_place_of_events() -> None:
    _, decoder = heard({"created": 0, "data": [{"b64_json": "A"}]}, count=4)
    assert decoder.finished
    assert [each.values for each in decoder.reply().pictures] == [("A",)]


def test_events_as_the_specs_schema_writes_them() -> None:
    signals, _ = heard({"data": partial(0)}, {"data": done("A")})
    assert [type(signal) for signal in signals] == [Preview, ImageRef]


@pytest.mark.parametrize(
    ("indexes", "count", "keys"),
    [
        ([0, 1, 2], 1, ["0", "0", "0"]),
        ([0, 1, 0, 1], 2, ["0", "0", "1", "1"]),
        ([0, "done", 0, 1], 2, ["0", "1", "1"]),
        (["done", 0], 2, ["1"]),
        ([0, 0, 0], 1, ["0", "0", "0"]),
        ([None, True, "2"], 1, ["0", "0", "0"]),
    ],
    ids=str,
)
def test_which_picture_a_preview_belongs_to(
    indexes: list[Any], count: int, keys: list[str]
) -> None:
    events = [done("A") if index == "done" else partial(index) for index in indexes]
    signals, _ = heard(*events, count=count)
    assert [signal.key for signal in signals if isinstance(signal, Preview)] == [
        f"data:{key}" for key in keys
    ]


def test_markup_comes_in_pieces_even_inside_a_character() -> None:
    signals, decoder = heard(
        chunk("<svg>\ud83e"),
        chunk("hm", "reasoning"),
        chunk("\udd8a</svg>"),
        {**chunk("x"), "text": 3},
    )
    words = [signal for signal in signals if isinstance(signal, Words)]
    assert words == [Words("<svg>", "text"), Words("hm", "reasoning"), Words("🦊</svg>", "text")]
    unfinished = decoder.unfinished()
    assert unfinished is not None
    assert base64.b64decode(unfinished.values[0]).decode() == "<svg>🦊</svg>"
    decoder.feed(done("A"))
    assert decoder.unfinished() is None
    assert [each.values for each in decoder.reply().pictures] == [("A",)]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "error": {"message": "gone", "code": "502"}},
        {"type": "error", "message": "gone", "code": 502},
        {"type": "error", "error": "gone"},
        {"error": {"message": "gone", "code": 502}},
    ],
)
def test_an_error_in_the_stream(event: dict[str, Any]) -> None:
    _, decoder = heard(done("A"), event, count=3)
    error = decoder.reply().error
    assert isinstance(error, ProviderFailed)
    assert "gone" in str(error)
    assert decoder.finished
    assert len(decoder.reply().pictures) == 1


@pytest.mark.parametrize(
    "event", [{}, {"type": 3}, {"type": "image_generation.new"}, {"type": "ping", "data": None}]
)
def test_what_is_not_known_is_passed_over(event: dict[str, Any]) -> None:
    signals, decoder = heard(event)
    assert (signals, decoder.finished, decoder.begun) == ([], False, False)


TEXTS = st.text(st.characters(codec=None), max_size=30)  # lone surrogates too
EVENTS = st.one_of(
    st.builds(done, TEXTS),
    st.builds(partial, st.integers(-1, 3), TEXTS),
    st.builds(chunk, TEXTS, st.sampled_from(["content", "reasoning", "draft", "new"])),
    st.just({"type": "error", "error": {"message": "no"}}),
    st.dictionaries(
        TEXTS, st.one_of(TEXTS, st.integers(), st.none(), st.lists(TEXTS, max_size=2)), max_size=3
    ),
)


@given(
    st.lists(EVENTS, max_size=8),
    st.lists(st.integers(1, 60), max_size=40),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
@example([done("A")], [1] * 40, "\r\n")
def test_any_slicing_of_a_stream_gives_the_same(
    events: list[Any], cuts: list[int], end: str
) -> None:
    lines = [f"data: {json.dumps(event)}{end}{end}: c{end}" for event in events]
    data = ("".join(lines) + f"data: [DONE]{end}{end}").encode()
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(data[at : at + cut])
        at += cut
    assert _read([*pieces, data[at:]]) == _read([data])


def _read(pieces: list[bytes]) -> tuple[Any, ...]:
    stream, decoder = EventStream(), ImagesReply("p", 3)
    found = [each for piece in pieces for each in stream.feed(piece)] + stream.close()
    assert found[-1] == DONE
    signals = [signal for each in found[:-1] for signal in decoder.feed(read_object(each))]
    reply = decoder.reply()
    return (
        signals,
        reply.pictures,
        reply.usage,
        str(reply.error),
        decoder.finished,
        decoder.unfinished(),
    )


@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
                    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(
                        st.sampled_from(["data", "endpoints", "id", "type", "error", "usage", "pricing", "architecture", "min",
                                         "supported_parameters", "values", "b64_json", "image_url", "x"]), inner, max_size=5)),
                    max_leaves=20))  # fmt: skip
def test_no_json_breaks_a_reader(value: Any) -> None:
    body = (
        value
        if isinstance(value, dict)
        else {"data": value, "endpoints": value, "error": value, "usage": value}
    )
    for kind in (
        "image_generation.completed",
        "image_generation.partial_image",
        "image_generation.text_chunk",
        "error",
    ):
        ImagesReply("p", 1).feed({**body, "type": kind})
    decoder = ImagesReply("p", 1)
    decoder.whole(body)
    assert decoder.reply().error is None or isinstance(decoder.reply().error, APIError)
    for read in (chat_models, image_models, image_endpoints):
        read(body)


def test_a_catalogue_of_image_models() -> None:
    record = {
        "id": "a/b", "name": "B", "description": "d", "architecture": {"input_modalities": ["text"], "output_modalities": ["image"]},
        "supported_parameters": {"n": {"type": "range", "min": 1, "max": 4}, "seed": {"type": "boolean"},
                                 "resolution": {"type": "enum", "values": ["1K", "2K"]}, "odd": {"type": "new"}, "none": None},
        "supports_streaming": True,
    }  # fmt: skip
    (model,) = image_models({"data": [record, {"name": "without an id"}, 3]})
    assert (model.id, model.inputs, model.outputs, model.streams) == (
        "a/b",
        ("text",),
        ("image",),
        True,
    )
    assert model.parameters["n"] == Capability("range", (), 1, 4)
    accepted = {
        ("n", 4): True, ("n", 5): False, ("n", 0): False, ("seed", 99): True, ("resolution", "2K"): True,
        ("resolution", "4K"): False, ("odd", "x"): True,
    }  # fmt: skip
    assert {
        (name, value): model.parameters[name].accepts(value) for name, value in accepted
    } == accepted
    assert {name: str(each) for name, each in model.parameters.items()} == {
        "n": "1 to 4", "seed": "any", "resolution": "1K, 2K", "odd": "any",
    }  # fmt: skip


def test_endpoints_of_an_image_model() -> None:
    record = {
        "provider_name": "B", "provider_slug": "b", "provider_tag": "b/fast", "supported_parameters": {}, "supports_streaming": False,
        "allowed_passthrough_parameters": ["steps"],
        "pricing": [{"billable": "output_image", "unit": "image", "cost_usd": 0.5, "variant": "2K"}, {"unit": "image"},
                    {"billable": "input_text", "unit": "token", "cost_usd": "-1"}],
    }  # fmt: skip
    (endpoint,) = image_endpoints({"id": "a/b", "endpoints": [record]})
    assert endpoint.names == {"b", "b/fast"}
    assert endpoint.passthrough == ("steps",)
    (price,) = endpoint.prices
    assert (price.billable, price.unit, price.cost_usd, price.variant) == (
        "output_image",
        "image",
        0.5,
        "2K",
    )
    assert endpoints_path("a/b c?d") == "/images/models/a/b%20c%3Fd/endpoints"


def test_a_catalogue_of_chat_models() -> None:
    record = {
        "id": "a/b", "name": "B", "context_length": 1000, "supported_parameters": ["tools", "seed"],
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "top_provider": {"max_completion_tokens": 100}, "pricing": {"prompt": "0.000001", "completion": 2e-6, "request": "-1"},
    }  # fmt: skip
    assert chat_models({"data": [record]}) == (
        ChatModel(
            "a/b",
            "B",
            ("text", "image"),
            ("text",),
            ("tools", "seed"),
            1000,
            100,
            {"prompt": 1e-6, "completion": 2e-6},
        ),
    )
    (model,) = chat_models({"data": [record]})
    assert (model.sees, model.draws, model.calls_tools) == (True, False, True)
    assert chat_models({"data": [{"id": "x"}]}) == (ChatModel("x"),)


def test_blobs_stay_out_of_a_request_that_is_shown() -> None:
    assert isinstance(RED.blobs, MemoryBlobs)
    assert "base64" not in repr(ImageRequest("a/b", "x", (RED,)))
