"""Older turns are replaced by a summary, which another model writes before the first request of a
turn. A summary that fails leaves the turn as it was.
"""

from __future__ import annotations

from agentkit._log import logger
from agentkit.answer import run_of
from agentkit.errors import AgentkitError
from agentkit.loop.capabilities import with_capabilities
from agentkit.loop.context import RunContext
from agentkit.loop.live import LiveRun
from agentkit.loop.turn import take_turn
from agentkit.run import History, Run, Step, Summarise, summary
from agentkit.run.history import Summary
from agentkit.run.planner import Planner
from agentkit.settings import Limits, ModelSettings
from agentkit.stream import EventLog
from agentkit.tools import Tools
from agentkit.values import Message, Summarised, Text, replace
from agentkit.wire.body import Encoded


def due(run: Run, live: LiveRun) -> int | None:
    """Before which message all is to be summarised before the next request; None where it is not
    time. Within a run nothing is.
    """
    services = live.base.services
    policy = services.history.summary
    if (
        policy is None
        or live.has_summarised
        or run.turns
        or run.shared_messages.length > run.start + 1
    ):
        return None
    return services.planner.summaries.due(run.shared_messages, run.start, policy)


async def sent_before(run: Run, step: Step, context: RunContext) -> bool:
    """Whether the step is a summary whose request the ledger has, so that its reply is read."""
    calls = context.calls
    if calls is None or not isinstance(step, Summarise):
        return False
    return await calls.summary(run.turns).turn(0).stored() is not None


async def summarised(run: Run, step: Summarise, live: LiveRun) -> Run:
    """The run whose prompt carries the summary, paid for; the same with what was spent where there
    is none that can be used.
    """
    live.has_summarised = True
    policy = live.base.services.history.summary
    assert policy is not None  # noqa: S101 - `due` has looked
    words = summary.told(run.shared_messages, run.start, step.until)
    before = Run(
        id=run.id,
        model=policy.model,
        api=run.api,
        messages=(Message("user", (Text(words),)),),
        start=0,
        limits=Limits(turns=1),
        started_at=run.started_at,
    )
    reason: str | None = None
    try:
        context = await with_capabilities(_context(run, policy, live.base), before)
        after = await take_turn(
            before, context, EventLog(), None, closing=None, seconds_left=live.clock.left()
        )
    except AgentkitError as error:
        after, reason = run_of(error) or before, str(error)
    run = run.replace(spent=(*run.spent, *after.spent))
    reply = after.shared_messages.last.text if after.turns and after.refusal is None else ""
    handles = {each.name for each in (*run.images, *run.files)}
    text = summary.checked(reply, words, handles)
    if text is None:
        reason = reason or "it is empty, or no shorter than what it replaces, or was not paid for"
        logger().warning("summary_not_used", run=run.id, model=policy.model, reason=reason)
        return run
    prompt = replace(run.shared_messages[run.start], summary=Summarised(text, step.until))
    logger().info("summary", run=run.id, model=policy.model, messages=step.until)
    return run.replace(messages=run.shared_messages.first(run.start).with_more(prompt))


def _context(run: Run, policy: Summary, base: RunContext) -> RunContext:
    """What the request for the summary needs: nothing of the agent but its client and budget."""
    services = replace(
        base.services,
        encoded=Encoded(),
        planner=Planner(),
        history=History(),
        hooks=(),
        output=None,
        stream=False,
        is_conversation=False,
    )
    return replace(
        base,
        services=services,
        tools=Tools(),
        instructions=summary.INSTRUCTIONS,
        settings=ModelSettings(max_tokens=policy.max_tokens),
        calls=None if base.calls is None else base.calls.summary(run.turns),
        sees=True,
        price=None,
        worst_price=None,
        picture_price=None,
        cache_saved=None,
    )
