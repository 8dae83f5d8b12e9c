"""Calls that a model makes again and again, and replies that break off inside a call."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import jiter

if TYPE_CHECKING:
    from agentkit.values import ToolCall

MOST_EQUAL_REPLIES = 2
"""Replies in a row whose equal calls are run. Equal calls of one reply are that many calls: three
dice are rolled.
"""
MOST_CUT_REPLIES = 2
"""Replies in a row that may break off inside a call: it is asked for once more."""
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def digest(call: ToolCall) -> str:
    """The same for calls that differ only in how their arguments are written down: order of keys,
    white space, escapes.
    """
    try:
        arguments = _CANONICAL.encode(_read(call.arguments or "{}"))
    except (ValueError, RecursionError):
        arguments = call.arguments
    return hashlib.sha256(f"{call.name}\0{arguments}".encode("utf-8", "surrogatepass")).hexdigest()[
        :16
    ]


def _read(arguments: str) -> object:
    """What `json.loads` gives, in a fraction of its time where the text is plain."""
    try:
        return jiter.from_json(arguments.encode())
    except ValueError:
        return json.loads(arguments)


def repeated_call_notice(times: int) -> str | None:
    """The text that the model gets in place of a result when it repeats a call too often; None if
    the call may be run.
    """
    if times <= MOST_EQUAL_REPLIES:
        return None
    return (
        f"you have made this call {times} times in a row with the same arguments. "
        "Do something else, or answer with what you have"
    )
