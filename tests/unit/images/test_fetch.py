"""Pictures behind URLs: real servers on loopback, and a recording transport for what must never be
connected to.
"""

from __future__ import annotations

import asyncio
import gzip
import shutil
import socket
import ssl
import subprocess
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from agentkit.errors import ImageError, UsageError
from agentkit.images import BrokenImage, Fetcher, FetchPolicy, FileImageStore, MemoryImageStore
from tests.clock import FOREVER, GUARD, until
from tests.security.net import PNG, Net

Handler = Callable[[str, dict[str, str], asyncio.StreamWriter], Awaitable[None]]


def reply(body: bytes = PNG, status: int = 200, **headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status} X",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    if not {"content_length", "transfer_encoding"} & headers.keys():
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class Server:
    """Answers each request from `script`, the last answer again and again; keeps what it was
    asked.
    """

    def __init__(self, *script: bytes | Handler) -> None:
        self.script = list(script)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.open = 0
        self.origin = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)
            }
            path = head[0].split(" ")[1]
            self.requests.append((path, headers))
            step = self.script[min(len(self.requests), len(self.script)) - 1]
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            else:
                await step(path, headers, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def serving(*script: bytes | Handler) -> AsyncIterator[Server]:
    server = Server(*script)
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    server.origin = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for _ in range(200):
            if not server.open:
                break
            await asyncio.sleep(0.01)
        assert server.open == 0, "a connection was left open"


async def fetched(server: Server, path: str = "/a.png", **policy: object):
    fetcher = Fetcher(FetchPolicy(**policy), MemoryImageStore(), origin=server.origin)  # type: ignore[arg-type]
    return await fetcher.fetch(server.origin + path)


async def test_a_picture():
    async with serving(reply(content_type="text/plain", set_cookie="a=b")) as server:
        store = MemoryImageStore()
        fetcher = Fetcher(FetchPolicy(), store, origin=server.origin + "/")
        stored = await fetcher.fetch(f"{server.origin}/a%20b.png?x=1&y=ü#part")
        assert await fetcher.fetch(f"{server.origin}/again") == stored
        await fetcher.close()
    assert (stored.media_type, stored.width, stored.height, stored.size) == (
        "image/png",
        100,
        300,
        len(PNG),
    )
    with store.open(stored.sha256) as file:
        assert file.read() == PNG
    (path, headers), (_, again) = server.requests
    assert path == "/a%20b.png?x=1&y=%C3%BC"
    assert headers["host"] == server.origin.removeprefix("http://")
    assert (
        not {"authorization", "cookie", "referer", "proxy-authorization"} & (headers | again).keys()
    )


async def test_a_name_is_looked_up():
    async with serving(reply()) as server:
        origin = server.origin.replace("127.0.0.1", "localhost")
        assert (
            await Fetcher(FetchPolicy(), MemoryImageStore(), origin=origin).fetch(origin)
        ).size == len(PNG)
        with pytest.raises(ImageError, match="localhost is no public address"):
            await Fetcher(FetchPolicy(), MemoryImageStore()).fetch(origin)
    assert len(server.requests) == 1


async def test_environment_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(reply()) as server:
        assert (await fetched(server)).size == len(PNG)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (reply(b"", 404), r"HTTP 404: expired\?"),
        (reply(b"", 403), r"HTTP 403: expired\?"),
        (reply(b"", 410), r"HTTP 410: expired\?"),
        (reply(b"", 401), "HTTP 401"),
        (reply(b"", 204), "HTTP 204"),
        (reply(PNG, 206), "HTTP 206"),
        (reply(b"", 304), "HTTP 304"),
        (reply(b"", 302), "HTTP 302 without a target"),
        (
            reply(b"<html>Sign in</html>", content_type="text/html; charset=utf-8"),
            r"not a picture \(text/html\)",
        ),
        (reply(b'{"error":1}', content_type="image/png"), r"not a picture \(JSON\)"),
        (reply(b"<html>" + b"x" * 5_000), r"not a picture \(text/html\)"),
        (reply(b"x", content_type="\x1b[31m"), r"not a picture \(text\)"),
        (reply(b""), r"not a picture \(no bytes at all\)"),
        (reply(PNG[:-50]), r"the PNG is cut off \(\d+ bytes are missing\)"),
        (reply(content_encoding="br"), "its content encoding 'br' was not asked for"),
        (reply(content_encoding="gzip"), "its content encoding is broken"),
        (
            reply(gzip.compress(PNG)[:-20], content_encoding="gzip"),
            "cut off: its compressed body does not end",
        ),
    ],
)
async def test_what_cannot_be_had_says_why(answer: bytes, why: str):
    async with serving(answer) as server:
        with pytest.raises(ImageError, match=f"^{why}$"):
            await fetched(server)
    assert len(server.requests) == 1


