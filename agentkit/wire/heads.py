"""Request bodies without their messages: tools, schemas and settings can be long, and are the same
in each request of an agent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agentkit.values import replace
from agentkit.wire.json import write
from agentkit.wire.types import JsonObject, Request

_KEPT = 8
"""Heads that are kept: a run's first request, its others and its closing one may differ, and so may
the conversations of one agent.
"""


class Heads:
    """The heads that the requests of one agent had last."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[Request, str, bytes], ...] = ()

    def of(self, request: Request, api: str, make: Callable[[Request], JsonObject]) -> bytes:
        """The head of this request to this API, which `make` gives where it is not known."""
        session_id = _own_session(request)
        changes: dict[str, Any] = {"messages": (), "shown": {}, "files": ()}
        if session_id is not None:
            changes["session_id"] = None
        if not request.server_tools:  # only these are told what is left
            changes["cost_left"] = None
        bare = replace(request, **changes)
        for known, of, data in self._kept:
            if of == api and known == bare:
                return _with_session(data, session_id)
        data = write(make(bare))
        self._kept = ((bare, api, data), *self._kept[: _KEPT - 1])
        return _with_session(data, session_id)


def _own_session(request: Request) -> str | None:
    """The session of the conversation, where that is what the request tells: then it is put into
    the head of another conversation.
    """
    settings = request.settings
    is_told = request.fields.openrouter and settings.session_id is None
    return request.session_id if is_told and "session_id" not in settings.extra else None


def _with_session(head: bytes, session_id: str | None) -> bytes:
    if not session_id:
        return head
    return head[:-1] + b',"session_id":' + write(session_id) + b"}"
