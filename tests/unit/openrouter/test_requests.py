"""What goes over the socket and how a reply is read, over either transport."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from typing import Any

import pytest

from agentkit import OpenRouter, __version__
from agentkit.errors import (
    AgentkitError,
    BadRequest,
    ImageError,
    OutcomeUnknown,
    ProtocolError,
    UsageError,
)
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter.transport import TRANSPORTS
from agentkit.values import BlobRef
from tests.conftest import picture
from tests.unit.openrouter.conftest import BODY, KEY, Connect, ask
from tests.unit.openrouter.peer import END, OK, Line, answers, chunk, event, reply, serving, stream


async def test_the_headers_are_ours_and_no_others(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "theirs")
    async with serving(answers) as peer:
        await ask(connect(peer.url))
        (request,) = peer.requests
        assert request.line == "POST /api/v1/chat/completions HTTP/1.1"
        assert request.body == BODY[0]
        assert {name.lower(): value for name, value in request.headers} == {
            "host": f"127.0.0.1:{peer.port}",
            "accept": "*/*",
            "accept-encoding": request.values("accept-encoding")[0],
            "connection": "keep-alive",
            "user-agent": f"agentkit/{__version__}",
            "authorization": f"Bearer {KEY}",
            "content-type": "application/json",
            "content-length": str(len(BODY[0])),
        }
        assert len({name.lower() for name, _ in request.headers}) == len(request.headers)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_names_of_the_application(transport: Any) -> None:
    async with serving(answers) as peer:
        named = {"app_name": "Bø\r\nX-Evil: 1", "app_url": "https://painter.example"}
        async with OpenRouter(
            api_key=KEY, base_url=peer.url, transport=transport, **named
        ) as client:
            await ask(client)
        (request,) = peer.requests
        assert request.values("x-openrouter-title") == ["B%C3%B8%0D%0AX-Evil%3A 1"]
        assert request.values("http-referer") == ["https://painter.example"]
        assert request.values("x-evil") == []


async def test_cookies_are_not_kept(connect: Connect) -> None:
    async def handler(line: Line) -> None:
        while True:
            await line.request()
            await line.send(reply(OK, "Set-Cookie: session=1; Path=/", "Set-Cookie: two=2"))

    async with serving(handler) as peer:
        client = connect(peer.url.replace("127.0.0.1", "localhost"))
        await ask(client)
        await ask(client)
        assert [request.values("cookie") for request in peer.requests] == [[], []]


async def test_a_get(connect: Connect) -> None:
    async with serving(answers) as peer:
        assert await connect(peer.url).get("/generation?id=gen-1%2F2") == {
            "id": "gen-1",
            "choices": [],
        }
        (request,) = peer.requests
        assert request.line == "GET /api/v1/generation?id=gen-1%2F2 HTTP/1.1"
        assert request.values("authorization") == [f"Bearer {KEY}"]
        assert request.values("content-length") in ([], ["0"])


# --- bodies that go out ------------------------------------------------------------------------------------------


def kept(store: MemoryImageStore, data: bytes) -> BlobRef:
    draft = store.create()
    draft.write(data)
    return BlobRef(draft.keep(), "image/png", "data_url")


async def test_a_picture_is_streamed_with_its_length(connect: Connect) -> None:
    store = MemoryImageStore()
    data = picture(size=(900, 700), noise=5)
    async with serving(answers) as peer:
        await ask(connect(peer.url), (b'{"url":"', kept(store, data), b'"}'), store=store)
        (request,) = peer.requests
    assert len(request.body) > 800_000
    assert request.values("content-length") == [str(len(request.body))]
    assert request.values("transfer-encoding") == []
    import base64

    assert request.body == b'{"url":"data:image/png;base64,' + base64.b64encode(data) + b'"}'


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 5 << 20])
async def test_a_body_of_any_size(size: int, connect: Connect) -> None:
    async with serving(answers) as peer:
        await ask(connect(peer.url), (b"x" * size,))
        (request,) = peer.requests
        assert len(request.body) == size


async def test_a_picture_that_is_gone(connect: Connect) -> None:
    async with serving(answers) as peer:
        with pytest.raises(ImageError, match="no longer in the store"):
            await ask(connect(peer.url), (b"{", BlobRef("0" * 64, "image/png", "data_url"), b"}"))
        assert peer.requests == []


class Vanishing(MemoryImageStore):
    """A store that loses its pictures between the counting and the sending, or finds them
    changed.
    """

    def __init__(self, later: bytes | None) -> None:
        super().__init__()
        self._later, self._opened = later, 0

    def open(self, sha256: str) -> Any:
        from io import BytesIO

        self._opened += 1
        if self._opened == 1:
            return super().open(sha256)
        if self._later is None:
            raise FileNotFoundError(sha256)
        return BytesIO(self._later)


@pytest.mark.parametrize(
    ("later", "kind"),
    [(None, ImageError), (b"short", UsageError), (b"x" * 400_000, UsageError)],
    ids=["gone", "less", "more"],
)
async def test_a_picture_that_changes_while_it_is_sent(
    later: bytes | None, kind: type[Exception], connect: Connect
) -> None:
    store = Vanishing(later)
    async with serving(answers) as peer:
        with pytest.raises((kind, OutcomeUnknown)):  # neither of which is sent again
            await ask(connect(peer.url), (b"{", kept(store, b"x" * 300_000), b"}"), store=store)
        assert all(len(request.body) == 0 for request in peer.requests)  # none was whole


# --- bodies that come in -----------------------------------------------------------------------------------------

ENCODINGS = {"gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_packed_body(encoding: str, streamed: bool, connect: Connect) -> None:
    header = f"Content-Encoding: {encoding}"
    plain = b'data: {"number":1}\n\ndata: [DONE]\n\n' if streamed else OK
    body = ENCODINGS[encoding](plain)

    async def handler(line: Line) -> None:
        await line.request()
        if streamed:
            await line.send(
                stream(header),
                *(chunk(body[at : at + 7]) for at in range(0, len(body), 7)),
                chunk(b""),
            )
        else:
            await line.send(reply(body, header))

    async with serving(handler) as peer:
        assert await ask(connect(peer.url)) == [
            {"number": 1} if streamed else {"id": "gen-1", "choices": []}
        ]


async def test_brotli(connect: Connect) -> None:
    brotli: Any = pytest.importorskip("brotli")

    async def handler(line: Line) -> None:
        await line.request()
        await line.send(reply(brotli.compress(OK), "Content-Encoding: br"))

    async with serving(handler) as peer:
        assert await ask(connect(peer.url)) == [{"id": "gen-1", "choices": []}]


async def test_a_body_that_is_not_packed_as_it_says(connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(reply(OK, "Content-Encoding: gzip"))

    async with serving(handler) as peer:
        with pytest.raises(AgentkitError):
            await ask(connect(peer.url))
        assert len(peer.requests) == 1


async def test_one_byte_at_a_time(connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        for byte in stream() + event(1) + END:
            await line.send(bytes([byte]))

    async with serving(handler) as peer:
        assert await ask(connect(peer.url)) == [{"number": 1}]


async def test_a_long_header(connect: Connect) -> None:
    async with serving(answers) as peer:
        pass

    async def handler(line: Line) -> None:
        await line.request()
        await line.send(reply(OK, f"Content-Security-Policy: {'x' * 20_000}"))

    async with serving(handler) as peer:
        assert len(await ask(connect(peer.url))) == 1


async def test_a_large_body_arrives_whole(connect: Connect) -> None:
    text = "é" * (3 << 20)
    body = b'{"text":"' + text.encode() + b'"}'

    async def handler(line: Line) -> None:
        await line.request()
        await line.send(reply(body))

    async with serving(handler) as peer:
        (told,) = await ask(connect(peer.url))
    assert hashlib.sha256(told["text"].encode()).digest() == hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"a":'])
async def test_what_is_no_json_object(body: bytes, connect: Connect) -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(reply(body))

    async with serving(handler) as peer:
        with pytest.raises(ProtocolError):
            await ask(connect(peer.url))


def test_a_transport_that_there_is_not() -> None:
    with pytest.raises(UsageError, match="'carrier pigeon'.*'aiohttp' and 'httpx2'"):
        OpenRouter(transport="carrier pigeon")  # type: ignore[arg-type]


async def test_an_address_that_cannot_be_written_in_ascii() -> None:
    async with OpenRouter(api_key=KEY, base_url="http://\u2603.\u0378/api/v1") as client:
        with pytest.raises(UsageError, match="base_url.*Invalid IDNA hostname"):
            await ask(client)


@pytest.mark.parametrize(("key", "said"), [("x", "says gpt-5.2x-key"), ("gpt-5.2x-key", "says …")])
async def test_a_short_key_does_not_garble_what_an_error_says(key: str, said: str) -> None:
    async def refuses(line: Line) -> None:
        await line.request()
        body = b'{"error": {"message": "gpt-5.2x is no model, says gpt-5.2x-key", "code": 400}}'
        await line.send(reply(body, status="400 Bad Request"))

    async with serving(refuses) as peer, OpenRouter(api_key=key, base_url=peer.url) as client:
        with pytest.raises(BadRequest, match=said):
            await ask(client)
