"""Replies of which much has arrived share the event loop with each other and with all else."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any, ClassVar

import pytest

from agentkit import OpenRouter
from agentkit.images.embedded import ReplySpool
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter.fair import FairShare
from agentkit.openrouter.response import Exchange
from tests.clock import GUARD, until
from tests.unit.openrouter.conftest import BODY, Connect, ask
from tests.unit.openrouter.peer import END, Line, chunk, serving, stream

MANY = 20_000
BURST = chunk(b'data: {"number":1}\n\n' * MANY) + END


async def burst(line: Line) -> None:
    await line.request()
    await line.send(stream(), BURST)


async def test_a_burst_leaves_the_loop_to_others(connect: Connect) -> None:
    """Whoever waits for the loop has it many times before all events are read."""
    rounds = 0

    async def heartbeat() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async with serving(burst) as peer:
        client = connect(peer.url)
        told: list[Any] = []
        seen: list[int] = []

        def take(event: Any) -> None:
            told.append(event)
            seen.append(rounds)

        beating = asyncio.create_task(heartbeat())
        async with client.exchange("/chat/completions", BODY, MemoryImageStore()) as exchange:
            await asyncio.wait_for(exchange.read(take), GUARD)
        beating.cancel()
        assert len(told) == MANY
        assert len(set(seen)) > 4


async def test_a_burst_starves_no_short_reply(connect: Connect) -> None:
    """Four bursts are read when a short reply comes in: it is over before they are."""
    is_over: list[str] = []

    async def short(line: Line) -> None:
        for _ in range(2):
            await line.request()
            await line.send(stream(), chunk(b'data: {"number":1}\n\ndata: [DONE]\n\n'), END)

    async def of(client: OpenRouter, name: str) -> None:
        await ask(client)
        is_over.append(name)

    async with serving(burst) as bursting, serving(short) as peer:
        client = connect(peer.url)
        await ask(client)
        long = [asyncio.create_task(of(connect(bursting.url), "long")) for _ in range(4)]
        await asyncio.wait_for(bursting.accepted.wait(), GUARD)
        await of(client, "short")
        await asyncio.gather(*long)
    assert is_over.index("short") < 4


async def test_a_reply_that_is_cancelled_passes_on_what_had_arrived() -> None:
    """Its cost may stand in the last event, and a picture in any."""

    class Arrived:
        status_code = 200
        headers: ClassVar = {"content-type": "text/event-stream"}

        async def aiter_raw(self) -> Any:
            yield b'data: {"number":1}\n\n' * MANY

        aiter_bytes = aiter_raw

    told: list[Any] = []
    spool = ReplySpool(MemoryImageStore())
    exchange = Exchange(Arrived(), spool, first_byte=GUARD, idle=GUARD, turns=FairShare())
    reading = asyncio.create_task(exchange.read(told.append))
    await until(lambda: bool(told))
    assert len(told) < MANY
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert len(told) == MANY


async def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    share, order = FairShare(), list[int]()

    async def work(number: int) -> None:
        for _ in range(3):
            ends = await share.turn()
            order.append(number)
            while monotonic() < ends:
                pass

    await asyncio.gather(*(work(number) for number in range(5)))
    assert set(order[:6]) == set(range(5))  # whoever was first asked again before the others did


async def test_a_turn_that_is_given_up_is_the_next_ones() -> None:
    share = FairShare()

    async def hog() -> None:
        ends = await share.turn()
        while monotonic() < ends:
            pass

    several = [asyncio.create_task(each) for each in (hog(), share.turn(), share.turn())]
    await asyncio.sleep(0)
    several[1].cancel()
    await asyncio.wait_for(several[2], GUARD)
    assert several[1].cancelled()
