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
    return {
        **settings(request),
        **{name: value for name, value in own.items() if value is not None},
        **given.extra,
    }


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
        own = visible(message.parts, set(shown.hidden))
        items = (_user([*([Text(shown.before)] if shown.before else []), *own, *beside(shown)]),)
    return cache.put(message, "responses", shown, items)


def _user(parts: Iterable[Text | Image]) -> Pieces:
    holes = Placeholders()
    return holes.pieces({"type": "message", "role": "user", "content": _content(parts, holes)})


def _content(parts: Iterable[Text | Image], holes: Placeholders) -> list[dict[str, Any]]:
    return [
        {"type": "input_image", "detail": "auto", "image_url": holes.hole(part)}
        if isinstance(part, Image)
        else {"type": "input_text", "text": part.text}
        for part in parts
    ]


def _assistant(message: Message) -> tuple[Pieces, ...]:
    """A message of the other API, or of none, from its words and calls. Its pictures go as the
    user's (`history`): an `image_generation_call` with an id that no provider gave rests on
    nothing."""
    items: list[Pieces] = []
    said = words(message)
    if not said and not message.calls and message.images:
        said = echo.in_words(message.images)
    if said:
        items.append((write({"type": "message", "role": "assistant", "content": said}),))
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
    for result in (part for part in message.parts if isinstance(part, ToolResult)):
        holes = Placeholders()
        images = [part for part in visible(result.parts, gone) if isinstance(part, Image)]
        said = [Text(result.text)] if result.text else []
        output: object = _content([*said, *images], holes) if images else result.text
        items.append(
            holes.pieces(
                {"type": "function_call_output", "call_id": result.call_id, "output": output}
            )
        )
    if follow := list(beside(shown)):
        items.append(_user(follow))
    return tuple(items)
