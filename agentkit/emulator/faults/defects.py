"""Defects of a stream: of the JSON of one event, of the order of all, and of their lines."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from agentkit.emulator.json_values import as_list, as_object
from agentkit.emulator.script import Json
from agentkit.emulator.wire.sse import COMMENT, DONE

Event = Json | bytes
"""An event's JSON, or a comment or `[DONE]` as it is written."""

# One event, or a whole body


def edit(quirk: str, api: str, value: Json, *, whole: bool) -> Json:
    """The value with one defect in it, if it has a place for it."""
    match quirk:
        case "calls.no_id":
            return _each_call(
                value, lambda call: {k: v for k, v in call.items() if k not in ("id", "call_id")}
            )
        case "calls.index_zero" if api == "chat":
            return _each_call(value, lambda call: {**call, "index": 0})
        case "unknown.field":
            return {**value, "hologram": {"depth": 3, "layers": [1, None, "x"]}}
        case "unknown.enum":
            return _each_object(value, _unknown_enum)
        case "unknown.item" if api == "responses":
            return _with_item(value)
        case "unknown.item" if api == "chat" and whole:
            return _in_choices(value, "message", {"hologram": [{"type": "hologram"}]})
        case _:
            return value


def _each_object(value: Any, change: Callable[[Json], Json]) -> Any:
    if (members := as_list(value)) is not None:
        return [_each_object(member, change) for member in members]
    if (fields := as_object(value)) is not None:
        return change({key: _each_object(member, change) for key, member in fields.items()})
    return value


def _each_call(value: Json, change: Callable[[Json], Json]) -> Json:
    def one(fields: Json) -> Json:
        is_call = fields.get("type") == "function_call" or (
            "function" in fields and fields.get("type") != "function_tool"
        )
        return change(fields) if is_call else fields

    return _each_object(value, one)


def _unknown_enum(fields: Json) -> Json:
    if fields.get("native_finish_reason"):
        return {**fields, "native_finish_reason": "HOLOGRAM_COMPLETE"}
    if fields.get("type") == "message" and fields.get("status"):
        return {**fields, "status": "crystallised"}
    return fields


def _with_item(value: Json) -> Json:
    """An item of an unknown type in front of the others of a response."""
    response = as_object(value.get("response")) or value
    output = as_list(response.get("output"))
    if not output:
        return value
    item = {"type": "openrouter:hologram", "id": "holo_1", "status": "completed", "depth": 3}
    changed = {**response, "output": [*output, item]}
    return {**value, "response": changed} if "response" in value else changed


def _in_choices(value: Json, key: str, fields: Json) -> Json:
    choices = [
        {**choice, key: {**choice.get(key, {}), **fields}} for choice in value.get("choices", [])
    ]
    return {**value, "choices": choices}


# The order of all events


def _choice(event: Event) -> Json:
    choices = as_list(event.get("choices")) if isinstance(event, dict) else None
    return (as_object(choices[0]) if choices else None) or {}


def _finished(event: Event) -> bool:
    if isinstance(event, bytes):
        return False
    ended = (
        "response.completed",
        "response.failed",
        "response.incomplete",
        "image_generation.completed",
    )
    return bool(_choice(event).get("finish_reason")) or event.get("type") in ended


def _repeatable(event: Event, api: str) -> bool:
    """A chunk of chat has no number: one that holds text or a piece of arguments cannot be told
    from a new one.
    """
    if isinstance(event, bytes):
        return event.startswith(b":")
    delta = _choice(event).get("delta", {})
    pieces = [call.get("function", {}).get("arguments") for call in delta.get("tool_calls") or ()]
    return api != "chat" or not (delta.get("content") or delta.get("reasoning") or any(pieces))


def _duplicated(events: Sequence[Event], api: str) -> list[Event]:
    return [
        each
        for event in events
        for each in ([event, event] if _repeatable(event, api) else [event])
    ]


def _shuffled(events: Sequence[Event], api: str) -> list[Event]:
    """Pieces of different calls or items take turns, the last one first; those of one stay in
    order.
    """

    def key(event: Event) -> int | None:
        if isinstance(event, bytes):
            return None
        if api == "chat":
            calls = _choice(event).get("delta", {}).get("tool_calls")
            return calls[0].get("index") if calls else None
        index = event.get("output_index")
        return index if isinstance(index, int) else None

    groups: dict[int, list[Event]] = {}
    for event in events:
        if (index := key(event)) is not None:
            groups.setdefault(index, []).append(event)
    queues = [groups[index] for index in sorted(groups, reverse=True)]
    turns = [
        queue[turn]
        for turn in range(max(map(len, queues), default=0))
        for queue in queues
        if turn < len(queue)
    ]
    mixed = iter(turns)
    return [next(mixed) if key(event) is not None else event for event in events]


