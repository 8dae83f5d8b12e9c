"""Runs the tool calls of a round: at once, each with its time-out, sync functions in threads. An error of a tool is no error
of the run: it goes back to the model as the call's result."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, cast

from agentkit.collect import ingest
from agentkit.errors import AgentkitError, ImageError
from agentkit.events import ImageReady, InvocationFinished, InvocationProgress, InvocationStarted
from agentkit.kit import Kit
from agentkit.log import logger
from agentkit.openrouter.guard import redacted
from agentkit.run import CLOSING_SHARE, Call, Run, Waiting
from agentkit.stream import EventLog
from agentkit.tools import (
    BadArguments,
    Context,
    Encoded,
    Progress,
    Tool,
    ToolResultError,
    encode_result,
    parse_arguments,
)
from agentkit.values import Image, Invocation, Text, ToolResult

MAX_ERROR = 2000


@dataclass(frozen=True, slots=True)
class Done:
    """How one call ended."""

    invocation: Invocation
    encoded: Encoded | None = None
    """Its result; None where it failed."""
    images: tuple[Image | None, ...] = ()
    """The pictures in the result, stored; None for one that could not be had."""
    parents: tuple[str, ...] = ()
    """Pictures that it was given."""


def prepared(run: Run, kit: Kit) -> Run:
    """The run with the arguments of its new calls read, and those calls held that a person has to decide on."""
    held: list[Waiting] = []
    for invocation in run.pending:
        if invocation.arguments is not None:
            continue
        call = run.call(invocation.id)
        tool = kit.tools.functions.get(call.name)
        try:
            arguments = parse_arguments(call.arguments)
        except BadArguments:
            continue  # told to the model when the call is made
        run = run.with_invocation(replace(invocation, arguments=arguments))
        if tool is None:
            continue
        if tool.external:
            held.append(Waiting(call.id, "result", run.seal(call)))
        elif _needs_approval(tool, arguments):
            held.append(Waiting(call.id, "approval", run.seal(call)))
    return replace(run, waiting=(*run.waiting, *held)) if held else run


def _needs_approval(tool: Tool[..., Any], arguments: dict[str, Any]) -> bool:
    """An approve function that breaks asks for approval: only a plain no lets a call pass."""
    try:
        return tool.needs_approval(arguments)
    except Exception as error:  # noqa: BLE001 - the user's own function
        logger().warning("approve_function_failed", tool=tool.name, error=str(error))
        return True


async def call(run: Run, step: Call, kit: Kit, log: EventLog, *, seconds_left: float) -> Run:
    """The run with these calls answered, in their order. What was done stays done if it is cancelled."""
    for invocation in step.over:
        limit = "seconds" if run.seconds >= CLOSING_SHARE * run.limits.seconds else "tool_calls"
        run = _over(run, invocation, f"not run: the limit of {limit} is reached", log)
    gate = asyncio.Semaphore(run.limits.parallel)
    tasks = [
        asyncio.create_task(_one(run, invocation, kit, log, gate, seconds_left)) for invocation in step.invocations
    ]
    count = 0
    try:
        for task in tasks:
            run = applied(run, await task, log)
            count += 1
    finally:
        for task in tasks[count:]:
            task.cancel()
        rest = await asyncio.gather(*tasks[count:], return_exceptions=True)
        for done in rest:
            if isinstance(done, Done):
                run = applied(run, done, log)
        log.run = run
    return run


def _over(run: Run, invocation: Invocation, why: str, log: EventLog) -> Run:
    ended = replace(invocation, status="cancelled", error=why)
    log.tell(InvocationFinished(ended))
    return run.with_result(ended, ToolResult(ended.id, ended.name, (Text(why),), error=True))


async def _one(
    run: Run, invocation: Invocation, kit: Kit, log: EventLog, gate: asyncio.Semaphore, seconds_left: float
) -> Done:
    """Run one call. Whatever its function raises becomes the call's error."""
    async with gate:
        began, clock = time.time(), time.monotonic()
        started = replace(invocation, status="running", started_at=began)
        log.tell(InvocationStarted(started))
        try:
            done = await _executed(run, started, kit, log, seconds_left)
        except (BadArguments, ToolResultError) as error:
            done = Done(replace(started, status="failed", error=str(error)))
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            done = Done(replace(started, status="failed", error="the tool was cancelled from within"))
        except (SystemExit, KeyboardInterrupt) as error:
            done = Done(
                replace(started, status="failed", error=f"the tool tried to end the program ({type(error).__name__})")
            )
        except TimeoutError:
            done = Done(
                replace(started, status="failed", error="the tool took longer than its time-out and was stopped")
            )
        except Exception as error:  # noqa: BLE001 - a tool may raise anything
            words = str(error) if isinstance(error, AgentkitError) else f"{type(error).__name__}: {error}"
            done = Done(replace(started, status="failed", error=redacted(words)[:MAX_ERROR]))
        seconds = time.monotonic() - clock
        logger().info(
            "invocation",
            run=run.id,
            name=invocation.name,
            id=invocation.id,
            status=done.invocation.status,
            seconds=round(seconds, 3),
        )
        return replace(done, invocation=replace(done.invocation, seconds=seconds))


