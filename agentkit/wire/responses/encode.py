"""The Responses API: from values to the wire. It keeps no state, so every item is sent again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from agentkit.run.audience import Audience
from agentkit.run.history import MessageView, echoed, is_taken_back
from agentkit.values import File, Image, Message, Pieces, Text, ToolCall, ToolResult
from agentkit.wire.body import (
    Encoded,
    FileWords,
    Placeholders,
    Sent,
    around,
    beside,
    called_in_words,
    fitting_choice,
    result_text,
    results_in_words,
    settings,
    system_text,
    things_in,
    with_marks,
    with_surroundings,
    words,
)
from agentkit.wire.cache_marks import Ends
from agentkit.wire.echo import in_words
from agentkit.wire.fields import reasons, with_extra
from agentkit.wire.json import write
from agentkit.wire.reasoning import Recipient, unsigned_item
from agentkit.wire.responses.echo import echo
from agentkit.wire.tool_calls import for_history, sent_name
from agentkit.wire.types import Request

PATH = "/responses"


def encode(request: Request, encoded: Encoded | None = None) -> Pieces:
    """The request's body for `POST /responses`."""
    cache = encoded if encoded is not None else Encoded()
    audience, ends = request.audience, Ends()
    cache.address(request)
    items: list[Pieces] = []
    if request.cache is not None and request.instructions.strip():
        # The field `instructions` is one text, which can carry no mark.
        content = system_text(request, "responses", "input_text")
        items.append((write({"type": "message", "role": "system", "content": content}),))
    every = cache.every(request, "responses", partial(_items, audience=audience, cache=cache), ends)
    items += every if request.cache is None else with_marks(request, "responses", every, ends)
    return around(cache.heads.of(request, "responses", _head), "input", items)


def _head(request: Request) -> dict[str, Any]:
    given = request.settings
    tools: list[dict[str, Any]] = [
        {
            "type": "function",
            "name": spec.name,
            "description": spec.description,
            "parameters": spec.schema,
            "strict": spec.strict,
            **spec.entry,
        }
        for spec in request.functions
    ]
    if not request.closing:
        tools += [dict(tool) for tool in request.server_tools]
    own: dict[str, Any] = {
        "instructions": _instructions(request),
        "max_output_tokens": request.max_tokens,
        "tools": tools or None,
        "tool_choice": _tool_choice(request),
        "include": ["reasoning.encrypted_content"] if _may_reason(request) else None,
    }
    if request.server_tools and not request.fields.openrouter:
        own["max_tool_calls"] = _server_calls(request)
    if request.output is not None:
        own["text"] = {
            "format": {
                "type": "json_schema",
                "name": request.output.name,
                "strict": True,
                "schema": request.output.schema,
            }
        }
    return with_extra(with_extra(settings(request, "responses"), own), given.extra)


def _instructions(request: Request) -> str | None:
    is_item = request.cache is not None
    return request.instructions if request.instructions.strip() and not is_item else None


def _server_calls(request: Request) -> int | None:
    """How many calls the tools of the service may have, in all."""
    left = request.server_calls_left
    return None if left is None or request.closing else max(1, left)


def _may_reason(request: Request) -> bool:
    return request.fields.openrouter or reasons(request.model)


def _tool_choice(request: Request) -> object:
    choice = fitting_choice(request)
    if choice is None or choice in {"auto", "none", "required"}:
        return choice
    if any(spec.name == choice for spec in request.functions):
        return {"type": "function", "name": choice}
    kinds = [tool.get("type") for tool in request.server_tools]
    named = choice.removeprefix("openrouter:")
    if not request.fields.openrouter and named in kinds:
        return {"type": named}
    return "required"  # this API has no form that names a server tool of OpenRouter's


def _items(
    message: Message, shown: MessageView, audience: Audience, cache: Encoded
) -> tuple[Pieces, ...]:
    if (kept := cache.get(message, "responses", shown)) is not None:
        return kept
    if message.role == "user":
        items = (_user(with_surroundings(message, shown)),)
    elif message.role == "tool":
        items = _tool(message, shown, audience, in_parts=cache.in_parts)
    elif echoed(message, "responses", audience) and not shown.calls.in_words:
        items = echo(message, shown, audience)
    else:
        items = _assistant(message, shown, audience)
    return cache.put(message, "responses", shown, items)


def _user(parts: Iterable[Sent]) -> Pieces:
    holes = Placeholders()
    content = _content(parts, holes)
    return holes.pieces({"type": "message", "role": "user", "content": content})


def _content(parts: Iterable[Sent], holes: Placeholders) -> list[dict[str, Any]]:
    return [_part(part, holes) for part in parts]


def _part(part: Sent, holes: Placeholders) -> dict[str, Any]:
    match part:
        case Image():
            return {"type": "input_image", "detail": "auto", "image_url": holes.hole(part)}
        case File():
            data = holes.hole(part)
            return {"type": "input_file", "filename": part.file_name, "file_data": data}
        case FileWords(file=file):
            return {"type": "input_text", "text": holes.hole(file, "text")}
        case Text():
            return {"type": "input_text", "text": part.text}


def _assistant(message: Message, shown: MessageView, audience: Audience) -> tuple[Pieces, ...]:
    """A message of the other API, or of none, from its words and calls. Its pictures are sent as
    the user's (`history`): no provider knows the id of an `image_generation_call` made up here.
    """
    items: list[Pieces] = []
    calls, text = message.calls, words(message)
    if shown.calls.in_words:
        calls, text = (), called_in_words(message, shown)
    if not text and not calls and message.images:
        text = in_words(message.images)
    if text:
        item = {"type": "message", "role": "assistant", "content": text}
        items.append((write(item),))
    ids = dict(shown.calls.ids)
    if calls and Recipient.of(message, audience).wants_signed_calls:
        items.append((write(unsigned_item(ids.get(calls[0].id, calls[0].id))),))
    items += [(write(_call(call, ids)),) for call in calls]
    return tuple(items)


def _call(call: ToolCall, ids: Mapping[str, str]) -> dict[str, Any]:
    """A call without an id of its item: one that is made up would have to look like OpenAI's."""
    return {
        "type": "function_call",
        "call_id": ids.get(call.id, call.id),
        "name": sent_name(call.name),
        "arguments": for_history(call.arguments),
        "status": "completed",
    }


def _tool(
    message: Message, shown: MessageView, audience: Audience, *, in_parts: bool
) -> tuple[Pieces, ...]:
    """One item for each result, with its pictures; what else goes beside them follows as the
    user's.
    """
    if shown.calls.in_words:
        return (_user(results_in_words(message, shown)),)
    items: list[Pieces] = []
    gone, ids = set(shown.hidden), dict(shown.calls.ids)
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    for result in results:
        if result.approved is not None:
            if is_taken_back(message, "responses", audience):
                items.append((write(_verdict(result)),))
            continue
        holes = Placeholders()
        things = things_in(result, gone, shown)
        output: object = result_text(result)
        if in_parts and not things:
            output = _content([Text(str(output))], holes)
        elif things:
            text = [Text(result.text)] if result.text.strip() else []
            output = _content([*text, *things], holes)
        call_id = ids.get(result.call_id, result.call_id)
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        items.append(holes.pieces(item))
    if follow := list(beside(shown)):
        items.append(_user(follow))
    return tuple(items)


def _verdict(said: ToolResult) -> dict[str, Any]:
    """What a person said to a call of a server of MCP that the service runs."""
    item = {
        "type": "mcp_approval_response",
        "approval_request_id": said.call_id,
        "approve": said.approved,
    }
    return {**item, "reason": said.text} if said.text else item
