"""Pictures made to do harm: bombs, lies, ends that never come, two formats in one file. Each is
built when it is asked for.
"""

from __future__ import annotations

import gzip
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO

import PIL.Image

MB = 1 << 20
SVG_NS = b'xmlns="http://www.w3.org/2000/svg"'
Build = Callable[[], bytes]

REFUSED: dict[str, Build] = {}
"""The inspector must refuse these."""
ODD: dict[str, Build] = {}
"""These have a picture's header and end, or are SVG: they may be stored, but nothing may come of
showing or decoding them.
"""


def refused(name: str) -> Callable[[Build], Build]:
    return lambda build: REFUSED.setdefault(name, build)


def odd(name: str) -> Callable[[Build], Build]:
    return lambda build: ODD.setdefault(name, build)


def whole(kind: str, size: tuple[int, int] = (37, 21), **options: object) -> bytes:
    file = BytesIO()
    noise = random.Random(1).randbytes(size[0] * size[1] * 3)
    PIL.Image.frombytes("RGB", size, noise).save(file, kind, **options)
    return file.getvalue()


# PNG


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    checked = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checked)


SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = chunk(b"IEND", b"")


def header(width: int, height: int, depth: int = 8, colour: int = 2, interlaced: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def png(width: int, height: int, *more: bytes, pixels: bytes = b"") -> bytes:
    return (
        SIGNATURE
        + header(width, height)
        + b"".join(more)
        + chunk(b"IDAT", zlib.compress(pixels))
        + END
    )


def white(megabytes: int) -> bytes:
    """So many megabytes of zeros, deflated: one megabyte, and the same again and again."""
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = deflate.compress(bytes(MB)) + deflate.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">I", (megabytes * MB % 65521) << 16 | 1)  # Adler-32 of zeros
    return b"\x78\xda" + block * megabytes + deflate.flush() + checksum


ODD |= {
    "PNG, 7,000 × 7,000 and all there": lambda: SIGNATURE + header(7_000, 7_000) + chunk(b"IDAT", white(141)) + END,
    "PNG, 7,000 × 7,000 of 16 bits with alpha": lambda: (
        SIGNATURE + header(7_000, 7_000, 16, 6) + chunk(b"IDAT", white(374)) + END
    ),
    "PNG, interlaced, 7,000 × 7,000": lambda: (
        SIGNATURE + header(7_000, 7_000, 8, 2, 1) + chunk(b"IDAT", white(142)) + END
    ),
    "PNG, 50,000,000 × 1": lambda: SIGNATURE + header(50_000_000, 1) + chunk(b"IDAT", white(144)) + END,
    "PNG, 1 × 50,000,000": lambda: SIGNATURE + header(1, 50_000_000) + chunk(b"IDAT", white(191)) + END,
    "PNG, more pixels than it says": lambda: png(9, 9, pixels=bytes(64 * MB)),
    "PNG with a zTXt bomb": lambda: png(9, 9, chunk(b"zTXt", b"a\0\0" + white(256)), pixels=bytes(252)),
    "PNG with an iTXt bomb": lambda: png(9, 9, chunk(b"iTXt", b"a\0\1\0\0\0" + white(256)), pixels=bytes(252)),
    "PNG with 200 zTXt bombs": lambda: png(9, 9, chunk(b"zTXt", b"a\0\0" + white(1)) * 200, pixels=bytes(252)),
    "PNG with a text of 24 MB": lambda: png(9, 9, chunk(b"tEXt", b"a\0" + bytes(24 * MB)), pixels=bytes(252)),
    "PNG with an ICC bomb": lambda: png(9, 9, chunk(b"iCCP", b"a\0\0" + white(256)), pixels=bytes(252)),
    "PNG with an ICC profile of 24 MB": lambda: png(9, 9, chunk(b"iCCP", b"a\0\0" + bytes(24 * MB)), pixels=bytes(252)),
    "PNG with EXIF that points to itself": lambda: png(
        9, 9, chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0"), pixels=bytes(252)
    ),
    "PNG of a million chunks": lambda: png(9, 9, chunk(b"tEXt", b"a\0b") * 1_000_000, pixels=bytes(252)),
    "PNG with a wrong CRC": lambda: (
        SIGNATURE + header(9, 9)[:-4] + b"\0\0\0\0" + chunk(b"IDAT", zlib.compress(bytes(252))) + END
    ),
    "PNG whose pixels have a wrong CRC": lambda: (
        SIGNATURE + header(9, 9) + chunk(b"IDAT", zlib.compress(bytes(252)), crc=7) + END
    ),
    "PNG whose pixels are no zlib": lambda: SIGNATURE + header(9, 9) + chunk(b"IDAT", bytes(99)) + END,
    "PNG without pixels": lambda: SIGNATURE + header(9, 9) + END,
    "PNG, a palette without colours": lambda: (
        SIGNATURE + header(9, 9, 8, 3) + chunk(b"IDAT", zlib.compress(bytes(90))) + END
    ),
    "PNG of a colour type that is none": lambda: (
        SIGNATURE + header(9, 9, 3, 9) + chunk(b"IDAT", zlib.compress(bytes(90))) + END
    ),
    "PNG whose chunk lies about its length": lambda: (
        SIGNATURE + header(9, 9) + b"\x7f\xff\xff\xffIDAT" + bytes(300) + END
    ),
    "PNG with a negative length": lambda: SIGNATURE + header(9, 9) + b"\xff\xff\xff\xffIDAT" + bytes(300) + END,
    "APNG of 4 billion frames": lambda: png(9, 9, chunk(b"acTL", b"\xff\xff\xff\xff\0\0\0\0"), pixels=bytes(252)),
    "APNG of 100,000 frames": lambda: (
        SIGNATURE + header(9, 9) + chunk(b"acTL", struct.pack(">II", 100_000, 0)) + chunk(b"IDAT", zlib.compress(bytes(252)))
        + b"".join(
            chunk(b"fcTL", struct.pack(">IIIIIHHBB", n, 9, 9, 0, 0, 1, 1, 0, 0)) + chunk(b"fdAT", struct.pack(">I", n) + b"x")
            for n in range(100_000)
        ) + END
    ),
    "APNG whose frame is outside": lambda: png(
        9, 9, chunk(b"acTL", struct.pack(">II", 2, 0)),
        chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 2**31 - 1, 2**31 - 1, 2**31 - 1, 5, 1, 1, 0, 0)), pixels=bytes(252),
    ),
}  # fmt: skip

