"""Pictures to start from: what is refused before anything is sent, and what is made smaller where
the user allowed it.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from agentkit import FetchPolicy, Image, OpenRouter
from agentkit.emulator import Emulator
from agentkit.errors import ImageError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.studio import InputLimits, Studio, scaled_to_fit
from tests.conftest import picture
from tests.unit.images.photos import opened, photo, wrong_corners

BIG = picture(size=(160, 120), noise=1)


def posted(emulator: Emulator) -> list[Any]:
    return [request.body for request in emulator.requests if request.method == "POST"]


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://x/y.png", "gopher://x", "data:image/png;base64,AAAA", "fox.png"],
)
async def test_a_url_that_is_not_http(studio: Studio, emulator: Emulator, url: str) -> None:
    with pytest.raises(ImageError, match="http or https") as caught:
        await studio.edit(url, "a hat")
    assert url in str(caught.value)
    with pytest.raises(ImageError, match="http or https"):
        studio.stream("a hat", [Image.from_bytes(BIG), url])
    assert emulator.requests == []


@pytest.mark.parametrize(
    "given", [None, 3, b"\x89PNG", {}, [], [3], [None], Path("x.png")], ids=repr
)
async def test_what_is_no_picture(studio: Studio, emulator: Emulator, given: Any) -> None:
    with pytest.raises(UsageError, match=r"edit\(images="):
        await studio.edit(given, "a hat")
    assert emulator.requests == []


async def test_a_picture_that_cannot_be_read(studio: Studio, emulator: Emulator) -> None:
    cut = Image.from_bytes(BIG[:-300])
    with pytest.raises(ImageError, match=r"number 2.*cut off"):
        await studio.edit([Image.from_bytes(BIG), cut], "a hat")
    gone = replace(Image.from_bytes(BIG), blobs=MemoryImageStore(), name="img_7")
    with pytest.raises(ImageError, match=r"img_7.*no longer in the store"):
        await studio.edit(gone, "a hat")
    assert posted(emulator) == []


async def test_a_url_that_must_not_be_fetched(client: OpenRouter, emulator: Emulator) -> None:
    studio = Studio(client=client, store=MemoryImageStore(), fetch=FetchPolicy(seconds=2))
    with pytest.raises(ImageError, match=r"127\.0\.0\.1:9"):
        await studio.edit("http://127.0.0.1:9/x.png", "a hat")
    assert posted(emulator) == []


async def test_a_large_picture_is_scaled_only_if_that_was_allowed(
    client: OpenRouter, emulator: Emulator
) -> None:
    studio = Studio(client=client, store=MemoryImageStore(), inputs=InputLimits(max_side=100))
    given = Image.from_bytes(BIG)
    with pytest.raises(
        ImageError, match=r"too large \(160×120 pixels, \d+ bytes\).*100×100.*scale=True"
    ):
        await studio.edit(given, "a hat")
    assert posted(emulator) == []
    drawing = await studio.edit(given, "a hat", scale=True)
    (sent,) = posted(emulator)[0]["input_references"]
    shown = PIL.Image.open(BytesIO(base64.b64decode(sent["image_url"]["url"].partition(",")[2])))
    assert (shown.format, shown.size) == ("PNG", (100, 75))
    assert drawing.image.parents == (given.sha256,)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_the_kind_stays_where_it_is_one_that_is_sent(form: str) -> None:
    image = Image.from_bytes(picture(size=(300, 200), noise=3, format=form))
    made = scaled_to_fit(image, InputLimits(max_bytes=20_000), scale=True)
    assert made.size <= 20_000
    assert made.size == len(made.bytes())
    assert (made.width or 0) / (made.height or 1) == pytest.approx(1.5, abs=0.05)
    assert made.media_type == {"GIF": "image/jpeg", "BMP": "image/jpeg"}.get(form, image.media_type)


def test_what_shines_through_still_does() -> None:
    file = BytesIO()
    PIL.Image.new("RGBA", (300, 200), (255, 0, 0, 40)).save(file, "TIFF")
    made = scaled_to_fit(Image.from_bytes(file.getvalue()), InputLimits(max_side=50), scale=True)
    assert made.media_type == "image/png"
    assert made.to_pillow().mode == "RGBA"


@pytest.mark.parametrize("scale", [False, True])
async def test_pictures_go_upright_and_of_a_kind_that_models_take(
    client: OpenRouter, emulator: Emulator, scale: bool
) -> None:
    studio = Studio(client=client, store=MemoryImageStore())
    given = [Image.from_bytes(photo(6, located=True)), Image.from_bytes(photo(form="TIFF"))]
    drawing = await studio.edit(given, "a hat", scale=scale)
    assert drawing.image.parents == tuple(image.sha256 for image in given)
    for sent in posted(emulator)[0]["input_references"]:
        head, _, text = sent["image_url"]["url"].partition(";base64,")
        data = base64.b64decode(text)
        assert head in {"data:image/jpeg", "data:image/png"}
        assert wrong_corners(opened(data)) == []
        assert not opened(data).getexif()


@pytest.mark.parametrize("scale", [False, True])
async def test_an_svg_is_refused_by_name(studio: Studio, emulator: Emulator, scale: bool) -> None:
    svg = Image.from_bytes(b'<svg xmlns="http://www.w3.org/2000/svg"/>\n<!-- x --></svg>')
    with pytest.raises(ImageError, match="SVG, which no model takes"):
        await studio.edit(svg, "a hat", scale=scale)
    assert posted(emulator) == []


def test_a_picture_within_the_limits_stays_as_it_is() -> None:
    image = Image.from_bytes(BIG)
    made = scaled_to_fit(image, InputLimits())
    assert (made.sha256, made.width, made.height) == (image.sha256, 160, 120)
    assert scaled_to_fit(made, InputLimits()) is made


def test_a_bomb_is_not_even_scaled() -> None:
    file = BytesIO()
    PIL.Image.new("1", (10_000, 9_500)).save(file, "PNG")
    for scale in (False, True):
        with pytest.raises(ImageError, match="too many pixels"):
            scaled_to_fit(Image.from_bytes(file.getvalue()), InputLimits(), scale=scale)


def test_svg_is_never_rasterised() -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg">' + b"<g/>" * 500 + b"</svg>"
    assert scaled_to_fit(Image.from_bytes(svg), InputLimits()).media_type == "image/svg+xml"
    with pytest.raises(ImageError, match="bytes of SVG"):
        scaled_to_fit(Image.from_bytes(svg), InputLimits(max_bytes=1000), scale=True)


@pytest.mark.parametrize(
    "options", [{"max_bytes": 0}, {"max_side": True}, {"max_side": "8K"}], ids=str
)
def test_limits_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"InputLimits\("):
        InputLimits(**options)
