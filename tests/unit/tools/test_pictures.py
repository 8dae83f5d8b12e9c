"""Pictures in what tools return, by their shape: whoever made the value, and however deep it lies."""

from __future__ import annotations

import base64
import ctypes
import json
import struct
from io import BytesIO
from pathlib import Path
from typing import Any, Optional

import PIL.Image
import pytest
from pydantic import BaseModel

from agentkit import Image, Text
from agentkit.tools import ToolResultError, encode_result, tool
from tests.conftest import picture
from tests.unit.images.photos import photo, wrong_corners

PICTURE = picture(size=(40, 30), noise=60)
SMALL = picture("red", (3, 2))
B64 = base64.b64encode(PICTURE).decode()
SMALL_B64 = base64.b64encode(SMALL).decode()
URL = f"data:image/png;base64,{B64}"
BLOCK = {"type": "image", "data": B64, "mimeType": "image/png"}


class ImageContent(BaseModel):
    """Of the shape that MCP's SDK gives."""

    type: str = "image"
    data: str
    mimeType: str  # noqa: N815
    annotations: dict[str, Any] | None = None


class Contents(BaseModel):
    uri: str = "file:///a.png"
    mimeType: str = "image/png"  # noqa: N815
    blob: str


class Served:
    """As servers of MCP hand pictures on."""

    def to_image_content(self) -> ImageContent:
        return ImageContent(data=B64, mimeType="image/png")


class Figure:
    def savefig(self, file: Any, format: str | None = None) -> None:
        assert format == "png"
        file.write(PICTURE)


class Shown:
    def _repr_png_(self) -> bytes:
        return PICTURE


@pytest.mark.parametrize(
    "value",
    [
        BLOCK,
        [ImageContent(data=B64, mimeType="image/png")],
        {"content": [{"type": "text", "text": "a screenshot"}, BLOCK]},
        {"type": "resource", "resource": Contents(blob=B64)},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": B64}},
        {"type": "image_url", "image_url": {"url": URL, "detail": "auto"}},
        {"type": "input_image", "image_url": URL},
        {"inline_data": {"mime_type": "image/png", "data": B64}},
        {"type": "image", "source_type": "base64", "data": B64, "mime_type": "image/png"},
        {"image/png": f"{B64}\n", "text/plain": "<Figure>"},
        {"data": [{"b64_json": B64}]},
        URL,
        B64,
        base64.encodebytes(PICTURE).decode(),
        f"Here: ![a plot]({URL}), and no more.",
        f'<img alt="a plot" src="{URL}">',
        json.dumps({"content": [BLOCK]}),
        json.dumps({"content": [BLOCK]}).replace("/", "\\/"),
        f"```json\n{json.dumps(BLOCK)}\n```",
        BytesIO(PICTURE),
        memoryview(PICTURE),
        ({"a": [[{"b": bytearray(PICTURE)}]]},),
        Served(),
        Figure(),
        Shown(),
    ],
)
def test_a_picture_is_told_by_its_handle_and_never_as_base64(value: object) -> None:
    encoded = encode_result(value)
    words, *images = encoded.parts()
    assert [image.bytes() for image in images if isinstance(image, Image)] == [PICTURE]
    assert "picture 1" in str(words)
    assert B64[:40] not in str(words)


@pytest.mark.parametrize(
    "mode",
    "1 L P RGB RGBA CMYK YCbCr LAB HSV I F LA PA La RGBX RGBa I;16 I;16B I;16L".split(),
)
def test_pillow_in_any_mode(mode: str) -> None:
    (image,) = encode_result([PIL.Image.new(mode, (3, 2))]).images
    assert (image.media_type, image.to_pillow().size) == ("image/png", (3, 2))


def test_pillow_that_reads_a_photo_is_told_upright() -> None:
    for form in ("JPEG", "PNG", "TIFF", "AVIF"):
        for orientation in (1, 3, 6):
            opened = PIL.Image.open(BytesIO(photo(orientation, form)))
            (image,) = encode_result(opened).images
            assert wrong_corners(image.to_pillow()) == []


def by(factor: float) -> Any:
    def times(value: Any) -> Any:
        return value * factor + 0

    return times


