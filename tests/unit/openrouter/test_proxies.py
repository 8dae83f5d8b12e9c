"""Proxies that the environment names, over either transport."""

from __future__ import annotations

import asyncio
import sys
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import OpenRouter
from agentkit.errors import ConnectionFailed, OutcomeUnknown, ProxyFailed, UsageError
from agentkit.network.proxies import is_exempt, proxy_for
from agentkit.openrouter import Timeouts
from agentkit.openrouter.retry import times_more
from agentkit.openrouter.transport import transport_for
from tests.proxy import proxying
from tests.unit.openrouter.conftest import KEY, Connect, ask
from tests.unit.openrouter.peer import Line, answers, reply, serving


@pytest.fixture(autouse=True)
def plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxies here are asked in plain words for names that only they know."""
    monkeypatch.setenv("AGENTKIT_ALLOW_HTTP", "1")


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


HERE = [("10.1.2.3", 443), ("127.0.0.1", 443), ("fd00::12", 443), ("openrouter.ai", 443)]


@pytest.mark.parametrize(
    ("no_proxy", "hosts"),
    [
        ("", ""),
        ("*", "10.1.2.3 127.0.0.1 fd00::12 openrouter.ai"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.99/24, 127.0.0.0/8", "10.1.2.3 127.0.0.1"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3:443", "10.1.2.3"),
        ("10.1.2.3:8080,10.1.2.0/24:8080", ""),
        ("10.1.2.0/24:443", "10.1.2.3"),
        ("10.1.2", ""),
        ("fd00::12", "fd00::12"),
        ("FD00:0:0::12", "fd00::12"),
        ("[fd00::12]", "fd00::12"),
        ("[fd00::12]:443", "fd00::12"),
        ("[fd00::12]:80", ""),
        ("fd00::/8", "fd00::12"),
        ("[fd00::]/8", "fd00::12"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("openrouter.ai", "openrouter.ai"),
        ("OpenRouter.AI.:443", "openrouter.ai"),
        ("openrouter.ai:80", ""),
        (".ai  127.0.0.1", "openrouter.ai 127.0.0.1"),
        ("*.ai", "openrouter.ai"),
        ("ai", "openrouter.ai"),
        ("router.ai", ""),
        ("https://openrouter.ai/", "openrouter.ai"),
        ("10.0.0.0/99, fd00::/x, [, :, /, *., 10.1.2.3/8", "10.1.2.3"),
    ],
)
def test_what_is_reached_without_a_proxy(no_proxy: str, hosts: str) -> None:
    assert [host for host, port in HERE if is_exempt(host, port, no_proxy)] == [
        host for host, _ in HERE if host in hosts.split()
    ]


@given(st.text(st.sampled_from("[]:./*,10af-x "), max_size=20))
def test_any_exemption_is_one_or_none(no_proxy: str) -> None:
    assert is_exempt("openrouter.ai", 443, no_proxy) in (True, False)
    assert is_exempt("::1", 443, no_proxy) in (True, False)


def test_an_address_of_ipv6_has_an_exemption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "[::1]:8000,fe80::/10")
    asked = [proxy_for(f"http://{host}/v1") for host in ("[::1]:8000", "[::1]", "[fe80::1%25lo]")]
    assert [each is None for each in asked] == [True, False, True]


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
        for scheme in ("https", "http"):
            monkeypatch.setenv(f"{scheme}_proxy", proxy.origin)
            with pytest.raises(ProxyFailed, match="407.*nothing was sent"):
                await ask(connect(f"{scheme}://openrouter.example/api/v1"))


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
    assert proxy_for(url) is None
    assert (transport_for(None, None), transport_for(None, "httpx2")) == ("aiohttp", "httpx2")
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    assert proxy_for(url) == "http://proxy.example:3128"
    assert transport_for(proxy_for(url), None) == "aiohttp"
    monkeypatch.setenv("https_proxy", "socks5://ada:secret@proxy.example")
    assert transport_for(proxy_for(url), None) == "httpx2"
    with pytest.raises(UsageError, match=r"'socks5://.*httpx2") as caught:
        transport_for(proxy_for(url), "aiohttp")
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("https_proxy", "SOCKS://proxy.example:1080/")  # as GNOME writes it
    assert proxy_for(url) == "socks5://proxy.example:1080/"
    for wrong in ("ftp://proxy.example", "socks4://proxy.example", "http://:80", "http://x:port"):
        monkeypatch.setenv("https_proxy", wrong)
        with pytest.raises(UsageError, match=f"'{wrong}'.*accepted are addresses of http"):
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


async def hello(line: Line, said: bytes) -> None:
    """The beginning of a SOCKS5 proxy: what it says to the methods that it is offered."""
    _, methods = await line.reader.readexactly(2)
    await line.reader.readexactly(methods)
    await line.send(said)


async def silent(line: Line) -> None:
    await line.gone()


async def http_only(line: Line) -> None:
    await hello(line, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await line.gone()


async def wants_a_password(line: Line) -> None:
    await hello(line, b"\x05\xff")
    await line.gone()


async def wants_another_password(line: Line) -> None:
    await hello(line, b"\x05\x02")
    await line.reader.read(100)
    await line.send(b"\x01\x01")
    await line.gone()


def answering(code: int) -> Any:
    async def handler(line: Line) -> None:
        await hello(line, b"\x05\x00")
        await line.reader.read(100)
        await line.send(b"\x05" + bytes([code]) + b"\x00\x01" + bytes(6))
        await line.gone()

    return handler


async def hangs_up(line: Line) -> None:
    await hello(line, b"")


SOCKS: list[tuple[Any, str, type[ConnectionFailed], str]] = [
    (silent, "", ProxyFailed, "said nothing for 0.2 s"),
    (http_only, "", ProxyFailed, "does not speak SOCKS"),
    (wants_a_password, "", ProxyFailed, "refuses"),
    (wants_another_password, "ada:verysecret@", ProxyFailed, "refuses: Invalid username"),
    (answering(2), "", ProxyFailed, "refuses.*ruleset"),
    (answering(7), "", ProxyFailed, "refuses.*not supported"),
    (answering(4), "", ConnectionFailed, "Host unreachable"),
    (answering(5), "", ConnectionFailed, "refused"),
    (hangs_up, "", ProxyFailed, "does not speak SOCKS"),
]


@pytest.mark.parametrize(("handler", "user", "kind", "words"), SOCKS)
async def test_a_socks_proxy_that_fails_has_sent_nothing(
    handler: Any,
    user: str,
    kind: type[ConnectionFailed],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = Timeouts(connect=0.2 if handler is silent else 20)
    async with serving(handler) as proxy:
        monkeypatch.setenv("all_proxy", proxy.origin.replace("http://", f"socks5://{user}"))
        base_url = "http://openrouter.example/api/v1"
        async with OpenRouter(api_key=KEY, base_url=base_url, timeouts=waits) as client:
            with pytest.raises(ConnectionFailed, match=f"(?s){words}.*nothing was sent") as caught:
                await ask(client)
    assert type(caught.value) is kind
    assert times_more(caught.value) == (0 if kind is ProxyFailed else 2)
    assert "verysecret" not in str(caught.value)


async def test_a_reply_through_socks_may_take_longer_than_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def slow(line: Line) -> None:
        await hello(line, b"\x05\x00")
        *_, length = await line.reader.readexactly(5)
        await line.reader.readexactly(length + 2)
        await line.send(b"\x05\x00\x00\x01" + bytes(6))
        await line.request()
        await asyncio.sleep(1.5)
        await line.send(reply())

    async with serving(slow) as proxy:
        monkeypatch.setenv("all_proxy", proxy.origin.replace("http:", "socks5:"))
        waits = Timeouts(connect=1)
        base_url = "http://openrouter.example/api/v1"
        async with OpenRouter(api_key=KEY, base_url=base_url, timeouts=waits) as client:
            assert len(await ask(client)) == 1


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_proxy_that_the_user_names(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in place of the environment's; False is none at all."""
    async with (
        serving(answers) as peer,
        proxying({"openrouter.example:80": peer.port}, kind, "ada:p@ss word") as proxy,
    ):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "openrouter.example")
        named = proxy.url("ada:p@ss word")
        base_url = "http://openrouter.example/api/v1"
        async with OpenRouter(
            api_key=KEY, base_url=base_url, proxy=named, allow_http=True
        ) as client:
            assert "p@ss" not in repr(client)
            assert (len(await ask(client)), proxy.asked) == (1, ["openrouter.example:80"])
        async with OpenRouter(api_key=KEY, base_url=peer.url, proxy=False) as client:
            assert (len(await ask(client)), len(proxy.asked)) == (1, 1)


def test_a_proxy_that_cannot_be_is_refused_at_once() -> None:
    for proxy, words in (
        ("ftp://ada:verysecret@proxy.example", r"OpenRouter\(proxy='ftp://…@proxy.example'\): acc"),
        (True, r"OpenRouter\(proxy=True\): accepted is the address of a proxy"),
        ("socks5://ada:verysecret@proxy.example", r"transport='aiohttp'\) cannot use .*'httpx2'"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            OpenRouter(api_key=KEY, proxy=proxy, transport="aiohttp")  # type: ignore[arg-type]
        assert "verysecret" not in str(caught.value)
