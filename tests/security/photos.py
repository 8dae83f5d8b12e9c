"""Pictures made to do harm where they are looked at, turned and converted before they are sent:
metadata, boxes of HEIC, 16 bits, profiles of print shops, and large TIFF. Each is built when it is
asked for.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import PIL.Image

from tests.security.pictures import END, MB, SIGNATURE, Build, box, chunk, header, png, white, whole

GPS = (34853, 4, 1, 8)
TURNED = (274, 3, 1, 6)


def exif(
    *entries: tuple[int, int, int, int], rest: bytes = b"", number: int | None = None
) -> bytes:
    count = struct.pack("<H", len(entries) if number is None else number)
    return (
        b"II*\0\x08\0\0\0"
        + count
        + b"".join(struct.pack("<HHII", *each) for each in entries)
        + bytes(4)
        + rest
    )


def segments(data: bytes) -> bytes:
    """EXIF of any length, in segments as Pillow joins them."""
    parts = (b"Exif\0\0" + data[at : at + 60_000] for at in range(0, len(data), 60_000))
    return b"".join(struct.pack(">BBH", 0xFF, 0xE1, len(part) + 2) + part for part in parts)


def jpeg(*more: bytes, end: bytes = b"") -> bytes:
    data = whole("JPEG")
    return data[:2] + b"".join(more) + data[2:-2] + end + b"\xff\xd9"


def large(mode: str, side: int, kind: str, **options: object) -> bytes:
    file = BytesIO()
    PIL.Image.new(mode, (side, side)).save(file, kind, **options)
    return file.getvalue()


def big_tiff(width: int, height: int, where: int) -> bytes:
    entries = [(256, 4, 1, width), (257, 4, 1, height), (273, 16, 1, where), (279, 16, 1, 9)]
    directory = struct.pack("<Q", len(entries)) + b"".join(
        struct.pack("<HHQQ", *each) for each in entries
    )
    return b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + directory + bytes(99)


HEIC = box(b"ftyp", b"heic\0\0\0\0mif1heic")


def heic(
    *sizes: tuple[int, int], properties: bytes = b"", links: bytes = b"", item: int = 1
) -> bytes:
    inside = b"".join(box(b"ispe", struct.pack(">III", 0, *size)) for size in sizes) + properties
    ipma = box(b"ipma", links or bytes(3) + b"\0" + struct.pack(">IHBB", 1, 1, 1, 1))
    meta = box(b"pitm", bytes(4) + struct.pack(">H", item)) + box(
        b"iprp", box(b"ipco", inside) + ipma
    )
    return HEIC + box(b"meta", bytes(4) + meta) + box(b"mdat", bytes(99))


def _print_shop(profile: bytes) -> Callable[[], bytes]:
    return lambda: large("CMYK", 99, "JPEG", icc_profile=profile)


ODD: dict[str, Build] = {
    "JPEG with EXIF that is turned and points to itself": lambda: jpeg(segments(exif(TURNED, (34665, 4, 1, 8), GPS))),
    "JPEG with an orientation of 4,095 numbers": lambda: jpeg(segments(exif((274, 3, 4_095, 8), rest=bytes(9_000)))),
    "JPEG with a place, and a scan of fill bytes": lambda: jpeg(segments(exif(GPS)), end=b"\xff" * 16 * MB + b"\0"),
    "JPEG with a place, and a scan of restarts": lambda: jpeg(segments(exif(GPS)), end=b"\xff\xd0" * 4 * MB),
    "JPEG with a place, and segments behind its pixels": lambda: jpeg(segments(exif(GPS)), end=b"\xff\xfe\0\2" * 2 * MB),
    "JPEG with a place, and a segment that leads nowhere": lambda: jpeg(segments(exif(GPS)), end=b"\xff\xfe\xff\xff"),
    "JPEG with XMP of no end": lambda: jpeg(*[segments(b"tiff:Orientation" * 3_000)] * 200),
    "PNG with a place and 30,000 pieces of pixels": lambda: (
        SIGNATURE + header(9, 9) + chunk(b"eXIf", exif(GPS)) + chunk(b"IDAT", b"") * 30_000
        + chunk(b"IDAT", zlib.compress(bytes(252))) + END
    ),
    "PNG with EXIF of 20 MB that is turned": lambda: png(
        9, 9, chunk(b"eXIf", exif(TURNED, *((1_000 + n, 1, 20 * MB, 8) for n in range(2_000)), rest=bytes(20 * MB))), pixels=bytes(252)
    ),
    "PNG with packed XMP that is a bomb": lambda: png(
        9, 9, chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + white(256)), pixels=bytes(252)
    ),
    "PNG of 16 bits, 5,000 × 5,000": lambda: (
        SIGNATURE + header(5_000, 5_000, 16, 0) + chunk(b"IDAT", white(48)) + END
    ),
    "WebP with a place behind a million pieces": lambda: _webp(b"JUNK\0\0\0\0" * 1_000_000),
    "WebP with a place, whose pieces lie": lambda: _webp(b"JUNK\xff\xff\xff\xff"),
    "TIFF of floats, 4,000 × 4,000": lambda: large("F", 4_000, "TIFF", compression="tiff_lzw"),
    "TIFF of CMYK, 4,000 × 4,000": lambda: large("CMYK", 4_000, "TIFF", compression="tiff_lzw"),
    "TIFF of 30 MB again and again": lambda: (
        b"II*\0\x08\0\0\0" + struct.pack("<H", 2_004) + b"".join(
            struct.pack("<HHII", *each) for each in (
                (256, 4, 1, 9), (257, 4, 1, 9), (273, 4, 1, 8), (279, 4, 1, 81),
                *((1_000 + n, 1, 30 * MB, 8) for n in range(2_000)),
            )
        ) + bytes(30 * MB)
    ),
    "BigTIFF without pixels": lambda: big_tiff(9, 9, 16),
    "HEIC without a picture": lambda: heic((9, 9)),
    "HEIC whose links lead behind their end": lambda: heic((9, 9), links=bytes(3) + b"\0" + struct.pack(">IHB", 2**32 - 1, 1, 255)),
    "HEIC turned by itself": lambda: heic((9, 9), properties=box(b"irot", b"\1") * 50_000, links=bytes(3) + b"\0" + struct.pack(">IHB", 1, 1, 200) + b"\2" * 200),
    "HEIC of 60,000 sizes": lambda: heic(*[(9, 9)] * 50_000),
    "a print shop's profile of nothing": _print_shop(bytes(200)),
    "a print shop's profile of noise": _print_shop(bytes(36) + b"acsp" + random.Random(1).randbytes(9_000)),
}  # fmt: skip
"""These may be stored and sent, or be refused."""

REFUSED: dict[str, Build] = {
    "BigTIFF, 2³² - 1 × 2³² - 1": lambda: big_tiff(2**32 - 1, 2**32 - 1, 16),
    "BigTIFF whose directory lies beyond 2⁶³": lambda: (
        b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**64 - 9) + bytes(99)
    ),
    "BigTIFF whose pixels lie beyond 2⁶³": lambda: big_tiff(9, 9, 2**64 - 9),
    "JPEG whose EXIF tells 30 MB again and again": lambda: jpeg(
        segments(
            exif(TURNED, *((1_000 + n, 1, 30 * MB, 8) for n in range(2_000)), rest=bytes(30 * MB))
        )
    ),
    "HEIC, 50,000 × 50,000": lambda: heic((50_000, 50_000)),
    "HEIC, 2³² - 1 × 2³² - 1": lambda: heic((9, 9), (2**32 - 1, 2**32 - 1)),
    "HEIC, its brand alone": lambda: HEIC,
    "a film": lambda: box(b"ftyp", b"isom\0\0\0\0isomavc1") + box(b"mdat", bytes(99)),
}
"""The inspector must refuse these."""


def _webp(before: bytes) -> bytes:
    pixels = whole("WEBP")[12:]
    place = exif(GPS)
    head = (
        b"VP8X"
        + struct.pack("<I", 10)
        + b"\x08\0\0\0"
        + (36).to_bytes(3, "little")
        + (20).to_bytes(3, "little")
    )
    body = b"WEBP" + head + pixels + before + b"EXIF" + struct.pack("<I", len(place)) + place
    return b"RIFF" + struct.pack("<I", len(body)) + body
