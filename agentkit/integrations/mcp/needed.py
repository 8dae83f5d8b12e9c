"""What has to be installed."""

from __future__ import annotations

from importlib.util import find_spec

from agentkit.errors import UsageError


def need_sdk(owner: str) -> None:
    """Raise `UsageError`, with the line that installs it, where the SDK of MCP is missing."""
    if find_spec("mcp") is None or find_spec("mcp_types") is None:
        raise UsageError(
            f"agentkit.integrations.mcp.{owner}: it needs the MCP SDK; "
            "pip install 'agentkit-openrouter[mcp]'"
        )
