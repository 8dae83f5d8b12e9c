"""What the client's user is asked about calls that wait, and what an answer decides. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult

from agentkit._visible import visible
from agentkit.answer import Answer
from agentkit.tools import Denied

FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "approve": {
            "type": "boolean",
            "title": "Allow this call",
            "description": "Yes lets it run once, with these arguments.",
        },
        "reason": {
            "type": "string",
            "title": "Reason",
            "description": "What the agent is told where the answer is no.",
        },
    },
    "required": ["approve"],
}
_LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Question:
    """One call that waits for a yes or a no."""

    call_id: str
    words: str

    @property
    def request(self) -> ElicitRequest:
        """As the client's user is asked."""
        return ElicitRequest(
            params=ElicitRequestFormParams(message=self.words, requested_schema=FORM)
        )


def questions_of(answer: Answer[Any]) -> list[Question]:
    """The calls that wait for an approval, in order. Others (for a result, for an outcome) cannot
    be answered by yes or no.
    """
    asked = {each.call_id for each in answer.run.waiting if each.why == "approval"}
    return [
        Question(call.id, _words(call.name, call.arguments or {}))
        for call in answer.pending
        if call.id in asked
    ]


def _words(name: str, arguments: Mapping[str, Any]) -> str:
    text = json.dumps(arguments, ensure_ascii=False, indent=2)
    return visible(f"Allow the call of {name} with these arguments?\n{text}")


def verdict(answer: object) -> bool | Denied:
    """What an answer decides. Only an accepted form whose `approve` is True allows the call."""
    if not isinstance(answer, ElicitResult):
        return Denied("the user gave no answer")
    content = answer.content or {}
    if answer.action == "accept" and content.get("approve") is True:
        return True
    reason = content.get("reason")
    if isinstance(reason, str) and reason.strip():
        return Denied(reason.strip()[:_LONGEST_REASON])
    return Denied(
        {"cancel": "the user dismissed the question"}.get(answer.action, "the user said no")
    )
