"""The words that a command is given: those that are piped in stand before those of the command."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from difflib import get_close_matches

from agentkit.errors import UsageError

_MOST_PIPED = 16 << 20
"""Bytes of text."""


def piped() -> str:
    """The text that is piped in; empty where the input is a terminal, or there is none. Raises
    `UsageError` for what is no text.
    """
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return ""
    try:
        data = sys.stdin.buffer.read(_MOST_PIPED + 1)
    except OSError:
        return ""  # it is closed, or nobody may read it
    if len(data) > _MOST_PIPED:
        raise UsageError(f"the input is longer than {_MOST_PIPED >> 20} MiB of text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            "the input is no text in UTF-8; for a picture or a file, use -a -"
        ) from None
    return text.replace("\r\n", "\n").strip("\n")


def prompt_of(
    words: Sequence[str],
    text: str,
    commands: Collection[str],
    *,
    example: str = 'agentkit "Draw a fox"',
) -> str:
    """What the model is asked. Raises `UsageError` where there is nothing to ask, with an `example`
    of how to, and for one word that looks like the name of one of the `commands`: a slip of the
    finger is not paid for. Without any, the words were asked for by name, and one is enough.
    """
    said = " ".join(words)
    if not said.strip() and not text.strip():
        raise UsageError(f"nothing to ask: {example}, or pipe words in")
    if commands and not text.strip():
        _check_command(words, commands)
    return "\n".join(each for each in (text, said) if each.strip())


def _check_command(words: Sequence[str], commands: Collection[str]) -> None:
    first = words[0]
    if not (first.isascii() and first.replace("-", "").isalpha() and first.islower()):
        return
    meant = get_close_matches(first, commands, 1, 0.75)
    if len(words) > 1 and not meant:
        return
    hint = f" Did you mean {meant[0]!r}?" if meant else ""
    raise UsageError(
        f"No such command {first!r}.{hint} To ask the model for that: agentkit ask -- {first} …"
    )
