"""What a person decided about calls that wait: approvals, refusals, and results from outside. Checked, then used once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agentkit.calls import Done, applied
from agentkit.collect import ingest
from agentkit.errors import UsageError
from agentkit.kit import Kit
from agentkit.run import Run, Waiting
from agentkit.stream import EventLog
from agentkit.tools import Denied, encode_result
from agentkit.values import Text, ToolResult


async def decided(
    run: Run, approve: Mapping[str, bool | Denied], results: Mapping[str, object], kit: Kit, log: EventLog
) -> Run:
    """The run with these decisions taken. Raises `UsageError` for an id that does not wait for such a decision, for a
    value that is no decision, and for a call that is not the one that was shown."""
    waiting = {each.call_id: each for each in run.waiting}
    _check(approve, waiting, "approval", "approve")
    _check(results, waiting, "result", "results")
    for call_id, verdict in approve.items():
        call = run.call(call_id)
        if waiting[call_id].seal != run.seal(call):
            raise UsageError(
                f"resume(approve={{{call_id!r}: …}}): the call was changed after it was shown; it is not run"
            )
        if verdict is True:
            run = replace(run, waiting=tuple(each for each in run.waiting if each.call_id != call_id))
        elif verdict is False or isinstance(verdict, Denied):  # pyright: ignore[reportUnnecessaryIsInstance]
            run = _denied(run, call_id, verdict.reason if isinstance(verdict, Denied) else Denied().reason)
        else:
            raise UsageError(
                f"resume(approve={{{call_id!r}: {verdict!r}}}): accepted are True, False and Denied('why')"
            )
    for call_id, value in results.items():
        invocation = next(each for each in run.pending if each.id == call_id)
        encoded = encode_result(value)
        images = tuple([await ingest(image, kit.store, kit.fetcher) for image in encoded.images])
        run = replace(run, waiting=tuple(each for each in run.waiting if each.call_id != call_id))
        run = applied(run, Done(replace(invocation, status="completed"), encoded, images), log)
    return replace(run, status="running")


def _check(given: Mapping[str, object], waiting: Mapping[str, Waiting], why: str, argument: str) -> None:
    for call_id in given:
        if call_id not in waiting or waiting[call_id].why != why:
            known = ", ".join(repr(each.call_id) for each in waiting.values() if each.why == why) or "none"
            raise UsageError(
                f"resume({argument}={{{call_id!r}: …}}): no call with this id waits for that; waiting: {known}"
            )


def _denied(run: Run, call_id: str, reason: str) -> Run:
    invocation = next(each for each in run.pending if each.id == call_id)
    ended = replace(invocation, status="denied", error=reason)
    words = f"not run: the user denied this call ({reason})"
    return run.with_result(ended, ToolResult(call_id, invocation.name, (Text(words),), error=True))
