"""Pictures among the values that a tool returned, by what they are: `Image`, bytes and files with
the signature of a picture, Pillow's and arrays, figures, and the blocks in which other libraries
hand pictures on (MCP, OpenAI, Anthropic, Gemini, LangChain).
"""

from __future__ import annotations

import hashlib
import inspect as inspect_signature
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any, cast, get_args, get_type_hints

from agentkit.errors import ImageError
from agentkit.tools.drawn import array_interface, draws_itself, is_pillow, of_array, of_figure, png
from agentkit.values import Image, MemoryBlobs, Source
from agentkit.values.image_header import HEAD, inspect, sniff
from agentkit.wire import shapes
from agentkit.wire.base64text import decode_base64
from agentkit.wire.inline import LONG_IN_CODE, Inline

_SHORT = 200
"""Bytes below which a run of base64 that is no whole picture is words: an example, cut by dots."""
_FEW = 48
"""Bytes below which what has no signature of a picture is words that happen to be base64."""
_BLANK = re.compile(r"[^\s,] +[^\s]")
_PLAIN = (str, int, float, Mapping, list, tuple, set, frozenset)
"""Types of which no value is a picture by itself."""
_LONGEST_FILE = 256 << 20


def as_image(value: object) -> Image | None:
    """The picture that a value is; None for any other. Raises `ImageError` for one that cannot be
    read.
    """
    if isinstance(value, Image):
        return value if value.name else from_tool(value)
    data = as_bytes(value)
    if data is None and not isinstance(value, _PLAIN):
        data = _of_file(value)
    if data is not None:
        return from_tool(Image.from_bytes(data)) if sniff(data[:HEAD]) else None
    if isinstance(value, _PLAIN):
        return None
    if is_pillow(value):
        return from_tool(Image.from_bytes(png(value)))
    if (drawn := of_array(value)) is not None:
        return from_tool(Image.from_bytes(drawn))
    shown = of_figure(value)
    return None if shown is None else as_image(shown)


def as_bytes(value: object) -> bytes | None:
    """The bytes of a value of bytes; None for any other."""
    if not isinstance(value, bytes | bytearray | memoryview):
        return None
    return bytes(cast("bytes", value))


def is_picture(value: object) -> bool:
    """Whether `as_image` may give one: without drawing or reading what is large."""
    if (data := as_bytes(value)) is not None:
        return sniff(data[:HEAD]) is not None
    if isinstance(value, _PLAIN):
        return False
    return (
        isinstance(value, Image | io.BufferedIOBase | io.RawIOBase)
        or is_pillow(value)
        or array_interface(value) is not None
        or draws_itself(value)
    )


def from_tool(image: Image) -> Image:
    """The picture, with the tool as the place where it was seen."""
    sources = tuple(
        Source("tool", source.url) if source.place == "user" else source for source in image.sources
    )
    return replace(image, sources=sources or (Source("tool"),))


def as_block(fields: Mapping[Any, object]) -> Image | None:
    """The picture of a block that is nothing but a picture; None for any other mapping."""
    if not shapes.is_block(fields):
        return None
    media_type = shapes.media_type_of(fields) or "image/png"
    for value in shapes.block_values(fields):
        if data := as_bytes(value):
            return _of_bytes(data, media_type)
        if not isinstance(value, str):
            continue
        if shapes.is_url(value):
            return from_tool(Image.from_url(value))
        if (found := claimed(value, fields)) is not None:
            return found
    return None


def claimed(text: str, fields: Mapping[Any, object]) -> Image | None:
    """The picture of base64 that is said to be one, whole or not; None for what is no base64."""
    if _BLANK.search(text.strip()):
        return None
    try:
        data = decode_base64(text)
    except ImageError:
        return None
    if sniff(data[:HEAD]) is None and len(data) < _FEW:
        return None
    return _of_bytes(data, shapes.media_type_of(fields) or "image/png")


def of_inline(run: Inline) -> Image | None:
    """The picture of base64 among words; None where it is none, or a part of some code."""
    if run.in_code and len(run.text) < LONG_IN_CODE:
        return None
    try:
        data = run.decode()
    except ImageError:
        return None
    if sniff(data[:HEAD]) is None:
        return None
    if len(data) < _SHORT and not _is_whole(data):
        return None
    return _of_bytes(data, "image/png")


def _is_whole(data: bytes) -> bool:
    try:
        inspect(BytesIO(data))
    except ImageError:
        return False
    return True


def _of_bytes(data: bytes, media_type: str) -> Image:
    """A picture of these bytes, whatever they are: the store tells what is wrong with them."""
    if sniff(data[:HEAD]) is not None:
        return from_tool(Image.from_bytes(data))
    digest = hashlib.sha256(data).hexdigest()
    blobs = MemoryBlobs(data)
    return Image(digest, media_type, len(data), sources=(Source("tool"),), blobs=blobs)


def _of_file(value: object) -> bytes | None:
    """The bytes of a file in memory or on the disk that was opened for reading."""
    if isinstance(value, BytesIO):
        return value.getvalue()
    if not isinstance(value, io.BufferedIOBase | io.RawIOBase):
        return None
    try:
        if value.seekable():
            value.seek(0)
        return value.read(_LONGEST_FILE)
    except (OSError, ValueError) as error:
        raise ImageError(f"the file cannot be read: {error}") from None


def returns_image(function: object) -> bool:
    """Whether a function says that it returns an `Image`, or a list of them, and nothing else: a
    path or a URL that it gives is then a picture.
    """
    plain = inspect_signature.unwrap(cast("Any", function))
    plain = getattr(plain, "__func__", plain)
    given: object = getattr(plain, "__annotations__", {}).get("return")
    if given is None or "Image" not in str(given):
        return False
    try:
        given = get_type_hints(plain).get("return")
    except Exception:  # noqa: BLE001 - a name that is not there, or whatever a hint may raise
        return False
    kinds = set(_kinds(given)) - {type(None)}
    return Image in kinds and all(kind is Image or kind.__name__ == "Progress" for kind in kinds)


def _kinds(given: object) -> Iterator[type]:
    """The types in a hint, but those that only hold others."""
    if inside := get_args(given):
        for each in inside:
            yield from _kinds(each)
    elif isinstance(given, type):
        yield given
