"""One tool call, from the arguments that the model wrote to its outcome. Sync functions run in
threads, and each call has its time-out.

An error of a tool is no error of the run: the model gets it as the result of the call.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from inspect import isasyncgen, isawaitable
from typing import Any, cast

from agentkit._log import logger
from agentkit._redact import redacted
from agentkit.errors import AgentkitError, HookFailed
from agentkit.events import InvocationProgress, InvocationStarted
from agentkit.hooks import after_call
from agentkit.loop.approvals import use_approval
from agentkit.loop.context import RunContext
from agentkit.loop.decisions import Decisions
from agentkit.loop.delegate import (
    MAX_DEPTH,
    Delegation,
    Relay,
    SubAgent,
    TooDeep,
    is_agent,
    nested_in,
)
from agentkit.loop.tool_results import (
    ToolOutcome,
    ToolOutput,
    asking,
    done,
    failed,
    not_run,
    undecided,
    with_replaced_result,
)
from agentkit.openrouter.stored_call import Undecided
from agentkit.run import Run
from agentkit.stream import EventLog
from agentkit.tools import BadArguments, Progress, Tool, ToolResultError
from agentkit.tools.asking import Answers, NeedsAnswer
from agentkit.tools.threads import in_thread
from agentkit.values import File, Image, Invocation, fast_init, replace

MAX_ERROR = 2000
"""Characters of a tool's error that the model is told."""
_WAITS = (
    "the agent that was asked waits for a person, whom nobody can ask "
    "from here (Agent.as_tool passes it on)"
)


@fast_init
@dataclass(frozen=True, slots=True)
class Round:
    """What the calls of one reply share."""

    run: Run
    """The run as it was when they began."""
    context: RunContext
    log: EventLog
    until: float
    """When their time is over, by the clock of the event loop."""
    invocations: tuple[Invocation, ...]
    """The calls, those that are not run included."""
    broken_off: list[tuple[Invocation, Run]] = field(default_factory=list[tuple[Invocation, Run]])
    """Agents that were stopped before their end, and how far they had come."""

    @property
    def so_far(self) -> Run:
        """The run as far as it has come."""
        return self.log.run or self.run

    @property
    def seconds_left(self) -> float:
        """The time left now: a call that had to queue has less than those before it."""
        return self.until - asyncio.get_running_loop().time()


@fast_init
@dataclass(frozen=True, slots=True)
class Accepted:
    """A call whose arguments its tool takes."""

    invocation: Invocation
    tool: Tool[..., Any]
    arguments: dict[str, object]
    pictures: tuple[str, ...]
    """Handles of the pictures among its arguments."""


def begun_now(invocation: Invocation) -> Invocation:
    """The call as it is while it runs."""
    return replace(invocation, status="running", started_at=time.time(), question=None)


async def run_call(
    round_: Round, invocation: Invocation, *, has_begun: bool = False
) -> tuple[ToolOutcome, float]:
    """Run one call: how it ended, and the seconds it took. `has_begun`: the run has it as one that
    runs.
    """
    if round_.seconds_left <= 0:
        return not_run(invocation, "seconds"), 0.0
    now = asyncio.get_running_loop().time
    began = now()
    started = invocation
    if not has_begun:
        started = begun_now(invocation)
        round_.log.run = round_.so_far.with_invocation(started)
    if round_.log.is_heard:
        round_.log.tell(InvocationStarted(started))
    ended = await _ended(round_, started)
    seconds = now() - began
    logger().info(
        "invocation",
        run=round_.run.id,
        tool=invocation.name,
        id=invocation.id,
        status=ended.invocation.status,
        seconds=round(seconds, 3),
    )
    return ended, seconds


async def _ended(round_: Round, started: Invocation) -> ToolOutcome:
    """How a call ends. Only a call that its tool does not take is `rejected`: the same error from
    inside a tool, or a result in the same words, is the tool's own.
    """
    try:
        accepted = _accepted(round_, started)
    except BadArguments as error:
        ended = await failed(started, str(error), round_.context)
        ended = replace(ended, rejected=True)
    else:
        return await _executed_or_failed(round_, accepted)
    return await _after(round_, ended, None)


