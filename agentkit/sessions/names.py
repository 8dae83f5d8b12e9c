"""The names of conversations and of their users: any words, for they never become a path."""

from __future__ import annotations

from agentkit._check import refused

LONGEST_NAME = 200


def check_name(where: str, name: object) -> str:
    """A name. Raises `UsageError` for what is none; `where` is as `refused` has it."""
    accepted = f"is a string of 1 to {LONGEST_NAME} characters, none of which controls a terminal"
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
        raise refused(where, name, accepted)
    if not name.isprintable() or not name.strip():  # half a surrogate pair is not printable either
        raise refused(where, name, accepted)
    return name
