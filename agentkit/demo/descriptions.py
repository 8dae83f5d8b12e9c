"""Facts of a run in words, each on one line: for the terminal and for the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agentkit.answer import Answer
from agentkit.demo.played import Decided
from agentkit.show import plain
from agentkit.values import Api, File, Image, ImageFailure, Invocation, Usage

API_NAMES: Mapping[Api, str] = {"chat": "Chat Completions API", "responses": "Responses API"}

_LIMITS: Mapping[str, str] = {
    "cost_usd": "what is left of the money does not pay for what may come next",
    "images": "the limit on pictures is reached",
    "seconds": "the limit on time is reached",
    "repeats": "it went in circles",
    "max_tokens": "its last reply was cut",
}
"""Why a run ended, by the limit that ended it."""


def usage_line(usage: Usage) -> str:
    """Tokens and cost: `1,204 tokens · $0.0421`."""
    return f"{usage.input_tokens + usage.output_tokens:,} tokens · {cost(usage)}"


def cost(usage: Usage) -> str:
    """The cost: `$0.0421`, or `at least $0.0421` where some reply did not tell its own.

    `cost not told` where no reply did.
    """
    if usage.cost_usd is None:
        return "cost not told" if usage.requests else plain.dollars(0.0)
    at_least = "" if usage.cost_is_whole else "at least "
    return at_least + plain.dollars(usage.cost_usd)


def early_end(answer: Answer[Any]) -> str:
    """Why a run ended early: `limited: the limit on time is reached`. Empty for a completed run."""
    match answer.status:
        case "completed":
            return ""
        case "limited":
            why = answer.limit_reason or _limit_reached(answer.limit or "unknown")
        case "refused":
            why = answer.refusal or "no reason was given"
        case "paused":
            calls = ", ".join(plain.call(each) for each in answer.pending)
            why = f"waits for a person: {calls}"
        case "interrupted":
            why = "it was stopped before its end"
    return plain.line(f"{answer.status}: {why}", width=400)


def _limit_reached(limit: str) -> str:
    return _LIMITS.get(limit, f"the limit on {limit.replace('_', ' ')} is reached")


def call_line(invocation: Invocation) -> str:
    """A tool call: `weather(city: "Oslo")`; without brackets where its arguments are unknown."""
    times = f" ×{invocation.count}" if invocation.count > 1 else ""
    if invocation.arguments is None:
        return plain.line(invocation.name) + times
    call = f"{invocation.name}({argument_list(invocation.arguments)})"
    return plain.line(call, width=160) + times


def argument_list(arguments: Mapping[str, Any]) -> str:
    """Arguments of a call: `city: "Oslo", days: 2`."""
    pairs: list[str] = []
    for name, value in arguments.items():
        pairs.append(f"{name}: {json.dumps(value, ensure_ascii=False)}")
    return ", ".join(pairs)


def outcome(invocation: Invocation) -> str:
    """Outcome of a call: its error, else the names of its pictures, else its result.

    Where a call has pictures, its result holds their links, and those expire.
    """
    if invocation.status in {"denied", "cancelled"}:
        why = invocation.error or ""
        if why.startswith(invocation.status):
            return why
        return f"{invocation.status}: {why}" if why else invocation.status
    return invocation.error or ", ".join(invocation.images) or invocation.result or ""


def image_line(image: Image) -> str:
    """A picture: `img_2 · 1024×576 · 34 kB · $0.0400 · made from img_1 · a fox in the snow`."""
    facts = [image.name, plain.pixels(image), plain.kilobytes(image.size)]
    if image.cost_usd is not None:
        facts.append(plain.dollars(image.cost_usd))
    facts += [parents(image), caption(image)]
    return plain.line(" · ".join(fact for fact in facts if fact), width=160)


def file_line(file: File) -> str:
    """A file: `file_1 · report.pdf · 12 pages · 340 kB`."""
    pages = "" if file.pages is None else plain.counted(file.pages, "page")
    facts = [file.name, file.file_name, pages, plain.kilobytes(file.size)]
    return plain.line(" · ".join(fact for fact in facts if fact), width=200)


def parents(image: Image) -> str:
    """The pictures from which one was made: `made from img_1`. Empty where there are none."""
    return f"made from {', '.join(image.parents)}" if image.parents else ""


def caption(image: Image) -> str:
    """What a picture shows. Empty where only its name is known."""
    words = plain.caption(image)
    return "" if words in {image.name, "a picture"} else words


def verdict(decided: Decided) -> str:
    """What a person said to a call: `approved`, `declined: too dear`."""
    given = decided.verdict
    if given.edit is not None:
        return f"approved with {argument_list(given.edit)}"
    if given.approved:
        return "approved"
    return f"declined: {given.reason}" if given.reason else "declined"


def verdict_line(decided: Decided) -> str:
    """A call that waited, and what was said to it: `pay(euros: 3) was approved`."""
    return plain.line(f"{call_line(decided.call)} was {verdict(decided)}", width=300)


def failure_line(failure: ImageFailure) -> str:
    """A picture that is missing: `no picture: 404`."""
    return plain.line(f"no picture: {failure.reason}", width=300)
