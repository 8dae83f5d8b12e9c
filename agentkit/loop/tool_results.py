"""What came of a tool call, and the run that has it: pictures stored and named, costs added, the
model's result written.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from agentkit._log import logger
from agentkit._sync import finish, in_background
from agentkit.answer import Answer, run_of
from agentkit.errors import FileError, HookFailed, ImageError, RunError, StoreError
from agentkit.events import ImageFailed, ImageReady, InvocationFinished
from agentkit.images.ingest import ingest
from agentkit.images.ingest_file import ingest_file
from agentkit.images.inspect import BrokenImage
from agentkit.images.retriever import MOST_AT_ONCE, TOO_LATE
from agentkit.loop.context import RunContext
from agentkit.loop.delegate import absorbed, drawn, filed, renamed, said
from agentkit.openrouter.stored_call import Undecided
from agentkit.run import Run, Waiting
from agentkit.run.state import Broken
from agentkit.stream import EventLog
from agentkit.tools import Billed, Encoded, ToolResultError, encode_result, encode_words
from agentkit.tools.asking import NeedsAnswer
from agentkit.values import (
    Asked,
    File,
    Image,
    ImageFailure,
    Invocation,
    Source,
    Text,
    ToolResult,
    Usage,
    fast_init,
    replace,
)

_KEEP_SECONDS = 5.0
"""How long the pictures of a call may take to be stored once the run was stopped. Downloads have
the grace of the `FetchPolicy`.
"""

Kept = tuple[Image, Image | ImageFailure]
"""A picture as the tool gave it, and as it is in the store."""
KeptFile = tuple[File, File | str]
"""A file as the tool gave it, and as it is in the store, or why it is not there."""


@fast_init
@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """How one call ended."""

    invocation: Invocation
    encoded: Encoded | None = None
    """What the model is told; None where the invocation's error says it all."""
    pictures: tuple[Kept, ...] = ()
    """All that the tool gave, told to the model or not."""
    files: tuple[KeptFile, ...] = ()
    """The files that it gave."""
    parents: tuple[str, ...] = ()
    """Pictures that it was given."""
    usage: Usage | None = None
    """What the tool spent."""
    sub: Run | None = None
    """The run of the agent that was called."""
    rejected: bool = False
    """Whether the call was not run, since its tool does not take such arguments."""
    broken: HookFailed | None = None
    """A hook that failed after the tool was run. What the tool did stays done; then the run
    stops.
    """
    waits: Waiting | None = None
    """What a person has to say before the call can end."""
    asked: Asked | None = None
    """What the call has asked a person, and what it wants back when it goes on."""


