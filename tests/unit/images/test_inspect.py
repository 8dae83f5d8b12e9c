"""What bytes really are: their kind, their size, whether they are whole, told within limits."""

from __future__ import annotations

import hashlib
import random
import struct
import subprocess
import sys
import time
import zlib
from io import BytesIO

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import ImageError
from agentkit.images import BrokenImage, MemoryImageStore, inspect, store_bytes
from tests.conftest import spread

KINDS = ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF"]
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9"><path d="M0 0"/></svg>\n'


def picture(
    kind: str, width: int = 37, height: int = 21, mode: str = "RGB", **options: object
) -> bytes:
    file = BytesIO()
    bands = len(PIL.Image.new(mode, (1, 1)).getbands())
    noise = random.Random(1).randbytes(width * height * bands)
    PIL.Image.frombytes(mode, (width, height), noise).save(file, kind, **options)
    return file.getvalue()


PICTURES = {kind: picture(kind) for kind in KINDS} | {
    "WebP, lossless": picture("WEBP", lossless=True),
    "WebP with alpha and metadata": picture(
        "WEBP", mode="RGBA", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0", icc_profile=b"x" * 99
    ),
    "JPEG, progressive": picture(
        "JPEG", progressive=True, comment=b"\xff\xd9 in a comment", exif=b"Exif\0\0" + bytes(300)
    ),
    "JPEG, grey": picture("JPEG", mode="L"),
    "PNG, palette": picture("PNG", mode="P"),
    "TIFF, deflated": picture("TIFF", compression="tiff_adobe_deflate"),
    "GIF, animated": picture(
        "GIF",
        save_all=True,
        append_images=[PIL.Image.new("RGB", (37, 21), c) for c in ("red", "blue")],
    ),
    "PNG, one pixel": picture("PNG", 1, 1),
    "wide": picture("PNG", 3000, 1),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_size_is_what_pillow_says(name: str):
    data = PICTURES[name]
    info = inspect(BytesIO(data))
    with PIL.Image.open(BytesIO(data)) as image:
        assert (info.width, info.height) == image.size
        assert info.media_type == PIL.Image.MIME[image.format or ""]
    assert info.size == len(data)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("left", [0.3, 0.5, 0.9, -1])
def test_a_picture_that_is_cut_off_is_told(name: str, left: float):
    data = PICTURES[name]
    cut = data[: int(len(data) * left)] if left > 0 else data[:-1]
    with pytest.raises(ImageError, match=r"cut off|broken|no picture|not a picture"):
        inspect(BytesIO(cut))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_a_few_bytes_behind_the_end_do_no_harm(kind: str):
    assert inspect(BytesIO(PICTURES[kind] + b"\0trailing\n")).width == 37


def test_a_film_behind_a_jpeg_does_no_harm():
    data = PICTURES["JPEG"] + random.Random(2).randbytes(3 << 20).replace(b"\xff\xd9", b"")
    assert inspect(BytesIO(data)).width == 37
    with pytest.raises(ImageError, match="no EOI"):
        inspect(BytesIO(PICTURES["JPEG"][:-2] + bytes(3 << 20)))


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture():
    thumbnail = picture("JPEG", 4, 4)
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 8) + b"Exif\0\0" + thumbnail
    whole = PICTURES["JPEG"][:2] + segment + PICTURES["JPEG"][2:]
    assert inspect(BytesIO(whole)).width == 37
    with pytest.raises(ImageError, match="no EOI"):
        inspect(BytesIO(whole[:-200]))


@pytest.mark.parametrize(
    "data",
    [
        SVG,
        b"\xef\xbb\xbf" + SVG,
        b"<svg></svg>",
        b"<SVG ></SVG >",
        b"<svg></svg><!-- made by x -->\n",
        b"<svg>" + b"x" * 9_000 + b"</svg>",
    ],
)
def test_svg_has_no_size_in_pixels(data: bytes):
    info = inspect(BytesIO(data))
    assert (info.media_type, info.width, info.height, info.size) == (
        "image/svg+xml",
        None,
        None,
        len(data),
    )


