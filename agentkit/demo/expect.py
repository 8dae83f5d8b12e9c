"""Compares an answer with what a turn of a script expects. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agentkit.answer import Answer
from agentkit.demo.checks import Check, listing, met, short
from agentkit.demo.form import Came, Expect, Verdict, is_pattern
from agentkit.demo.json_rules import json_problem
from agentkit.demo.painting import painting_checks
from agentkit.values import Image, Invocation


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a turn beside its answer."""

    seconds: float = 0.0
    order: Sequence[Came] = ()
    """What came, in order, neighbours of one kind as one."""
    others: Mapping[str, Image] = field(default_factory=dict[str, Image])
    """The pictures to compare with, by name."""
    asked: Sequence[str] = ()
    """The tools whose calls waited for an approval."""
    replies_left: int = 0
    """Replies of the script that were not asked for."""
    is_replayed: bool = False
    """Whether a cassette answered, whose pictures are flat."""


def problems(expect: Expect, answer: Answer) -> tuple[str, ...]:
    """The expectations that were not met, a line each: what was expected, and what came."""
    return tuple(check.line for check in checks(expect, answer, Circumstances()) if check.is_unmet)


def checks(
    expect: Expect,
    answer: Answer,
    known: Circumstances,
    approve: Mapping[str, Verdict] | None = None,
) -> tuple[Check, ...]:
    """Each expectation of a turn, and whether it was met."""
    return (
        *_reply_checks(expect, answer),
        *_tool_checks(expect, answer),
        *_approval_checks(approve or {}, known),
        *_image_checks(expect, answer),
        *painting_checks(expect, answer.images, known.others, is_replayed=known.is_replayed),
        *_failure_checks(expect, answer),
        *_circumstance_checks(expect, answer, known),
    )


def _reply_checks(expect: Expect, answer: Answer) -> Iterator[Check]:
    is_met = answer.status == expect.status
    yield met(is_met, "status", f"status {expect.status}", str(answer.status))
    for wanted in expect.text:
        is_met = is_found(wanted, answer.text)
        yield met(is_met, "text", f"the text {wanted!r}", repr(short(answer.text)))
    for unwanted in expect.not_text:
        is_met = not is_found(unwanted, answer.text)
        yield met(is_met, "not_text", f"no text {unwanted!r}", repr(short(answer.text)))
    if expect.json_schema is not None:
        why = json_problem(expect.json_schema, answer.text)
        yield met(not why, "json_schema", "JSON that fits the schema", short(why))


def _tool_checks(expect: Expect, answer: Answer) -> Iterator[Check]:
    own = [call for call in answer.invocations if call.executor == "client"]
    if expect.tools is not None:
        completed = Counter(call.name for call in own if call.status == "completed")
        for name in sorted({*expect.tools, *(call.name for call in own)}):
            calls = [call for call in own if call.name == name]
            wanted = expect.tools.get(name, 0)
            is_met = completed[name] == wanted and not (not wanted and calls)
            came = f"{completed[name]}{_first_failure(calls)}"
            yield met(is_met, f"tools.{name}", f"{wanted} calls of {name}", came)
    if expect.together:
        rounds = [str(len(message.calls)) for message in answer.messages if message.calls]
        came = f"{listing(rounds)} calls in {len(rounds)} replies"
        yield met(len(rounds) == 1, "together", "all tools to be called in one reply", came)
    served = sum(call.count for call in answer.invocations if call.executor == "server")
    if expect.server_tools is not None:
        wanted = f"{expect.server_tools} server-tool calls"
        yield met(served == expect.server_tools, "server_tools", wanted, str(served))


def _first_failure(calls: list[Invocation]) -> str:
    """Why the first of these calls failed, as the end of a sentence. Empty if none did."""
    for call in calls:
        if call.status != "completed":
            return f" and failed: {short(call.error or call.status)}"
    return ""


def _approval_checks(approve: Mapping[str, Verdict], known: Circumstances) -> Iterator[Check]:
    for name in approve:
        wanted = f"a call of {name} that waits for an approval"
        yield met(name in known.asked, f"approve.{name}", wanted, listing(known.asked))


def _image_checks(expect: Expect, answer: Answer) -> Iterator[Check]:
    came = len(answer.images)
    count = expect.image.count if expect.image is not None else None
    for field_name, wanted in (("images", expect.images), ("image.count", count)):
        if wanted is not None:
            yield met(came == wanted, field_name, f"{wanted} images", str(came))
    parents = {name for image in answer.images for name in image.parents}
    for name in expect.parents:
        shown = f"images made from {listing(sorted(parents))}"
        yield met(name in parents, "parents", f"an image made from {name}", shown)
    prompts = [
        text for each in answer.images for text in (each.prompt, each.revised_prompt) if text
    ]
    for wanted in expect.prompt:
        is_met = any(is_found(wanted, prompt) for prompt in prompts)
        shown = f"images drawn from {listing([repr(short(prompt)) for prompt in prompts])}"
        yield met(is_met, "prompt", f"an image drawn from {wanted!r}", shown)


def _failure_checks(expect: Expect, answer: Answer) -> Iterator[Check]:
    failed = len(answer.failures)
    reasons = "; ".join(short(failure.reason) for failure in answer.failures)
    came = f"{failed}: {reasons}" if reasons else str(failed)
    wanted = f"{expect.failures} failed images"
    yield met(failed == expect.failures, "failures", wanted, came)


def _circumstance_checks(expect: Expect, answer: Answer, known: Circumstances) -> Iterator[Check]:
    if expect.order is not None:
        is_met = _is_within(expect.order, known.order)
        wanted = f"the order {', '.join(expect.order)}"
        yield met(is_met, "order", wanted, listing(list(known.order)))
    if (limit := expect.cost_below) is not None:
        cost = answer.usage.cost_usd
        is_met = cost is not None and cost < limit and answer.usage.cost_is_whole
        came = "a cost that was not told" if cost is None else f"${cost:.4f}"
        yield met(is_met, "cost_below", f"a cost below ${limit:g}", came)
    if (limit := expect.seconds_below) is not None:
        is_met = known.seconds < limit
        yield met(is_met, "seconds_below", f"less than {limit:g} s", f"{known.seconds:.1f} s")
    if known.replies_left:
        wanted = "every reply of the script to be asked for"
        yield met(False, "replies", wanted, f"{known.replies_left} too many")


def _is_within(wanted: Sequence[Came], came: Sequence[Came]) -> bool:
    """Whether these stand in that order among what came."""
    rest = iter(came)
    return all(kind in rest for kind in wanted)


def is_found(wanted: str, text: str) -> bool:
    """Whether a text or `/pattern/` is found, in upper or lower case."""
    if is_pattern(wanted):
        return re.search(wanted[1:-1], text, re.IGNORECASE | re.DOTALL) is not None
    return wanted.casefold() in text.casefold()
