"""A cancellation that comes together with the last bytes: they are taken, and the cancellation goes
on.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import pytest

from agentkit import OpenRouter
from agentkit.errors import OutcomeUnknown
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from tests.clock import advance, until

FIRST = b'data: {"choices": [{"delta": {"content": "one"}}]}\n\n'
LAST = b'data: {"choices": [{"delta": {"content": "two"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + FIRST)
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.write(LAST)
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("transport", ["aiohttp", "httpx2"])
async def test_a_cancellation_is_not_lost(transport: Any) -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    seen: list[object] = []
    went_on = False

    async def read(client: OpenRouter) -> None:
        nonlocal went_on
        async with client.exchange("/chat/completions", (b"{}",), MemoryImageStore()) as exchange:
            await exchange.read(seen.append)
        await asyncio.sleep(0)
        went_on = True

    async with (
        server,
        OpenRouter(
            api_key="sk-or-test",
            base_url=f"http://127.0.0.1:{port}/v1",
            transport=transport,
            timeouts=Timeouts(lookup=0),
        ) as client,
    ):
        for delay in range(12):
            seen.clear()
            task = asyncio.create_task(read(client))
            while not seen:  # noqa: ASYNC110 - a list cannot be awaited
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.04 + delay / 1000)
            task.cancel()
            if delay % 2:
                time.sleep(0.01)  # noqa: ASYNC251 - the last bytes are there before the loop turns
            done = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(done[0], asyncio.CancelledError) or len(seen) == 2
            assert not (went_on and task.cancelled())
            assert went_on or isinstance(done[0], asyncio.CancelledError)
            if task.cancelling():
                assert not went_on
            went_on = False


async def test_a_time_out_that_strikes_late_loses_nothing() -> None:
    """A loop that had no time (something blocks it) finds the last bytes and the time-out in one
    turn.
    """

    async def block(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + FIRST)
        await until(lambda: seen)
        writer.write(LAST)
        advance(400)  # longer than the client waits
        writer.close()

    server = await asyncio.start_server(block, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    seen: list[object] = []
    waits = Timeouts(first_byte=200, idle=200, lookup=0)
    async with (
        server,
        OpenRouter(
            api_key="sk-or-test", base_url=f"http://127.0.0.1:{port}/v1", timeouts=waits
        ) as client,
        client.exchange("/chat/completions", (b"{}",), MemoryImageStore()) as exchange,
    ):
        with contextlib.suppress(
            OutcomeUnknown
        ):  # it did strike, which a reply that is whole need not mind
            await exchange.read(seen.append)
    assert len(seen) == 2
    assert exchange.done