REFUSED |= {
    "PNG, 50,000 × 50,000": lambda: png(50_000, 50_000),
    "PNG, 2³¹ × 2³¹": lambda: png(2**31, 2**31),
    "PNG, 2³² - 1 × 2³² - 1": lambda: png(2**32 - 1, 2**32 - 1),
    "PNG, 12,000 × 12,000 and all there": lambda: (
        SIGNATURE + header(12_000, 12_000) + chunk(b"IDAT", white(412)) + END
    ),
    "PNG of no width": lambda: png(0, 9),
    "PNG of no height": lambda: png(9, 0),
    "PNG, its signature alone": lambda: SIGNATURE,
    "PNG cut in its header": lambda: whole("PNG")[:20],
    "PNG cut in the middle": lambda: whole("PNG")[:900],
    "PNG without its last byte": lambda: whole("PNG")[:-1],
    "PNG whose first chunk has 4 GB": lambda: SIGNATURE + b"\xff\xff\xff\xffIHDR" + bytes(8 * MB),
    "PNG that begins with text": lambda: SIGNATURE + chunk(b"tEXt", b"a\0b") + header(9, 9) + END,
}

# JPEG


def _jpeg(*segments: bytes) -> bytes:
    data = whole("JPEG")
    return data[:2] + b"".join(segments) + data[2:]


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _jpeg_of(width: int, height: int) -> bytes:
    data = bytearray(whole("JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


ODD |= {
    "JPEG, 7,000 × 7,000 of which nearly nothing is there": lambda: _jpeg_of(7_000, 7_000),
    "JPEG, progressive, 7,000 × 7,000": lambda: (
        whole("JPEG", progressive=True).replace(struct.pack(">HH", 21, 37), struct.pack(">HH", 7_000, 7_000), 1)
    ),
    "JPEG with 1,000 ICC pieces": lambda: _jpeg(
        *(_segment(0xE2, b"ICC_PROFILE\0" + bytes((n % 256, 255)) + bytes(60_000)) for n in range(300))
    ),
    "JPEG whose EXIF points to itself": lambda: _jpeg(
        _segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0")
    ),
    "JPEG with EXIF of 65,535 entries": lambda: _jpeg(_segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(60_000))),
    "JPEG with a thumbnail that is itself a bomb": lambda: _jpeg(_segment(0xE1, b"Exif\0\0" + _jpeg_of(65_535, 65_535)[:60_000])),
    "JPEG with an MPO index that lies": lambda: _jpeg(
        _segment(0xE2, b"MPF\0II*\0\x08\0\0\0\x03\0\x00\xb0\x07\0\x04\0\0\x000100\x01\xb0\x04\0\x01\0\0\0\xff\xff\xff\xff\x02\xb0\x07\0\xff\xff\xff\x7f\0\0\0\0\0\0\0\0")
    ),
    "JPEG with a Photoshop block of no end": lambda: _jpeg(_segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\xff\xff\xff\xff" + bytes(99))),
    "JPEG of two pictures": lambda: whole("JPEG") + whole("JPEG", (99, 99)),
    "JPEG whose scan is noise": lambda: whole("JPEG")[:640] + random.Random(3).randbytes(2 * MB) + b"\xff\xd9",
    "JPEG of 12 bits": lambda: whole("JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    "JPEG of 255 components": lambda: whole("JPEG").replace(struct.pack(">HHB", 21, 37, 3), struct.pack(">HHB", 21, 37, 255)),
    "JPEG without tables": lambda: b"\xff\xd8" + _segment(0xC0, b"\x08\0\x09\0\x09\x01\x01\x11\0") + _segment(0xDA, b"\x01\x01\0\0\x3f\0") + bytes(99) + b"\xff\xd9",
}  # fmt: skip

REFUSED |= {
    "JPEG, 65,535 × 65,535": lambda: _jpeg_of(65_535, 65_535),
    "JPEG of no width": lambda: _jpeg_of(0, 9),
    "JPEG of no height": lambda: _jpeg_of(9, 0),
    "JPEG of a million comments": lambda: b"\xff\xd8" + b"\xff\xfe\x00\x02" * 1_000_000,
    "JPEG of fill bytes": lambda: b"\xff\xd8" + b"\xff" * 8 * MB,
    "JPEG of restart markers": lambda: b"\xff\xd8\xff" + b"\xd0\xff" * 1_000_000,
    "JPEG whose segment has no length": lambda: b"\xff\xd8\xff\xe0\0\0" + bytes(99),
    "JPEG whose segment leads behind the end": lambda: b"\xff\xd8\xff\xe0\xff\xff" + bytes(99),
    "JPEG of a scan alone": lambda: b"\xff\xd8\xff\xda\x00\x02\xff\xd9",
    "JPEG that ends at once": lambda: b"\xff\xd8\xff\xd9",
    "JPEG, three bytes of it": lambda: b"\xff\xd8\xff",
    "JPEG cut in the middle": lambda: whole("JPEG")[:900],
    "JPEG cut, its end in the thumbnail": lambda: _jpeg(
        _segment(0xE1, b"Exif\0\0" + whole("JPEG", (4, 4)))
    )[:-99],
}

# GIF


def _gif(width: int, height: int, *blocks: bytes, end: bytes = b";") -> bytes:
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", width, height, 0x80, 0, 0)
        + b"\0\0\0\xff\xff\xff"
        + b"".join(blocks)
        + end
    )


def _frame(width: int = 1, height: int = 1, left: int = 0, top: int = 0) -> bytes:
    return b"," + struct.pack("<HHHHB", left, top, width, height, 0) + b"\x02\x02\x44\x01\0"


ODD |= {
    "GIF of 300,000 frames": lambda: _gif(1, 1, _frame() * 300_000),
    "GIF, 7,000 × 7,000 of one code": lambda: _gif(7_000, 7_000, _frame(7_000, 7_000)),
    "GIF whose frame is larger than it": lambda: _gif(9, 9, _frame(65_535, 65_535)),
    "GIF whose frame lies outside": lambda: _gif(9, 9, _frame(9, 9, 65_535, 65_535)),
    "GIF with a comment of 16 MB": lambda: _gif(9, 9, b"!\xfe" + (b"\xff" + bytes(255)) * (16 * MB // 256) + b"\0", _frame()),
    "GIF of extensions that never end": lambda: _gif(9, 9, b"!\xf9\x04\0\0\0\0\0" * 500_000),
    "GIF without frames": lambda: _gif(9, 9),
    "GIF with a code of 12 bits at once": lambda: _gif(9, 9, b"," + struct.pack("<HHHHB", 0, 0, 9, 9, 0) + b"\x0c\xff" + b"\xff" * 255 + b"\0"),
    "GIF that is JavaScript": lambda: b"GIF89a/*" + bytes(8) + b"*/=1;alert(1);",
    "GIF that is HTML": lambda: _gif(9, 9, b"!\xfe\x20<script>alert(1)</script>" + bytes(8) + b"\0", _frame()),
}  # fmt: skip

REFUSED |= {
    "GIF, 65,535 × 65,535": lambda: _gif(65_535, 65_535, _frame()),
    "GIF of no pixels": lambda: _gif(0, 0, _frame()),
    "GIF cut": lambda: whole("GIF")[:-60],
    "GIF, six bytes of it": lambda: b"GIF89a",
}

# WebP


def _riff(*chunks: bytes, length: int | None = None) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if length is None else length) + body


def _webp_chunk(kind: bytes, data: bytes, length: int | None = None) -> bytes:
    return (
        kind
        + struct.pack("<I", len(data) if length is None else length)
        + data
        + b"\0" * (len(data) % 2)
    )


def _vp8x(width: int, height: int, flags: int = 0) -> bytes:
    return _webp_chunk(
        b"VP8X",
        bytes((flags, 0, 0, 0))
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little"),
    )


def _anmf(image: bytes, width: int = 37, height: int = 21) -> bytes:
    place = bytes(6) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _webp_chunk(b"ANMF", place + b"\x01\0\0\0" + image)


ODD |= {
    "WebP of 20,000 frames": lambda: _riff(
        _vp8x(37, 21, 2), _webp_chunk(b"ANIM", bytes(6)), *([_anmf(whole("WEBP")[12:])] * 20_000)
    ),
    "WebP, a canvas of 7,000 × 7,000 with frames": lambda: _riff(
        _vp8x(7_000, 7_000, 2), _webp_chunk(b"ANIM", bytes(6)), *([_anmf(whole("WEBP")[12:])] * 3)
    ),
    "WebP whose canvas is smaller than its picture": lambda: _riff(_vp8x(1, 1), whole("WEBP")[12:]),
    "WebP with an ICC profile of 24 MB": lambda: _riff(_vp8x(37, 21, 32), _webp_chunk(b"ICCP", bytes(24 * MB)), whole("WEBP")[12:]),
    "WebP whose RIFF is shorter than it": lambda: whole("WEBP")[:4] + struct.pack("<I", 40) + whole("WEBP")[8:],
    "WebP of no RIFF length": lambda: whole("WEBP")[:4] + bytes(4) + whole("WEBP")[8:],
    "WebP whose chunk lies": lambda: whole("WEBP")[:16] + b"\xff\xff\xff\x7f" + whole("WEBP")[20:],
    "WebP, lossless, of noise": lambda: _riff(_webp_chunk(b"VP8L", b"\x2f\x24\0\x05\0" + random.Random(4).randbytes(9_000))),
    "WebP of XMP alone": lambda: _riff(_vp8x(37, 21, 4), _webp_chunk(b"XMP ", b"<x>" * 999)),
}  # fmt: skip

REFUSED |= {
    "WebP of 4 GB": lambda: b"RIFF\xff\xff\xff\xffWEBPVP8X" + bytes(200),
    "WebP of 16,777,216 × 16,777,216": lambda: _riff(_vp8x(1 << 24, 1 << 24), whole("WEBP")[12:]),
    "WebP, lossless, 16,384 × 16,384": lambda: _riff(
        _webp_chunk(b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(99))
    ),
    "WebP of an unknown chunk": lambda: _riff(_webp_chunk(b"HAHA", bytes(200))),
    "WebP cut in its header": lambda: b"RIFF\x04\0\0\0WEBPVP8X",
    "WebP without a key frame": lambda: _riff(_webp_chunk(b"VP8 ", bytes(200))),
    "WebP cut": lambda: whole("WEBP")[:-30],
}

# AVIF


def box(kind: bytes, data: bytes, length: int | None = None) -> bytes:
    return struct.pack(">I4s", len(data) + 8 if length is None else length, kind) + data


FTYP = box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")


def _ispe(width: int, height: int) -> bytes:
    return box(b"ispe", struct.pack(">III", 0, width, height))


def _avif_of(width: int, height: int) -> bytes:
    return whole("AVIF").replace(struct.pack(">II", 37, 21), struct.pack(">II", width, height))


ODD |= {
    "AVIF whose size is not that of its pixels": lambda: _avif_of(7_000, 7_000),
    "AVIF, an item made of itself": lambda: (
        FTYP + box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", _ispe(9, 9))) + box(b"iref", bytes(4) + box(b"dimg", struct.pack(">HHH", 1, 1, 1)))) + box(b"mdat", bytes(99))
    ),
    "AVIF, items made of each other": lambda: (
        FTYP + box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", _ispe(9, 9))) + box(b"iref", bytes(4) + box(b"dimg", struct.pack(">HHH", 1, 1, 2)) + box(b"dimg", struct.pack(">HHH", 2, 1, 1))))
    ),
    "AVIF with 60,000 sizes": lambda: FTYP + box(b"meta", bytes(4) + _ispe(9, 9) * 50_000),
    "AVIF with boxes 10,000 deep": lambda: FTYP + box(b"meta", bytes(4) + _deep(10_000)),
    "AVIF with pixels of noise": lambda: whole("AVIF")[:-200] + random.Random(5).randbytes(200),
    "AVIF with item places behind its end": lambda: whole("AVIF").replace(b"iloc", b"iloc", 1)[:120] + b"\xff" * 8 + whole("AVIF")[128:],
}  # fmt: skip


def _deep(levels: int) -> bytes:
    data = _ispe(9, 9)
    for _ in range(levels):
        data = box(b"iprp", data)
    return data


REFUSED |= {
    "AVIF, 50,000 × 50,000": lambda: _avif_of(50_000, 50_000),
    "AVIF of no pixels": lambda: _avif_of(0, 0),
    "AVIF, 2³² - 1 × 2³² - 1": lambda: _avif_of(2**32 - 1, 2**32 - 1),
    "AVIF with boxes of no size": lambda: FTYP + struct.pack(">I4s", 1, b"free") + bytes(99),
    "AVIF with a box of 2⁶³": lambda: FTYP + struct.pack(">I4sQ", 1, b"mdat", 1 << 63),
    "AVIF with a box of 2⁶⁴ - 1": lambda: (
        FTYP + struct.pack(">I4sQ", 1, b"meta", (1 << 64) - 1) + bytes(99)
    ),
    "AVIF of a million boxes": lambda: FTYP + box(b"free", b"") * 1_000_000,
    "AVIF with a box of 4 GB": lambda: FTYP + box(b"mdat", b"", 0xFFFF_FFFF),
    "AVIF with a box of seven bytes": lambda: FTYP + box(b"mdat", bytes(99), 7),
    "AVIF without a size": lambda: FTYP + box(b"meta", bytes(100)),
    "AVIF, its brand alone": lambda: FTYP,
    "AVIF cut": lambda: whole("AVIF")[:-40],
}

# BMP and TIFF


def _bmp(
    width: int,
    height: int,
    *,
    length: int = 0,
    bits: int = 24,
    compression: int = 0,
    rest: bytes = bytes(400),
) -> bytes:
    return (
        b"BM"
        + struct.pack(
            "<IIIIiiHHIIiiII", length, 0, 54, 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0
        )
        + rest
    )


def _tiff(*entries: tuple[int, int, int, int], rest: bytes = bytes(200)) -> bytes:
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *each) for each in entries
    )
    return b"II*\0\x08\0\0\0" + directory + bytes(4) + rest


def _strip(width: int, height: int, compression: int = 1) -> tuple[tuple[int, int, int, int], ...]:
    return (
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1), (273, 4, 1, 8),
        (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 99),
    )  # fmt: skip