@fast_init
@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What a tool gave, taken apart: the value, and what it spent."""

    value: object
    usage: Usage | None = None
    sub: Run | None = None

    @classmethod
    def by(cls, value: object) -> ToolOutput:
        """An `Answer` is another agent's run, whoever asked for it; a `Billed` is a value and its
        price.
        """
        if isinstance(value, Billed):
            return cls(value.value, value.usage)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        if isinstance(value, Answer):
            return cls(value, sub=value.run)  # pyright: ignore[reportUnknownArgumentType]
        return cls(value)


def not_run(invocation: Invocation, limit: str) -> ToolOutcome:
    """The end of a call that is beyond a limit."""
    words = f"not run: the limit of {limit} is reached"
    return ToolOutcome(replace(invocation, status="cancelled", error=words))


async def done(
    invocation: Invocation,
    given: ToolOutput,
    context: RunContext,
    parents: tuple[str, ...],
    *,
    is_image: bool = False,
) -> ToolOutcome:
    """The end of a call that gave something. What it spent counts, even where the model cannot be
    told what it gave. `is_image`: the tool says that it returns an `Image`.
    """
    try:
        encoded = (
            encode_words(said(given.sub), drawn(given.sub), filed(given.sub))
            if given.sub is not None
            else encode_result(given.value, is_image=is_image)
        )
    except ToolResultError as error:
        return ToolOutcome(
            replace(invocation, status="failed", error=str(error)), usage=given.usage, sub=given.sub
        )
    return ToolOutcome(
        replace(invocation, status="completed"),
        encoded,
        await _all_stored(encoded.images, context, invocation.id) if encoded.images else (),
        await files_stored(encoded.files, context) if encoded.files else (),
        parents,
        given.usage,
        given.sub,
    )


async def with_replaced_result(
    ended: ToolOutcome, replaced: object, context: RunContext
) -> ToolOutcome:
    """The same end, but the model is told something else. The pictures and costs of what was given
    stay.
    """
    invocation = ended.invocation
    try:
        encoded = encode_result(replaced)
    except ToolResultError as error:
        failed_call = replace(invocation, status="failed", error=str(error))
        return replace(ended, encoded=None, invocation=failed_call, rejected=False)
    known = {_key(image) for image, _ in ended.pictures}
    new = [each for each in encoded.images if _key(each) not in known]
    more = await _all_stored(new, context, invocation.id)
    kept = {file for file, _ in ended.files}
    files = await files_stored([each for each in encoded.files if each not in kept], context)
    completed = replace(invocation, status="completed", error=None)
    return replace(
        ended,
        encoded=encoded,
        invocation=completed,
        pictures=(*ended.pictures, *more),
        files=(*ended.files, *files),
        rejected=False,
    )


async def failed(
    invocation: Invocation, words: str, context: RunContext, cause: BaseException | None = None
) -> ToolOutcome:
    """The end of a call that raised. The run of an agent that broke off keeps what it spent and
    drew.
    """
    ended = replace(invocation, status="failed", error=words)
    sub = run_of(cause)
    if sub is None:
        return ToolOutcome(ended)
    images, files = drawn(sub), filed(sub)
    pictures = await _all_stored(images.values(), context, invocation.id)
    kept = await files_stored(files.values(), context)
    told = encode_words(words, images, files) if images or files else None
    return ToolOutcome(ended, told, pictures, kept, sub=sub)


async def _all_stored(
    images: Iterable[Image], context: RunContext, call_id: str
) -> tuple[Kept, ...]:
    """Each picture in the store, or why it is not there. The tool has ended, and may have been paid
    for: a cancellation that comes now leaves its pictures some time.
    """
    services, gate = context.services, asyncio.Semaphore(MOST_AT_ONCE)

    async def store(image: Image) -> Image:
        async with gate if not image.sha256 else nullcontext():
            return await ingest(image, services.store, services.fetcher)

    given = tuple(images)
    tasks = [in_background(store(image)) for image in given]
    downloads = [task for image, task in zip(given, tasks, strict=True) if not image.sha256]
    await _outlast(downloads, services.fetcher.policy.grace)
    await _outlast(tasks, _KEEP_SECONDS)

    def kept(image: Image, task: asyncio.Task[Image]) -> Kept:
        try:
            return image, task.result()
        except (ImageError, StoreError) as error:
            return image, _failure(image, error, call_id)
        except asyncio.CancelledError:  # of the task, whose time was over
            late = f"not stored within {_KEEP_SECONDS:g} s after the run was stopped"
            error = ImageError(late if image.sha256 else TOO_LATE)
            return image, _failure(image, error, call_id)

    return tuple(map(kept, given, tasks))


async def files_stored(files: Iterable[File], context: RunContext) -> tuple[KeptFile, ...]:
    """Each file in the store, or why it is not there. As with pictures, a cancellation that comes
    now leaves them some time.
    """
    services = context.services
    given = tuple(files)
    tasks = [in_background(ingest_file(each, services.store, services.fetcher)) for each in given]
    await _outlast(tasks, _KEEP_SECONDS)

    def kept(file: File, task: asyncio.Task[File]) -> KeptFile:
        try:
            return file, task.result()
        except (FileError, StoreError) as error:
            reason = str(error)
        except asyncio.CancelledError:  # of the task, whose time was over
            reason = TOO_LATE
        logger().warning("file_failed", place="tool", reason=reason)
        return file, reason

    return tuple(map(kept, given, tasks))


async def _outlast(tasks: Sequence[asyncio.Task[Any]], seconds: float) -> None:
    """Wait for these tasks, and for only so many seconds more once the waiting one is cancelled."""
    if not tasks:
        return
    storing, waiting = asyncio.gather(*tasks, return_exceptions=True), asyncio.current_task()
    if waiting is None or not waiting.cancelling():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([storing])
    if not storing.done():
        with suppress(asyncio.CancelledError, TimeoutError):
            await finish(storing, seconds)


def _failure(image: Image, error: Exception, call_id: str) -> ImageFailure:
    logger().warning("image_failed", place="tool", reason=str(error))
    kept, data = (error.kept, error.data) if isinstance(error, BrokenImage) else (None, None)
    if data is None and kept is None and isinstance(error, StoreError) and image.sha256:
        data = _bytes(image)
    return ImageFailure(Source("tool", image.url), image.url, str(error), call_id, kept, data)


def _bytes(image: Image) -> bytes | None:
    try:
        return image.bytes()
    except (ImageError, StoreError):
        return None


def applied(run: Run, done: ToolOutcome, log: EventLog, seconds: float | None = None) -> Run:
    """The run with one call answered: its pictures named, its result told; or waiting, where the
    agent it called waits.
    """
    if done.sub is not None:
        done = replace(done, sub=done.sub.with_all_counted())
    names: dict[str, Image | ImageFailure] = {}
    files: dict[File, File | str] = {}
    fresh = 0
    if done.pictures:
        run, names, fresh = _with_pictures(run, done, log)
    if done.files:
        run, files = _with_files(run, done)
    if done.sub is not None or done.usage is not None:
        run = _with_spending(run, done, fresh)
    if done.sub is not None and done.sub.status == "paused":
        return waiting(run, done.invocation, done.sub)
    if done.waits is not None:
        return _undecided(run, done, done.waits)
    call = done.invocation
    if run.nested:
        waits = tuple(each for each in run.waiting if not each.call_id.startswith(f"{call.id}/"))
        nested = tuple(each for each in run.nested if each.call_id != call.id)
        run = replace(run, nested=nested, waiting=waits)
    parts: tuple[Text | Image | File, ...] = (Text(call.error or "failed"),)
    if done.encoded is not None:
        parts = done.encoded.parts(lambda image: names.get(_key(image)), files.__getitem__)
    error = call.status != "completed"
    result = ToolResult(call.id, call.name, parts, error=error, rejected=done.rejected)
    handles = [image.name for image in names.values() if isinstance(image, Image)]
    given = [file for file in files.values() if isinstance(file, File)]
    ended = replace(
        call,
        result=None if error else result.text,
        images=tuple(dict.fromkeys(handles)),
        files=tuple(dict.fromkeys([file.name for file in given])),
        cost_usd=_cost(done),
        seconds=seconds,
    )
    if log.is_heard:
        log.tell(InvocationFinished(ended, tuple(given)))
    return run.with_result(ended, result)


def _undecided(run: Run, done: ToolOutcome, waits: Waiting) -> Run:
    """The run that waits until a person has said what becomes of a request of this call, or has
    answered what it asks. What it has spent is counted, until the call has ended.
    """
    run = run.with_invocation(done.invocation)
    if done.asked is not None:
        run = run.with_asked(done.asked)
    if done.usage is not None:
        run = replace(run, broken=(*run.broken, Broken(waits.key, len(run.spent) - 1)))
    others = [each for each in run.waiting if each.call_id != waits.call_id]
    return replace(run, waiting=(*others, waits))


def asking(run: Run, invocation: Invocation, needed: NeedsAnswer) -> ToolOutcome:
    """A call that goes on once a person has answered: with all that was answered before, and with
    what the tool wants back.
    """
    call = replace(invocation, status="pending", question=needed.question)
    nonce = secrets.token_hex(8)
    before = run.asked_by(call.id)
    return ToolOutcome(
        call,
        waits=Waiting(call.id, "answer", run.fingerprint(call, nonce), nonce),
        asked=Asked(call.id, () if before is None else before.given, needed.state),
    )


async def undecided(invocation: Invocation, error: Undecided, context: RunContext) -> ToolOutcome:
    """A call whose request was sent by a process before, and has no known outcome: what had arrived
    of it is kept.
    """
    drawing = error.drawing
    images: tuple[Image, ...] = () if drawing is None else tuple(drawing.images)
    usage = None if drawing is None else drawing.usage
    return ToolOutcome(
        replace(invocation, status="pending"),
        pictures=await _all_stored(images, context, invocation.id),
        usage=usage if isinstance(usage, Usage) else None,
        waits=waiting_for(error, error.call or "", invocation.id),
    )


def waiting_for(error: RunError, key: str, call_id: str | None = None) -> Waiting:
    """What a person is asked about a request: by its key, or by the tool call that made it."""
    cost = None if error.generation is None else error.generation.cost_usd
    return Waiting(
        call_id or key, "outcome", key=key, generation_id=error.generation_id, cost_usd=cost
    )


def denied(run: Run, invocation: Invocation, words: str, reason: str, log: EventLog) -> Run:
    """The run with a call that is not run, because a person or a hook said no."""
    ended = replace(invocation, status="denied", error=reason)
    log.tell(InvocationFinished(ended))
    return run.with_result(ended, ToolResult(ended.id, ended.name, (Text(words),), error=True))


def waiting(run: Run, invocation: Invocation, sub: Run) -> Run:
    """The caller's run, which waits because the agent that it called does. Each call that the agent
    waits for is named `CALL/ID`.
    """
    own = invocation.id
    held = [each for each in run.waiting if not f"{each.call_id}/".startswith(f"{own}/")]
    held += [replace(each, call_id=f"{own}/{each.call_id}") for each in sub.waiting]
    if sub.waiting:
        held.append(Waiting(own, "agent", run.fingerprint(invocation)))
    run = run.with_invocation(replace(invocation, status="pending", cost_usd=sub.usage.cost_usd))
    return replace(run.with_nested(own, sub, counted=True), waiting=tuple(held))


async def broken_off(
    run: Run, invocation: Invocation, sub: Run, context: RunContext, log: EventLog
) -> Run:
    """The run with what an agent had spent and drawn that was stopped before its end. The call has
    no result: the agent goes on where it was, if the run does.
    """
    sub = sub.with_all_counted()
    pictures = await _all_stored(drawn(sub).values(), context, invocation.id)
    ended = ToolOutcome(invocation, None, pictures, sub=sub)
    run, _, fresh = _with_pictures(run, ended, log)
    return waiting(_with_spending(run, ended, fresh), invocation, sub)


def without_agents(run: Run) -> Run:
    """The run that has what its sub-agents spent and drew so far, and lets them go."""
    known = {each.id: each for each in run.invocations}
    for each in run.nested:
        call, sub = known.get(each.call_id), each.run.with_all_counted()
        if call is None:
            continue
        pictures = tuple([(image, image) for image in drawn(sub).values()])
        stopped = ToolOutcome(call, None, pictures, sub=sub)
        run, _, fresh = _with_pictures(run, stopped, EventLog())
        if fresh or len(sub.spent) > len(each.run.spent) - each.uncounted:
            run = _with_spending(run, stopped, fresh)
    return replace(run, nested=())


def _with_pictures(
    run: Run, done: ToolOutcome, log: EventLog
) -> tuple[Run, dict[str, Image | ImageFailure], int]:
    """The run with the pictures of a call; each as it is now called; and how many are new."""
    names: dict[str, Image | ImageFailure] = {}
    fresh: list[ImageReady] = []
    price = _cost(done) if len(done.pictures) == 1 else None
    for number, (given, stored) in enumerate(done.pictures):
        item = f"{done.invocation.id}:{number}"
        if isinstance(stored, ImageFailure):
            names[_key(given)] = stored
            run = replace(run, failures=(*run.failures, stored))
            log.tell(ImageFailed(stored, item))
            continue
        before = {image.sha256 for image in run.images}
        known = given.name != "" and stored.sha256 in before
        marked = stored if known else _marked(run, done, stored, price)
        arrived = run.arrived
        run, named = run.with_image(marked, arrived=not known)
        names[_key(given)] = named
        if not known and named.name not in arrived:
            fresh.append(ImageReady(named, item))
    for event in fresh:
        log.tell(event)
    return run, names, len(fresh)


def _with_files(run: Run, done: ToolOutcome) -> tuple[Run, dict[File, File | str]]:
    """The run with the files of a call; and each as it is now called, by how the tool gave it."""
    names: dict[File, File | str] = {}
    for given, stored in done.files:
        names[given] = stored
        if isinstance(stored, File):
            known = {file.sha256 for file in run.files}
            inner = given.invocation_id if done.sub is not None else None
            call_id = done.invocation.id if inner is None else f"{done.invocation.id}/{inner}"
            new = replace(stored, name="", invocation_id=call_id)
            run, names[given] = run.with_file(new, arrived=stored.sha256 not in known)
    return run, names


def _marked(run: Run, done: ToolOutcome, image: Image, price: float | None) -> Image:
    """A new picture of a call's, with where it came from."""
    call_id = done.invocation.id
    if done.sub is None:
        cost = image.cost_usd if image.cost_usd is not None else price
        return replace(
            image,
            name="",
            invocation_id=call_id,
            parents=image.parents or done.parents,
            cost_usd=cost,
        )
    handles = renamed(run, done.sub)
    parents = tuple(handles.get(name, name) for name in image.parents) or done.parents
    inner = f"{call_id}/{image.invocation_id}" if image.invocation_id else call_id
    return replace(image, name="", invocation_id=inner, parents=parents)


def _with_spending(run: Run, done: ToolOutcome, fresh: int) -> Run:
    if done.sub is not None:
        before = next((each for each in run.nested if each.call_id == done.invocation.id), None)
        counted = 0
        if before is not None and before.run.id == done.sub.id:
            counted = len(before.run.spent) - before.uncounted
        return absorbed(run, done.invocation.id, done.sub, images=fresh, known=counted)
    if done.usage is not None:
        return replace(run, spent=(*run.spent, replace(done.usage, images=fresh)))
    return run


def _cost(done: ToolOutcome) -> float | None:
    usage: Any = done.sub.usage if done.sub is not None else done.usage
    return usage.cost_usd if usage is not None else None


def _key(image: Image) -> str:
    return image.sha256 or image.url or ""
