"""What a server of MCP answered → what a tool returns: words, pictures as pictures, and files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from urllib.parse import unquote, urlsplit

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ReadResourceResult,
    ResourceLink,
    TextContent,
)

from agentkit.errors import FileError, ImageError, UsageError
from agentkit.integrations.mcp.limits import MOST_LINKED, MOST_PICTURES
from agentkit.show.plain import line
from agentkit.values import File, Image
from agentkit.values.image_header import HEAD, sniff
from agentkit.wire.base64text import decode_base64

Read = Callable[[str], Awaitable[ReadResourceResult | None]]
"""Reads a resource of the server; None where it cannot."""


async def value_of(result: CallToolResult, read: Read) -> object:
    """What the tool returned. Structured content is told only where the words do not tell it."""
    parts: list[object] = []
    pictures = 0
    for block in result.content:
        part: object
        if isinstance(block, ResourceLink) and pictures < MOST_PICTURES:
            part = await _linked(block, read)
        else:
            part = await asyncio.to_thread(_part, block)
        if not isinstance(part, str):
            pictures += 1
            if pictures > MOST_PICTURES:
                part = (
                    f"[one that was left out: a result may have {MOST_PICTURES} pictures and files]"
                )
        parts.append(part)
    if result.structured_content is not None and not any(isinstance(each, str) for each in parts):
        parts.append(result.structured_content)
    if not parts:
        return "(an empty result)"
    return parts[0] if len(parts) == 1 else parts


def words_of(result: CallToolResult) -> str:
    """The words of a result that says it is an error."""
    words = [block.text for block in result.content if isinstance(block, TextContent)]
    if not words and result.structured_content is not None:
        words = [json.dumps(result.structured_content, ensure_ascii=False)]
    return "\n".join(words) or "the tool failed and said no more"


def _part(block: ContentBlock) -> object:
    match block:
        case TextContent(text=text):
            return text
        case ImageContent(data=data, mime_type=kind):
            return {"type": "image", "data": data, "mimeType": kind}
        case AudioContent(data=data, mime_type=kind):
            return f"[sound that cannot be heard here: {line(kind)}, {len(data) * 3 // 4:,} bytes]"
        case EmbeddedResource(resource=BlobResourceContents(blob=blob, uri=uri, mime_type=kind)):
            found = _picture(blob) or _file(blob, str(uri))
            return found or f"[{line(str(uri))}: {line(kind or 'a file')}]"
        case EmbeddedResource(resource=resource):
            return getattr(resource, "text", "")
        case ResourceLink(name=name, uri=uri, description=words):
            said = f", {line(words)}" if words else ""
            return f"[a link: {line(name)}{said}: {line(str(uri))}]"


async def _linked(link: ResourceLink, read: Read) -> object:
    """The picture that a link leads to, read from the server itself, where it is small enough. No
    other link is followed.
    """
    is_picture = (link.mime_type or "").lower().startswith("image/")
    if not is_picture or (link.size is not None and not 0 < link.size <= MOST_LINKED):
        return _part(link)
    found = await read(str(link.uri))
    for each in found.contents[:1] if found is not None else ():
        if isinstance(each, BlobResourceContents):
            return await asyncio.to_thread(_picture, each.blob) or _part(link)
    return _part(link)


def _picture(blob: str) -> Image | None:
    """The picture that base64 holds; None for anything else."""
    data = _bytes_of(blob)
    return Image.from_bytes(data) if data is not None and sniff(data[:HEAD]) else None


def _file(blob: str, uri: str) -> File | None:
    """The file that base64 holds, under the last part of its address; None for what is none."""
    data = _bytes_of(blob)
    try:
        name = unquote(urlsplit(uri).path.rstrip("/").rpartition("/")[2])
        return None if data is None else File.from_bytes(data, name=name)
    except (FileError, UsageError, ValueError):
        return None


def _bytes_of(blob: str) -> bytes | None:
    if len(blob) > MOST_LINKED * 4 // 3 + 4:
        return None
    try:
        return decode_base64(blob)
    except ImageError:
        return None