ODD |= {
    "BMP, 7,000 × 7,000 that is not there": lambda: _bmp(7_000, 7_000),
    "BMP, upside down": lambda: _bmp(9, -9),
    "BMP whose RLE never ends": lambda: _bmp(
        7_000, 7_000, bits=8, compression=1, rest=bytes(1024) + b"\0\2\0\0" * 99_999
    ),
    "BMP of 3 bits": lambda: _bmp(9, 9, bits=3),
    "BMP of an unknown compression": lambda: _bmp(9, 9, compression=99),
    "TIFF, 7,000 × 7,000 that is not there": lambda: _tiff(*_strip(7_000, 7_000)),
    "TIFF, deflated, of noise": lambda: _tiff(*_strip(99, 99, 8)),
    "TIFF of LZW noise": lambda: _tiff(*_strip(99, 99, 5), rest=random.Random(6).randbytes(400)),
    "TIFF of a fax": lambda: _tiff(*_strip(7_000, 7_000, 4), rest=random.Random(7).randbytes(400)),
    "TIFF whose pages are a circle": lambda: whole("TIFF")[:-4] + b"\x08\0\0\0",
    "TIFF with a tag of a kind that is none": lambda: _tiff(*_strip(9, 9), (999, 99, 7, 8)),
    "TIFF with JPEG inside that is none": lambda: _tiff(*_strip(99, 99, 7)),
}

