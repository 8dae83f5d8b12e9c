"""How much a server of MCP may say, and how much of it is read."""

from __future__ import annotations

MOST_BYTES = 64 << 20
"""Of one message."""
MOST_TOOLS = 1000
MOST_PAGES = 100
"""Of a list of tools."""
MOST_PICTURES = 64
"""Of one result, files included; and links to pictures that are read."""
MOST_LINKED = 20 << 20
"""Bytes of a picture or file that a result only links to, or holds inside a resource."""
MOST_FOLLOWED = 4
"""Links to files in one result that are read; where there are more, none is."""
LONGEST = 10_000
"""Characters of a tool's description."""


class TooLong(Exception):
    """A server sent a message that is longer than any may be."""

    def __init__(self) -> None:
        super().__init__(f"it sent a message of more than {MOST_BYTES >> 20} MiB")
