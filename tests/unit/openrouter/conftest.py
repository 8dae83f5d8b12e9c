"""A client for each of the transports, on sockets of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import openai  # noqa: F401 - imported before a test's clock runs: it takes seconds on a busy machine
import pytest

from agentkit import OpenRouter
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Timeouts
from agentkit.openrouter.transport import TRANSPORTS, Transport
from tests.unit.openrouter.peer import PEM

KEY = "sk-or-v1-0123456789abcdef0123456789"
BODY = (b'{"model":"openai/gpt-5.2","messages":[]}',)
Connect = Callable[..., OpenRouter]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loopback server's certificate is as good as any."""
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param


@pytest.fixture
async def connect(transport: Transport) -> AsyncIterator[Connect]:
    """Makes clients for an address; time-outs by name. Whatever they began is over when the test
    is.
    """
    clients: list[OpenRouter] = []

    def make(url: str, **options: Any) -> OpenRouter:
        waits = {"connect": 5, "first_byte": 5, "idle": 5, **options}
        clients.append(
            OpenRouter(api_key=KEY, base_url=url, transport=transport, timeouts=Timeouts(**waits))
        )
        return clients[-1]

    yield make
    for client in clients:
        await client.close()
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}, "a task was left behind"


async def ask(
    client: OpenRouter,
    body: Any = BODY,
    *,
    store: Any = None,
    into: list[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """One POST: the JSON objects of its reply, which also go `into` a list as they come."""
    told: list[Any] = [] if into is None else into
    async with client.exchange("/chat/completions", body, store or MemoryImageStore()) as exchange:
        await exchange.read(told.append)
    return told
