"""The loop: take the next step, wait for it, grow the run, until there is none. The only code that
waits for the model.
"""

from __future__ import annotations

import asyncio
from typing import Any, assert_never

from agentkit._log import logger
from agentkit.answer import Answer, run_of, with_run
from agentkit.errors import DeadlineExceeded, OutputInvalid, RunError
from agentkit.events import RunFinished
from agentkit.loop import approvals, fallback, hooked, money, outcomes, summaries, tool_calls
from agentkit.loop.begin import begin
from agentkit.loop.clock import Clock
from agentkit.loop.context import RunContext
from agentkit.loop.live import Cancellation, LiveRun
from agentkit.loop.money import NextRequest
from agentkit.loop.prompt import prompted
from agentkit.loop.start import Start
from agentkit.loop.turn import take_turn
from agentkit.run import Ask, Call, Finish, Run, Step, Summarise, Wait, next_step
from agentkit.stream import EventLog
from agentkit.tools.output import BadOutput, Output
from agentkit.values import Message, Text, replace


async def drive(start: Start, run: Run, live: LiveRun) -> Answer[Any]:
    """Take this run to its end, or to where it waits for a person.

    Raises as `prompted` and `begin` do, then a `RunError` whose `run` holds all that had arrived.
    From then on `live.log.run` holds the same, after a cancellation too.
    """
    log, clock = live.log, live.clock
    deadline = asyncio.timeout(max(clock.left(), 0.0))
    try:
        async with deadline:
            if start.run is None:
                run = await prompted(run, start.prompt, live.base, clock, scale=start.scale)
            decisions = None if start.run is None else start.decisions
            log.run = run = await begin(run, live, decisions)
            step: Step | None = None
            while run.status == "running":
                run, step = await advance(run, live)
                if run.status == "running":
                    await log.stepped()
            return _answer(run, step, live)
    except BaseException as error:
        if isinstance(error, TimeoutError) and deadline.expired():  # and not a store's own, say
            raise _too_late(run, live) from None
        _leave_run(error, live)
        raise


async def advance(run: Run, live: LiveRun) -> tuple[Run, Step]:
    """Take the next step of a run that has begun, and wait for it: the run after it, which
    `live.log.run` is too, and the step. A step after which nothing follows sets `run.status`.

    What decides is live (prices, a budget that others share), so deciding and doing are one: a
    step that was taken is never decided again. Raises a `RunError` whose `run` has all that had
    arrived.
    """
    log, clock, cancellation = live.log, live.clock, Cancellation()
    if live.context is None and run.pending:  # a saved run: what may go on of it is asked anew
        live.context = await _with_tools(run, live.base, clock)
        run = await _with_calls(run, live.context, log, clock)
    context = live.context or live.base
    upcoming = await money.next_request(run, context)
    cost = None if upcoming is None else money.next_cost(run, upcoming, summaries.due(run, live))
    step = next_step(run, cost)
    sent = None if upcoming is None else await outcomes.sent_before(run, context)
    if sent is not None and not await summaries.sent_before(run, step, context):
        step = Ask(sent.closing)  # it was decided, and paid for, before the process died
    run = run if cost is None else money.explained(run, cost, step)
    if isinstance(step, Ask | Call | Summarise):
        log.run = run
        await log.save(is_asking=not isinstance(step, Call) and sent is None)
        cancellation.check()
    match step:
        case Ask(closing=closing):
            run = await _asked(run, live, upcoming, closing, cancellation)
        case Summarise():
            run = await summaries.summarised(run, step, live)
        case Call():
            left = clock.left_for_tools()
            run = await tool_calls.call(run, step, context, log, seconds_left=left)
        case Wait():
            approvals.tell_waiting(run, log)
            run = run.replace(status="paused")
        case Finish():
            run, step = _finished(run, step, context.services.output)
        case _:
            assert_never(step)
    log.run = run = replace(run, seconds=clock.spent())
    cancellation.check()
    return run, step