def _accepted(round_: Round, invocation: Invocation) -> Accepted:
    """The call with its tool and its checked arguments. Raises `BadArguments`."""
    run, context = round_.run, round_.context
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
        arguments = tool.check(run.call(invocation.id).arguments, images=picture, files=run.file)
    else:
        arguments = tool.check(given, images=picture, files=run.file)
    return Accepted(invocation, tool, arguments, tuple(dict.fromkeys(used)))


def _unknown(name: str, context: RunContext) -> str:
    for server in context.tools.server:
        if name in {server.name, server.name.removeprefix("openrouter:")}:
            return f"{name!r} is a server tool: it is not called as a function"
    return f"there is no tool {name!r}; there is: {', '.join(context.tools.functions) or 'none'}"


async def _executed_or_failed(round_: Round, accepted: Accepted) -> ToolOutcome:
    """How an accepted call ends. Whatever its function raises becomes the call's error."""
    started, cause = accepted.invocation, None
    try:
        return await _executed(round_, accepted)
    except Undecided as error:
        return await undecided(started, error, round_.context)
    except NeedsAnswer as needed:
        return asking(round_.run, started, needed)
    except ToolResultError as error:
        words = str(error)
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        words = "the tool was cancelled from within"
    except (SystemExit, KeyboardInterrupt) as error:
        words = f"the tool tried to end the program ({type(error).__name__})"
    except Exception as error:  # noqa: BLE001 - a tool may raise anything
        cause = error
        words = str(error) if isinstance(error, AgentkitError) else _described(error)
        words = redacted(words)[:MAX_ERROR]
    ended = await failed(started, words, round_.context, cause)
    return await _after(round_, ended, None)


def _described(error: Exception) -> str:
    words = str(error)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


async def _executed(round_: Round, accepted: Accepted) -> ToolOutcome:
    context, invocation, tool = round_.context, accepted.invocation, accepted.tool
    use_approval(round_.run, context, tool, invocation, accepted.arguments)
    seconds = round_.seconds_left
    if tool.timeout is not None:
        seconds = min(seconds, tool.timeout)
    output = ToolOutput.by(await _value(round_, accepted, seconds))
    is_paused = output.sub is not None and output.sub.status == "paused"
    if is_paused and not isinstance(tool.function, SubAgent):
        return await _waits_in_vain(invocation, output, context)
    ended = await done(invocation, output, context, accepted.pictures, is_image=tool.returns_image)
    return ended if is_paused else await _after(round_, ended, output.value)


async def _waits_in_vain(
    invocation: Invocation, output: ToolOutput, context: RunContext
) -> ToolOutcome:
    """A function ran an agent by itself, and that agent waits for a person. What it spent and drew
    counts.
    """
    sub = None if output.sub is None else replace(output.sub, status="limited")
    ended = await done(invocation, replace(output, sub=sub), context, ())
    stopped = replace(ended.invocation, status="failed", error=_WAITS)
    return replace(ended, encoded=None, invocation=stopped)


async def _after(round_: Round, ended: ToolOutcome, value: object) -> ToolOutcome:
    """The end of a call as the hooks want it."""
    context = round_.context
    if not context.services.hooks:
        return ended
    told = context.tool_context(round_.run, ended.invocation, round_.seconds_left)
    # The tool was run, and may have been paid for: it is not run again.
    try:
        replaced = await after_call(context.services.hooks, told, value)
        return ended if replaced is None else await with_replaced_result(ended, replaced, context)
    except HookFailed as error:
        return replace(ended, broken=error)
    except asyncio.CancelledError:
        return replace(ended, broken=HookFailed("a hook (after_call) was cancelled before its end"))


