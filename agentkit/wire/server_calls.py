"""Calls of server tools: what an item of Responses, or a record of chat, says of the call, and the
pictures in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from agentkit.values import Invocation, InvocationStatus, Place
from agentkit.wire import shapes
from agentkit.wire.common import IMAGE_ITEMS, picture_values
from agentkit.wire.inline import may_hold
from agentkit.wire.json import (
    UnreadableJson,
    as_object,
    as_text,
    keepable,
    read,
    with_texts,
    write,
)
from agentkit.wire.tool_calls import parse_object
from agentkit.wire.types import BLOB, IMAGE_GENERATION, ImageKey, ImageRef, JsonObject, NewFilter
from agentkit.wire.usage import own_cost

Called = tuple[Invocation, tuple[ImageRef, ...]]
"""A call, and the pictures that it gave."""

APPROVAL = "mcp_approval_request"
_BLOCKED = "openrouter:armor_blocked"
_LEFT_TO_US = frozenset(
    {
        "custom_tool_call",
        "computer_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "tool_search_call",
    }
)
"""Calls that the client has to run; OpenRouter may run some, and then there is an output."""
_NOT_RUN = "not run: such a call is left to the program, and agentkit has no tool for it"
_RUNNING = frozenset({"in_progress", "generating", "searching", "interpreting", "queued"})
_ENDS: Mapping[object, InvocationStatus] = {
    "failed": "failed",
    "incomplete": "failed",
    "error": "failed",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "blocked": "denied",
}
_ARGUMENTS = (
    "prompt",
    "query",
    "queries",
    "url",
    "action",
    "code",
    "language",
    "input",
    "operation",
    "command",
    "commands",
    "key",
    "filePath",
    "task_name",
    "task_description",
)
"""Fields of items that say what a tool was asked to do."""
_NO_RESULT = frozenset(
    {
        "id",
        "type",
        "status",
        "call_id",
        "name",
        "namespace",
        "server_label",
        "serverLabel",
        "toolName",
        "error",
        "arguments",
        "container_id",
        "created_by",
        "environment",
        "max_output_length",
        "approval_request_id",
        "pending_safety_checks",
        "usage",
        "cost",
        *_ARGUMENTS,
    }
)
_SAID = frozenset({"arguments", "error", "usage", *_ARGUMENTS})
"""Fields of a drawing that hold no picture of it."""
_LEVELS = 16
_OTHERS_PAGES = ("web_search", "web_fetch", "file_search")
"""Tools whose results name pictures of other people's pages."""


def server_status(status: object, *, failed: bool) -> InvocationStatus:
    """How a call stands, by the `status` of its item."""
    if failed:
        return "failed"
    if isinstance(status, str) and status in _RUNNING:
        return "running"
    return _ENDS.get(status, "completed") if isinstance(status, str) else "completed"


def is_call(kind: str) -> bool:
    """Whether items of this type are calls of tools that are not functions of the user's."""
    return kind.startswith("openrouter:") or kind.endswith("_call") or kind == APPROVAL


def is_output(kind: str) -> bool:
    """Whether items of this type hold what another item's call gave."""
    return kind.endswith(("_call_output", "tool_search_output"))


def result_of(item: JsonObject) -> str | None:
    """What a call gave, whole: the one field that says it, or all of them as JSON."""
    rest = {
        name: value
        for name, value in item.items()
        if name not in _NO_RESULT and value is not None and value != []
    }
    if not rest:
        return None
    value: object = next(iter(rest.values())) if len(rest) == 1 else rest
    return value if isinstance(value, str) else write(value).decode()


def without_base64(item: JsonObject, new_filter: NewFilter) -> JsonObject:
    """An item with the pictures taken out of the strings of its result."""

    def filtered(text: str) -> str:
        return text_without_base64(text, new_filter)

    return {
        name: value if name in _ARGUMENTS or name == "arguments" else with_texts(value, filtered)
        for name, value in item.items()
    }


def text_without_base64(text: str, new_filter: NewFilter) -> str:
    """A text with the pictures taken out of it."""
    if not may_hold(text):
        return text
    words = new_filter()
    return words.more(text) + words.rest()


