"""Does an answer keep to what a turn expects? Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from agentkit.answer import Answer
from agentkit.demo.script import Expect, is_pattern


def problems(expect: Expect, answer: Answer) -> tuple[str, ...]:
    """One line for each expectation that was not met: what was expected, and what came."""
    return tuple(_problems(expect, answer))


def _problems(expect: Expect, answer: Answer) -> Iterator[str]:
    if answer.status != expect.status:
        yield f"expected status {expect.status}, came {answer.status}"
    for wanted in expect.text:
        if not _is_found(wanted, answer.text):
            yield f"expected the text {wanted!r}, came {_short(answer.text)!r}"
    yield from _tool_problems(expect, answer)
    served = sum(each.count for each in answer.invocations if each.executor == "server")
    if expect.server_tools is not None and served != expect.server_tools:
        yield f"expected {expect.server_tools} server-tool calls, came {served}"
    if expect.images is not None and len(answer.images) != expect.images:
        yield f"expected {expect.images} images, came {len(answer.images)}"
    parents = {name for image in answer.images for name in image.parents}
    for name in expect.parents:
        if name not in parents:
            yield (
                f"expected an image made from {name}, came images made "
                f"from {_listing(sorted(parents))}"
            )
    if len(answer.failures) != expect.failures:
        reasons = "; ".join(_short(each.reason) for each in answer.failures)
        yield (
            f"expected {expect.failures} failed images, came "
            f"{len(answer.failures)}{': ' + reasons if reasons else ''}"
        )


def _tool_problems(expect: Expect, answer: Answer) -> Iterator[str]:
    calls = [each for each in answer.invocations if each.executor == "client"]
    ran = Counter(each.name for each in calls if each.status == "completed")
    if expect.tools is not None:
        for name in sorted({*expect.tools, *(each.name for each in calls)}):
            wanted = expect.tools.get(name, 0)
            if ran[name] != wanted or (not wanted and any(each.name == name for each in calls)):
                failed = [
                    each.error or each.status
                    for each in calls
                    if each.name == name and each.status != "completed"
                ]
                yield (
                    f"expected {wanted} calls of {name}, came "
                    f"{ran[name]}{f' and failed: {_short(failed[0])}' if failed else ''}"
                )
    if expect.together:
        rounds = [len(message.calls) for message in answer.messages if message.calls]
        if len(rounds) != 1:
            yield (
                "expected all tools to be called in one reply, came "
                f"{_listing([str(each) for each in rounds])} calls in {len(rounds)} replies"
            )


def _is_found(wanted: str, text: str) -> bool:
    if is_pattern(wanted):
        return re.search(wanted[1:-1], text, re.IGNORECASE | re.DOTALL) is not None
    return wanted.casefold() in text.casefold()


def _listing(items: list[str]) -> str:
    return ", ".join(items) or "nothing"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 120 else f"{flat[:119]}…"
