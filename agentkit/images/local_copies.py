"""Copies of pictures that this process had a moment ago, so that one that was just written, or is
sent with each request of a run, is not fetched from far away each time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from typing import BinaryIO

from agentkit.images.file_draft import OpenFile

_MOST = 64
"""Copies, each an open file."""
_MOST_BYTES = 256 << 20
_SECONDS = 60.0
"""After this a picture is fetched anew: another process may have deleted it."""
_BUFFER = 1 << 20


@dataclass(slots=True)
class _Copy:
    source: int | bytes
    """The descriptor of a file without a name, or a small picture itself."""
    size: int
    at: float

    def close(self) -> None:
        if isinstance(self.source, int):
            os.close(self.source)


class LocalCopies:
    """The latest pictures, in files that have no name: they take room on the disk until they are
    too old, or the process ends, however it does. Any thread may use it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._copies: dict[str, _Copy] = {}
        self._lock = threading.Lock()
        self._clock = clock

    def add(self, sha256: str, file: BinaryIO, size: int) -> None:
        """Remember a picture. The file stays the caller's; no system but Windows needs its name
        any more, and there nothing is remembered.
        """
        if not hasattr(os, "pread") or size > _MOST_BYTES // 4:
            return
        if isinstance(file, BytesIO):
            source: int | bytes = file.getvalue()
        else:
            source = os.dup(file.fileno())
        with self._lock:
            self._forget(sha256)
            self._copies[sha256] = _Copy(source, size, self._clock())
            self._shorten()

    def open(self, sha256: str) -> BinaryIO | None:
        """The picture from its start; None where it is not remembered."""
        with self._lock:
            self._shorten()
            copy = self._copies.get(sha256)
            if copy is None:
                return None
            if isinstance(copy.source, bytes):
                return BytesIO(copy.source)
            return BufferedReader(OpenFile(os.dup(copy.source)), _BUFFER)

    def drop(self, sha256: str) -> None:
        """Forget a picture."""
        with self._lock:
            self._forget(sha256)

    def __del__(self) -> None:
        for copy in self._copies.values():
            copy.close()

    def _forget(self, sha256: str) -> None:
        copy = self._copies.pop(sha256, None)
        if copy is not None:
            copy.close()

    def _shorten(self) -> None:
        old = self._clock() - _SECONDS
        total = sum(copy.size for copy in self._copies.values())
        for sha256, copy in list(self._copies.items()):
            if copy.at >= old and total <= _MOST_BYTES and len(self._copies) <= _MOST:
                return
            total -= copy.size
            self._forget(sha256)
