"""Connections to the hosts of pictures, kept between two downloads.

A connection serves again where a new one would be opened by the same rules: for the same scheme,
host and port, over the same proxy, with the same certificates, and with the same say on private
addresses. Its address was checked by these rules when it was opened, and a DNS that has changed its
answer since then does not move it.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from agentkit._sync import Shutdown, in_background

if TYPE_CHECKING:
    import ssl

    import httpx2

    from agentkit.images.checked_transport import HostTransport
    from agentkit.images.resolve import Resolve

MOST_IDLE = 16
"""Connections of one event loop that are kept while nothing comes over them."""
IDLE_SECONDS = 15.0
"""How long each is kept."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a connection was opened for, and by which rules its address was checked."""

    scheme: str
    host: str
    port: int
    proxy: str | None
    certificates: ssl.SSLContext
    is_own: bool
    private: bool
    resolve: Resolve


class Line:
    """One connection to a host of pictures, which is opened with its first request.

    `transport` sends the requests: `host` itself, or what wraps it.
    """

    def __init__(
        self, rules: Rules, host: HostTransport, transport: httpx2.AsyncBaseTransport
    ) -> None:
        self.rules, self.host, self.transport = rules, host, transport
        self.since = 0.0
        """When it became idle, by the clock of its loop."""
        self._opened = 0

    def begin(self) -> None:
        """A new request begins."""
        self._opened = self.host.opened
        self.host.begin()

    @property
    def was_kept(self) -> bool:
        """Whether the request went over a connection that was there before."""
        return 0 < self._opened == self.host.opened

    async def close(self) -> None:
        await self.transport.aclose()


class PictureConnections:
    """The connections of one client that are idle, apart for each event loop. At most `most` of
    a loop are kept, each for `IDLE_SECONDS`; with 0, none is.
    """

    def __init__(self, most: int = MOST_IDLE) -> None:
        self.keeps = most > 0
        self._most = most
        self._idle: WeakKeyDictionary[asyncio.AbstractEventLoop, _Idle] = WeakKeyDictionary()
        weakref.finalize(self, _close_all, self._idle).atexit = False

    async def take(self, rules: Rules) -> Line | None:
        """A connection that is there still, if one is kept that was opened by these rules."""
        idle = self._idle.get(asyncio.get_running_loop())
        return None if idle is None else await idle.take(rules)

    async def put_back(self, line: Line) -> None:
        """Keep the connection for the next picture, or close it where a reply was not read to its
        end.
        """
        if not self.keeps or not line.host.is_ready:
            await line.close()
            return
        loop = asyncio.get_running_loop()
        idle = self._idle.get(loop)
        if idle is None:
            for other in [each for each in self._idle if each.is_closed()]:
                del self._idle[other]
            idle = self._idle[loop] = _Idle(self._most)
            await idle.shutdown.begun()
        await idle.add(line)

    async def close(self) -> None:
        """Close those of the running loop. A later download opens new ones."""
        idle = self._idle.pop(asyncio.get_running_loop(), None)
        if idle is not None:
            await idle.shutdown.now()


class _Idle:
    """The idle connections of one event loop, the one that is idle for longest first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: list[Line] = []
        self._timer: asyncio.TimerHandle | None = None
        self._reference: Callable[[], _Idle | None] = weakref.ref(self)
        self.shutdown = Shutdown(self._close)

    async def take(self, rules: Rules) -> Line | None:
        await self._drop_old()
        for line in reversed(self._lines):
            if line.rules == rules:
                self._lines.remove(line)
                if line.host.is_ready:
                    return line
                await line.close()
                return await self.take(rules)
        return None

    async def add(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        line.since = loop.time()
        self._lines.append(line)
        if self._timer is None:
            self._timer = loop.call_later(IDLE_SECONDS, _tidy, self._reference)
        if len(self._lines) > self._most:
            await self._lines.pop(0).close()

    def tidy(self) -> None:
        """Close what was idle for too long, and come back for the rest."""
        self._timer = None
        loop = asyncio.get_running_loop()
        self._tidying = in_background(self._drop_old())
        fresh = [each for each in self._lines if each.since + IDLE_SECONDS > loop.time()]
        if fresh:
            at = fresh[0].since + IDLE_SECONDS
            self._timer = loop.call_at(at, _tidy, self._reference)

    async def _drop_old(self) -> None:
        until = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._lines and self._lines[0].since <= until:
            await self._lines.pop(0).close()

    async def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        while self._lines:
            await self._lines.pop().close()


def _tidy(reference: Callable[[], _Idle | None]) -> None:
    if (idle := reference()) is not None:
        idle.tidy()


def _close_all(every: WeakKeyDictionary[asyncio.AbstractEventLoop, _Idle]) -> None:
    """Close the connections of a client that was dropped without `close`, each on its loop."""
    for loop, idle in list(every.items()):
        if loop.is_running():
            loop.call_soon_threadsafe(idle.shutdown.soon)
