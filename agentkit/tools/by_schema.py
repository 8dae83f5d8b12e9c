"""The arguments of a tool that is described by a JSON Schema in place of a signature."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, cast

from agentkit.errors import ToolDefinitionError
from agentkit.tools.arguments import SHOWN, BadArguments, parsed_for, summary
from agentkit.tools.context import Context
from agentkit.tools.dialect import Dialect, fitted
from agentkit.tools.foreign_schema import accepted_schema
from agentkit.tools.nodes import new_names
from agentkit.values import File, Image

if TYPE_CHECKING:
    from agentkit.tools.leniency import Problem

_ROUNDS = 4
"""How often arguments are repaired."""


class _Error(Protocol):
    """An error of jsonschema-rs."""

    message: str
    instance_path: list[str | int]
    instance: object


class _Validator(Protocol):
    def iter_errors(self, instance: object) -> Iterator[_Error]: ...


@dataclass(frozen=True, slots=True)
class SchemaParameters:
    """What a tool accepts whose schema was given: see `agentkit.tools.schema.Parameters`."""

    schema: dict[str, Any]
    lean: dict[str, Any]
    marked: dict[str, Any] | None
    shown: Mapping[str, str]
    wanted: dict[str, Any]
    """The schema that was given, in today's words."""
    is_wrapped: bool
    """Whether the model writes the arguments under the key `value`."""
    takes_context: bool
    validator: _Validator | None = field(repr=False, compare=False)
    """None where the function checks its arguments itself."""
    is_method: bool = False
    takes_images: bool = False
    takes_files: bool = False

    def parse(self, text: str) -> dict[str, Any]:
        """The JSON values that a model wrote. Raises `BadArguments`."""
        values = parsed_for(self, text)
        inner = values.get("value") if self.is_wrapped and set(values) == {"value"} else None
        return cast("dict[str, Any]", inner) if isinstance(inner, dict) else values

    def check(
        self,
        arguments: str | Mapping[str, Any],
        images: Callable[[str], Image],  # noqa: ARG002 - a schema knows no handles
        files: Callable[[str], File],  # noqa: ARG002
    ) -> dict[str, object]:
        """The arguments as the schema wants them. Raises `BadArguments`."""
        try:
            values = self.parse(arguments) if isinstance(arguments, str) else dict(arguments)
            return values if self.validator is None else self._validated(values, self.validator)
        except BadArguments as error:
            raise BadArguments(error.problems, summary(self.schema)) from None
        except Exception as error:  # the validator raises what it likes, ValueError for one
            why = f"they could not be checked: {type(error).__name__}: {str(error)[:200]}"
            raise BadArguments([why], summary(self.schema)) from error

    def _validated(self, value: dict[str, Any], validator: _Validator) -> dict[str, object]:
        from agentkit.tools.leniency import repaired

        kept: set[tuple[str | int, ...]] = set()
        errors: list[_Error] = []
        for _ in range(_ROUNDS):
            errors = list(islice(validator.iter_errors(value), SHOWN + 1))
            if not errors:
                return value
            problems = [_problem(each) for each in errors]
            mended = repaired(value, problems, self.wanted, kept, self.marked)
            if not isinstance(mended, dict):
                break
            value = cast("dict[str, Any]", mended)
        told = [self._told(each) for each in errors[:SHOWN]]
        raise BadArguments([*told, "and more"] if len(errors) > SHOWN else told)

    def _told(self, error: _Error) -> str:
        """One problem, under the names that the model knows."""
        steps = [str(step) for step in error.instance_path]
        place = ".".join(self.shown.get(step, step) for step in steps)[:200] or "the arguments"
        return f"{place}: {error.message[:300]}"


def _problem(error: _Error) -> Problem:
    from agentkit.tools.leniency import Problem

    return Problem(tuple(error.instance_path), error.instance, wants_container=True)


