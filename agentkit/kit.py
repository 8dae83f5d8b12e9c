"""What a run needs beside itself: everything live, in one value that is handed down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agentkit import history
from agentkit.images.fetch import Fetcher
from agentkit.images.store import ImageStore
from agentkit.openrouter.client import OpenRouter
from agentkit.output import Output
from agentkit.run import Run
from agentkit.server_tools import ServerTool
from agentkit.settings import ModelSettings
from agentkit.tools import Tools
from agentkit.wire.body import Encoded
from agentkit.wire.model import FunctionSpec, JsonObject, Request

MAX_SERVER_CALLS = 30
"""What OpenRouter allows in one request (WIRE, "Server tools")."""


@dataclass(frozen=True, slots=True)
class Kit:
    """The services and settings of one run."""

    client: OpenRouter
    store: ImageStore
    fetcher: Fetcher
    tools: Tools
    instructions: str
    settings: ModelSettings
    output: Output[Any] | None = None
    deps: Any = None
    stream: bool = False
    encoded: Encoded = field(default_factory=Encoded)
    """What of the conversation was serialised before."""

    @property
    def functions(self) -> tuple[FunctionSpec, ...]:
        return tuple(
            FunctionSpec(tool.name, tool.description, tool.schema, tool.strict)
            for tool in self.tools.functions.values()
        )

    @property
    def server_tools(self) -> tuple[JsonObject, ...]:
        return tuple(tool.to_wire() for tool in self.tools.server)

    @property
    def takes_pictures(self) -> bool:
        """Whether a tool takes pictures by their handle, so that the model has to know the handles."""
        return any(tool.parameters.takes_images for tool in self.tools.functions.values())

    @property
    def may_draw(self) -> bool:
        """Whether pictures are to be expected."""
        return "image" in (self.settings.modalities or ()) or self.image_tool is not None

    @property
    def image_tool(self) -> ServerTool | None:
        """The server tool that draws, if the agent has one."""
        tools = (tool for tool in self.tools.server if tool.name.removeprefix("openrouter:") == "image_generation")
        return next(tools, None)


def request_of(run: Run, kit: Kit, closing: str | None) -> Request:
    """The next request of this run. A forced tool choice holds for the first turn only: held on, it would never end."""
    limits, usage = run.limits, run.usage
    return Request(
        model=run.model,
        messages=run.messages,
        settings=kit.settings,
        instructions=kit.instructions,
        functions=kit.functions,
        server_tools=kit.server_tools,
        output=kit.output.schema if kit.output is not None else None,
        stream=kit.stream,
        tool_choice=kit.settings.tool_choice if run.turns == 0 or kit.settings.tool_choice == "none" else None,
        closing=closing is not None,
        session_id=run.session_id,
        output_tokens_left=None if limits.output_tokens is None else max(limits.output_tokens - usage.output_tokens, 1),
        server_calls_left=min(MAX_SERVER_CALLS, max(limits.tool_calls - run.tool_calls, 1)),
        cost_left=None if limits.cost_usd is None else max(limits.cost_usd - (usage.cost_usd or 0.0), 0.0),
        notes=history.notes(run.messages) if kit.takes_pictures else {},
    )
