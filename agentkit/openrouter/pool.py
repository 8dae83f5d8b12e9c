"""The connections of one event loop, in lanes: the openai SDK as transport, several times over.

httpx2 looks through all its connections whenever a request begins or ends, so a thousand requests at once cost it a million
looks. In lanes of a few requests each, the cost of one does not grow with the number of the others. A request takes the first
lane that has room, so a program that asks one thing at a time has one lane, and its connections are used again. aiohttp does
not look through them: there all requests go in one lane.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, cast

from agentkit.openrouter.guard import SDK_HEADERS

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI, Omit, RequestOptions

SHARE = 32
"""Requests at once in one lane, where their number counts."""
KEPT = 4
"""Lanes that are kept open when nothing is going on in them."""


class Lane:
    """One client of the SDK, and how many requests are going on in it."""

    def __init__(self, sdk: AsyncOpenAI, http: httpx2.AsyncClient) -> None:
        from openai import Omit

        self.sdk, self.http = sdk, http
        self.busy = 0
        # Absolute, without the SDK's own headers, and with all that it would copy from its defaults: this spares work in
        # each request.
        self._base_url = str(sdk.base_url).rstrip("/")
        self._headers: Mapping[str, str | Omit] = {
            **{name: Omit() for name in SDK_HEADERS},
            "Content-Type": "application/json",
        }
        self._options: RequestOptions = {
            "max_retries": 0,
            "timeout": None,
            "security": {"bearer_auth": True},
            "idempotency_key": "none",
        }

    async def post(self, path: str, content: bytes | AsyncIterator[bytes], length: int) -> httpx2.Response:
        """The open response, of which nothing but the headers was read."""
        import httpx2
        from openai import AsyncStream

        headers = {**self._headers, "Content-Length": str(length)}
        opened = await self.sdk.post(
            f"{self._base_url}{path}",
            cast_to=httpx2.Response,
            content=content,
            options={**self._options, "headers": headers},
            stream=True,
            stream_cls=AsyncStream[object],
        )
        return cast("httpx2.Response", opened)

    async def get(self, path: str) -> httpx2.Response:
        """The open response, as `post` gives it."""
        import httpx2
        from openai import AsyncStream

        opened = await self.sdk.get(
            f"{self._base_url}{path}",
            cast_to=httpx2.Response,
            options={**self._options, "headers": self._headers},
            stream=True,
            stream_cls=AsyncStream[object],
        )
        return cast("httpx2.Response", opened)


class Pool:
    """All lanes of one event loop, which closes them when it shuts down. `open_lane` makes a new one; in each go `share`
    requests at once, or any number."""

    def __init__(self, open_lane: Callable[[], Lane], share: int | None) -> None:
        self._open_lane, self._share = open_lane, share
        self._lanes: list[Lane] = []
        self._guard: AsyncGenerator[None] | None = None
        self._closing: asyncio.Future[None] | None = None

    def take(self) -> Lane:
        """A lane for one request: give it back afterwards."""
        lane = next((each for each in self._lanes if self._share is None or each.busy < self._share), None)
        if lane is None:
            lane = self._open_lane()
            self._lanes.append(lane)
        lane.busy += 1
        return lane

    async def give_back(self, lane: Lane) -> None:
        """Its request is over. A lane that is idle then is closed where there are more than are kept."""
        lane.busy -= 1
        if not lane.busy and len(self._lanes) > KEPT and lane in self._lanes:
            self._lanes.remove(lane)
            await lane.http.aclose()

    async def watch(self) -> None:
        """Have the event loop close the connections when it shuts down: it closes generators that are still open."""
        self._guard = self._until_shutdown()
        await anext(self._guard)

    async def _until_shutdown(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            while self._lanes:
                await self._lanes.pop().http.aclose()

    async def close(self) -> None:
        if self._guard is not None:
            await self._guard.aclose()

    def forget(self) -> None:
        """Close in the background, on the running loop."""
        self._closing = asyncio.ensure_future(self.close())