def parameters_by_schema(
    schema: object, owner: str, *, takes_context: bool, check: bool = True
) -> SchemaParameters:
    """What a tool with this schema accepts. Raises `ToolDefinitionError` for a schema that cannot
    be read. Without `check`, or without jsonschema-rs, the function checks its arguments itself.
    """
    wanted = accepted_schema(schema, owner)
    validator = _validator(wanted, owner) if check else None
    try:
        full = fitted(wanted, Dialect())
        lean = fitted(wanted, Dialect(lean=True))
    except RecursionError:
        raise ToolDefinitionError(f"{owner}: its schema is nested too deep") from None
    except ToolDefinitionError as error:
        raise ToolDefinitionError(f"{owner}: {error}") from None
    return SchemaParameters(
        schema=_with_properties(full.schema),
        lean=_with_properties(lean.schema),
        marked=full.marked if full.is_changed else None,
        shown=new_names(full.marked),
        wanted=wanted,
        is_wrapped=full.is_wrapped,
        takes_context=takes_context,
        validator=validator,
    )


def _with_properties(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object, which names its properties even where there are none: OpenAI wants
    that.
    """
    return schema if "properties" in schema else {**schema, "properties": {}}


def _validator(schema: dict[str, Any], owner: str) -> _Validator | None:
    try:
        import jsonschema_rs
    except ImportError:
        return None
    try:
        made = jsonschema_rs.Draft202012Validator(schema, offline=True)
    except ValueError as error:
        why = str(error).split("\n")[0][:300]
        raise ToolDefinitionError(f"{owner}: its schema is not valid: {why}") from None
    return cast("_Validator", made)


def by_name(call: Callable[..., Any], *, takes_context: bool) -> Callable[..., Any]:
    """A function that takes arguments by name, of any name, and gives them to `call` as one dict.
    It is async, or an async generator, where `call` is.
    """
    target = call
    while isinstance(target, partial):
        target = target.func
    if not inspect.isroutine(target):
        target = type(target).__call__
    if inspect.isasyncgenfunction(target):
        return _generating(call, takes_context=takes_context)
    if inspect.iscoroutinefunction(target):
        return _awaiting(call, takes_context=takes_context)
    if takes_context:

        def with_context(context: Context[Any], /, **arguments: Any) -> Any:
            return call(context, arguments)

        return with_context

    def plain(**arguments: Any) -> Any:
        return call(arguments)

    return plain


def _awaiting(call: Callable[..., Any], *, takes_context: bool) -> Callable[..., Any]:
    if takes_context:

        async def with_context(context: Context[Any], /, **arguments: Any) -> Any:
            return await call(context, arguments)

        return with_context

    async def plain(**arguments: Any) -> Any:
        return await call(arguments)

    return plain


def _generating(call: Callable[..., Any], *, takes_context: bool) -> Callable[..., Any]:
    if takes_context:

        async def with_context(context: Context[Any], /, **arguments: Any) -> AsyncIterator[object]:
            async with aclosing(call(context, arguments)) as generator:
                async for each in generator:
                    yield each

        return with_context

    async def plain(**arguments: Any) -> AsyncIterator[object]:
        async with aclosing(call(arguments)) as generator:
            async for each in generator:
                yield each

    return plain


def takes_context(call: Callable[..., Any], owner: str) -> bool:
    """Whether `call` takes a `Context` before the arguments. Raises `ToolDefinitionError` where it
    takes neither that nor the arguments alone.
    """
    try:
        parameters = [
            each
            for each in inspect.signature(call).parameters.values()
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
            and each.default is each.empty
        ]
    except (TypeError, ValueError):  # of a function in C, which does not say what it takes
        return False
    if len(parameters) not in (1, 2):
        names = ", ".join(each.name for each in parameters) or "nothing"
        raise ToolDefinitionError(
            f"{owner}: its function takes {names}; accepted are functions of the arguments, as one "
            "dict, and of a Context and the arguments"
        )
    return len(parameters) == 2