async def _asked(
    run: Run,
    live: LiveRun,
    upcoming: NextRequest | None,
    closing: str | None,
    cancellation: Cancellation,
) -> Run:
    """The run after a request; as it was where the question has to be put again."""
    log, clock = live.log, live.clock
    live.context = context = await _with_tools(run, live.base, clock, hooks=True)
    cancellation.check()
    before, left = run, clock.left()
    run = await take_turn(run, context, log, upcoming, closing=closing, seconds_left=left)
    if run.turns == before.turns:
        return run
    run = run.with_requests(before)
    await hooked.show_reply(run, context)
    if not run.pending:
        return run
    return await _with_calls(run.replace(seconds=clock.spent()), context, log, clock)


async def _with_tools(
    run: Run, base: RunContext, clock: Clock, *, hooks: bool = False
) -> RunContext:
    """The context with the tools for what comes next, and as the hooks want it."""
    made = base.tools.makers
    context = await hooked.with_made_tools(run, base, seconds_left=clock.left()) if made else base
    if hooks and base.services.hooks:
        context = await hooked.as_hooks_want(run, context)
    return fallback.with_tools(run, context) if context.tools.server else context


async def _with_calls(run: Run, context: RunContext, log: EventLog, clock: Clock) -> Run:
    """The run with its new calls parsed, seen by the hooks, and held where they wait for a
    person.
    """
    run = await hooked.with_parsed_calls(run, context, log, seconds_left=clock.left())
    log.run = run = approvals.hold(run, context)
    return run


def _finished(run: Run, step: Finish, output: Output[Any] | None) -> tuple[Run, Finish]:
    """The run as it ends, and the step with the value in its last message if the model was to give
    one; or the run as it goes on, with a request to repair that message. Raises `OutputInvalid` the
    second time.
    """
    ended = replace(run, status=step.status, closing=step.reached or run.closing)
    if output is None or step.status == "refused" or run.shared_messages.last.role != "assistant":
        return ended, step
    try:
        return ended, replace(step, output=output.read(run.shared_messages.last.text))
    except BadOutput as error:
        if step.status == "limited":
            return ended, step
        name = output.schema.name
        if run.repairs:
            words = f"the reply does not fit {name}, after one repair: {error}"
            raise OutputInvalid(words) from error.__cause__
        words = f"Your reply does not fit the schema {name}: {error}. Reply again, with nothing "
        request = Message("user", (Text(f"{words}but JSON that fits it."),))
        return run.replace(messages=run.shared_messages.with_more(request), repairs=1), step


def _answer(run: Run, step: Step | None, live: LiveRun) -> Answer[Any]:
    answer = Answer.of(run, step.output if isinstance(step, Finish) else None)
    logger().info(
        "run",
        run=run.id,
        agent=live.base.services.name,
        status=run.status,
        turns=run.turns,
        seconds=round(run.seconds, 3),
        cost_usd=answer.usage.cost_usd,
    )
    live.log.tell(RunFinished(answer.status, answer.usage))
    return answer


def _too_late(run: Run, live: LiveRun) -> DeadlineExceeded:
    """The error of a run whose time is over. It has no run while the prompt is not stored."""
    log, clock = live.log, live.clock
    words = f"the run's limit of {clock.limit:g} seconds is reached{clock.stage}"
    error = DeadlineExceeded(words, generation_id=log.generation_id)
    has_begun = log.run is not None
    stopped = (log.run or run).replace(seconds=clock.spent())
    if has_begun:
        log.run = stopped
    return with_run(error, stopped) if stopped.shared_messages.length > stopped.start else error


def _leave_run(error: BaseException, live: LiveRun) -> None:
    """Leave the run as far as it came with its error, or with the log."""
    log = live.log
    if log.run is None:
        return  # it had not begun
    log.run = so_far = (run_of(error) or log.run).replace(seconds=live.clock.spent())
    if isinstance(error, RunError):
        with_run(error, so_far)
    elif isinstance(error, asyncio.CancelledError):
        log.run = approvals.asked_again(so_far, live.context or live.base)
