"""Agents in other programs: as a tool of another framework, and over MCP
(`agentkit.integrations.mcp`). Each module is imported where it is used.
"""

from agentkit.integrations.chats import Pictures
from agentkit.integrations.portable import Portable, PortableReply, portable

__all__ = ["Pictures", "Portable", "PortableReply", "portable"]