REFUSED |= {
    "BMP of negative width": lambda: _bmp(-9, 9),
    "BMP of -2³¹ pixels": lambda: _bmp(-(2**31), -(2**31)),
    "BMP, 2³¹ - 1 × 2³¹ - 1": lambda: _bmp(2**31 - 1, 2**31 - 1),
    "BMP of no pixels": lambda: _bmp(0, 0),
    "BMP of 4 GB": lambda: _bmp(9, 9, length=0xFFFF_FFFF),
    "TIFF, 2³² - 1 × 2³² - 1": lambda: _tiff(*_strip(2**32 - 1, 2**32 - 1)),
    "TIFF whose directory points to itself": lambda: _tiff(*([(256, 4, 1 << 30, 8)] * 600)),
    "TIFF whose directory lies nowhere": lambda: b"II*\0\xff\xff\xff\xff" + bytes(99),
    "TIFF whose directory lies in its header": lambda: b"MM\0*\0\0\0\0" + bytes(99),
    "TIFF of 2³² strips": lambda: _tiff((273, 4, 2**32 - 1, 8), (256, 4, 1, 9), (257, 4, 1, 9)),
    "TIFF without a size": lambda: _tiff((273, 4, 1, 8)),
    "TIFF, its header alone": lambda: b"II*\0\x08\0\0\0",
}

