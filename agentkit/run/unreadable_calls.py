"""Calls that were written down without a secret that was in them, and read again: what is left is
not what the model, or a person, has said, so they are never run.
"""

from __future__ import annotations

from collections.abc import Collection

from agentkit.run.state import Nested, Run
from agentkit.values import Invocation, Text, ToolResult, replace

_WORDS = (
    "not run: its arguments, or an answer to what it asked, held a key, which is written down "
    "nowhere, and the program was started anew since; make the call again without it"
)
_MASK = "*"


def without_masked(run: Run) -> Run:
    """The run whose last reply was read from where its secrets are masked: without the calls that
    may have held one.
    """
    return without_calls(
        run, [each.id for each in run.shared_messages.last.calls if _MASK in each.arguments]
    )


def without_calls(run: Run, calls: Collection[str]) -> Run:
    """The run as it goes on without these calls: each has failed, and nobody is asked about it. One
    whose result comes from outside still waits for it.
    """
    if not calls:
        return run
    run = run.replace(nested=tuple([_agent_without(each, calls) for each in run.nested]))
    asked = {each.call_id: each for each in run.waiting}
    outside = {call for call in calls if call in asked and asked[call].why == "result"}
    pending = {each.id: each for each in run.pending}
    gone = set(calls) - outside
    waiting = [
        replace(each, fingerprint=run.fingerprint(pending[each.call_id], each.nonce))
        if each.call_id in outside and each.call_id in pending
        else each
        for each in run.waiting
        if each.call_id not in gone
    ]
    run = run.replace(waiting=tuple(waiting))
    for call in gone & pending.keys():
        run = _failed(run, pending[call])
    return _going_on(run)


def _agent_without(agent: Nested, calls: Collection[str]) -> Nested:
    prefix = f"{agent.call_id}/"
    own = [each.removeprefix(prefix) for each in calls if each.startswith(prefix)]
    return replace(agent, run=without_calls(agent.run, own))


def _failed(run: Run, call: Invocation) -> Run:
    ended = replace(call, status="failed", error=_WORDS)
    if call.id not in {each.id for each in run.shared_messages.last.calls}:
        return run.with_invocation(ended)
    return run.with_result(ended, ToolResult(call.id, call.name, (Text(_WORDS),), error=True))


def _going_on(run: Run) -> Run:
    """The run, which waits no more where nothing that it has asked is left."""
    asked = [each for each in run.waiting if each.why != "agent"]
    agents = {each.call_id.partition("/")[0] for each in asked}
    waiting = tuple([each for each in run.waiting if each.why != "agent" or each.call_id in agents])
    status = "running" if run.status == "paused" and not waiting else run.status
    return run.replace(waiting=waiting, status=status)
