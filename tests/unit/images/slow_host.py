"""A host whose pictures come when a test releases them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agentkit import FetchPolicy
from tests.clock import GUARD, advance, turns
from tests.conftest import picture
from tests.unit.openrouter.peer import Line, Peer, reply, serving

FOX, HEN = picture(size=(60, 50), noise=1), picture(size=(50, 40), noise=2)
LONG = FetchPolicy(private=True, grace=60)


class SlowHost:
    """Two pictures, a fox and a hen. Both are held until `released`; then the second comes first."""

    def __init__(self) -> None:
        self.asked, self.released, self._hen_came = (asyncio.Event() for _ in range(3))
        self.paths: list[str] = []
        self.peer: Peer

    async def answer(self, line: Line) -> None:
        path = (await line.request()).line.split()[1]
        self.paths.append(path)
        if len(self.paths) == 2:
            self.asked.set()
        await self.released.wait()
        if path == "/fox":
            await self._hen_came.wait()
            await line.send(reply(FOX, "Connection: close"))
        else:
            await line.send(reply(HEN, "Connection: close"))
            self._hen_came.set()

    @property
    def urls(self) -> list[str]:
        return [f"{self.peer.origin}/fox", f"{self.peer.origin}/hen"]

    async def both_asked(self) -> None:
        await asyncio.wait_for(self.asked.wait(), GUARD)

    def release_soon(self) -> None:
        """Release them once the caller waits for something else."""
        asyncio.get_running_loop().call_soon(self.released.set)

    async def release_after(self, seconds: float) -> None:
        """Release them once so long has passed since both were asked for."""
        await self.both_asked()
        advance(seconds)
        await turns()
        self.released.set()


@asynccontextmanager
async def slow_host() -> AsyncIterator[SlowHost]:
    host = SlowHost()
    async with serving(host.answer) as host.peer:
        yield host
