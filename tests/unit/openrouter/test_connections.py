"""Connections over either transport: kept, shared, closed when they should be, and no task left
behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import queue
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import httpx2
import pytest

from agentkit import OpenRouter
from agentkit.errors import ConnectionFailed, OutcomeUnknown
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter.aiohttp_transport import AiohttpTransport, Arriving
from agentkit.openrouter.transport import Transport, Waits
from tests.clock import GUARD
from tests.unit.openrouter.conftest import BODY, KEY, Connect, ask
from tests.unit.openrouter.peer import (
    END,
    OK,
    Line,
    answers,
    event,
    in_a_stream,
    never_answers,
    reply,
    serving,
    stream,
)


async def test_one_connection_serves_one_request_after_another(connect: Connect) -> None:
    async def handler(line: Line) -> None:
        for number in range(3):
            await line.request()
            await line.send(*((reply(),) if number else (stream(), event(1), END)))

    async with serving(handler) as peer:
        client = connect(peer.url)
        for _ in range(3):
            await ask(client)
        assert (peer.lines, len(peer.requests)) == (1, 3)


async def test_a_body_that_was_not_read_to_its_end_costs_the_connection(connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(stream() + event(1))
        await line.gone()

    async with serving(handler) as peer:
        client = connect(peer.url)
        async with client.exchange("/chat/completions", BODY, MemoryImageStore()):
            pass
        await asyncio.wait_for(peer.seen_closed.wait(), GUARD)


async def test_a_kept_connection_that_the_server_closes(connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(reply())

    async with serving(handler) as peer:
        client = connect(peer.url)
        for _ in range(3):
            await ask(client)
            await asyncio.sleep(0.02)
        assert (peer.lines, len(peer.requests)) == (3, 3)


class Thread:
    """A server on a thread of its own, for a test that keeps the event loop busy. It answers once
    on each connection, and closes it as soon as it is told."""

    def __init__(self) -> None:
        self.posts = 0
        self._answered: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/api/v1"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._socket.accept()
                data = b""
                while not data.endswith(BODY[0]) and (more := line.recv(1 << 16)):
                    data += more
                self.posts += data.count(b"POST ")
                line.sendall(reply())
                self._answered.put(line)

    def hang_up(self) -> None:
        self._answered.get(timeout=GUARD).close()

    def close(self) -> None:
        self.hang_up()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def thread() -> Iterator[Thread]:
    server = Thread()
    yield server
    server.close()


async def test_a_kept_connection_that_is_closed_while_the_event_loop_is_busy(
    connect: Connect, thread: Thread
) -> None:
    client = connect(thread.url)
    await ask(client)
    thread.hang_up()
    time.sleep(0.1)  # noqa: ASYNC251 - the loop sees nothing of it
    await ask(client)
    assert thread.posts == 2


def opened() -> AiohttpTransport:
    tls = ssl.create_default_context()
    return AiohttpTransport(Waits(GUARD, GUARD, GUARD), tls=tls, keepalive=5)


async def read(reply: Arriving) -> bytes:
    return b"".join([chunk async for chunk in reply.aiter_raw()])


async def test_a_kept_connection_that_closes_before_the_first_byte_is_written() -> None:
    """Nothing of the request was sent, so it is told as a connection that was not had, and may be
    sent again.
    """

    async def handler(line: Line) -> None:
        await line.request()
        await line.send(reply())
        await asyncio.sleep(0.05)

    async def body(pause: float) -> AsyncIterator[bytes]:
        await asyncio.sleep(pause)
        yield b"{}"

    size = {"Content-Length": "2"}
    async with serving(handler) as peer, opened() as http:
        assert await read(await http.send("POST", peer.url, body(0), size)) == OK
        with pytest.raises(httpx2.ConnectError, match="before the request was written"):
            await http.send("POST", peer.url, body(0.2), size)
        assert (peer.lines, len(peer.requests)) == (1, 1)


async def test_a_kept_connection_that_closes_while_the_request_is_on_its_way(
    thread: Thread,
) -> None:
    """The server's last word acknowledges nothing of the request, so nothing of it had come."""

    async def late() -> AsyncIterator[bytes]:
        thread.hang_up()
        time.sleep(0.05)  # noqa: ASYNC251 - the loop sees nothing of it before it has written
        yield BODY[0]

    size = {"Content-Length": str(len(BODY[0]))}
    url = f"{thread.url}/chat/completions"
    async with opened() as http:
        await read(await http.send("POST", url, BODY[0], size))
        await asyncio.sleep(0.1)
        on_linux = sys.platform == "linux"
        with pytest.raises(httpx2.ConnectError if on_linux else httpx2.RemoteProtocolError):
            await http.send("POST", url, late(), size)
        assert thread.posts == 1
        await read(await http.send("POST", url, BODY[0], size))


