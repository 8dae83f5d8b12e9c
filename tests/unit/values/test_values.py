"""Values are frozen, small, and say what they hold."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import inspect
import pickle
from concurrent.futures import ThreadPoolExecutor
from math import fsum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import errors, events, values
from agentkit.demo.document import ScriptError
from agentkit.errors import ImageError
from agentkit.images import BrokenImage
from agentkit.run import Run
from agentkit.tools import ToolResultError
from agentkit.values import (
    Image,
    MemoryBlobs,
    Message,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from agentkit.values.image_header import EXTENSIONS, sniff

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
HEADS = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + b"\0" * 20,
    "image/webp": b"RIFF\x10\0\0\0WEBPVP8 ",
    "image/gif": b"GIF89a" + b"\0" * 10,
    "image/avif": b"\0\0\0\x20ftypavif\0\0\0\0",
    "image/bmp": b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
    "image/tiff": b"II*\0\x08\0\0\0",
    "image/svg+xml": b'<?xml version="1.0"?>\n<!-- a fox --><svg xmlns="http://www.w3.org/2000/svg"/>',
}


def own_dataclasses(module: object) -> list[type]:
    return [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if dataclasses.is_dataclass(kind) and kind.__module__.startswith("agentkit")
    ]


@pytest.mark.parametrize(
    "kind", sorted({*own_dataclasses(values), *own_dataclasses(events)}, key=lambda k: k.__name__)
)
def test_every_value_is_frozen_and_slotted(kind: type) -> None:
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)


def test_a_picture_is_made_of_bytes_and_reads_them_back() -> None:
    image = Image.from_bytes(PNG, alt="a fox")
    assert (image.sha256, image.media_type, image.size) == (
        hashlib.sha256(PNG).hexdigest(),
        "image/png",
        len(PNG),
    )
    assert image.sources == (Source("user"),)
    assert image.bytes() == PNG
    assert image.data_url().startswith("data:image/png;base64,iVBORw0KGgo")
    assert (image.extension, image.alt, image.url) == ("png", "a fox", None)


@pytest.mark.parametrize(("media_type", "head"), HEADS.items())
def test_the_bytes_tell_the_media_type(media_type: str, head: bytes) -> None:
    assert sniff(head) == media_type
    assert Image.from_bytes(head).extension == EXTENSIONS[media_type]


@given(st.binary(max_size=64))
def test_any_bytes_are_a_picture_or_an_error(data: bytes) -> None:
    try:
        assert Image.from_bytes(data).media_type == sniff(data)
    except ImageError as error:
        assert sniff(data) is None
        assert f"{len(data)} bytes" in str(error)
        assert "png" in str(error)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://x/", "data:image/png;base64,AAAA", "cat.png", ""]
)
def test_a_pictures_url_is_http(url: str) -> None:
    with pytest.raises(ImageError, match="http or https"):
        Image.from_url(url)


def test_a_picture_from_a_url_has_no_bytes_yet() -> None:
    image = Image.from_url("HTTPS://example.com/a.png", alt="a")
    assert (image.sha256, image.url) == ("", "HTTPS://example.com/a.png")
    with pytest.raises(ImageError, match="not fetched yet"):
        image.bytes()


def test_a_file_that_is_not_there_or_no_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"missing\.png"):
        Image.from_file(tmp_path / "missing.png")
    (tmp_path / "words.png").write_text("no picture")
    with pytest.raises(ImageError, match=r"words\.png.*no picture"):
        Image.from_file(tmp_path / "words.png")
    (tmp_path / "fox.txt").write_bytes(PNG)
    assert Image.from_file(tmp_path / "fox.txt").media_type == "image/png"


def test_saving_writes_the_whole_picture_and_leaves_nothing_else(tmp_path: Path) -> None:
    image = dataclasses.replace(Image.from_bytes(PNG), name="img_1")
    assert image.save(tmp_path) == tmp_path / "img_1.png"
    assert image.save(tmp_path / "other.png").read_bytes() == PNG
    assert sorted(path.name for path in tmp_path.iterdir()) == ["img_1.png", "other.png"]


def test_saving_bytes_that_are_gone_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(ImageError, match="no longer in the store"):
        dataclasses.replace(Image.from_bytes(PNG), blobs=MemoryBlobs()).save(tmp_path / "a.png")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_many_threads_may_save_to_one_path(tmp_path: Path) -> None:
    image = Image.from_bytes(PNG + b"x" * 3_000_000)
    with ThreadPoolExecutor(8) as pool:
        saved = list(pool.map(lambda _: image.save(tmp_path / "a.png"), range(80)))
    assert saved == [tmp_path / "a.png"] * 80
    assert [(path.name, path.stat().st_size) for path in tmp_path.iterdir()] == [
        ("a.png", image.size)
    ]


def test_a_picture_that_cannot_be_written_is_an_image_error(tmp_path: Path) -> None:
    image = Image.from_bytes(PNG)
    with pytest.raises(ImageError, match=r"save\('.*a{300}\.png'\): File name too long"):
        image.save(tmp_path / f"{'a' * 300}.png")
    with pytest.raises(ImageError, match=r"save\('a.x00b'\): .*null"):
        image.save("a\0b")
    with pytest.raises(ImageError, match="given is int; accepted is a path"):
        image.save(5)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    assert image.save(tmp_path / f"{'a' * 240}.png").is_file(), (
        "the name has room where the file system has"
    )


def test_the_handle_to_the_bytes_is_no_part_of_a_picture() -> None:
    image = Image.from_bytes(PNG)
    assert image == dataclasses.replace(image, blobs=None)
    assert len(repr(image)) < 100
    assert "\n" not in repr(image)


def test_svg_is_never_rasterised() -> None:
    svg = Image.from_bytes(HEADS["image/svg+xml"])
    with pytest.raises(ImageError, match="never rasterised"):
        svg.to_pillow()
    assert list(svg._repr_mimebundle_()) == ["text/plain"]


def test_a_broken_picture_is_an_image_error_when_it_is_decoded() -> None:
    with pytest.raises(ImageError, match="cannot be decoded"):
        Image.from_bytes(PNG).to_pillow()


def test_a_message_gives_its_words_pictures_and_calls() -> None:
    image, other = Image.from_bytes(PNG), Image.from_bytes(HEADS["image/gif"])
    call = ToolCall("c1", "weather", "{}")
    result = ToolResult("c1", "weather", (Text("wet "), other, Text("cold")))
    message = Message("assistant", (Reasoning("hm"), Text("a"), image, call, Text("b"), result))
    assert message.text == "ab"
    assert message.images == (image, other)
    assert message.calls == (call,)
    assert result.text == "wet cold"


costs = st.none() | st.floats(0, 100)
COSTS = [name for name in Usage.__dataclass_fields__ if name.endswith("_usd")]
COUNTS = [name for name in Usage.__dataclass_fields__ if name not in COSTS]
usages = st.builds(
    Usage,
    **{name: st.integers(0, 1000) for name in COUNTS},
    **{name: st.floats(0, 100) if name == "uncertain_usd" else costs for name in COSTS},
)


@given(st.lists(usages, max_size=6))
def test_usage_is_summed_and_an_unknown_cost_stays_unknown(each: list[Usage]) -> None:
    total = Usage.total(each)
    for name in COUNTS:
        assert getattr(total, name) == sum(getattr(usage, name) for usage in each)
    for name in COSTS:
        known = [cost for usage in each if (cost := getattr(usage, name)) is not None]
        nothing = 0 if name == "uncertain_usd" else None
        assert getattr(total, name) == (fsum(known) if known else nothing)
    assert total.highest_usd == fsum((total.cost_usd or 0.0, total.uncertain_usd))


def test_many_small_costs_add_up() -> None:
    assert Usage.total([Usage(cost_usd=0.1)] * 10).cost_usd == 1.0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest), (404, errors.BadRequest), (409, errors.BadRequest), (413, errors.BadRequest),
        (422, errors.BadRequest), (401, errors.AuthenticationFailed), (402, errors.InsufficientCredits),
        (403, errors.PermissionRefused), (429, errors.RateLimited), (408, errors.ProviderFailed),
        (500, errors.ProviderFailed), (529, errors.ProviderFailed), (None, errors.ProviderFailed),
    ],
)  # fmt: skip
def test_each_status_has_its_error(status: int | None, kind: type) -> None:
    assert errors.for_status(status) is kind


def test_the_docs_tell_each_status_of_an_error() -> None:
    for status in range(300, 600):
        kind = errors.for_status(status)
        written = "3xx" if status < 400 else str(status)
        told = [line for line in (errors.__doc__ or "").splitlines() if written in line]
        assert kind is errors.ProviderFailed or (
            len(told) == 1 and f" {kind.__name__} " in told[0]
        ), status
        assert kind is errors.ProviderFailed or written in (kind.__doc__ or "")


def test_the_error_tree_is_the_one_that_its_docstring_draws() -> None:
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, Exception)
    ]
    assert errors.__doc__ is not None
    for kind in kinds:
        assert f" {kind.__name__} " in errors.__doc__ or f"{kind.__name__}\n" in errors.__doc__, (
            kind
        )
        assert issubclass(kind, errors.AgentkitError)
    assert issubclass(errors.UsageError, ValueError)


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.JPEG", "a", "a.picture", "a.png", "a.WEBP", "2026.11.21"]
)
def test_saving_converts_nothing(name: str, tmp_path: Path) -> None:
    saved = Image.from_bytes(HEADS["image/jpeg"]).save(tmp_path / name)
    assert saved == tmp_path / name
    assert saved.read_bytes() == HEADS["image/jpeg"]


def test_saving_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"the folder .*nowhere. is not there") as caught:
        Image.from_bytes(PNG).save(tmp_path / "nowhere" / "a.png")
    assert ".part" not in str(caught.value)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(ImageError, match=r"file. is no folder"):
        Image.from_bytes(PNG).save(tmp_path / "file" / "a.png")


PUBLIC = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, errors.AgentkitError)
]


@pytest.mark.parametrize("kind", [*PUBLIC, BrokenImage, ToolResultError, ScriptError])
def test_every_error_survives_the_way_to_another_process(kind: type[errors.AgentkitError]) -> None:
    needed: dict[str, Any] = {
        name: name if parameter.annotation in {"str", str} else None
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is parameter.empty and parameter.kind is parameter.KEYWORD_ONLY
    }
    error = kind("what happened", **needed)
    if isinstance(error, errors.RunError):
        image = Image.from_bytes(PNG)
        error.run = Run(
            "r", "m", "chat", (Message("user", (Text("draw"), image)),), 0, images=(image,)
        )
        error.generation_id = "gen-1"
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is kind
        assert (str(again), vars(again)) == (str(error), vars(error))
    assert vars(copy.copy(error)) == vars(error)


def test_a_url_with_half_of_a_surrogate_pair_is_refused_at_once() -> None:
    with pytest.raises(
        ImageError, match=r"from_url\('https://x.example/\\ud83d.png'\): .*surrogate"
    ):
        Image.from_url("https://x.example/\ud83d.png")
    assert Image.from_url("https://x.example/\N{FOX FACE}.png").url is not None
