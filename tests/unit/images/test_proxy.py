"""Pictures by URL through the proxy that the user names, and through no other."""

from __future__ import annotations

import asyncio
import copy
import pickle
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agentkit.errors import ImageError, UsageError
from agentkit.images import Fetcher, FetchPolicy, MemoryImageStore
from agentkit.openrouter import Tls
from tests.certificates import authority
from tests.clock import advance
from tests.proxy import Proxy, proxying
from tests.security.net import PNG
from tests.unit.openrouter.peer import Line, Peer, reply, serving

USER = "ada:p%40ss"


async def nothing(host: str, port: int) -> Sequence[str]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def names(**addresses: str) -> Any:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return [addresses[host.partition(".")[0]]]

    return resolve


async def picture(line: Line) -> None:
    await line.head()
    await line.send(reply(PNG))


def fetcher(through: Proxy, resolve: Any = nothing, **policy: Any) -> Fetcher:
    given = {"proxy": through.url(), "attempts": 1, **policy}
    return Fetcher(FetchPolicy(**given), MemoryImageStore(), resolve=resolve)


KINDS = ["http", "socks5", "socks5h"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("user", ["", "ada:secret"])
async def test_a_host_that_only_the_proxy_knows(kind: str, user: str, tmp_path: Path) -> None:
    """Over http and https; the certificate is checked for the name in the URL."""
    tls = authority().server("images.example", "other.example")
    async with (
        serving(picture) as plain,
        serving(picture, tls=tls) as secure,
        proxying(
            {
                "images.example:80": plain.port,
                "images.example:443": secure.port,
                "wrong.example:443": secure.port,
            },
            kind,
            user,
        ) as proxy,
    ):
        fetch = fetcher(proxy, tls=Tls(ca=authority().file(tmp_path)))
        for url in ("http://images.example/a.png?sig=a%2Fb", "https://IMAGES.example/a.png"):
            assert (await fetch.fetch(url)).size == len(PNG)
        with pytest.raises(
            ImageError, match=r"no connection \(.*wrong\.example.*through the proxy"
        ):
            await fetch.fetch("https://wrong.example/a.png")
    assert proxy.asked == ["images.example:80", "images.example:443", "wrong.example:443"]
    lines = [peer.requests[0].line for peer in (plain, secure)]
    assert lines == ["GET /a.png?sig=a%2Fb HTTP/1.1", "GET /a.png HTTP/1.1"]
    assert [request.values("proxy-authorization") for request in secure.requests] == [[]]


async def test_what_is_refused_before_the_proxy_is_asked() -> None:
    resolve = names(inside="10.1.2.3", metadata="169.254.169.254", outside="93.184.216.34")
    async with proxying({"outside.example:80": 0}) as proxy:
        fetch = fetcher(proxy, resolve)
        for url in (
            "http://inside.example/a.png",
            "http://metadata.example/a.png",
            "http://10.1.2.3/a.png",
            "http://[::1]/a.png",
            "http://2130706433/a.png",
            "https://[2606:4700::1111]/a.png",
            "ftp://outside.example/a.png",
            "http://outside.example:0/a.png",
        ):
            with pytest.raises(ImageError, match="not fetched"):
                await fetch.fetch(url)
        fetch = fetcher(proxy)  # names that mean the own network wherever they are looked up
        for host in ("localhost", "metadata.google.internal", "intranet", "printer.local"):
            with pytest.raises(ImageError, match="no public address"):
                await fetch.fetch(f"http://{host}/a.png")
    assert proxy.asked == []


async def test_a_resolver_that_never_answers_is_not_waited_for() -> None:
    """Such networks drop what is asked of the outside."""
    asked = asyncio.Event()

    async def silent(host: str, port: int) -> Sequence[str]:
        asked.set()
        await asyncio.Event().wait()
        return []

    async with serving(picture) as server, proxying({"outside.example:80": server.port}) as proxy:
        fetching = asyncio.create_task(fetcher(proxy, silent).fetch("http://outside.example/a.png"))
        await asked.wait()
        advance(5.0)
        assert (await fetching).size == len(PNG)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("http://10.0.0.1/a.png", "no public address"),
        ("http://inside.example/a.png", "no public address"),
        ("file:///etc/passwd", "only http and https"),
    ],
)
async def test_each_redirect_is_checked(target: str, words: str) -> None:
    async def away(line: Line) -> None:
        await line.head()
        await line.send(reply(b"", f"Location: {target}", status="302 Found"))

    async with serving(away) as server, proxying({"outside.example:80": server.port}) as proxy:
        with pytest.raises(ImageError, match=words):
            await fetcher(proxy, names(inside="10.1.2.3", outside="93.184.216.34")).fetch(
                "http://outside.example/a.png"
            )
    assert proxy.asked == ["outside.example:80"]


async def test_private_addresses_where_they_are_allowed() -> None:
    async with serving(picture) as server, proxying({"inside.example:80": server.port}) as proxy:
        fetch = fetcher(proxy, names(inside="10.1.2.3"), private=True)
        assert (await fetch.fetch("http://inside.example/a.png")).size == len(PNG)
    assert proxy.asked == ["inside.example:80"]


