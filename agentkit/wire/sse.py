"""Server-sent events on bytes: any slicing of the stream gives the same events.

Written against the WHATWG standard (lines end in CR, LF or CRLF; a BOM at the start; several
`data:` lines are joined by LF; comments are passed over). Only bytes are split, so a U+2028 or
U+0085 inside the data is just data.
"""

from __future__ import annotations

from agentkit.errors import ProtocolError

MAX_LINE = 8 * 1024 * 1024
"""Bytes of one line, pictures not counted: they have left it before it comes here."""
DONE = b"[DONE]"
_COST_OF_A_LINE = 64


class EventStream:
    """Bytes in, the data of each event out."""

    __slots__ = ("_data", "_event_size", "_first", "_held", "_max_line", "_size")

    def __init__(self, *, max_line: int = MAX_LINE) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []
        self._event_size = 0
        self._first = True
        self._max_line = max_line

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that these bytes complete. Raises `ProtocolError` for a line
        beyond the cap.
        """
        if not chunk:
            return []
        if self._is_one_event(chunk):
            return [chunk[6:-2]]
        after_cr = bool(self._held) and self._held[-1].endswith(b"\r")
        if not self._first and not after_cr and b"\n" not in chunk and b"\r" not in chunk:
            self._hold(chunk)
            return []
        buffer = b"".join((*self._held, chunk))
        self._held.clear()
        self._size = 0
        if self._first:
            if len(buffer) < 3 and b"\xef\xbb\xbf".startswith(buffer):
                self._hold(buffer)
                return []
            self._first = False
            buffer = buffer.removeprefix(b"\xef\xbb\xbf")
        if b"\r" in buffer:
            # a CR at the very end may be half of a CRLF: wait for what follows it
            held = buffer.endswith(b"\r")
            whole = (buffer[:-1] if held else buffer).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            buffer = whole + b"\r" if held else whole
        if (whole := self._whole_events(buffer)) is not None:
            return whole
        lines = buffer.split(b"\n")
        self._hold(lines.pop())
        return self._take(lines)

    def _whole_events(self, buffer: bytes) -> list[bytes] | None:
        """The events in bytes that are nothing but lines of data, each with a blank line behind it;
        None for others, which are read line by line.
        """
        events = buffer.split(b"\n\n")
        rest = events.pop()
        begin = (b"\n\n" + buffer).count(b"\n\ndata: ")
        if (
            self._data
            or begin - rest.startswith(b"data: ") != len(events)
            or buffer.count(b"\n") != 2 * len(events)
            or len(buffer) > self._max_line
        ):
            return None
        self._hold(rest)
        return [each[6:] for each in events]

    def _is_one_event(self, chunk: bytes) -> bool:
        """Whether nothing went before and the chunk is `data: …` and a blank line: so most deltas
        come.
        """
        return (
            chunk.endswith(b"\n\n")
            and chunk.startswith(b"data: ")
            and chunk.find(b"\n") == len(chunk) - 2
            and b"\r" not in chunk
            and not (self._held or self._data or self._first)
            and len(chunk) <= self._max_line
        )

    def _hold(self, piece: bytes) -> None:
        if not piece:
            return
        self._held.append(piece)
        self._size += len(piece)
        if self._size > self._max_line:
            raise ProtocolError(f"a line of the stream is longer than {self._max_line} bytes")

    def _take(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        data = self._data
        for line in lines:
            if line.startswith(b"data:"):
                self._add(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and data:
                events.append(data[0] if len(data) == 1 else b"\n".join(data))
                data.clear()
                self._event_size = 0
            elif line == b"data":
                self._add(b"")
        return events

    def rest(self) -> bytes:
        """What has come of an event that is not whole."""
        return b"\n".join((*self._data, b"".join(self._held)))

    def _add(self, line: bytes) -> None:
        """One more line of an event. In memory each costs more than its bytes, so that counts."""
        self._data.append(line)
        self._event_size += len(line) + _COST_OF_A_LINE
        if self._event_size > self._max_line + _COST_OF_A_LINE:
            raise ProtocolError(f"an event of the stream is longer than {self._max_line} bytes")

    def close(self) -> list[bytes]:
        """The end of the stream: an event whose blank line was cut off counts where its own lines
        are whole.
        """
        rest = b"".join(self._held)
        self._held.clear()
        return self._take([rest[:-1], b""] if rest.endswith(b"\r") else [b""])
