"""No URL, redirect or name leads to an address that is not public: not one connection is made to
it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx2
import pytest

from agentkit.errors import ImageError
from agentkit.images import Fetcher, FetchPolicy, MemoryImageStore
from tests.clock import GUARD
from tests.security.net import PNG, Net
from tests.security.urls import FORBIDDEN, GOOD, NAMES, PUBLIC

SECOND = "151.101.1.1"


def test_the_tables_are_large_enough() -> None:
    assert len(FORBIDDEN) == len(set(FORBIDDEN)) >= 150
    assert len(GOOD) >= 30
    assert len(CHAINS) + len(REBINDINGS) >= 20


@pytest.mark.parametrize("url", FORBIDDEN)
async def test_nothing_is_connected_to(url: str) -> None:
    net = Net()
    with pytest.raises(ImageError, match="^not fetched: .{1,150}$"):
        await net.fetcher().fetch(url)
    assert net.requests == []
    assert net.fetcher(hosts=("example.com",)).in_prose(url, bare=False) is False


@pytest.mark.parametrize("url", GOOD)
async def test_what_is_public_is_fetched_from_the_address_that_was_checked(url: str) -> None:
    net = Net()
    assert (await net.fetcher().fetch(url)).size == len(PNG)
    (request,) = net.requests
    assert request.url.host == GOOD[url]
    name = request.extensions["sni_hostname"]
    assert name == (net.asked or [name])[0]
    assert request.headers["host"].replace("[", "").replace("]", "").startswith(name)
    assert not {"authorization", "cookie", "proxy-authorization", "referer"} & set(request.headers)


def to(location: str, status: int = 302) -> httpx2.Response:
    return httpx2.Response(status, headers={b"location": location.encode()})


@dataclass(frozen=True)
class Chain:
    """Redirects that begin at `https://start.example/`: where they lead, and what of it may be
    connected to.
    """

    locations: Sequence[str]
    connected: int
    why: str
    statuses: Sequence[int] = (302,)
    policy: dict[str, object] = field(default_factory=dict)


CHAINS = {
    "to loopback": Chain(["http://127.0.0.1/"], 1, "no public address"),
    "to loopback, in decimal": Chain(["http://2130706433/"], 1, "only hides it"),
    "to loopback, by the fifth hop": Chain(
        ["https://a.example/", "https://b.example/", "/c", "//d.example/", "http://[::1]/"],
        5,
        "no public address",
    ),
    "to a metadata service": Chain(
        ["http://169.254.169.254/latest/meta-data/"], 1, "no public address", (307,)
    ),
    "to a metadata service, by name": Chain(
        ["http://metadata.google.internal/"], 1, "no public address", (301,)
    ),
    "to IPv4 inside IPv6": Chain(["https://[::ffff:10.0.0.1]/"], 1, "no public address", (308,)),
    "to NAT64": Chain(["https://[64:ff9b::a9fe:a9fe]/"], 1, "no public address", (303,)),
    "to full-width digits": Chain(["https://１２７。０。０。１/"], 1, "no public address"),
    "to a name with one bad address": Chain(
        ["https://last-is-bad.example/"], 1, "no public address"
    ),
    "to a file": Chain(["file:///etc/passwd"], 1, "only http and https"),
    "to gopher": Chain(["gopher://127.0.0.1:6379/_FLUSHALL"], 1, "only http and https"),
    "to a data URL": Chain(["data:image/svg+xml,<svg onload=alert(1)>"], 1, "not fetched"),
    "to javascript": Chain(["javascript:alert(1)"], 1, "only http and https"),
    "to a user name": Chain(["https://key@start.example/"], 1, "user name"),
    "by a backslash": Chain(["/\\127.0.0.1/"], 1, "backslashes"),
    "by two slashes": Chain(["//127.0.0.1/a.png"], 1, "no public address"),
    "by four slashes": Chain(["////127.0.0.1/a.png"], 6, "more than 5 redirects"),
    "to nothing": Chain([""], 1, "without a target"),
    "to no URL": Chain(["http://[::1"], 1, "no URL"),
    "to a zone": Chain(["http://[fe80::1%25eth0]/"], 1, "zone"),
    "in a circle": Chain(
        ["https://a.example/", "https://start.example/"], 6, "more than 5 redirects"
    ),
    "to itself": Chain(["/"], 6, "more than 5 redirects"),
    "six times": Chain([f"https://h{n}.example/" for n in range(9)], 6, "more than 5 redirects"),
    "once, where none may be": Chain(
        ["https://a.example/"], 1, "more than 0 redirects", policy={"redirects": 0}
    ),
    "from https down to loopback over http": Chain(
        ["http://plain.example/", "http://localhost/"], 2, "no public address"
    ),
    "to another port of the origin": Chain(["http://localhost:10/"], 1, "no public address"),
    "to the origin by another scheme": Chain(["https://localhost:9/"], 1, "no public address"),
    "to a port that is none": Chain(["https://start.example:0/"], 1, "port 0"),
    "to link-local, where private may be": Chain(
        ["http://10.0.0.1/", "http://169.254.169.254/"],
        2,
        "no public address",
        policy={"private": True},
    ),
}


@pytest.mark.parametrize("name", CHAINS)
async def test_each_hop_of_a_chain_is_checked(name: str) -> None:
    chain = CHAINS[name]
    hops = 0

    def answer(_: httpx2.Request) -> httpx2.Response:
        nonlocal hops
        hops += 1
        return to(chain.locations[(hops - 1) % len(chain.locations)], chain.statuses[0])

    net = Net(answer=answer)
    with pytest.raises(ImageError, match=chain.why):
        await net.fetcher(attempts=1, **chain.policy).fetch("https://start.example/")
    assert len(net.requests) == chain.connected
    allowed = {PUBLIC, "10.0.0.1"} if chain.policy.get("private") else {PUBLIC}
    assert set(net.connected) <= allowed


async def test_good_chains_arrive() -> None:
    hops = iter(
        [to("http://plain.example/b", 301), to("../c?x#y", 303), to("//third.example:8443/d", 307)]
    )
    net = Net(answer=lambda _: next(hops, httpx2.Response(200, content=PNG)))
    assert (await net.fetcher().fetch("https://start.example/a/")).size == len(PNG)
    hosts = ["start.example", "plain.example", "plain.example", "third.example:8443"]
    assert [request.headers["host"] for request in net.requests] == hosts
    assert [request.extensions["sni_hostname"] for request in net.requests] == [
        host.partition(":")[0] for host in hosts
    ]
    assert not any(
        "referer" in request.headers or "cookie" in request.headers for request in net.requests
    )


LOOPBACK, METADATA = ["127.0.0.1"], ["169.254.169.254"]
REBINDINGS: dict[str, tuple[list[list[str]], list[int], list[str]]] = {
    "public, then loopback": ([[PUBLIC], LOOPBACK], [500, 200], [PUBLIC]),
    "public, then metadata": ([[PUBLIC], METADATA], [503, 200], [PUBLIC]),
    "public, then both": ([[PUBLIC], [PUBLIC, *LOOPBACK]], [429, 200], [PUBLIC]),
    "public twice, then loopback": (
        [[PUBLIC], [SECOND], LOOPBACK],
        [500, 500, 200],
        [PUBLIC, SECOND],
    ),
    "loopback at once": ([LOOPBACK, [PUBLIC]], [200], []),
    "both at once": ([[PUBLIC, *LOOPBACK]], [200], []),
    "IPv4 in IPv6 later": ([[PUBLIC], ["::ffff:127.0.0.1"]], [500, 200], [PUBLIC]),
    "a redirect to itself, resolved anew": ([[PUBLIC], LOOPBACK], [302, 200], [PUBLIC]),
    "a redirect to itself, to metadata": (
        [[PUBLIC], [SECOND], METADATA],
        [302, 302, 200],
        [PUBLIC, SECOND],
    ),
    "nothing, later": ([[PUBLIC], ["0.0.0.0"]], [500, 200], [PUBLIC]),
}


@pytest.mark.parametrize("name", REBINDINGS)
async def test_a_name_that_changes_its_answer_is_never_believed(name: str) -> None:
    answers, statuses, connected = REBINDINGS[name]
    left, codes = iter(answers), iter(statuses)

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return next(left)

    def answer(_: httpx2.Request) -> httpx2.Response:
        code = next(codes)
        return (
            to("https://rebind.example/again")
            if code == 302
            else httpx2.Response(code, content=PNG)
        )

    net = Net(answer=answer)
    fetcher = Fetcher(
        FetchPolicy(),
        MemoryImageStore(),
        resolve=rebinding,
        transport=httpx2.MockTransport(net.handle),
    )
    with pytest.raises(ImageError, match="no public address"):
        await fetcher.fetch("https://rebind.example/a.png")
    assert net.connected == connected
    assert {request.headers["host"] for request in net.requests} <= {"rebind.example"}


AUDITED = """
import asyncio, json, os, sys
events = []
sys.addaudithook(lambda name, given: events.append([name, str(given[-1] if name == "socket.connect" else given[0])])
                 if name in ("socket.connect", "socket.getaddrinfo", "socket.sendto") else None)
