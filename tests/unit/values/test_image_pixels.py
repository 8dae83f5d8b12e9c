"""Modes that cameras, scanners and print shops use, as people see them."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import Image
from agentkit.errors import ImageError
from agentkit.values.image_header import inspect
from agentkit.values.image_pixels import decoded, visible
from tests.unit.images.photos import SIZE, has_heic, heic, photo, saved, scene, wrong_corners

RAMP = PIL.Image.linear_gradient("L")
PLACES = [(5, 5), (128, 128), (250, 250)]


def scaled(mode: str, factor: float, offset: float = 0) -> PIL.Image.Image:
    """A ramp from dark to bright in this mode."""
    wide: Any = RAMP.convert("F" if mode == "F" else "I")

    def scale(value: Any) -> Any:
        return value * factor + offset

    return wide.point(scale).convert(mode)


DEEP = {
    "16 bits": (scaled("I;16", 257), "PNG"),
    "16 bits, the other way round": (scaled("I;16B", 257), "TIFF"),
    "12 bits in 16": (scaled("I;16", 16), "TIFF"),
    "8 bits in 16": (scaled("I;16", 1), "TIFF"),
    "32 bits": (scaled("I", 100_000, -5_000_000), "TIFF"),
    "floats to 1": (scaled("F", 1 / 255), "TIFF"),
    "floats to 255": (scaled("F", 1), "TIFF"),
    "floats with highlights": (scaled("F", 1.4 / 255), "TIFF"),
    "heights": (scaled("F", 8, -100), "TIFF"),
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_pixels_are_neither_white_nor_black(name: str) -> None:
    picture, form = DEEP[name]
    seen = visible(decoded(saved(picture, form), max_pixels=100_000))
    assert seen.mode == "L"
    assert [seen.getpixel(place) for place in PLACES] == pytest.approx([5, 128, 250], abs=2)


def test_no_data_does_not_hide_the_rest() -> None:
    heights = scaled("F", 8, 100)
    for x in range(100):
        heights.putpixel((x, 0), float("nan"))
        heights.putpixel((x, 1), -3.4e38)
    seen = visible(heights)
    assert [seen.getpixel(place) for place in PLACES] == pytest.approx([5, 128, 250], abs=4)
    for value in (float("nan"), float("inf"), -7.0, 0.0, 1e30):
        assert visible(PIL.Image.new("F", (3, 3), value)).mode == "L"


BROWN = (200, 100, 50)


@pytest.mark.parametrize(
    ("mode", "via", "wanted"),
    [
        ("1", "RGB", "L"),
        ("L", "RGB", "L"),
        ("La", "LA", "L"),
        ("P", "RGB", "RGB"),
        ("PA", "P", "RGB"),
        ("RGBa", "RGBA", "RGB"),
        ("CMYK", "RGB", "RGB"),
        ("YCbCr", "RGB", "RGB"),
        ("HSV", "RGB", "RGB"),
    ],
)
def test_every_mode_keeps_its_colours(mode: str, via: str, wanted: str) -> None:
    given_one = PIL.Image.new("RGB", (9, 9), BROWN).convert(via).convert(mode)
    seen = visible(given_one)
    assert seen.mode == wanted
    if wanted == "RGB":
        assert seen.getpixel((4, 4)) == pytest.approx(BROWN, abs=5)


def test_what_shows_through_still_does() -> None:
    palette = PIL.Image.new("P", (9, 9), 3)
    palette.putpalette([0] * 9 + [10, 20, 30])
    for data in (
        saved(palette, "PNG", transparency=3),
        saved(PIL.Image.new("RGB", (9, 9), (10, 20, 30)), "PNG", transparency=(10, 20, 30)),
        saved(PIL.Image.new("RGBA", (9, 9), (10, 20, 30, 0)), "WEBP", lossless=True, exact=True),
    ):
        assert visible(decoded(data, max_pixels=100)).getpixel((4, 4)) == (10, 20, 30, 0)


def print_profile(black: tuple[int, int, int]) -> bytes:
    """An ICC profile of CMYK (ICC.1:2001-04, 6.5.7), by which no ink is white, and any black ink
    this colour in Lab.
    """
    grid = b"".join(bytes(black if corner & 1 else (255, 128, 128)) for corner in range(16))
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(0x10000 * each for each in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    table = b"mft1\0\0\0\0\x04\x03\x02\0" + identity + ramp * 4 + grid + ramp * 3
    table += bytes(-len(table) % 4)
    tags = {b"desc": b"desc\0\0\0\0\0\0\0\x02x\0" + bytes(88), b"A2B0": table}
    tags |= {b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)}
    offset, directory, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        directory += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", 0, b"\0\0\0\0", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    whole = head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + directory + body
    return struct.pack(">I", len(whole)) + whole[4:]


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_colours_of_print_shops_go_by_their_profile(form: str) -> None:
    picture = PIL.Image.new("CMYK", (9, 9), (0, 0, 0, 255))
    green = print_profile((200, 60, 190))
    by_profile = visible(decoded(saved(picture, form, icc_profile=green), max_pixels=100))
    colour: Any = by_profile.getpixel((4, 4))
    assert colour[1] > 150 > max(colour[0], colour[2])
    assert "icc_profile" not in by_profile.info
    for profile in (None, b"no profile at all"):
        plain = visible(decoded(saved(picture, form, icc_profile=profile), max_pixels=100))
        assert plain.getpixel((4, 4)) == pytest.approx((0, 0, 0), abs=3)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_upright_and_turned_but_once(form: str, orientation: int) -> None:
    data = photo(orientation, form)
    info = inspect(BytesIO(data))
    picture = Image.from_bytes(data).to_pillow()
    assert (info.width, info.height) == picture.size == SIZE
    assert wrong_corners(picture) == []
    # Whoever does what Pillow's documentation says turns it no further.
    assert wrong_corners(PIL.ImageOps.exif_transpose(picture)) == []


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_xmp_turns_where_exif_does_not(form: str) -> None:
    """As it does for Pillow."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="6"/></x:xmpmeta>'
    lying = scene().transpose(PIL.Image.Transpose.ROTATE_90)
    if form == "PNG":
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        data = saved(lying, form, pnginfo=text)
    else:
        data = saved(lying, form, xmp=xmp)
    assert inspect(BytesIO(data)).orientation == 6
    assert wrong_corners(Image.from_bytes(data).to_pillow()) == []


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@given(st.binary(max_size=60), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_metadata_of_a_cameras_own_making_harms_nothing(rest: bytes, head: bytes) -> None:
    exif = b"Exif\0\0" + head + rest
    picture = Image.from_bytes(saved(scene(), "JPEG", exif=exif)).to_pillow()
    assert picture.size in {SIZE, SIZE[::-1]}


def test_metadata_that_cannot_be_written_again_is_left_out() -> None:
    """Pillow reads a rational of no number where one must be, and cannot write it."""
    entries = struct.pack("<HHII", 274, 3, 1, 6) + struct.pack("<HHII", 0x9201, 99, 7, 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + entries + bytes(4)
    data = saved(scene().transpose(PIL.Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    assert wrong_corners(Image.from_bytes(data).to_pillow()) == []


@pytest.mark.skipif(not has_heic(), reason="no decoder of HEIC is installed")
def test_heic_is_decoded_where_it_can_be() -> None:
    data = heic(scene())
    image = Image.from_bytes(data)
    assert (image.media_type, image.extension) == ("image/heic", "heic")
    assert (inspect(BytesIO(data)).width, inspect(BytesIO(data)).height) == SIZE
    assert wrong_corners(image.to_pillow()) == []
    with pytest.raises(ImageError, match="too many pixels"):
        image.to_pillow(max_pixels=100)
