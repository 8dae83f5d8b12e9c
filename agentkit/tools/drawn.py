"""Values that can be drawn: Pillow's pictures, arrays, figures, and what notebooks show; as PNG."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, cast

from agentkit.errors import ImageError
from agentkit.values.image_pixels import upright, visible
from agentkit.wire.base64text import decode_base64


def is_pillow(value: object) -> bool:
    """Whether this is a picture of Pillow's; it is not loaded for that."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def png(picture: Any) -> bytes:
    """A picture of Pillow's, whatever its mode, upright where it was read from a file that tells
    how it lies.
    """
    picture = upright(picture)
    if picture.mode not in {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}:
        picture = visible(picture)
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _scale(low: float, high: float, *, whole: bool) -> tuple[float, float]:
    """By what numbers are multiplied and what is added, so that they become greys: from 0 to 1 or
    from 0 to 255, if they fit, else from the least to the greatest.
    """
    if low >= 0 and high <= 1 and not whole:
        return 255.0, 0.0
    if low >= 0 and high <= 255:
        return 1.0, 0.0
    return (255.0 / (high - low), -low * 255.0 / (high - low)) if high > low else (0.0, 0.0)


def array_interface(value: object) -> tuple[tuple[int, ...], str, Mapping[str, Any]] | None:
    """Shape and type of an array that is a picture: of bytes or truths in two or three dimensions,
    or of other numbers with three or four channels.
    """
    given: object = getattr(value, "__array_interface__", None)
    if not isinstance(given, Mapping):
        return None
    fields = cast("Mapping[str, Any]", given)
    shape, kind = fields.get("shape"), str(fields.get("typestr", ""))
    if not isinstance(shape, tuple):
        return None
    sides: tuple[int, ...] = tuple(cast("tuple[int, ...]", shape))
    if len(sides) not in {2, 3} or not all(sides) or kind[1:] not in _NUMBERS:
        return None
    if len(sides) == 2:
        return (sides, kind, fields) if kind[1:] in {"u1", "b1", "u2"} else None
    has_channels = sides[2] in {1, 2, 3, 4} or sides[0] in {1, 3, 4}
    return (sides, kind, fields) if has_channels else None


_NUMBERS = {
    "b1": "?",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "f2": "e",
    "f4": "f",
    "f8": "d",
}
_MOST_NUMBERS = 50_000_000


def of_array(value: object) -> bytes | None:
    """An array as PNG: rows of greys, or of 1 to 4 channels; the channels may also come first."""
    found = array_interface(value)
    if found is None:
        return None
    shape, kind, fields = found
    count = math.prod(shape)
    if count > _MOST_NUMBERS:
        raise ImageError(f"the array has {count} numbers; accepted are at most {_MOST_NUMBERS}")
    code = _NUMBERS[kind[1:]]
    size = count * struct.calcsize(f"={code}")
    data = _bytes_of(value, fields, size)
    if len(data) < size:
        raise ImageError(f"the array has {len(data)} bytes where its shape needs {size}")
    greys = data[:size] if code == "B" else _greys(data[:size], kind[:1], code, count)
    channels = shape[2] if len(shape) == 3 else 1
    rows, columns = shape[0], shape[1]
    if channels not in {1, 2, 3, 4}:
        channels, rows, columns = shape
        plane = rows * columns
        planes = [greys[at * plane : (at + 1) * plane] for at in range(channels)]
        mixed = bytearray(len(greys))
        for at, each in enumerate(planes):
            mixed[at::channels] = each
        greys = bytes(mixed)
    import PIL.Image

    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    return png(PIL.Image.frombytes(mode, (columns, rows), greys))


def _bytes_of(value: Any, fields: Mapping[str, Any], size: int) -> bytes:
    """The numbers in the order of their rows."""
    if callable(tobytes := getattr(value, "tobytes", None)):
        return bytes(cast("bytes", tobytes()))
    data = fields.get("data")
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(cast("bytes", data))
    if fields.get("strides") is not None:
        raise ImageError("the array is not contiguous, and has no tobytes()")
    if isinstance(data, tuple):
        import ctypes

        return ctypes.string_at(cast("tuple[int, bool]", data)[0], size)
    try:
        return bytes(memoryview(value))
    except TypeError as error:
        raise ImageError(f"the array gives no bytes: {error}") from None


def _greys(data: bytes, order: str, code: str, count: int) -> bytes:
    """Numbers of any kind as bytes: see `_scale`. What is no number, or infinite, is black."""
    numbers: Sequence[Any] = struct.unpack(f"{'>' if order == '>' else '<'}{count}{code}", data)
    if code == "?":
        return bytes([255 if each else 0 for each in numbers])
    if code == "H" and max(numbers) > 255:
        return bytes([each >> 8 for each in numbers])
    if code in "efd":
        least = min((each for each in numbers if math.isfinite(each)), default=0.0)
        numbers = [each if math.isfinite(each) else least for each in numbers]
    scale, offset = _scale(min(numbers), max(numbers), whole=code not in "efd")
    return bytes([min(255, max(0, round(each * scale + offset))) for each in numbers])


def draws_itself(value: object) -> bool:
    """Whether `of_figure` may draw this."""
    kind = type(value)
    if kind.__name__ == "module" or isinstance(value, type):
        return False
    return any(callable(getattr(kind, name, None)) for name in ("savefig", "_repr_png_"))


def of_figure(value: Any) -> bytes | None:
    """What an object draws of itself: a figure of matplotlib, or what notebooks show."""
    if not draws_itself(value):
        return None
    if callable(getattr(cast("object", type(value)), "savefig", None)):
        file = BytesIO()
        value.savefig(file, format="png")
        return file.getvalue()
    shown: object = value._repr_png_()  # the protocol of notebooks
    if isinstance(shown, str):
        return decode_base64(shown)
    return bytes(shown) if isinstance(shown, bytes | bytearray) else None
