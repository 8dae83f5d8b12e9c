"""A proxy on a real loopback socket that is the only way out: it knows the hosts behind it by name,
and speaks HTTP (absolute addresses and tunnels) or SOCKS5, with or without a password.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.unit.openrouter.peer import Line, Peer, Request, reply, serving


@dataclass
class Proxy:
    """`hosts` has the port on this machine for each `host:port` behind it."""

    hosts: dict[str, int]
    kind: str = "http"
    user: str = ""
    """`name:password`, where it asks for one."""
    answers: list[bytes] = field(default_factory=list[bytes])
    """What it answers instead, in turn."""
    asked: list[str] = field(default_factory=list[str])
    """The hosts it was asked for."""
    peer: Peer = field(default_factory=lambda: Peer(""))

    def url(self, user: str | None = None) -> str:
        name = self.user if user is None else user
        scheme, _, address = self.peer.origin.partition("://")
        scheme = scheme if self.kind == "http" else self.kind
        return f"{scheme}://{name}{'@' if name else ''}{address}"

    async def answer(self, line: Line) -> None:
        await (self._socks(line) if self.kind.startswith("socks") else self._http(line))

    async def _http(self, line: Line) -> None:
        request = await line.head()
        method, target, _ = request.line.split()
        host = target if method == "CONNECT" else target.split("/")[2]
        host = host if ":" in host else f"{host}:80"
        self.asked.append(host)
        if self.answers:
            await line.send(self.answers.pop(0))
        elif not self._may(request):
            await line.send(
                reply(b"<html>Who are you?", status="407 Proxy Authentication Required")
            )
        elif host not in self.hosts:
            await line.send(reply(b"<html>No such host", status="502 Bad Gateway"))
        elif method == "CONNECT":
            await self._tunnel(line, host, b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = target.split(host.removesuffix(":80"), 1)[1]
            told = [f"{name}: {value}" for name, value in request.headers]
            head = "\r\n".join([f"{method} {path} HTTP/1.1", *told, "", ""])
            await self._tunnel(line, host, b"", head.encode())

    def _may(self, request: Request) -> bool:
        wanted = [f"Basic {b64encode(self.user.encode()).decode()}"]
        return not self.user or request.values("proxy-authorization") == wanted

    async def _socks(self, line: Line) -> None:
        read = line.reader.readexactly
        methods = (await read((await read(2))[1])) + b"\x00"
        wanted = 2 if self.user else 0
        await line.send(bytes([5, wanted if wanted in methods else 0xFF]))
        if self.user:
            name = await read((await read(2))[1])
            password = await read((await read(1))[0])
            is_right = (name + b":" + password).decode() == self.user
            await line.send(b"\x01\x00" if is_right else b"\x01\x01")
        *_, kind, length = await read(5)
        assert kind == 3, "asked for an address, not for a name"
        host = (await read(length)).decode()
        host = f"{host}:{int.from_bytes(await read(2), 'big')}"
        self.asked.append(host)
        if host in self.hosts:
            await self._tunnel(line, host, b"\x05\x00\x00\x01" + bytes(6))
        else:
            await line.send(b"\x05\x04\x00\x01" + bytes(6))

    async def _tunnel(self, line: Line, host: str, said: bytes, first: bytes = b"") -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.hosts[host])
        await line.send(said)
        writer.write(first)
        try:
            await asyncio.gather(_relay(line.reader, writer), _relay(reader, line.writer))
        finally:
            writer.transport.abort()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, RuntimeError):  # a TLS transport that is closing
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


@asynccontextmanager
async def proxying(
    hosts: dict[str, int],
    kind: str = "http",
    user: str = "",
    *answers: bytes,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Proxy]:
    proxy = Proxy(hosts, kind, user, list(answers))
    async with serving(proxy.answer, tls=tls or False) as proxy.peer:
        yield proxy
