"""The Responses API: from values to the wire. It keeps no state, so every item is sent again (WIRE, "What the next turn must echo")."""

from __future__ import annotations

from typing import Any

from agentkit.values import Image, Message, Pieces, Text, ToolCall, ToolResult
from agentkit.wire.body import Encoded, Holes, around, fitting_choice, settings, words
from agentkit.wire.calls import for_history
from agentkit.wire.model import Request
from agentkit.wire.text import write

PATH = "/responses"


def encode(request: Request, encoded: Encoded | None = None) -> Pieces:
    """The request's body for `POST /responses`."""
    cache = encoded if encoded is not None else Encoded()
    items: list[Pieces] = []
    for index, message in enumerate(request.messages):
        items += _items(message, request.notes.get(index, ""), cache)
    return around(_head(request), "input", items)


def _head(request: Request) -> dict[str, Any]:
    given = request.settings
    tools: list[dict[str, Any]] = [
        {
            "type": "function",
            "name": spec.name,
            "description": spec.description,
            "parameters": spec.schema,
            "strict": spec.strict,
        }
        for spec in request.functions
    ]
    if not request.closing:
        tools += [dict(tool) for tool in request.server_tools]
    own: dict[str, Any] = {
        "instructions": request.instructions or None,
        "max_output_tokens": request.max_tokens,
        "tools": tools or None,
        "tool_choice": _tool_choice(request),
        "include": ["reasoning.encrypted_content"],
    }
    if request.output is not None:
        own["text"] = {
            "format": {
                "type": "json_schema",
                "name": request.output.name,
                "strict": True,
                "schema": request.output.schema,
            }
        }
    return {**settings(request), **{name: value for name, value in own.items() if value is not None}, **given.extra}


def _tool_choice(request: Request) -> object:
    choice = fitting_choice(request)
    if choice in {None, "auto", "none", "required"}:
        return choice
    if any(spec.name == choice for spec in request.functions):
        return {"type": "function", "name": choice}
    return "required"  # this API has no form that names a server tool of OpenRouter's


def _items(message: Message, note: str, cache: Encoded) -> tuple[Pieces, ...]:
    how = f"responses {note}"
    if (kept := cache.get(message, how)) is not None:
        return kept
    if message.role == "assistant":
        items = message.raw if message.api == "responses" and message.raw else _assistant(message)
    elif message.role == "tool":
        items = _tool(message, note)
    else:
        items = (_user(message, note),)
    return cache.put(message, how, items)


def _user(message: Message, note: str) -> Pieces:
    holes = Holes()
    content = _content(message.parts, holes)
    if note:
        content.append({"type": "input_text", "text": note})
    return holes.pieces({"type": "message", "role": "user", "content": content})


def _content(parts: tuple[object, ...], holes: Holes) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Text) and part.text:
            content.append({"type": "input_text", "text": part.text})
        elif isinstance(part, Image):
            content.append({"type": "input_image", "detail": "auto", "image_url": holes.hole(part)})
    return content


def _assistant(message: Message) -> tuple[Pieces, ...]:
    """A message of the other API, or of none, from its parts."""
    items: list[Pieces] = []
    if said := words(message):
        items.append((write({"type": "message", "role": "assistant", "content": said}),))
    for part in message.parts:
        if isinstance(part, Image):
            holes = Holes()
            item = {
                "type": "image_generation_call",
                "id": f"ig_{part.sha256[:24]}",
                "status": "completed",
                "result": holes.hole(part),
            }
            items.append(holes.pieces(item))
    items += [(write(_call(call)),) for call in message.calls]
    return tuple(items)


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": call.id,
        "call_id": call.id,
        "name": call.name,
        "arguments": for_history(call.arguments),
        "status": "completed",
    }


def _tool(message: Message, note: str) -> tuple[Pieces, ...]:
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    items: list[Pieces] = []
    for result in results:
        holes = Holes()
        extra = note if result is results[-1] else ""
        output: object = result.text + (f"\n{extra}" if extra else "")
        if any(isinstance(part, Image) for part in result.parts):
            output = _content((*result.parts, Text(extra)), holes)
        items.append(holes.pieces({"type": "function_call_output", "call_id": result.call_id, "output": output}))
    return tuple(items)
