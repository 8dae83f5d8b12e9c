"""A native tool, else a local one: where OpenRouter refuses the server tool that draws, the
studio's tools take its place.

A refusal is an error status whose words name server tools, and not a moderation, before any output:
nothing was billed, and asking again with other tools is another request. What one client was
refused for a model is remembered as long as the client lives.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from agentkit.errors import APIError
from agentkit.loop.context import RunContext
from agentkit.run import Run
from agentkit.tools import Tool
from agentkit.tools.server_tools import ImageGeneration, ServerTool, stand_ins
from agentkit.wire import faults

_REFUSALS = {400, 403, 404, 422}
_NAMES_SERVER_TOOLS = re.compile(r"image_generation|server[ _-]?tool", re.IGNORECASE)
_NAMES = {"draw_image", "edit_image"}


def server_tool_refused(error: APIError, tool: ServerTool | None) -> bool:
    """Whether this error says that the server tool cannot be used here, and there is something in
    its place.
    """
    if (
        not isinstance(tool, ImageGeneration)
        or tool.fallback is None
        or error.status not in _REFUSALS
    ):
        return False
    words = f"{error} {error.raw or ''}"
    # What was refused for its content must not be drawn, and paid for, another way.
    is_moderation = bool(error.reasons) or faults.says_refused(words)
    return not is_moderation and _NAMES_SERVER_TOOLS.search(words) is not None


def with_tools(run: Run, context: RunContext) -> RunContext:
    """The context with the studio's tools, where this client was refused the server tool for this
    model.
    """
    tool = context.image_tool
    if not isinstance(tool, ImageGeneration) or tool.fallback is None:
        return context
    # Of a run that was saved, in another process.
    waits = any(each.name in _NAMES for each in run.pending)
    if not waits and (run.api, run.model) not in context.services.client.refused_server_tools:
        return context
    made: dict[str, Tool[..., Any]] = {
        each.name: each for each in stand_ins(tool.fallback, tool.parameters)
    }
    tools = replace(
        context.tools,
        functions={**made, **context.tools.functions},
        server=tuple(each for each in context.tools.server if each is not tool),
    )
    choice = (
        "draw_image" if context.settings.tool_choice == tool.name else context.settings.tool_choice
    )
    return replace(context, tools=tools, settings=replace(context.settings, tool_choice=choice))
