"""Long data URLs in the middle of a string, taken out of a reply before it is parsed: Markdown or
HTML with a picture in it. What the spool passes on goes through here.

Only a run of base64 without a break is taken: whatever is wrapped, short, or written in pieces is
left to `agentkit.images.words`, which reads the words themselves.
"""

from __future__ import annotations

import re

from agentkit.images.capture import DECISIVE, Capture, Opening, State
from agentkit.images.spool import MOST_WORDS, Spool

_HEADER = re.compile(rb"data:image\\{0,8}/[\w.+-]{1,60}(?:;[^;,\s\"'<>()\\]{1,80}){0,6}?;base64,")
_PARTIAL = re.compile(rb"d(?:a(?:t(?:a(?::(?:i(?:m(?:a(?:g(?:e[^,\"\s]{0,400})?)?)?)?)?)?)?)?)?\Z")
_LONGEST_HEADER = 512
_LONGEST_ESCAPE = 8
_RUN = re.compile(rb"[A-Za-z0-9+/_-]*+(?:\\{1,8}/[A-Za-z0-9+/_-]*+)*+={0,2}")


def _may_hold(data: bytes) -> bool:
    if b"data:image" in data:
        return True
    return _PARTIAL.search(data, max(0, len(data) - _LONGEST_HEADER)) is not None


def _may_go_on(data: bytes, end: int) -> bool:
    """Whether the run that ends there may go on in the bytes to come: nothing is behind it, or an
    escape that is not whole.
    """
    return len(data) - end <= _LONGEST_ESCAPE and not data[end:].strip(b"\\")


class ReplySpool(Spool):
    """The spool of one reply of a model, whose words may hold pictures. A run that is no base64
    after all is given back, unless it is longer than words ever are.
    """

    _waiting = b""
    _run: Capture | None = None

    def feed(self, data: bytes) -> bytes:
        """More of the body. Returns what can be passed on, with references for pictures."""
        data = super().feed(data)
        # So do almost all events of a stream end, and no header goes on behind a line's end.
        is_idle = self._run is None and not self._waiting
        if is_idle and data.endswith(b"\n") and b"data:image" not in data:
            return data
        return self._taken_out(data)

    def close(self) -> bytes:
        """The end of the body. Returns what was held back."""
        rest = super().close()
        if not (rest or self._waiting or self._run):
            return rest
        rest = self._taken_out(rest)
        held, self._waiting = self._waiting, b""
        if self._run is not None:
            self._run.cut()
            is_whole = self._run.is_whole()
            return rest + self._reference(
                None if is_whole else "cut off: the reply ended inside it"
            )
        return rest + held

    def held_back(self) -> bytes:
        """What was fed and not passed on yet, pictures apart."""
        return self._waiting + super().held_back()

    def discard(self) -> None:
        """Drop whatever was not kept."""
        if self._run is not None:
            self._run.discard()
        self._waiting, self._run = b"", None
        super().discard()

    def _taken_out(self, data: bytes) -> bytes:
        if self._waiting:
            data, self._waiting = self._waiting + data, b""
        elif self._run is None and not (data and _may_hold(data)):
            return data
        out: list[bytes] = []
        at = 0
        while at < len(data):
            step = self._search if self._run is None else self._go_on
            at = step(data, at, out)
        return b"".join(out)

    def _search(self, data: bytes, at: int, out: list[bytes]) -> int:
        """Pass on what stands before the next run. Returns where that run begins, or the end."""
        found = _HEADER.search(data, at)
        if found is None:
            cut = _PARTIAL.search(data, max(at, len(data) - _LONGEST_HEADER))
            end = len(data) if cut is None else cut.start()
            out.append(data[at:end])
            self._waiting = data[end:]
            return len(data)
        run = _RUN.match(data, found.end())
        end = found.end() if run is None else run.end()
        length = end - found.end()
        out.append(data[at : found.start()])
        if length <= DECISIVE and _may_go_on(data, end):
            self._waiting = data[found.start() :]  # more has to come to tell
            return len(data)
        if length <= DECISIVE or not self._open(data, found.start(), found.end()):
            out.append(found[0])
        return found.end()

    def _open(self, data: bytes, start: int, end: int) -> bool:
        opening = Opening.read(data[start : end + DECISIVE], 0)
        if opening is None:
            return False
        self._run = self.capture(opening)
        self._run.feed(data[start:end])
        return True

    def _go_on(self, data: bytes, at: int, out: list[bytes]) -> int:
        """Give the run what there is of it. Returns where it ends."""
        capture = self._run
        run = _RUN.match(data, at)
        end = at if run is None else run.end()
        if capture is not None and end > at:
            capture.feed(data[at:end])
        if _may_go_on(data, end):
            self._waiting = data[end:]
            return len(data)
        out.append(self._end())
        return end

    def _end(self) -> bytes:
        """The run has ended."""
        capture = self._run
        if capture is None:
            return b""
        if capture.finish() is State.INVALID:
            if capture.draft.size <= MOST_WORDS:
                self._run = None
                text = capture.restore()
                capture.discard()
                return text
            capture.swallow()
        is_cut = len(capture.tail.rstrip(b"=")) == 1
        return self._reference("cut off: its base64 is not whole" if is_cut else None)

    def _reference(self, reason: str | None) -> bytes:
        capture, self._run = self._run, None
        return b"" if capture is None else self.add(capture, reason).encode("ascii")
