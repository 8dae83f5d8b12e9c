"""A network whose only way out is one proxy: no name is known inside, and no picture is lost."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, FetchPolicy, Image, OpenRouter, tool
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.images.store import MemoryImageStore
from agentkit.openrouter import Tls
from agentkit.studio import Studio
from tests.certificates import authority
from tests.conftest import Way, picture
from tests.proxy import Proxy, proxying
from tests.unit.openrouter.peer import Line, reply, serving

PAINTED = {f"/{number}.png": picture(noise=number) for number in range(5)}
KINDS = ["http", "socks5"]


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network: a resolver that knows this machine alone, so that nothing else is reached."""
    known = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        if host not in ("127.0.0.1", "::1"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@dataclass
class Network:
    emulator: Emulator
    client: OpenRouter
    proxy: Proxy
    fetch: FetchPolicy


async def images(line: Line) -> None:
    request = await line.head()
    await line.send(reply(PAINTED[request.line.split()[1]]))


@asynccontextmanager
async def network(kind: str, folder: Path) -> AsyncIterator[Network]:
    tls = authority().server("images.example")
    ca = Tls(ca=authority().file(folder))
    with Emulator() as emulator:
        async with (
            serving(images) as plain,
            serving(images, tls=tls) as secure,
            proxying(
                {"images.example:80": plain.port, "images.example:443": secure.port},
                kind,
                "ada:secret",
            ) as proxy,
            OpenRouter(api_key="sk-or-1", base_url=emulator.base_url, tls=ca) as client,
        ):
            fetch = FetchPolicy(hosts=("images.example",), proxy=proxy.url())
            yield Network(emulator, client, proxy, fetch)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_picture_of_an_agent_is_lost(
    kind: str, way: Way, closed: None, tmp_path: Path
) -> None:
    """Of the prompt, of a tool, in the words, and from the service, which draws on its own origin."""

    @tool
    def search() -> Image:
        """Looks for a picture."""
        return Image.from_url("http://images.example/1.png")

    async with network(kind, tmp_path) as net:
        net.emulator.play(
            [
                Reply([CallTool("search")]),
                Reply(
                    [
                        Say(
                            "One ![a](https://images.example/2.png) and http://images.example/3.png"
                        ),
                        Draw(
                            "a fox",
                            places=["message_images"] if way.api == "chat" else [],
                            shape="url",
                        ),
                    ]
                ),
            ]
        )
        api: Any = way.api
        agent = Agent(
            "openai/gpt-5-image",
            api=api,
            tools=[search],
            client=net.client,
            store=MemoryImageStore(),
            fetch=net.fetch,
        )
        prompt = ["Draw", Image.from_url("https://images.example/0.png")]
        if way.stream:
            async with agent.stream(prompt) as stream:
                answer = await stream.finish()
        else:
            answer = await agent.run(prompt)
    assert answer.failures == ()
    assert len(answer.images) == 4
    asked = [f"images.example:{port}" for port in (443, 80, 443, 80)]
    assert sorted(net.proxy.asked) == sorted(asked)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_picture_of_a_studio_is_lost(kind: str, closed: None, tmp_path: Path) -> None:
    async with network(kind, tmp_path) as net:
        net.emulator.play([Reply([Draw("a fox", shape="url")])])
        studio = Studio(client=net.client, store=MemoryImageStore(), fetch=net.fetch)
        drawn = await studio.edit("https://images.example/0.png", "a hat")
    assert (drawn.failures, len(drawn.images)) == ((), 1)
    assert net.proxy.asked == ["images.example:443"]


async def test_a_picture_that_the_proxy_refused_is_had_later(closed: None, tmp_path: Path) -> None:
    async with network("http", tmp_path) as net:
        store = MemoryImageStore()
        net.emulator.play(
            [Reply([Say("![a](http://images.example/1.png)")]), Reply([Say("Seen.")])]
        )
        agent = Agent("openai/gpt-5.2", client=net.client, store=store, fetch=net.fetch)
        net.proxy.user = "ada:another"
        answer = await agent.run("Draw")
        (failure,) = answer.failures
        assert "through the proxy 'http://…@127.0.0.1" in failure.reason
        assert "asks for a user name" in failure.reason
        assert failure.url is not None
        net.proxy.user = "ada:secret"
        seen = await agent.run(["Look", Image.from_url(failure.url)])
    assert (seen.text, len(net.proxy.asked)) == ("Seen.", 2)
