"""Requests over an `AsyncOpenAI` of the user's own, under the same rules as over our connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import vcr

from agentkit import Agent, OpenRouter
from agentkit.errors import (
    APIError,
    ConnectionFailed,
    MissingKey,
    NotRecorded,
    OutcomeUnknown,
    Redirected,
    UsageError,
)
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts, Tls
from agentkit.values import BlobRef
from tests.unit.openrouter.conftest import KEY, ask
from tests.unit.openrouter.peer import PEM, Line, answers, reply, serving
from tests.unit.openrouter.test_proxies import socks

Handle = Callable[[httpx2.Request], httpx2.Response]
BASE = "https://gateway.example/v1"
ANSWER = {"id": "gen-1", "choices": [{"finish_reason": "stop", "message": {"content": "Hello."}}]}


def sdk(base_url: str = BASE, **options: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=KEY, base_url=base_url, **options)


def mocked(handle: Handle, base_url: str = BASE, **options: Any) -> OpenRouter:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))
    return OpenRouter(openai_client=sdk(base_url, http_client=http, **options))


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_an_agent_answers_over_a_mock_transport(api: Any) -> None:
    seen: list[httpx2.Request] = []
    output = {"type": "message", "content": [{"type": "output_text", "text": "Hello."}]}
    told = ANSWER if api == "chat" else {"id": "r", "status": "completed", "output": [output]}

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=told)

    agent = Agent("some/model", api=api, client=mocked(handle), checks=False)
    assert (await agent.run("Hi")).text == "Hello."
    (request,) = seen
    assert str(request.url).startswith(BASE)
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert not [name for name in request.headers if name.startswith("x-stainless")]


async def test_headers_and_query_that_the_user_gave_it_go_along() -> None:
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=ANSWER)

    options: Any = {"default_headers": {"X-Team": "red"}, "default_query": {"version": "2"}}
    client = mocked(handle, **options)
    await ask(client)
    assert seen[0].headers["x-team"] == "red"
    assert seen[0].url.query == b"version=2"
    assert seen[0].headers["user-agent"].startswith("agentkit/")


async def test_its_key_and_its_address_say_what_is_behind_it() -> None:
    own = OpenRouter(openai_client=openai.AsyncOpenAI(api_key=KEY))
    assert (own.service.name, own.base_url) == ("openai", "https://api.openai.com/v1")
    assert OpenRouter(openai_client=sdk("https://openrouter.ai/api/v1")).service.looks_up


@pytest.mark.parametrize(
    ("status", "kind"), [(500, APIError), (429, APIError), (307, Redirected), (308, Redirected)]
)
async def test_it_repeats_and_follows_nothing(status: int, kind: type[Exception]) -> None:
    """Though the client of the SDK would: a billable request is sent by our rules alone."""
    posts = 0

    def handle(_: httpx2.Request) -> httpx2.Response:
        nonlocal posts
        posts += 1
        return httpx2.Response(status, headers={"location": f"{BASE}/elsewhere"}, text="no")

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(handle), follow_redirects=True)
    client = OpenRouter(openai_client=sdk(http_client=http, max_retries=5))
    with pytest.raises(kind):
        await ask(client)
    assert posts == 1


async def test_an_endless_error_body_is_read_to_its_bound_alone() -> None:
    given = 0

    class Endless(httpx2.AsyncByteStream):
        async def __aiter__(self) -> Any:
            nonlocal given
            while True:
                given += 1
                yield b"x" * 1024

    client = mocked(lambda _: httpx2.Response(500, stream=Endless()))
    with pytest.raises(APIError):
        await ask(client)
    assert given == 64


async def test_a_key_in_an_error_is_masked() -> None:
    client = mocked(lambda _: httpx2.Response(401, text=f"wrong: {KEY}"))
    with pytest.raises(APIError, match="wrong: ") as caught:
        await ask(client)
    assert KEY not in str(caught.value)


async def test_what_the_transport_raises_is_one_of_our_errors() -> None:
    def refuse(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("nobody there")

    def cut(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadError("cut")

    with pytest.raises(ConnectionFailed):
        await ask(mocked(refuse))
    with pytest.raises(OutcomeUnknown):
        await ask(mocked(cut))


async def test_the_users_http_client_stays_open() -> None:
    http = httpx2.AsyncClient(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=ANSWER))
    )
    async with OpenRouter(openai_client=sdk(http_client=http)) as client:
        await ask(client)
    assert not http.is_closed
    await http.aclose()
    with pytest.raises((ConnectionFailed, OutcomeUnknown, UsageError)):
        await ask(client)


async def test_a_proxy_of_the_http_client() -> None:
    async with serving(answers) as proxy:
        http = httpx2.AsyncClient(proxy=proxy.origin, trust_env=False)
        base_url = "http://gateway/v1"
        assert len(await ask(OpenRouter(openai_client=sdk(base_url, http_client=http)))) == 1
        await http.aclose()
        (request,) = proxy.requests
    assert request.line == "POST http://gateway/v1/chat/completions HTTP/1.1"


async def test_a_socks_proxy_of_the_http_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTKIT_ALLOW_HTTP", "1")
    async with serving(socks) as proxy:
        http = httpx2.AsyncClient(proxy=proxy.origin.replace("http", "socks5"), trust_env=False)
        name = "http://openrouter.example/api/v1"
        assert len(await ask(OpenRouter(openai_client=sdk(name, http_client=http)))) == 1
        await http.aclose()


async def test_certificates_of_the_http_client() -> None:
    async with serving(answers, tls=True) as peer:
        own = httpx2.AsyncClient(verify=ssl.create_default_context(cafile=PEM), trust_env=False)
        await ask(OpenRouter(openai_client=sdk(peer.url, http_client=own)))
        await own.aclose()
        other = httpx2.AsyncClient(trust_env=False)
        with pytest.raises(ConnectionFailed):
            await ask(OpenRouter(openai_client=sdk(peer.url, http_client=other)))
        await other.aclose()
        assert len(peer.requests) == 1


async def test_vcrpy_records_and_plays_it(tmp_path: Path) -> None:
    recorder: Any = vcr.VCR(record_mode="once", filter_headers=["authorization"])
    async with serving(answers) as peer:
        tape = str(tmp_path / "tape.yaml")
        told: list[Any] = []
        for _ in range(2):
            http = httpx2.AsyncClient(trust_env=False)
            with recorder.use_cassette(tape):
                told.append(await ask(OpenRouter(openai_client=sdk(peer.url, http_client=http))))
            await http.aclose()
        assert len(peer.requests) == 1
        assert told[0] == told[1]
        http = httpx2.AsyncClient(trust_env=False)
        with recorder.use_cassette(tape), pytest.raises(NotRecorded):
            await OpenRouter(openai_client=sdk(peer.url, http_client=http)).get("/other")
        await http.aclose()


async def test_a_picture_goes_out_of_the_store() -> None:
    bodies: list[bytes] = []

    async def read(request: httpx2.Request) -> httpx2.Response:
        bodies.append(await request.aread())
        return httpx2.Response(200, json=ANSWER)

    store = MemoryImageStore()
    draft = store.create()
    draft.write(b"x" * 300)
    ref = BlobRef(draft.keep(), "image/png", "base64")
    handler: Any = read
    await ask(mocked(handler), (b'{"a":"', ref, b'"}'), store=store)
    assert bodies == [b'{"a":"' + b"eHh4" * 100 + b'"}']


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"transport": "httpx2"}, "transport"),
        ({"proxy": "http://127.0.0.1:9"}, "proxy"),
        ({"tls": Tls(ca=PEM)}, "tls"),
        ({"openai_client": "no"}, "openai.AsyncOpenAI"),
        ({"openai_client": openai.OpenAI(api_key=KEY)}, "openai.AsyncOpenAI"),
    ],
    ids=["transport", "proxy", "tls", "a string", "not async"],
)
def test_what_cannot_be_is_refused_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        OpenRouter(**{"openai_client": sdk(), **options})


# --- the one that we make -----------------------------------------------------------------------


async def test_the_sdk_is_at_hand_over_the_same_connections(transport: Any) -> None:
    async def handler(line: Line) -> None:
        for _ in range(3):
            request = await line.request()
            told = b'{"id":"gen-1","object":"chat.completion","choices":[]}'
            await line.send(reply(told if request.body else b"{}"))

    async with (
        serving(handler) as peer,
        OpenRouter(api_key=KEY, base_url=peer.url, transport=transport) as client,
    ):
        await ask(client)
        own = await client.openai()
        assert (own.api_key, str(own.base_url)) == (KEY, f"{peer.url}/")
        completion = await own.chat.completions.create(model="a/b", messages=[])
        assert completion.id == "gen-1"
        await ask(client)
        assert (peer.lines, len(peer.requests)) == (1, 3)
        assert peer.requests[1].values("authorization") == [f"Bearer {KEY}"]
    with pytest.raises((openai.APIConnectionError, RuntimeError)):
        await own.chat.completions.create(model="a/b", messages=[])


async def test_the_sdk_has_the_key_that_a_function_gives_now() -> None:
    async with (
        serving(answers) as peer,
        OpenRouter(api_key=lambda: "sk-or-v1-of-now", base_url=peer.url) as client,
    ):
        own = await client.openai()
        await own.chat.completions.create(model="a/b", messages=[])
        assert peer.requests[0].values("authorization") == ["Bearer sk-or-v1-of-now"]


async def test_the_sdk_repeats_nothing_there() -> None:
    async def handler(line: Line) -> None:
        await line.request()
        await line.send(reply(b"no", status="503 Service Unavailable"))

    async with serving(handler) as peer, OpenRouter(api_key=KEY, base_url=peer.url) as client:
        own = await client.openai()
        with pytest.raises(openai.InternalServerError):
            await own.chat.completions.create(model="a/b", messages=[])
        assert len(peer.requests) == 1


# --- keys that a function gives -----------------------------------------------------------------


@pytest.mark.parametrize("waits", [True, False])
async def test_a_function_gives_the_key_of_each_request(waits: bool, transport: Any) -> None:
    number = 0

    def key() -> str:
        nonlocal number
        number += 1
        return f"sk-or-v1-number-{number}"

    async def later() -> str:
        await asyncio.sleep(0)
        return key()

    async with serving(answers) as peer:
        given = later if waits else key
        async with OpenRouter(api_key=given, base_url=peer.url, transport=transport) as client:
            await ask(client)
            await ask(client)
        told = [request.values("authorization") for request in peer.requests]
    assert told == [["Bearer sk-or-v1-number-1"], ["Bearer sk-or-v1-number-2"]]


async def test_a_function_beside_a_client_of_the_users() -> None:
    seen: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        return httpx2.Response(200, json=ANSWER)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))
    await ask(OpenRouter(openai_client=sdk(http_client=http), api_key=lambda: "sk-or-v1-other"))
    assert seen == ["Bearer sk-or-v1-other"]


async def test_a_key_of_a_function_is_masked_where_the_server_repeats_it() -> None:
    async def handler(line: Line) -> None:
        request = await line.request()
        told = request.values("authorization")[0].encode()
        await line.send(reply(b"wrong: " + told, status="401 Unauthorized"))

    async with (
        serving(handler) as peer,
        OpenRouter(api_key=lambda: KEY, base_url=peer.url) as client,
    ):
        with pytest.raises(APIError, match="wrong: ") as caught:
            await ask(client)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [(lambda: "", "empty"), (lambda: None, "NoneType"), (lambda: 1 / 0, "ZeroDivisionError")],
    ids=["empty", "none", "raises"],
)
async def test_a_function_without_a_key_sends_nothing(given: Any, words: str) -> None:
    async with serving(answers) as peer:
        client = OpenRouter(api_key=given, base_url=peer.url, timeouts=Timeouts(connect=5))
        with pytest.raises(MissingKey, match=words):
            await ask(client)
        assert not peer.requests
        await client.close()
