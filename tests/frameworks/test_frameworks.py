"""An agent as a tool of other frameworks: its picture reaches their result and their model. What is
not installed is skipped: `make frameworks` has an environment with all of them.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import pytest

from agentkit import Agent, OpenRouter
from agentkit.emulator import CallTool, Draw, Emulator, Reply, Say
from agentkit.errors import UsageError
from agentkit.images.store import MemoryImageStore
from tests.conftest import picture

RED = picture("red", (30, 20))
RED64 = base64.b64encode(RED).decode()
DRAWN = Reply([Say("A fox."), Draw("a fox", data=RED)])


@pytest.fixture
def agent(client: OpenRouter, store: MemoryImageStore) -> Agent[Any]:
    return Agent("openai/gpt-5.2", client=client, store=store, checks=False)


@pytest.mark.unjudged  # its requests are another SDK's
async def test_the_openai_agents_sdk(agent: Agent[Any], emulator: Emulator) -> None:
    """Its own model, over the Responses API, is sent the picture."""
    agents = pytest.importorskip("agents")
    from openai import AsyncOpenAI

    from agentkit.integrations import openai_agents

    agents.set_tracing_disabled(True)
    emulator.play(
        [
            Reply([CallTool("draw", {"prompt": "a fox"}, id="c1")]),
            DRAWN,
            Reply([CallTool("draw", {"prompt": "x", "conversation": "none"}, id="c2")]),
            Reply([Say("Seen.")]),
        ]
    )
    async with AsyncOpenAI(base_url=emulator.base_url, api_key=emulator.api_key) as client:
        other = agents.Agent(
            name="Editor",
            model=agents.OpenAIResponsesModel("openai/gpt-5.2", client),
            tools=[openai_agents.tool(agent, "draw", "Draws pictures.")],
        )
        result = await agents.Runner.run(other, "Draw a fox")
    assert result.final_output == "Seen."
    outputs = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    assert [type(part).__name__ for part in outputs[0]] == ["ToolOutputText", "ToolOutputImage"]
    assert "img_1: 30×20 image/png" in outputs[0][0].text
    assert any(RED64 in json.dumps(request.body) for request in emulator.requests)
    assert "not known here" in outputs[1]


async def test_pydantic_ai(agent: Agent[Any], emulator: Emulator) -> None:
    library = pytest.importorskip("pydantic_ai")
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel

    from agentkit.integrations import pydantic_ai

    seen: list[Any] = []

    def model(messages: Any, _: Any) -> Any:
        seen.append(messages)
        if len(seen) == 1:
            return ModelResponse([ToolCallPart("draw", {"prompt": "a fox"})])
        return ModelResponse([TextPart("Seen.")])

    emulator.play([DRAWN])
    other = library.Agent(
        FunctionModel(model), tools=[pydantic_ai.tool(agent, "draw", "Draws pictures.")]
    )
    result = await other.run("Draw a fox")
    assert result.output == "Seen."
    (part,) = [part for part in seen[-1][-1].parts if part.part_kind == "tool-return"]
    assert [each.data for each in part.content if hasattr(each, "data")] == [RED]


async def test_langchain(agent: Agent[Any], emulator: Emulator) -> None:
    pytest.importorskip("langchain_core")
    from agentkit.integrations import langchain

    emulator.play([DRAWN])
    made = langchain.tool(agent, "draw", "Draws pictures.")
    call = {"type": "tool_call", "id": "c", "name": "draw", "args": {"prompt": "a fox"}}
    message = await made.ainvoke(call)
    words, image = message.content_blocks
    assert "A fox." in words["text"]
    assert image["type"] == "image"
    assert image["base64"] == RED64
    wrong = await made.ainvoke({**call, "args": {"prompt": "x", "images": ["/etc/passwd"]}})
    assert "failed: images[0]" in str(wrong.content)


@pytest.mark.parametrize(
    ("adapter", "module"),
    [
        ("openai_agents", "agents"),
        ("pydantic_ai", "pydantic_ai"),
        ("langchain", "langchain_core.tools"),
    ],
)
def test_without_the_framework(
    agent: Agent[Any], adapter: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import import_module

    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match="pip install"):
        import_module(f"agentkit.integrations.{adapter}").tool(agent, "draw")
