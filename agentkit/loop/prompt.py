"""The prompt of a run: its parts are checked, its pictures and files are stored and named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from agentkit.errors import FileError, ImageError, UsageError
from agentkit.images.ingest import to_send
from agentkit.images.ingest_file import ingest_file
from agentkit.loop.clock import Clock
from agentkit.loop.context import RunContext
from agentkit.run import Run
from agentkit.values import File, Image, Message, Text

Prompt = str | Image | File | Sequence[str | Image | File]


def parts_of(prompt: object) -> list[Text | Image | File]:
    """The parts of a prompt. Raises `UsageError` for what cannot be one."""
    given = [prompt] if isinstance(prompt, str | Image | File) else prompt
    if not isinstance(given, Sequence) or isinstance(given, bytes | bytearray):
        raise UsageError(
            f"the prompt is {type(prompt).__name__}; accepted is a "
            "string, an Image, a File, or a list of these"
        )
    parts: list[Text | Image | File] = []
    for part in cast("Sequence[object]", given):
        if not isinstance(part, str | Image | File):
            raise UsageError(
                f"the prompt holds {part!r:.200}; accepted are strings, Images "
                "(Image.from_file, from_bytes, from_url) and Files (File.from_path, …)"
            )
        parts.append(Text(part) if isinstance(part, str) else part)
    if not any(not isinstance(part, Text) or part.text.strip() for part in parts):
        raise UsageError(
            f"the prompt is empty: {prompt!r:.200}; accepted is a "
            "string, an Image, a File, or a list of these"
        )
    return parts


async def prompted(
    run: Run, prompt: Prompt, context: RunContext, clock: Clock, *, scale: bool
) -> Run:
    """The run with its prompt as the last message; the user's pictures and files are stored and
    named. Its time counts.

    Raises `ImageError` or `FileError` that says which of them cannot be used and why.
    """
    parts: list[Text | Image | File] = []
    pictures = files = 0
    for part in parts_of(prompt):
        if isinstance(part, Image):
            pictures += 1
            clock.stage = f", at picture {pictures} of the prompt"
            usable = await _usable(part, pictures, context, scale=scale)
            run, named = run.with_image(usable, arrived=False)
            parts.append(named)
        elif isinstance(part, File):
            files += 1
            clock.stage = f", at file {files} of the prompt"
            stored = await _stored(part, files, context)
            run, named_file = run.with_file(stored, arrived=False)
            parts.append(named_file)
        else:
            parts.append(part)
    message = Message("user", tuple(parts))
    return run.replace(messages=run.shared_messages.with_more(message), seconds=clock.spent())


async def _stored(file: File, number: int, context: RunContext) -> File:
    """A file of the prompt, in the store."""
    services = context.services
    try:
        return await ingest_file(file, services.store, services.fetcher)
    except FileError as error:
        raise FileError(
            f"file {number} of the prompt ({file!r:.120}) cannot be used: {error}"
        ) from error


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
