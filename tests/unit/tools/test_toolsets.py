"""What a user may give as `tools=[…]`, and what is refused at once."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from agentkit import Agent, OpenRouter
from agentkit.errors import ToolDefinitionError, UsageError
from agentkit.studio import Studio
from agentkit.tools import Denied, Progress, Tools, Toolset, collect, tool
from agentkit.tools.server_tools import ImageGeneration, ServerTool, WebSearch


def read(path: str) -> str:
    """Read a file."""
    return path


@tool
def write(path: str, words: str) -> None:
    """Write a file."""


@tool(name="delete")
def remove(path: str) -> None:
    """Delete a file."""


def test_functions_tools_and_server_tools_in_order():
    tools = collect([read, ImageGeneration(), write, WebSearch()])
    assert isinstance(tools, Tools)
    assert list(tools.functions) == ["read", "write"]
    assert tools.functions["read"].description == "Read a file."
    assert tools.functions["write"] is write
    assert [each.name for each in tools.server] == [
        "openrouter:image_generation",
        "openrouter:web_search",
    ]
    assert tools
    assert not collect([])
    assert list(collect(each for each in (read,)).functions) == ["read"]


def test_toolset():
    files = Toolset(
        [read, write, remove, WebSearch()],
        prefix="files_",
        filter=lambda each: each.name != "delete",
    )
    tools = collect([files, Toolset([remove], prefix="x-")])
    assert list(tools.functions) == ["files_read", "files_write", "x-delete"]
    assert [each.name for each in tools.server] == ["openrouter:web_search"]
    assert tools.functions["files_write"].check('{"path":"a","words":"b"}') == {
        "path": "a",
        "words": "b",
    }
    assert list(collect([Toolset([files], prefix="my_")]).functions) == [
        "my_files_read",
        "my_files_write",
    ]
    with pytest.raises(dataclasses.FrozenInstanceError):
        files.prefix = "y"  # type: ignore[misc]


class StudioContext:
    @tool
    def tidy(self) -> None: ...


def test_methods():
    assert list(collect([StudioContext().tidy]).functions) == ["tidy"]
    with pytest.raises(ToolDefinitionError, match="tidy is a method"):
        collect([StudioContext.tidy])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([read, tool(read)], "two tools have the name 'read'"),
        ([read, Toolset([read])], "two tools have the name 'read'"),
        (
            [tool(name="image_generation")(read), ImageGeneration()],
            "'image_generation' has the name of the server tool",
        ),
        ([tool(name="web_search")(read), ServerTool("web_search")], "'web_search' has the name"),
        (
            [ImageGeneration(), ImageGeneration(size="1K")],
            "openrouter:image_generation is given twice",
        ),
        ([ImageGeneration], r"number 1: ImageGeneration is a class.*ImageGeneration\(\)"),
        ([read, "write"], "number 2: given is 'write'; accepted are functions"),
        ([None], "given is None"),
        ([{"type": "function"}], "given is {'type': 'function'}"),
        ([lambda path: path], "'<lambda>'"),
        ("read", "accepted is a list of functions"),
        (read, "accepted is a list of functions"),
        (write, "accepted is a list of functions"),
        (ImageGeneration(), "accepted is a list of functions"),
        (None, "given is None; accepted is a list"),
        ({"read": read}, "accepted is a list"),
        (3, "given is 3"),
    ],
)
def test_refused(given: Any, said: str):
    with pytest.raises(UsageError, match=said):
        collect(given)


def test_a_name_without_its_server_tool_is_free():
    assert list(collect([tool(name="web_search")(read), ImageGeneration()]).functions) == [
        "web_search"
    ]


def test_a_toolset_is_checked_when_it_is_made():
    with pytest.raises(ToolDefinitionError, match="64"):
        Toolset([read], prefix="x" * 64)
    with pytest.raises(ToolDefinitionError, match="64"):
        Toolset([read], prefix="my files ")
    with pytest.raises(ToolDefinitionError, match=r"Toolset\(prefix=3\)"):
        Toolset([read], prefix=3)  # type: ignore[arg-type]
    with pytest.raises(ToolDefinitionError, match=r"Toolset\(filter="):
        Toolset([read], filter="x")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"Toolset\(tools=…\), number 1: given is 3"):
        Toolset([3])
    with pytest.raises(UsageError, match=r"Toolset\(tools=…\)"):
        Toolset("read")


def test_small_values():
    assert Denied("too dear").reason == "too dear"
    assert Denied() == Denied("denied by the user")
    assert Progress("2 of 5").message == "2 of 5"


def test_what_holds_tools_is_told_how_to_be_given():
    client = OpenRouter(api_key="k")
    studio, agent = (
        Studio("openai/gpt-5-image", client=client),
        Agent("openai/gpt-5.2", client=client),
    )
    for given, said in (
        (studio, r"number 2.*\*the_studio\.tools\(\)"),
        (studio.tools(), r"number 2.*a list inside the list.*\*the_list"),
        ((read,), r"a list inside the list"),
        (agent, r"number 2.*the_agent\.as_tool\("),
    ):
        with pytest.raises(ToolDefinitionError, match=said) as caught:
            collect([write, given])
        assert len(str(caught.value)) < 300
