"""An agent as a tool of LangChain and LangGraph (`pip install langchain-core`)."""

from __future__ import annotations

import json
from typing import Any

import pybase64

from agentkit.agent import Agent
from agentkit.errors import AgentkitError
from agentkit.integrations.frameworks import asked, needed
from agentkit.integrations.portable import portable


def tool(agent: Agent[Any], name: str, description: str = "", *, kept: int = 100) -> Any:
    """A `StructuredTool` that asks this agent, for `ainvoke` and what is built on it. Its pictures
    are image blocks of the `ToolMessage`.

        from langchain.agents import create_agent

        create_agent("openai:gpt-5.2", tools=[langchain.tool(agent, "draw", "Draws pictures.")])

    What goes wrong is told to the other model. Raises `UsageError` as `portable` does, and where
    LangChain is not installed.
    """
    library = needed("langchain_core.tools", "langchain-core", "StructuredTool")
    made = portable(agent, name, description, kept=kept)

    async def call(**arguments: Any) -> Any:
        try:
            words, pictures = await asked(made, arguments)
        except AgentkitError as error:
            return f"failed: {error}"
        blocks = [
            {
                "type": "image",
                "base64": pybase64.b64encode(image.bytes()).decode("ascii"),
                "mime_type": image.media_type,
            }
            for image in pictures
        ]
        return [{"type": "text", "text": words}, *blocks]

    return library.StructuredTool.from_function(
        coroutine=call,
        name=made.name,
        description=made.description,
        args_schema=json.loads(json.dumps(made.schema)),
        infer_schema=False,
    )
