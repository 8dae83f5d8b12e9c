"""Where a picture was taken is taken out of it, wherever it stands, and its pixels stay the same."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO

import PIL.Image
import pytest
from PIL.PngImagePlugin import PngInfo

from agentkit.images import inspect
from agentkit.images.stripped import without_location
from tests.unit.images.photos import opened, photo, saved, scene

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d exif:GPSLatitude="59,54.8N"/></x:xmpmeta>'


def noise(form: str, **options: object) -> bytes:
    pixels = random.Random(1).randbytes(90 * 70 * 3)
    return saved(PIL.Image.frombytes("RGB", (90, 70), pixels), form, **options)


def with_segment(jpeg: bytes, marker: int, data: bytes) -> bytes:
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + jpeg[2:]


def with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    chunk = struct.pack(">I4s", len(data), kind) + data
    return png[:-12] + chunk + struct.pack(">I", zlib.crc32(kind + data)) + png[-12:]


def text_of(name: str, text: str, *, packed: bool = False) -> PngInfo:
    info = PngInfo()
    info.add_itxt(name, text, zip=packed)
    return info


LOCATED = {
    "JPEG": photo(located=True),
    "JPEG, progressive": noise("JPEG", progressive=True, xmp=XMP),
    "JPEG with restarts": noise("JPEG", restart_marker_blocks=2, xmp=XMP),
    "JPEG with C2PA": with_segment(noise("JPEG"), 0xEB, b'JP {"exif:GPSLongitude": "10"}'),
    "JPEG with a profile": noise("JPEG", xmp=XMP, icc_profile=b"p" * 70_000),
    "JPEG with a film behind it": photo(located=True) + b"ftyp GPSLatitude \xff\xd9" * 9,
    "PNG": photo(form="PNG", located=True),
    "PNG with XMP": noise("PNG", pnginfo=text_of("XML:com.adobe.xmp", XMP.decode())),
    "PNG with packed XMP": noise("PNG", pnginfo=text_of("XML:com.adobe.xmp", XMP.decode(), packed=True)),
    "PNG with a raw profile": noise("PNG", pnginfo=text_of("Raw profile type exif", "\nexif\n8\n00")),
    "PNG with C2PA": with_chunk(noise("PNG"), b"caBX", b"gpsLatitude"),
    "PNG, animated": saved(scene(), "PNG", save_all=True, append_images=[scene().rotate(9)], exif=b""),
    "WebP": photo(form="WEBP", located=True),
    "WebP with XMP": noise("WEBP", xmp=XMP, icc_profile=b"p" * 99),
    "WebP, animated": noise("WEBP", xmp=XMP, save_all=True, append_images=[scene((90, 70))]),
}  # fmt: skip


@pytest.mark.parametrize("name", LOCATED)
def test_the_place_is_gone_and_the_pixels_are_the_same(name: str) -> None:
    data = LOCATED[name]
    info = inspect(BytesIO(data))
    assert info.located or name == "PNG, animated"
    made = without_location(data, info.media_type)
    after = inspect(BytesIO(made))
    assert (after.width, after.height, after.located) == (info.width, info.height, False)
    assert b"gpsl" not in made.lower()
    assert opened(made).tobytes() == opened(data).tobytes()
    assert getattr(opened(made), "n_frames", 1) == getattr(opened(data), "n_frames", 1)
    assert opened(made).info.get("icc_profile") == opened(data).info.get("icc_profile")
    assert not opened(made).getexif()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_metadata_without_a_place_is_no_reason(form: str) -> None:
    plain = photo(form=form)
    assert opened(plain).getexif()
    assert not inspect(BytesIO(plain)).located