def _finishes(events: Sequence[Event], wanted: int) -> list[Event]:
    """So many events with the finish reason: the usage stays in the last."""
    found = [event for event in events if _finished(event)]
    if not found:
        return list(events)
    rest = [event for event in events if not _finished(event)]
    at = next(index for index, event in enumerate(events) if _finished(event))
    return [*rest[:at], *([found[0]] * (wanted - 1)), *found[-1:][:wanted], *rest[at:]]


def _usage_apart(events: Sequence[Event], api: str) -> list[Event]:
    """The usage in a chunk of its own, whose `choices` are empty."""
    if api != "chat":
        return list(events)
    found: list[Event] = []
    usage: Json | None = None
    for event in events:
        if isinstance(event, dict) and "usage" in event:
            usage = {**event, "choices": []}
            found.append({key: value for key, value in event.items() if key != "usage"})
            continue
        if event == DONE and usage is not None:
            found.append(usage)
        found.append(event)
    return found


def _renamed(events: Sequence[Event], *, repeated: bool) -> list[Event]:
    """A call's name in two pieces, or again in every piece of its arguments."""
    found: list[Event] = []
    names: dict[int, str] = {}
    for event in events:
        calls = as_list(_choice(event).get("delta", {}).get("tool_calls"))
        call = as_object(calls[0]) if calls else None
        if call is None or not isinstance(event, dict):
            found.append(event)
            continue
        name = call["function"].get("name")
        if name:
            names[call["index"]] = name
        middle = len(name or "") // 2
        written = (
            [names.get(call["index"], "")]
            if repeated
            else [name[:middle], name[middle:]]
            if name
            else [None]
        )
        for number, part in enumerate(written):
            function = {**call["function"], **({} if part is None else {"name": part})}
            first = call if number == 0 else {"index": call["index"]}
            choice = {
                **event["choices"][0],
                "delta": {"content": None, "tool_calls": [{**first, "function": function}]},
            }
            found.append({**event, "choices": [choice]})
    return found


def _unknown_events(events: Sequence[Event], api: str) -> list[Event]:
    strange: Json = (
        {"object": "hologram.chunk", "choices": [], "depth": 3}
        if api == "chat"
        else {
            "type": f"{'image_generation' if api == 'images' else 'response'}.hologram.spun",
            "output_index": 99,
            "depth": 3,
        }
    )
    return [
        each
        for event in events
        for each in ([event] if event == DONE or isinstance(event, bytes) else [strange, event])
    ]


SHAPES: dict[str, Callable[[Sequence[Event], str], list[Event]]] = {
    "stream.duplicated": _duplicated,
    "stream.shuffled": _shuffled,
    "stream.two_finishes": lambda events, _: _finishes(events, 2),
    "stream.one_finish": lambda events, _: _finishes(events, 1),
    "stream.no_finish": lambda events, _: [
        event for event in _finishes(events, 0) if event != DONE
    ],
    "stream.no_done": lambda events, _: [event for event in events if event != DONE],
    "stream.usage_apart": _usage_apart,
    "calls.split_name": lambda events, api: (
        _renamed(events, repeated=False) if api == "chat" else list(events)
    ),
    "calls.repeated_name": lambda events, api: (
        _renamed(events, repeated=True) if api == "chat" else list(events)
    ),
    "unknown.event": _unknown_events,
}

# Lines


def _split_data(pieces: Sequence[bytes]) -> list[bytes]:
    """The JSON of an event over several `data:` lines, broken where white space may stand."""
    found: list[bytes] = []
    for piece in pieces:
        if not piece.startswith(b"data: {"):
            found.append(piece)
            continue
        lines = json.dumps(json.loads(piece[6:]), indent=0).split("\n")
        found.append(b"".join(b"data: " + line.encode("ascii") + b"\n" for line in lines) + b"\n")
    return found


def _named(pieces: Sequence[bytes]) -> list[bytes]:
    """With `event:`, `id:` and `retry:` lines, and without the space after the colon."""
    return [
        piece
        if not piece.startswith(b"data: ")
        else b"event:message\nid:%d\nretry:1000\ndata:" % number + piece[6:]
        for number, piece in enumerate(pieces)
    ]


def _around(pieces: Sequence[bytes], extra: bytes) -> list[bytes]:
    return [each for piece in pieces for each in (extra, piece)]


LINES: dict[str, Callable[[Sequence[bytes]], list[bytes]]] = {
    "stream.crlf": lambda pieces: [piece.replace(b"\n", b"\r\n") for piece in pieces],
    "stream.cr": lambda pieces: [piece.replace(b"\n", b"\r") for piece in pieces],
    "stream.bom": lambda pieces: [
        b"\xef\xbb\xbf" + piece if number == 0 else piece for number, piece in enumerate(pieces)
    ],
    "stream.split_data": _split_data,
    "stream.comments": lambda pieces: _around(pieces, COMMENT + b": \n\n"),
    "stream.empty_events": lambda pieces: _around(pieces, b"data:\n\n"),
    "stream.event_names": _named,
}
