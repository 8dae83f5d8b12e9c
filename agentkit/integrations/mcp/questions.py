"""What the client's user is asked about calls that wait: may one run, and what one asks itself; and
what an answer decides. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult

from agentkit._visible import visible
from agentkit.answer import Answer
from agentkit.tools import Denied
from agentkit.tools.form import Misfit, NoForm, checked_answer
from agentkit.values import Invocation
from agentkit.values import Question as Asks

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
    """One call that waits for a yes or a no, or for an answer to what it asks."""

    call_id: str
    words: str
    asks: Asks | None = None
    """What it asks; None where it waits for a yes or a no."""

    @property
    def form(self) -> dict[str, Any]:
        """The schema of the answer. It names its properties even where there are none."""
        if self.asks is None:
            return FORM
        return {"type": "object", "properties": {}, **self.asks.schema}

    @property
    def request(self) -> ElicitRequest:
        """As the client's user is asked."""
        return ElicitRequest(
            params=ElicitRequestFormParams(message=self.words, requested_schema=self.form)
        )


def questions_of(answer: Answer[Any]) -> list[Question]:
    """The calls that wait for an approval or an answer, in order. Others (for a result, for an
    outcome) cannot be answered here.
    """
    asked = {each.call_id for each in answer.run.waiting if each.why in {"approval", "answer"}}
    return [_question(call) for call in answer.pending if call.id in asked]


def _question(call: Invocation) -> Question:
    asks = call.question
    if asks is None:
        return Question(call.id, _words(call.name, call.arguments or {}))
    return Question(call.id, visible("\n".join(filter(None, (asks.message, asks.note)))), asks)


@dataclass(frozen=True, slots=True)
class Decided:
    """What the answers of the client's user decide, by the id of the call."""

    approve: dict[str, bool | Denied]
    answers: dict[str, Mapping[str, Any] | Literal[False]]


def decided(given: Iterable[tuple[Question, object]]) -> Decided:
    """The decisions on all questions, each with what the client sent for it."""
    found = Decided({}, {})
    for question, answer in given:
        if question.asks is None:
            found.approve[question.call_id] = verdict(answer)
        else:
            found.answers[question.call_id] = _answer(question.asks, answer)
    return found


def _answer(asks: Asks, answer: object) -> Mapping[str, Any] | Literal[False]:
    """The answer to what a call asks. Only an accepted form that fits is one; all else is a no."""
    if not isinstance(answer, ElicitResult) or answer.action != "accept":
        return False
    try:
        return checked_answer(asks.schema, answer.content or {})
    except (Misfit, NoForm):
        return False


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
