"""A run in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from agentkit._visible import visible
from agentkit.values import Image
from agentkit.values.image_display import displayed_together


def mimebundle(summary: str, words: str, pictures: Iterable[Image]) -> dict[str, str]:
    """What a notebook shows of a run: a line about it, its last words, its pictures."""
    shown = list(pictures)
    blocks = [f"<p><small>{escape(visible(summary))}</small></p>"]
    blocks += [f"<p>{escape(visible(each))}</p>" for each in words.split("\n\n") if each.strip()]
    if shown:
        blocks.append(displayed_together(shown))
    return {"text/plain": visible(summary), "text/html": "".join(blocks)}
