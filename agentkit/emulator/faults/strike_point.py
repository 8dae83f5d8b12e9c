"""Where in a body a fault strikes."""

import re
from collections.abc import Iterator

from agentkit.emulator.faults.values import Socket

FINISHES = (
    b'"finish_reason":"',
    b'"type":"response.completed"',
    b'"type":"response.failed"',
    b'"type":"response.incomplete"',
    b'"type":"response.error"',
    b'data: {"type":"error"',
    b'"type":"image_generation.completed"',
)
_SEVERAL_BYTES = re.compile(rb"[\xc2-\xf4](?=[\x80-\xbf])")


class StrikePoint:
    """Splits the pieces of a body where a fault strikes. A piece of a stream is one event, with its
    blank line; a body that is not streamed is one piece."""

    def __init__(self, fault: Socket) -> None:
        self._fault = fault
        self._sent = 0
        self._events = 0
        self._done = fault.at in ("response", "accept", "request")
        self._target = fault.byte if fault.at == "body" else None

    def split(self, piece: bytes) -> Iterator[tuple[bytes, bool]]:
        """The piece in parts; behind a part with `True` the fault strikes."""
        if self._target is None and not self._done:
            anchor = self._anchor(piece)
            self._target = None if anchor is None else self._sent + anchor + self._fault.byte
        self._events += not piece.startswith(b":")  # comments are none
        here = None if self._target is None or self._done else self._target - self._sent
        self._sent += len(piece)
        if here is None or here >= len(piece):
            yield piece, False
            return
        self._done = True
        yield piece[:here], True
        yield piece[here:], False

    def at_end(self) -> bool:
        """Whether it strikes after the last byte."""
        if self._done:
            return False
        reached = self._target is not None and self._target <= self._sent
        return (
            self._fault.at in ("end", "done")
            or reached
            or (self._fault.at == "event" and self._events >= self._fault.event)
        )

    def _anchor(self, piece: bytes) -> int | None:
        match self._fault.at:
            case "event":
                return 0 if self._events >= self._fault.event else None
            case "finish":
                return 0 if any(mark in piece for mark in FINISHES) else None
            case "done":
                return 0 if piece.startswith(b"data: [DONE]") else None
            case "character":
                found = _SEVERAL_BYTES.search(piece)
                return found.end() if found else None
            case _:
                return None
