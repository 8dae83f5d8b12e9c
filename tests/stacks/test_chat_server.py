"""The chat server behind proxies that nobody here wrote, nginx as its page in `docs/` sets it up: a
stream comes through as it is told, and so do names, pictures and refusals.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from tests.clock import GUARD
from tests.conftest import picture
from tests.stacks.gateways import NGINX
from tests.stacks.programs import free_ports, program, running
from tests.unit.web.talking import Gate, Talker, agent_for, message, text_of, web_for
from tests.web_server import Served, serving_app

pytestmark = pytest.mark.stacks
PAGE = Path(__file__).parents[2] / "docs" / "chat-server.md"
TOKEN = "a-token-behind-a-proxy"
CADDY = """{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  reverse_proxy 127.0.0.1:{upstream}
}}
"""


@contextmanager
def nginx(port: int, upstream: int, folder: Path) -> Generator[None]:
    """As the page says, but for the addresses."""
    found = re.search(r"```text\n(location /chat/ .*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    rules = found[1].replace("127.0.0.1:8080", f"127.0.0.1:{upstream}")
    server = f"server {{ listen 127.0.0.1:{port}; {rules} }}"
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, nobody=1, servers=server))
    command = [program("nginx"), "-c", str(file), "-p", str(folder), "-e", f"{folder}/error.log"]
    with running(command, port, folder):
        yield


@contextmanager
def caddy(port: int, upstream: int, folder: Path) -> Generator[None]:
    file = folder / "Caddyfile"
    file.write_text(CADDY.format(port=port, upstream=upstream))
    command = [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with running(command, port, folder, environment=home):
        yield


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_behind_a_proxy(proxy: Any, emulator: Emulator, tmp_path: Path) -> None:
    gate = Gate()
    (port,) = free_ports(1)
    agent = agent_for(emulator, tmp_path, tools=[gate.tool()])
    web = web_for(agent, tmp_path, token=TOKEN, hosts=[f"http://127.0.0.1:{port}"])

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        await web.close()
        await agent.client.close()

    site = Starlette(routes=[Mount("/chat", web)], lifespan=lifespan)
    with serving_app(site) as served, proxy(port, served.port, tmp_path):
        page = Talker(Served(port))
        welcome = page.ask("GET", f"/chat/?token={TOKEN}")
        assert (welcome.status, welcome.header("location")) == (303, "/chat/")
        cookie, _, _ = (welcome.header("set-cookie") or "").partition(";")
        assert cookie.startswith(f"agentkit_{port}="), "the port that the browser sees"
        page.headers = {"cookie": cookie, "origin": f"http://127.0.0.1:{port}"}
        brought = page.ask(
            "POST",
            "/chat/api/images",
            picture(size=(900, 700), noise=3),
            **{"content-type": "image/png"},
        )
        assert brought.status == 201
        emulator.play(
            Reply([Draw("a fox", size=(64, 48)), CallTool("wait", {"city": "Oslo"})]),
            Reply([Say("It snows.")]),
        )
        stream = page.open(
            "POST", "/chat/api/chat", message("foxes", "Draw", brought.json()["url"])
        )
        drawn = stream.until("file")[-1]  # while the turn waits: nothing is held back
        assert gate.reached.wait(GUARD)
        assert page.ask("GET", f"/chat/{drawn['url']}").status == 200
        gate.opened.set()
        assert text_of(list(stream.chunks())) == "It snows."
        stream.leave()
        foreign = replace(page, headers={**page.headers, "origin": "https://evil.example"})
        assert foreign.ask("DELETE", "/chat/api/chat/foxes").status == 403
        renamed = page.ask(
            "GET",
            "/chat/api/chats",
            host="evil.example",
            **{"x-forwarded-host": f"127.0.0.1:{port}"},
        )
        assert renamed.status in {200, 404, 421}
        assert b"foxes" not in renamed.body
