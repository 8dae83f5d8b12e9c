"""What the adapters to other frameworks share."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from agentkit.errors import UsageError
from agentkit.integrations.portable import Portable, checked_arguments
from agentkit.values import Image


def needed(module: str, distribution: str, name: str) -> Any:
    """A module of a framework, which has this name in it. Raises `UsageError`, with the line that
    installs it, where it is missing, or where a file of the user's is called like it.
    """
    try:
        found = import_module(module)
    except ImportError as error:
        raise UsageError(
            f"agentkit.integrations: {module} cannot be imported ({error}); "
            f"pip install {distribution}"
        ) from error
    if not hasattr(found, name):
        place = getattr(found, "__file__", None) or "another module"
        raise UsageError(
            f"agentkit.integrations: {module} is {place}, which has no {name}; accepted is that of "
            f"`pip install {distribution}`: rename a file of yours that hides it"
        )
    return found


async def asked(tool: Portable, arguments: object) -> tuple[str, list[Image]]:
    """The words and pictures that came of a call with what another model wrote. Raises
    `AgentkitError`.
    """
    prompt, images, conversation = checked_arguments(arguments)
    reply = await tool.call(prompt, images, conversation)
    return reply.text, await asyncio.to_thread(reply.pictures)
