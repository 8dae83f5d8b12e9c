"""What happens between a reply that asks for tools and the tools: the tools of this turn, the
arguments of each call, the hooks, and the calls that wait for a person."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from inspect import isawaitable
from types import MappingProxyType
from typing import Any, Literal

from agentkit._log import logger
from agentkit.answer import with_run
from agentkit.errors import HookFailed, UsageError
from agentkit.events import InvocationFinished
from agentkit.hooks import Asking, after_reply, before_call, before_request
from agentkit.loop import approvals
from agentkit.loop.context import Kit
from agentkit.loop.delegate import SubAgent
from agentkit.run import Run, Waiting
from agentkit.run.step import room
from agentkit.stream import EventLog
from agentkit.tools import BadArguments, Context, Denied, Tool, parse_arguments
from agentkit.tools.toolset import AnyTool
from agentkit.values import Invocation, Text, ToolResult, grown

_NO_CALL = Invocation("", "")


async def equipped(run: Run, kit: Kit, *, seconds_left: float, asks: bool = True) -> Kit:
    """The kit for what comes next: with the tools that functions make for it, and, before a
    request, as the hooks want it.

    Raises `HookFailed` with the run.
    """
    try:
        if kit.tools.makers:
            kit = replace(kit, tools=kit.tools.with_made(await _made(run, kit, seconds_left)))
        if kit.hooks and asks:
            asking = await before_request(
                kit.hooks, Asking(run, kit.instructions, kit.settings, kit.deps)
            )
            kit = replace(kit, instructions=asking.instructions, settings=asking.settings)
    except HookFailed as error:
        error.run = run
        raise
    except UsageError as error:
        raise with_run(HookFailed(str(error)), run) from error
    return kit


async def _made(run: Run, kit: Kit, seconds_left: float) -> list[AnyTool]:
    images = MappingProxyType({image.name: image for image in run.images})
    context = Context[Any](
        kit.deps, _NO_CALL, images, run.messages, run.usage, seconds_left, kit.budget
    )
    tools: list[AnyTool] = []
    for maker in kit.tools.makers:
        try:
            given = maker.function(context)
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


async def replied(run: Run, kit: Kit) -> None:
    """Tell the hooks of the reply that the run now ends with. Raises `HookFailed` with the run."""
    if not kit.hooks:
        return
    reply = next(message for message in reversed(run.messages) if message.role == "assistant")
    try:
        await after_reply(kit.hooks, Asking(run, kit.instructions, kit.settings, kit.deps), reply)
    except HookFailed as error:
        error.run = run
        raise


async def prepared(run: Run, kit: Kit, log: EventLog, *, seconds_left: float) -> Run:
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
        tool = kit.tools.functions.get(invocation.name)
        if invocation.arguments is None:
            try:
                arguments = parse_arguments(call.arguments)
            except BadArguments:
                continue  # told to the model when the call is made
            invocation = grown(invocation, arguments=arguments)  # noqa: PLW2901
            if tool is not None and kit.hooks:
                try:
                    run, seen = await _hooked(run, invocation, tool, kit, log, seconds_left)
                except HookFailed as error:
                    error.run = run.with_invocation(*read)
                    raise
                if seen is None:
                    continue
                invocation = seen  # noqa: PLW2901
            read.append(invocation)
        if tool is not None:
            run = _held(run, invocation, tool, kit)
    log.run = run = run.with_invocation(*read)
    return run


def _held(run: Run, invocation: Invocation, tool: Tool[..., Any], kit: Kit) -> Run:
    if invocation.id in kit.inner or any(each.call_id == invocation.id for each in run.waiting):
        return run
    if is_agent(tool) and (nested := nested_in(run, invocation.id)) is not None:
        why: Literal["agent", "result", "approval"] | None = "agent" if nested.waiting else None
    elif not tool.external and tool.approve is False:
        why = None
    elif invocation.id not in {each.id for each in run.pending[: room(run)]}:
        why = None  # beyond a limit: nobody is asked about a call that will not be run
    elif tool.external:
        why = "result"
    else:
        why = "approval" if _is_asked_for(run, invocation, tool, kit) else None
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
    return Waiting(invocation.id, why, run.seal(invocation, nonce), nonce)


def _is_asked_for(run: Run, invocation: Invocation, tool: Tool[..., Any], kit: Kit) -> bool:
    """Whether a person is asked. A call that does not fit is not shown to a person: it will
    fail.
    """
    question = kit.approved.get(run.seal(invocation))
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
    kit: Kit,
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
    for hook in (each.before_call for each in kit.hooks if each.before_call is not None):
        context = Context[Any](
            kit.deps, invocation, images, run.messages, run.usage, seconds_left, kit.budget
        )
        try:
            verdict = await before_call(hook, context)
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
