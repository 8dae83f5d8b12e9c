"""The values that everything else is made of: frozen, slotted, free of sockets, clocks and storage.

A `Message` holds parts in the order in which the model gave them, so text and pictures interleave,
and beside them the raw items of the dialect that produced it, for a verbatim echo. Money is a float
in USD; `None` means that the wire did not tell.
"""

from agentkit.values.blobs import Blobs, MemoryBlobs
from agentkit.values.codec import Amount
from agentkit.values.file import File, ParsedFile
from agentkit.values.image import BlobRef, Image, ImageFailure, Pieces, Place, Source
from agentkit.values.making import fast_init, replace
from agentkit.values.message import (
    APIS,
    Api,
    Invocation,
    InvocationStatus,
    Message,
    Part,
    Reasoning,
    Role,
    Summarised,
    Text,
    ToolCall,
    ToolResult,
)
from agentkit.values.messages import Messages, shares_messages
from agentkit.values.question import Asked, Given, Question
from agentkit.values.usage import Usage

__all__ = [
    "APIS",
    "Amount",
    "Api",
    "Asked",
    "BlobRef",
    "Blobs",
    "File",
    "Given",
    "Image",
    "ImageFailure",
    "Invocation",
    "InvocationStatus",
    "MemoryBlobs",
    "Message",
    "Messages",
    "ParsedFile",
    "Part",
    "Pieces",
    "Place",
    "Question",
    "Reasoning",
    "Role",
    "Source",
    "Summarised",
    "Text",
    "ToolCall",
    "ToolResult",
    "Usage",
    "fast_init",
    "replace",
    "shares_messages",
]
