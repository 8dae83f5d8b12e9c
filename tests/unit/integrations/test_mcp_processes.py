"""`agentkit mcp` as a client starts it: a process with the protocol on stdin and stdout; and over
HTTP with its doors.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from agentkit import Agent, OpenRouter
from agentkit.emulator import Draw, Emulator, Reply, Say
from agentkit.integrations import mcp
from tests.clock import GUARD, until
from tests.conftest import picture, spread
from tests.unit.integrations.mcp_clients import MODES
from tests.web_server import serving_app

NOISE = picture(size=(300, 200), noise=3)
AGENT = """
import os, subprocess, sys
from agentkit import Agent, tool
from agentkit.images.store import MemoryImageStore

print("a module that prints")
subprocess.run([sys.executable, "-c", "print('a child that prints')"])

@tool
def chatter() -> str:
    "Prints."
    print("a tool that prints")
    os.write(1, b"to the descriptor")
    return "printed"

def painter():
    print("a function that prints")
    return Agent("openai/gpt-5.2", tools=[chatter], store=MemoryImageStore(), checks=False)
"""
HELLO = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
)


@pytest.fixture
def command(emulator: Emulator, tmp_path: Path) -> StdioServerParameters:
    (tmp_path / "mine.py").write_text(AGENT)
    environment = {
        "OPENROUTER_BASE_URL": emulator.base_url,
        "OPENROUTER_API_KEY": emulator.api_key,
        "PYTHONPATH": str(Path.cwd()),
        "NO_PROXY": "127.0.0.1",
    }
    arguments = ["-m", "agentkit", "mcp", "--agent", "mine.py:painter"]
    return StdioServerParameters(
        command=sys.executable, args=arguments, env=environment, cwd=tmp_path
    )


@pytest.mark.parametrize("era", spread(MODES, 1))
async def test_over_stdio(emulator: Emulator, command: StdioServerParameters, era: str) -> None:
    from agentkit.emulator import CallTool

    emulator.play(
        [
            Reply([CallTool("chatter", {}, id="a")]),
            Reply([Say("A fox."), Draw("a fox", data=NOISE)]),
            Reply([Say("With a hat.")]),
        ]
    )
    before = {each.pid for each in psutil.Process().children(recursive=True)}
    async with Client(command, mode=MODES[era]) as client:
        assert client.protocol_version == era
        first: Any = await client.call_tool("draw", {"prompt": "Draw a fox"})
        data = first.structured_content
        (read,) = (await client.read_resource(data["images"][0]["uri"])).contents
        assert base64.b64decode(read.blob) == NOISE
        arguments = {"prompt": "A hat on img_1", "conversation": data["conversation"]}
        second: Any = await client.call_tool("draw", arguments)
        assert "With a hat." in second.content[0].text
    await until(lambda: {each.pid for each in psutil.Process().children(recursive=True)} <= before)


def test_stdout_belongs_to_the_protocol(command: StdioServerParameters) -> None:
    """Whatever a module, a child or a function prints goes to stderr."""
    done = subprocess.run(
        [command.command, *command.args],
        input=HELLO + "\n",
        env={**os.environ, **(command.env or {})},
        cwd=command.cwd,
        capture_output=True,
        text=True,
        timeout=GUARD,
        check=False,
    )
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1]
    for words in ("a module that prints", "a child that prints", "a function that prints"):
        assert words in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("number", "code"), spread([(signal.SIGTERM, 0), (signal.SIGINT, 130)], 1), ids=str
)
def test_a_signal_ends_it_while_it_waits_for_a_client(
    command: StdioServerParameters, number: int, code: int
) -> None:
    with subprocess.Popen(
        [command.command, *command.args],
        env={**os.environ, **(command.env or {})},
        cwd=command.cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(HELLO + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(number)
        assert process.wait(GUARD) == code


@pytest.mark.parametrize("era", spread(reversed(MODES), 1))
async def test_a_cancelled_call_over_stdio(
    emulator: Emulator, command: StdioServerParameters, era: str
) -> None:
    """The run stops, its connection to the model ends, and the server answers the next call."""
    emulator.play([Reply([Say("A fox"), Say("and")], hang=True), Reply([Say("Here.")])])
    async with Client(command, mode=MODES[era]) as client:
        call = asyncio.ensure_future(client.call_tool("draw", {"prompt": "Draw a fox"}))
        await until(lambda: any("completions" in each.path for each in emulator.requests))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        result: Any = await client.call_tool("draw", {"prompt": "Draw another"})
        assert "Here." in result.content[0].text


def test_without_stdin_it_says_so(command: StdioServerParameters) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", command.command, *command.args],
        env={**os.environ, **(command.env or {})},
        cwd=command.cwd,
        capture_output=True,
        text=True,
        timeout=GUARD,
        check=False,
    )
    assert done.returncode == 2
    assert "stdin is closed" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    spread(
        [
            (["--name", "a b"], {}, "--name 'a b': accepted is 1 to 64"),
            (["--preview", "-1"], {}, "--preview"),
            (["--http", "0"], {"AGENTKIT_MCP_TOKEN": "short"}, "AGENTKIT_MCP_TOKEN: accepted are"),
        ],
        1,
    ),
    ids=str,
)
def test_an_option_that_cannot_be_right_is_named(
    command: StdioServerParameters, arguments: list[str], environment: dict[str, str], words: str
) -> None:
    done = subprocess.run(
        [command.command, *command.args, *arguments],
        env={**os.environ, **(command.env or {}), **environment},
        cwd=command.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=GUARD,
        check=False,
    )
    assert done.returncode == 2
    assert words in done.stderr


def test_over_http_by_command(command: StdioServerParameters) -> None:
    token = "t" * 20
    with subprocess.Popen(
        [command.command, *command.args, "--http", "0"],
        env={**os.environ, **(command.env or {}), "AGENTKIT_MCP_TOKEN": token},
        cwd=command.cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        url = next(line for line in lines if line.startswith("http")).strip()
        with httpx2.Client(trust_env=False) as client:
            assert client.post(url, json={}).status_code == 401
            right = {"authorization": f"Bearer {token}"}
            assert client.post(url, json={}, headers=right).status_code not in {401, 403, 421}
        process.terminate()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "TOKEN"}, 401),
        ({"authorization": "Basic TOKEN"}, 401),
        ({"authorization": "Bearer TOKENx"}, 401),
        ({"authorization": "Bearer TOKEN", "host": "evil.example"}, 421),
        ({"authorization": "Bearer TOKEN", "host": "127.0.0.1"}, 421),
        ({"authorization": "Bearer TOKEN", "host": "127.0.0.1:1"}, 421),
        ({"authorization": "Bearer TOKEN", "host": "127.0.0.1.evil.example:PORT"}, 421),
        ({"authorization": "Bearer TOKEN", "origin": "https://evil.example"}, 403),
        ({"authorization": "Bearer TOKEN", "origin": "null"}, 403),
        ({"authorization": "Bearer TOKEN", "origin": "http://127.0.0.1:1"}, 403),
        ({"authorization": "Bearer TOKEN", "origin": "http://127.0.0.1:PORT.evil.example"}, 403),
        ({"authorization": "Bearer TOKEN", "host": "draw.example.org"}, 0),
        ({"authorization": "Bearer TOKEN", "host": "draw.example.org", "origin": "https://draw.example.org"}, 0),
        ({"authorization": "Bearer TOKEN", "origin": "http://127.0.0.1:PORT"}, 0),
        ({"authorization": "bearer TOKEN", "host": "localhost:PORT"}, 0),
    ],
    ids=str,
)  # fmt: skip
def test_doors(client: OpenRouter, headers: dict[str, str], status: int) -> None:
    app = mcp.server(Agent("openai/gpt-5.2", client=client)).http(hosts=["draw.example.org"])
    with serving_app(app) as served:
        given = [
            (name, value.replace("TOKEN", app.token).replace("PORT", str(served.port)))
            for name, value in headers.items()
        ]
        found = served.ask("POST", "/mcp", given, {}).status
    assert found == status or (status == 0 and found not in {401, 403, 404, 421})


def test_two_headers_of_one_name_and_other_paths(client: OpenRouter) -> None:
    app = mcp.server(Agent("openai/gpt-5.2", client=client)).http()
    right = ("authorization", f"Bearer {app.token}")
    with serving_app(app) as served:
        host = ("host", f"127.0.0.1:{served.port}")
        assert served.ask("POST", "/mcp", [right, right], {}).status == 401
        assert served.ask("POST", "/mcp", [right, host, host], {}).status in {400, 421}
        assert served.ask("GET", "/.well-known/oauth-protected-resource", [right]).status == 404


async def test_an_application_that_was_closed_says_so(client: OpenRouter) -> None:
    app = mcp.server(Agent("openai/gpt-5.2", client=client)).http()
    await app.close()
    right = ("authorization", f"Bearer {app.token}")
    with serving_app(app) as served:
        assert served.ask("POST", "/mcp", [right], {}).status == 503


async def test_mounted_in_another_application(client: OpenRouter, emulator: Emulator) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    emulator.play([Reply([Say("Hello.")])])
    app = mcp.server(Agent("openai/gpt-5.2", client=client, checks=False)).http()
    with serving_app(Starlette(routes=[Mount("/tools", app)])) as served:
        headers = {"authorization": f"Bearer {app.token}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=GUARD) as http:
            transport = streamable_http_client(f"{served.url}/tools/mcp", http_client=http)
            async with Client(transport) as asking:
                result: Any = await asking.call_tool("draw", {"prompt": "Hello"})
    assert "Hello." in result.content[0].text
