"""Runs the tool calls of a round: at once, each with its time-out, sync functions in threads. An
error of a tool is no error of the run: it goes back to the model as the call's result."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, cast

from agentkit._log import logger
from agentkit._redact import redacted
from agentkit.errors import AgentkitError, HookFailed
from agentkit.events import InvocationProgress, InvocationStarted
from agentkit.hooks import after_call
from agentkit.loop import approvals
from agentkit.loop.context import RunContext
from agentkit.loop.delegate import MAX_DEPTH, Delegation, Relay, SubAgent, TooDeep
from agentkit.loop.prepare import is_agent, needs_approval, nested_in
from agentkit.loop.tool_results import (
    ToolOutcome,
    ToolOutput,
    applied,
    broken_off,
    done,
    failed,
    waiting,
    with_replaced_result,
)
from agentkit.run import Call, Run
from agentkit.run.step import CLOSING_SHARE
from agentkit.stream import EventLog
from agentkit.tools import BadArguments, Context, Progress, Tool, ToolResultError
from agentkit.tools.threads import in_thread
from agentkit.values import Image, Invocation, replace

MAX_ERROR = 2000
_WAITS = (
    "the agent that was asked waits for a person, whom nobody can ask "
    "from here (Agent.as_tool passes it on)"
)


class Cancellation:
    """That of the task which drives a run. A tool or a hook that swallows it does not keep the run
    going; what was cancelled before the run began, as in the cleanup of a task, is not its own."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._before = self._task.cancelling() if self._task is not None else 0

    def check(self) -> None:
        """Raises `CancelledError`, if one has come."""
        if self._task is not None and self._task.cancelling() > self._before:
            raise asyncio.CancelledError


@dataclass(frozen=True, slots=True)
class Accepted:
    """A call whose arguments its tool takes."""

    invocation: Invocation
    tool: Tool[..., Any]
    arguments: dict[str, object]
    pictures: tuple[str, ...]
    """Handles of the pictures among its arguments."""


@dataclass(frozen=True, slots=True)
class Round:
    """What the calls of one round have in common: the run as it was when they began, and all live
    things.
    """

    run: Run
    context: RunContext
    log: EventLog
    gate: asyncio.Semaphore
    until: float
    """When the time for them is over, by `time.monotonic`."""
    images: Mapping[str, Image]
    errand: Delegation
    """What an agent that is called may use."""
    broken_off: list[tuple[Invocation, Run]] = field(default_factory=list[tuple[Invocation, Run]])
    """Agents that were stopped in the middle, and how far they had come."""

    @property
    def seconds_left(self) -> float:
        """Now, so that a call which had to queue is not given the time of those before it."""
        return self.until - time.monotonic()


async def call(
    run: Run, step: Call, context: RunContext, log: EventLog, *, seconds_left: float
) -> Run:
    """The run with these calls answered, in their order. What was done stays done if it is
    cancelled.

    Raises `HookFailed` with the run, once all calls have ended.
    """
    for invocation in step.over:
        limit = "seconds" if run.seconds >= CLOSING_SHARE * run.limits.seconds else "tool_calls"
        run = applied(run, _over(invocation, limit), log)
    images = MappingProxyType({image.name: image for image in run.images})
    gate, errand = asyncio.Semaphore(run.limits.parallel), _errand(run, step, context, seconds_left)
    scene = Round(run, context, log, gate, time.monotonic() + seconds_left, images, errand)
    tasks = [asyncio.create_task(_one(scene, invocation)) for invocation in step.invocations]
    count, cancellation = 0, Cancellation()
    broken: HookFailed | None = None
    try:
        for task in tasks:
            ended, seconds = await task
            run, broken = applied(run, ended, log, seconds), broken or ended.broken
            count += 1
            cancellation.check()
    finally:
        try:
            await _stop(tasks[count:])
        finally:
            # Another cancellation came while they were stopped: what is done stays done.
            for ended, seconds in _ended_well(tasks[count:]):
                run = applied(run, ended, log, seconds)
            for invocation, sub in scene.broken_off:
                resumed = sub.status == "paused" or nested_in(run, invocation.id) is not None
                run = broken_off(run, invocation, sub, context.store, log)
                if resumed:  # what a person agreed to in it is not begun anew
                    run = waiting(run, invocation, sub)
            log.run = run
    if broken is not None:
        broken.run = run
        raise broken
    return run


