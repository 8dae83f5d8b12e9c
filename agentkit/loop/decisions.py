"""What a person decided about the calls of a run, and which approvals were used up."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from agentkit._check import check_mapping
from agentkit.errors import UsageError
from agentkit.openrouter.stored_call import Verdict
from agentkit.tools import Denied, Edited

AnswerToCall = bool | Denied | Edited
"""What a person says to a call that waits for an approval."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """Verdicts on calls that wait for an approval, results of calls that wait for one, what becomes
    of requests whose outcome is unknown, and answers to what calls ask, each by the id of the call.
    `CALL/ID` names a call of the agent that `CALL` asked.
    """

    approve: Mapping[str, AnswerToCall] = field(default_factory=dict[str, "AnswerToCall"])
    results: Mapping[str, object] = field(default_factory=dict[str, object])
    outcomes: Mapping[str, Verdict] = field(default_factory=dict[str, "Verdict"])
    answers: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)

    @classmethod
    def checked(
        cls, approve: object, results: object, outcomes: object = None, answers: object = None
    ) -> Decisions:
        """The decisions that a user passed to `resume`. Raises `UsageError` for what is no mapping;
        each verdict is checked once it is known which calls wait.
        """
        verdicts = check_mapping(
            "resume(approve={!r})",
            approve,
            "a mapping of call id to True, False, Denied('why') or Edited({…}): {call.id: "
            "True for call in answer.pending}",
        )
        given = check_mapping(
            "resume(results={!r})",
            results,
            "a mapping of call id to what the tool gave: {call.id: … for call in answer.pending}",
        )
        decided = check_mapping(
            "resume(outcomes={!r})",
            outcomes,
            "a mapping of call id to 'again' or 'give_up': {call.id: 'again' for call in "
            "answer.pending}",
        )
        if answers is not None and not isinstance(answers, Mapping):
            raise UsageError(  # what was given is not told: it may be secret
                f"resume(answers={type(answers).__name__}): accepted is a mapping of call id to "
                "the answer, a mapping of names to values, or False for no"
            )
        return cls(
            cast("Mapping[str, AnswerToCall]", verdicts),
            given,
            cast("Mapping[str, Verdict]", decided),
            cast("Mapping[str, object]", answers or {}),
        )

    def apart(self, agents: Collection[str]) -> tuple[Decisions, dict[str, Decisions]]:
        """The decisions on the run's own calls, and those on calls of the agents that it asked, by
        the call of the agent.
        """
        own_approve, inner_approve = _apart(self.approve, agents)
        own_results, inner_results = _apart(self.results, agents)
        own_outcomes, inner_outcomes = _apart(self.outcomes, agents)
        own_answers, inner_answers = _apart(self.answers, agents)
        nested = {
            agent: Decisions(
                inner_approve.get(agent, {}),
                inner_results.get(agent, {}),
                inner_outcomes.get(agent, {}),
                inner_answers.get(agent, {}),
            )
            for agent in (*inner_approve, *inner_results, *inner_outcomes, *inner_answers)
        }
        return Decisions(own_approve, own_results, own_outcomes, own_answers), nested


def _apart(
    given: Mapping[str, Any], agents: Collection[str]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    own: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for call_id, value in given.items():
        agent = next((each for each in agents if call_id.startswith(f"{each}/")), None)
        if agent is None:
            own[call_id] = value
        else:
            inner.setdefault(agent, {})[call_id.removeprefix(f"{agent}/")] = value
    return own, inner


class UsedApprovals:
    """The approvals that were used: each lets one call run once.

    The memory ends with its owner. Whoever keeps saved runs decides whether a copy of one may be
    resumed elsewhere.
    """

    def __init__(self, *, kept: int = 100_000) -> None:
        self._kept = kept
        self._used: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self._used

    def use(self, fingerprint: str) -> bool:
        """Take an approval for good. False if it was taken before."""
        with self._lock:  # runs of several event loops share it
            if fingerprint in self._used:
                return False
            self._used[fingerprint] = None
            if len(self._used) > self._kept:
                self._used.popitem(last=False)
            return True


@cache
def used_in_this_process() -> UsedApprovals:
    """The memory that all runs of this process share, so that no agent, client or copy of a run
    made here can use an approval a second time.
    """
    return UsedApprovals()


@dataclass(frozen=True, slots=True)
class Approvals:
    """What a person agreed to for the part of a run that goes on now."""

    granted: Mapping[str, str] = field(default_factory=dict[str, str])
    """Fingerprint of each call that was agreed to → fingerprint of the question, which is used up
    once.
    """
    nested: Mapping[str, Decisions] = field(default_factory=dict[str, Decisions])
    """The decisions for agents that wait, by the call that asked the agent."""
    used: UsedApprovals = field(default_factory=used_in_this_process)
