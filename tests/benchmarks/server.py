"""A server that costs next to nothing, in a process of its own, so that only the client is
measured.

The path says what to answer: `/tools-10/chat/completions` is a conversation of ten rounds of tool
calls. Answers are bytes that were built before; requests are not parsed beyond their length.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.replies import CALLS, catalogue, picture, reply

WAIT = 0.05
"""Seconds that a `slow` answer takes."""


def answer_to(path: str, body: bytes) -> bytes:
    """The bytes for a request; a tool loop's round is told from the results in the request."""
    scenario, _, rest = path.strip("/").partition("/")
    if rest.startswith("models"):  # what agentkit asks once, beside the work that is measured
        return catalogue()
    name, _, size = scenario.partition("-")
    if name == "file":  # a picture behind a URL
        return picture(int(size))
    api = "responses" if rest == "responses" else "chat"
    if name == "tools":
        mark = b'"tool_call_id"' if api == "chat" else b'"function_call_output"'
        done = body.count(mark) // CALLS
        return reply("round", api, done) if done < int(size) else reply("plain", api, 1)
    if name == "drawn":  # another picture in each turn
        size = str(body.count(b'"role":"user"') + body.count(b'"role": "user"'))
    if name == "image" and (b'"stream":true' in body or b'"stream": true' in body):
        name = "image-stream"
    return reply(name, api, int(size))


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._missing = 0
        self._path = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        if self._missing:
            self._missing -= len(data)
        else:
            whole = b"".join(self._pieces)
            head, found, body = whole.partition(b"\r\n\r\n")
            if not found:
                return
            self._pieces = [body]
            self._path = head.split(b" ", 2)[1].decode()
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._missing = int(length or 0) - len(body)
        if self._missing <= 0:
            body, self._pieces, self._missing = b"".join(self._pieces), [], 0
            self._answer(answer_to(self._path, body))

    def _answer(self, data: bytes) -> None:
        if self._path.startswith("/slow"):
            asyncio.get_running_loop().call_later(WAIT, self._transport.write, data)
        else:
            self._transport.write(data)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # whoever started it closes stdin, or dies
    server.close()


@contextmanager
def running() -> Iterator[str]:
    """The server in a process of its own; its origin."""
    command = [sys.executable, "-m", "tests.benchmarks.server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(serve())
