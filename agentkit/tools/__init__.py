"""Tools: a function becomes something that a model can call. The schema, the check of what the
model writes, and what the model is told of a result. Nothing is run here.
"""

from agentkit.tools.arguments import BadArguments, parse_arguments
from agentkit.tools.context import Context, Denied, Edited, Progress
from agentkit.tools.results import Billed, Encoded, ToolResultError, encode_result, encode_words
from agentkit.tools.tool import Tool, tool
from agentkit.tools.toolset import Tools, Toolset, collect
from agentkit.values import Question

__all__ = [
    "BadArguments",
    "Billed",
    "Context",
    "Denied",
    "Edited",
    "Encoded",
    "Progress",
    "Question",
    "Tool",
    "ToolResultError",
    "Tools",
    "Toolset",
    "collect",
    "encode_result",
    "encode_words",
    "parse_arguments",
    "tool",
]
