"""Small defects of a reply: in what it holds, in the JSON of its events, and in the lines that
carry them.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from agentkit.emulator.faults.defects import LINES, SHAPES, Event, edit
from agentkit.emulator.faults.values import Fault
from agentkit.emulator.json_values import as_object
from agentkit.emulator.script import CallTool, Failure, Item, Json, Reply, Say
from agentkit.emulator.wire.sse import encode

MEGABYTE = 1_000_000
DEPTH = 10_000
PIECE = 20_000  # characters of large arguments in one event


def distorted_reply(reply: Reply, fault: Fault | None) -> Reply:
    """A reply with the fault's defects in its content, before any dialect encodes it."""
    if fault is None:
        return reply
    error = fault.error
    if error is not None:
        failure = Failure(
            error.message,
            error.code,
            error.form,
            error.metadata,
            error.error_type,
            event=error.event,
        )
        reply = replace(reply, error=failure, content=reply.content if error.content else ())
    for quirk in fault.quirks:
        group, _, kind = quirk.partition(".")
        if group == "arguments":
            reply = _calls(
                reply,
                lambda call, kind=kind: replace(
                    call, arguments=_arguments(kind, call.arguments_text())
                ),
            )
            reply = (
                replace(reply, chunk=reply.chunk or PIECE) if kind in ("large", "deep") else reply
            )
        elif group == "text":
            reply = _texts(reply, kind)
        elif group == "calls":
            reply = _with_calls(reply, kind)
    return reply


def _calls(reply: Reply, change: Callable[[CallTool], CallTool]) -> Reply:
    return replace(
        reply,
        content=tuple(
            change(item) if isinstance(item, CallTool) else item for item in reply.content
        ),
    )


def _arguments(kind: str, text: str) -> str:
    try:
        known = as_object(json.loads(text)) or {}
    except ValueError:
        known = {}
    name = json.dumps(next(iter(known), "city"))
    opened = text.rstrip().removesuffix("}").rstrip()
    comma = "," if len(opened) > 1 else ""
    return {
        "empty": lambda: "",
        "double": lambda: json.dumps(text),
        "invalid": lambda: opened + comma,
        "large": lambda: f'{opened}{comma}"padding":"{"x" * MEGABYTE}"}}',
        "deep": lambda: f"{{{name}:{'[' * DEPTH}{']' * DEPTH}}}",
        "nan": lambda: f"{{{name}:NaN}}",
        "duplicate_keys": lambda: f'{opened}{comma}{name}:"another"}}',
        "array": lambda: f"[{text}]",
    }[kind]()


def _texts(reply: Reply, kind: str) -> Reply:
    added = {
        "lone_surrogate": " \ud83d!",
        # A fox emoji: each half of the pair comes in a delta of its own.
        "split_surrogates": " \ud83e\udd8a",
        "separators": " one\u2028two\u2029three\u0085four",
        "controls": " \x1b[31mred\x1b[0m \x07\u202eback\u202c",
        "unicode": " \N{FOX FACE} na\u00efve \u6f22\u5b57",
    }[kind]
    items = [
        replace(item, text=item.text + added) if isinstance(item, Say) else item
        for item in reply.content
    ]
    if not any(isinstance(item, Say) for item in items):
        items.insert(0, Say(added))
    return replace(
        reply, content=tuple(items), chunk=1 if kind == "split_surrogates" else reply.chunk
    )


def _with_calls(reply: Reply, kind: str) -> Reply:
    match kind:
        case "unknown_tool":
            return _calls(reply, lambda call: replace(call, name="no_such_tool"))
        case "server_tool":
            return _calls(reply, lambda call: replace(call, name="openrouter:image_generation"))
        case "same_id":
            return _with_one_id(reply)
        case "cut":
            cut = _calls(
                reply,
                lambda call: replace(
                    call, arguments=call.arguments_text()[: len(call.arguments_text()) // 2]
                ),
            )
            return replace(cut, finish_reason="length")
        case "wrong_finish":
            return replace(reply, finish_reason="stop")
        case _:
            return reply  # the others concern how a call is written


def _with_one_id(reply: Reply) -> Reply:
    """All calls with the id of the first; where there is one call, it comes twice."""
    calls = [item for item in reply.content if isinstance(item, CallTool)]
    if not calls:
        return reply
    shared = calls[0].id or "call_same"
    items: list[Item] = [
        replace(item, id=shared) if isinstance(item, CallTool) else item for item in reply.content
    ]
    return replace(
        reply, content=(*items, replace(calls[0], id=shared)) if len(calls) == 1 else tuple(items)
    )


# On the wire


def distort_result(quirks: Sequence[str], api: str, body: bytes) -> bytes:
    """A whole JSON body with the defects that show in it."""
    value: Json = json.loads(body)
    for quirk in quirks:
        value = edit(quirk, api, value, whole=True)
    return encode(value)


def distort_events(quirks: Sequence[str], api: str, pieces: Sequence[bytes]) -> list[bytes]:
    """The pieces of a stream with the defects that show in them."""
    events: list[Event] = [_parsed(piece) for piece in pieces]
    for quirk in quirks:
        events = [
            edit(quirk, api, event, whole=False) if isinstance(event, dict) else event
            for event in events
        ]
        if quirk in SHAPES:
            events = SHAPES[quirk](events, api)
    written = [
        event if isinstance(event, bytes) else b"data: " + encode(event) + b"\n\n"
        for event in events
    ]
    for quirk in quirks:
        if quirk in LINES:
            written = LINES[quirk](written)
    return written


def _parsed(piece: bytes) -> Event:
    if not piece.startswith(b"data: {"):
        return piece
    value: Json = json.loads(piece[6:])
    return value
