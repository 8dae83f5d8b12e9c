"""Chat Completions: requests encoded, replies decoded."""

from agentkit.wire.chat.decode import ChatReply
from agentkit.wire.chat.encode import PATH, encode

__all__ = ["PATH", "ChatReply", "encode"]
