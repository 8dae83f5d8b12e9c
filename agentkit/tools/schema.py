"""A function's signature and docstring → the JSON Schema that the model sees, and the pydantic
model that checks what it writes.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast, get_origin

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema, to_jsonable_python

from agentkit.errors import FileError, ImageError, ToolDefinitionError
from agentkit.tools.arguments import parsed_for
from agentkit.tools.checking import check_arguments
from agentkit.tools.context import Context
from agentkit.tools.defaults import check_defaults
from agentkit.tools.dialect import Dialect, fitted, too_large
from agentkit.tools.hints import (
    either,
    is_value,
    mentions,
    of_pillow,
    optional,
    plain,
    replaced,
    resolve,
)
from agentkit.tools.nodes import new_names
from agentkit.values import File, Image

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

HANDLE_HINT = "the handle of a picture in this conversation, such as img_2"
FILE_HINT = "the handle of a file in this conversation, such as file_2"

Parameter = inspect.Parameter


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a tool accepts: as JSON Schema for the model, and as a pydantic model for what the model
    writes.
    """

    schema: dict[str, Any]
    lean: dict[str, Any]
    """The schema for providers that take fewer keywords (`agentkit.tools.dialect`)."""
    marked: dict[str, Any] | None
    """What has to be known to change arguments back; None where they come as they are wanted."""
    shown: Mapping[str, str]
    """The names that the model is told in place of others, old → new."""
    model: type[BaseModel]
    """Its fields are `p0`, `p1`, …, so that a parameter may have any name. The aliases are those of
    `wanted`.
    """
    wanted: dict[str, Any]
    """What pydantic checks, as JSON Schema, before it is changed for providers."""
    names: Mapping[str, str]
    """Field → the function's parameter."""
    filled: frozenset[str]
    """Fields whose default only pydantic knows (`= Field(3, ge=1)`): they are passed even where the
    model left them out.
    """
    takes_context: bool
    is_method: bool
    """Whether an instance has to be bound before the function can be called."""

    @property
    def takes_images(self) -> bool:
        """Whether a parameter is a picture, which the model names by its handle."""
        return HANDLE_HINT in str(self.schema)

    @property
    def takes_files(self) -> bool:
        """Whether a parameter is a file, which the model names by its handle."""
        return FILE_HINT in str(self.schema)

    def parse(self, text: str) -> dict[str, Any]:
        """The JSON values that a model wrote. Raises `BadArguments`."""
        return parsed_for(self, text)

    def check(
        self,
        arguments: str | Mapping[str, Any],
        images: Callable[[str], Image],
        files: Callable[[str], File],
    ) -> dict[str, object]:
        """The keyword arguments for the function. Raises `BadArguments`."""
        return check_arguments(self, arguments, images, files)


class _Handle:
    """Type of a picture parameter: the model writes a handle, the function gets its `Image`."""

    what, among = "picture", "images"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_after_validator_function(
            cls._look_up, core_schema.str_schema()
        )

    @classmethod
    def _look_up(cls, handle: str, info: core_schema.ValidationInfo) -> object:
        known = cast("Mapping[str, Callable[[str], object]]", info.context)[cls.among]
        try:
            return known(handle)
        except (LookupError, ImageError, FileError) as error:
            why = str(error.args[0]) if error.args else f"there is no {cls.what} {handle!r}"
            raise PydanticCustomError("handle", "{why}", {"why": why}) from None


class _FileHandle(_Handle):
    """Type of a file parameter: the model writes a handle, the function gets its `File`."""

    what, among = "file", "files"


_HANDLES: tuple[tuple[type, object, str], ...] = (
    (Image, _Handle, HANDLE_HINT),
    (File, _FileHandle, FILE_HINT),
)
"""What a model names by a handle, what looks it up, and what the model is told of it."""


class _QuietJsonSchema(GenerateJsonSchema):
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 — pydantic's own attribute


