"""One client for all who were given none. Each event loop closes its connections when it shuts down."""

from __future__ import annotations

from agentkit.openrouter.client import OpenRouter

_shared: list[OpenRouter] = []


def shared_client() -> OpenRouter:
    """The client for the address and key that the environment names now."""
    wanted = OpenRouter()
    if not _shared or not _shared[0].same_as(wanted):
        _shared[:] = [wanted]
    return _shared[0]
