"""Tools of MCP servers in the hands of our agents: pictures stay pictures, and a server that fails
ends nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from mcp import StdioServerParameters

from agentkit import Agent, File, OpenRouter, Toolset, tool
from agentkit.emulator import CallTool, Emulator, Reply, Say
from agentkit.errors import HookFailed, UsageError
from agentkit.events import InvocationProgress
from agentkit.images.store import MemoryImageStore
from agentkit.integrations import mcp
from tests.clock import GUARD, until
from tests.conftest import Bench
from tests.unit.integrations.friendly_server import png
from tests.unit.integrations.friendly_server import server as inside
from tests.web_server import serving_app

SCRIPT = Path(__file__).with_name("friendly_server.py")
PROCESS = StdioServerParameters(
    command=sys.executable, args=[str(SCRIPT)], env={"PYTHONPATH": str(Path.cwd())}
)


@asynccontextmanager
async def friendly(kind: str, **options: Any) -> AsyncIterator[Toolset]:
    """The tools of the friendly server: as a process, inside, or over HTTP."""
    if kind == "process":
        async with mcp.tools(PROCESS, **options) as tools:
            yield tools
    elif kind == "inside":
        async with mcp.tools(inside, **options) as tools:
            yield tools
    else:
        with serving_app(inside.streamable_http_app()) as served:
            async with mcp.tools(f"{served.url}/mcp", **options) as tools:
                yield tools


@pytest.fixture
def agent(client: OpenRouter, store: MemoryImageStore) -> Agent[Any]:
    return Agent("openai/gpt-5.2", client=client, store=store, checks=False)


def calling(emulator: Emulator, *calls: tuple[str, dict[str, Any]]) -> None:
    """The model calls these tools, one after the other, and then says "Well."."""
    replies = [
        Reply([CallTool(name, given, id=f"c{at}")]) for at, (name, given) in enumerate(calls)
    ]
    emulator.play([*replies, Reply([Say("Well.")])])


def with_tools(agent: Agent[Any], *tools: Any) -> Agent[Any]:
    return Agent(agent.model, client=agent.client, store=agent.store, checks=False, tools=tools)


async def test_pictures_of_a_server(bench: Bench) -> None:
    bench.emulator.play(
        [
            Reply(
                [
                    CallTool("draw", {"colour": "red"}, id="a"),
                    CallTool("embed", {"colour": "blue"}, id="b"),
                ]
            ),
            Reply([CallTool("link", {"colour": "green"}, id="c")]),
            Reply([Say("Three.")]),
            Reply([Say("Seen again.")]),
        ]
    )
    async with friendly("inside") as tools:
        chat = bench.agent(tools=[tools]).conversation()
        answer = await bench.ask(chat, "Draw")
        await bench.ask(chat, "Look at img_1")
    assert {image.bytes() for image in answer.images} == {png("red"), png("blue"), png("green")}
    assert sorted(image.name for image in answer.images) == ["img_1", "img_2", "img_3"]
    drawn, embedded, linked = answer.invocations
    assert drawn.result in {'["all red","img_1"]', '["all red","img_2"]'}
    assert "sound that cannot be heard" in str(embedded.result)
    assert "[a link: n1: file:///etc/passwd]" in str(linked.result)
    assert "root:" not in json.dumps(bench.emulator.requests[-1].body)


async def test_files_of_a_server(bench: Bench) -> None:
    bench.emulator.play(CallTool("export", {}, id="a"), "It rains on Monday.")
    async with friendly("inside") as tools:
        answer = await bench.ask(bench.agent(tools=[tools]), "Export")
    (file,) = answer.files
    assert (file.name, file.file_name, file.media_type) == ("file_1", "rain .csv", "text/csv")
    assert file.bytes() == b"day,rain\nMonday,7\n"
    (call,) = answer.invocations
    told = "[db://host/../tables/rain%20.csv: text/csv]"
    assert json.loads(str(call.result)) == ["file_1", told, told]
    assert "Monday,7" in json.dumps(bench.emulator.requests[-1].body)


async def test_links_to_files_of_a_server(agent: Agent[Any], emulator: Emulator) -> None:
    here, gone = ["notes://Monday.md", "tables://rain.csv"], ["tables://a/b", "https://a.example/b"]
    many = [f"notes://day-{number}.md" for number in range(5)]
    calling(emulator, ("files", {"links": here + gone}), ("files", {"links": many}))
    async with friendly("inside") as tools:
        answer = await with_tools(agent, tools).run("Which files?")
    assert {file.bytes() for file in answer.files} == {
        b"# Monday\nIt rains.",
        b"day,rain\nMonday,7\n",
    }
    some, listed = answer.invocations
    assert json.loads(str(some.result)) == [
        "file_1",
        "file_2",
        "[a link: n2: tables://a/b]",
        "[a link: n3: https://a.example/b]",  # a page of the web is no file of the server
    ]
    assert "file_" not in str(listed.result)  # so many are a list to choose from


async def test_a_file_of_our_own_server(agent: Agent[Any], emulator: Emulator) -> None:
    """An agent asks another over MCP: the file that one made is a file of the first."""

    def write() -> File:
        """Writes a table."""
        return File.from_bytes(b"day,rain\nMonday,7\n", name="rain.csv")

    emulator.play(
        [
            Reply([CallTool("draw", {"prompt": "Write the table"}, id="a")]),
            Reply([CallTool("write", {}, id="b")]),
            Reply([Say("Here.")]),
            Reply([Say("Done.")]),
        ]
    )
    writer = mcp.server(with_tools(agent, write))
    async with mcp.tools(writer.sdk) as tools:
        answer = await with_tools(agent, tools).run("The table, please")
    (file,) = answer.files
    assert (file.file_name, file.bytes()) == ("rain.csv", b"day,rain\nMonday,7\n")


@pytest.mark.parametrize("kind", ["process", "http"])
async def test_over_each_transport(agent: Agent[Any], emulator: Emulator, kind: str) -> None:
    calling(
        emulator,
        ("draw", {"colour": "red"}),
        ("structured", {"number": 5}),
        ("structured", {"number": "five"}),
        ("fails", {}),
        ("odd_name_with_things", {}),
    )
    async with friendly(kind) as tools:
        answer = await with_tools(agent, tools).run("Go")
    drawn, data, wrong, failed, odd = answer.invocations
    assert answer.images[0].bytes() == png("red")
    assert drawn.result == '["all red","img_1"]'
    assert json.loads(str(data.result)) == {"number": 5}
    assert wrong.status == failed.status == "failed"
    assert "number" in str(wrong.error)
    assert "out of paint" in str(failed.error)
    assert odd.result == "odd"


async def test_progress_and_a_question(agent: Agent[Any], emulator: Emulator) -> None:
    asked: list[Any] = []

    async def ask(words: str, schema: Any) -> Any:
        asked.append((words, list(schema["properties"])))
        return {"width": 7} if len(asked) == 1 else None

    calling(emulator, ("slow", {}), ("asks", {}), ("asks", {"x": 1}))
    async with friendly("http", ask=ask) as tools:
        async with with_tools(agent, tools).stream("Go") as stream:
            told = [
                event.message async for event in stream if isinstance(event, InvocationProgress)
            ]
        answer = stream.answer
    assert told == ["half (1 of 2)"]
    assert asked == [("How wide?", ["width"])] * 2
    assert answer.invocations[1].result == "accept {'width': 7} asked"
    assert "decline" in str(answer.invocations[2].result)


async def test_nobody_is_asked_unless_somebody_can_be(
    agent: Agent[Any], emulator: Emulator
) -> None:
    """The run pauses; `test_mcp_questions` has what follows."""
    calling(emulator, ("asks", {}))
    async with friendly("inside") as tools:
        answer = await with_tools(agent, tools).run("Go")
    assert (answer.text, answer.status) == ("", "paused")
    assert answer.pending[0].question is not None


@pytest.mark.parametrize("answer", [5, "yes", {"width": {"a": 1}}, [1]], ids=str)
async def test_an_answer_that_is_none(agent: Agent[Any], emulator: Emulator, answer: Any) -> None:
    async def ask(_: str, __: Any) -> Any:
        return answer

    calling(emulator, ("asks", {}), ("structured", {"number": 5}))
    async with friendly("inside", ask=ask) as tools:
        result = await with_tools(agent, tools).run("Go")
    asked, after = result.invocations
    assert "returned no answer" in str(asked.error)
    assert json.loads(str(after.result)) == {"number": 5}


async def test_a_server_that_dies_is_started_again(agent: Agent[Any], emulator: Emulator) -> None:
    calling(emulator, ("dies", {}), ("draw", {"colour": "red"}))
    async with friendly("process") as tools:
        answer = await with_tools(agent, tools).run("Go")
    died, drew = answer.invocations
    assert died.status == "failed"
    assert "the next call starts it again" in str(died.error)
    assert drew.error is None


@pytest.mark.parametrize("kind", [pytest.param("process", marks=pytest.mark.slow), "inside"])
async def test_tools_that_change(agent: Agent[Any], emulator: Emulator, kind: str) -> None:
    calling(emulator, ("grows", {}), ("fresh", {}))
    async with friendly(kind) as tools:
        answer = await with_tools(agent, tools).run("Go")
        if kind == "inside":
            inside.remove_tool("fresh")
    sent = [
        [each["function"]["name"] for each in request.body["tools"]]
        for request in emulator.requests
    ]
    assert "fresh" not in sent[0]
    assert "fresh" in sent[-1]
    assert answer.invocations[-1].result == "fresh"


async def test_prefix_filter_and_approval(agent: Agent[Any], emulator: Emulator) -> None:
    calling(emulator, ("p_structured", {"number": 5}))
    options = {"prefix": "p_", "filter": lambda each: "d" in each.name, "approve": True}
    async with friendly("inside", **options) as tools:
        asking = with_tools(agent, tools)
        answer = await asking.run("Go")
        assert answer.status == "paused"  # whatever the server says of its tool
        names = {each["function"]["name"] for each in emulator.requests[0].body["tools"]}
        answer = await asking.resume(answer.run, approve={"c0": True})
    assert names == {"p_draw", "p_embed", "p_structured", "p_dies", "p_odd_name_with_things"}
    assert json.loads(str(answer.invocations[0].result)) == {"number": 5}


async def test_a_name_that_is_there_already(agent: Agent[Any], emulator: Emulator) -> None:
    @tool
    def draw() -> str:
        """Ours."""
        return ""

    async with friendly("inside") as tools:
        with pytest.raises(HookFailed, match="Toolset"):
            await with_tools(agent, draw, tools).run("Go")
    assert emulator.requests == []


async def test_the_process_ends_with_the_block(tmp_path: Path) -> None:
    before = {each.pid for each in psutil.Process().children(recursive=True)}
    stubborn = PROCESS.model_copy(update={"args": [str(SCRIPT), "stubborn"]})
    async with mcp.tools(stubborn):
        assert len(psutil.Process().children(recursive=True)) >= len(before) + 3
    await until(lambda: {p.pid for p in psutil.Process().children(recursive=True)} <= before)


PROGRAM = f"""
import asyncio, os
from mcp import StdioServerParameters
from agentkit.integrations import mcp

