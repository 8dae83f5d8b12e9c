"""The Responses API: from values to the wire. It keeps no state, so every item is sent again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agentkit.run.history import PLAIN, MessageView, echoed
from agentkit.values import Image, Message, Pieces, Text, ToolCall, ToolResult
from agentkit.wire import echo
from agentkit.wire.body import (
    Encoded,
    Placeholders,
    around,
    beside,
    fitting_choice,
    settings,
    visible,
    with_surroundings,
    words,
)
from agentkit.wire.json import write
from agentkit.wire.tool_calls import for_history
from agentkit.wire.types import Request

PATH = "/responses"


def encode(request: Request, encoded: Encoded | None = None) -> Pieces:
    """The request's body for `POST /responses`."""
    cache = encoded if encoded is not None else Encoded()
    items: list[Pieces] = []
    for index, message in enumerate(request.messages):
        items += _items(message, request.shown.get(index, PLAIN), cache)
    return around(cache.head(request, "responses", _head), "input", items)


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
    common = settings(request)
    body = {**common, **{name: value for name, value in own.items() if value is not None}}
    return {**body, **given.extra}


def _tool_choice(request: Request) -> object:
    choice = fitting_choice(request)
    if choice in {None, "auto", "none", "required"}:
        return choice
    if any(spec.name == choice for spec in request.functions):
        return {"type": "function", "name": choice}
    return "required"  # this API has no form that names a server tool of OpenRouter's


def _items(message: Message, shown: MessageView, cache: Encoded) -> tuple[Pieces, ...]:
    if (kept := cache.get(message, "responses", shown)) is not None:
        return kept
    if echoed(message, "responses"):
        items = echo.responses(message, shown.hidden)
    elif message.role == "assistant":
        items = _assistant(message)
    elif message.role == "tool":
        items = _tool(message, shown)
    else:
        items = (_user(with_surroundings(message, shown)),)
    return cache.put(message, "responses", shown, items)


def _user(parts: Iterable[Text | Image]) -> Pieces:
    holes = Placeholders()
    content = _content(parts, holes)
    return holes.pieces({"type": "message", "role": "user", "content": content})


def _content(parts: Iterable[Text | Image], holes: Placeholders) -> list[dict[str, Any]]:
    return [_part(part, holes) for part in parts]


def _part(part: Text | Image, holes: Placeholders) -> dict[str, Any]:
    if isinstance(part, Image):
        return {"type": "input_image", "detail": "auto", "image_url": holes.hole(part)}
    return {"type": "input_text", "text": part.text}


def _assistant(message: Message) -> tuple[Pieces, ...]:
    """A message of the other API, or of none, from its words and calls. Its pictures are sent as
    the user's (`history`): no provider knows the id of an `image_generation_call` made up here.
    """
    items: list[Pieces] = []
    text = words(message)
    if not text and not message.calls and message.images:
        text = echo.in_words(message.images)
    if text:
        item = {"type": "message", "role": "assistant", "content": text}
        items.append((write(item),))
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


def _tool(message: Message, shown: MessageView) -> tuple[Pieces, ...]:
    """One item for each result, with its pictures; what else goes beside them follows as the
    user's.
    """
    items: list[Pieces] = []
    gone = set(shown.hidden)
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    for result in results:
        holes = Placeholders()
        images = [part for part in visible(result.parts, gone) if isinstance(part, Image)]
        output: object = result.text
        if images:
            text = [Text(result.text)] if result.text else []
            output = _content([*text, *images], holes)
        item = {"type": "function_call_output", "call_id": result.call_id, "output": output}
        items.append(holes.pieces(item))
    if follow := list(beside(shown)):
        items.append(_user(follow))
    return tuple(items)
