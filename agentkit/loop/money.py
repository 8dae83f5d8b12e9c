"""Money, before a request: what it may cost, whether that fits, and the budget that holds it.

A run's own limits are a budget too, within those that it shares, so that an agent which works as
its tool keeps to them.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import fsum

from agentkit._log import logger
from agentkit.budget import Budget, Hold
from agentkit.loop.context import RunContext
from agentkit.loop.request import request_of
from agentkit.openrouter.billing import highest_price
from agentkit.run import Ask, Finish, Run, Step
from agentkit.run.step import NextCost, reason
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


def reserve(run: Run, context: RunContext, *, closing: bool) -> Hold | None:
    """What the next request may cost, held; None where that no longer fits."""
    limited = context.budget.remaining_usd is not None
    price = _price(run, context, closing=closing) if limited else 0.0
    draws = context.may_draw and not closing
    return context.budget.reserve(price, int(draws), shape=_shape(run, context, closing=closing))


def _price(run: Run, context: RunContext, *, closing: bool) -> float:
    """The worst known price in USD: what the catalogue implies, or the dearest request like it so
    far; 0 if neither is known.
    """
    implied = (
        context.price(request_of(run, context, "cost_usd" if closing else None))
        if context.price is not None
        else None
    )
    return highest_price(context.budget, _shape(run, context, closing=closing), implied)


def _shape(run: Run, context: RunContext, *, closing: bool) -> Hashable:
    """What requests have in common that cost about the same: their model, and what they may do that
    costs extra.
    """
    if closing:
        return (run.model,)
    draws = ("image",) if "image" in (context.settings.modalities or ()) else ()
    return (run.model, *(tool.name for tool in context.tools.server), *draws)
