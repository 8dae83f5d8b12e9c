"""An ASGI application under uvicorn on loopback, and raw requests to it: what a browser, or somebody
who has none, can send.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from tests.clock import GUARD


@dataclass(frozen=True)
class Reply:
    """What came back, to the last byte."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of this name, in lower case."""
        return next((value for each, value in self.headers if each == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A server that listens on this port of 127.0.0.1."""

    port: int
    standard: dict[str, str] = field(default_factory=dict)
    """Headers of every request that does not name them itself."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | dict[str, Any] = b"",
    ) -> Reply:
        """One request with exactly these headers besides `Host` and a length, each left out where it
        is given. A body that is a mapping goes as JSON.
        """
        given = list(headers)
        names = {name.lower() for name, _ in given}
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            given += [] if "content-type" in names else [("content-type", "application/json")]
        given += [(name, value) for name, value in self.standard.items() if name not in names]
        if "host" not in names:
            given.insert(0, ("host", f"127.0.0.1:{self.port}"))
        if "content-length" not in names and "transfer-encoding" not in names:
            given.append(("content-length", str(len(body))))
        head = "".join(f"{name}: {value}\r\n" for name, value in given)
        return self.raw(f"{method} {path} HTTP/1.1\r\n{head}connection: close\r\n\r\n", body)

    def raw(self, head: str, body: bytes = b"") -> Reply:
        """What comes back for these bytes. The server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=GUARD) as connection:
            connection.sendall(head.encode("latin-1"))
            # It may have answered before it had the whole body.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(body)
            return read_reply(connection)


def read_reply(connection: socket.socket) -> Reply:
    """A reply that ends with its connection."""
    received = bytearray()
    # A server that has not read everything resets the connection after its reply.
    with suppress(ConnectionResetError):
        while chunk := connection.recv(1 << 16):
            received += chunk
    start, _, rest = bytes(received).partition(b"\r\n\r\n")
    first, *lines = start.decode("latin-1").split("\r\n")
    headers = [
        (name.strip().lower(), value.strip())
        for name, _, value in (line.partition(":") for line in lines)
    ]
    reply = Reply(int(first.split()[1]), headers, rest)
    if reply.header("transfer-encoding") == "chunked":
        return Reply(reply.status, headers, _unchunked(rest))
    return reply


def _unchunked(data: bytes) -> bytes:
    whole = bytearray()
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size or b"0", 16)
        if not length:
            break
        whole += data[:length]
        data = data[length + 2 :]
    return bytes(whole)


@contextmanager
def serving_app(app: Any, **options: Any) -> Generator[Served]:
    """The application, on a loop in a thread of its own, until the block ends."""
    config = uvicorn.Config(app, log_level="error", access_log=False, ws="none", **options)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield Served(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(GUARD)
    assert not thread.is_alive()
