"""What a person decided about calls that wait: approvals, refusals, and results from outside.
Checked, then used once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from agentkit.errors import UsageError
from agentkit.images.ingest import ingest
from agentkit.loop import approvals
from agentkit.loop.context import RunContext
from agentkit.loop.prepare import asked, refused
from agentkit.loop.tool_results import ToolOutcome, applied
from agentkit.run import Nested, Run, Waiting
from agentkit.stream import EventLog
from agentkit.tools import Denied, ToolResultError, encode_result
from agentkit.values import Invocation, Text, ToolResult

Decisions = tuple[dict[str, bool | Denied], dict[str, object]]
"""Verdicts and results, by call."""


async def decided(
    run: Run,
    approve: Mapping[str, bool | Denied],
    results: Mapping[str, object],
    context: RunContext,
    log: EventLog,
) -> tuple[Run, RunContext]:
    """The run with these decisions taken, and the context that knows what was agreed to. Raises
    `UsageError` for an id that does not wait for such a decision, for a value that is no decision,
    for a call that is not the one that was shown, and for an approval that was used before."""
    run = _at_the_door(run, approve)
    waiting = {each.call_id: each for each in run.waiting}
    _check(approve, waiting, "approval", "approve")
    _check(results, waiting, "result", "results")
    for call_id, verdict in approve.items():
        if verdict is True and approvals.is_used(waiting[call_id].fingerprint):
            raise UsageError(
                f"resume(approve={{{call_id!r}: True}}): this approval was used before; "
                "go on with the run that came of it, or "
                "resume(run) without it, to be asked again"
            )
    own, inner = _apart(run, approve, results)
    agreed: dict[str, str] = {}
    for call_id, verdict in own[0].items():
        invocation = _pending(run, call_id)
        fingerprint = waiting[call_id].fingerprint
        if fingerprint != run.fingerprint(invocation, waiting[call_id].nonce):
            raise UsageError(
                f"resume(approve={{{call_id!r}: …}}): the call was changed "
                "after it was shown; it is not run"
            )
        if verdict is True:
            agreed[run.fingerprint(invocation)] = fingerprint
            run = _released(run, call_id)
        else:
            reason = verdict.reason if isinstance(verdict, Denied) else Denied().reason
            run = refused(
                run, invocation, f"not run: the user denied this call ({reason})", reason, log
            )
    for call_id, value in own[1].items():
        invocation = _pending(run, call_id)
        if waiting[call_id].fingerprint != run.fingerprint(invocation, waiting[call_id].nonce):
            raise UsageError(
                f"resume(results={{{call_id!r}: …}}): the call was changed after it was shown"
            )
        try:
            encoded = encode_result(value)
        except ToolResultError as error:
            raise UsageError(f"resume(results={{{call_id!r}: …}}): {error}") from error
        pictures = tuple(
            [
                (image, await ingest(image, context.store, context.fetcher))
                for image in encoded.images
            ]
        )
        run = applied(
            _released(run, call_id),
            ToolOutcome(replace(invocation, status="completed"), encoded, pictures),
            log,
        )
    for call_id in inner:
        run = _released(run, call_id)
    return replace(run, status="running"), replace(context, approved=agreed, inner=inner)


def asked_again(run: Run, context: RunContext) -> Run:
    """A run that was cancelled, where the calls that were agreed to in this sitting and have no
    result wait again: whether they may be run once more is for a person to say."""
    held = {each.call_id for each in run.waiting}
    again = [
        each
        for each in run.pending
        if each.id not in held and run.fingerprint(each) in context.approved
    ]
    if not again and not context.inner:
        return run
    waiting = (*run.waiting, *(asked(run, each, "approval") for each in again))
    return replace(run, status="paused" if waiting else run.status, waiting=waiting)


def _at_the_door(run: Run, approve: Mapping[str, object]) -> Run:
    """The run with an invocation for each call of its last message (one that a saved run hides
    would dangle for ever), and without arguments that no person was shown: those are read anew, and
    seen by the hooks."""
    run = _renewed(run, approve)
    shown = {each.call_id for each in run.waiting}
    run = run.with_invocation(
        *(replace(each, arguments=None) for each in run.pending if each.id not in shown)
    )
    known = {each.id for each in run.pending} | {each.call_id for each in run.results}
    hidden = [
        Invocation(call.id, call.name) for call in run.messages[-1].calls if call.id not in known
    ]
    return replace(run, invocations=(*run.invocations, *hidden)) if hidden else run


def _renewed(run: Run, approve: Iterable[str]) -> Run:
    """The run with new questions where the answer was used up (by a sitting that was stopped) and
    is not given now.
    """
    given, pending = set(approve), {each.id: each for each in run.pending}
    inner: dict[str, Waiting] = {}
    nested: list[Nested] = []
    for each in run.nested:
        own = f"{each.call_id}/"
        sub = _renewed(
            each.run, (call_id.removeprefix(own) for call_id in given if call_id.startswith(own))
        )
        inner |= {
            own + asks.call_id: replace(asks, call_id=own + asks.call_id) for asks in sub.waiting
        }
        nested.append(replace(each, run=sub))
    waiting: list[Waiting] = []
    for each in run.waiting:
        invocation = pending.get(each.call_id)
        if each.call_id in inner:
            waiting.append(inner[each.call_id])
        elif (
            invocation is None
            or each.why != "approval"
            or each.call_id in given
            or not approvals.is_used(each.fingerprint)
        ):
            waiting.append(each)
        else:
            waiting.append(asked(run, invocation, "approval"))
    return replace(run, waiting=tuple(waiting), nested=tuple(nested))


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
    """The decisions about this run's own calls, and those that agents wait for, which it called, by
    the call of the agent.
    """
    own: Decisions = ({}, {})
    inner: dict[str, Decisions] = {}
    for at, given in enumerate((approve, results)):
        for call_id, value in given.items():
            agent = next(
                (each.call_id for each in run.nested if call_id.startswith(f"{each.call_id}/")),
                None,
            )
            if agent is None:
                own[at][call_id] = value  # pyright: ignore[reportArgumentType]
            else:
                inner.setdefault(agent, ({}, {}))[at][call_id.removeprefix(f"{agent}/")] = value  # pyright: ignore[reportArgumentType]
    return own, inner


def _check(
    given: Mapping[str, object], waiting: Mapping[str, Waiting], why: str, argument: str
) -> None:
    for call_id, value in given.items():
        if call_id not in waiting or waiting[call_id].why != why:
            known = (
                ", ".join(_told(each) for each in waiting.values() if each.why != "agent") or "none"
            )
            raise UsageError(
                f"resume({argument}={{{call_id!r}: …}}): no call with this id "
                f"waits for that; waiting: {known}"
            )
        if why == "approval" and not isinstance(value, bool | Denied):
            raise UsageError(
                f"resume(approve={{{call_id!r}: {value!r}}}): accepted are "
                "True, False and Denied('why')"
            )


def _told(each: Waiting) -> str:
    """A call that waits, and how to give what it waits for."""
    wanted = "an approval (approve=)" if each.why == "approval" else "a result (results=)"
    return f"{each.call_id!r} for {wanted}"


def given_up(run: Run) -> Run:
    """The run as a turn that is over: calls without a result get one that says they were
    cancelled.
    """
    own = {call.id for call in run.messages[-1].calls}
    for invocation in run.pending:
        ended = replace(invocation, status="cancelled", error="cancelled")
        told = ToolResult(
            ended.id, ended.name, (Text("cancelled: the run was stopped"),), error=True
        )
        run = run.with_result(ended, told) if ended.id in own else run.with_invocation(ended)
    if run.partial is not None:
        run = replace(run, messages=(*run.messages, run.partial), partial=None)
    status = "interrupted" if run.status in {"running", "paused"} else run.status
    return replace(run, status=status, waiting=(), nested=())
