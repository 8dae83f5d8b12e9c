"""Chat Completions: from values to the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from agentkit.run.audience import Audience
from agentkit.run.history import PLAIN, MessageView, echoed
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
    joined,
    listed,
    lone_text,
    notes_of,
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
from agentkit.wire.chat.echo import echo
from agentkit.wire.echo import in_words
from agentkit.wire.fields import with_extra
from agentkit.wire.json import write
from agentkit.wire.reasoning import Recipient, readable, with_reasoning
from agentkit.wire.tool_calls import for_history, sent_name
from agentkit.wire.types import JsonObject, Request

PATH = "/chat/completions"


def encode(request: Request, encoded: Encoded | None = None) -> Pieces:
    """The request's body for `POST /chat/completions`."""
    cache = encoded if encoded is not None else Encoded()
    audience, ends = request.audience, Ends()
    cache.address(request)
    items: list[Pieces] = []
    if request.instructions.strip():
        items.append((write({"role": "system", "content": _instructions(request)}),))
    every = cache.every(request, "chat", partial(_items, audience=audience, cache=cache), ends)
    items += every if request.cache is None else with_marks(request, "chat", every, ends)
    return around(cache.heads.of(request, "chat", _head), "messages", items)


def _instructions(request: Request) -> object:
    if request.cache is None:
        return request.instructions
    return system_text(request, "chat", "text")


def _head(request: Request) -> dict[str, Any]:
    given = request.settings
    head = settings(request, "chat")
    tools = [_function(request, index) for index in range(len(request.functions))]
    if not request.closing:
        tools += [_server_tool(tool) for tool in request.server_tools]
    own: dict[str, Any] = {
        request.fields.max_tokens: request.max_tokens,
        "seed": given.seed,
        "tools": tools or None,
        "tool_choice": _tool_choice(request),
    }
    if request.stream and not request.fields.openrouter:
        # Without it, no service but OpenRouter tells what a stream used.
        own["stream_options"] = {"include_usage": True}
    if request.output is not None:
        schema = {"name": request.output.name, "strict": True, "schema": request.output.schema}
        own["response_format"] = {"type": "json_schema", "json_schema": schema}
    return with_extra(with_extra(head, own), given.extra)


def _function(request: Request, index: int) -> dict[str, Any]:
    spec = request.functions[index]
    function: dict[str, Any] = {
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.schema,
    }
    if spec.strict is not None:
        function["strict"] = spec.strict
    mark: dict[str, Any] = {}
    if request.cache is not None and request.marks_tools and spec is request.functions[-1]:
        mark = request.cache.field("chat")
    return {"type": "function", "function": function, **mark, **spec.entry}


def _server_tool(tool: JsonObject) -> dict[str, Any]:
    """The entry of a server tool. This API takes the search tools of Responses as they are, and
    every other tool with its parameters under `parameters` (`ChatFunctionTool` of OpenRouter's
    SDK).
    """
    kind = str(tool.get("type"))
    parameters = {name: value for name, value in tool.items() if name != "type"}
    if not parameters or kind.startswith(("openrouter:", "web_search")):
        return dict(tool)
    return {"type": kind, "parameters": parameters}


def _tool_choice(request: Request) -> object:
    choice = fitting_choice(request)
    if choice in {None, "auto", "none", "required"}:
        return choice
    if any(spec.name == choice for spec in request.functions):
        return {"type": "function", "function": {"name": choice}}
    return {"type": choice}


def _items(
    message: Message, shown: MessageView, audience: Audience, cache: Encoded
) -> tuple[Pieces, ...]:
    if (kept := cache.get(message, "chat", shown)) is not None:
        return kept
    if message.role == "user" and shown is PLAIN and (text := lone_text(message)) is not None:
        parts = [{"type": "text", "text": text}]
        items = ((write({"role": "user", "content": parts if cache.in_parts else text}),),)
    elif message.role == "user":
        items = (_user(with_surroundings(message, shown), in_parts=cache.in_parts),)
    elif message.role == "tool":
        items = _tool(message, shown, in_parts=cache.in_parts)
    elif echoed(message, "chat", audience) and not shown.calls.in_words:
        items = echo(message, shown, audience)
    else:
        items = (_assistant(message, shown, audience),)
    if message.parsed and not audience.strict:
        items = _with_notes(items, message, shown)
    return cache.put(message, "chat", shown, items)


