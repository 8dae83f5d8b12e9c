"""Chat Completions: from values to the wire."""

from __future__ import annotations

from typing import Any

from agentkit.values import Image, Message, Pieces, Text, ToolCall, ToolResult
from agentkit.wire.body import Encoded, Holes, around, fitting_choice, settings, words
from agentkit.wire.calls import for_history
from agentkit.wire.model import Request
from agentkit.wire.text import write

PATH = "/chat/completions"


def encode(request: Request, encoded: Encoded | None = None) -> Pieces:
    """The request's body for `POST /chat/completions`."""
    cache = encoded if encoded is not None else Encoded()
    items: list[Pieces] = []
    if request.instructions:
        items.append((write({"role": "system", "content": request.instructions}),))
    for index, message in enumerate(request.messages):
        items += _items(message, request.notes.get(index, ""), cache)
    return around(_head(request), "messages", items)


def _head(request: Request) -> dict[str, Any]:
    given = request.settings
    head = settings(request)
    tools = [_function(request, index) for index in range(len(request.functions))]
    if not request.closing:
        tools += [dict(tool) for tool in request.server_tools]
    own: dict[str, Any] = {
        "max_tokens": request.max_tokens,
        "seed": given.seed,
        "stop": given.stop,
        "tools": tools or None,
        "tool_choice": _tool_choice(request),
    }
    if request.output is not None:
        schema = {"name": request.output.name, "strict": True, "schema": request.output.schema}
        own["response_format"] = {"type": "json_schema", "json_schema": schema}
    return {**head, **{name: value for name, value in own.items() if value is not None}, **given.extra}


def _function(request: Request, index: int) -> dict[str, Any]:
    spec = request.functions[index]
    function: dict[str, Any] = {"name": spec.name, "description": spec.description, "parameters": spec.schema}
    if spec.strict is not None:
        function["strict"] = spec.strict
    return {"type": "function", "function": function}


def _tool_choice(request: Request) -> object:
    choice = fitting_choice(request)
    if choice in {None, "auto", "none", "required"}:
        return choice
    if any(spec.name == choice for spec in request.functions):
        return {"type": "function", "function": {"name": choice}}
    return {"type": choice}


def _items(message: Message, note: str, cache: Encoded) -> tuple[Pieces, ...]:
    how = f"chat {note}"
    if (kept := cache.get(message, how)) is not None:
        return kept
    if message.role == "assistant":
        items = message.raw if message.api == "chat" and message.raw else (_assistant(message),)
    elif message.role == "tool":
        items = _tool(message, note)
    else:
        items = (_user(message, note),)
    return cache.put(message, how, items)


def _user(message: Message, note: str) -> Pieces:
    holes = Holes()
    content = _content(message.parts, holes)
    if note:
        content.append({"type": "text", "text": note})
    if len(content) == 1 and content[0]["type"] == "text":
        return holes.pieces({"role": "user", "content": content[0]["text"]})
    return holes.pieces({"role": "user", "content": content})


def _content(parts: tuple[object, ...], holes: Holes) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Text) and part.text:
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Image):
            content.append({"type": "image_url", "image_url": {"url": holes.hole(part)}})
    return content


def _assistant(message: Message) -> Pieces:
    """A message of the other API, or of none, from its parts."""
    holes = Holes()
    item: dict[str, Any] = {"role": "assistant", "content": words(message)}
    if calls := message.calls:
        item["content"] = item["content"] or None
        item["tool_calls"] = [_call(call) for call in calls]
    if images := [part for part in message.parts if isinstance(part, Image)]:
        item["images"] = [{"type": "image_url", "image_url": {"url": holes.hole(image)}} for image in images]
    return holes.pieces(item)


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": for_history(call.arguments)},
    }


def _tool(message: Message, note: str) -> tuple[Pieces, ...]:
    """One item for each result; pictures follow in a user's message, since many providers refuse them in a tool's."""
    items: list[Pieces] = []
    holes = Holes()
    shown: list[dict[str, Any]] = []
    for result in (part for part in message.parts if isinstance(part, ToolResult)):
        items.append((write({"role": "tool", "tool_call_id": result.call_id, "content": result.text}),))
        if images := [part for part in result.parts if isinstance(part, Image)]:
            shown.append(
                {"type": "text", "text": f"Pictures from {result.name} ({', '.join(image.name for image in images)}):"}
            )
            shown += _content(tuple(images), holes)
    if note:
        shown.append({"type": "text", "text": note})
    if shown:
        items.append(holes.pieces({"role": "user", "content": shown}))
    return tuple(items)
