"""The error that ended a run, as data, and as an error again in another process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentkit import errors
from agentkit.errors import AgentkitError, APIError, RunError
from agentkit.run import Run

_LONGEST = 4_000
"""Characters of a message."""
_OF_REPLY = ("status", "code", "provider", "retry_after", "retryable", "from_service")
"""What is kept of an error that the service answered with."""


def error_data(error: BaseException) -> dict[str, Any]:
    """What is kept of an error: its class by name, its words, and what it says of the money."""
    told: dict[str, Any] = {"error": type(error).__name__, "message": str(error)[:_LONGEST]}
    if isinstance(error, RunError):
        told |= {"generation_id": error.generation_id, "billed": error.billed, "call": error.call}
    if isinstance(error, APIError):
        told["reply"] = {name: getattr(error, name) for name in _OF_REPLY}
    return told


def error_of(told: Mapping[str, Any], run: Run | None) -> AgentkitError:
    """The error again. One whose class is none of agentkit's is a `RunError` that names it: no
    other class is ever looked up.
    """
    name, message = str(told.get("error")), str(told.get("message"))
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, AgentkitError)):
        kind, message = RunError, f"{name}: {message}"
    if not issubclass(kind, RunError):
        error = kind.__new__(kind)
        error.args = (message,)
        return error
    reply: Mapping[str, Any] = told.get("reply", {}) if issubclass(kind, APIError) else {}
    made = kind(message, generation_id=told.get("generation_id"), **reply)
    made.billed, made.call, made.run = told.get("billed"), told.get("call"), run
    return made
