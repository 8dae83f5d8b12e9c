"""What stands where JSON should be, in a few words: a page of a gateway, most often."""

from __future__ import annotations

import re

_MOST_OF_A_PAGE = 4096
_MOST_WORDS = 60
_MARKUP = re.compile(r"<(style|script)\b.*?</\1>|<[^<>]*>?", re.DOTALL | re.IGNORECASE)


def described(data: bytes) -> str:
    """The first words of a page or a text: `HTML ('502 Bad Gateway nginx'…)`."""
    start = data[:_MOST_OF_A_PAGE].decode("utf-8", "replace").strip()
    if start.startswith("<"):
        words = " ".join(_MARKUP.sub(" ", start).split())[:_MOST_WORDS]
        return f"HTML ({words!r}…)" if words else "HTML"
    return f"{start[:_MOST_WORDS]!r}…" if start else "nothing"