@pytest.mark.parametrize(
    "data",
    [SVG[:-8], b"<svg><!-- </svg> -->", b"<svg></svg><script>", b"<!-- a --><svg><!-- b -->"],
)
def test_svg_that_does_not_end(data: bytes):
    with pytest.raises(ImageError, match="the SVG is cut off"):
        inspect(BytesIO(data))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )


def test_the_limit_of_pixels():
    assert inspect(BytesIO(png(10_000, 5_000))).width == 10_000
    assert inspect(BytesIO(png(50_000, 50_000)), max_pixels=2_500_000_000).height == 50_000
    with pytest.raises(ImageError, match=r"too many pixels \(10001×5000, at most 50000000"):
        inspect(BytesIO(png(10_001, 5_000)))
    for size in ((0, 5), (5, 0)):
        with pytest.raises(ImageError, match="no pixels"):
            inspect(BytesIO(png(*size)))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "no bytes at all"),
        (b"<!DOCTYPE html><title>Gone</title>", "text/html"),
        (b'  {"error": "expired"}', "JSON"),
        (b"%PDF-1.7", "PDF"),
        (b"Not found", "text"),
        (b"\x00\x01\x02\x03", "starts with 00 01 02 03"),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, what: str):
    with pytest.raises(ImageError, match=f"not a picture \\({what}"):
        inspect(BytesIO(data))


def test_storing_bytes():
    store = MemoryImageStore()
    stored = store_bytes(store, PICTURES["GIF"])
    assert stored.sha256 == hashlib.sha256(PICTURES["GIF"]).hexdigest()
    assert (stored.media_type, stored.width, stored.height, stored.size) == (
        "image/gif",
        37,
        21,
        len(PICTURES["GIF"]),
    )
    with pytest.raises(BrokenImage, match="cut off") as caught:
        store_bytes(store, PICTURES["PNG"][:-9])
    assert caught.value.kept == hashlib.sha256(PICTURES["PNG"][:-9]).hexdigest()
    with store.open(caught.value.kept) as file:
        assert file.read() == PICTURES["PNG"][:-9]
    with pytest.raises(ImageError, match="too many pixels"):
        store_bytes(store, PICTURES["PNG"], max_pixels=100)


def _box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", len(data) + 8, kind) + data


AVIF_START = _box(b"ftyp", b"avif\0\0\0\0avifmif1")
TIFF_START = b"II*\0\x08\0\0\0"


