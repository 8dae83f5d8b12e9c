"""The rules by which npm's `ai`, in its versions 6 and 7, reads a stream of chunks: a stream that
breaks one of them is an error in a client. They are written from its sources, and `tests/web_clients`
asks the library itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Chunk = Mapping[str, Any]
# Field → the types it may have; a question mark: it may be left out. Version 6.0.0 refuses others.
ANYTHING = (object,)
FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "text-start": {"id": (str,)},
    "text-delta": {"id": (str,), "delta": (str,)},
    "text-end": {"id": (str,)},
    "reasoning-start": {"id": (str,)},
    "reasoning-delta": {"id": (str,), "delta": (str,)},
    "reasoning-end": {"id": (str,)},
    "error": {"errorText": (str,)},
    "tool-input-available": {
        "toolCallId": (str,),
        "toolName": (str,),
        "input": ANYTHING,
        "providerExecuted?": (bool,),
        "dynamic?": (bool,),
        "title?": (str,),
    },
    "tool-approval-request": {"approvalId": (str,), "toolCallId": (str,)},
    "tool-output-available": {
        "toolCallId": (str,),
        "output": ANYTHING,
        "providerExecuted?": (bool,),
        "dynamic?": (bool,),
        "preliminary?": (bool,),
    },
    "tool-output-error": {
        "toolCallId": (str,),
        "errorText": (str,),
        "providerExecuted?": (bool,),
        "dynamic?": (bool,),
    },
    "tool-output-denied": {"toolCallId": (str,)},
    "source-url": {"sourceId": (str,), "url": (str,), "title?": (str,)},
    "file": {"url": (str,), "mediaType": (str,)},
    "data": {"id?": (str,), "data": ANYTHING, "transient?": (bool,)},
    "start-step": {},
    "finish-step": {},
    "start": {"messageId?": (str,), "messageMetadata?": ANYTHING},
    "finish": {"finishReason?": (str,), "messageMetadata?": ANYTHING},
    "abort": {},
    "message-metadata": {"messageMetadata": ANYTHING},
}
REASONS = {"stop", "length", "content-filter", "tool-calls", "error", "other"}


class Broken(AssertionError):
    """A client would stop at this chunk."""


def check(chunks: Iterable[Chunk], calls: Iterable[str] = ()) -> None:
    """Raise `Broken` at the first chunk that a client would refuse, or that makes no sense. `calls`
    are those that the client's message has by now.
    """
    judge = Judge(set(calls))
    for number, chunk in enumerate(chunks):
        try:
            judge.take(chunk)
        except Broken as broken:
            raise Broken(f"chunk {number}: {broken}: {str(chunk)[:300]}") from None
    judge.close()


class Judge:
    """What a client knows of a stream while it reads."""

    def __init__(self, calls: set[str]) -> None:
        self.calls = calls
        self.open: set[tuple[str, str]] = set()
        self.started = self.in_step = self.finished = self.failed = False

    def take(self, chunk: Chunk) -> None:
        kind = str(chunk["type"])
        check_fields(kind, chunk)
        require(not self.finished, "something follows the end")
        require(self.started == (kind != "start"), "a stream has one start, at its beginning")
        require(not self.failed or kind.startswith("finish"), "a client stops at an error")
        match kind.split("-"):
            case ["start"]:
                self.started = True
            case ["finish"]:
                require(chunk.get("finishReason") in REASONS, "an unknown reason")
                require(not self.open, "words are not closed")
                self.finished = True
            case ["start", "step"]:
                require(not self.in_step, "a step begins in a step")
                self.in_step = True
            case ["finish", "step"]:
                require(not self.open, "words are not closed at the end of a step")
                self.in_step = False
            case ["text" | "reasoning" as what, at]:
                self._words(what, at, str(chunk["id"]))
            case ["tool", *_]:
                self._call(kind, str(chunk["toolCallId"]))
            case ["error"]:
                self.failed = True
            case _:
                pass

    def _words(self, what: str, at: str, identifier: str) -> None:
        key = (what, identifier)
        require((key in self.open) == (at != "start"), "words that are open twice, or not at all")
        if at == "start":
            self.open.add(key)
        elif at == "end":
            self.open.remove(key)

    def _call(self, kind: str, call_id: str) -> None:
        if kind == "tool-input-available":
            self.calls.add(call_id)
        require(call_id in self.calls, "a call that the message does not have")

    def close(self) -> None:
        require(self.finished, "the stream has no end")


def check_fields(kind: str, chunk: Chunk) -> None:
    fields = FIELDS.get("data" if kind.startswith("data-") else kind)
    require(fields is not None, "an unknown type")
    assert fields is not None
    known = {name.removesuffix("?"): types for name, types in fields.items()}
    require(chunk.keys() <= {"type", *known}, "an unknown field")
    for name, types in fields.items():
        if name.endswith("?") and name[:-1] not in chunk:
            continue
        plain = name.removesuffix("?")
        require(plain in chunk, f"no {plain}")
        require(isinstance(chunk[plain], types), f"{plain} is of another type")


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)
