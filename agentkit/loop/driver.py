"""The loop: take the next step, wait for it, grow the run, until there is none. The only code that
waits for the model.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any, assert_never

from agentkit._log import logger
from agentkit.answer import Answer, run_of, with_run
from agentkit.errors import DeadlineExceeded, OutputInvalid, RunError
from agentkit.events import RunFinished
from agentkit.loop import approvals, fallback, hooked, money, tool_calls
from agentkit.loop.context import RunContext
from agentkit.loop.turn import take_turn
from agentkit.run import Ask, Call, Finish, Run, RunStatus, Wait, next_step
from agentkit.run.step import CLOSING_SHARE
from agentkit.stream import EventLog
from agentkit.tools.output import BadOutput, Output
from agentkit.values import Message, Text


async def drive(run: Run, context: RunContext, log: EventLog) -> Answer[Any]:
    """Take this run to its end, or to where it waits for a person.

    Raises a `RunError` whose `run` holds all that had arrived; `log.run` holds the same, after a
    cancellation too.
    """
    clock = Clock(run)
    log.run = run
    context = money.within_limits(context, run)
    deadline = asyncio.timeout(max(clock.left(), 0.0))
    try:
        async with deadline:
            run, output = await _steps(run, context, log, clock)
    except BaseException as error:
        so_far = log.run = (run_of(error) or log.run).replace(seconds=clock.spent())
        if isinstance(error, RunError):
            with_run(error, so_far)
        elif isinstance(error, asyncio.CancelledError):
            log.run = approvals.asked_again(so_far, context)
        elif isinstance(error, TimeoutError) and deadline.expired():  # and not a store's own, say
            words = f"the run's limit of {run.limits.seconds:g} seconds is reached"
            raise with_run(
                DeadlineExceeded(words, generation_id=log.generation_id), so_far
            ) from None
        raise
    log.run = run
    logger().info(
        "run",
        run=run.id,
        agent=context.services.name,
        status=run.status,
        turns=run.turns,
        seconds=round(run.seconds, 3),
        cost_usd=run.usage.cost_usd,
    )
    answer = Answer.of(run, output)
    log.tell(RunFinished(answer.status, answer.usage))
    return answer


async def _steps(run: Run, context: RunContext, log: EventLog, clock: Clock) -> tuple[Run, Any]:
    base, cancellation = context, tool_calls.Cancellation()
    if run.pending:  # a saved run: what of it may go on is asked anew
        context = fallback.with_tools(
            run, await hooked.with_made_tools(run, base, seconds_left=clock.left())
        )
        run = await hooked.with_parsed_calls(run, context, log, seconds_left=clock.left())
        log.run = run = approvals.hold(run, context)
    while True:
        cancellation.check()
        upcoming = money.next_request(run, context)
        cost = money.next_cost(run, upcoming)
        step = next_step(run, cost)
        run = money.explained(run, cost, step)
        match step:
            case Ask(closing=closing):
                context = await hooked.with_made_tools(run, base, seconds_left=clock.left())
                context = await hooked.as_hooks_want(run, context)
                context = fallback.with_tools(run, context)
                cancellation.check()
                before, left = run, clock.left()
                run = await take_turn(
                    run, context, log, upcoming, closing=closing, seconds_left=left
                )
                if run is not before:
                    await hooked.show_reply(run, context)
                    run = run.replace(seconds=clock.spent())
                    run = await hooked.with_parsed_calls(
                        run, context, log, seconds_left=clock.left()
                    )
                    run = approvals.hold(run, context)
            case Call():
                share = CLOSING_SHARE * run.limits.seconds - clock.spent()
                run = await tool_calls.call(run, step, context, log, seconds_left=max(share, 0.001))
            case Wait():
                return replace(run, status="paused", seconds=clock.spent()), None
            case Finish(status=status, reached=reached):
                ended = run.replace(
                    status=status, closing=reached or run.closing, seconds=clock.spent()
                )
                repaired, output = _read_output(run, context.services.output, status)
                if repaired is None:
                    return ended, output
                run = repaired
            case _:
                assert_never(step)
        run = run.replace(seconds=clock.spent())
        log.run = run


def _read_output(run: Run, output: Output[Any] | None, status: RunStatus) -> tuple[Run | None, Any]:
    """The value in the last message, if the model was to give one; or the run with one request to
    repair it, where it was not closed by a limit. Raises `OutputInvalid` the second time."""
    if output is None or status == "refused" or run.messages[-1].role != "assistant":
        return None, None
    try:
        return None, output.read(run.messages[-1].text)
    except BadOutput as error:
        if status == "limited":
            return None, None
        if run.repairs:
            raise OutputInvalid(
                f"the reply does not fit {output.schema.name}, after one repair: {error}"
            ) from error.__cause__
        words = (
            f"Your reply does not fit the schema {output.schema.name}: {error}. Reply "
            "again, with nothing but JSON that fits it."
        )
        return replace(
            run, messages=(*run.messages, Message("user", (Text(words),))), repairs=1
        ), None


class Clock:
    """The working time of a run. Waiting for a person, between two sittings, does not count."""

    def __init__(self, run: Run) -> None:
        self._before, self._began, self._limit = run.seconds, time.monotonic(), run.limits.seconds

    def spent(self) -> float:
        return self._before + time.monotonic() - self._began

    def left(self) -> float:
        return self._limit - self.spent()
