"""What came of a call, as a result of MCP: words, previews, links, and the same as data. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_types import CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent

from agentkit._redact import redacted
from agentkit.answer import Answer
from agentkit.integrations.chats import uri_of
from agentkit.integrations.mcp.previews import Preview
from agentkit.integrations.portable import PortableReply
from agentkit.show.plain import line
from agentkit.values import File, Image, Invocation, Text

MOST = 900_000
"""Characters of a result as JSON: Claude Desktop takes no message of 1,048,576."""
_MOST_TEXT = 200_000
_MOST_NOTE = 100_000
_MOST_ERROR = 20_000
_MOST_IMAGES = 400
_MOST_FILES = 100
_MOST_ARGUMENTS = 2_000
_MOST_FAILURES = 50
_BESIDE = 2_000
"""Characters of JSON around the blocks of a result, at most."""

Previews = Mapping[str, Preview | None]
"""Previews of pictures, by their SHA-256."""


def result_of(reply: PortableReply, previews: Previews, *, error: str = "") -> CallToolResult:
    """The result of a call. With `error`, the run broke off with these words, and the reply has
    what had arrived.
    """
    words = "".join(_words(part) for part in reply.parts)
    said = (_cut(words), error and f"[error: {_cut(error, _MOST_ERROR)}]", _note(reply))
    text = "\n\n".join(filter(None, said))
    content: list[ContentBlock] = [TextContent(type="text", text=text)]
    structured = _structured(reply, error)
    left = MOST - _BESIDE - _length(text) - _length(structured)
    images = reply.answer.images[:_MOST_IMAGES]
    links = [_link(image) for image in images]
    files = [_link_of_file(file) for file in reply.answer.files[:_MOST_FILES]]
    left -= sum(_length(link.model_dump(by_alias=True, mode="json")) for link in [*links, *files])
    for image, link in zip(images, links, strict=True):
        preview = previews.get(image.sha256)
        if preview is not None and len(preview.data) + 200 <= left:
            left -= len(preview.data) + 200
            content.append(
                ImageContent(type="image", data=preview.data, mime_type=preview.media_type)
            )
        content.append(link)
    content += files
    return CallToolResult(content=content, structured_content=structured, is_error=bool(error))


def failed(words: str) -> CallToolResult:
    """The result of a call that could not begin."""
    text = _cut(redacted(words))
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def _words(part: Text | Image) -> str:
    return part.text if isinstance(part, Text) else f"\n[{part.name}]\n"


def _note(reply: PortableReply) -> str:
    """What the other model has to know. The conversation's id is told in any case."""
    note = reply.note()
    cut = _cut(note, _MOST_NOTE)
    return note if cut == note else f"{cut}\n[conversation: {reply.conversation}]"


def _cut(text: str, most: int = _MOST_TEXT) -> str:
    """The text, cut where its JSON has more characters. One character may become six."""
    if len(text) * 6 <= most or _length(text) <= most:
        return text
    kept = text[: most - 2]
    if _length(kept) > most:
        kept = text[: most // 6]
    return f"{kept}\n[cut here: {len(kept):,} of {len(text):,} characters]"


def _length(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _link(image: Image) -> ResourceLink:
    words = image.alt or image.revised_prompt or image.prompt or ""
    return ResourceLink(
        type="resource_link",
        uri=uri_of(image),
        name=image.name,
        description=line(words, width=200) or None,
        mime_type=image.media_type,
        size=image.size,
    )


def _link_of_file(file: File) -> ResourceLink:
    return ResourceLink(
        type="resource_link",
        uri=uri_of(file),
        name=file.name,
        title=line(file.file_name, width=200) or None,
        mime_type=file.media_type,
        size=file.size,
    )


def _structured(reply: PortableReply, error: str) -> dict[str, Any]:
    answer = reply.answer
    found: dict[str, Any] = {
        "conversation": reply.conversation,
        "status": "failed" if error else answer.status,
        "images": [_facts(image) for image in answer.images[:_MOST_IMAGES]],
        "cost_usd": answer.usage.cost_usd,
    }
    if answer.files:
        found["files"] = [_facts_of_file(file) for file in answer.files[:_MOST_FILES]]
    if answer.failures:
        found["failures"] = [_cut(each.reason)[:300] for each in answer.failures[:_MOST_FAILURES]]
    if answer.pending:
        found["pending"] = [pending_call(each) for each in answer.pending[:_MOST_FAILURES]]
    return found


def _facts(image: Image) -> dict[str, Any]:
    return {
        "handle": image.name,
        "uri": uri_of(image),
        "media_type": image.media_type,
        "width": image.width,
        "height": image.height,
        "bytes": image.size,
        "cost_usd": image.cost_usd,
    }


def _facts_of_file(file: File) -> dict[str, Any]:
    return {
        "handle": file.name,
        "uri": uri_of(file),
        "name": line(file.file_name, width=200),
        "media_type": file.media_type,
        "bytes": file.size,
    }


def pending_call(call: Invocation) -> dict[str, Any]:
    """A call that waits for a person."""
    arguments = call.arguments or {}
    is_long = _length(arguments) > _MOST_ARGUMENTS
    told = {"id": call.id, "name": call.name, "arguments": "…" if is_long else arguments}
    return told if call.question is None else {**told, "question": call.question.message[:1000]}


def shown_images(answer: Answer[Any]) -> Sequence[Image]:
    """The pictures of an answer of which a result may show previews."""
    return answer.images[:_MOST_IMAGES]