async def _value(round_: Round, accepted: Accepted, seconds: float) -> object:
    """What the function of the tool gives. Raises `ToolResultError` when its time is over."""
    tool, invocation, arguments = accepted.tool, accepted.invocation, accepted.arguments
    function: Callable[..., Any] = tool.function
    if isinstance(function, SubAgent):
        return await _delegated(round_, function, accepted, seconds)
    if tool.takes_context:
        answers = Answers(round_.run.asked_by(invocation.id))
        context = round_.context.tool_context(round_.run, invocation, seconds, answers)
        function = partial(function, context)
    clock = asyncio.timeout(seconds)
    in_a_thread = not tool.is_async and not tool.is_generator
    try:
        async with clock:
            if in_a_thread:
                variables = contextvars.copy_context()
                value = await in_thread(lambda: variables.run(function, **arguments))
            else:
                value = function(**arguments)
            in_a_thread = False
            return await _awaited(value, invocation, round_.log)
    except TimeoutError:
        if not clock.expired():
            raise  # the tool's own
        raise ToolResultError(_overdue(tool, seconds, stopped=not in_a_thread)) from None


async def _awaited(value: object, invocation: Invocation, log: EventLog) -> object:
    """What came of a value that a function returned: the function may be async, or a plain one
    around an async one, such as a decorator makes.
    """
    while not isinstance(value, str) and isawaitable(value):
        value = await value
    return await _generated(value, invocation, log) if isasyncgen(value) else value


def _overdue(tool: Tool[..., Any], seconds: float, *, stopped: bool) -> str:
    """A coroutine is cancelled; a thread cannot be stopped, only waited for no longer."""
    is_own = tool.timeout == seconds
    limit = f"its time-out of {seconds:g} s" if is_own else "the time that the run had left"
    end = "was stopped" if stopped else "was given up (its thread may still be running)"
    return f"the tool took longer than {limit} and {end}"


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


def _delegation(round_: Round, seconds: float) -> Delegation:
    """What an agent that is called in this round may use: all of it together with the others, but
    of the tool calls its share.
    """
    run, context, services = round_.run, round_.context, round_.context.services
    limits, names = run.limits, context.tools.functions
    tools = [names[each.name] for each in round_.invocations if each.name in names]
    agents = sum(is_agent(tool) for tool in tools)
    tokens: int | None = None
    if limits.output_tokens is not None:
        tokens = max(limits.output_tokens - run.usage.output_tokens, 1)
    share = max(limits.tool_calls - run.tool_calls, 0) // max(agents, 1)
    return Delegation(
        seconds,
        share,
        tokens,
        services.depth + 1,
        context.budget,
        services.deps,
        services.stream,
    )


async def _delegated(round_: Round, agent: SubAgent, accepted: Accepted, seconds: float) -> object:
    """The answer of an agent. Its own limits end it in time, so that what it has spent and drawn is
    known.
    """
    context, invocation, arguments = round_.context, accepted.invocation, accepted.arguments
    if context.services.depth >= MAX_DEPTH:
        raise TooDeep(
            f"not run: agents call one another more than {MAX_DEPTH} deep; "
            f"do this without {invocation.name}"
        )
    calls = None
    if context.calls is not None:
        calls = context.calls.within(round_.run.turns, invocation.id)
    delegation = replace(_delegation(round_, seconds), calls=calls)
    if (nested := nested_in(round_.run, invocation.id)) is not None:
        decisions = context.approvals.nested.get(invocation.id, Decisions())
        delegation = replace(delegation, begun=nested, decisions=decisions)
    relay = Relay(invocation, round_.log)
    pictures = cast("list[Image]", arguments.get("pictures") or [])
    files = cast("list[File]", arguments.get("files") or [])
    prompt = [cast("str", arguments["prompt"]), *pictures, *files]
    try:
        return await agent.work(prompt, delegation, relay)
    except asyncio.CancelledError:
        if relay.run is not None:
            round_.broken_off.append((invocation, relay.run))
        raise