def server_item(item: JsonObject, key: ImageKey, *, tracked: bool) -> Called:
    """Responses: `openrouter:image_generation`, `image_generation_call`, and any other item that is
    no message, reasoning or function call. `tracked`: the item is a tool's call (a model that draws
    by itself gives items of the same type)."""
    kind = as_text(item.get("type")) or "openrouter:unknown"
    words = _error_of(item)
    ids = ("id", "call_id") if kind == APPROVAL else ("call_id", "id")
    call_id = as_text(item.get(ids[0])) or as_text(item.get(ids[1])) or str(key)
    status = server_status(item.get("status"), failed=words is not None)
    if kind in IMAGE_ITEMS and status == "running" and picture_values(item):
        status = "completed"  # OpenAI streams the whole item as `generating`
    elif kind == APPROVAL:
        status = "pending"
    elif kind == _BLOCKED:
        status, words = "denied", words or as_text(item.get("reason")) or "blocked"
    elif kind in _LEFT_TO_US and status == "completed":
        status, words = "cancelled", _NOT_RUN
    invocation = Invocation(
        call_id,
        _name_of(item, kind, tracked=tracked),
        _arguments_of(item),
        executor="server",
        status=status,
        result=None if kind in IMAGE_ITEMS else result_of(item),
        error=words,
        cost_usd=own_cost(item),
    )
    if kind in IMAGE_ITEMS:
        return invocation, _drawn(item, key, invocation, tracked=tracked)
    has_links = not any(each in kind for each in _OTHERS_PAGES)
    return invocation, refs_of(
        item, key, "item", links=has_links, invocation_id=call_id if tracked else None
    )


def refs_of(
    value: object,
    key: ImageKey,
    place: Place,
    *,
    links: bool = True,
    invocation_id: str | None = None,
) -> tuple[ImageRef, ...]:
    """The pictures anywhere in a JSON value, by their shape."""
    return tuple(
        [
            ImageRef(
                ImageKey(key.where, f"{key.at}:{number}"),
                place,
                seen.values,
                alt=seen.alt,
                invocation_id=invocation_id,
                error=seen.error,
            )
            for number, seen in enumerate(shapes.pictures(value, links=links))
        ]
    )


def _drawn(
    item: JsonObject, key: ImageKey, call: Invocation, *, tracked: bool
) -> tuple[ImageRef, ...]:
    kind = item.get("type")
    no_picture = f"the server tool ended as {item.get('status')!r} without a picture"
    ref = ImageRef(
        key,
        "server_tool" if kind == IMAGE_GENERATION else "image_generation_call",
        (),
        prompt=as_text(item.get("prompt")),
        revised_prompt=_revised_prompt(item),
        invocation_id=call.id if tracked else None,
        cost_usd=call.cost_usd,
    )
    return _each(ref, list(drawn_values(item)), call.error or no_picture)


def _each(ref: ImageRef, drawn: Sequence[tuple[str, ...]], why_none: str) -> tuple[ImageRef, ...]:
    """One such picture for each of the values; without any, the one that is missing."""
    if not drawn:
        return (replace(ref, error=why_none),)
    where, at = ref.key.where, ref.key.at
    keys = [ref.key, *[ImageKey(where, f"{at}:{number}") for number in range(1, len(drawn))]]
    if len(drawn) > 1:  # what they cost together is nobody's own cost
        ref = replace(ref, cost_usd=None)
    return tuple(
        [replace(ref, key=each, values=values) for each, values in zip(keys, drawn, strict=True)]
    )


def drawn_values(value: object, level: int = 0) -> Iterator[tuple[str, ...]]:
    """What may give the bytes of each picture in what a tool that draws has given: an object whose
    fields name one, or several of them in lists, under whatever name, also as JSON in a string.
    """
    if level > _LEVELS:
        return
    if isinstance(value, str):
        if (inner := _json_in(value)) is not None:
            yield from drawn_values(inner, level + 1)
        elif value.startswith((BLOB, "data:image/")) or shapes.is_url(value):
            yield (value,)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from drawn_values(each, level + 1)
    elif isinstance(value, dict):
        fields = cast("JsonObject", value)
        if values := tuple([each for each in picture_values(fields) if _json_in(each) is None]):
            yield values
            return
        for name, each in fields.items():
            if name not in _SAID:
                yield from drawn_values(each, level + 1)


