"""What a user hands over at the door: prompts, models, APIs, runs, decisions. Checked at once, and by name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar, cast

from agentkit.budget import Budget
from agentkit.errors import DeadlineExceeded, ImageError, UsageError
from agentkit.images.ingest import ingest
from agentkit.loop.context import Kit
from agentkit.run import Run
from agentkit.tools import Denied
from agentkit.values import APIS, Api, Image, Message, Text

_T = TypeVar("_T")
Prompt = str | Image | Sequence[str | Image]


def parts_of(prompt: object) -> list[Text | Image]:
    """The parts of a prompt. Raises `UsageError` for what cannot be one."""
    given = [prompt] if isinstance(prompt, str | Image) else prompt
    if not isinstance(given, Sequence) or isinstance(given, bytes | bytearray):
        raise UsageError(f"the prompt is {type(prompt).__name__}; accepted is a string, an Image, or a list of both")
    parts: list[Text | Image] = []
    for part in cast("Sequence[object]", given):
        if not isinstance(part, str | Image):
            raise UsageError(
                f"the prompt holds {part!r:.200}; accepted are strings and Images (Image.from_file, from_bytes, from_url)"
            )
        parts.append(Text(part) if isinstance(part, str) else part)
    if not any(isinstance(part, Image) or part.text.strip() for part in parts):
        raise UsageError(f"the prompt is empty: {prompt!r:.200}; accepted is a string, an Image, or a list of both")
    return parts


async def prompted(run: Run, prompt: Prompt, kit: Kit, *, scale: bool) -> Run:
    """The run with its prompt as the last message; the user's pictures are stored and named. Its time counts.

    Raises `ImageError` that says which picture cannot be used and why, and `DeadlineExceeded`.
    """
    given = parts_of(prompt)
    if not any(isinstance(part, Image) for part in given):  # nothing to wait for
        return run.grown(messages=(*run.messages, Message("user", tuple(given))))
    parts: list[Text | Image] = []
    began, number = time.monotonic(), 0
    try:
        async with asyncio.timeout(run.limits.seconds):
            for part in given:
                if isinstance(part, Image):
                    number += 1
                    run, part = run.with_image(await _usable(part, number, kit, scale=scale), arrived=False)  # noqa: PLW2901
                parts.append(part)
    except TimeoutError:
        words = f"the run's limit of {run.limits.seconds:g} seconds is reached, at picture {number} of the prompt"
        raise DeadlineExceeded(words) from None
    return run.grown(messages=(*run.messages, Message("user", tuple(parts))), seconds=time.monotonic() - began)


async def in_time(run: Run, work: Awaitable[tuple[Run, Kit]]) -> tuple[Run, Kit]:
    """What has to be done before the first request, within the time that the run has left, of which it is a part.

    Raises `DeadlineExceeded` with the run as it was.
    """
    began = time.monotonic()
    try:
        async with asyncio.timeout(max(run.limits.seconds - run.seconds, 0.0)):
            ready, kit = await work
    except TimeoutError:
        words = f"the run's limit of {run.limits.seconds:g} seconds is reached; nothing was sent"
        raise DeadlineExceeded(words, run=run.grown(seconds=run.seconds + time.monotonic() - began)) from None
    return ready.grown(seconds=ready.seconds + time.monotonic() - began), kit


async def _usable(image: Image, number: int, kit: Kit, *, scale: bool) -> Image:
    """A picture of the prompt, in the store, and small enough to be sent."""
    try:
        return await ingest(image, kit.store, kit.fetcher, scale=scale)
    except ImageError as error:
        raise ImageError(f"picture {number} of the prompt ({image!r:.120}) cannot be used: {error}") from error


def checked(argument: str, value: object, kind: type[_T], accepted: str) -> _T:
    """The value, if it is of this kind. Raises `UsageError` that names the argument."""
    if not isinstance(value, kind):
        raise UsageError(f"Agent({argument}={value!r}): accepted is {accepted}")
    return value


def checked_model(model: object, told: str = "Agent(model={!r})") -> str:
    """An OpenRouter slug. Raises `UsageError`, with the value in its place in `told`."""
    if not isinstance(model, str) or not model.strip() or any(character.isspace() for character in model):
        raise UsageError(f"{told.format(model)}: accepted is an OpenRouter slug such as 'openai/gpt-5.2'")
    return model


def checked_api(api: object, told: str = "Agent(api={!r})") -> Api:
    """One of the two APIs. Raises `UsageError`, with the value in its place in `told`."""
    if api not in APIS:
        raise UsageError(f"{told.format(api)}: accepted are {' and '.join(repr(each) for each in APIS)}")
    return api


def checked_budget(budget: object) -> Budget | None:
    """A budget, or none. Raises `UsageError`."""
    if budget is not None and not isinstance(budget, Budget):
        raise UsageError(f"budget={budget!r}: accepted is Budget(…)")
    return budget


def checked_run(run: object) -> Run:
    """A run. Raises `UsageError` that says where to take one from."""
    if not isinstance(run, Run):
        raise UsageError(
            f"given is {type(run).__name__} ({run!r:.80}), which is no run; accepted is a Run: answer.run, error.run, or "
            "Run.from_json(text, blobs=agent.store)"
        )
    return run


def checked_decisions(approve: object, results: object) -> tuple[Mapping[str, bool | Denied], Mapping[str, object]]:
    """Verdicts and results, by call. The verdicts are looked at where it is known which calls wait. Raises `UsageError`."""
    verdicts = _by_call("approve", approve, "True, False or Denied('why'): {call.id: True for call in answer.pending}")
    given = _by_call("results", results, "what the tool gave: {call.id: … for call in answer.pending}")
    return cast("Mapping[str, bool | Denied]", verdicts), given


def _by_call(argument: str, given: object, wanted: str) -> Mapping[str, object]:
    if given is not None and not isinstance(given, Mapping):
        raise UsageError(f"resume({argument}={given!r:.80}): accepted is a mapping of call id to {wanted}")
    return cast("Mapping[str, object]", given or {})
