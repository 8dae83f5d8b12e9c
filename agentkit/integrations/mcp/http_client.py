"""The transport to a server over HTTP, whose replies have a bounded length."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from agentkit.integrations.mcp.limits import MOST_BYTES, TooLong

_TIMEOUT = httpx2.Timeout(30.0, read=None)
"""Seconds to connect, and to send. How long a call may take, its tool says."""


@asynccontextmanager
async def http_transport(url: str, headers: Mapping[str, str]) -> AsyncGenerator[Any]:
    """The streams to the server at a URL."""
    async with httpx2.AsyncClient(
        headers=dict(headers), timeout=_TIMEOUT, event_hooks={"response": [_bounded]}
    ) as client:
        transport = streamable_http_client(url, http_client=client, max_sse_event_size=MOST_BYTES)
        async with transport as streams:
            yield streams


async def _bounded(response: httpx2.Response) -> None:
    """Count what a reply that is no stream of events says; those are counted event by event."""
    kind = response.headers.get("content-type", "")
    if not kind.lower().startswith("text/event-stream"):
        stream: Any = response.stream
        response.stream = _Bounded(stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MOST_BYTES:
                raise httpx2.ReadError(str(TooLong()))
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
