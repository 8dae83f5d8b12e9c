"""What happens between a reply that asks for tools and the tools: the tools of this turn, the
arguments of each call, the hooks, and the calls that wait for a person."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from inspect import isawaitable
from types import MappingProxyType
from typing import Any, Literal

from agentkit._log import logger
from agentkit.answer import with_run
from agentkit.errors import HookFailed, UsageError
from agentkit.events import InvocationFinished
from agentkit.hooks import Asking, after_reply, before_call, before_request
from agentkit.loop import approvals
from agentkit.loop.context import RunContext
from agentkit.loop.delegate import SubAgent
from agentkit.run import Run, Waiting
from agentkit.run.step import calls_left
from agentkit.stream import EventLog
from agentkit.tools import BadArguments, Context, Denied, Tool, parse_arguments
from agentkit.tools.toolset import AnyTool
from agentkit.values import Invocation, Text, ToolResult, replace

_NO_CALL = Invocation("", "")


async def with_made_tools(
    run: Run, context: RunContext, *, seconds_left: float, asks: bool = True
) -> RunContext:
    """The context for what comes next: with the tools that functions make for it, and, before a
    request, as the hooks want it.

    Raises `HookFailed` with the run.
    """
    try:
        if context.tools.makers:
            context = replace(
                context, tools=context.tools.with_made(await _made(run, context, seconds_left))
            )
        if context.hooks and asks:
            asking = await before_request(
                context.hooks, Asking(run, context.instructions, context.settings, context.deps)
            )
            context = replace(context, instructions=asking.instructions, settings=asking.settings)
    except HookFailed as error:
        error.run = run
        raise
    except UsageError as error:
        raise with_run(HookFailed(str(error)), run) from error
    return context


async def _made(run: Run, context: RunContext, seconds_left: float) -> list[AnyTool]:
    images = MappingProxyType({image.name: image for image in run.images})
    tool_context = Context[Any](
        context.deps, _NO_CALL, images, run.messages, run.usage, seconds_left, context.budget
    )
    tools: list[AnyTool] = []
    for maker in context.tools.makers:
        try:
            given = maker.function(tool_context)
            made = await given if isawaitable(given) else given
        except Exception as error:
            name = getattr(maker.function, "__name__", type(maker.function).__name__)
            failure = HookFailed(
                f"Toolset({name}): the function raised {type(error).__name__}: "
                f"{str(error)[:500]}; nothing was sent"
            )
            raise with_run(failure, run) from error
        tools += maker.tools(made)
    return tools


async def replied(run: Run, context: RunContext) -> None:
    """Tell the hooks of the reply that the run now ends with. Raises `HookFailed` with the run."""
    if not context.hooks:
        return
    reply = next(message for message in reversed(run.messages) if message.role == "assistant")
    try:
        await after_reply(
            context.hooks, Asking(run, context.instructions, context.settings, context.deps), reply
        )
    except HookFailed as error:
        error.run = run
        raise


async def with_parsed_calls(
    run: Run, context: RunContext, log: EventLog, *, seconds_left: float
) -> Run:
    """The run with the arguments of its new calls read and seen by the hooks, and those calls held
    that wait for a person.

    A call whose `arguments` are not None was seen before; whether it waits is asked each time, so
    nothing that a saved run says lets a call pass. Raises `HookFailed` with the run.
    """
    calls = {call.id: call for call in run.messages[-1].calls}
    read: list[Invocation] = []
    for invocation in run.pending:
        call = calls.get(invocation.id)
        if call is None:  # of an agent that waits, as this run does
            continue
        tool = context.tools.functions.get(invocation.name)
        if invocation.arguments is None:
            try:
                arguments = parse_arguments(call.arguments)
            except BadArguments:
                continue  # told to the model when the call is made
            invocation = replace(invocation, arguments=arguments)  # noqa: PLW2901
            if tool is not None and context.hooks:
                try:
                    run, seen = await _hooked(run, invocation, tool, context, log, seconds_left)
                except HookFailed as error:
                    error.run = run.with_invocation(*read)
                    raise
                if seen is None:
                    continue
                invocation = seen  # noqa: PLW2901
            read.append(invocation)
        if tool is not None:
            run = _held(run, invocation, tool, context)
    log.run = run = run.with_invocation(*read)
    return run


def _held(run: Run, invocation: Invocation, tool: Tool[..., Any], context: RunContext) -> Run:
    if invocation.id in context.inner or any(each.call_id == invocation.id for each in run.waiting):
        return run
    if is_agent(tool) and (nested := nested_in(run, invocation.id)) is not None:
        why: Literal["agent", "result", "approval"] | None = "agent" if nested.waiting else None
    elif not tool.external and tool.approve is False:
        why = None
    elif invocation.id not in {each.id for each in run.pending[: calls_left(run)]}:
        why = None  # beyond a limit: nobody is asked about a call that will not be run
    elif tool.external:
        why = "result"
    else:
        why = "approval" if _is_asked_for(run, invocation, tool, context) else None
    return run if why is None else replace(run, waiting=(*run.waiting, asked(run, invocation, why)))


def nested_in(run: Run, call_id: str) -> Run | None:
    """The run of the agent that this call asked, where that has not ended."""
    return next((each.run for each in run.nested if each.call_id == call_id), None)


def is_agent(tool: Tool[..., Any]) -> bool:
    """Whether a call of it has a run of its own: what a saved run says of others counts for
    nothing.
    """
    return isinstance(tool.function, SubAgent)


def asked(run: Run, invocation: Invocation, why: Literal["agent", "result", "approval"]) -> Waiting:
    """A new question about this call."""
    nonce = secrets.token_hex(8)
    return Waiting(invocation.id, why, run.fingerprint(invocation, nonce), nonce)


def _is_asked_for(
    run: Run, invocation: Invocation, tool: Tool[..., Any], context: RunContext
) -> bool:
    """Whether a person is asked. A call that does not fit is not shown to a person: it will
    fail.
    """
    question = context.approved.get(run.fingerprint(invocation))
    # Used: some providers give an id to a second call.
    if question is not None and not approvals.is_used(question):
        return False
    try:
        arguments = tool.check(invocation.arguments or {}, images=run.image)
    except BadArguments:
        return False
    return needs_approval(tool, arguments)


def needs_approval(tool: Tool[..., Any], arguments: Mapping[str, object]) -> bool:
    """An approve function that breaks asks for approval: only a plain no lets a call pass."""
    try:
        return tool.needs_approval(arguments)
    except Exception as error:  # noqa: BLE001 - the user's own function
        logger().warning("approve_function_failed", tool=tool.name, error=str(error))
        return True


async def _hooked(
    run: Run,
    invocation: Invocation,
    tool: Tool[..., Any],
    context: RunContext,
    log: EventLog,
    seconds_left: float,
) -> tuple[Run, Invocation | None]:
    """The call as the hooks want it, or the run in which they refused it. They do not see a call
    that does not fit.
    """
    try:
        tool.check(invocation.arguments or {}, images=run.image)
    except BadArguments:
        return run, invocation
    images = MappingProxyType({image.name: image for image in run.images})
    for hook in (each.before_call for each in context.hooks if each.before_call is not None):
        tool_context = Context[Any](
            context.deps, invocation, images, run.messages, run.usage, seconds_left, context.budget
        )
        try:
            verdict = await before_call(hook, tool_context)
            if isinstance(verdict, Denied):
                return refused(
                    run, invocation, f"not run: {verdict.reason}", verdict.reason, log
                ), None
            if verdict is not None:
                tool.check(verdict, images=run.image)
                invocation = replace(invocation, arguments=verdict)
        except BadArguments as error:
            raise HookFailed(
                f"a hook (before_call) changed a call of {tool.name}: {error}"
            ) from error
    return run, invocation


def refused(run: Run, invocation: Invocation, words: str, reason: str, log: EventLog) -> Run:
    """The run with a call that is not run because someone said no."""
    ended = replace(invocation, status="denied", error=reason)
    log.tell(InvocationFinished(ended))
    return run.with_result(ended, ToolResult(ended.id, ended.name, (Text(words),), error=True))
