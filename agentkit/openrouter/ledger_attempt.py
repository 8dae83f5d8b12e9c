"""One attempt at a paid request, written in a ledger while it goes on."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

from agentkit._log import logger
from agentkit._redact import masked, redacted
from agentkit.errors import StoreError
from agentkit.openrouter.ledger_entries import Entries
from agentkit.openrouter.ledger_mask import ReplyMask
from agentkit.openrouter.ledger_storage import CallKey, Entry, EntryKind
from agentkit.wire.stream_end import BLANK_LINES, StreamEnd

_SECRET_HEADERS = ("authorization", "cookie", "authenticate", "api-key", "token")
"""Headers with such a word in their name are not written."""
_HELD_SECONDS = 1.0
"""How long short events are held before they are written together."""
_HEAD_SECONDS = 0.003
"""How long the head of a reply is held: its first bytes mostly come at once, and are written with
it.
"""
_MOST_HELD = 64 << 10
"""Bytes of them that are held."""
_SHORT = 4 << 10
"""Bytes of a piece that is held: a longer one is part of a picture, or of much at once."""


class Attempt:
    """One attempt at a request, which is written while it goes on.

    From its head on, what cannot be written is told in the log and no more: the reply is taken all
    the same.
    """

    def __init__(self, entries: Entries, key: CallKey, pictures: Mapping[str, str]) -> None:
        self._entries, self.key = entries, key
        self._pictures = dict(pictures)
        self._last: asyncio.Future[None] | None = None
        self._is_broken = False
        self._head: Entry | None = None
        """The head of the reply, if it is not written yet."""
        self._held: deque[bytes] = deque()
        """Bytes of the reply that are not written yet."""
        self._held_size = 0
        self._later: asyncio.TimerHandle | None = None
        """Writes them."""
        self._writing = threading.Lock()
        """Keeps what threads write in the order in which it came."""
        self._mask = ReplyMask()
        self._size, self._digest = 0, hashlib.sha256()
        self._length: int | None = None
        """Bytes of the reply, where its head tells."""

    async def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Have the beginning of the reply written, without what is secret in it: with the first of
        its bytes, or in a moment if none come.
        """
        kept = {
            name.lower(): redacted(value)
            for name, value in headers.items()
            if not any(word in name.lower() for word in _SECRET_HEADERS)
        }
        if kept.pop("content-encoding", None) is None:  # the bytes are written unpacked
            length = kept.get("content-length", "")
            self._length = int(length) if length.isdecimal() else None
        self._head = Entry("head", {"status": status, "headers": kept})
        self._write_later(asyncio.get_running_loop(), _HEAD_SECONDS)

    async def recorded(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """The reply, each piece of it handed on once it is written; the last one once the whole is
        on the disk. Short events without a picture are written a little later, many at once: their
        replies come in hundreds of them, and a crash loses the latest words of one that was cut.
        """
        end, arrived, is_whole, was_between = StreamEnd(), 0, False, False
        loop = asyncio.get_running_loop()
        try:
            async for chunk in chunks:
                if not is_whole:
                    arrived += len(chunk)
                    is_whole = end.feed(chunk) or arrived == self._length
                    is_between = chunk.endswith(BLANK_LINES)
                    may_wait = was_between and is_between and _is_of_words(chunk)
                    was_between = is_between
                    self._hold(chunk)
                    if is_whole or not may_wait or self._held_size > _MOST_HELD:
                        self._held_size = 0
                        await self._run(partial(self._write_held, is_whole=is_whole))
                    else:
                        self._write_later(loop)
                yield chunk
            if not is_whole:
                await self._run(partial(self._write_held, is_whole=True))
        finally:
            self._end_holding(loop, is_whole=is_whole)

    def _hold(self, chunk: bytes) -> None:
        if not self._is_broken:
            self._held.append(chunk)
            self._held_size += len(chunk)

    def _write_later(self, loop: asyncio.AbstractEventLoop, seconds: float = _HELD_SECONDS) -> None:
        """Have what is held written soon."""
        if self._later is None and self._is_holding:
            self._later = loop.call_later(seconds, self._write_now, loop)

    @property
    def _is_holding(self) -> bool:
        return bool(self._held) or self._head is not None

    def _write_now(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write what is held, in a thread; while another write goes on, a little later."""
        self._later = None
        if self._last is not None and not self._last.done():
            self._write_later(loop)
        elif self._is_holding:
            self._held_size = 0
            self._last = loop.run_in_executor(None, self._written, self._write_held)

    def _end_holding(self, loop: asyncio.AbstractEventLoop, *, is_whole: bool) -> None:
        """Nothing more comes: what is held is written, whatever else goes on."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if is_whole and not self._is_holding:
            return
        write = partial(self._write_held, is_last=True)
        if loop.is_closed():  # nobody has ended the reply before
            self._written(write)
        else:
            loop.run_in_executor(None, self._written, write)

    def _write_held(
        self,
        *entries: Entry,
        is_whole: bool = False,
        is_last: bool = False,
        sync: bool = False,
    ) -> None:
        """Write the bytes that are held, and these entries behind them, in this thread. With
        `is_last` no more bytes come, be the reply whole or not.
        """
        pieces: list[bytes] = []
        while self._held:  # more may be added meanwhile
            pieces.append(self._held.popleft())
        head, self._head = self._head, None
        added: list[Entry] = [] if head is None else [head]
        if not self._is_broken:  # else bytes before these are not there
            chunk = self._mask.feed(b"".join(pieces), is_last=is_last or is_whole)
            self._size += len(chunk)
            self._digest.update(chunk)
            added += [Entry("body", {}, chunk)] if chunk else []
            if is_whole:
                told: dict[str, Any] = {"size": self._size, "sha256": self._digest.hexdigest()}
                told |= {"masked": True} if self._mask.has_masked else {}
                added.append(Entry("received", told))
        if added := [*added, *entries]:
            self._entries.write(self.key, tuple(added), sync=is_whole or sync)

    def known(self, url: str) -> str | None:
        """The sha256 of the picture that was behind this URL."""
        return self._pictures.get(_without_secret(url))

    def keep(self, url: str, sha256: str) -> None:
        """Write which picture was behind a URL, in this thread."""
        url = _without_secret(url)
        if self._pictures.get(url) != sha256:
            self._pictures[url] = sha256
            entry = Entry("pictures", {"url": url, "sha256": sha256})
            self._written(partial(self._write_held, entry, sync=True))

    async def close(self, kind: EntryKind, facts: Mapping[str, Any]) -> None:
        """Write how it ended."""
        await self._append(Entry(kind, facts), sync=True)

    def close_soon(self, kind: EntryKind, facts: Mapping[str, Any]) -> None:
        """The same, without waiting for it."""
        write = partial(self._write_held, Entry(kind, facts), sync=True)
        asyncio.get_running_loop().run_in_executor(None, self._written, write)

    async def _append(self, *entries: Entry, sync: bool = False) -> None:
        """Write these, after what was begun before."""
        while self._last is not None and not self._last.done():
            await asyncio.wait([self._last])
        await self._run(partial(self._write_held, *entries, sync=sync))

    async def _run(self, write: Callable[[], None]) -> None:
        """Do it in a thread; cancelled or not, it is done."""
        if self._is_broken:
            return
        self._last = asyncio.get_running_loop().run_in_executor(None, self._written, write)
        await asyncio.shield(self._last)

    def _written(self, write: Callable[[], None]) -> None:
        with self._writing:
            try:
                write()
            except StoreError as error:
                self._is_broken = True
                logger().warning("ledger_not_written", call=str(self.key), reason=str(error))


def _is_of_words(chunk: bytes) -> bool:
    """Whether these events are short, and neither bring a picture nor name one."""
    return len(chunk) <= _SHORT and b"image" not in chunk and b";base64," not in chunk


def _without_secret(url: str) -> str:
    return masked(url.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
