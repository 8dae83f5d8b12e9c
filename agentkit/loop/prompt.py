"""The prompt of a run: its parts are checked, its pictures are stored and named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from agentkit.errors import ImageError, UsageError
from agentkit.images.ingest import to_send
from agentkit.loop.clock import Clock
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


async def prompted(
    run: Run, prompt: Prompt, context: RunContext, clock: Clock, *, scale: bool
) -> Run:
    """The run with its prompt as the last message; the user's pictures are stored and named. Its
    time counts.

    Raises `ImageError` that says which picture cannot be used and why.
    """
    parts: list[Text | Image] = []
    number = 0
    for part in parts_of(prompt):
        if isinstance(part, Image):
            number += 1
            clock.stage = f", at picture {number} of the prompt"
            usable = await _usable(part, number, context, scale=scale)
            run, named = run.with_image(usable, arrived=False)
            parts.append(named)
        else:
            parts.append(part)
    message = Message("user", tuple(parts))
    return run.replace(messages=(*run.messages, message), seconds=clock.spent())


async def _usable(image: Image, number: int, context: RunContext, *, scale: bool) -> Image:
    """A picture of the prompt, in the store, and in a form that can be sent."""
    services = context.services
    try:
        return await to_send(
            image, services.store, services.fetcher, services.outgoing, scale=scale
        )
    except ImageError as error:
        raise ImageError(
            f"picture {number} of the prompt ({image!r:.120}) cannot be used: {error}"
        ) from error
