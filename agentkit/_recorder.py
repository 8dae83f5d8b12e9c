"""A recorder of HTTP traffic (vcrpy, pytest-recording, `agentkit.testing`) that a test has put in
between: whether there is one, and what it says.

A recorder replaces the functions of aiohttp and httpx2 that send a request, anew for each cassette.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from agentkit.errors import NotRecorded

_RECORDERS = "vcr."
_SEAMS = (
    ("aiohttp", "ClientSession", "_request"),
    ("httpx2", "AsyncHTTPTransport", "handle_async_request"),
)
SESSION = "agentkit-recording"
"""The session id of a conversation that is recorded: a random one would differ at each replay."""


def recorder() -> object | None:
    """What stands for the recording that goes on: another object for each; None where none does."""
    if "vcr" not in sys.modules:
        return None
    for module, owner, name in _SEAMS:
        found = getattr(getattr(sys.modules.get(module), owner, None), name, None)
        if getattr(found, "__globals__", {}).get("__name__", "").startswith(_RECORDERS):
            return found
    return None


def refusal(causes: Iterator[BaseException]) -> str | None:
    """What a recorder said of a request that it neither has nor may send; None where none of these
    errors is a recorder's. Nothing was sent then.
    """
    for each in causes:
        if isinstance(each, NotRecorded):
            return str(each)
        if type(each).__module__ == f"{_RECORDERS}errors":
            return " ".join(str(each).split())
    return None
