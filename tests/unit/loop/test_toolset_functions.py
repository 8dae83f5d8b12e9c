"""Tools that a function makes for each request."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from agentkit import Context, ImageGeneration, ModelSettings, Run, Tool, Toolset, tool
from agentkit.emulator import CallTool, Reply, Say
from agentkit.errors import HookFailed, UsageError
from tests.conftest import Bench


def read(path: str) -> str:
    """Reads."""
    return f"read {path}"


def write(path: str) -> str:
    """Writes."""
    return f"wrote {path}"


def search(words: str) -> str:
    """Searches."""
    return f"found {words}"


def offered(bench: Bench, number: int) -> list[str]:
    tools = bench.emulator.requests[number].body.get("tools", [])
    return [
        each.get("name") or each.get("function", {}).get("name") or each["type"] for each in tools
    ]


async def test_made_for_each_request(bench: Bench) -> None:
    seen: list[tuple[int, object, float]] = []

    async def tools(context: Context[str]) -> list[object]:
        seen.append((len(context.messages), context.deps, context.usage.requests))
        return [read] if len(context.messages) == 1 else [write, ImageGeneration()]

    bench.emulator.play(
        [
            Reply([CallTool("files_read", {"path": "a"})]),
            Reply([CallTool("files_read", {"path": "b"}), CallTool("files_write", {"path": "c"})]),
            Reply([Say("Done.")]),
        ]
    )
    agent = bench.agent(tools=[search, Toolset(tools, prefix="files_")])
    answer = await bench.ask(agent, "Go", deps="Ada")
    assert offered(bench, 0) == ["search", "files_read"]
    assert offered(bench, 1) == ["search", "files_write", "openrouter:image_generation"]
    assert [each.result for each in answer.invocations] == ["read a", None, "wrote c"]
    assert "there is no tool 'files_read'; there is: search, files_write" in (
        answer.invocations[1].error or ""
    )
    assert seen == [(1, "Ada", 0), (3, "Ada", 1), (5, "Ada", 2)]


async def test_sets_hold_sets_of_functions(bench: Bench) -> None:
    inner = Toolset(
        lambda _: [read, Toolset([write], prefix="x_")],
        prefix="b_",
        filter=lambda each: each.name != "x_write",
    )
    outer = Toolset([search, inner], prefix="a_")
    assert [each.name for each in outer] == ["a_search"]
    bench.emulator.play([Reply([Say("Done.")])])
    await bench.ask(
        bench.agent(tools=[outer], settings=ModelSettings(tool_choice="a_b_read")), "Go"
    )
    assert offered(bench, 0) == ["a_search", "a_b_read"]


def boom(_: Context[Any]) -> Iterable[object]:
    raise RuntimeError("boom")


MISFITS: list[tuple[Any, str]] = [
    (boom, "Toolset.boom.*raised RuntimeError: boom; nothing was sent"),
    (lambda _: "read", "given is 'read'; accepted is a list"),
    (lambda _: [3], "number 1: given is 3"),
    (lambda _: None, "given is None; accepted is a list"),
    (lambda _: [search], "two tools have the name 'search'"),
    (lambda _: [Toolset(lambda _: [read])], "Toolset of a function"),
    (lambda _: [tool(read, name="x" * 64)], "1 to 64 of the characters"),
]


@pytest.mark.parametrize(("function", "words"), MISFITS, ids=range(len(MISFITS)))
async def test_a_function_that_fails_is_told_before_the_request(
    bench: Bench, function: Any, words: str
) -> None:
    prefix = "y" if words.startswith("1 to") else ""
    with pytest.raises(UsageError, match=words) as caught:
        await bench.ask(bench.agent(tools=[search, Toolset(function, prefix=prefix)]), "Go")
    assert isinstance(caught.value, HookFailed)
    assert not bench.emulator.requests


async def test_one_that_fails_later_loses_nothing(bench: Bench) -> None:
    def once(context: Context[Any]) -> list[object]:
        return [read] if len(context.messages) == 1 else boom(context)  # type: ignore[return-value]

    bench.emulator.play([Reply([CallTool("read", {"path": "a"})])])
    with pytest.raises(HookFailed) as caught:
        await bench.ask(bench.agent(tools=[Toolset(once)]), "Go")
    run = caught.value.run
    assert run is not None
    assert run.invocations[0].result == "read a"
    bench.emulator.play([Reply([Say("Done.")])])
    assert (await bench.agent().resume(run)).text == "Done."


async def test_a_call_that_waited_finds_its_tool_again(bench: Bench) -> None:
    agent = bench.agent(tools=[Toolset(lambda _: [tool(read, approve=True)])])
    bench.emulator.play([Reply([CallTool("read", {"path": "a"}, id="c")])])
    answer = await bench.ask(agent, "Go")
    bench.emulator.play([Reply([Say("Done.")])])
    run = Run.from_json(answer.run.to_json(), blobs=bench.store)
    resumed = await agent.resume(run, approve={"c": True})
    assert resumed.invocations[0].result == "read a"


def test_a_tool_is_no_function_of_tools() -> None:
    made: Tool[..., str] = tool(read)
    with pytest.raises(UsageError, match="accepted is a list"):
        Toolset(made)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="accepted is a list"):
        Toolset(Context)  # type: ignore[arg-type]
    assert json.loads(json.dumps(made.schema))["required"] == ["path"]
