"""Calls whose arguments, or whose answers by a person, hold a secret that this process knows. No
row has it, so what is read of such a call is not what was said: it is never run.
"""

from __future__ import annotations

import json

from agentkit._redact import masked
from agentkit.run import Run
from agentkit.values import Asked, Invocation


def with_secrets(run: Run) -> list[str]:
    """The ids of those calls that have no result yet; `CALL/ID` names a call of the agent that
    `CALL` asked.
    """
    if not run.pending:
        return []
    given = {call.id: call.arguments for call in run.messages[-1].calls}
    found = [
        each.id
        for each in run.pending
        if _has_secret(each, given.get(each.id, ""), run.asked_by(each.id))
    ]
    for agent in run.nested:
        found += [f"{agent.call_id}/{each}" for each in with_secrets(agent.run)]
    return found


def _has_secret(call: Invocation, text: str, asked: Asked | None) -> bool:
    said = (
        [] if asked is None else [asked.state, *(dict(each.answer or {}) for each in asked.given)]
    )
    told = json.dumps([call.arguments, text, said], default=str).encode()
    plain = text.encode("utf-8", "surrogatepass")
    return any(masked(each, cut=True) is not each for each in (told, plain))
