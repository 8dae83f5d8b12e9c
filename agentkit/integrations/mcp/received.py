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
    TextResourceContents,
)

from agentkit.errors import FileError, ImageError, UsageError
from agentkit.integrations.mcp.limits import MOST_FOLLOWED, MOST_LINKED, MOST_PICTURES
from agentkit.show.plain import line
from agentkit.values import File, Image
from agentkit.values.file_kind import extension_of
from agentkit.values.image_header import HEAD, sniff
from agentkit.wire.base64text import decode_base64

Read = Callable[[str], Awaitable[ReadResourceResult | None]]
"""Reads a resource of the server; None where it cannot."""


async def value_of(result: CallToolResult, read: Read) -> object:
    """What the tool returned. Structured content is told only where the words do not tell it."""
    parts: list[object] = []
    pictures = 0
    # A longer list of files is one to choose from, and all of them would cost money.
    is_list = sum(map(_leads_to_file, result.content)) > MOST_FOLLOWED
    for block in result.content:
        part: object
        if isinstance(block, ResourceLink) and pictures < MOST_PICTURES:
            part = _part(block) if is_list and _leads_to_file(block) else await _linked(block, read)
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
            found = _picture(blob) or _file(blob, _last_part(str(uri)))
            return found or f"[{line(str(uri))}: {line(kind or 'a file')}]"
        case EmbeddedResource(resource=resource):
            return getattr(resource, "text", "")
        case ResourceLink(name=name, uri=uri, description=words):
            said = f", {line(words)}" if words else ""
            return f"[a link: {line(name)}{said}: {line(str(uri))}]"


async def _linked(link: ResourceLink, read: Read) -> object:
    """The picture or file that a link leads to, read from the server itself, where it is small
    enough. A page of the web is no file of the server, and its link stays one.
    """
    is_picture = _leads_to_picture(link)
    if not (is_picture or _leads_to_file(link)):
        return _part(link)
    if link.size is not None and not 0 < link.size <= MOST_LINKED:
        return _part(link)
    found = await read(str(link.uri))
    for each in found.contents[:1] if found is not None else ():
        return await asyncio.to_thread(_content, each, link, is_picture) or _part(link)
    return _part(link)


def _leads_to_picture(link: ResourceLink) -> bool:
    return (link.mime_type or "").lower().startswith("image/")


def _leads_to_file(block: ContentBlock) -> bool:
    """Whether it is a link to what only the server can give, and is said to be no picture."""
    if not isinstance(block, ResourceLink) or _leads_to_picture(block):
        return False
    return str(block.uri).partition(":")[0].lower() not in {"http", "https"}


def _content(
    content: TextResourceContents | BlobResourceContents, link: ResourceLink, is_picture: bool
) -> Image | File | None:
    """What a link led to; None for what is not as the link says, or can be used by nobody."""
    if isinstance(content, BlobResourceContents):
        picture = _picture(content.blob)
        return picture if picture or is_picture else _file(content.blob, _name_of(link))
    if is_picture or len(content.text) > MOST_LINKED:
        return None
    return _file_of(content.text.encode("utf-8", "replace"), _name_of(link))


def _name_of(link: ResourceLink) -> str:
    """What the file is called: what has an extension tells its kind."""
    names = [link.title or "", link.name, _last_part(str(link.uri))]
    return next((each for each in names if extension_of(each)), link.name)


def _picture(blob: str) -> Image | None:
    """The picture that base64 holds; None for anything else."""
    data = _bytes_of(blob)
    return Image.from_bytes(data) if data is not None and sniff(data[:HEAD]) else None


def _file(blob: str, name: str) -> File | None:
    """The file that base64 holds; None for what is none."""
    data = _bytes_of(blob)
    return None if data is None else _file_of(data, name)


def _file_of(data: bytes, name: str) -> File | None:
    try:
        return File.from_bytes(data, name=name)
    except (FileError, UsageError):
        return None


def _last_part(uri: str) -> str:
    """The last part of an address; nothing where it is none."""
    try:
        return unquote(urlsplit(uri).path.rstrip("/").rpartition("/")[2])
    except ValueError:
        return ""


def _bytes_of(blob: str) -> bytes | None:
    if len(blob) > MOST_LINKED * 4 // 3 + 4:
        return None
    try:
        return decode_base64(blob)
    except ImageError:
        return None
