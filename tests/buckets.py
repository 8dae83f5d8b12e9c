"""An S3 on a loopback socket (moto, whose port this process has bound), and a proxy before it that
cuts, refuses and delays.
"""

from __future__ import annotations

import http.client
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from agentkit.images import ObjectImageStore

KEY, SECRET = "AKIDLOOPBACK0000", "secret-of-the-loopback-bucket"
_SIGNED = (
    f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
)


def is_listening_here(port: int) -> bool:
    """Whether a socket of this process listens on the port, and not one of a server that somebody
    else has started.
    """
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"}
    mine: set[str] = set()
    for each in Path("/proc/self/fd").iterdir():
        try:
            mine.add(str(each.readlink()))
        except OSError:  # closed meanwhile
            continue
    return any(f"socket:[{inode}]" in mine for inode in inodes)


@dataclass
class Service:
    """An S3 without buckets but those that are made here."""

    port: int

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """What S3 answers to a request. It checks no signature."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {"Authorization": _SIGNED})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def bucket(self, name: str) -> str:
        """Make a bucket."""
        assert self.call("PUT", f"/{name}")[0] == 200
        return name

    def config(self, **more: str) -> dict[str, str]:
        return {
            "endpoint": self.origin,
            "access_key_id": KEY,
            "secret_access_key": SECRET,
            "region": "us-east-1",
            **more,
        }

    def store(self, url: str, spool: Path, **more: str) -> ObjectImageStore:
        return ObjectImageStore(url, config=self.config(**more), spool=spool)


@contextmanager
def s3() -> Iterator[Service]:
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        assert is_listening_here(port)
        yield Service(port)
    finally:
        server.stop()


@dataclass
class Faults:
    """A proxy before an S3. `plan` draws the fault of each request; None lets it pass."""

    behind: int
    shares: dict[str, float] = field(default_factory=dict[str, float])
    """How often each fault comes: `refused` (cut before the request is passed on), `lost` (the
    reply of one that was carried out), `half` (a reply cut in its body), `503`, `slow`.
    """
    answer: tuple[int, bytes] | None = None
    """What it answers to everything, instead."""
    seed: int = 1
    told: Counter[str] = field(default_factory=Counter[str])
    port: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

    def draw(self) -> str:
        with self._lock:
            at = self._random.random()
            for fault, share in self.shares.items():
                at -= share
                if at < 0:
                    self.told[fault] += 1
                    return fault
            self.told[""] += 1
            return ""

    @property
    def service(self) -> Service:
        return Service(self.port)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: Faults

    def log_message(self, *_: Any) -> None:
        """Nothing is told."""

    def _pass_on(self) -> None:
        fault = self.faults.draw()
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.faults.answer is not None:
            self._reply(self.faults.answer[0], {}, self.faults.answer[1])
        elif fault == "refused":
            self._cut()
        elif fault == "503":
            self._reply(503, {}, b"<Error><Code>SlowDown</Code></Error>")
        else:
            self._carry_out(body, fault)

    def _carry_out(self, body: bytes, fault: str) -> None:
        behind = http.client.HTTPConnection("127.0.0.1", self.faults.behind, timeout=60)
        try:
            behind.request(self.command, self.path, body, dict(self.headers.items()))
            reply = behind.getresponse()
            data = reply.read()
        finally:
            behind.close()
        if fault == "lost":
            self._cut()
            return
        if fault == "slow":
            time.sleep(0.02)
        self._reply(reply.status, dict(reply.getheaders()), data, half=fault == "half")

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _pass_on  # noqa: N815

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _reply(self, status: int, headers: dict[str, str], data: bytes, half: bool = False) -> None:
        hop = {"connection", "transfer-encoding", "content-length", "date", "server"}
        length = next((v for k, v in headers.items() if k.lower() == "content-length"), None)
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in hop:
                self.send_header(name, value)
        is_head = self.command == "HEAD"
        self.send_header("Content-Length", (length or "0") if is_head else str(len(data)))
        self.end_headers()
        if is_head:
            return
        self.wfile.write(data[: len(data) // 2] if half else data)
        if half and data:
            self._cut()


@contextmanager
def faulty(faults: Faults) -> Iterator[Faults]:
    handler = type("Handler", (_Handler,), {"faults": faults})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    faults.port = server.server_address[1]
    assert is_listening_here(faults.port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
