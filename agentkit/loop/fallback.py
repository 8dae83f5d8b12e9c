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
from weakref import WeakKeyDictionary

from agentkit._log import logger
from agentkit.errors import APIError
from agentkit.loop import money
from agentkit.loop.context import RunContext
from agentkit.openrouter.client import OpenRouter
from agentkit.run import Run
from agentkit.stream import EventLog
from agentkit.tools import Tool
from agentkit.tools.server_tools import ImageGeneration, stand_ins
from agentkit.wire import faults

_REFUSALS = {400, 403, 404, 422}
_NAMES_SERVER_TOOLS = re.compile(r"image_generation|server[ _-]?tool", re.IGNORECASE)
_NAMES = {"draw_image", "edit_image"}

_refused: WeakKeyDictionary[OpenRouter, set[tuple[str, str]]] = WeakKeyDictionary()


async def ask(
    run: Run, context: RunContext, log: EventLog, *, closing: str | None, seconds_left: float
) -> Run:
    """The run with one more reply; as it was, where it is to be asked again with other tools.
    Raises as `spending.ask` does.
    """
    try:
        return await money.ask(run, context, log, closing=closing, seconds_left=seconds_left)
    except APIError as error:
        if not _takes_over(error, run, context):
            raise
        return run


def _takes_over(error: APIError, run: Run, context: RunContext) -> bool:
    """Whether this error says that the server tool cannot be used here, and there is something in
    its place.
    """
    tool = context.image_tool
    if (
        not isinstance(tool, ImageGeneration)
        or tool.fallback is None
        or error.status not in _REFUSALS
    ):
        return False
    words = f"{error} {error.raw or ''}"
    if error.reasons or faults.says_refused(words) or not _NAMES_SERVER_TOOLS.search(words):
        return (
            False  # what was refused for its content must not be drawn, and paid for, another way
        )
    _refused.setdefault(context.client, set()).add((run.api, run.model))
    logger().warning("server_tool_refused", run=run.id, model=run.model, reason=str(error))
    return True


def with_tools(run: Run, context: RunContext) -> RunContext:
    """The context with the studio's tools, where this client was refused the server tool for this
    model.
    """
    tool = context.image_tool
    if not isinstance(tool, ImageGeneration) or tool.fallback is None:
        return context
    # Of a run that was saved, in another process.
    waits = any(each.name in _NAMES for each in run.pending)
    if not waits and (run.api, run.model) not in _refused.get(context.client, ()):
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
