"""Money, around one request: what it may cost is held before, what it did cost is settled after,
come what may.

A run's own limits are a budget too, within those that it shares, so that an agent which works as
its tool keeps to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from math import fsum

from agentkit._log import logger
from agentkit.answer import run_of
from agentkit.budget import Budget, Hold
from agentkit.errors import APIError, BadRequest, ConnectionFailed, RunError, UsageError
from agentkit.loop import turn
from agentkit.loop.capabilities import suggest
from agentkit.loop.context import RunContext
from agentkit.loop.request import request_of
from agentkit.openrouter.catalogue import Catalogue
from agentkit.openrouter.retry import may_have_billed
from agentkit.run import Ask, Finish, Run, Step
from agentkit.run.step import NextCost, reason
from agentkit.stream import EventLog
from agentkit.values import replace


def within_limits(context: RunContext, run: Run) -> RunContext:
    """The context with a budget of what is left of this run's own limits, within the one that it
    had.
    """
    limits = run.limits
    usd = (
        None
        if limits.cost_usd is None
        else max(fsum((limits.cost_usd, -(run.usage.cost_usd or 0.0))), 0.0)
    )
    images = None if limits.images is None else max(limits.images - len(run.arrived), 0)
    budget = Budget(usd, images, within=[context.budget])
    if run.highest_cost_usd > 0:
        budget.learn(_shape(run, context, closing=False), run.highest_cost_usd)
    return replace(context, budget=budget)


def next_cost(run: Run, context: RunContext) -> NextCost:
    """What is known of the next request, and what is left for it; nothing, where none comes
    next.
    """
    if run.pending or run.messages[-1].role == "assistant":
        return NextCost()
    usd = context.budget.remaining_usd
    return NextCost(
        usd=usd,
        images=context.budget.remaining_images,
        price=0.0 if usd is None else _price(run, context, closing=False),
        picture=None if context.image_tool is None else context.picture_price is not None,
        closing_price=0.0 if usd is None else _price(run, context, closing=True),
        follows=bool(context.tools.functions),
        draws=context.may_draw,
        speaks=context.may_speak,
    )


def explained(run: Run, cost: NextCost, step: Step) -> Run:
    """The run with the reason why money ends it, where this step is what money has left of it."""
    match step:
        case Ask(closing=reached) | Finish(reached=reached):
            why = reason(run, cost, reached)
        case _:
            return run
    if why is None or why == run.limit_reason:
        return run
    logger().warning("limit", run=run.id, limit=reached, reason=why)
    return run.replace(limit_reason=why)


async def ask(
    run: Run, context: RunContext, log: EventLog, *, closing: str | None, seconds_left: float
) -> Run:
    """The run with one more reply, paid for; the run as it was where another one was faster to take
    what was left.

    Raises as `turn.ask` does.
    """
    price = (
        0.0
        if context.budget.remaining_usd is None
        else _price(run, context, closing=closing is not None)
    )
    draws = context.may_draw and closing is None
    hold = context.budget.reserve(
        price, int(draws), shape=_shape(run, context, closing=closing is not None)
    )
    if hold is None:
        return run
    with hold:
        try:
            after = await turn.ask(
                run, context, log, closing=closing, hold=hold, seconds_left=seconds_left
            )
        except UsageError:
            hold.release()  # nothing was sent
            raise
        except asyncio.CancelledError:
            log.run = _settled(hold, run, log.run or run)
            raise
        except RunError as error:
            if _was_not_billed(error, run, context):
                hold.release()
            error.run = log.run = _settled(hold, run, run_of(error) or run)
            if isinstance(error, BadRequest) and context.checks:
                await suggest(error, run.model, Catalogue(context.client))
            raise
        return _settled(hold, run, after)


def _settled(hold: Hold, before: Run, after: Run) -> Run:
    """The true cost, where it was told; of a request that broke off, what had come is counted and
    the rest is uncertain. The run that knows what its dearest request cost."""
    fresh = after.spent[len(before.spent) :]
    drawn = len(after.arrived) - len(before.arrived)
    told = [usage.cost_usd for usage in fresh if usage.cost_usd is not None]
    if told or after.turns > before.turns:
        hold.settle(fsum(told) if told else None, drawn)
    else:
        hold.keep(drawn)
    highest_cost = fsum(told)
    return (
        after.replace(highest_cost_usd=highest_cost)
        if highest_cost > after.highest_cost_usd
        else after
    )


def _was_not_billed(error: RunError, before: Run, context: RunContext) -> bool:
    """Whether the request surely cost nothing. Usage beside an error means that a reply had begun;
    without one, an error status bills nothing, but that a server tool may have run before it; any
    other plain error came before the request."""
    if error.generation is not None and error.generation.billed is False:
        return True
    stopped = run_of(error)
    if stopped is not None and len(stopped.spent) > len(before.spent):
        return False
    if isinstance(error, APIError):
        return error.status is not None and not (context.tools.server and may_have_billed(error))
    return isinstance(error, ConnectionFailed) or type(error) is RunError


def _price(run: Run, context: RunContext, *, closing: bool) -> float:
    """The worst known price in USD: what the catalogue implies, or the dearest request like it so
    far; 0 if neither is known.
    """
    known = context.budget.highest_cost(_shape(run, context, closing=closing)) or 0.0
    implied = (
        context.price(request_of(run, context, "cost_usd" if closing else None))
        if context.price is not None
        else None
    )
    return max(known, implied or 0.0)


def _shape(run: Run, context: RunContext, *, closing: bool) -> Hashable:
    """What requests have in common that cost about the same: their model, and what they may do that
    costs extra.
    """
    if closing:
        return (run.model,)
    draws = ("image",) if "image" in (context.settings.modalities or ()) else ()
    return (run.model, *(tool.name for tool in context.tools.server), *draws)
