"""The names of conversations and of their users: any words, for they never become a path."""

from __future__ import annotations

from unicodedata import category

from agentkit._check import refused

LONGEST_NAME = 200
LONGEST_TITLE = 1_000
_NOT_SHOWN = {"Cc", "Cs", "Zl", "Zp"}
"""Controls, halves of surrogate pairs, and what ends a line: categories of Unicode."""


def check_name(where: str, name: object) -> str:
    """A name. Raises `UsageError` for what is none; `where` is as `refused` has it."""
    accepted = f"is a string of 1 to {LONGEST_NAME} characters, none of which controls a terminal"
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
        raise refused(where, name, accepted)
    if not name.isprintable() or not name.strip():  # half a surrogate pair is not printable either
        raise refused(where, name, accepted)
    return name


def is_one_line(text: str) -> bool:
    """Whether nothing in it controls a terminal or ends a line."""
    return not any(category(each) in _NOT_SHOWN for each in text)


def one_line(text: str, most: int = LONGEST_TITLE) -> str:
    """The text as one line of at most so many characters, without what controls a terminal."""
    line = "".join(" " if category(each) in _NOT_SHOWN else each for each in text[: 4 * most])
    words = " ".join(line.split())
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"
