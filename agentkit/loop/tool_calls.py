"""The tool calls of one reply: run at once, and answered in their order. What is done stays done
when the run is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from agentkit._sync import finish, in_background
from agentkit.errors import HookFailed
from agentkit.loop.context import RunContext
from agentkit.loop.live import Cancellation
from agentkit.loop.one_call import Round, begun_now, run_call
from agentkit.loop.tool_results import ToolOutcome, applied, broken_off, not_run
from agentkit.run import Call, Run
from agentkit.run.step import CLOSING_SHARE
from agentkit.stream import EventLog
from agentkit.values import Invocation

_STOP_SECONDS = 10.0
"""How long tools that are cancelled may take to stop, beside the grace that downloads have."""
_KEEP_SECONDS = 20.0
"""How long all of that may take, with keeping what the calls gave."""

CallTask = asyncio.Task[tuple[ToolOutcome, float]]


async def call(
    run: Run, step: Call, context: RunContext, log: EventLog, *, seconds_left: float
) -> Run:
    """The run with these calls answered. `log.run` has each answer as soon as its call has ended,
    so that of a run that is interrupted only the others are called again.

    Raises `HookFailed` with the run, once all calls have ended.
    """
    for invocation in step.over:
        limit = "seconds" if run.seconds >= CLOSING_SHARE * run.limits.seconds else "tool_calls"
        run = applied(run, not_run(invocation, limit), log)
    surplus = _beyond_pictures(run, step, context)
    for invocation in surplus:
        run = applied(run, not_run(invocation, "images"), log)
    log.run = run
    refused = {each.id for each in surplus}
    started = [each for each in step.invocations if each.id not in refused]
    until = asyncio.get_running_loop().time() + seconds_left
    at_once = 0
    if seconds_left > 0 and not context.budget.limits_usd:
        # These begin together, so the run grows once by all of them.
        at_once = run.limits.parallel
        begun = [begun_now(each) for each in started[:at_once]]
        started[:at_once] = begun
        log.run = run = run.with_invocation(*begun)
    round_ = Round(run, context, log, until, step.invocations)
    tasks = {task: at for at, task in enumerate(_tasks(round_, started, at_once))}
    try:
        broken = await _all_ended(round_, tasks)
    except BaseException:
        with suppress(TimeoutError):  # then `log.run` has what was kept in time
            seconds = _KEEP_SECONDS + context.services.fetcher.policy.grace
            await finish(_keep(round_, tasks), seconds)
        raise
    if broken is not None:
        broken.run = round_.so_far
        raise broken
    return round_.so_far


async def _all_ended(round_: Round, tasks: dict[CallTask, int]) -> HookFailed | None:
    """Take the outcome of each call as it ends, out of `tasks`; of several that have ended, in the
    order of the calls, which their numbers are. Returns the first error of a hook.
    """
    cancellation = Cancellation()
    broken: HookFailed | None = None
    # Not `asyncio.wait`, which looks at all tasks each time that one ends.
    ended: list[CallTask] = []
    some_ended = asyncio.Event()

    def note(task: CallTask) -> None:
        ended.append(task)
        some_ended.set()

    for task in tasks:
        task.add_done_callback(note)
    while tasks:
        await some_ended.wait()
        some_ended.clear()
        batch = sorted(ended, key=tasks.__getitem__)
        ended.clear()
        failed = _take(round_, batch, tasks)
        broken = broken or failed
        cancellation.check()
        if tasks:  # of those that are still at work, none is run again for these
            await round_.log.save()
    return broken


def _take(
    round_: Round, batch: Sequence[CallTask], tasks: dict[CallTask, int]
) -> HookFailed | None:
    """Give the run the outcomes of calls that have ended, each out of `tasks`. Returns the first
    error of a hook. Raises what a task raised; the run has the calls before it then.
    """
    run, broken = round_.so_far, None
    try:
        for task in batch:
            tasks.pop(task, None)
            ended, seconds = task.result()
            run = applied(run, ended, round_.log, seconds)
            broken = broken or ended.broken
    finally:
        round_.log.run = run
    return broken


def _beyond_pictures(run: Run, step: Call, context: RunContext) -> list[Invocation]:
    """The calls that would bring more pictures than the run has left, as far as their tools say
    that they give one. They are counted before the first starts."""
    if run.limits.images is None:
        return []
    tools = context.tools.functions
    drawing = [
        each for each in step.invocations
        if (tool := tools.get(each.name)) is not None and tool.returns_image
    ]  # fmt: skip
    return drawing[max(run.limits.images - run.pictures, 0) :]


def _tasks(round_: Round, invocations: Sequence[Invocation], at_once: int) -> list[CallTask]:
    """A task for each call, of which the first `at_once` have begun, and no more run at once than
    the limits allow. Where money is limited, a call waits for an equal one before it: what that
    costs may not have been known before."""
    parallel = round_.run.limits.parallel
    gate = asyncio.Semaphore(parallel) if len(invocations) > parallel else None
    works = [
        run_call(round_, each, has_begun=at < at_once)
        if gate is None
        else _in_turn(gate, round_, each, has_begun=at < at_once)
        for at, each in enumerate(invocations)
    ]
    if not round_.context.budget.limits_usd:
        return [in_background(work) for work in works]
    tasks: list[CallTask] = []
    equal: dict[str, CallTask] = {}
    for invocation, work in zip(invocations, works, strict=True):
        key = f"{invocation.name}:{invocation.arguments!r}"
        before = equal.get(key)
        equal[key] = task = in_background(work if before is None else _after(before, work))
        tasks.append(task)
    return tasks


async def _in_turn(
    gate: asyncio.Semaphore, round_: Round, invocation: Invocation, *, has_begun: bool
) -> tuple[ToolOutcome, float]:
    """Run one call once fewer run than may at once."""
    async with gate:
        return await run_call(round_, invocation, has_begun=has_begun)


async def _after(
    before: CallTask, work: Coroutine[Any, Any, tuple[ToolOutcome, float]]
) -> tuple[ToolOutcome, float]:
    """Do the work once another call has ended, however it did."""
    try:
        await asyncio.wait([before])
    except BaseException:
        work.close()
        raise
    return await work


async def _keep(round_: Round, tasks: Collection[CallTask]) -> None:
    """Stop these calls, and give `log.run` the results of those that had ended, and how far agents
    had come that were stopped before their end.
    """
    for task in tasks:
        task.cancel()
    if tasks:
        grace = round_.context.services.fetcher.policy.grace
        await asyncio.wait(tasks, timeout=_STOP_SECONDS + grace)
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is None:
            _take(round_, [task], {})
    for invocation, sub in round_.broken_off:
        run = await broken_off(round_.so_far, invocation, sub, round_.context, round_.log)
        round_.log.run = run
