"""MCP: an agent as a server, so that its pictures reach any client of MCP. It needs the extra
`mcp`, which is imported when a function of this module is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentkit.integrations.mcp.needed import need_sdk

if TYPE_CHECKING:
    from agentkit.agent import Agent
    from agentkit.integrations.mcp.serving import AgentServer

__all__ = ["server"]


def server(
    agent: Agent[Any],
    *,
    name: str = "draw",
    description: str = "",
    preview: int = 24_000,
    kept: int = 100,
) -> AgentServer:
    """An agent as an MCP server with one tool, `name`, which is called with a prompt, pictures and
    the conversation that goes on.

        await mcp.server(agent).run_stdio()
        app = mcp.server(agent).http(token="…")     # an ASGI application

    - A result has the words; of each picture a preview and a link to the whole one, which is read
      bit for bit; and the conversation's id, handles, sizes and costs as structured content.
    - `preview` is how many characters the base64 of a preview may have: a picture of at most 384
      pixels, its quality lowered until it fits. 0 gives links alone. A result never has more than
      900,000 characters.
    - A run that waits for a person asks the client's user, call by call. Only a yes approves.
    - `kept` conversations are held in memory.

    Raises `UsageError` for an argument that cannot be right, and where the extra is not installed.
    """
    need_sdk("server")
    from agentkit.integrations.mcp.serving import AgentServer

    return AgentServer(agent, name=name, description=description, preview=preview, kept=kept)
