"""What a provider's prompt cache sees of recorded requests, read from their bodies alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

MARKS = ("cache_control", "prompt_cache_breakpoint")
SONNET = "anthropic/claude-sonnet-4.6"
INPUT_USD, OUTPUT_USD = 3e-6, 15e-6
"""What the emulator's Sonnet costs for a token, without a cache."""


def bodies(requests: Sequence[Any]) -> list[dict[str, Any]]:
    """The bodies of the requests to a model."""
    paths = ("/chat/completions", "/responses")
    return [each.body for each in requests if each.path.endswith(paths)]


def prompt(body: Mapping[str, Any]) -> list[Any]:
    """The parts of the prompt in the order of Anthropic, each as it is in the JSON, with its marks:
    a tool, a part of a message with the rest of the message, a message without parts.
    """
    messages = body["messages"] if "messages" in body else body["input"]
    system = [each for each in messages if each.get("role") == "system"]
    rest = [each for each in messages if each.get("role") != "system"]
    parts: list[Any] = list(body.get("tools", ()))
    for message in (*system, *rest):
        key = "output" if "output" in message else "content"
        content: Any = message.get(key)
        frame = {name: value for name, value in message.items() if name != key}
        if isinstance(content, list):
            parts += [{**part, "of": frame} for part in cast("list[dict[str, Any]]", content)]
        else:
            parts.append(message)
    return parts


def is_marked(part: Mapping[str, Any]) -> bool:
    return any(name in part for name in MARKS)


def marks(body: Mapping[str, Any]) -> list[int]:
    """The positions of the marks in the prompt."""
    return [at for at, part in enumerate(prompt(body)) if is_marked(part)]


def without_marks(part: Mapping[str, Any]) -> bytes:
    return json.dumps({name: value for name, value in part.items() if name not in MARKS}).encode()


def changed_bytes(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> int:
    """How many bytes before the newest mark of the earlier request are others in the later one,
    marks taken out."""
    end = marks(earlier)[-1] + 1
    before = [without_marks(part) for part in prompt(earlier)[:end]]
    after = [without_marks(part) for part in prompt(later)[:end]]
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    return sum(map(len, before[same:]))


def input_usd(usages: Sequence[Any]) -> float:
    """What the prompts of these requests cost."""
    return sum((each.cost_usd or 0.0) - each.output_tokens * OUTPUT_USD for each in usages)


def uncached_usd(usages: Sequence[Any]) -> float:
    """What they would have cost without a cache."""
    return sum(each.input_tokens * INPUT_USD for each in usages)


def check_cached(requests: Sequence[Any], usages: Sequence[Any], share: float) -> None:
    """The prompts cost at most this share of what they would without a cache, and no byte before
    the newest mark changed from one request to the next."""
    sent = bodies(requests)
    assert len(sent) == len(usages)
    assert input_usd(usages) <= share * uncached_usd(usages)
    for earlier, later in pairwise(sent):
        assert 2 <= len(marks(earlier)) <= 4
        assert changed_bytes(earlier, later) == 0