async def _executed(run: Run, invocation: Invocation, kit: Kit, log: EventLog, seconds_left: float) -> Done:
    tool = kit.tools.functions.get(invocation.name)
    if tool is None:
        raise BadArguments([_unknown(invocation.name, kit)])
    given: list[str] = []

    def picture(handle: str) -> Image:
        image = run.image(handle)
        given.append(handle)
        return image

    arguments = tool.check(run.call(invocation.id).arguments, images=picture)
    timeout = min(seconds_left, tool.timeout) if tool.timeout is not None else seconds_left
    function: Callable[..., Any] = tool.function
    if tool.takes_context:
        images = {image.name: image for image in run.images}
        context = Context[Any](kit.deps, invocation, images, run.messages, run.usage, timeout)
        function = partial(function, context)
    async with asyncio.timeout(timeout):
        value = await _value(tool, function, arguments, invocation, log)
    encoded = encode_result(value)
    images_had = [await _stored(image, kit) for image in encoded.images]
    return Done(replace(invocation, status="completed"), encoded, tuple(images_had), tuple(dict.fromkeys(given)))


def _unknown(name: str, kit: Kit) -> str:
    if any(name in {server.name, server.name.removeprefix("openrouter:")} for server in kit.tools.server):
        return f"{name!r} is a server tool: it is not called as a function"
    return f"there is no tool {name!r}; there is: {', '.join(kit.tools.functions) or 'none'}"


async def _value(
    tool: Tool[..., Any],
    function: Callable[..., Any],
    arguments: dict[str, object],
    invocation: Invocation,
    log: EventLog,
) -> object:
    if tool.is_generator:
        return await _generated(function(**arguments), invocation, log)
    if tool.is_async:
        return await function(**arguments)
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_threads(), lambda: context.run(function, **arguments))


async def _generated(generator: Any, invocation: Invocation, log: EventLog) -> object:
    """The last value that is no `Progress` is the result; others before it are told as progress too."""
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


async def _stored(image: Image, kit: Kit) -> Image | None:
    try:
        return await ingest(image, kit.store, kit.fetcher)
    except ImageError as error:
        logger().warning("image_failed", place="tool", reason=str(error))
        return None


def applied(run: Run, done: Done, log: EventLog) -> Run:
    """The run with one call answered: its pictures named, its result told."""
    names: dict[str, Image] = {}
    fresh: list[Image] = []
    for given, stored in zip(done.encoded.images if done.encoded else (), done.images, strict=True):
        if stored is None:
            continue
        known = given.name != "" and any(image.sha256 == stored.sha256 for image in run.images)
        marked = stored if known else replace(stored, name="", invocation_id=done.invocation.id, parents=done.parents)
        before = set(run.arrived)
        run, named = run.with_image(marked, arrived=not known)
        names[given.sha256 or given.url or ""] = named
        if named.name not in before and not known:
            fresh.append(named)
    for image in fresh:
        log.tell(ImageReady(image))
    if done.encoded is None:
        parts: tuple[Text | Image, ...] = (Text(done.invocation.error or "failed"),)
    else:
        parts = done.encoded.parts(lambda image: names.get(image.sha256 or image.url or ""))
    text = "".join(part.text for part in parts if isinstance(part, Text))
    failed = done.encoded is None
    ended = replace(
        done.invocation, result=None if failed else text, images=tuple(image.name for image in names.values())
    )
    log.tell(InvocationFinished(ended))
    return run.with_result(ended, ToolResult(ended.id, ended.name, parts, error=failed))


@cache
def _threads() -> ThreadPoolExecutor:
    """Threads for sync tools: apart from the event loop's own, so that slow tools never hold up name look-ups or the disk."""
    return ThreadPoolExecutor(max_workers=64, thread_name_prefix="agentkit-tool")
