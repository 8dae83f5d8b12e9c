"""One turn of the model: the request is built, paid for and sent, and its reply read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from agentkit._log import logger
from agentkit.budget import Hold
from agentkit.errors import APIError, BadRequest, RunError
from agentkit.loop import caching
from agentkit.loop.capabilities import may_draw, suggest
from agentkit.loop.context import RunContext
from agentkit.loop.fallback import server_tool_refused
from agentkit.loop.money import NextRequest, build_request, reserve
from agentkit.loop.outcomes import after_unknown, sent_before
from agentkit.loop.reply_reader import ReplyReader
from agentkit.loop.request import body_of, closing_of
from agentkit.openrouter.catalogue import Catalogue
from agentkit.openrouter.paid import PaidRequest
from agentkit.openrouter.paid_call import PaidCall
from agentkit.openrouter.retry import Stakes
from agentkit.run import Run
from agentkit.run.unreadable_calls import without_masked
from agentkit.stream import EventLog


async def take_turn(
    run: Run,
    context: RunContext,
    log: EventLog,
    upcoming: NextRequest | None,
    *,
    closing: str | None,
    seconds_left: float,
) -> Run:
    """The run with one more reply, paid for. `upcoming` is the request, if it was built already.

    The run comes back as it was where another one was faster to take what was left of a shared
    budget, and where it is to be asked again with other tools. Raises a `RunError` whose `run` has
    what had arrived.
    """
    deadline = asyncio.get_running_loop().time() + seconds_left
    if upcoming is None or upcoming.context is not context:
        upcoming = build_request(run, context)
    sent = None if context.calls is None else await sent_before(run, context)
    hold = await reserve(run, upcoming, closing=closing is not None, sent=sent)
    if hold is None:
        return run
    request = upcoming.request if closing is None else closing_of(upcoming.request)
    call = None if context.calls is None else context.calls.turn(run.turns)
    before = run if sent is None else run.without_broken(str(sent.key))
    reader = ReplyReader(before, context, log, call)
    draws = partial(may_draw, request, context)
    paid = _paid_request(context, reader, hold, draws, deadline=deadline, call=call)
    facts: dict[str, Any] = {"closing": closing, "draws": upcoming.draws and closing is None}
    if call is not None:
        facts["worst_usd"] = hold.worst_usd()
    try:
        async with hold, paid:
            path, body = await body_of(request, run, context, hold)
            exchange = await paid.send(path, body, facts=facts)
            grown = await reader.finish(exchange, closing)
        if paid.replayed is not None and paid.replayed.is_masked:
            log.run = grown = without_masked(grown)
        if request.cache is not None:
            caching.note(request, grown, context)
        return reader.settled(grown, hold.uncertain_usd) if hold.uncertain_usd else grown
    except RunError as error:
        if call is not None and paid.replayed is not None and not paid.replayed.is_known:
            return await after_unknown(error, call, paid.replayed, draws)
        if isinstance(error, APIError) and await _may_go_otherwise(error, run, context):
            return run
        raise


def _paid_request(
    context: RunContext,
    reader: ReplyReader,
    hold: Hold,
    draws: Callable[[], Awaitable[bool]],
    *,
    deadline: float,
    call: PaidCall | None,
) -> PaidRequest:
    services = context.services
    return PaidRequest(
        services.client,
        services.store,
        reader,
        hold,
        deadline=deadline,
        grace=services.fetcher.policy.grace,
        stakes=Stakes(draws, server_tools=bool(context.tools.server)),
        call=call,
    )


async def _may_go_otherwise(error: APIError, run: Run, context: RunContext) -> bool:
    """Whether the run may be asked again with other tools: the server tool that draws was refused.
    To a refusal of the model, those are added that may have been meant.
    """
    services = context.services
    if isinstance(error, BadRequest) and services.checks:
        await suggest(error, run.model, Catalogue(services.client))
    if not server_tool_refused(error, context.image_tool):
        return False
    services.client.refused_server_tools.add((run.api, run.model))
    logger().warning("server_tool_refused", run=run.id, model=run.model, reason=str(error))
    return True
