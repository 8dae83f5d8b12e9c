"""Servers of MCP that nobody here wrote: their pictures have handles, and the next turn edits them."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters

from agentkit import Agent, Answer, OpenRouter, Toolset
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.images.store import MemoryImageStore
from agentkit.integrations import mcp
from tests.conftest import picture
from tests.stacks.programs import FOLDER, free_ports, program, python_of, running

pytestmark = pytest.mark.stacks

EDITED = picture("blue", (8, 8))


def everything() -> str:
    """The path of the protocol's own server."""
    found = FOLDER / "mcp" / "node_modules" / ".bin" / "mcp-server-everything"
    if not found.exists():
        pytest.skip("MCP's server-everything is not installed: make stacks installs it")
    return str(found)


@asynccontextmanager
async def tools_of_everything(kind: str, tmp_path: Path) -> AsyncIterator[Toolset]:
    node, script = program("node"), everything()
    if kind == "stdio":
        parameters = StdioServerParameters(command=node, args=[script, "stdio"])
        async with mcp.tools(parameters) as tools:
            yield tools
        return
    (port,) = free_ports(1)
    command = [node, script, "streamableHttp"]
    environment = {**os.environ, "PORT": str(port)}
    with running(command, port, tmp_path, environment=environment):
        async with mcp.tools(f"http://127.0.0.1:{port}/mcp") as tools:
            yield tools


async def two_turns(
    client: OpenRouter, emulator: Emulator, tools: Toolset, name: str, given: dict[str, Any]
) -> Answer[Any]:
    """The first turn calls the tool; the second edits the picture that came of it."""
    agent = Agent(
        "openai/gpt-5.2", client=client, store=MemoryImageStore(), tools=[tools], checks=False
    )
    emulator.play(
        [
            Reply([CallTool(name, given, id="c")]),
            Reply([Say("Here it is.")]),
            Reply([Say("Edited."), Draw("edited", data=EDITED)]),
        ]
    )
    chat = agent.conversation()
    answer = await chat.send("Draw")
    assert answer.invocations[0].error is None
    assert [image.name for image in answer.images] == ["img_1"]
    edited = await chat.send("Make img_1 blue")
    assert [image.bytes() for image in edited.images] == [EDITED]
    shown = answer.images[0].data_url()[:80]
    assert any(shown in json.dumps(each.body) for each in emulator.requests)
    return answer


@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_the_server_that_does_everything(
    client: OpenRouter, emulator: Emulator, tmp_path: Path, kind: str
) -> None:
    async with tools_of_everything(kind, tmp_path) as tools:
        answer = await two_turns(client, emulator, tools, "get-tiny-image", {})
    assert "The image above is the MCP logo." in str(answer.invocations[0].result)


async def test_a_server_of_plots(client: OpenRouter, emulator: Emulator, tmp_path: Path) -> None:
    """It is written with the first version of the SDK, and tells the path of a file: that stays
    words, and no file is read on its word.
    """
    python = python_of("plotnine_mcp")
    command = str(Path(python).with_name("plotnine-mcp"))
    parameters = StdioServerParameters(command=command, cwd=tmp_path, env={"MPLBACKEND": "agg"})
    given = {
        "data_source": {"type": "inline", "data": [{"x": 1, "y": 3}, {"x": 2, "y": 5}]},
        "aes": {"x": "x", "y": "y"},
        "geoms": [{"type": "point"}],
        "output": {"format": "png", "width": 2, "height": 2, "directory": str(tmp_path)},
    }
    emulator.play([Reply([CallTool("create_plot", given, id="c")]), Reply([Say("Done.")])])
    async with mcp.tools(parameters) as tools:
        agent = Agent("openai/gpt-5.2", client=client, tools=[tools], checks=False)
        answer = await agent.run("Plot")
    (call,) = answer.invocations
    assert call.status == "completed"
    assert f"Output file: {tmp_path}" in str(call.result)
    assert answer.images == ()