def hostile() -> dict[str, bytes]:
    big = 8 << 20
    return {
        "PNG of a million chunks": png(9, 9, chunk(b"tEXt", b"a\0b") * 500_000),
        "PNG whose first chunk has 4 GB": b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR" + bytes(big),
        "PNG with a text bomb": png(9, 9, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(big)))),
        "JPEG of a million comments": b"\xff\xd8\xff\xfe\x00\x02" + b"\xff\xfe\x00\x02" * 1_000_000,
        "JPEG of fill bytes": b"\xff\xd8" + b"\xff" * big,
        "JPEG of restart markers": b"\xff\xd8\xff" + b"\xd0\xff" * 1_000_000,
        "JPEG with a segment of no length": b"\xff\xd8\xff\xe0\x00\x00" + bytes(100),
        "JPEG without a frame": b"\xff\xd8\xff\xda\x00\x02\xff\xd9",
        "JPEG that ends at once": b"\xff\xd8\xff\xd9",
        "GIF with a comment of 8 MB": b"GIF89a\x09\0\x09\0\0\0\0!\xfe"
        + (b"\xff" + bytes(255)) * (big // 256)
        + b"\0;",
        "GIF of no pixels": b"GIF89a\0\0\0\0\0\0\0\0;",
        "WebP of 4 GB": b"RIFF\xff\xff\xff\xffWEBPVP8X" + bytes(200),
        "WebP of an unknown chunk": b"RIFF\x10\0\0\0WEBPHAHA" + bytes(200),
        "WebP cut in its header": b"RIFF\x04\0\0\0WEBPVP8X",
        "WebP without a key frame": b"RIFF\x10\0\0\0WEBPVP8 " + bytes(200),
        "AVIF with boxes of no size": AVIF_START + struct.pack(">I4s", 1, b"free") + bytes(100),
        "AVIF with a box of 2^63": AVIF_START + struct.pack(">I4sQ", 1, b"mdat", 1 << 63),
        "AVIF of a million boxes": AVIF_START + _box(b"free", b"") * 1_000_000,
        "AVIF without a size": AVIF_START + _box(b"meta", bytes(100)),
        "AVIF with a million sizes": AVIF_START
        + _box(b"meta", b"ispe\0\0\0\0\0\0\0\0\0\0\0\0" * 60_000),
        "BMP of 4 GB": b"BM\xff\xff\xff\xff\0\0\0\0"
        + struct.pack("<IIii", 54, 40, 9, 9)
        + bytes(200),
        "BMP of negative pixels": b"BM\0\0\0\0\0\0\0\0"
        + struct.pack("<IIii", 54, 40, -9, 9)
        + bytes(200),
        "TIFF whose directory points to itself": TIFF_START
        + struct.pack("<H", 65_535)
        + struct.pack("<HHII", 256, 4, 1 << 30, 8) * 600,
        "TIFF whose directory lies nowhere": b"II*\0\xff\xff\xff\xff" + bytes(100),
        "TIFF of 2^32 strips": TIFF_START
        + struct.pack("<HHHIIHHII", 2, 273, 4, (1 << 32) - 1, 8, 256, 4, 1, 9)
        + bytes(99),
        "SVG of endings": b"<svg>" + b"</svg " * 1_000_000,
        "SVG of comments": b"<svg></svg>" + b"<!---->" * 1_000_000 + b"x",
    }


def reason(data: bytes) -> str:
    """Why this is no usable picture; empty where it is one. Any other error than an `ImageError` is
    one of the test.
    """
    try:
        inspect(BytesIO(data))
    except ImageError as error:
        return str(error)
    return ""


def test_hostile_pictures_cost_neither_time_nor_memory():
    for name, data in hostile().items():
        started = time.process_time()
        assert len(reason(data)) < 200, name
        assert time.process_time() - started < 10, name


@pytest.mark.parametrize(
    "name",
    spread(
        [name for name in hostile() if not name.startswith(("PNG of", "PNG with a", "GIF with"))], 8
    ),
)
def test_hostile_pictures_are_refused(name: str):
    with pytest.raises(ImageError):
        inspect(BytesIO(hostile()[name]))


def test_pillow_is_not_imported():
    code = "import io, sys; from agentkit.images.inspect import inspect; "
    code += f"inspect(io.BytesIO({PICTURES['PNG, one pixel']!r})); sys.exit('PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


heads = st.sampled_from(
    [data[:40] for data in PICTURES.values()]
    + [b"\xff\xd8\xff", AVIF_START, TIFF_START, b"<svg>", b"BM" + bytes(16)]
)


@given(heads, st.binary(max_size=200))
def test_nothing_but_an_image_error_is_raised(head: bytes, rest: bytes):
    assert "\n" not in reason(head + rest)


@given(st.sampled_from(sorted(PICTURES)), st.data())
def test_a_damaged_picture_raises_nothing_else_either(name: str, data: st.DataObject):
    broken = bytearray(PICTURES[name])
    for place in data.draw(
        st.lists(st.integers(0, min(300, len(broken)) - 1), min_size=1, max_size=6)
    ):
        broken[place] = data.draw(st.integers(0, 255))
    assert "\n" not in reason(bytes(broken))
