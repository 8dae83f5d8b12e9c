"""A server on loopback that answers each request with the next of some replies, byte for byte, cut
as it is told.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Canned:
    """`pieces` are sent one by one, as the chunks of a chunked body."""

    pieces: tuple[bytes, ...]
    headers: Mapping[str, str]
    status: int = 200


@dataclass
class Replayer:
    """Its address, and the bodies that it was sent. The last reply is repeated."""

    replies: deque[Canned]
    bodies: list[Any] = field(default_factory=list)
    base_url: str = ""
    connections: dict[asyncio.StreamWriter, asyncio.Task[Any] | None] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections[writer] = asyncio.current_task()
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET "):  # for a file of a container, which nobody recorded
                    await self._answer(writer, Canned((b"{}",), {}, 404))
                    continue
                length = next(
                    line
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                )
                self.bodies.append(
                    json.loads(await reader.readexactly(int(length.partition(b":")[2])))
                )
                await self._answer(
                    writer, self.replies.popleft() if len(self.replies) > 1 else self.replies[0]
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has what it wanted
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, reply: Canned) -> None:
        lines = [f"HTTP/1.1 {reply.status} Recorded", "transfer-encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        for piece in reply.pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        await writer.drain()


@asynccontextmanager
async def replaying(replies: Iterable[Canned]) -> AsyncIterator[Replayer]:
    replayer = Replayer(deque(replies))
    server = await asyncio.start_server(replayer.serve, "127.0.0.1", 0, limit=1 << 20)
    port = server.sockets[0].getsockname()[1]
    replayer.base_url = f"http://127.0.0.1:{port}/api/v1"
    try:
        yield replayer
    finally:
        server.close()
        for connection in replayer.connections:
            connection.close()
        await asyncio.gather(*(task for task in replayer.connections.values() if task is not None))
