"""Requests to an emulator with faults, on a raw socket."""

import contextlib
import json
import re
import socket
import time

from agentkit.emulator import (
    Emulator,
)
from tests.clock import GUARD

HELLO = {"model": "openai/gpt-5.2", "messages": [{"role": "user", "content": "hello"}]}
BODIES = {
    "chat": ("/chat/completions", HELLO),
    "responses": ("/responses", {"model": "openai/gpt-5.2", "input": "hello"}),
    "images": ("/images", {"model": "openai/gpt-5-image", "prompt": "a red dot", "size": "64x64"}),
}


def raw(
    emulator: Emulator,
    body=None,
    *,
    path: str = "/chat/completions",
    sent: int | None = None,
):
    """All that comes over a plain socket, and how it ended: `fin`, `rst` or `silence`. It is silent
    when a stall has begun, before which all that comes has been sent, and nothing more comes.
    """
    stalls = emulator.faults.stalls
    port = int(emulator.origin.rpartition(":")[2])
    content = json.dumps(body if body is not None else HELLO).encode()
    head = (
        f"POST /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk-x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    ).encode()
    received = bytearray()
    with socket.socket() as connection:
        connection.settimeout(GUARD)
        try:
            connection.connect(("127.0.0.1", port))
            connection.sendall(head + content[:sent])
            connection.settimeout(0.1)
            while data := _next(emulator, connection, stalls):
                received += data
        except (ConnectionResetError, BrokenPipeError):
            return bytes(received), "rst"
    return bytes(received), "silence" if data is None else "fin"


def _next(emulator: Emulator, connection: socket.socket, stalls: int) -> bytes | None:
    """What comes next; None when a stall has begun and nothing came."""
    end = time.monotonic() + GUARD
    while time.monotonic() < end:
        has_begun = emulator.faults.stalls > stalls
        with contextlib.suppress(TimeoutError):
            return connection.recv(65536)
        if has_begun:
            return None
    raise AssertionError("nothing came, and no stall began")


def until(condition) -> None:
    end = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


def body_of(received: bytes) -> bytes:
    """The body behind the headers, without the frames of its chunks, as far as it came."""
    head, _, rest = received.partition(b"\r\n\r\n")
    if b"transfer-encoding" not in head.lower():
        return rest
    found = b""
    while match := re.match(rb"([0-9a-fA-F]+)\r\n", rest):
        size = int(match[1], 16)
        found += rest[match.end() :][:size]
        rest = rest[match.end() + size + 2 :]
    return found
