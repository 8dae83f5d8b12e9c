"""Money, before a request: what it may cost, whether that fits, and the budget that holds it.

A run's own limits are a budget too, within those that it shares, so that an agent which works as
its tool keeps to them.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from math import fsum

from agentkit._log import logger
from agentkit.budget import Budget, Hold
from agentkit.loop.context import RunContext
from agentkit.loop.request import closing_of, request_of
from agentkit.openrouter.billing import highest_price, ledger_key
from agentkit.openrouter.stored_call import StoredCall
from agentkit.run import Ask, Finish, Run, Step
from agentkit.run.step import NextCost, reason
from agentkit.tools.server_tools import ServerTool
from agentkit.values import fast_init, replace
from agentkit.wire.types import Request


def within_limits(context: RunContext, run: Run) -> RunContext:
    """The context with a budget of what is left of this run's own limits, within the one that it
    had.
    """
    limits = run.limits
    usd = (
        None
        if limits.cost_usd is None
        else max(fsum((limits.cost_usd, -run.usage.highest_usd)), 0.0)
    )
    images = None if limits.images is None else max(limits.images - run.pictures, 0)
    budget = Budget.part_of(
        [context.budget], usd, images, unmetered=context.budget.accepts_unmetered
    )
    if run.highest_cost_usd > 0:
        budget.learn(_shape(run, context, closing=False), run.highest_cost_usd)
    return replace(context, budget=budget)


@fast_init
@dataclass(frozen=True, slots=True)
class NextRequest:
    """The next request of a run, built once, and what the catalogue implies that it costs at most,
    in USD; None where that is not known, or nobody limits it.
    """

    context: RunContext
    """What it was built with."""
    request: Request
    """With all tools."""
    price: float | None
    closing_price: float | None
    """The price of the same request where it closes the run in words."""
    image_tool: ServerTool | None
    """The server tool that draws, if the request has one."""
    draws: bool
    """Whether the request may bring pictures."""
    limited: bool
    """Whether there is a limit in money."""


async def next_request(run: Run, context: RunContext) -> NextRequest | None:
    """The next request, priced; None where a call, a person or the end comes next. Raises
    `SessionError` where a budget is kept in a database that cannot be read.
    """
    if run.shared_messages.last.role == "assistant" or run.pending:
        return None
    if context.budget.is_kept:
        await context.budget.refresh()
    return build_request(run, context)


def build_request(run: Run, context: RunContext) -> NextRequest:
    """The request that this run sends now, priced where money is limited."""
    request, tool, settings = request_of(run, context), context.image_tool, context.settings
    draws = tool is not None or "image" in (settings.modalities or ())
    limited = context.budget.limits_usd
    price = closing_price = None
    if limited and context.price is not None:
        price, closing_price = context.price(request), context.price(closing_of(request))
    return NextRequest(context, request, price, closing_price, tool, draws, limited)


def next_cost(run: Run, upcoming: NextRequest, summarise: int | None = None) -> NextCost:
    """What is known of the next request, and what is left for it. `summarise` is that of the
    `NextCost`.
    """
    context, limited = upcoming.context, upcoming.limited
    return NextCost(
        usd=context.budget.remaining_usd if limited else None,
        images=context.budget.remaining_images if context.budget.limits_images else None,
        unknown=limited and context.budget.cannot_count(_shape(run, context, closing=False)),
        price=_highest_price(run, upcoming, closing=False) if limited else 0.0,
        picture=None if upcoming.image_tool is None else context.picture_price is not None,
        closing_price=_highest_price(run, upcoming, closing=True) if limited else 0.0,
        follows=bool(context.tools.functions),
        draws=upcoming.draws,
        summarise=summarise,
        speaks=context.may_speak,
    )


def explained(run: Run, cost: NextCost, step: Step) -> Run:
    """The run with the reason why money ends it, where this step is what money has left of it."""
    match step:
        case Ask(closing=reached) | Finish(reached=reached):
            why = reason(run, cost, reached) if reached == "cost_usd" else None
        case _:
            return run
    if why is None or why == run.limit_reason:
        return run
    logger().warning("limit", run=run.id, limit=reached, reason=why)
    return run.replace(limit_reason=why)


async def reserve(
    run: Run, upcoming: NextRequest, *, closing: bool, sent: StoredCall | None = None
) -> Hold | None:
    """What the next request may cost, held; None where that no longer fits. Where its cost is never
    told, it counts with a reply of usual length, if nothing limits that. One that was `sent` before
    is held in any case, but once in each process, and once in a budget that is kept in a database.
    Raises `SessionError` where such a one cannot be written.
    """
    context = upcoming.context
    budget, calls = context.budget, context.calls
    call = None if calls is None else calls.turn(run.turns)
    counted = sent is not None and calls is not None and str(sent.key) in calls.entries.counted
    price = _highest_price(run, upcoming, closing=closing) if upcoming.limited else 0.0
    images = int(upcoming.draws and not closing)
    shape = _shape(run, context, closing=closing)

    def worst() -> float:
        request = closing_of(upcoming.request) if closing else upcoming.request
        implied = None if context.worst_price is None else context.worst_price(request)
        return highest_price(budget, shape, implied)

    return await budget.hold(
        price,
        images,
        shape=shape,
        worst=worst,
        sent=sent is not None,
        key=None if call is None else await ledger_key(call),
        counted=counted,
    )


def _highest_price(run: Run, upcoming: NextRequest, *, closing: bool) -> float:
    shape = _shape(run, upcoming.context, closing=closing)
    implied = upcoming.closing_price if closing else upcoming.price
    return highest_price(upcoming.context.budget, shape, implied)


def _shape(run: Run, context: RunContext, *, closing: bool) -> Hashable:
    """What requests have in common that cost about the same."""
    return (run.model,) if closing else context.declared(run.model).shape
