"""What a turn starts with: a prompt, or a run that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from agentkit._check import check_optional
from agentkit.budget import Budget
from agentkit.errors import UsageError
from agentkit.loop.decisions import Decisions
from agentkit.loop.delegate import Delegation
from agentkit.loop.prompt import Prompt
from agentkit.openrouter.stored_call import Verdict
from agentkit.run import Run
from agentkit.tools import Denied, Edited
from agentkit.values import fast_init


@fast_init
@dataclass(frozen=True, slots=True)
class Start:
    """What a turn starts with: a prompt, or a run that goes on; and what the caller gave for it."""

    prompt: Prompt = ""
    scale: bool = False
    """Whether pictures of the prompt that are too large to be sent are made smaller."""
    run: Run | None = None
    """The run that goes on. None: the prompt begins a new one."""
    decisions: Decisions = field(default_factory=Decisions)
    """What a person decided about the calls of that run."""
    deps: Any = None
    budget: Budget | None = None
    stream: bool = False
    delegation: Delegation | None = None
    """What this turn may use of another run, for which it works."""


class ResumeOptions(TypedDict, total=False):
    """What `resume` takes beside the run."""

    approve: Mapping[str, bool | Denied | Edited] | None
    """Call id → True, False, `Denied("why")` or `Edited({…})`."""
    results: Mapping[str, object] | None
    """Id of an external tool's call → its result."""
    outcomes: Mapping[str, Verdict] | None
    """Key of a request whose outcome is unknown → `"again"` or `"give_up"`."""
    answers: Mapping[str, Mapping[str, Any] | Literal[False]] | None
    """Id of a call that asks a person → the answer, or False for no."""
    deps: Any
    """What tools get in their `Context`."""
    budget: Budget | None
    """What the rest of the run counts against, beside the agent's own budget."""


def resumed(
    run: object,
    *,
    approve: Mapping[str, bool | Denied | Edited] | None = None,
    results: Mapping[str, object] | None = None,
    outcomes: Mapping[str, Verdict] | None = None,
    answers: Mapping[str, Mapping[str, Any] | Literal[False]] | None = None,
    deps: Any = None,
    budget: Budget | None = None,
) -> Start:
    """The start of a turn that goes on. Raises `UsageError`."""
    decisions = Decisions.checked(approve, results, outcomes, answers)
    given = check_optional("budget={!r}", budget, Budget, "Budget(…)")
    return Start(run=checked_run(run), decisions=decisions, deps=deps, budget=given)


def checked_run(run: object) -> Run:
    """A run. Raises `UsageError` that says where to take one from."""
    if not isinstance(run, Run):
        raise UsageError(
            f"given is {type(run).__name__} ({run!r:.80}), which is no run; accepted "
            "is a Run: answer.run, error.run, or "
            "Run.from_json(text, blobs=agent.store)"
        )
    return run
