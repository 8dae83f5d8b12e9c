"""Proxies that the environment names, over either transport."""

from __future__ import annotations

import asyncio
import sys
from base64 import b64encode
from contextlib import suppress

import pytest

from agentkit import OpenRouter
from agentkit.errors import ConnectionFailed, OutcomeUnknown, UsageError
from agentkit.openrouter.transport import proxy_for, transport_for
from tests.unit.openrouter.conftest import KEY, Connect, ask
from tests.unit.openrouter.peer import Line, answers, reply, serving


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def tunnel(line: Line) -> None:
    """What a proxy does for https: it connects, and passes on what it cannot read."""
    asked = await line.head()
    host, _, port = asked.line.split()[1].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    await line.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    try:
        await asyncio.gather(relay(line.reader, writer), relay(reader, line.writer))
    finally:
        writer.transport.abort()


async def socks(line: Line) -> None:
    """A SOCKS5 proxy (RFC 1928) that answers the request itself, whatever host it is for."""
    _, methods = await line.reader.readexactly(2)
    await line.reader.readexactly(methods)
    await line.send(b"\x05\x00")  # no authentication
    *_, length = await line.reader.readexactly(
        5
    )  # version, command, reserved, kind of address: a name
    await line.reader.readexactly(length + 2)
    await line.send(b"\x05\x00\x00\x01" + bytes(6))
    await answers(line)


async def test_http(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(answers) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin.replace("//", "//ada:p%40ss@"))
        assert len(await ask(connect("http://openrouter.example/api/v1"))) == 1
        (request,) = proxy.requests
    assert request.line == "POST http://openrouter.example/api/v1/chat/completions HTTP/1.1"
    assert request.values("host") == ["openrouter.example"]
    assert request.values("proxy-authorization") == ["Basic " + b64encode(b"ada:p@ss").decode()]


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
async def test_https(
    name: str, connect: Connect, trusted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(answers, tls=True) as peer, serving(tunnel) as proxy:
        monkeypatch.setenv(name, proxy.origin.replace("//", "//ada:secret@"))
        client = connect(peer.url)
        assert len(await ask(client)) == 1
        assert len(await ask(client)) == 1
        (asked,) = proxy.requests
        assert asked.line == f"CONNECT 127.0.0.1:{peer.port} HTTP/1.1"
        assert asked.values("proxy-authorization") == ["Basic " + b64encode(b"ada:secret").decode()]
        assert asked.values("authorization") == []  # the key is for OpenRouter
        assert [request.values("proxy-authorization") for request in peer.requests] == [[], []]


@pytest.mark.parametrize("exempt", ["*", "127.0.0.1", "example.com,127.0.0.1"])
async def test_no_proxy(exempt: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(answers) as peer, serving(answers) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        monkeypatch.setenv("no_proxy", exempt)
        await ask(connect(peer.url))
        assert (len(peer.requests), len(proxy.requests)) == (1, 0)


async def test_a_proxy_that_is_not_there(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(answers) as gone:
        pass
    monkeypatch.setenv("http_proxy", gone.origin.replace("//", "//ada:verysecret@"))
    with pytest.raises(ConnectionFailed) as caught:
        await ask(connect("http://openrouter.example/api/v1"))
    assert "verysecret" not in str(caught.value)


async def test_a_proxy_that_refuses(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(line: Line) -> None:
        await line.head()
        await line.send(reply(b"who are you?", status="407 Proxy Authentication Required"))

    async with serving(handler) as proxy:
        monkeypatch.setenv("https_proxy", proxy.origin)
        with pytest.raises(ConnectionFailed, match="nothing was sent"):
            await ask(connect("https://openrouter.example/api/v1"))


async def test_a_proxy_that_hangs_up_after_the_request(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(line: Line) -> None:
        await line.request()

    async with serving(handler) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        with pytest.raises(OutcomeUnknown):
            await ask(connect("http://openrouter.example/api/v1"))
        assert len(proxy.requests) == 1


async def test_a_tunnel_in_which_the_handshake_fails(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serving(answers, tls=True) as peer,
        serving(tunnel) as proxy,
    ):  # whose certificate nobody trusts
        monkeypatch.setenv("https_proxy", proxy.origin)
        with pytest.raises(ConnectionFailed, match="nothing was sent"):
            await ask(connect(peer.url))
        assert peer.requests == []


def test_which_transport_speaks_to_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://openrouter.example/api/v1"
    assert (proxy_for(url), transport_for(url, None), transport_for(url, "httpx2")) == (
        None,
        "aiohttp",
        "httpx2",
    )
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    assert (proxy_for(url), transport_for(url, None)) == ("http://proxy.example:3128", "aiohttp")
    monkeypatch.setenv("https_proxy", "socks5://ada:secret@proxy.example")
    assert transport_for(url, None) == "httpx2"
    with pytest.raises(UsageError, match=r"'socks5://.*httpx2") as caught:
        transport_for(url, "aiohttp")
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("https_proxy", "ftp://proxy.example")
    with pytest.raises(UsageError, match="'ftp://proxy.example'.*accepted are http"):
        proxy_for(url)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_socks(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(socks) as proxy:
        monkeypatch.setenv("all_proxy", proxy.origin.replace("http:", f"{scheme}:"))
        async with OpenRouter(api_key=KEY, base_url="http://openrouter.example/api/v1") as client:
            assert len(await ask(client)) == 1
        (request,) = proxy.requests
    assert request.line == "POST /api/v1/chat/completions HTTP/1.1"
    assert request.values("host") == ["openrouter.example"]


async def test_socks_without_its_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("http_proxy", "socks5://ada:verysecret@127.0.0.1:1")
    async with OpenRouter(api_key=KEY, base_url="http://openrouter.example/api/v1") as client:
        with pytest.raises(
            UsageError, match=r'pip install "agentkit-openrouter\[socks\]"'
        ) as caught:
            await ask(client)
    assert "verysecret" not in str(caught.value)


async def test_an_impossible_proxy_is_told_at_the_first_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "gopher://proxy.example")
    async with OpenRouter(api_key=KEY, base_url="http://openrouter.example/api/v1") as client:
        with pytest.raises(UsageError, match="gopher"):
            await ask(client)
