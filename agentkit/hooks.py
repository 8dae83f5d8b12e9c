"""Hooks: plain functions of the user that a run calls before and after each request to the model
and each tool call.

    def no_mail_at_night(context: Context) -> Denied | None:
        if context.invocation.name == "send_mail" and datetime.now().hour < 7:
            return Denied("not before seven")

    Agent(…, hooks=Hooks(before_call=no_mail_at_night))

A hook may be async. One that is not runs on the event loop, so it must not block. `hooks=[a, b]`
nests them: `a` runs first before a step, and last after it. A hook that raises stops the run with
`HookFailed`, whose `run` has all that had arrived.

No hook can change what was said, spent or drawn. A request that is repeated does not call the hooks
again. A request with other tools, because OpenRouter refused its server tool
(`ImageGeneration(fallback=…)`), is a new request and does.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from agentkit._check import argument, refused
from agentkit.errors import HookFailed
from agentkit.settings import ModelSettings
from agentkit.tools import Context, Denied
from agentkit.values import Message

if TYPE_CHECKING:
    from agentkit.run import Run

__all__ = ["Asking", "Hooks"]


@dataclass(frozen=True, slots=True)
class Asking:
    """How the model is about to be asked. A hook returns a changed copy:
    `replace(asking, instructions=…, settings=…)`.
    """

    run: Run
    """The run so far, to look at."""
    instructions: str
    """What the model is told first."""
    settings: ModelSettings
    """How the model is asked."""
    deps: Any = None
    """What the caller passed to the run."""


BeforeRequest = Callable[[Asking], Asking | Awaitable[Asking | None] | None]
AfterReply = Callable[[Asking, Message], object]
BeforeCall = Callable[
    [Context[Any]], Mapping[str, Any] | Denied | Awaitable[Mapping[str, Any] | Denied | None] | None
]
AfterCall = Callable[[Context[Any], object], object]


@dataclass(frozen=True, slots=True)
class Hooks:
    """Functions that are called at four points of a run. Each may be async, and returns None if it
    changes nothing. One that raises stops the run with `HookFailed`.

        before_request(asking: Asking) -> Asking | None
        after_reply(asking: Asking, reply: Message) -> None
        before_call(context: Context) -> Mapping[str, Any] | Denied | None
        after_call(context: Context, result: object) -> object | None

    `Denied("why")` of `before_call` means that the call is not run.
    """

    before_request: BeforeRequest | None = None
    """`before_request(asking)` is called before each request to the model. It may return
    `replace(asking, instructions=…, settings=…)`, which holds for this request alone.
    """
    after_reply: AfterReply | None = None
    """`after_reply(asking, reply)` is called after each reply, which `asking.run` has already. It
    only looks: what it returns is ignored.
    """
    before_call: BeforeCall | None = None
    """`before_call(context)` is called before each tool call, and before a person is asked.
    `context.invocation` has the name, the id and the arguments. It may return a mapping of all
    arguments (JSON values by name), which are checked again and are what the person sees; or
    `Denied("why")`, and the call is not run.
    """
    after_call: AfterCall | None = None
    """`after_call(context, result)` is called after each tool call that ran. `result` is what the
    function returned; None if it failed, and then `context.invocation.error` says why. It may
    return what the model is told instead. Pictures and costs of the old result stay.
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            hook: object = getattr(self, field.name)
            if hook is not None and not callable(hook):
                accepted = "is a function, sync or async, or None"
                raise refused(argument("Hooks", field.name), hook, accepted)


def hooks_of(given: object) -> tuple[Hooks, ...]:
    """What a user gave as `hooks=`. Raises `UsageError`."""
    if given is None or isinstance(given, Hooks):
        return (given,) if given is not None else ()
    each = tuple(cast("Iterable[object]", given)) if isinstance(given, Iterable) else (given,)
    for one in each:
        if not isinstance(one, Hooks):
            raise refused("Agent(hooks={!r})", one, "are Hooks(…), and a list of them")
    return cast("tuple[Hooks, ...]", each)


async def before_request(hooks: tuple[Hooks, ...], asking: Asking) -> Asking:
    """How the model is asked, once each hook has had its say."""
    for each in hooks:
        if each.before_request is not None:
            given = await _called("before_request", each.before_request, asking)
            if isinstance(given, Asking):
                asking = Asking(asking.run, given.instructions, given.settings, asking.deps)
                if not isinstance(asking.instructions, str) or not isinstance(
                    asking.settings, ModelSettings
                ):
                    raise _misfit(
                        "before_request",
                        asking,
                        "instructions as text, and settings as ModelSettings",
                    )
            elif given is not None:
                raise _misfit(
                    "before_request", given, "None, or the Asking it was given with other values"
                )
    return asking


async def after_reply(hooks: tuple[Hooks, ...], asking: Asking, reply: Message) -> None:
    for each in reversed(hooks):
        if each.after_reply is not None:
            await _called("after_reply", each.after_reply, asking, reply)


async def before_call(hook: BeforeCall, context: Context[Any]) -> dict[str, Any] | Denied | None:
    """What one hook says of a call."""
    given = await _called("before_call", hook, context)
    if given is None or isinstance(given, Denied):
        return given
    if isinstance(given, Mapping):
        arguments = cast("Mapping[object, Any]", given)
        return {str(name): value for name, value in arguments.items()}
    raise _misfit("before_call", given, "None, a mapping of arguments, and Denied('why')")


async def after_call(hooks: tuple[Hooks, ...], context: Context[Any], result: object) -> object:
    """What stands for the result, or None where no hook gave anything."""
    replaced: object = None
    for each in reversed(hooks):
        if each.after_call is not None:
            given = await _called(
                "after_call", each.after_call, context, result if replaced is None else replaced
            )
            replaced = replaced if given is None else given
    return replaced


async def _called(point: str, hook: Callable[..., object], *args: object) -> object:
    try:
        given = hook(*args)
        return await cast("Awaitable[object]", given) if inspect.isawaitable(given) else given
    except Exception as error:
        raise HookFailed(
            f"the hook {_name(hook)} ({point}) raised {type(error).__name__}: {str(error)[:500]}"
        ) from error


def _misfit(point: str, given: object, accepted: str) -> HookFailed:
    return HookFailed(f"a hook ({point}) answered {given!r:.200}: accepted are {accepted}")


def _name(hook: Callable[..., object]) -> str:
    return getattr(hook, "__name__", type(hook).__name__)
