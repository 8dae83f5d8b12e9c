"""Replies as the emulator writes them, recorded once: small ones, so that they can be cut at every
byte.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from urllib.request import Request, urlopen

from agentkit.emulator import (
    CallTool,
    Draw,
    Emulator,
    Fault,
    Reply,
    ReplyError,
    Say,
    Think,
    UseServerTool,
)
from tests.clock import GUARD
from tests.conftest import picture

RED, BLUE = picture("red", (5, 4)), picture("blue", (4, 5))
NOISY = picture(size=(50, 40), noise=7)
"""Large enough for the spool to take it out of the stream as it comes."""
PATHS = {"chat": "/chat/completions", "responses": "/responses", "images": "/images"}
NOTE = {
    "url": "https://example.com/a",
    "title": "A page",
    "content": "words",
    "start_index": 0,
    "end_index": 5,
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>'


@dataclass(frozen=True)
class Recorded:
    """A whole reply. `finish`: from how many bytes on the reply is known to be whole; `pictures`:
    for each, where its last byte is, by its data."""

    name: str
    api: str
    stream: bool
    body: bytes = field(repr=False)
    finish: int = 0
    pictures: Sequence[tuple[int, bytes]] = field(default=(), repr=False)
    fails: bool = False
    """It ends in an error of its own."""

    def __str__(self) -> str:
        return f"{self.name}-{self.api}-{'streamed' if self.stream else 'buffered'}"


def _scripts() -> list[tuple[str, str, Sequence[Any], Sequence[str]]]:
    """(name, api, content, quirks)"""
    call = CallTool("note", {"text": "a fox 🦊"})
    two = [Say("I look. "), call, CallTool("note", {"text": "a hen"})]
    both: list[tuple[str, Sequence[Any], Sequence[str]]] = [
        ("text", [Say("Just a few naïve words, 🦊.")], ()),
        ("tools", two, ()),
        ("no words, one call", [call], ()),
        ("citations", [Say("words and more", (NOTE,))], ()),
        (
            "server tool",
            [
                UseServerTool(
                    "openrouter:web_search", {"action": {"type": "search", "query": "q"}}
                ),
                Say("Found."),
            ],
            (),
        ),
        ("CRLF", [Say("one two"), call], ("stream.crlf",)),
        ("split data", [Say("one two")], ("stream.split_data",)),
        ("comments", [Say("one")], ("stream.comments", "stream.event_names")),
    ]
    found = [
        (name, api, content, quirks)
        for name, content, quirks in both
        for api in ("chat", "responses")
    ]
    chat = [
        ("reasoning", [Think("I think", signature="c2ln"), Say("so")]),
        ("message_images", [Say("See: "), Draw("a", ("message_images",), data=RED), Say(" there")]),
        (
            "two pictures",
            [
                Draw("a", ("message_images",), data=RED),
                Say("and"),
                Draw("b", ("message_images",), data=BLUE),
            ],
        ),
        ("content_parts", [Say("See: "), Draw("a", ("content_parts",), data=RED)]),
        (
            "a large picture",
            [Say("See: "), Draw("a", ("message_images",), data=NOISY), Say("it"), call],
        ),
    ]
    responses = [
        ("reasoning", [Think("I think", encrypted="gAAAAAabc"), Say("so")]),
        (
            "image_generation_call",
            [Say("See: "), Draw("a", ("image_generation_call",), data=RED), Say("it")],
        ),
        (
            "bare base64",
            [Draw("a", ("image_generation_call",), data=RED, shape="result_base64"), call],
        ),
        (
            "server_tool_item",
            [Draw("a", ("server_tool_item",), data=BLUE, shape="imageB64"), Say("it")],
        ),
        (
            "partial_image",
            [Draw("a", ("image_generation_call", "partial_image"), data=RED, preview_count=1)],
        ),
        ("a large picture", [Draw("a", ("image_generation_call",), data=NOISY), Say("it")]),
    ]
    images = [
        ("one", [Draw("a", data=RED)]),
        ("two", [Draw("a", data=RED), Draw("b", data=BLUE)]),
        ("previews", [Draw("a", data=RED, preview_count=1)]),
        ("markup", [Draw("a", data=SVG, format="svg")]),
    ]
    found += [(name, "chat", content, ()) for name, content in chat]
    found += [(name, "responses", content, ()) for name, content in responses]
    found += [(name, "images", content, ()) for name, content in images]
    return found


@cache
def recorded() -> tuple[Recorded, ...]:
    """All of them: streams, those that end in an error, and a few whole bodies."""
    found: list[Recorded] = []
    with Emulator(seed=5) as emulator:
        for name, api, content, quirks in _scripts():
            found.append(_record(emulator, name, api, content, quirks, stream=True))
        for api in ("chat", "responses"):
            found.append(
                _record(
                    emulator, "an error at the end", api, [Say("Half")], (), stream=True, error=True
                )
            )
            whole = [Say("See: "), Draw("a", data=RED), CallTool("note", {"text": "x"})]
            found.append(_record(emulator, "whole", api, whole, (), stream=False))
        found.append(
            _record(
                emulator,
                "whole",
                "images",
                [Draw("a", data=RED), Draw("b", data=BLUE)],
                (),
                stream=False,
            )
        )
    return tuple(found)


def _record(
    emulator: Emulator,
    name: str,
    api: str,
    content: Sequence[Any],
    quirks: Sequence[str],
    *,
    stream: bool,
    error: bool = False,
) -> Recorded:
    emulator.faults.clear()
    if quirks or error:
        broken = ReplyError("stream", 502, "The provider went away") if error else None
        emulator.faults.add(Fault(quirks=tuple(quirks), error=broken))  # type: ignore[arg-type]
    emulator.play(Reply(content, chunk=9))
    prompt: dict[str, Any] = {
        "chat": {"messages": [{"role": "user", "content": "go"}]}, "responses": {"input": "go"}, "images": {"prompt": "go", "n": 2}
    }[api]  # fmt: skip
    model = "openai/gpt-5-image" if api == "images" else "openai/gpt-5.2"
    sent = json.dumps({"model": model, "stream": stream, **prompt}).encode()
    headers = {"Authorization": "Bearer k", "Content-Type": "application/json"}
    with urlopen(Request(emulator.base_url + PATHS[api], sent, headers), timeout=GUARD) as reply:
        body = reply.read()
    drawn = [
        item.data
        for item in content
        if isinstance(item, Draw) and item.data and item.format != "svg"
    ]
    found = Recorded(name, api, stream, body, pictures=tuple(_ends(body, drawn)), fails=error)
    return replace(found, finish=_finish(found))


def _ends(body: bytes, drawn: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Where each picture's string ends for the first time, its quote included."""
    found: list[tuple[int, bytes]] = []
    for data in drawn:
        text = base64.b64encode(data)
        at = body.find(text)
        if at >= 0:
            found.append((at + len(text) + 1, data))
    return found


_FINISHES = {
    "chat": re.compile(rb'"finish_reason": ?"'),
    "responses": re.compile(rb'"type": ?"response\.(completed|incomplete)"'),
    "images": re.compile(rb'"type":"image_generation.completed"'),
}


def _finish(found: Recorded) -> int:
    """Behind the blank line of the event that ends it; of the Image API, of the last picture that
    was asked for, or of `[DONE]`.
    """
    if not found.stream:
        return len(found.body)
    marks = list(_FINISHES[found.api].finditer(found.body))
    if found.fails:
        return 0
    if found.api == "images" and len(marks) < 2:
        return found.body.index(b"data: [DONE]") + len(b"data: [DONE]\n\n")
    mark = marks[1] if found.api == "images" else marks[0]
    blank = re.compile(rb"\r\n\r\n|\n\n").search(found.body, mark.end())
    assert blank is not None
    return blank.end()
