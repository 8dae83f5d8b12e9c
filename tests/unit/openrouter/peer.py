"""A server on a real loopback socket whose every byte, pause and hang-up a test decides."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

PEM = Path(__file__).with_name("loopback.pem")
"""A certificate for localhost that nobody trusts, and its key."""
OK = b'{"id":"gen-1","choices":[]}'


def reply(
    body: bytes = OK, *headers: str, status: str = "200 OK", length: int | None = None
) -> bytes:
    """A whole reply with its Content-Length (a wrong one, if you like)."""
    given = [
        "Content-Type: application/json",
        *headers,
        f"Content-Length: {len(body) if length is None else length}",
    ]
    return (
        f"HTTP/1.1 {status}\r\n".encode()
        + "".join(f"{line}\r\n" for line in given).encode()
        + b"\r\n"
        + body
    )


def stream(*headers: str) -> bytes:
    """The head of a stream; its events follow as `chunk`s."""
    given = ["Content-Type: text/event-stream", "Transfer-Encoding: chunked", *headers]
    return b"HTTP/1.1 200 OK\r\n" + "".join(f"{line}\r\n" for line in given).encode() + b"\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(number: int) -> bytes:
    return chunk(b'data: {"number":%d}\n\n' % number)


END = chunk(b"data: [DONE]\n\n") + chunk(b"")


@dataclass
class Request:
    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for given, value in self.headers if given.lower() == name]


class Line:
    """One connection as the server has it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer
    ) -> None:
        self.reader, self.writer, self._peer = reader, writer, peer

    async def head(self) -> Request:
        """The next request without its body. Raises `IncompleteReadError` where the client has
        gone.
        """
        raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        headers = [
            (name, value.strip()) for name, _, value in (line.partition(":") for line in lines)
        ]
        request = Request(first, headers, b"")
        self._peer.requests.append(request)
        return request

    async def request(self) -> Request:
        request = await self.head()
        request.body = await self.reader.readexactly(
            int((request.values("content-length") or ["0"])[0])
        )
        return request

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
        await self.writer.drain()

    def reset(self) -> None:
        """As if the machine had lost the connection: the client's system is told with an RST."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> int:
        """Wait until the client has closed the connection; how many bytes came before that."""
        size = 0
        try:
            while data := await self.reader.read(1 << 16):
                size += len(data)
        except ConnectionError:
            pass
        self._peer.seen_closed.set()
        return size


Handler = Callable[[Line], Awaitable[None]]


@dataclass
class Peer:
    """What a test knows of its server."""

    origin: str
    requests: list[Request] = field(default_factory=list)
    lines: int = 0
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    seen_closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.origin}/api/v1"

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])


@asynccontextmanager
async def serving(
    handler: Handler, *, tls: bool | ssl.SSLContext = False, mute: bool = False
) -> AsyncIterator[Peer]:
    """A server for the block. `tls`: it shows the certificate of `PEM`, or has a context of its
    own; with `mute` it never answers a handshake.
    """
    peer = Peer("")
    tasks: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        peer.lines += 1
        peer.accepted.set()
        try:
            await handler(Line(reader, writer, peer))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the client has gone
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.transport.abort()
            tasks.discard(task)

    context = tls if isinstance(tls, ssl.SSLContext) else None
    if tls is True and not mute:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    peer.origin = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield peer
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def answers(line: Line) -> None:
    """The handler that answers whatever is asked, on one connection after another."""
    while True:
        await line.request()
        await line.send(reply())


async def never_answers(line: Line) -> None:
    """The handler that has the request, and nothing to say to it."""
    await line.request()
    await line.gone()


async def in_a_stream(line: Line) -> None:
    """The handler that begins a stream and never ends it."""
    await line.request()
    await line.send(stream() + event(1))
    await line.gone()
