"""How much of a reply is held in memory while it is gathered: a stream may go on for long, and what
it adds stays.
"""

from __future__ import annotations

from typing import Any, NoReturn, cast

from agentkit.errors import ProtocolError

MAX_HELD = 32 << 20
"""Bytes, about, that the words, calls and records of one reply may take as values: 8 MB of words
alone, or 400,000 deltas.
"""
_EACH = 64
"""Bytes of a value beside those of its text; of a delta, about."""
_COPIES = 4
"""Text is joined, looked through and written down again."""


class SizeLimit:
    """The sum so far. Raises `ProtocolError` where it is too much."""

    _size = 0

    def words(self, text: str) -> None:
        """A delta of words, and the event that tells it."""
        self._size += _COPIES * len(text) * (1 if text.isascii() else 3) + _EACH
        if self._size > MAX_HELD:
            self._refuse()

    def value(self, value: object) -> None:
        """Any JSON."""
        self._size += weight(value)
        if self._size > MAX_HELD:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise ProtocolError(
            f"the reply is too large: its words and records take more than {MAX_HELD} bytes"
        )


def weight(value: object) -> int:
    """Bytes that this JSON takes as values, about. Every reply is weighed, so this is written for
    speed.
    """
    size = 0
    waiting = [value]
    while waiting:
        each = waiting.pop()
        size += _EACH
        if isinstance(each, str):
            size += _COPIES * len(each) * (1 if each.isascii() else 3)
        elif isinstance(each, dict):
            inner = cast("dict[str, Any]", each)
            size += 2 * _EACH + sum(map(len, inner))
            waiting += inner.values()
        elif isinstance(each, list):
            waiting += cast("list[Any]", each)
    return size
