"""Arguments that a model wrote, checked against the signature of a tool's function. It needs
pydantic, which a program without tools does not load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_json

from agentkit.tools.arguments import (
    SHOWN,
    BadArguments,
    Marked,
    no_file,
    no_image,
    parsed_for,
    shown_value,
    summary,
)
from agentkit.tools.leniency import validated
from agentkit.values import File, Image


class Checkable(Marked, Protocol):
    """What a tool accepts, see `agentkit.tools.schema.Parameters`."""

    @property
    def schema(self) -> Mapping[str, Any]: ...
    @property
    def shown(self) -> Mapping[str, str]: ...
    @property
    def model(self) -> type[BaseModel]: ...
    @property
    def wanted(self) -> Mapping[str, Any]: ...
    @property
    def names(self) -> Mapping[str, str]: ...
    @property
    def filled(self) -> frozenset[str]: ...


def check_arguments(
    parameters: Checkable,
    arguments: str | Mapping[str, Any],
    images: Callable[[str], Image] = no_image,
    files: Callable[[str], File] = no_file,
) -> dict[str, object]:
    """The keyword arguments for the tool's function. Text is what the model wrote; values are those
    of `parsed_for`. Raises `BadArguments`.
    """

    def validate(values: object) -> BaseModel:
        # As JSON, not as Python values: then a date is a string, and a tuple a list, for strict
        # types too.
        text = to_json(values, inf_nan_mode="constants")
        return parameters.model.model_validate_json(
            text, context={"images": images, "files": files}
        )

    try:
        values = (
            parsed_for(parameters, arguments) if isinstance(arguments, str) else dict(arguments)
        )
        model = validated(validate, values, parameters.wanted, parameters.marked)
    except BadArguments as error:
        raise BadArguments(error.problems, summary(parameters.schema)) from None
    except ValidationError as error:
        raise BadArguments(_problems(error, parameters.shown), summary(parameters.schema)) from None
    except Exception as error:  # a validator of the user's types may raise anything
        why = f"they could not be checked: {type(error).__name__}: {str(error)[:200]}"
        raise BadArguments([why], summary(parameters.schema)) from error
    passed = model.model_fields_set | parameters.filled
    return {
        name: getattr(model, field) for field, name in parameters.names.items() if field in passed
    }


def _problems(error: ValidationError, shown: Mapping[str, str]) -> list[str]:
    details = error.errors(include_url=False)
    problems = [_problem(each, shown) for each in details[:SHOWN]]
    if len(details) > SHOWN:
        problems.append(f"and {len(details) - SHOWN} more")
    return problems


def _problem(detail: ErrorDetails, shown: Mapping[str, str]) -> str:
    """One problem, under the names that the model knows."""
    steps = [str(step) for step in detail["loc"]]
    place = ".".join(shown.get(step, step) for step in steps)[:200] or "the arguments"
    match detail["type"]:
        case "missing":
            return f"{place}: is missing"
        case "extra_forbidden":
            return f"{place}: there is no such parameter"
        case "image":
            return f"{place}: {detail['msg'][:1000]}"
        case _:
            message = detail["msg"][:300]
            message = message[:1].lower() + message[1:]
            return f"{place}: {message}, not {shown_value(detail['input'])}"