def parameters_of(
    function: Callable[..., object], owner: str, *, strict: bool = False
) -> tuple[Parameters, str]:
    """The parameters of `function`, and its description. `strict`: the provider holds the model to
    the schema. Raises `ToolDefinitionError`, which names the parameter at fault.
    """
    signature = inspect.signature(function)
    given = list(signature.parameters.values())
    is_method = bool(given) and _is_self(function, given[0])
    if is_method:
        given = given[1:]
    hints = {parameter.name: _hint(owner, function, parameter) for parameter in given}
    takes_context = bool(given) and _is_context(hints[given[0].name])
    if takes_context:
        given = given[1:]
    for parameter in given:
        _refuse_misfits(owner, parameter, hints[parameter.name])
    description, documented = read_docstring(plain(function).__doc__ or "")
    model = _model(owner, given, hints, documented)
    check_defaults(owner, model, given)
    names = {f"p{index}": parameter.name for index, parameter in enumerate(given)}
    filled = frozenset(
        field
        for field, parameter in zip(names, given, strict=True)
        if parameter.default is Parameter.empty or isinstance(parameter.default, FieldInfo)
    )
    wanted = _schema(owner, model, given, hints)
    full = fitted(wanted, Dialect(strict=strict))
    if strict and (why := too_large(full.schema)) is not None:
        raise ToolDefinitionError(f"{owner}: strict=True takes {why}")
    made = Parameters(
        schema=full.schema,
        lean=fitted(wanted, Dialect(strict=strict, lean=True)).schema,
        marked=full.marked if full.is_changed else None,
        shown=new_names(full.marked),
        model=model,
        wanted=wanted,
        names=names,
        filled=filled,
        takes_context=takes_context,
        is_method=is_method,
    )
    return made, description


def read_docstring(docstring: str) -> tuple[str, Mapping[str, str]]:
    """The description of the function in its docstring, and that of each parameter by name. The
    docstring is in Google's, NumPy's or Sphinx's style.
    """
    from docstring_parser import ParseError, parse

    text = inspect.cleandoc(docstring)
    try:
        parsed = parse(text)
    except ParseError:
        return text, {}
    said = parsed.description or ""
    return said.strip(), {
        each.arg_name.lstrip("*"): " ".join(each.description.split())
        for each in parsed.params
        if each.description
    }


def _is_self(function: Callable[..., object], first: Parameter) -> bool:
    """Whether the first parameter is the instance: a plain function, defined in a class body, that
    begins with `self`.
    """
    scope = getattr(function, "__qualname__", "").rpartition(".")[0]
    return (
        inspect.isfunction(function)
        and bool(scope)
        and not scope.endswith("<locals>")
        and first.name in {"self", "cls"}
    )


def _is_context(hint: object) -> bool:
    return hint is Context or get_origin(hint) is Context


def _hint(owner: str, function: Callable[..., object], parameter: Parameter) -> Any:
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        star = "*" if parameter.kind is Parameter.VAR_POSITIONAL else "**"
        raise ToolDefinitionError(
            f"{owner}: {star}{parameter.name} cannot be told to the model; "
            "accepted are named parameters, "
            f"for many values one such as {parameter.name}: list[str]"
        )
    return resolve(owner, function, parameter)


def _refuse_misfits(owner: str, parameter: Parameter, hint: Any) -> None:
    if mentions(hint, Context):
        raise ToolDefinitionError(
            f"{owner}: its parameter {parameter.name!r} is a Context; only "
            "the first one may be, and by itself"
        )
    if parameter.kind is Parameter.POSITIONAL_ONLY:
        raise ToolDefinitionError(
            f"{owner}: its parameter {parameter.name!r} is positional-only; "
            "the model gives arguments by name"
        )
    if is_value(hint):
        raise ToolDefinitionError(
            f"{owner}: the annotation {hint!r:.100} of its parameter "
            f"{parameter.name!r} is a value, not a type; "
            f"for a default, write {parameter.name}: {type(hint).__name__} = {hint!r:.100}"
        )
    if of_pillow(hint):
        raise ToolDefinitionError(
            f"{owner}: its parameter {parameter.name!r} is a Pillow "
            "image, which the model cannot write; "
            "annotate agentkit.Image, whose to_pillow() gives one"
        )
    for kind, _, _ in _HANDLES:
        if either(hint, kind, str):
            raise ToolDefinitionError(
                f"{owner}: its parameter {parameter.name!r} is {_a(kind)} or a str, which "
                "cannot be told apart: the model writes both as a string"
            )