for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
    os.environ[name] = "http://127.0.0.1:3128"
from agentkit.errors import ImageError
from agentkit.images import Fetcher, FetchPolicy, MemoryImageStore
from tests.security.urls import FORBIDDEN, NAMES, PUBLIC

async def resolve(host, port):
    return NAMES.get(host, ["127.0.0.1"])

async def main():
    refused = 0
    for url in FORBIDDEN:
        try:
            await Fetcher(FetchPolicy(attempts=1), MemoryImageStore(), resolve=resolve).fetch(url)
        except ImageError:
            refused += 1
    before = list(events)
    try:
        await Fetcher(FetchPolicy(attempts=1, private=True), MemoryImageStore(), resolve=resolve).fetch("http://seen.example:9/")
    except ImageError:
        pass
    print(json.dumps([refused, before, events[len(before):]]))

asyncio.run(main())
"""


def test_the_interpreter_itself_sees_no_socket_connect() -> None:
    """Below every seam: CPython's audit events of the real transport, with proxies set. The last
    fetch proves that they are seen.
    """
    done = subprocess.run(
        [sys.executable, "-c", AUDITED], capture_output=True, text=True, check=True, timeout=GUARD
    )
    refused, events, control = json.loads(done.stdout)
    assert refused == len(FORBIDDEN)
    assert events == []
    assert control == [["socket.connect", "('127.0.0.1', 9)"]]


def test_names_stand_for_something() -> None:
    assert all(addresses for addresses in NAMES.values())