# SVG


def svg(inside: bytes, before: bytes = b"", attributes: bytes = b"") -> bytes:
    return before + b"<svg " + SVG_NS + b" " + attributes + b">" + inside + b"</svg>"


def _laughs() -> bytes:
    """A billion laughs."""
    entities = b'<!ENTITY a0 "ha">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)
    )
    return svg(b"<text>&a9;</text>", before=b"<!DOCTYPE svg [" + entities + b"]>")


ODD |= {
    "SVG with a script": lambda: svg(b"<script>alert(1)</script>"),
    "SVG with a handler": lambda: svg(b"<path d='M0 0'/>", attributes=b"onload='alert(1)'"),
    "SVG with a remote picture": lambda: svg(b"<image href='http://evil.example/a.png'/>"),
    "SVG with a remote style": lambda: svg(b"<style>@import url(http://evil.example/a.css);</style>"),
    "SVG with a page in it": lambda: svg(b"<foreignObject><iframe xmlns='http://www.w3.org/1999/xhtml' src='javascript:alert(1)'/></foreignObject>"),
    "SVG with a link to a script": lambda: svg(b"<a href='javascript:alert(1)'><text>x</text></a>"),
    "SVG, one element 100,000 deep": lambda: svg(b"<g>" * 100_000 + b"</g>" * 100_000),
    "SVG of itself": lambda: svg(b"<use href='#a' id='a'/>"),
    "SVG of 10⁹ × 10⁹": lambda: svg(b"", attributes=b"width='1000000000' height='1000000000'"),
    "SVG with a filter of no end": lambda: svg(b"<filter id='f'><feGaussianBlur stdDeviation='999999999'/></filter>"),
    "SVG behind a byte order mark": lambda: b"\xef\xbb\xbf" + svg(b"<script>alert(1)</script>"),
    "SVG with a style sheet before it": lambda: svg(b"", before=b"<?xml version='1.0'?>"),
}  # fmt: skip

