"""A key goes over plain http to the user's own networks, and to a public address only where the
user says so.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence

import pytest

from agentkit import OpenRouter
from agentkit.errors import ConnectionFailed, UsageError
from agentkit.openrouter.plain_http import check_name
from tests.unit.openrouter.conftest import KEY, ask
from tests.unit.openrouter.peer import Line, reply, serving

NAME = "http://gateway.example/api/v1"


async def answering(line: Line) -> None:
    while True:
        await line.request()
        await line.send(reply())


@pytest.mark.parametrize(
    "host",
    ["8.8.8.8", "134744072", "0x08080808", "8.526344", "[2606:4700::1111]", "[::ffff:8.8.8.8]"],
)
def test_a_public_address_is_refused_at_once(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://{host}:8080/api/v1"
    with pytest.raises(UsageError, match="base_url=.*unencrypted.*https.*allow_http=True") as told:
        OpenRouter(api_key=KEY, base_url=url)
    assert KEY not in str(told.value)
    OpenRouter(api_key=KEY, base_url=url, allow_http=True)
    OpenRouter(api_key="", base_url=url)  # nothing travels
    OpenRouter(api_key=KEY, base_url=url.replace("http:", "https:"))
    monkeypatch.setenv("AGENTKIT_ALLOW_HTTP", "1")
    OpenRouter(api_key=KEY, base_url=url)
    with pytest.raises(UsageError, match="unencrypted"):
        OpenRouter(api_key=KEY, base_url=url, allow_http=False)
    with pytest.raises(UsageError, match="allow_http='yes'"):
        OpenRouter(allow_http="yes")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "10.1.2.3", "172.17.0.1", "192.168.1.9", "[fd00::1]", "gateway"]
)
def test_the_users_own_networks_need_no_permission(host: str) -> None:
    OpenRouter(api_key=KEY, base_url=f"http://{host}:4000/v1")


@pytest.mark.parametrize(
    ("addresses", "refused"),
    [
        (["10.0.0.7"], False),
        (["127.0.0.1", "::1"], False),
        ([], False),
        (["93.184.215.14"], True),
        (["10.0.0.7", "93.184.215.14"], True),
    ],
)
async def test_a_name_is_judged_by_its_addresses(addresses: list[str], refused: bool) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        assert (host, port) == ("gateway.example", 80)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return addresses

    if refused:
        with pytest.raises(UsageError, match="unencrypted.*gateway.example has a public address"):
            await check_name(NAME, allowed=False, resolve=resolve)
    else:
        await check_name(NAME, allowed=False, resolve=resolve)
    await check_name(NAME, allowed=True, resolve=resolve)


async def test_a_name_that_only_the_proxy_knows_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with OpenRouter(api_key=KEY, base_url="http://nobody.invalid/api/v1") as client:
        with pytest.raises(ConnectionFailed, match="nothing was sent"):
            await ask(client)
    async with serving(answering) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        url = "http://nobody.invalid/api/v1"
        async with OpenRouter(api_key=KEY, base_url=url) as client:
            with pytest.raises(UsageError, match="unencrypted"):
                await ask(client)
        assert not proxy.requests
        async with OpenRouter(api_key=KEY, base_url=url, allow_http=True) as client:
            await ask(client)
        assert len(proxy.requests) == 1


async def test_plain_http_is_told_in_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(answering) as peer:
        with caplog.at_level(logging.INFO, "agentkit"):
            async with OpenRouter(api_key=KEY, base_url=f"{peer.origin}/api/v1") as client:
                await ask(client)
                await ask(client)
    assert len(peer.requests) == 2
    told = [each for each in caplog.messages if "key_over_plain_http" in each]
    assert len(told) == 1
    assert KEY not in caplog.text
