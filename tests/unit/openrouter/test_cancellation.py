"""A request is cancelled: its connection is closed, whatever was going on, and the client goes
on.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from agentkit.openrouter.transport import Transport
from tests.clock import GUARD, until
from tests.unit.openrouter.conftest import Connect, ask
from tests.unit.openrouter.peer import (
    OK,
    Handler,
    Line,
    Peer,
    in_a_stream,
    never_answers,
    reply,
    serving,
)

OPEN_FILES = Path("/proc/self/fd")


def open_files() -> int:
    return len([*OPEN_FILES.iterdir()])


async def in_the_headers(line: Line) -> None:
    await line.request()
    await line.send(b"HTTP/1.1 200 OK\r\n")
    await line.gone()


async def in_the_body(line: Line) -> None:
    await line.request()
    await line.send(reply(OK[:5], length=900))
    await line.gone()


async def in_an_error(line: Line) -> None:
    await line.request()
    await line.send(reply(b"{", status="500 Broken", length=900))
    await line.gone()


PHASES = [never_answers, in_the_headers, in_the_body, in_a_stream, in_an_error]


async def cancelled(work: asyncio.Task[object], peer: Peer | None = None) -> None:
    """Once the server has the connection, and a moment later."""
    if peer is not None:
        await asyncio.wait_for(peer.accepted.wait(), GUARD)
    await asyncio.sleep(0.1)
    assert not work.done()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
async def test_cancelled(phase: Handler, tls: bool, connect: Connect, trusted: None) -> None:
    async with serving(phase, tls=tls) as peer:
        work = asyncio.create_task(ask(connect(peer.url)))
        await until(lambda: peer.requests)
        await cancelled(work, peer)
        await asyncio.wait_for(peer.seen_closed.wait(), GUARD)
        assert len(peer.requests) == 1


async def test_cancelled_in_the_tls_handshake(connect: Connect, transport: Transport) -> None:
    if transport == "httpx2":
        pytest.skip("httpx2 leaves this socket to the garbage collector")

    async def silent(line: Line) -> None:
        await line.gone()

    async with serving(silent, tls=True, mute=True) as peer:
        await cancelled(asyncio.create_task(ask(connect(peer.url))), peer)
        await asyncio.wait_for(peer.seen_closed.wait(), GUARD)


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="open sockets are counted in /proc")
async def test_cancelled_while_the_request_is_being_sent(connect: Connect) -> None:
    """To a server that reads no more: what waits to be sent does not keep the connection open."""
    over = asyncio.Event()

    async def handler(line: Line) -> None:
        await line.head()
        line.writer.transport.pause_reading()
        await over.wait()

    async with serving(handler) as peer:
        work = asyncio.create_task(ask(connect(peer.url), (b"x" * (24 << 20),)))
        await asyncio.wait_for(peer.accepted.wait(), GUARD)
        await asyncio.sleep(0.1)
        before = open_files()
        await cancelled(work, peer)
        await until(lambda: open_files() == before - 1)
        over.set()


async def test_cancelled_while_it_connects(connect: Connect) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        await cancelled(
            asyncio.create_task(ask(connect(f"http://127.0.0.1:{full.getsockname()[1]}/api/v1")))
        )
        for caller in callers:
            caller.close()


async def test_after_a_cancellation_the_client_goes_on(connect: Connect) -> None:
    async def handler(line: Line) -> None:
        while True:
            request = await line.request()
            if b"slow" in request.body:
                await line.gone()
            await line.send(reply())

    async with serving(handler) as peer:
        client = connect(peer.url)
        await ask(client)
        await cancelled(asyncio.create_task(ask(client, (b"slow",))))
        assert len(await ask(client)) == 1
        assert len(peer.requests) == 3
