"""An agent as a tool of the OpenAI Agents SDK (`pip install openai-agents`)."""

from __future__ import annotations

import json
from typing import Any

from agentkit.agent import Agent
from agentkit.errors import AgentkitError
from agentkit.integrations.frameworks import asked, needed
from agentkit.integrations.portable import portable


def tool(agent: Agent[Any], name: str, description: str = "", *, kept: int = 100) -> Any:
    """A `FunctionTool` that asks this agent. Each picture is a `ToolOutputImage`, which the other
    agent's model sees over the Responses API.

        from agents import Agent as Other

        Other(name="Editor", tools=[openai_agents.tool(agent, "draw", "Draws pictures.")])

    What goes wrong is told to the other model. Raises `UsageError` as `portable` does, and where
    the SDK is not installed.
    """
    sdk = needed("agents", "openai-agents", "FunctionTool")
    made = portable(agent, name, description, kept=kept)

    async def invoke(_: object, text: str) -> Any:
        try:
            words, pictures = await asked(made, json.loads(text or "{}"))
        except (AgentkitError, ValueError) as error:
            return f"failed: {error}"
        shown = [sdk.ToolOutputImage(image_url=image.data_url()) for image in pictures]
        return [sdk.ToolOutputText(text=words), *shown]

    return sdk.FunctionTool(
        name=made.name,
        description=made.description,
        params_json_schema=json.loads(json.dumps(made.schema)),
        on_invoke_tool=invoke,
        strict_json_schema=False,
    )