async def test_a_kept_connection_that_closes_while_others_are_in_use(thread: Thread) -> None:
    """A client that is never quiet has connections that nobody used for long."""

    async def late() -> AsyncIterator[bytes]:
        thread.hang_up()
        thread.hang_up()
        time.sleep(0.05)  # noqa: ASYNC251 - the loop sees nothing of it before it has written
        yield BODY[0]

    size = {"Content-Length": str(len(BODY[0]))}
    url = f"{thread.url}/chat/completions"
    async with opened() as http:
        first = [http.send("POST", url, BODY[0], size) for _ in range(2)]
        for each in await asyncio.gather(*first):  # over two connections, which both are kept
            await read(each)
        await asyncio.sleep(0.1)
        other = asyncio.create_task(http.send("POST", url, BODY[0], size))
        for _ in range(10):  # the other one has its connection, and gets no answer over it
            await asyncio.sleep(0)
        on_linux = sys.platform == "linux"
        with pytest.raises(httpx2.ConnectError if on_linux else httpx2.RemoteProtocolError):
            await http.send("POST", url, late(), size)
        await asyncio.wait([other])
        assert other.exception() is not None
        await read(await http.send("POST", url, BODY[0], size))


async def test_a_kept_connection_that_closes_after_the_request_had_come(connect: Connect) -> None:
    """In good order, but without an answer: the request may have been carried out."""

    async def handler(line: Line) -> None:
        await line.request()
        await line.send(reply())
        await line.request()
        line.writer.close()
        await line.writer.wait_closed()

    async with serving(handler) as peer:
        client = connect(peer.url)
        await ask(client)
        await asyncio.sleep(0.1)
        with pytest.raises(OutcomeUnknown):
            await ask(client)
        assert len(peer.requests) == 2


async def test_how_long_a_connection_is_kept(connect: Connect) -> None:
    for keepalive, lines in ((5, 1), (0, 3)):
        async with serving(answers) as peer:
            client = connect(peer.url, keepalive=keepalive)
            for _ in range(3):
                await ask(client)
                await asyncio.sleep(0.01)
            assert peer.lines == lines


LOADED = """
import asyncio, sys, threading
from agentkit import OpenRouter

found = {}

class Finder:
    def find_spec(self, name, path=None, target=None):
        is_main = threading.current_thread() is threading.main_thread()
        found.setdefault(name.partition(".")[0], is_main)

sys.meta_path.insert(0, Finder())

async def main():
    async with OpenRouter(api_key="sk-or-1", base_url="http://127.0.0.1:9/api/v1") as client:
        await asyncio.gather(*(client.get("/key") for _ in range(3)), return_exceptions=True)

asyncio.run(main())
print(*[found.get(name) for name in ("openai", "httpx2", "aiohttp", "tenacity")])
"""


def test_the_first_request_loads_its_libraries_off_the_event_loop() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=GUARD, check=True
    )
    assert ended.stdout.split() == ["False"] * 4