async def main():
    async with mcp.tools(StdioServerParameters(**{PROCESS.model_dump(exclude_none=True)!r})):
        print("open", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_the_process_ends_with_ours_however_that_ends() -> None:
    program = PROGRAM.replace("friendly_server.py'", "friendly_server.py', 'stubborn'")
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 3
        os.kill(process.pid, signal.SIGKILL)
    gone, alive = psutil.wait_procs(children, timeout=GUARD)
    assert (len(gone), alive) == (len(children), [])


@pytest.mark.parametrize(
    ("server", "options", "words"),
    [
        ("file:///etc/passwd", {}, "URL of a server"),
        ("ftp://example.com", {}, "URL of a server"),
        ("server.py", {}, "URL of a server"),
        ("http://", {}, "URL of a server"),
        ("http://[::1/mcp", {}, "URL of a server"),
        ("http://127.0.0.1:99999/mcp", {}, "URL of a server"),
        (5, {}, "URL of a server"),
        (None, {}, "URL of a server"),
        (Path("server.py"), {}, "URL of a server"),
        ({"command": "npx"}, {}, "URL of a server"),
        (["npx", "-y"], {}, "URL of a server"),
        ("http://127.0.0.1:1/mcp", {"headers": "x"}, "mapping of texts"),
        ("http://127.0.0.1:1/mcp", {"headers": {"a": 5}}, "text of one line"),
        ("http://127.0.0.1:1/mcp", {"headers": {"a": "b\r\nc: d"}}, "text of one line"),
        ("http://127.0.0.1:1/mcp", {"headers": {"a b": "c"}}, "text of one line"),
        ("http://127.0.0.1:1/mcp", {"ask": 5}, "async function"),
        ("http://127.0.0.1:1/mcp", {}, "127.0.0.1:1"),
        (StdioServerParameters(command="/no/such/program"), {}, "program"),
        (StdioServerParameters(command=sys.executable, args=["-c", "print('hello')"]), {}, "did not start"),
        (StdioServerParameters(command=sys.executable), {"headers": {"a": "b"}}, "headers"),
        (inside, {"prefix": 5}, "prefix"),
        (inside, {"prefix": "no spaces"}, "accepted"),
        (inside, {"timeout": 0}, "timeout"),
        (inside, {"filter": 5}, "filter"),
    ],
    ids=lambda each: str(each)[:40],
)  # fmt: skip
async def test_a_server_that_cannot_be_had(server: Any, options: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        async with mcp.tools(server, **options) as tools:
            await Agent("openai/gpt-5.2", tools=[tools]).run("Go")


async def test_servers_of_a_file(
    agent: Agent[Any], emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHERE", str(Path.cwd()))
    entry = {
        "command": "${PY:-" + sys.executable + "}",
        "args": [str(SCRIPT)],
        "env": {"PYTHONPATH": "${WHERE}"},
    }
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"my friend": entry}}))
    calling(emulator, ("my_friend_draw", {"colour": "red"}))
    async with mcp.from_config(path) as toolsets:
        answer = await with_tools(agent, *toolsets).run("Go")
    assert answer.images[0].bytes() == png("red")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no servers"),
        ("[]", "names no servers"),
        ("{", "names no servers"),
        ('{"mcpServers": {}}', "names no servers"),
        ('{"mcpServers": {"a": 5}}', "accepted is a command"),
        ('{"mcpServers": {"a": {"command": "x", "url": "http://x"}}}', "accepted is a command"),
        ('{"mcpServers": {"a": {"command": 5}}}', "command holds int"),
        ('{"mcpServers": {"a": {"command": "x", "args": "y"}}}', "a list of texts"),
        ('{"mcpServers": {"a": {"command": "x", "env": ["y"]}}}', "no object of texts"),
        ('{"mcpServers": {"a": {"command": "${NOT_SET_AT_ALL}"}}}', "which is not set"),
        ('{"mcpServers": {"a": {"type": "sse", "url": "http://x/sse"}}}', "type is 'sse'"),
        ('{"mcpServers": {"a": {"url": "file:///etc/passwd"}}}', "URL of a server"),
    ],
)
async def test_a_file_that_is_none(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        async with mcp.from_config(path):
            raise AssertionError("it was opened")
    with pytest.raises(UsageError, match="No such file"):
        async with mcp.from_config(tmp_path / "none.json"):
            raise AssertionError("it was opened")


async def test_our_own_server_as_a_tool(agent: Agent[Any], emulator: Emulator) -> None:
    """An agent asks another over MCP: the picture that one drew is a picture of the first."""
    from agentkit.emulator import Draw

    emulator.play(
        [
            Reply([CallTool("draw", {"prompt": "a fox"}, id="a")]),
            Reply([Say("Here."), Draw("a fox", data=png("red"))]),
            Reply([Say("Done.")]),
        ]
    )
    painter = mcp.server(agent)
    async with mcp.tools(painter.sdk) as tools:
        answer = await with_tools(agent, tools).run("Draw a fox")
    assert {image.bytes() for image in answer.images} == {png("red")}
    assert answer.invocations[0].error is None
    assert answer.text == "Done."
