"""Brings a reply into the form that the request asks for: JSON by a schema, stop sequences, a limit
of tokens.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agentkit.emulator.model.arguments import Filler
from agentkit.emulator.script import CallTool, Item, Reply, Say, Think
from agentkit.emulator.wire.request import ModelRequest


def structured(schema: Mapping[str, Any] | None, prompt: str, results: str, spoken: str) -> str:
    """A JSON text that fits the schema, filled from the prompt and from what tools brought."""
    if schema is None:
        return json.dumps({"answer": spoken}, ensure_ascii=False)
    filler = Filler(f"{prompt} {results}".strip(), memory=prompt, compose=True)
    return json.dumps(filler.fill(schema), ensure_ascii=False)


def cut_short(reply: Reply, request: ModelRequest) -> Reply:
    """The reply up to the first stop sequence or the token limit; four characters count as one
    token.
    """
    left = None if request.max_tokens is None else max(0, request.max_tokens) * 4
    kept: list[Item] = []
    for item in reply.content:
        length = len(_text(item))
        if isinstance(item, Say):
            ends = [index for stop in request.stop if stop and (index := item.text.find(stop)) >= 0]
            if ends and (left is None or min(ends) <= left):
                kept.append(Say(item.text[: min(ends)]))
                return replace(reply, content=kept, finish_reason="stop")
        if left is not None and length > left:
            kept += _clipped(item, left)
            return replace(reply, content=kept, finish_reason="length")
        left = None if left is None else left - length
        kept.append(item)
    return reply


def _text(item: Item) -> str:
    match item:
        case Say(text=text) | Think(text=text):
            return text
        case CallTool():
            return item.name + item.arguments_text()
        case _:
            return ""


def _clipped(item: Item, left: int) -> list[Item]:
    match item:
        case Say(text=text):
            return [Say(text[:left])] if left else []
        case Think(text=text):
            return [Think(text[:left])] if left else []
        case CallTool() if left > len(item.name):
            return [CallTool(item.name, item.arguments_text()[: left - len(item.name)], item.id)]
        case _:
            return []