async def test_a_kept_connection_that_breaks_under_the_next_request(connect: Connect) -> None:
    """Whether the server saw that request cannot be known, so it is not sent again."""

    async def handler(line: Line) -> None:
        await line.request()
        await line.send(reply())
        await line.request()
        line.reset()

    async with serving(handler) as peer:
        client = connect(peer.url)
        await ask(client)
        with pytest.raises(OutcomeUnknown):
            await ask(client)
        assert (peer.lines, len(peer.requests)) == (1, 2)


async def test_a_hundred_at_once(connect: Connect) -> None:
    together = asyncio.Barrier(100)

    async def handler(line: Line) -> None:
        while True:
            request = await line.request()
            await together.wait()
            await line.send(reply(request.body))

    async with serving(handler) as peer:
        client = connect(peer.url)
        replies = await asyncio.gather(
            *(ask(client, (b'{"number":%d}' % number,)) for number in range(100))
        )
        assert replies == [[{"number": number}] for number in range(100)]
        assert peer.lines == 100


def test_two_event_loops(transport: Transport) -> None:
    """One client, each loop with connections of its own, closed with the loop."""
    from agentkit.emulator import Emulator

    with Emulator() as emulator:
        client = OpenRouter(api_key=KEY, base_url=emulator.base_url, transport=transport)

        async def several() -> None:
            for _ in range(2):
                await client.get("/models")

        loops: list[Callable[[], None]] = [lambda: asyncio.run(several())] * 2
        threads = [threading.Thread(target=run) for run in loops]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        asyncio.run(several())
        assert len(emulator.requests) == 6


async def test_closed_and_opened_again(connect: Connect) -> None:
    seen = 0

    async def handler(line: Line) -> None:
        nonlocal seen
        await line.request()
        await line.send(reply())
        await line.gone()
        seen += 1

    async with serving(handler) as peer:
        client = connect(peer.url)
        await ask(client)
        await client.close()
        await client.close()
        await asyncio.wait_for(peer.seen_closed.wait(), GUARD)
        await ask(client)
        assert (peer.lines, seen) == (2, 1)


async def test_closed_under_a_request(connect: Connect) -> None:
    async with serving(never_answers) as peer:
        client = connect(peer.url)
        work = asyncio.create_task(ask(client))
        await asyncio.wait_for(peer.accepted.wait(), GUARD)
        await asyncio.sleep(0.1)
        await client.close()
        await asyncio.wait_for(peer.seen_closed.wait(), GUARD)
        with pytest.raises((OutcomeUnknown, ConnectionFailed)) as caught:
            await asyncio.wait_for(work, GUARD)
        assert isinstance(caught.value, OutcomeUnknown)
        assert len(peer.requests) == 1


@pytest.mark.parametrize("closed", [True, False])
async def test_an_abandoned_exchange(closed: bool, connect: Connect) -> None:
    """Nobody leaves the block: `close`, or the end of the client, ends its connection."""
    async with serving(in_a_stream) as peer:
        client = connect(peer.url)

        async def wander_off(client: OpenRouter) -> AsyncIterator[None]:
            async with client.exchange("/chat/completions", BODY, MemoryImageStore()):
                yield

        walk = wander_off(client)
        await anext(walk)
        if closed:
            await client.close()
        else:
            del walk
            gc.collect()
            await asyncio.sleep(0)
        await asyncio.wait_for(peer.seen_closed.wait(), GUARD)


def test_a_client_that_was_dropped_closes_its_connections(transport: Transport) -> None:
    async def main() -> None:
        async def handler(line: Line) -> None:
            await line.request()
            await line.send(reply())
            await line.gone()

        async with serving(handler) as peer:
            client = OpenRouter(api_key=KEY, base_url=peer.url, transport=transport)
            await ask(client)
            del client
            gc.collect()
            await asyncio.wait_for(peer.seen_closed.wait(), GUARD)

    asyncio.run(main())
