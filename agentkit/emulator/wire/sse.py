"""Server-sent events as OpenRouter writes them."""

import json
from collections.abc import Iterable
from typing import Any

DONE = b"data: [DONE]\n\n"
COMMENT = b": OPENROUTER PROCESSING\n\n"


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8. What UTF-8 cannot hold, a lone surrogate, is escaped."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def data(value: Any) -> bytes:
    return b"data: " + encode(value) + b"\n\n"


def pieces(text: str, size: int) -> Iterable[str]:
    """The text in pieces of at most `size` characters."""
    return (text[start : start + size] for start in range(0, len(text), size))