async def test_the_own_origin_on_this_machine_needs_no_proxy() -> None:
    """Its redirect to the outside does."""

    async def away(line: Line) -> None:
        await line.head()
        await line.send(reply(b"", "Location: http://outside.example/a.png", status="302 Found"))

    async with (
        serving(picture) as server,
        serving(away) as own,
        proxying({"outside.example:80": server.port}) as proxy,
    ):
        policy = FetchPolicy(proxy=proxy.url())
        fetch = Fetcher(policy, MemoryImageStore(), resolve=nothing, origin=own.url)
        assert (await fetch.fetch(f"{own.origin}/a.png")).size == len(PNG)
    assert (len(own.requests), proxy.asked) == (1, ["outside.example:80"])


async def test_what_the_environment_names_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(picture) as server, proxying({}) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        fetch = Fetcher(FetchPolicy(private=True), MemoryImageStore())
        assert (await fetch.fetch(f"{server.origin}/a.png")).size == len(PNG)
    assert proxy.asked == []


LOGIN = reply(b"<html>Log in", "Content-Type: text/html", status="200 OK").replace(
    b"Content-Type: application/json\r\n", b""
)
TO_LOGIN = reply(b"", "Location: http://login.intranet/", status="302 Found")
REFUSALS: list[tuple[str, bytes, str]] = [
    ("http", reply(b"", status="407 Who"), "no connection.*asks for a user name and a password"),
    ("https", reply(b"", status="407 Who"), "asks for a user name and a password"),
    ("http", reply(b"", status="403 Forbidden"), "HTTP 403"),
    ("https", reply(b"", status="403 Forbidden"), r"the proxy refuses \(403"),
    ("https", reply(b"", status="502 Bad Gateway"), r"the proxy refuses \(502"),
    ("http", LOGIN, "not a picture"),
    ("https", TO_LOGIN, r"the proxy refuses \(302"),
    ("https", b"SSH-2.0-x\r\n", "the connection broke"),
]


@pytest.mark.parametrize(("scheme", "said", "words"), REFUSALS)
async def test_a_proxy_that_does_not_let_through(
    scheme: str, said: bytes, words: str, tmp_path: Path
) -> None:
    """The reason names the proxy without its password; once it lets through, so does a fetch."""
    tls = authority().server("images.example") if scheme == "https" else False
    async with (
        serving(picture, tls=tls) as server,
        proxying(
            {"images.example:443": server.port, "images.example:80": server.port},
            "http",
            USER,
            said,
        ) as proxy,
    ):
        proxy.user = "ada:p@ss"
        fetch = fetcher(proxy, proxy=proxy.url(USER), tls=Tls(ca=authority().file(tmp_path)))
        with pytest.raises(ImageError, match=words) as caught:
            await fetch.fetch(f"{scheme}://images.example/a.png")
        assert f"http://…@127.0.0.1:{proxy.peer.port}" in str(caught.value)
        assert "p@ss" not in str(caught.value)
        assert (await fetch.fetch(f"{scheme}://images.example/a.png")).size == len(PNG)


@pytest.mark.parametrize(("kind", "words"), [("http", "407"), ("socks5", "Invalid username")])
async def test_a_wrong_password(kind: str, words: str) -> None:
    async with proxying({}, kind, "ada:right-password") as proxy:
        fetch = fetcher(proxy, proxy=proxy.url("ada:wrong-password"), attempts=3)
        for url in ("http://images.example/a.png", "https://images.example/a.png"):
            with pytest.raises(ImageError, match=f"no connection.*{words}") as caught:
                await fetch.fetch(url)
            assert "password@" not in str(caught.value)
    assert proxy.peer.lines == 2, "a refusal for good was tried again"


async def test_a_proxy_that_is_not_there_or_silent() -> None:
    async with serving(picture) as gone:
        pass
    policy = FetchPolicy(proxy=gone.origin, attempts=1)
    with pytest.raises(ImageError, match=r"no connection \(.*through the proxy 'http://127"):
        await Fetcher(policy, MemoryImageStore(), resolve=nothing).fetch("http://a.example/")

    async def silent(line: Line) -> None:
        await line.gone()

    async with serving(silent) as peer:
        for kind in KINDS:
            proxy = Proxy({}, kind, peer=Peer(peer.origin))
            with pytest.raises(ImageError, match=r"it took longer than 0\.3 s|timed out|said noth"):
                await fetcher(proxy, seconds=0.3).fetch("https://a.example/")


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("HTTP://ada:p@ss@proxy.example", "http://ada:p%40ss@proxy.example"),
        ("socks://proxy.example:1080/", "socks5://proxy.example:1080/"),
    ],
)
def test_addresses_are_taken_as_people_write_them(given: str, taken: str) -> None:
    assert FetchPolicy(proxy=given).proxy == taken


@pytest.mark.parametrize(
    "given",
    ["", "ftp://proxy.example", "http://", "http://ada:verysecret@:80", "http://x:port", 3128],
)
def test_what_is_no_proxy_is_refused_at_once(given: Any) -> None:
    with pytest.raises(UsageError, match=r"FetchPolicy\(proxy=.*accepted is the address") as caught:
        FetchPolicy(proxy=given)
    assert "verysecret" not in str(caught.value)


def test_the_password_is_shown_nowhere() -> None:
    policy = FetchPolicy(proxy="http://ada:verysecret@proxy.example:3128", max_bytes=7)
    assert "max_bytes=7" in repr(policy)
    assert "proxy='http://…@proxy.example:3128'" in repr(policy)
    assert "verysecret" not in repr(policy)
    assert pickle.loads(pickle.dumps(policy)) == copy.deepcopy(policy) == policy


def test_socks_without_its_package_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(UsageError, match=r'pip install "agentkit-openrouter\[socks\]"'):
        FetchPolicy(proxy="socks5://proxy.example")
