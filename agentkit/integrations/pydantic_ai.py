"""An agent as a tool of Pydantic AI (`pip install pydantic-ai-slim`)."""

from __future__ import annotations

import json
from typing import Any

from agentkit.agent import Agent
from agentkit.errors import AgentkitError
from agentkit.integrations.frameworks import asked, needed
from agentkit.integrations.portable import portable


def tool(agent: Agent[Any], name: str, description: str = "", *, kept: int = 100) -> Any:
    """A `pydantic_ai.Tool` that asks this agent. Its pictures are `BinaryContent`, which the other
    agent's model sees in the result.

        from pydantic_ai import Agent as Other

        Other("openai:gpt-5.2", tools=[pydantic_ai.tool(agent, "draw", "Draws pictures.")])

    What goes wrong is told to the other model. Raises `UsageError` as `portable` does, and where
    Pydantic AI is not installed.
    """
    library = needed("pydantic_ai", "pydantic-ai-slim", "BinaryContent")
    made = portable(agent, name, description, kept=kept)

    async def call(**arguments: Any) -> Any:
        try:
            words, pictures = await asked(made, arguments)
        except AgentkitError as error:
            return f"failed: {error}"
        shown = [
            library.BinaryContent(data=image.bytes(), media_type=image.media_type)
            for image in pictures
        ]
        return [words, *shown] if shown else words

    schema = json.loads(json.dumps(made.schema))
    return library.Tool.from_schema(call, made.name, made.description, schema)