async def _stop(tasks: Sequence[asyncio.Task[tuple[ToolOutcome, float]]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.gather(*tasks, return_exceptions=True)


def _ended_well(
    tasks: Sequence[asyncio.Task[tuple[ToolOutcome, float]]],
) -> list[tuple[ToolOutcome, float]]:
    return [
        task.result()
        for task in tasks
        if task.done() and not task.cancelled() and task.exception() is None
    ]


def _errand(run: Run, step: Call, context: RunContext, seconds_left: float) -> Delegation:
    """What the agents that are called in this round may use, together or each its share."""
    tools = (context.tools.functions.get(each.name) for each in step.invocations)
    agents = sum(tool is not None and isinstance(tool.function, SubAgent) for tool in tools)
    limits = run.limits
    tokens = (
        None
        if limits.output_tokens is None
        else max(limits.output_tokens - run.usage.output_tokens, 1)
    )
    share = max(limits.tool_calls - run.tool_calls, 0) // max(agents, 1)
    return Delegation(
        seconds_left, share, tokens, context.depth + 1, context.budget, context.deps, context.stream
    )


def _over(invocation: Invocation, limit: str) -> ToolOutcome:
    return ToolOutcome(
        replace(invocation, status="cancelled", error=f"not run: the limit of {limit} is reached")
    )


async def _one(scene: Round, invocation: Invocation) -> tuple[ToolOutcome, float]:
    """Run one call: how it ended, and the seconds it took. Whatever its function raises becomes the
    call's error.
    """
    async with scene.gate:
        if scene.seconds_left <= 0:
            return _over(invocation, "seconds"), 0.0
        clock = time.monotonic()
        started = replace(invocation, status="running", started_at=time.time())
        scene.log.tell(InvocationStarted(started))
        ended = await _ended(scene, started)
        seconds = time.monotonic() - clock
        logger().info(
            "invocation",
            run=scene.run.id,
            name=invocation.name,
            id=invocation.id,
            status=ended.invocation.status,
            seconds=round(seconds, 3),
        )
        return ended, seconds


async def _ended(scene: Round, started: Invocation) -> ToolOutcome:
    """How a call ends. Only a call that its tool does not take is `rejected`: the same error from
    inside a tool, or a result in the same words, is the tool's own.
    """
    try:
        accepted = _accepted(scene, started)
    except BadArguments as error:
        refused = await failed(started, str(error), scene.context)
        ended = replace(refused, rejected=True)
    else:
        return await _run_or_failed(scene, accepted)
    return await _after(scene, ended, None) if scene.context.hooks else ended


async def _run_or_failed(scene: Round, accepted: Accepted) -> ToolOutcome:
    started, cause = accepted.invocation, None
    try:
        return await _executed(scene, accepted)
    except ToolResultError as error:
        words = str(error)
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        words = "the tool was cancelled from within"
    except (SystemExit, KeyboardInterrupt) as error:
        words = f"the tool tried to end the program ({type(error).__name__})"
    except Exception as error:  # noqa: BLE001 - a tool may raise anything
        words, cause = str(error) if isinstance(error, AgentkitError) else _said(error), error
        words = redacted(words)[:MAX_ERROR]
    ended = await failed(started, words, scene.context, cause)
    return await _after(scene, ended, None) if scene.context.hooks else ended


def _accepted(scene: Round, invocation: Invocation) -> Accepted:
    """The call with its tool and its checked arguments. Raises `BadArguments`."""
    run, context = scene.run, scene.context
    tool = context.tools.functions.get(invocation.name)
    if tool is None:
        raise BadArguments([_unknown(invocation.name, context)])
    used: list[str] = []

    def picture(handle: str) -> Image:
        image = run.image(handle)
        used.append(handle)
        return image

    given = invocation.arguments
    if given is None:
        arguments = tool.check(run.call(invocation.id).arguments, images=picture)
    else:
        arguments = tool.check(given, images=picture)
    return Accepted(invocation, tool, arguments, tuple(dict.fromkeys(used)))


async def _executed(scene: Round, accepted: Accepted) -> ToolOutcome:
    context = scene.context
    tool, invocation, arguments = accepted.tool, accepted.invocation, accepted.arguments
    _pass_the_gate(scene, tool, invocation, arguments)
    seconds = (
        min(scene.seconds_left, tool.timeout) if tool.timeout is not None else scene.seconds_left
    )
    value = ToolOutput.by(await _value(scene, tool, arguments, invocation, seconds))
    if (
        value.sub is not None
        and value.sub.status == "paused"
        and not isinstance(tool.function, SubAgent)
    ):
        value = replace(value, sub=replace(value.sub, status="limited"))
        stopped = await done(invocation, value, context, ())
        return replace(
            stopped,
            encoded=None,
            invocation=replace(stopped.invocation, status="failed", error=_WAITS),
        )
    ended = await done(invocation, value, context, accepted.pictures)
    paused = value.sub is not None and value.sub.status == "paused"
    return await _after(scene, ended, value.value) if context.hooks and not paused else ended


def _pass_the_gate(
    scene: Round, tool: Tool[..., Any], invocation: Invocation, arguments: Mapping[str, object]
) -> None:
    """The last gate before a call is run. Raises `ToolResultError` where a person has to agree and
    has not, or only once.
    """
    if tool.approve is False or (
        is_agent(tool) and nested_in(scene.run, invocation.id) is not None
    ):
        return
    question = scene.context.approved.get(scene.run.fingerprint(invocation))
    if question is None and needs_approval(tool, arguments):
        raise ToolResultError(
            "not run: this call needs the approval of a person, who was not asked; make it again"
        )
    if question is not None and not approvals.use(question):
        raise ToolResultError("not run: the approval of this call was used before")


async def _after(scene: Round, ended: ToolOutcome, value: object) -> ToolOutcome:
    """The end of a call as the hooks want it."""
    context, run = scene.context, scene.run
    tool_context = Context[Any](
        context.deps,
        ended.invocation,
        scene.images,
        run.messages,
        run.usage,
        scene.seconds_left,
        context.budget,
    )
    # The tool was run, and may have been paid for: it is not run again.
    try:
        replaced = await after_call(context.hooks, tool_context, value)
        return ended if replaced is None else await with_replaced_result(ended, replaced, context)
    except HookFailed as error:
        return replace(ended, broken=error)
    except asyncio.CancelledError:
        return replace(ended, broken=HookFailed("a hook (after_call) was cancelled before its end"))


def _unknown(name: str, context: RunContext) -> str:
    if any(
        name in {server.name, server.name.removeprefix("openrouter:")}
        for server in context.tools.server
    ):
        return f"{name!r} is a server tool: it is not called as a function"
    return f"there is no tool {name!r}; there is: {', '.join(context.tools.functions) or 'none'}"


async def _value(
    scene: Round,
    tool: Tool[..., Any],
    arguments: dict[str, object],
    invocation: Invocation,
    seconds: float,
) -> object:
    function: Callable[..., Any] = tool.function
    if isinstance(function, SubAgent):
        return await _delegated(scene, function, arguments, invocation, seconds)
    if tool.takes_context:
        run, context = scene.run, scene.context
        function = partial(
            function,
            Context[Any](
                context.deps,
                invocation,
                scene.images,
                run.messages,
                run.usage,
                seconds,
                scene.errand.budget,
            ),
        )
    clock = asyncio.timeout(seconds)
    try:
        async with clock:
            if tool.is_generator:
                return await _generated(function(**arguments), invocation, scene.log)
            if tool.is_async:
                return await function(**arguments)
            tool_context = contextvars.copy_context()
            return await in_thread(lambda: tool_context.run(function, **arguments))
    except TimeoutError:
        if not clock.expired():
            raise  # the tool's own
        raise ToolResultError(_overdue(tool, seconds)) from None


def _overdue(tool: Tool[..., Any], seconds: float) -> str:
    """A coroutine is cancelled; a thread cannot be stopped, only waited for no longer."""
    limit = (
        f"its time-out of {seconds:g} s"
        if tool.timeout == seconds
        else "the time that the run had left"
    )
    stopped = tool.is_async or tool.is_generator
    end = "was stopped" if stopped else "was given up (its thread may still be running)"
    return f"the tool took longer than {limit} and {end}"


def _said(error: Exception) -> str:
    words = str(error)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


async def _delegated(
    scene: Round,
    agent: SubAgent,
    arguments: dict[str, object],
    invocation: Invocation,
    seconds: float,
) -> object:
    """The answer of an agent. Its own limits end it in time, so that what it has spent and drawn is
    known.
    """
    if scene.context.depth >= MAX_DEPTH:
        raise TooDeep(
            f"not run: agents call one another more than {MAX_DEPTH} deep; "
            f"do this without {invocation.name}"
        )
    errand = replace(scene.errand, seconds=seconds)
    if (nested := nested_in(scene.run, invocation.id)) is not None:
        approve, results = scene.context.inner.get(invocation.id, ({}, {}))
        errand = replace(errand, paused=nested, approve=approve, results=results)
    relay = Relay(invocation, scene.log)
    prompt = [
        cast("str", arguments["prompt"]),
        *cast("list[Image]", arguments.get("pictures") or []),
    ]
    try:
        return await agent.work(prompt, errand, relay)
    except asyncio.CancelledError:
        if relay.run is not None:
            scene.broken_off.append((invocation, relay.run))
        raise


async def _generated(generator: Any, invocation: Invocation, log: EventLog) -> object:
    """The last value that is no `Progress` is the result; others before it are told as progress
    too.
    """
    nothing = object()
    result: object = nothing
    try:
        async for item in generator:
            if isinstance(item, Progress):
                log.tell(InvocationProgress(invocation, item.message))
                continue
            if result is not nothing:
                log.tell(InvocationProgress(invocation, str(result)))
            result = cast("object", item)
    finally:
        await generator.aclose()
    return None if result is nothing else result
