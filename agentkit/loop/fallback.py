"""A native tool, else a local one: where the service has no server tool that draws, or refuses it,
the studio's tools take its place.

A refusal is an error status whose words name server tools, and not a moderation, before any output:
nothing was billed, and asking again with other tools is another request. What one client was
refused for a model is remembered as long as the client lives.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from agentkit.errors import APIError, Unsupported
from agentkit.loop.context import RunContext
from agentkit.openrouter.service import Service
from agentkit.run import Run
from agentkit.tools import Tool
from agentkit.tools.server_tools import Draws, ImageGeneration, ServerTool, stand_ins
from agentkit.values import APIS
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
    """The context with the tools that the service has: those of the studio, where it has no server
    tool that draws, or where this client was refused it for this model.

    Raises `Unsupported` for a tool that draws, or a parameter of it, which the service does not
    have.
    """
    service = context.services.client.service
    if not service.fields.openrouter:
        _check_image_tool(context, run, service)
    tool = context.image_tool
    if not isinstance(tool, ImageGeneration) or tool.fallback is None:
        return context
    # Of a run that was saved, in another process.
    waits = any(each.name in _NAMES for each in run.pending)
    refused = (run.api, run.model) in context.services.client.refused_server_tools
    if waits or refused or service.image_tool(run.api) is None:
        return _with_stand_ins(tool, tool.fallback, context)
    return context


def _check_image_tool(context: RunContext, run: Run, service: Service) -> None:
    for tool in context.tools.server:
        if not isinstance(tool, ImageGeneration):
            continue
        if service.image_tool(run.api) is not None:
            tool.to_openai(service.label, stream=False)
        elif tool.fallback is None:
            raise _no_image_tool(run, service)


def _no_image_tool(run: Run, service: Service) -> Unsupported:
    others = ", ".join(f"api={api!r}" for api in APIS if service.image_tool(api) is not None)
    return Unsupported(
        f"ImageGeneration() with api={run.api!r}: {service.label} has no tool that draws there; "
        f"accepted is {f'{others}, or ' if others else ''}ImageGeneration(fallback=Studio(…)), "
        "which draws through the Image API",
        model=run.model,
        parameter="tools",
    )


def _with_stand_ins(tool: ImageGeneration, studio: Draws, context: RunContext) -> RunContext:
    made: dict[str, Tool[..., Any]] = {
        each.name: each for each in stand_ins(studio, tool.parameters)
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
