"""Which service is behind an address, and which key goes there."""

from __future__ import annotations

import pytest

from agentkit import OpenRouter
from agentkit.errors import MissingKey, UsageError
from agentkit.openrouter.address import key_for
from agentkit.openrouter.service import SERVICES
from tests.unit.openrouter.conftest import KEY
from tests.unit.openrouter.peer import Line, reply, serving

OWN, OPENAI = "sk-or-of-the-environment", "sk-proj-of-the-environment"


@pytest.mark.parametrize(
    ("base_url", "given", "meant"),
    [
        (None, None, ("openrouter", "https://openrouter.ai/api/v1")),
        (None, "openai", ("openai", "https://api.openai.com/v1")),
        ("https://api.openai.com", None, ("openai", "https://api.openai.com/v1")),
        ("http://api.openai.com/v1/", None, ("openai", "https://api.openai.com/v1")),
        ("https://eu.api.openai.com/v1", None, ("openai", "https://eu.api.openai.com/v1")),
        ("https://api.openai.com.evil.example/v1", None, ("openrouter", None)),
        ("https://gateway.example/v1", None, ("openrouter", None)),
        ("https://gateway.example/v1", "openai", ("openai", None)),
        ("http://localhost:8080/v1", "compatible", ("compatible", None)),
        ("https://api.openai.com/v1", "openrouter", ("openrouter", None)),
    ],
)
def test_the_host_or_the_user_says_which_service_it_is(
    base_url: str | None,
    given: str | None,
    meant: tuple[str, str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENROUTER_BASE_URL", raising=False)
    client = OpenRouter(api_key=KEY, base_url=base_url, service=given)  # pyright: ignore[reportArgumentType]
    assert client.service is SERVICES[meant[0]]
    assert client.base_url == (meant[1] or base_url)


@pytest.mark.parametrize("name", ["azure", "OpenAI", "", 7])
def test_a_service_that_is_none_is_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=r"OpenRouter\(service=.*'openrouter', 'openai', 'compat"):
        OpenRouter(api_key=KEY, service=name)  # pyright: ignore[reportArgumentType]


def test_a_compatible_service_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENROUTER_BASE_URL", raising=False)
    with pytest.raises(UsageError, match="base_url"):
        OpenRouter(api_key=KEY, service="compatible")


@pytest.mark.parametrize(
    ("base_url", "named", "key"),
    [
        ("https://openrouter.ai/api/v1", None, OWN),
        ("https://eu.openrouter.ai/api/v1", None, OWN),
        ("https://openrouter.ai.evil.example/api/v1", None, None),
        ("https://evilopenrouter.ai/api/v1", None, None),
        ("http://127.0.0.1:8000/api/v1", None, OWN),
        ("http://[::1]:8000/api/v1", None, OWN),
        ("http://localhost.evil.example/api/v1", None, None),
        ("http://10.0.0.7/v1", None, None),
        ("https://gateway.example/v1", None, None),
        ("https://gateway.example/v1", "https://Gateway.example/other", OWN),
        ("http://gateway.example/v1", "https://gateway.example/v1", None),
        ("https://gateway.example:8443/v1", "https://gateway.example/v1", None),
        ("https://gateway.example/v1", "no address at all", None),
        ("https://api.openai.com/v1", None, OPENAI),
        ("https://api.openai.com/v1", "https://api.openai.com/v1", OPENAI),
        ("https://api.openai.com.evil.example/v1", None, None),
    ],
)
def test_a_key_of_the_environment_goes_to_nobody_but_whom_it_is_for(
    base_url: str, named: str | None, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", OWN)
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    monkeypatch.setenv("OPENROUTER_BASE_URL", named or "")
    assert (key_for(None, base_url).reveal() or None) == key
    assert key_for(KEY, base_url).reveal() == KEY


async def test_a_missing_key_names_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", OWN)
    monkeypatch.delenv("OPENROUTER_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with OpenRouter(base_url="https://gateway.example/v1") as client:
        with pytest.raises(
            MissingKey, match="OPENROUTER_API_KEY is sent to openrouter.ai"
        ) as error:
            await client.get("/models")
    assert OWN not in str(error.value)
    async with OpenRouter(base_url="https://gateway.example/v1", service="compatible") as client:
        with pytest.raises(MissingKey, match="api_key='' for a server without keys"):
            await client.get("/models")
    async with OpenRouter(service="openai") as client:
        with pytest.raises(MissingKey, match="OPENAI_API_KEY"):
            await client.get("/models")


@pytest.mark.parametrize("key", [None, ""])
async def test_a_local_server_without_keys_gets_none(
    key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    heads: list[list[str]] = []

    async def answer(line: Line) -> None:
        heads.append((await line.request()).values("authorization"))
        await line.send(reply(b'{"data":[]}'))

    async with serving(answer) as peer:
        async with OpenRouter(base_url=peer.url, service="compatible", api_key=key) as client:
            await client.get("/models")
        async with OpenRouter(base_url=peer.url, service="compatible", api_key=KEY) as client:
            await client.get("/models")
        async with OpenRouter(base_url=peer.url) as client:
            with pytest.raises(MissingKey):
                await client.get("/models")
    assert heads == [[], [f"Bearer {KEY}"]]


def test_openai_lies_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that says where OpenRouter is does not move it."""
    monkeypatch.setenv("OPENROUTER_BASE_URL", "https://gateway.example/v1")
    assert OpenRouter(service="openai", api_key="k").base_url == "https://api.openai.com/v1"
    assert OpenRouter(service="compatible", api_key="k").base_url == "https://gateway.example/v1"