def _json_in(text: str) -> object:
    """The object, the list or the text that a text holds as JSON; None where it holds none."""
    if text.lstrip()[:1] not in {"{", "[", '"'}:
        return None
    try:
        value: object = read(text.encode("utf-8", "replace"))
    except UnreadableJson:
        return None
    return None if isinstance(value, int | float) else value


def server_detail(detail: JsonObject, seed: str) -> Called:
    """Chat: a `reasoning.server_tool_call`, and the pictures in its result."""
    name = as_text(detail.get("tool_name")) or "openrouter:unknown"
    call_id = as_text(detail.get("tool_call_id")) or as_text(detail.get("id")) or f"server_{seed}"
    asked = detail.get("arguments")
    arguments = (
        keepable(as_object(asked)) if as_object(asked) else parse_object(as_text(asked) or "")
    )
    result, record = result_text(detail), _record_of(detail)
    failed = record.get("status") in {"error", "failed"} or bool(record.get("error"))
    error = _error_of(record) if failed else None
    invocation = Invocation(
        call_id,
        name,
        arguments,
        executor="server",
        status=server_status(record.get("status"), failed=failed),
        result=result,
        error=error,
        cost_usd=own_cost(record),
    )
    key = ImageKey("server", call_id)
    if name.removeprefix("openrouter:") != "image_generation":
        has_links = not any(each in name for each in _OTHERS_PAGES)
        value: object = record or result
        return invocation, refs_of(
            value, key, "reasoning_details", links=has_links, invocation_id=call_id
        )
    drawn = list(drawn_values(record or detail.get("result")))
    if not drawn and result and _json_in(result) is None:
        drawn = [(result,)]
    ref = ImageRef(
        key,
        "reasoning_details",
        (),
        prompt=as_text((arguments or {}).get("prompt")),
        revised_prompt=_revised_prompt(record),
        invocation_id=call_id,
        cost_usd=invocation.cost_usd,
    )
    return invocation, _each(ref, drawn, error or "the server tool gave no picture")


def result_text(detail: JsonObject) -> str | None:
    """What a record of chat says that the call gave, as JSON where it came as a value."""
    given: object = detail.get("result")
    is_value = isinstance(given, dict | list)
    return write(cast("object", given)).decode() if is_value else as_text(given)


def _record_of(detail: JsonObject) -> JsonObject:
    """The object that the call gave; an empty one where it gave anything else."""
    given = detail.get("result")
    return as_object(given) or parse_object(as_text(given) or "") or {}


def _revised_prompt(holder: JsonObject) -> str | None:
    return as_text(holder.get("revisedPrompt")) or as_text(holder.get("revised_prompt"))


def _error_of(item: JsonObject) -> str | None:
    """The words of an item's error, which may be an object."""
    error = item.get("error")
    if not error:
        return None
    words = as_text(error) or as_text(as_object(error).get("message"))
    return words or write(error).decode()


def _name_of(item: JsonObject, kind: str, *, tracked: bool) -> str:
    """The name of the tool: an item of a kind that calls others' tools says it."""
    if kind == "image_generation_call":
        return IMAGE_GENERATION if tracked else kind
    calls_others = kind in {"mcp_call", "openrouter:mcp", "custom_tool_call", APPROVAL, _BLOCKED}
    named = as_text(item.get("name")) or as_text(item.get("toolName"))
    return named if calls_others and named else kind


def _arguments_of(item: JsonObject) -> dict[str, Any] | None:
    given = item.get("arguments")
    if isinstance(given, dict):
        return keepable(cast("JsonObject", given))
    if isinstance(given, str) and (parsed := parse_object(given)) is not None:
        return parsed
    known = {name: item[name] for name in _ARGUMENTS if item.get(name) is not None}
    if not known and isinstance(given, str) and given:
        known = {"arguments": given}
    return keepable(known) if known else None