def test_pillow_of_16_bits_or_floats_is_seen() -> None:
    ramp: Any = PIL.Image.linear_gradient("L").convert("I")
    for mode, times in (("I", 257), ("I", 16), ("F", 8)):
        deep = ramp.convert("F").point(by(times)).convert(mode)
        (image,) = encode_result(deep).images
        grey: Any = image.to_pillow()
        assert [grey.getpixel((5, y)) for y in (5, 128, 250)] == pytest.approx([5, 128, 250], abs=2)


class Array:
    """What numpy and its like tell of themselves."""

    def __init__(self, shape: tuple[int, ...], kind: str, data: object) -> None:
        self.__array_interface__ = {"shape": shape, "typestr": kind, "version": 3, "data": data}


LEVELS = bytes(range(0, 240, 10))
KEPT = ctypes.create_string_buffer(LEVELS, 24)


@pytest.mark.parametrize(
    ("array", "size", "pixel"),
    [
        (Array((4, 6), "|u1", LEVELS), (6, 4), 230),
        (Array((2, 4, 3), "|u1", LEVELS), (4, 2), (210, 220, 230)),
        (Array((2, 4, 3), "|u1", (ctypes.addressof(KEPT), True)), (4, 2), (210, 220, 230)),
        (Array((3, 2, 5), "|u1", bytes(range(30))), (5, 2), (9, 19, 29)),
        (Array((2, 3, 4), "|u1", LEVELS), (3, 2), (200, 210, 220, 230)),
        (Array((2, 2), "|b1", b"\0\1\0\1"), (2, 2), 255),
        (Array((1, 2, 3), "<f4", struct.pack("<6f", 0, 0, 0, 0.2, 0.4, 1)), (2, 1), (51, 102, 255)),
        (Array((1, 1, 3), ">i2", struct.pack(">3h", 7, 300, 400)), (1, 1), (0, 190, 255)),
        (Array((1, 2), "<u2", struct.pack("<2H", 0, 65535)), (2, 1), 255),
    ],
)
def test_arrays(array: Array, size: tuple[int, int], pixel: object) -> None:
    (image,) = encode_result({"plot": array}).images
    drawn = image.to_pillow()
    assert (drawn.size, drawn.getpixel((size[0] - 1, size[1] - 1))) == (size, pixel)


def test_what_only_looks_like_a_picture_stays_words() -> None:
    for text in (
        "PNG in base64 starts with iVBORw0KGgo, as in data:image/png;base64,iVBORw0KGgo...",
        "data:image/png;base64,aGVsbG8gd29ybGQgdGhpcyBpcyBubyBpbWFnZQ==",
        f"```html\n<img src='data:image/png;base64,{SMALL_B64}'>\n```",
        "data: images and /9j/ paths",
    ):
        assert encode_result(text).parts() == (Text(text),)
    note = {"type": "image", "data": "see the note below", "mimeType": "image/png"}
    assert encode_result(note).images == ()
    assert encode_result("/tmp/a.png").images == ()


def test_a_block_that_is_not_what_it_says_is_a_picture_that_fails() -> None:
    for data in (B64[:4000], base64.b64encode(b"no picture, but words " * 9).decode()):
        (image,) = encode_result([{**BLOCK, "data": data, "name": "a"}]).images
        assert image.bytes() == base64.b64decode(data)


def test_a_path_is_a_picture_only_where_the_tool_says_so(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(PICTURE)

    def plot() -> Image: ...
    async def plots() -> list[Image]: ...
    def maybe() -> Optional[Image]: ...  # noqa: UP045
    def words() -> str: ...
    def either() -> Image | str: ...
    def neither(): ...  # type: ignore[no-untyped-def]

    said = [tool(each, description="Draws.").returns_image for each in (plot, plots, maybe)]
    assert said == [True] * 3
    said = [tool(each, description="Draws.").returns_image for each in (words, either, neither)]
    assert said == [False] * 3
    for value in (path, str(path), [str(path)]):
        (image,) = encode_result(value, is_image=True).images
        assert image.bytes() == PICTURE
        assert encode_result(value).images == ()
    with pytest.raises(ToolResultError, match=r"nowhere\.png"):
        encode_result(str(tmp_path / "nowhere.png"), is_image=True)
    assert encode_result("none was found", is_image=True).images == ()
