"""agentkit: agents that draw. See README.md, and the docstrings of `Agent` and `Conversation`."""

from agentkit import errors as errors
from agentkit._version import __version__ as __version__
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
from agentkit.images.fetch import FetchPolicy
from agentkit.images.store import FileImageStore
from agentkit.openrouter.client import OpenRouter
from agentkit.run import Run
from agentkit.run.history import History
from agentkit.settings import Limits, ModelSettings
from agentkit.stream import AnswerStream
from agentkit.tools import Context, Denied, Tool, Toolset, tool
from agentkit.tools.server_tools import Datetime, ImageGeneration, ServerTool, WebFetch, WebSearch
from agentkit.values import Image, ImageFailure, Invocation, Message, Reasoning, Text, Usage

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
