"""How a picture looks in JSON, wherever it stands: the blocks in which OpenRouter, OpenAI, MCP,
Anthropic, Gemini and others hand one on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

_IMAGE_TYPES = frozenset({"image", "image_url", "input_image", "output_image"})
_MEDIA_TYPES = ("mimeType", "mime_type", "media_type", "mediaType", "contentType", "content_type")
_DATA = ("data", "blob", "base64", "b64", "b64_json", "image", "bytes")
_URLS = ("url", "image_url", "imageUrl", "uri", "file_uri", "fileUri", "download_url")
_INNER = (
    "source",
    "resource",
    "image_url",
    "image",
    "inline_data",
    "inlineData",
    "file_data",
    "fileData",
)
_BESIDE = (
    "type",
    "detail",
    "format",
    "source_type",
    "annotations",
    "meta",
    "_meta",
    "cache_control",
)
_OF_BLOCKS = frozenset((*_BESIDE, *_MEDIA_TYPES, *_DATA, *_URLS, *_INNER))
_DEEPEST = 4

Fields = Mapping[Any, object]


def is_url(value: str) -> bool:
    """Whether this is an http or https URL."""
    return value[:8].lower().startswith(("http://", "https://"))


def media_type_of(fields: Fields) -> str | None:
    """The image media type that a mapping names, or one inside it that holds its picture."""
    for name in _MEDIA_TYPES:
        value = fields.get(name)
        if isinstance(value, str) and value.lower().startswith("image/"):
            return value.lower()
    inside = [as_fields(fields.get(name)) for name in _INNER]
    found = [media_type_of(each) for each in inside if each]
    return next((each for each in found if each is not None), None)


def claims_picture(fields: Fields) -> bool:
    """Whether a mapping says by its type or media type that it holds a picture."""
    kind = fields.get("type")
    return (isinstance(kind, str) and kind in _IMAGE_TYPES) or media_type_of(fields) is not None


def is_block(fields: Fields) -> bool:
    """Whether a mapping is a picture and nothing else."""
    if not fields or not all(isinstance(name, str) and name in _OF_BLOCKS for name in fields):
        return False
    return claims_picture(fields)


def block_values(fields: Fields, depth: int = 0) -> Iterator[object]:
    """What may be the picture of a block, the likeliest first: bytes, base64, a data URL, a URL."""
    for name in _INNER:
        if depth < _DEEPEST and (inner := as_fields(fields.get(name))):
            yield from block_values(inner, depth + 1)
    for name in (*_DATA, *_URLS):
        value = fields.get(name)
        if value and not isinstance(value, Mapping):
            yield value


def as_fields(value: object) -> Fields:
    """The value if it is a mapping, else an empty one."""
    return cast("Fields", value) if isinstance(value, Mapping) else {}
