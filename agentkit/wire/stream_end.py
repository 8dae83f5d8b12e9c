"""Whether the last event of a stream is there, told from its bytes before anything is parsed."""

from __future__ import annotations

import re

_LAST = re.compile(
    rb"[\r\n](?:event: ?|data: ?\{\s{0,8}\"type\": ?\")"
    rb"response\.(?:completed|failed|incomplete)\b"
)
_DONE = re.compile(rb"[\r\n]data: ?\[DONE\][\r\n]*\Z")
"""Both at the beginning of a line: inside JSON, a line's end is escaped."""
BLANK_LINES = (b"\n\n", b"\r\r", b"\r\n\r\n")
"""Each of them ends an event."""
_TAIL = 96


class StreamEnd:
    """Bytes in, whether they end the stream. One that ends in another way is ended by its
    connection.
    """

    def __init__(self) -> None:
        self._tail = b"\n"
        self._last = False

    def feed(self, chunk: bytes) -> bool:
        """Take more of the stream. Whether its last event is whole."""
        seen = self._tail + chunk
        self._last = self._last or _LAST.search(seen) is not None
        self._tail = tail = seen[-_TAIL:]
        if _DONE.search(tail) is not None:
            return True
        return self._last and tail.endswith(BLANK_LINES)
