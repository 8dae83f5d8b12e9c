"""Server tools: what goes to the wire, and what is refused before anything does."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
from datetime import date
from typing import Any

import pytest

from agentkit.errors import UsageError
from agentkit.tools.server_tools import Datetime, ImageGeneration, ServerTool, WebFetch, WebSearch


@pytest.mark.parametrize(
    ("made", "wire"),
    [
        (ImageGeneration(), {"type": "openrouter:image_generation"}),
        (
            ImageGeneration("openai/gpt-5-image"),
            {"type": "openrouter:image_generation", "parameters": {"model": "openai/gpt-5-image"}},
        ),
        (
            ImageGeneration(
                quality="high",
                size="1024x1536",
                aspect_ratio="2:3",
                background="transparent",
                output_format="webp",
                output_compression=0,
                moderation="low",
                seed=3,
                strength=0.5,
                style="oil",
                fonts=({"name": "x"}, 2),
            ),
            {
                "type": "openrouter:image_generation",
                "parameters": {
                    "quality": "high",
                    "size": "1024x1536",
                    "aspect_ratio": "2:3",
                    "background": "transparent",
                    "output_format": "webp",
                    "output_compression": 0,
                    "moderation": "low",
                    "seed": 3,
                    "strength": 0.5,
                    "style": "oil",
                    "fonts": [{"name": "x"}, 2],
                },
            },
        ),
        (
            WebSearch(
                engine="exa",
                max_results=5,
                max_total_results=20,
                search_context_size="low",
                allowed_domains=("example.com", "a.b.example/blog"),
                user_location={"city": "Oslo", "country": "NO"},
            ),
            {
                "type": "openrouter:web_search",
                "parameters": {
                    "engine": "exa",
                    "max_results": 5,
                    "max_total_results": 20,
                    "search_context_size": "low",
                    "allowed_domains": ["example.com", "a.b.example/blog"],
                    "user_location": {"type": "approximate", "city": "Oslo", "country": "NO"},
                },
            },
        ),
        (
            WebFetch(
                engine="openrouter",
                max_uses=1,
                max_content_tokens=1000,
                blocked_domains=["*.example.com"],
            ),
            {
                "type": "openrouter:web_fetch",
                "parameters": {
                    "engine": "openrouter",
                    "max_uses": 1,
                    "max_content_tokens": 1000,
                    "blocked_domains": ["*.example.com"],
                },
            },
        ),
        (
            Datetime("America/Argentina/Buenos_Aires"),
            {
                "type": "openrouter:datetime",
                "parameters": {"timezone": "America/Argentina/Buenos_Aires"},
            },
        ),
        (Datetime(), {"type": "openrouter:datetime"}),
        (
            ServerTool("openrouter:advisor", {"model": "x/y"}),
            {"type": "openrouter:advisor", "parameters": {"model": "x/y"}},
        ),
        (
            ServerTool("openrouter:experimental__search_models"),
            {"type": "openrouter:experimental__search_models"},
        ),
        (
            ServerTool("image_generation", {"partial_images": 2}),
            {"type": "image_generation", "partial_images": 2},
        ),
        (ServerTool("mcp", {"server_label": "x"}), {"type": "mcp", "server_label": "x"}),
        (ServerTool("hologram_2027"), {"type": "hologram_2027"}),
        (
            WebSearch(x_search={"from_date": date(2026, 11, 1)}, mode="deep", extra={"depth": 3}),
            {
                "type": "openrouter:web_search",
                "parameters": {
                    "mode": "deep",
                    "x_search": {"from_date": "2026-11-01"},
                    "depth": 3,
                },
            },
        ),
        (
            WebFetch(max_uses=1, extra={"max_uses": 2, "readers": {"pdf": True}}),
            {
                "type": "openrouter:web_fetch",
                "parameters": {"max_uses": 2, "readers": {"pdf": True}},
            },
        ),
        (
            Datetime(extra={"calendar": "iso"}),
            {"type": "openrouter:datetime", "parameters": {"calendar": "iso"}},
        ),
    ],
)
def test_to_wire(made: ServerTool, wire: dict[str, Any]):
    assert made.to_wire() == wire
    assert isinstance(made, ServerTool)
    assert made.name == wire["type"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quality", "xhigh"),
        ("quality", "max"),
        ("quality", "best"),
        ("background", "blurred"),
        ("output_format", "avif"),
        ("provider", {"order": ["x"]}),
        ("stream", True),
        ("extra", {"format": "x", "qualty": "y"}),
    ],
)
def test_which_values_there_are_is_openrouters_to_say(name: str, value: Any):
    made = ImageGeneration(**{name: value})
    assert made.parameters == (value if name == "extra" else {name: value})


@pytest.mark.parametrize(
    "size", ["auto", "512", "768", "1K", "1.5K", "2K", "4K", "8K", "1024x1024", "99999x1"]
)
@pytest.mark.parametrize("aspect_ratio", [None, "16:9", "1:1", "9:19.5", "2.35:1", "auto"])
def test_sizes_and_ratios(size: str, aspect_ratio: str | None):
    assert ImageGeneration(size=size, aspect_ratio=aspect_ratio).parameters["size"] == size


@pytest.mark.parametrize(
    ("kind", "given", "accepted"),
    [
        (ImageGeneration, {"model": ""}, "text that is not empty"),
        (ImageGeneration, {"model": 3}, "text"),
        (ImageGeneration, {"quality": "very good"}, "a word such as low, high or max"),
        (ImageGeneration, {"quality": ["high"]}, "a word such as low"),
        (ImageGeneration, {"quality": ""}, "a word such as low"),
        (ImageGeneration, {"background": 3}, "auto, transparent or opaque"),
        (ImageGeneration, {"output_format": "image/p ng"}, "png, jpeg or webp"),
        (ImageGeneration, {"output_compression": 101}, "from 0 to 100"),
        (ImageGeneration, {"output_compression": -1}, "from 0 to 100"),
        (ImageGeneration, {"output_compression": True}, "from 0 to 100"),
        (ImageGeneration, {"output_compression": 3.5}, "from 0 to 100"),
        (ImageGeneration, {"size": "big"}, "1K, 1.5K or 4K"),
        (ImageGeneration, {"size": "0K"}, "WIDTHxHEIGHT"),
        (ImageGeneration, {"size": "0x10"}, "WIDTHxHEIGHT"),
        (ImageGeneration, {"size": "10x10\n"}, "WIDTHxHEIGHT"),
        (ImageGeneration, {"size": 1024}, "WIDTHxHEIGHT"),
        (ImageGeneration, {"aspect_ratio": "wide"}, "16:9"),
        (ImageGeneration, {"aspect_ratio": "0:9"}, "16:9"),
        (ImageGeneration, {"aspect_ratio": "-16:9"}, "16:9"),
        (ImageGeneration, {"aspect_ratio": 1.5}, "16:9"),
        (ImageGeneration, {"moderation": " "}, "text"),
        (ImageGeneration, {"seed": float("nan")}, "JSON values"),
        (ImageGeneration, {"strength": {1, 2}}, "JSON values"),
        (ImageGeneration, {"extra": ["format"]}, "a mapping"),
        (WebSearch, {"engine": "two words"}, "exa"),
        (WebSearch, {"engine": True}, "exa"),
        (WebSearch, {"max_characters": 0}, "at least 1"),
        (WebSearch, {"x_search": "nasa"}, "a mapping such as"),
        (WebSearch, {"x_search": {"from_date": object()}}, "JSON values"),
        (WebSearch, {"extra": {"a": float("inf")}}, "JSON values"),
        (WebSearch, {"max_results": 0}, "at least 1"),
        (WebSearch, {"max_total_results": "5"}, "at least 1"),
        (WebSearch, {"search_context_size": 5}, "low, medium or high"),
        (WebSearch, {"allowed_domains": "example.com"}, "a list of domains"),
        (WebSearch, {"allowed_domains": []}, "a list of domains"),
        (WebSearch, {"excluded_domains": ["https://example.com"]}, "without https://"),
        (WebSearch, {"user_location": "Oslo"}, "a mapping"),
        (WebSearch, {"user_location": {}}, "city, region"),
        (WebSearch, {"user_location": {"city": 3}}, "a mapping with texts"),
        (WebFetch, {"engine": ""}, "auto, native"),
        (WebFetch, {"max_uses": 0}, "at least 1"),
        (WebFetch, {"max_content_tokens": -5}, "at least 1"),
        (WebFetch, {"blocked_domains": [3]}, "a list of domains"),
        (Datetime, {"timezone": "Oslo time"}, "IANA"),
        (Datetime, {"timezone": 3}, "IANA"),
    ],
)
def test_a_wrong_value_is_named(kind: Any, given: dict[str, Any], accepted: str):
    ((name, value),) = given.items()
    with pytest.raises(UsageError) as caught:
        kind(**given)
    message = str(caught.value)
    assert f"({name}={value!r}" in message or name in message
    assert accepted in message
    assert message.startswith(kind.__name__)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"background": "transparent", "output_format": "jpeg"}, "transparent needs png or webp"),
        ({"background": "transparent", "output_format": "svg"}, "transparent needs png or webp"),
        ({"output_compression": 80, "output_format": "png"}, "compression needs jpeg or webp"),
    ],
)
def test_conflicts(given: dict[str, Any], said: str):
    with pytest.raises(UsageError, match=said):
        ImageGeneration(**given)


def test_domains_are_allowed_or_excluded():
    with pytest.raises(UsageError, match="one of the two"):
        WebSearch(allowed_domains=["a.com"], excluded_domains=["b.com"])


@pytest.mark.parametrize(
    "type_",
    [
        "function",
        "custom",
        "namespace",
        "openrouter:",
        "openrouter:A b",
        "openrouter:x\n",
        "",
        3,
        None,
    ],
)
def test_unknown_types(type_: Any):
    with pytest.raises(
        UsageError, match=re.escape(f"ServerTool(type={type_!r})") + ".*image_generation"
    ):
        ServerTool(type_)


@pytest.mark.parametrize("parameters", [[], "x", {"a": object()}, {"a": float("nan")}])
def test_parameters_are_json(parameters: Any):
    with pytest.raises(UsageError, match="parameters"):
        ServerTool("openrouter:x", parameters)


def test_a_server_tool_is_a_value():
    given = {"model": "x/y", "list": [1]}
    made = ServerTool("openrouter:advisor", given)
    given["list"].append(2)  # type: ignore[attr-defined]
    assert made.parameters == {"model": "x/y", "list": [1]}, (
        "what the caller changes later changes nothing"
    )
    assert ImageGeneration(size="1K") == ImageGeneration(size="1K") != ImageGeneration(size="2K")
    assert len({ImageGeneration(), ImageGeneration(), WebSearch()}) == 2
    assert repr(ImageGeneration(size="1K", seed=3)) == "ImageGeneration(size='1K', seed=3)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.type = "x"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        ImageGeneration().parameters = {}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("aspect", "aspect_ratio"),
        ("aspectratio", "aspect_ratio"),
        ("ratio", "aspect_ratio"),
        ("format", "output_format"),
        ("qualty", "quality"),
        ("sizes", "size"),
        ("models", "model"),
        ("fall_back", "fallback"),
    ],
)
def test_a_near_miss_of_a_parameter(name: str, meant: str):
    with pytest.raises(UsageError, match=rf"ImageGeneration\({name}='x'\).*did you mean {meant}\?"):
        ImageGeneration(**{name: "x"})


@pytest.mark.parametrize(
    "name", ["n", "seed", "style", "strength", "background_color", "image_size", "resolution"]
)
def test_other_parameters_pass(name: str):
    assert ImageGeneration(**{name: "x"}).parameters == {name: "x"}


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])  # fmt: skip
def test_a_copy_of_the_tool_that_draws_is_whole(again: Any) -> None:
    made = ImageGeneration(size="1024x1024", extra={"size": "2K"})
    other = again(made)
    assert (other, other.fallback) == (made, None)
    entry = {"type": "image_generation", "size": "2K"}
    assert other.to_openai("OpenAI", stream=False) == entry
