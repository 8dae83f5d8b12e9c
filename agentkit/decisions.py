"""What a person decided about calls that wait: approvals, refusals, and results from outside. Checked, then used once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agentkit import approvals
from agentkit.collect import ingest
from agentkit.errors import UsageError
from agentkit.kit import Kit
from agentkit.outcomes import Done, applied
from agentkit.prepare import refused
from agentkit.run import Run, Waiting
from agentkit.stream import EventLog
from agentkit.tools import Denied, encode_result
from agentkit.values import Invocation

Decisions = tuple[dict[str, bool | Denied], dict[str, object]]
"""Verdicts and results, by call."""


async def decided(
    run: Run, approve: Mapping[str, bool | Denied], results: Mapping[str, object], kit: Kit, log: EventLog
) -> tuple[Run, Kit]:
    """The run with these decisions taken, and the kit that knows what was agreed to. Raises `UsageError` for an id that
    does not wait for such a decision, for a value that is no decision, for a call that is not the one that was shown, and
    for an approval that was used before."""
    run = _whole(run)
    waiting = {each.call_id: each for each in run.waiting}
    _check(approve, waiting, "approval", "approve")
    _check(results, waiting, "result", "results")
    own, inner = _apart(run, approve, results)
    agreed: list[str] = []
    for call_id, verdict in own[0].items():
        invocation = _pending(run, call_id)
        seal = run.seal(invocation)
        if waiting[call_id].seal != seal:
            raise UsageError(
                f"resume(approve={{{call_id!r}: …}}): the call was changed after it was shown; it is not run"
            )
        if verdict is True:
            if approvals.is_used(seal):
                raise UsageError(
                    f"resume(approve={{{call_id!r}: True}}): this approval was used before; go on with the run that came of it"
                )
            agreed.append(seal)
            run = _released(run, call_id)
        else:
            reason = verdict.reason if isinstance(verdict, Denied) else Denied().reason
            run = refused(run, invocation, f"not run: the user denied this call ({reason})", reason, log)
    for call_id, value in own[1].items():
        invocation = _pending(run, call_id)
        if waiting[call_id].seal != run.seal(invocation):
            raise UsageError(f"resume(results={{{call_id!r}: …}}): the call was changed after it was shown")
        encoded = encode_result(value)
        pictures = tuple([(image, await ingest(image, kit.store, kit.fetcher)) for image in encoded.images])
        run = applied(_released(run, call_id), Done(replace(invocation, status="completed"), encoded, pictures), log)
    for call_id in inner:
        run = _released(run, call_id)
    return replace(run, status="running"), replace(kit, approved=frozenset(agreed), inner=inner)


def _whole(run: Run) -> Run:
    """The run with an invocation for each call of its last message: one that a saved run hides would dangle for ever."""
    known = {each.id for each in run.pending} | {each.call_id for each in run.results}
    hidden = [Invocation(call.id, call.name) for call in run.messages[-1].calls if call.id not in known]
    return replace(run, invocations=(*run.invocations, *hidden)) if hidden else run


def _pending(run: Run, call_id: str) -> Invocation:
    for invocation in run.pending:
        if invocation.id == call_id:
            return invocation
    raise UsageError(f"run {run.id} says that {call_id!r} waits, and holds no such call")


def _released(run: Run, call_id: str) -> Run:
    return replace(run, waiting=tuple(each for each in run.waiting if each.call_id != call_id))


def _apart(
    run: Run, approve: Mapping[str, bool | Denied], results: Mapping[str, object]
) -> tuple[Decisions, dict[str, Decisions]]:
    """The decisions about this run's own calls, and those that agents wait for, which it called, by the call of the agent."""
    own: Decisions = ({}, {})
    inner: dict[str, Decisions] = {}
    for at, given in enumerate((approve, results)):
        for call_id, value in given.items():
            agent = next((each.call_id for each in run.nested if call_id.startswith(f"{each.call_id}/")), None)
            if agent is None:
                own[at][call_id] = value  # type: ignore[assignment]
            else:
                inner.setdefault(agent, ({}, {}))[at][call_id.removeprefix(f"{agent}/")] = value  # type: ignore[assignment]
    return own, inner


def _check(given: Mapping[str, object], waiting: Mapping[str, Waiting], why: str, argument: str) -> None:
    for call_id, value in given.items():
        if call_id not in waiting or waiting[call_id].why != why:
            known = ", ".join(_told(each) for each in waiting.values() if each.why != "agent") or "none"
            raise UsageError(
                f"resume({argument}={{{call_id!r}: …}}): no call with this id waits for that; waiting: {known}"
            )
        if why == "approval" and not isinstance(value, bool | Denied):
            raise UsageError(f"resume(approve={{{call_id!r}: {value!r}}}): accepted are True, False and Denied('why')")


def _told(each: Waiting) -> str:
    """A call that waits, and how to give what it waits for."""
    wanted = "an approval (approve=)" if each.why == "approval" else "a result (results=)"
    return f"{each.call_id!r} for {wanted}"
