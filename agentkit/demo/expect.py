"""Compares an answer with what a turn of a script expects. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from agentkit.answer import Answer
from agentkit.demo.colours import Colour, colours_of
from agentkit.demo.script import Expect, is_pattern
from agentkit.errors import ImageError
from agentkit.values import Image, Invocation


def problems(expect: Expect, answer: Answer) -> tuple[str, ...]:
    """The expectations that were not met, a line each: what was expected, and what came."""
    return (
        *_reply_problems(expect, answer),
        *_tool_problems(expect, answer),
        *_image_problems(expect, answer),
    )


def _reply_problems(expect: Expect, answer: Answer) -> Iterator[str]:
    if answer.status != expect.status:
        yield f"expected status {expect.status}, came {answer.status}"
    for wanted in expect.text:
        if not _is_found(wanted, answer.text):
            yield f"expected the text {wanted!r}, came {_short(answer.text)!r}"


def _tool_problems(expect: Expect, answer: Answer) -> Iterator[str]:
    own = [call for call in answer.invocations if call.executor == "client"]
    if expect.tools is not None:
        completed = Counter(call.name for call in own if call.status == "completed")
        for name in sorted({*expect.tools, *(call.name for call in own)}):
            calls = [call for call in own if call.name == name]
            wanted = expect.tools.get(name, 0)
            if completed[name] != wanted or (not wanted and calls):
                failed = _first_failure(calls)
                yield f"expected {wanted} calls of {name}, came {completed[name]}{failed}"
    if expect.together:
        rounds = [str(len(message.calls)) for message in answer.messages if message.calls]
        if len(rounds) != 1:
            yield (
                "expected all tools to be called in one reply, "
                f"came {_listing(rounds)} calls in {len(rounds)} replies"
            )
    served = sum(call.count for call in answer.invocations if call.executor == "server")
    if expect.server_tools is not None and served != expect.server_tools:
        yield f"expected {expect.server_tools} server-tool calls, came {served}"


def _first_failure(calls: list[Invocation]) -> str:
    """Why the first of these calls failed, as the end of a sentence. Empty if none did."""
    for call in calls:
        if call.status != "completed":
            return f" and failed: {_short(call.error or call.status)}"
    return ""


def _image_problems(expect: Expect, answer: Answer) -> Iterator[str]:
    if expect.images is not None and len(answer.images) != expect.images:
        yield f"expected {expect.images} images, came {len(answer.images)}"
    parents = {name for image in answer.images for name in image.parents}
    for name in expect.parents:
        if name not in parents:
            came = _listing(sorted(parents))
            yield f"expected an image made from {name}, came images made from {came}"
    yield from _painting_problems(expect, answer)
    failed = len(answer.failures)
    if failed != expect.failures:
        reasons = "; ".join(_short(failure.reason) for failure in answer.failures)
        why = f": {reasons}" if reasons else ""
        yield f"expected {expect.failures} failed images, came {failed}{why}"


def _painting_problems(expect: Expect, answer: Answer) -> Iterator[str]:
    """What was not painted: words that no picture was drawn from, colours that none shows."""
    prompts = [
        text for each in answer.images for text in (each.prompt, each.revised_prompt) if text
    ]
    for wanted in expect.prompt:
        if not any(_is_found(wanted, prompt) for prompt in prompts):
            came = _listing([repr(_short(prompt)) for prompt in prompts])
            yield f"expected an image drawn from {wanted!r}, came images drawn from {came}"
    if expect.colours:
        shown = [_colours(image) for image in answer.images]
        for colour in expect.colours:
            if not any(each.get(colour, 0.0) >= _SEEN for each in shown):
                came = _listing([_described(each) for each in shown])
                yield f"expected {colour} in an image, came {came}"


_SEEN = 0.005
"""The share of a picture's pixels from which on a colour is seen."""


def _colours(image: Image) -> Mapping[Colour, float]:
    """None of a picture that has no pixels, or cannot be read."""
    try:
        return colours_of(image.to_pillow())
    except ImageError:
        return {}


def _described(shares: Mapping[Colour, float]) -> str:
    most_first = sorted(shares.items(), key=lambda item: -item[1])
    seen = [name for name, share in most_first if share >= _SEEN]
    return " and ".join(seen) or "no colours"


def _is_found(wanted: str, text: str) -> bool:
    if is_pattern(wanted):
        return re.search(wanted[1:-1], text, re.IGNORECASE | re.DOTALL) is not None
    return wanted.casefold() in text.casefold()


def _listing(items: list[str]) -> str:
    return ", ".join(items) or "nothing"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 120 else f"{flat[:119]}…"
