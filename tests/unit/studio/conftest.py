"""A studio on the emulator, and a server whose `POST /images` says exactly what a test wants."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from agentkit import OpenRouter
from agentkit.emulator import Emulator
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter.transport import Timeouts
from agentkit.studio import Studio

JSON = "application/json"
EVENTS = "text/event-stream"


@pytest.fixture
def studio(emulator: Emulator, client: OpenRouter, store: MemoryImageStore) -> Studio:
    return Studio(client=client, store=store)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def completed(data: bytes, **more: Any) -> dict[str, Any]:
    return {"type": "image_generation.completed", "b64_json": b64(data), "created": 0, **more}


def partial(data: bytes, index: int = 0) -> dict[str, Any]:
    return {
        "type": "image_generation.partial_image",
        "partial_image_index": index,
        "b64_json": b64(data),
    }


def sse(*events: Any, done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def body(*pictures: bytes, **more: Any) -> bytes:
    return json.dumps(
        {"created": 0, "data": [{"b64_json": b64(each)} for each in pictures], **more}
    ).encode()


@dataclass
class Line:
    """A server that answers each POST with the next of `answers`, and then hangs up, or waits where
    it is told to.
    """

    answers: list[tuple[bytes, str, bool]] = field(default_factory=list)
    """The bytes of the body, its media type, and whether its end comes."""
    posts: list[Any] = field(default_factory=list)
    gets: list[str] = field(default_factory=list)
    hang: bool = False
    record: bytes = b""
    """What `GET /generation` tells."""
    url: str = ""

    def say(self, data: bytes, kind: str = JSON, *, whole: bool = True) -> None:
        self.answers.append((data, kind, whole))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if head.startswith("GET"):
                self.gets.append(head.split(" ")[1])
                found = self.record if "/generation?" in self.gets[-1] else b""
                status = "200 OK" if found else "404 No"
                head = f"HTTP/1.1 {status}\r\ncontent-length: {len(found)}\r\nconnection: close\r\n\r\n"
                writer.write(head.encode() + found)
                return
            lengths = [
                line for line in head.lower().splitlines() if line.startswith("content-length")
            ]
            self.posts.append(json.loads(await reader.readexactly(int(lengths[0].split(":")[1]))))
            data, kind, whole = self.answers.pop(0)
            writer.write(
                f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(data) + (not whole)}\r\n"
                f"x-generation-id: gen-img-1\r\nconnection: close\r\n\r\n".encode()
            )
            for start in range(0, len(data), 4000):
                writer.write(data[start : start + 4000])
                await writer.drain()
            if self.hang:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    server = await asyncio.start_server(line.handle, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield line
    server.close()


@pytest.fixture
async def at_line(line: Line, store: MemoryImageStore) -> AsyncIterator[Callable[..., Studio]]:
    """Makes studios that speak to `line`, without a look into a catalogue that it does not have."""
    clients: list[OpenRouter] = []

    def made(*, lookup: float = 0, **options: Any) -> Studio:
        timeouts = Timeouts(connect=5, lookup=lookup)
        client = OpenRouter(api_key="sk-or-test", base_url=f"{line.url}/api/v1", timeouts=timeouts)
        clients.append(client)
        return Studio("a/b", client=client, **{"store": store, "checks": False, **options})

    yield made
    for client in clients:
        await client.close()
