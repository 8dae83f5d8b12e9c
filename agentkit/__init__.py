"""agentkit: agents that draw. See README.md, and the docstrings of `Agent` and `Conversation`.

A name is imported when it is first used (PEP 562), so `import agentkit` costs next to nothing.
"""

from typing import TYPE_CHECKING

from agentkit._version import __version__ as __version__

if TYPE_CHECKING:
    from agentkit import errors as errors
    from agentkit.agent import Agent
    from agentkit.answer import Answer
    from agentkit.budget import Budget
    from agentkit.conversation import Conversation
    from agentkit.errors import AgentkitError
    from agentkit.events import (
        ImageFailed,
        ImagePreview,
        ImageReady,
        InvocationFinished,
        InvocationProgress,
        InvocationStarted,
        ReasoningDelta,
        RunFinished,
        TextDelta,
        TurnFinished,
    )
    from agentkit.images.fetch_policy import FetchPolicy
    from agentkit.images.store import FileImageStore
    from agentkit.openrouter.client import OpenRouter
    from agentkit.openrouter.ledger import Ledger
    from agentkit.run import Run
    from agentkit.run.history import History
    from agentkit.settings import Limits, ModelSettings
    from agentkit.stream import AnswerStream
    from agentkit.tools import Context, Denied, Tool, Toolset, tool
    from agentkit.tools.server_tools import (
        Datetime,
        ImageGeneration,
        ServerTool,
        WebFetch,
        WebSearch,
    )
    from agentkit.values import (
        File,
        Image,
        ImageFailure,
        Invocation,
        Message,
        Reasoning,
        Text,
        Usage,
    )

__all__ = [
    "Agent",
    "AgentkitError",
    "Answer",
    "AnswerStream",
    "Budget",
    "Context",
    "Conversation",
    "Datetime",
    "Denied",
    "FetchPolicy",
    "File",
    "FileImageStore",
    "History",
    "Image",
    "ImageFailed",
    "ImageFailure",
    "ImageGeneration",
    "ImagePreview",
    "ImageReady",
    "Invocation",
    "InvocationFinished",
    "InvocationProgress",
    "InvocationStarted",
    "Ledger",
    "Limits",
    "Message",
    "ModelSettings",
    "OpenRouter",
    "Reasoning",
    "ReasoningDelta",
    "Run",
    "RunFinished",
    "ServerTool",
    "Text",
    "TextDelta",
    "Tool",
    "Toolset",
    "TurnFinished",
    "Usage",
    "WebFetch",
    "WebSearch",
    "tool",
]

_MODULES = {
    "Agent": "agentkit.agent",
    "Answer": "agentkit.answer",
    "Budget": "agentkit.budget",
    "Conversation": "agentkit.conversation",
    "AgentkitError": "agentkit.errors",
    "ImageFailed": "agentkit.events",
    "ImagePreview": "agentkit.events",
    "ImageReady": "agentkit.events",
    "InvocationFinished": "agentkit.events",
    "InvocationProgress": "agentkit.events",
    "InvocationStarted": "agentkit.events",
    "ReasoningDelta": "agentkit.events",
    "RunFinished": "agentkit.events",
    "TextDelta": "agentkit.events",
    "TurnFinished": "agentkit.events",
    "FetchPolicy": "agentkit.images.fetch_policy",
    "FileImageStore": "agentkit.images.store",
    "OpenRouter": "agentkit.openrouter.client",
    "Ledger": "agentkit.openrouter.ledger",
    "Run": "agentkit.run",
    "History": "agentkit.run.history",
    "Limits": "agentkit.settings",
    "ModelSettings": "agentkit.settings",
    "AnswerStream": "agentkit.stream",
    "Context": "agentkit.tools",
    "Denied": "agentkit.tools",
    "Tool": "agentkit.tools",
    "Toolset": "agentkit.tools",
    "tool": "agentkit.tools",
    "Datetime": "agentkit.tools.server_tools",
    "ImageGeneration": "agentkit.tools.server_tools",
    "ServerTool": "agentkit.tools.server_tools",
    "WebFetch": "agentkit.tools.server_tools",
    "WebSearch": "agentkit.tools.server_tools",
    "File": "agentkit.values",
    "Image": "agentkit.values",
    "ImageFailure": "agentkit.values",
    "Invocation": "agentkit.values",
    "Message": "agentkit.values",
    "Reasoning": "agentkit.values",
    "Text": "agentkit.values",
    "Usage": "agentkit.values",
}
"""The module that defines each public name."""


if not TYPE_CHECKING:  # a checker would take any name for one of this module

    def __getattr__(name: str) -> object:
        """A public name, or a module of this package, at its first use."""
        from importlib import import_module

        if name in _MODULES:
            found = getattr(import_module(_MODULES[name]), name)
            globals()[name] = found
            return found
        if not name.startswith("_"):
            module = f"{__name__}.{name}"
            try:
                return import_module(module)
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
