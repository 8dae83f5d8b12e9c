"""The user's own functions around a request and its tool calls: hooks, and functions that make
tools.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any

from agentkit.answer import with_run
from agentkit.errors import HookFailed, UsageError
from agentkit.hooks import Asking, after_reply, before_call, before_request
from agentkit.loop.context import RunContext
from agentkit.loop.tool_results import denied
from agentkit.run import Run
from agentkit.stream import EventLog
from agentkit.tools import BadArguments, Context, Denied, Tool, parse_arguments
from agentkit.tools.toolset import AnyTool
from agentkit.values import Invocation, replace

_NO_CALL = Invocation("", "")


@contextmanager
def _stops(run: Run, parsed: Sequence[Invocation] = ()) -> Generator[None, None, None]:
    """An error of the user's function stops the run: it becomes a `HookFailed` that has the run,
    and in it the calls that were parsed.
    """
    try:
        yield
    except HookFailed as error:
        error.run = run.with_invocation(*parsed)
        raise
    except UsageError as error:
        raise with_run(HookFailed(str(error)), run.with_invocation(*parsed)) from error


async def with_made_tools(run: Run, context: RunContext, *, seconds_left: float) -> RunContext:
    """The context with the tools that the user's functions make for what comes next. Raises
    `HookFailed` with the run.
    """
    tool_context = context.tool_context(run, _NO_CALL, seconds_left)
    made: list[AnyTool] = []
    with _stops(run):
        for maker in context.tools.makers:
            made += maker.tools(await _made_by(maker.function, tool_context))
        return replace(context, tools=context.tools.with_made(made))


async def _made_by(function: Callable[..., object], tool_context: Context[Any]) -> object:
    try:
        given = function(tool_context)
        return await given if isawaitable(given) else given
    except Exception as error:
        name = getattr(function, "__name__", type(function).__name__)
        raise HookFailed(
            f"Toolset({name}): the function raised {type(error).__name__}: "
            f"{str(error)[:500]}; nothing was sent"
        ) from error


async def as_hooks_want(run: Run, context: RunContext) -> RunContext:
    """The context for the next request, once each hook has had its say. Raises `HookFailed` with
    the run.
    """
    with _stops(run):
        asking = await before_request(context.services.hooks, _asking(run, context))
    return replace(context, instructions=asking.instructions, settings=asking.settings)


async def show_reply(run: Run, context: RunContext) -> None:
    """Show the hooks the reply that the run now ends with. Raises `HookFailed` with the run."""
    if not context.services.hooks:
        return
    reply = next(
        message for message in reversed(run.shared_messages) if message.role == "assistant"
    )
    with _stops(run):
        await after_reply(context.services.hooks, _asking(run, context), reply)


def _asking(run: Run, context: RunContext) -> Asking:
    return Asking(run, context.instructions, context.settings, context.services.deps)


async def with_parsed_calls(
    run: Run, context: RunContext, log: EventLog, *, seconds_left: float
) -> Run:
    """The run with the arguments of its new calls parsed, and seen by the hooks.

    A call that has arguments already was seen before. Raises `HookFailed` with the run.
    """
    calls = {call.id: call for call in run.shared_messages.last.calls}
    parsed: list[Invocation] = []
    for invocation in run.pending:
        call = calls.get(invocation.id)
        if call is None or invocation.arguments is not None:
            continue  # it belongs to an agent that waits, as this run does; or it was seen before
        tool = context.tools.functions.get(invocation.name)
        parse = parse_arguments if tool is None else tool.parse
        try:
            arguments = parse(call.arguments)
        except BadArguments:
            continue  # told to the model when the call is made
        new, refusal = replace(invocation, arguments=arguments), None
        if tool is not None and context.services.hooks:
            with _stops(run, parsed):
                new, refusal = await _seen_by_hooks(run, new, tool, context, seconds_left)
        if refusal is None:
            parsed.append(new)
        else:
            run = denied(run, new, f"not run: {refusal.reason}", refusal.reason, log)
    log.run = run = run.with_invocation(*parsed)
    return run


async def _seen_by_hooks(
    run: Run,
    invocation: Invocation,
    tool: Tool[..., Any],
    context: RunContext,
    seconds_left: float,
) -> tuple[Invocation, Denied | None]:
    """The call as the hooks want it, and their refusal, if any. They do not see a call whose
    arguments do not fit.
    """
    try:
        tool.check(invocation.arguments or {}, images=run.image, files=run.file)
    except BadArguments:
        return invocation, None
    for hook in (
        each.before_call for each in context.services.hooks if each.before_call is not None
    ):
        verdict = await before_call(hook, context.tool_context(run, invocation, seconds_left))
        if isinstance(verdict, Denied):
            return invocation, verdict
        if verdict is not None:
            try:
                tool.check(verdict, images=run.image, files=run.file)
            except BadArguments as error:
                raise HookFailed(
                    f"a hook (before_call) changed a call of {tool.name}: {error}"
                ) from error
            invocation = replace(invocation, arguments=verdict)
    return invocation, None
