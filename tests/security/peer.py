"""A server on loopback that answers each request with given bytes, or does worse; and keeps what it
was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Script = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def http(body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> bytes:
    """A whole reply; `x_generation_id=…` is a header."""
    lines = [
        f"HTTP/1.1 {status} X",
        f"content-type: {kind}",
        *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
    ]
    return (
        "\r\n".join([*lines, f"content-length: {len(body)}", "connection: close", "", ""]).encode()
        + body
    )


def start(kind: str = "text/event-stream", **headers: str) -> bytes:
    """The head of a reply whose body ends with the connection."""
    lines = [
        f"content-type: {kind}",
        *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
        "connection: close",
    ]
    return "\r\n".join(["HTTP/1.1 200 X", *lines, "", ""]).encode()


class Peer:
    """Answers each POST with the next of `script`, the last again and again; each GET with
    `get`.
    """

    def __init__(self, *script: Script, get: Script = b"") -> None:
        self.script, self.get = list(script), get
        self.heads: list[str] = []
        self.posts = 0
        self.sent = 0
        """Bytes that a script has counted here."""
        self.origin = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            length = next(
                (
                    int(line[15:])
                    for line in head.lower().split("\r\n")
                    if line.startswith("content-length:")
                ),
                0,
            )
            await reader.readexactly(length)
            step = self.get
            if head.startswith("POST"):
                self.posts += 1
                step = self.script[min(self.posts, len(self.script)) - 1]
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            else:
                await step(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def peering(*script: Script, get: Script = b"") -> AsyncIterator[Peer]:
    peer = Peer(*script, get=get)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(peer.answer(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    peer.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield peer
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