REFUSED |= {
    "SVG, a billion laughs": _laughs,
    "SVG that reads a file": lambda: svg(b"<text>&x;</text>", before=b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
    "SVG, zipped": lambda: gzip.compress(svg(b"<script>alert(1)</script>")),
    "SVG, a bomb of gzip": lambda: gzip.compress(svg(bytes(99 * MB))),
    "SVG in UTF-16": lambda: svg(b"<script>alert(1)</script>").decode().encode("utf-16"),
    "SVG that does not end": lambda: svg(b"")[:-6],
    "SVG of endings that do not end": lambda: b"<svg>" + b"</svg " * 1_000_000,
    "SVG of comments": lambda: b"<svg></svg>" + b"<!---->" * 1_000_000 + b"x",
    "SVG with a page behind it": lambda: svg(b"") + b"<script>alert(1)</script>",
    "SVG in HTML": lambda: b"<!doctype html>" + svg(b""),
}  # fmt: skip

# two in one, and none


def _zipped(data: bytes) -> bytes:
    file = BytesIO(data)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("a.txt", "hello")
    return file.getvalue()


ODD |= {
    "PNG and ZIP": lambda: _zipped(whole("PNG")),
    "JPEG and ZIP": lambda: _zipped(whole("JPEG")),
    "PNG and HTML": lambda: png(
        9, 9, chunk(b"tEXt", b"a\0<html><script>alert(1)</script>"), pixels=bytes(252)
    ),
    "JPEG and PHP": lambda: _jpeg(_segment(0xFE, b"<?php system($_GET[0]); ?>")),
    "PNG and HTML behind its end": lambda: whole("PNG") + b"<script>alert(1)</script>",
    "JPEG and PDF": lambda: _jpeg(_segment(0xFE, b"%PDF-1.7 1 0 obj")),
    "AVIF and JPEG": lambda: whole("AVIF") + box(b"free", whole("JPEG")),
}

REFUSED |= {
    "nothing": lambda: b"",
    "one byte": lambda: b"\x89",
    "two bytes": lambda: b"\xff\xd8",
    "zeros": lambda: bytes(8 * MB),
    "HTML": lambda: b"<!DOCTYPE html><script>alert(1)</script>",
    "HTML that names a PNG": lambda: b"<html>\x89PNG\r\n\x1a\n</html>",
    "PDF": lambda: b"%PDF-1.7\n" + bytes(99),
    "ICO": lambda: b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + bytes(99),
    "PSD": lambda: b"8BPS\0\1" + bytes(99),
    "EPS": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "EPS that is cut": lambda: b"\xc5\xd0\xd3\xc6" + bytes(99),
    "JPEG 2000": lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99),
    "JPEG XL": lambda: b"\xff\x0a" + bytes(99),
    "HEIC": lambda: box(b"ftyp", b"heic\0\0\0\0mif1heic") + bytes(99),
    "MP4": lambda: box(b"ftyp", b"isom\0\0\0\0isomiso2") + bytes(99),
    "PCX": lambda: b"\x0a\x05\x01\x08" + bytes(199),
    "PPM": lambda: b"P6\n50000 50000\n255\n" + bytes(99),
    "QOI": lambda: b"qoif" + struct.pack(">II", 50_000, 50_000) + bytes(99),
    "WMF": lambda: b"\xd7\xcd\xc6\x9a" + bytes(99),
    "DDS": lambda: b"DDS \x7c\0\0\0" + bytes(199),
    "FLI": lambda: bytes(4) + b"\x11\xaf" + bytes(199),
    "gzip": lambda: gzip.compress(whole("PNG")),
    "ELF": lambda: b"\x7fELF" + bytes(99),
    "JavaScript": lambda: b"alert(1)",
    "JSON": lambda: b'{"error": "expired"}',
}


def cuts() -> Iterator[tuple[str, bytes]]:
    """Each kind of picture, cut at many places."""
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF"):
        data = whole(kind)
        for at in sorted(
            {
                1,
                2,
                7,
                8,
                11,
                12,
                15,
                16,
                17,
                23,
                24,
                25,
                26,
                29,
                30,
                33,
                len(data) // 3,
                len(data) // 2,
                len(data) - 13,
            }
        ):
            yield f"{kind} cut at {at}", data[:at]
