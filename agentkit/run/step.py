"""The state of one run, and the rules of the loop.

A run is a value. `next_step` looks at one and says what comes next; nothing here waits, sends or
knows what time it is:

    Ask        send the messages to the model, with tools, or without them to close the answer in
               words
    Call       run these tool calls
    Summarise  have a model write a summary in the place of older turns, before the first request
    Wait       a person has to approve calls, or to give their results
    Finish     the answer is whole

Each thing that happens grows the run by replacement (`with_reply`, `with_result`, …) and the
question is put again. So to pause, approve, resume, replay or survive a crash is one and the same
thing: load the run, take the next step.

The states follow from what the run holds, and from nothing else:

    pending calls, none approved yet                   → Wait
    pending calls that may run                         → Call
    a request of which nobody knows the outcome        → Wait
    last message is the user's, or holds tool results  → Ask
    last message is the assistant's, without calls     → Finish

A limit is looked at before the step that would break it. When one is reached while the model still
wants tools, calls beyond it get a result that says so, and one last Ask without tools closes the
answer in words, if that can be paid for. So of money, a request with tools leaves as much as the
closing one after it will cost.

A model that makes the same calls in one reply after the other goes nowhere: from the third such
reply on, none is run, and its result says why. If the model has read that and makes them again, the
run is closed in words. Equal calls within one reply are that many calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from agentkit.run.state import Run
from agentkit.values import Invocation, ToolResult, fast_init
from agentkit.values.usage import fits


@dataclass(frozen=True, slots=True)
class Ask:
    """Send the messages to the model; `closing` names the limit that was reached, and then no tools
    go with them.
    """

    closing: str | None = None


@dataclass(frozen=True, slots=True)
class Summarise:
    """Have a model summarise the messages before this position, for those that follow."""

    until: int


@dataclass(frozen=True, slots=True)
class Call:
    """Run these calls, at most `Limits.parallel` at once; those in `over` are beyond a limit and
    get a result that says so.
    """

    invocations: tuple[Invocation, ...]
    over: tuple[Invocation, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can go on before a person decides."""

    invocations: tuple[Invocation, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    status: Literal["completed", "limited", "refused"]
    reached: str | None = None
    """The limit that left nothing, not even for a last turn in words."""
    output: object = None
    """The value that the last message was to give, once it is read."""


Step = Ask | Call | Finish | Summarise | Wait


def next_step(run: Run, cost: NextCost | None = None) -> Step:
    """What comes next for this run."""
    pending = run.pending
    if pending:
        held, fits = {each.call_id for each in run.waiting}, calls_left(run)
        runnable = tuple(each for each in pending[:fits] if each.id not in held)
        over = tuple(each for each in pending[fits:] if each.id not in held)
        return Call(runnable, over) if runnable or over else Wait(pending)
    if run.waiting:  # for the outcome of a request
        return Wait(())
    if run.refusal is not None:
        return Finish("refused")
    if run.closing is not None:
        return Finish("limited")
    if run.shared_messages.last.role == "assistant":
        return Finish("completed")
    cost = cost or NextCost()
    reached = limit_reached(run, cost)
    if reached is None and cost.summarise is not None:
        return Summarise(cost.summarise)
    if reached is None or can_close(run, cost, reached):
        return Ask(closing=reached)
    return Finish("limited", reached)


CLOSING_SHARE = 0.9
"""Share of `Limits.seconds` after which no tool runs any more, so that there is time left to
close in words.
"""
MOST_REPAIRS = 2
"""Times in a row that a model may mend such arguments before the run is closed in words."""


@fast_init
@dataclass(frozen=True, slots=True)
class NextCost:
    """What is known of the next request before it is sent: what it may cost, and what is left
    beside the run's own limits.
    """

    usd: float | None = None
    """Left in budgets that are shared with other runs; None where there is none."""
    images: int | None = None
    unknown: bool = False
    """Whether an earlier request of this kind did not tell its cost, and nothing is known of its
    price, so that a limit in money cannot be kept.
    """
    price: float = 0.0
    """Highest price of a request with tools, in USD; 0 if nothing is known."""
    closing_price: float = 0.0
    """Highest price of a request that closes the run in words, in USD; 0 if nothing is known."""
    picture: bool | None = None
    """Whether that price holds a picture's, where a server tool draws: what one costs may not be
    known.
    """
    follows: bool = False
    """Whether a request may have to follow: there are tools whose results go back to the model."""
    draws: bool = True
    """Whether a request may bring pictures."""
    summarise: int | None = None
    """The messages before this position are to be summarised first; None where none are."""
    speaks: bool = True
    """Whether the model can close in words: some give nothing but pictures."""


def calls_left(run: Run) -> int:
    """How many of the pending calls may be run, in their order; those that wait for a person have
    their place among them.
    """
    if run.seconds >= CLOSING_SHARE * run.limits.seconds:
        return 0
    return max(run.limits.tool_calls - (run.tool_calls - len(run.pending)), 0)


def limit_reached(run: Run, cost: NextCost) -> str | None:
    """The name of the limit that keeps the model from having tools in its next turn, or None."""
    limits = run.limits
    if limits.output_tokens is not None and run.usage.output_tokens >= limits.output_tokens:
        return "output_tokens"
    if run.turns >= limits.turns:
        return "turns"
    if run.turns and run.tool_calls >= limits.tool_calls:
        return "tool_calls"
    if limits.images is not None and len(run.arrived) >= limits.images:
        return "images"
    if cost.draws and cost.images is not None and cost.images < 1:
        return "images"
    if cost.unknown:
        return "cost_usd"
    price = cost.price + (cost.closing_price if cost.follows else 0.0)
    if limits.cost_usd is not None and not fits(price, limits.cost_usd - run.usage.highest_usd):
        return "cost_usd"
    if cost.usd is not None and not fits(price, cost.usd):
        return "cost_usd"
    if run.turns and run.seconds >= CLOSING_SHARE * limits.seconds:
        return "seconds"
    return "repeats" if run.stuck or _rejected_rounds(run) > MOST_REPAIRS else None


def _rejected_rounds(run: Run) -> int:
    """How many rounds in a row, up to now, had no call whose arguments its tool could take."""
    count = 0
    for message in reversed(run.shared_messages):
        if message.role == "assistant":
            continue
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        if not results or any(not each.rejected for each in results):
            break
        count += 1
    return count


def can_close(run: Run, cost: NextCost, reached: str) -> bool:
    """Whether there is anything left to close the run in words with."""
    own = None if run.limits.cost_usd is None else run.limits.cost_usd - run.usage.highest_usd
    left = [usd for usd in (own, cost.usd) if usd is not None]
    return (
        reached != "output_tokens"
        and not cost.unknown
        and cost.speaks
        and all(fits(cost.closing_price, usd) for usd in left)
    )


def reason(run: Run, cost: NextCost, reached: str | None) -> str | None:
    """For a limit in money: how much was left, and how much the next request may have cost, in
    words.
    """
    if reached != "cost_usd":
        return None
    if cost.unknown:
        return "the service does not tell what a request costs, and no price of it is known"
    own = None if run.limits.cost_usd is None else run.limits.cost_usd - run.usage.highest_usd
    left = max(min(usd for usd in (own, cost.usd, inf) if usd is not None), 0.0)
    price = cost.price + (cost.closing_price if cost.follows else 0.0)
    if not price:
        return f"{_dollars(left)} is left" + (
            "; what a picture costs is not known" if cost.picture is False else ""
        )
    included = {
        None: "",
        True: ", a picture included",
        False: "; what a picture costs is not known",
    }
    then = " and the one that closes the run" if cost.follows and cost.closing_price else ""
    return (
        f"{_dollars(left)} is left, and the next request{then} may cost "
        f"{_dollars(price)} at worst{included[cost.picture]}"
    )


def _dollars(amount: float) -> str:
    return f"${amount:.4f}" if amount < 1 else f"${amount:.2f}"