def _model(
    owner: str, given: list[Parameter], hints: Mapping[str, Any], documented: Mapping[str, str]
) -> type[BaseModel]:
    fields = {
        f"p{index}": _field(parameter, hints[parameter.name], documented.get(parameter.name))
        for index, parameter in enumerate(given)
    }
    try:
        model = _create(fields)
        mixed = _mixed(model)
    except (PydanticUserError, TypeError, ValueError) as error:
        raise _offender(owner, given, fields, error) from None
    if mixed is not None:
        kind = mixed.__name__
        accepted = f"accepted are {kind}, {kind} | None, list[{kind}]"
        inside = TypeError(f"{_a(mixed)} inside another type; {accepted}")
        raise _offender(owner, given, fields, inside)
    return model


def _a(kind: type) -> str:
    return f"{'an' if kind is Image else 'a'} {kind.__name__}"


def _mixed(model: type[BaseModel]) -> type | None:
    """What stands inside another type, where no handle can be looked up."""
    made = model.__pydantic_core_schema__
    return next((kind for kind, _, _ in _HANDLES if _holds(made, kind)), None)


def _create(fields: Mapping[str, Any]) -> type[BaseModel]:
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    model: type[BaseModel] = create_model("Arguments", __config__=config, **fields)
    return model


def _field(parameter: Parameter, hint: Any, said: str | None) -> Any:
    """The field definition that `create_model` wants."""
    default = parameter.default
    if default is None:
        hint = optional(hint)
    noted = [
        each
        for each in (default, *getattr(hint, "__metadata__", ()))
        if isinstance(each, FieldInfo)
    ]
    description = next((each.description for each in noted if each.description), said)
    if description is None:
        description = next(
            (each for each in getattr(hint, "__metadata__", ()) if isinstance(each, str)), None
        )
    for kind, handle, told in _HANDLES:
        if mentions(hint, kind):
            description = f"{description.rstrip('.')} ({told})" if description else told
            hint = replaced(hint, kind, Annotated[kind, handle])
    if isinstance(default, FieldInfo):
        hint = Annotated[hint, default]
    alias = next((each.alias for each in noted if each.alias), parameter.name)
    hint = Annotated[hint, Field(alias=alias, validation_alias=alias, description=description)]
    # The function knows its own default: this one only says that the argument may be left out.
    return hint if default is Parameter.empty or isinstance(default, FieldInfo) else (hint, None)


def _offender(
    owner: str, given: list[Parameter], fields: Mapping[str, Any], error: Exception
) -> ToolDefinitionError:
    """The error that names the parameter which pydantic refused."""
    for parameter, (name, field) in zip(given, fields.items(), strict=True):
        try:
            model = _create({name: field})
            model.model_json_schema(schema_generator=_QuietJsonSchema)
            broken = _mixed(model) is not None
        except (PydanticUserError, TypeError, ValueError) as why:
            broken, error = True, why
        if broken:
            reason = str(error).split("\n")[0].rstrip(".")
            return ToolDefinitionError(
                f"{owner}: the type of its parameter {parameter.name!r} "
                f"cannot be told to the model: {reason}"
            )
    return ToolDefinitionError(f"{owner}: its parameters cannot be told to the model: {error}")


def _holds(schema: Any, kind: type) -> bool:
    """Whether a core schema of pydantic's makes an instance of `kind` somewhere."""
    if isinstance(schema, dict):
        parts = cast("Mapping[str, Any]", schema)
        return parts.get("cls") is kind or any(
            _holds(part, kind) for key, part in parts.items() if key != "metadata"
        )
    return isinstance(schema, list | tuple) and any(
        _holds(part, kind) for part in cast("list[Any]", schema)
    )


def _schema(
    owner: str, model: type[BaseModel], given: list[Parameter], hints: Mapping[str, Any]
) -> dict[str, Any]:
    """What pydantic checks, as JSON Schema, with the defaults of the function."""
    try:
        schema = model.model_json_schema(schema_generator=_QuietJsonSchema)
    except (PydanticUserError, TypeError, ValueError) as error:
        fields = {
            f"p{index}": _field(each, hints[each.name], None) for index, each in enumerate(given)
        }
        raise _offender(owner, given, fields, error) from None
    for shown, parameter in zip(schema["properties"].values(), given, strict=True):
        if parameter.default is Parameter.empty or isinstance(parameter.default, FieldInfo):
            continue
        shown.pop("default", None)
        if _is_json(parameter.default):
            shown["default"] = to_jsonable_python(parameter.default)
    return schema


def _is_json(default: object) -> bool:
    """Whether a default can be shown to the model."""
    if isinstance(default, Image | File):
        return False
    try:
        json.dumps(to_jsonable_python(default), allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return True
