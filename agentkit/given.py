"""What a user hands over at the door: prompts, models, APIs, checked at once and by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

from agentkit.budget import Budget
from agentkit.errors import UsageError
from agentkit.values import APIS, Api, Image, Text

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


def checked(argument: str, value: object, kind: type[_T], accepted: str) -> _T:
    """The value, if it is of this kind. Raises `UsageError` that names the argument."""
    if not isinstance(value, kind):
        raise UsageError(f"Agent({argument}={value!r}): accepted is {accepted}")
    return value


def checked_model(model: object) -> str:
    """An OpenRouter slug. Raises `UsageError`."""
    if not isinstance(model, str) or not model.strip() or any(character.isspace() for character in model):
        raise UsageError(f"Agent(model={model!r}): accepted is an OpenRouter slug such as 'openai/gpt-5.2'")
    return model


def checked_api(api: object) -> Api:
    """One of the two APIs. Raises `UsageError`."""
    if api not in APIS:
        raise UsageError(f"Agent(api={api!r}): accepted are {' and '.join(repr(each) for each in APIS)}")
    return api


def checked_budget(budget: object) -> Budget | None:
    """A budget, or none. Raises `UsageError`."""
    if budget is not None and not isinstance(budget, Budget):
        raise UsageError(f"budget={budget!r}: accepted is Budget(…)")
    return budget
