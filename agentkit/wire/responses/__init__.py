"""The Responses API: requests encoded, replies decoded."""

from agentkit.wire.responses.decode import ResponsesReply
from agentkit.wire.responses.encode import PATH, encode

__all__ = ["PATH", "ResponsesReply", "encode"]
