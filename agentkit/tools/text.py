"""Surrogates: halves of UTF-16 characters that JSON can spell and UTF-8 cannot."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair: one character
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})"  # a half alone
    r"|.)",  # any other escape, the escaped backslash above all
    re.DOTALL,
)


def join_surrogates(text: str) -> str:
    """The text with surrogate pairs joined and each lone half turned into U+FFFD, so that it is
    UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def join_escaped_surrogates(text: str) -> str:
    """The same for JSON text, where a half may also be spelled as an escape (`\\ud83e`)."""
    text = join_surrogates(text)
    if "\\ud" not in text and "\\uD" not in text:
        return text
    return _ESCAPES.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
