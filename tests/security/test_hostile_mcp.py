"""Servers of MCP that do what no server should: nothing hangs, nothing foreign is raised, no file is
read, no key is told, and no process is left.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from mcp import StdioServerParameters

from agentkit import Agent, Answer, OpenRouter
from agentkit.emulator import CallTool, Emulator, Reply, Say
from agentkit.errors import AgentkitError, UsageError
from agentkit.images.store import MemoryImageStore
from agentkit.integrations import mcp
from tests.clock import GUARD, until
from tests.security.hostile_mcp import CASES, FATAL

SCRIPT = Path(__file__).with_name("hostile_mcp.py")
SECONDS = 5.0
"""The time-out of each call: many times what a call takes that is answered."""
QUICK = {
    "silence", "end", "bytes that are no text", "a wrong id", "content that is text",
    "an error of 1 MB", "an image that is none", "a path as image", "a link to a file",
    "100 pictures", "questions", "the environment", "10,000 tools", "names of every kind",
    "a schema that explodes", "an output schema that takes for ever", "an end at once",
}  # fmt: skip
"""One of each kind: each starts a process. `make test-all` has them all."""

assert len(CASES) >= 40


@pytest.mark.parametrize(
    "case",
    [each if each in QUICK else pytest.param(each, marks=pytest.mark.slow) for each in CASES],
)
async def test_a_hostile_server(
    case: str,
    client: OpenRouter,
    emulator: Emulator,
    store: MemoryImageStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-secret-of-ours")
    before = {each.pid for each in psutil.Process().children(recursive=True)}
    process = StdioServerParameters(command=sys.executable, args=["-I", str(SCRIPT), case])
    emulator.play([Reply([CallTool("act", {"a": "a" * 40}, id="c")]), Reply([Say("Well.")])])
    async with asyncio.timeout(GUARD):
        if case in FATAL:
            with pytest.raises(UsageError, match="the MCP server"):
                async with mcp.tools(process, timeout=SECONDS) as tools:
                    raise AssertionError(f"it was opened: {tools}")
        else:
            async with mcp.tools(process, timeout=SECONDS) as tools:
                agent = Agent(
                    "openai/gpt-5.2", client=client, store=store, tools=[tools], checks=False
                )
                look(await agent.run("Go"), case)
            sent = json.dumps([request.body for request in emulator.requests])
            assert "root:x:" not in sent
            assert "sk-or-secret-of-ours" not in sent
            assert len(sent) < 1_000_000
    await until(lambda: {each.pid for each in psutil.Process().children(recursive=True)} <= before)


def look(answer: Answer[Any], case: str) -> None:
    """The run went on, whatever the server did; or waits where it asks a person."""
    if case == "questions":
        (asked,) = answer.pending
        assert asked.question is not None
        assert "its call ended: done" in asked.question.note
        return
    assert answer.text == "Well."
    (call,) = answer.invocations
    assert call.status in {"completed", "failed"}
    assert call.seconds is not None
    assert call.seconds < GUARD
    assert len(str(call.error or "")) < 25_000
    if case in {"silence", "a wrong id", "no json", "a link that is never read"}:
        assert "time-out" in str(call.error)


async def test_a_server_over_http_that_says_too_much() -> None:
    """What is no stream of events is counted, too."""
    from tests.web_server import serving_app

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        head = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        for _ in range(80):
            await send({"type": "http.response.body", "body": b" " * (1 << 20), "more_body": True})
        await send({"type": "http.response.body", "body": b"{}"})

    with (
        serving_app(endless, lifespan="off") as served,
        pytest.raises(AgentkitError, match="the MCP server"),
    ):
        async with mcp.tools(f"{served.url}/mcp"):
            raise AssertionError("it was opened")


@pytest.mark.parametrize("status", [200, 302, 401, 404, 500])
async def test_what_is_no_server_over_http(status: int) -> None:
    from tests.web_server import serving_app

    async def page(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        head = [(b"content-type", b"text/html"), (b"location", b"http://169.254.169.254/")]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": b"<html>hidden-key</html>"})

    with serving_app(page, lifespan="off") as served, pytest.raises(UsageError) as raised:
        async with mcp.tools(f"{served.url}/mcp", headers={"authorization": "Bearer hidden-key"}):
            raise AssertionError("it was opened")
    assert "hidden-key" not in str(raised.value)
