"""How a picture looks in JSON, wherever it stands: the blocks in which OpenRouter, OpenAI, MCP,
Anthropic, Gemini and others hand one on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from agentkit.wire.json import UnreadableJson, read
from agentkit.wire.types import BLOB, CONTAINER_FILE

_IMAGE_TYPES = frozenset({"image", "image_url", "input_image", "output_image"})
_MEDIA_TYPES = ("mimeType", "mime_type", "media_type", "mediaType", "contentType", "content_type")
_DATA = ("data", "blob", "base64", "b64", "b64_json", "image", "bytes", "file_data", "fileData")
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

_PICTURE_URLS = ("imageUrl", "image_url", "screenshotUrl", "screenshot_url")
"""Fields whose URL is a picture's, wherever they stand."""
_NAMES = ("filename", "file_name", "name", "path")
_IMAGE_NAME = re.compile(r"\.(?:png|jpe?g|webp|gif|avif|bmp|tiff?|svg)\Z", re.IGNORECASE)
_REFERENCE = re.compile(rf"{BLOB}:[\w-]+:\d+")
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,255}\Z")
_OF_FILES = ("container_id", "download_url")
_LEVELS = 32
"""Of JSON, and of JSON in its strings, that are looked through."""

Fields = Mapping[Any, object]


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture in a JSON value: what may give its bytes, or why nothing can."""

    values: tuple[str, ...]
    alt: str = ""
    error: str | None = None


def is_url(value: str) -> bool:
    """Whether this is an http or https URL."""
    return value[:8].lower().startswith(("http://", "https://"))


_SIGNED = re.compile(
    r"[?&](?:sig|signature|x-amz-\w+|x-goog-\w+|token|access_token|expires|policy|key-pair-id|se)=",
    re.IGNORECASE,
)


def without_signature(url: str) -> str:
    """The URL without a signature: that expires, and until then opens the picture to whoever reads
    a saved run.
    """
    return url.partition("?")[0] if _SIGNED.search(url) else url


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


def pictures(value: object, *, links: bool = True, level: int = 0) -> Iterator[Seen]:
    """The pictures in a JSON value, at any depth: references of the spool, the blocks above, files
    of containers; and, with `links`, http URLs where a field or a media type says that they are
    pictures.
    """
    if level > _LEVELS:
        return
    if isinstance(value, str):
        yield from _in_text(value, links=links, level=level)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from pictures(each, links=links, level=level + 1)
    elif isinstance(value, dict):
        yield from _in_fields(cast("Fields", value), links=links, level=level)


def _in_fields(fields: Fields, *, links: bool, level: int) -> Iterator[Seen]:
    if (file := _container_file(fields)) is not None:
        yield file
        return
    if claims_picture(fields) or _image_name(fields):
        values = [each for each in block_values(fields) if isinstance(each, str)]
        kept = [each for each in values if _may_be_value(each, links=links)]
        if kept:
            yield Seen(tuple(dict.fromkeys(kept)), _image_name(fields))
            return
    for key, each in fields.items():
        if links and key in _PICTURE_URLS and isinstance(each, str) and is_url(each):
            yield Seen((each,))
        else:
            yield from pictures(each, links=links, level=level + 1)


def files(value: object, *, level: int = 0) -> Iterator[Seen]:
    """The files in a JSON value that are no pictures: those of containers, and those with a URL to
    be downloaded from. Each has one value.
    """
    if level > _LEVELS:
        return
    if isinstance(value, str):
        if value.lstrip()[:1] in {"{", "["} and any(each in value for each in _OF_FILES):
            try:
                yield from files(read(value.encode("utf-8", "replace")), level=level + 1)
            except UnreadableJson:
                return
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from files(each, level=level + 1)
    elif isinstance(value, dict):
        fields = cast("Fields", value)
        if (found := _file(fields)) is not None:
            yield found
            return
        for each in fields.values():
            yield from files(each, level=level + 1)


def _file(fields: Fields) -> Seen | None:
    """The file that a mapping names, and that is no picture."""
    if _image_name(fields) or media_type_of(fields) is not None:
        return None
    names = [each for key in _NAMES if isinstance(each := fields.get(key), str)]
    name = names[0] if names else ""
    container, file = fields.get("container_id"), fields.get("file_id")
    if isinstance(container, str) and isinstance(file, str):
        value = f"{CONTAINER_FILE}{container}/{file}"
        return Seen((value,), name, _unsafe(container, file))
    url = fields.get("download_url")
    return Seen((url,), name) if isinstance(url, str) and is_url(url) else None


def _unsafe(*ids: str) -> str | None:
    """Why a file with these ids is not fetched; None for ids that are single path segments."""
    wrong = [each for each in ids if not _SEGMENT.match(each)]
    return f"not fetched: the id {wrong[0][:80]!r} is no single path segment" if wrong else None


def _may_be_value(text: str, *, links: bool) -> bool:
    return text.startswith((BLOB, "data:image/")) or (links and is_url(text))


def _in_text(text: str, *, links: bool, level: int) -> Iterator[Seen]:
    if text.lstrip()[:1] in {"{", "["} and (BLOB in text or "image" in text.lower()):
        try:
            inner: object = read(text.encode("utf-8", "replace"))
        except UnreadableJson:
            inner = None
        if isinstance(inner, dict | list):
            yield from pictures(cast("object", inner), links=links, level=level + 1)
            return
    if BLOB in text:
        for reference in dict.fromkeys(_REFERENCE.findall(text)):
            yield Seen((reference,))


def _image_name(fields: Fields) -> str:
    """The name of a file that says it is a picture; empty where there is none."""
    names = [each for key in _NAMES if isinstance(each := fields.get(key), str)]
    return next((name for name in names if _IMAGE_NAME.search(name)), "")


def _container_file(fields: Fields) -> Seen | None:
    """The picture that a tool left in its container; None for any other mapping or file."""
    container, file = fields.get("container_id"), fields.get("file_id")
    if not isinstance(container, str) or not isinstance(file, str):
        return None
    name = _image_name(fields)
    if not name and media_type_of(fields) is None:
        return None
    if (why := _unsafe(container, file)) is not None:
        return Seen((), name, why)
    return Seen((f"{CONTAINER_FILE}{container}/{file}",), name)
