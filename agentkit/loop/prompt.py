"""The prompt of a run: its parts are checked, its pictures are stored and named."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import cast

from agentkit.answer import with_run
from agentkit.errors import DeadlineExceeded, ImageError, UsageError
from agentkit.images.ingest import ingest
from agentkit.loop.context import RunContext
from agentkit.run import Run
from agentkit.values import Image, Message, Text

Prompt = str | Image | Sequence[str | Image]


def parts_of(prompt: object) -> list[Text | Image]:
    """The parts of a prompt. Raises `UsageError` for what cannot be one."""
    given = [prompt] if isinstance(prompt, str | Image) else prompt
    if not isinstance(given, Sequence) or isinstance(given, bytes | bytearray):
        raise UsageError(
            f"the prompt is {type(prompt).__name__}; accepted is a "
            "string, an Image, or a list of both"
        )
    parts: list[Text | Image] = []
    for part in cast("Sequence[object]", given):
        if not isinstance(part, str | Image):
            raise UsageError(
                f"the prompt holds {part!r:.200}; accepted are strings and Images "
                "(Image.from_file, from_bytes, from_url)"
            )
        parts.append(Text(part) if isinstance(part, str) else part)
    if not any(isinstance(part, Image) or part.text.strip() for part in parts):
        raise UsageError(
            f"the prompt is empty: {prompt!r:.200}; accepted is a "
            "string, an Image, or a list of both"
        )
    return parts


async def prompted(run: Run, prompt: Prompt, context: RunContext, *, scale: bool) -> Run:
    """The run with its prompt as the last message; the user's pictures are stored and named. Its
    time counts.

    Raises `ImageError` that says which picture cannot be used and why, and `DeadlineExceeded`.
    """
    given = parts_of(prompt)
    if not any(isinstance(part, Image) for part in given):  # nothing to wait for
        return run.replace(messages=(*run.messages, Message("user", tuple(given))))
    parts: list[Text | Image] = []
    began, number = time.monotonic(), 0
    try:
        async with asyncio.timeout(run.limits.seconds):
            for part in given:
                if isinstance(part, Image):
                    number += 1
                    usable = await _usable(part, number, context, scale=scale)
                    run, named = run.with_image(usable, arrived=False)
                    parts.append(named)
                else:
                    parts.append(part)
    except TimeoutError:
        words = (
            f"the run's limit of {run.limits.seconds:g} seconds is reached, "
            f"at picture {number} of the prompt"
        )
        raise DeadlineExceeded(words) from None
    return run.replace(
        messages=(*run.messages, Message("user", tuple(parts))), seconds=time.monotonic() - began
    )


async def in_time(run: Run, work: Awaitable[tuple[Run, RunContext]]) -> tuple[Run, RunContext]:
    """What has to be done before the first request, within the time that the run has left, of which
    it is a part.

    Raises `DeadlineExceeded` with the run as it was.
    """
    began = time.monotonic()
    try:
        async with asyncio.timeout(max(run.limits.seconds - run.seconds, 0.0)):
            ready, context = await work
    except TimeoutError:
        words = f"the run's limit of {run.limits.seconds:g} seconds is reached; nothing was sent"
        stopped = run.replace(seconds=run.seconds + time.monotonic() - began)
        raise with_run(DeadlineExceeded(words), stopped) from None
    return ready.replace(seconds=ready.seconds + time.monotonic() - began), context


async def _usable(image: Image, number: int, context: RunContext, *, scale: bool) -> Image:
    """A picture of the prompt, in the store, and small enough to be sent."""
    try:
        return await ingest(image, context.services.store, context.services.fetcher, scale=scale)
    except ImageError as error:
        raise ImageError(
            f"picture {number} of the prompt ({image!r:.120}) cannot be used: {error}"
        ) from error
