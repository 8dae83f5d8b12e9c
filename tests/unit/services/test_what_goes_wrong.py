"""Errors of what stands between the user and a service: each names the address, and what it is."""

from __future__ import annotations

import asyncio
import logging

import pytest

from agentkit import Agent, OpenRouter
from agentkit.errors import (
    APIError,
    AuthenticationFailed,
    BadRequest,
    ConnectionFailed,
    OutcomeUnknown,
    ProviderFailed,
    ProxyFailed,
    Redirected,
    RunError,
)
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Retry, Timeouts
from tests.clock import GUARD
from tests.conftest import Way
from tests.unit.openrouter.peer import Handler, Line, chunk, reply, serving, stream
from tests.unit.services.asking import asked, turn
from tests.unit.services.stubs import Said, Stub, response_events

PAGE = (
    b"<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1>nginx/1.24</body></html>"
)
LOGIN = b"<html><title>401 Authorization Required</title></html>"


def sends(*pieces: bytes) -> Handler:
    """The handler that answers each request so."""

    async def handler(line: Line) -> None:
        while True:
            await line.request()
            await line.send(*pieces)

    return handler


async def failure(handler: Handler, way: Way, service: str = "compatible") -> tuple[RunError, str]:
    """The error of a run there, and the address."""
    async with (
        serving(handler) as peer,
        OpenRouter(
            api_key="sk-test", base_url=peer.url, service=service, retry=Retry(attempts=1)  # type: ignore[arg-type]
        ) as client,
    ):  # fmt: skip
        agent = Agent("m", api=way.api, client=client, store=MemoryImageStore(), checks=False)  # type: ignore[arg-type]
        with pytest.raises(RunError) as caught:
            await turn(agent.conversation(), "Hello", way)
        return caught.value, peer.url


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (reply(PAGE, "Content-Type: text/html", status="502 Bad"), ProviderFailed, "HTML ('502 Bad Gateway 502 nginx/1.24'"),
        (reply(PAGE, "Content-Type: text/html", status="404 No"), BadRequest, "HTML ('502 Bad Gateway"),
        (reply(b"upstream connect error", status="503 No"), ProviderFailed, "upstream connect error"),
        (reply(LOGIN, 'WWW-Authenticate: Basic realm="team"', status="401 No"), ProxyFailed, "user name and a password (401, Basic)"),
        (reply(LOGIN, "WWW-Authenticate: Negotiate", status="401 No"), ProxyFailed, "(401, Negotiate)"),
        (reply(b'{"error":{"message":"No such key"}}', "WWW-Authenticate: Bearer", status="401 No"), AuthenticationFailed, "No such key"),
        (reply(LOGIN, "Proxy-Authenticate: Basic", status="407 No"), ProxyFailed, "the proxy asks for a user name"),
        (reply(b"", "Location: https://sso.example/login?token=sk-or-v1-secretsecret", status="302 Go"), Redirected, "https://sso.example/login"),
    ],
    ids=["a page", "a page for 404", "words", "a login", "a login of Windows", "a key", "a proxy", "a redirect"],
)  # fmt: skip
async def test_who_refuses_is_named(
    answer: bytes, kind: type[RunError], words: str, way: Way
) -> None:
    error, url = await failure(sends(answer), way)
    assert type(error) is kind, error
    assert words in str(error)
    assert "OpenRouter" not in str(error)
    assert "secretsecret" not in str(error)
    assert error.billed is (None if isinstance(error, ProviderFailed) else False)
    if isinstance(error, APIError) and not isinstance(error, Redirected | AuthenticationFailed):
        assert f"asked: POST {url}" in str(error)
    if isinstance(error, Redirected):
        assert (error.location or "").startswith("https://sso.example/login")


async def test_an_address_where_nobody_is_is_named(way: Way) -> None:
    async with serving(sends()) as peer:
        pass
    async with OpenRouter(
        api_key="k", base_url=peer.url, service="compatible", retry=Retry(attempts=1)
    ) as client:
        chat = Agent("m", client=client, store=MemoryImageStore()).conversation()
        with pytest.raises(ConnectionFailed, match=f"no connection to {peer.url}: "):
            await turn(chat, "Hello", way)


async def test_nobody_is_asked_what_became_of_a_request(way: Way) -> None:
    """There is no `/generation` there: the error comes at once."""

    async def handler(line: Line) -> None:
        await line.request()
        await line.send(stream("X-Generation-Id: gen-1"), chunk(b'data: {"id":"gen-1"}\n\n'))
        line.reset()

    error, _ = await failure(handler, way)
    assert isinstance(error, OutcomeUnknown), error
    assert (error.billed, error.generation) == (None, None)


async def test_a_stream_of_responses_ends_with_its_last_event() -> None:
    """The server leaves the connection open, and nobody waits for its end."""
    told = [*response_events(Said("It snows."), {})]

    async def handler(line: Line) -> None:
        await line.request()
        await line.send(stream(), *map(chunk, told))
        await line.gone()

    async with serving(handler) as peer, OpenRouter(
        api_key="k", base_url=peer.url, service="openai", timeouts=Timeouts(idle=GUARD)
    ) as client:  # fmt: skip
        agent = Agent("m", api="responses", client=client, store=MemoryImageStore())
        async with asyncio.timeout(GUARD / 2):
            answer = await turn(agent.conversation(), "Hello", Way("responses", stream=True))
        assert (answer.text, answer.usage.input_tokens) == ("It snows.", 1000)


async def test_a_stream_of_responses_needs_no_done(
    openai: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        (answer,) = await asked(openai, Way("responses", stream=True), "Hello")
    assert answer.text == "It snows in Oslo."
    assert [each.message for each in caplog.records if each.levelno >= logging.WARNING] == []