def _with_notes(
    items: tuple[Pieces, ...], message: Message, shown: MessageView
) -> tuple[Pieces, ...]:
    """The reply with what was read out of the files that go again, so that nobody pays for it a
    second time.
    """
    notes = [each.item for each in notes_of(message, shown)]
    *others, last = items
    end = last[-1]
    if not notes or not isinstance(end, bytes):
        return items
    start = (*last[:-1], end[:-1] + b',"annotations":[')
    return (*others, joined([start, *listed(notes), (b"]}",)]))


def _user(parts: Sequence[Sent], *, in_parts: bool) -> Pieces:
    holes = Placeholders()
    content = [_part(part, holes) for part in parts]
    if not in_parts and len(content) == 1 and content[0]["type"] == "text":
        return holes.pieces({"role": "user", "content": content[0]["text"]})
    return holes.pieces({"role": "user", "content": content})


def _part(part: Sent, holes: Placeholders) -> dict[str, Any]:
    match part:
        case Image():
            return {"type": "image_url", "image_url": {"url": holes.hole(part)}}
        case File():
            file = {"filename": part.file_name, "file_data": holes.hole(part)}
            return {"type": "file", "file": file}
        case FileWords(file=file):
            return {"type": "text", "text": holes.hole(file, "text")}
        case Text():
            return {"type": "text", "text": part.text}


def _assistant(message: Message, shown: MessageView, audience: Audience) -> Pieces:
    """A message of the other API, or of none, from its words and calls. Its pictures are sent as
    the user's (`history`).
    """
    recipient = Recipient.of(message, audience)
    item: dict[str, Any] = {"role": "assistant", "content": words(message)}
    if shown.calls.in_words:
        item["content"] = called_in_words(message, shown)
    elif calls := message.calls:
        item["content"] = item["content"] or None
        ids = dict(shown.calls.ids)
        item["tool_calls"] = [_call(call, ids) for call in calls]
    elif not item["content"]:
        item["content"] = in_words(message.images)
    if recipient.is_anybody:
        item["reasoning"] = readable(message)
    with_reasoning(item, message, recipient)
    return (write({name: value for name, value in item.items() if value or name == "content"}),)


def _call(call: ToolCall, ids: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": ids.get(call.id, call.id),
        "type": "function",
        "function": {"name": sent_name(call.name), "arguments": for_history(call.arguments)},
    }


def _tool(message: Message, shown: MessageView, *, in_parts: bool) -> tuple[Pieces, ...]:
    """One item for each result; pictures follow in a user's message, since many providers refuse
    them in a tool's.
    """
    if shown.calls.in_words:
        return (_user(results_in_words(message, shown), in_parts=in_parts),)
    items: list[Pieces] = []
    follow: list[Sent] = []
    gone, ids = set(shown.hidden), dict(shown.calls.ids)
    parts = [part for part in message.parts if isinstance(part, ToolResult)]
    results = [part for part in parts if part.approved is None]  # Responses alone asks for others
    for result in results:
        call_id = ids.get(result.call_id, result.call_id)
        text: object = result_text(result)
        if in_parts:
            text = [{"type": "text", "text": text}]
        item = {"role": "tool", "tool_call_id": call_id, "content": text}
        items.append((write(item),))
        things = things_in(result, gone, shown)
        images = [part for part in things if isinstance(part, Image)]
        if images:
            names = ", ".join(image.name for image in images)
            follow += [Text(f"Pictures from {result.name} ({names}):"), *images]
        files = [part for part in things if not isinstance(part, Image)]
        if files:
            follow += [Text(f"Files from {result.name}:"), *files]
    follow += beside(shown)
    if follow:
        items.append(_user(follow, in_parts=in_parts))
    return tuple(items)