async def test_a_cut_picture_is_kept_aside():
    async with serving(reply(PNG[:-50])) as server:
        with pytest.raises(BrokenImage) as caught:
            await fetched(server)
    assert caught.value.kept


async def test_what_a_server_compresses_unasked_is_read():
    for encoding, body in (("gzip", gzip.compress(PNG)), ("deflate", zlib.compress(PNG))):
        async with serving(reply(body, content_encoding=encoding)) as server:
            assert (await fetched(server)).size == len(PNG)
        assert server.requests[0][1]["accept-encoding"] == "identity"


async def hang_up(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def half(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    writer.write(reply()[:40_000])
    await writer.drain()


@pytest.mark.parametrize(
    "failure",
    [
        reply(b"", 500),
        reply(b"", 502),
        reply(b"", 503),
        reply(b"", 429),
        reply(b"", 408),
        hang_up,
        half,
        b"nonsense\r\n\r\n",
    ],
    ids=["500", "502", "503", "429", "408", "hang-up", "half", "nonsense"],
)
async def test_what_may_pass_is_tried_again(failure: bytes | Handler):
    async with serving(failure, reply()) as server:
        assert (await fetched(server)).size == len(PNG)
    assert len(server.requests) == 2
    async with serving(failure) as server:
        with pytest.raises(ImageError):
            await fetched(server, attempts=2)
    assert len(server.requests) == 2
    async with serving(failure) as server:
        with pytest.raises(ImageError):
            await fetched(server, attempts=1)
    assert len(server.requests) == 1


async def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ImageError, match="no connection"):
        await Fetcher(FetchPolicy(attempts=2), MemoryImageStore(), origin=origin).fetch(origin)


async def drip(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    writer.write(reply(b"", content_length=str(len(PNG))))
    for at in range(len(PNG)):
        writer.write(PNG[at : at + 1])
        await writer.drain()
        await asyncio.sleep(0.02)


async def silence(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(FOREVER)


@pytest.mark.parametrize("slow", [drip, silence])
async def test_the_total_time_is_limited(slow: Handler, tmp_path: Path):
    server = Server(slow)
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    started = asyncio.get_running_loop().time()
    with pytest.raises(ImageError, match=r"it took longer than 0\.3 s|timed out"):
        await Fetcher(FetchPolicy(seconds=0.3), FileImageStore(tmp_path), origin=origin).fetch(
            origin
        )
    assert asyncio.get_running_loop().time() - started < GUARD
    listening.close()
    assert files(tmp_path) == []


async def endless(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    writer.write(reply(b"", transfer_encoding="chunked") + b"%x\r\n%s\r\n" % (len(PNG), PNG))
    while True:
        writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize(
    "answer",
    [
        endless,
        reply(content_length="99999999999999"),
        reply(gzip.compress(PNG + bytes(50 << 20)), content_encoding="gzip"),
    ],
    ids=["endless", "announced", "bomb"],
)
async def test_the_size_is_limited(answer: bytes | Handler, tmp_path: Path):
    async with serving(answer) as server:
        fetcher = Fetcher(
            FetchPolicy(max_bytes=1_000_000), FileImageStore(tmp_path), origin=server.origin
        )
        with pytest.raises(ImageError, match="too large: more than 1000000 bytes"):
            await fetcher.fetch(server.origin)
    assert files(tmp_path) == []
    assert len(server.requests) == 1


async def test_the_pixels_are_limited():
    async with serving(reply()) as server:
        with pytest.raises(ImageError, match="too many pixels"):
            await fetched(server, max_pixels=29_999)


async def test_a_cancelled_fetch_leaves_nothing(tmp_path: Path):
    arriving = asyncio.Event()

    async def slow(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(reply(PNG, content_length="1000000"))
        await writer.drain()
        arriving.set()
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(slow) as server:
        fetcher = Fetcher(FetchPolicy(), FileImageStore(tmp_path), origin=server.origin)
        task = asyncio.create_task(fetcher.fetch(server.origin))
        await asyncio.wait_for(arriving.wait(), GUARD)
        await until(lambda: len(files(tmp_path)) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
    assert files(tmp_path) == []


async def test_a_full_store_loses_no_picture(tmp_path: Path):
    async with serving(reply()) as server:
        (tmp_path / "file").write_bytes(b"")
        fetcher = Fetcher(FetchPolicy(), FileImageStore(tmp_path / "file"), origin=server.origin)
        with pytest.raises(BrokenImage, match="cannot write to the image store") as caught:
            await fetcher.fetch(server.origin)
    assert caught.value.data == PNG


async def test_redirects():
    async with serving(
        reply(b"", 302, location="/b?x"), reply(b"", 308, location="../c.png#d"), reply()
    ) as server:
        assert (await fetched(server, "/a/a.png")).size == len(PNG)
    assert [path for path, _ in server.requests] == ["/a/a.png", "/b?x", "/c.png"]
    async with serving(reply(b"", 302, location="/again")) as server:
        with pytest.raises(ImageError, match="more than 3 redirects"):
            await fetched(server, redirects=3)
    assert len(server.requests) == 4
    async with (
        serving(reply()) as other,
        serving(reply(b"", 301, location=other.origin + "/x.png")) as server,
    ):
        with pytest.raises(ImageError, match="no public address"):
            await fetched(server)
        assert (await fetched(server, private=True)).size == len(PNG)
    assert len(other.requests) == 1


def make_certificate(folder: Path, name: str) -> None:
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {folder}/key -out {folder}/cert -days 2"
    )
    extension = f"subjectAltName=DNS:{name}"
    subprocess.run(
        [*command.split(), "-subj", "/CN=x", "-addext", extension], check=True, capture_output=True
    )


@pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs the openssl command to make a certificate"
)
async def test_tls_speaks_to_the_name_at_the_checked_address(tmp_path: Path):
    make_certificate(tmp_path, "images.example")
    names: list[str | None] = []
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(f"{tmp_path}/cert", f"{tmp_path}/key")
    ours.sni_callback = lambda _, name, __: names.append(name)
    listening = await asyncio.start_server(Server(reply()).answer, "127.0.0.1", 0, ssl=ours)
    port = listening.sockets[0].getsockname()[1]

    net = Net({"images.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    transport = httpx2.AsyncHTTPTransport(
        verify=ssl.create_default_context(cafile=f"{tmp_path}/cert"), trust_env=False
    )
    policy = FetchPolicy(private=True, attempts=1)
    fetcher = Fetcher(policy, MemoryImageStore(), resolve=net.resolve, transport=transport)
    assert (await fetcher.fetch(f"https://images.example:{port}/a.png")).size == len(PNG)
    with pytest.raises(ImageError, match=r"no connection .*(certificate|hostname)"):
        await Fetcher(policy, MemoryImageStore(), resolve=net.resolve).fetch(
            f"https://images.example:{port}/a.png"
        )
    await fetcher.close()
    assert names == ["images.example", "images.example"]
    listening.close()


async def test_the_next_address_is_tried_where_one_does_not_answer():
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "93.184.216.1":
            raise httpx2.ConnectError("refused")
        return httpx2.Response(200, content=PNG)

    net = Net({"two.example": ["93.184.216.1", "93.184.216.2", "93.184.216.2"]}, answer)
    assert (await net.fetcher().fetch("https://two.example/")).size == len(PNG)
    assert [request.url.host for request in net.requests] == ["93.184.216.1", "93.184.216.2"]


@pytest.mark.parametrize(
    ("error", "times"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), 1),
        (socket.gaierror(socket.EAI_AGAIN, "x"), 2),
        (OSError(5, "x"), 2),
    ],
)
async def test_a_name_that_is_not_known(error: OSError, times: int):
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        raise error

    with pytest.raises(
        ImageError, match=r"the host nowhere\.example (is not known|cannot be looked up)"
    ):
        await Fetcher(FetchPolicy(attempts=2), MemoryImageStore(), resolve=resolve).fetch(
            "https://nowhere.example/"
        )
    assert len(asked) == times
    with pytest.raises(ImageError, match="has no address"):
        await Net({"empty.example": []}).fetcher(attempts=1).fetch("https://empty.example/")


@pytest.mark.parametrize(
    ("url", "fetched"),
    [
        ("http://10.0.0.1/", True),
        ("http://127.0.0.1/", True),
        ("http://192.168.1.1/", True),
        ("http://[fd12::1]/", True),
        ("http://[::1]/", True),
        ("http://[::ffff:10.0.0.1]/", True),
        ("http://8.8.8.8/", True),
        ("http://169.254.169.254/", False),
        ("http://[fe80::1]/", False),
        ("http://[fd00:ec2::254]/", False),
        ("http://100.100.100.200/", False),
        ("http://0.0.0.0/", False),
        ("http://224.0.0.1/", False),
        ("http://127.1/", False),
        ("http://[64:ff9b::a00:1]/", False),
    ],
)
async def test_private_networks_where_the_user_wants_them(url: str, fetched: bool):
    net = Net()
    if fetched:
        assert (await net.fetcher(private=True).fetch(url)).size == len(PNG)
    else:
        with pytest.raises(ImageError, match="not fetched"):
            await net.fetcher(private=True).fetch(url)
    assert len(net.requests) == fetched


@pytest.mark.parametrize(
    ("url", "shown", "bare"),
    [
        ("https://images.openrouter.ai/x", True, True),
        ("https://openrouter.ai/a.png", True, True),
        ("https://openrouter.ai/a.PNG?x=1#y", True, True),
        ("https://openrouter.ai/docs", True, False),
        ("https://cdn.openrouter.ai/a.jpeg", True, True),
        ("https://cdn.openrouter.ai/png", True, False),
        ("http://localhost:9/generated/a.webp", True, True),
        ("http://localhost:9/generated/a", True, False),
        ("http://localhost:10/a.png", False, False),
        ("https://localhost:9/a.png", False, False),
        ("https://openrouter.ai.evil.example/a.png", False, False),
        ("https://evilopenrouter.ai/a.png", False, False),
        ("https://evil.example/openrouter.ai/a.png", False, False),
        ("https://openrouter.ai@evil.example/a.png", False, False),
        ("https://images.evil.example/a.png", False, False),
        ("ftp://openrouter.ai/a.png", False, False),
        ("no url", False, False),
    ],
)
def test_urls_in_prose(url: str, shown: bool, bare: bool):
    fetcher = Net().fetcher()
    assert fetcher.in_prose(url, bare=False) is shown
    assert fetcher.in_prose(url, bare=True) is bare


def test_hosts_can_be_set():
    fetcher = Net().fetcher(hosts=["Example.com", "*.cdn.example"])
    assert fetcher.policy.hosts == ("example.com", "*.cdn.example")
    for url, allowed in {
        "example.com": True,
        "a.example.com": False,
        "a.b.cdn.example": True,
        "cdn.example": False,
    }.items():
        assert fetcher.in_prose(f"https://{url}/", bare=False) is allowed
    assert Net().fetcher(hosts=()).in_prose("https://openrouter.ai/a.png", bare=False) is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hosts", "openrouter.ai"),
        ("hosts", ("https://openrouter.ai",)),
        ("hosts", ("*",)),
        ("hosts", ("a.*.b",)),
        ("hosts", (5,)),
        ("max_bytes", 0),
        ("max_bytes", 1.5),
        ("max_pixels", -1),
        ("redirects", -1),
        ("attempts", 0),
        ("attempts", True),
        ("seconds", 0),
        ("seconds", float("nan")),
        ("seconds", float("inf")),
        ("seconds", "60"),
        ("private", "no"),
    ],
)
def test_a_policy_that_cannot_be(name: str, value: object):
    with pytest.raises(UsageError, match=f"FetchPolicy\\({name}="):
        FetchPolicy(**{name: value})  # type: ignore[arg-type]


async def test_a_server_that_says_when_to_come_back_is_obeyed():
    async with serving(reply(b"", 429, retry_after="0.3"), reply()) as server:
        started = asyncio.get_running_loop().time()
        assert (await fetched(server)).size == len(PNG)
        assert 0.3 <= asyncio.get_running_loop().time() - started < 2
    for past in ("0", "Wed, 21 Oct 2015 07:28:00 GMT"):
        async with serving(reply(b"", 503, retry_after=past), reply()) as server:
            assert (await fetched(server)).size == len(PNG)


@pytest.mark.parametrize("absurd", ["3600", "Fri, 31 Dec 9999 23:59:59 GMT", "999999999999999"])
async def test_but_not_beyond_the_time_for_one_picture(absurd: str):
    async with serving(reply(b"", 503, retry_after=absurd), reply()) as server:
        started = asyncio.get_running_loop().time()
        with pytest.raises(ImageError, match=r"HTTP 503: come back in \d+ s"):
            await fetched(server, seconds=5)
        assert asyncio.get_running_loop().time() - started < 1
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "unusable", ["-1", "nan", "inf", "soon", "", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"]
)
async def test_what_is_no_time_is_no_reason_to_stop(unusable: str):
    async with serving(reply(b"", 503, retry_after=unusable), reply()) as server:
        assert (await fetched(server)).size == len(PNG)
