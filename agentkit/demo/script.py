"""The form of a demo script. `load` reads one; what is wrong in it is told by file, line and
field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from agentkit.answer import AnswerStatus
from agentkit.demo.colours import Colour
from agentkit.demo.document import MAX_CHARACTERS, Document, ScriptError, parse
from agentkit.settings import Limits, ModelSettings
from agentkit.values import APIS, Api

if TYPE_CHECKING:
    from agentkit.emulator.yaml_lines import FieldPath

SettingsT = TypeVar("SettingsT", ModelSettings, Limits)
_TYPE = r"[a-z0-9_]+:[a-z0-9_.-]+"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _pattern(text: str) -> str:
    if is_pattern(text):
        try:
            re.compile(text[1:-1])
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
    return text


def is_pattern(text: str) -> bool:
    """`/…/` is a regular expression; anything else is looked for as it is."""
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


Count = Annotated[int, Field(ge=0, le=1000)]
Words = Annotated[str, Field(min_length=1)]
Pattern = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(lambda value: _pattern(value) if isinstance(value, str) else value),
]


class Expect(_Part):
    """What must be true of a turn's answer. What is left out may be as it likes, but for `status`
    and `failures`.
    """

    status: AnswerStatus = "completed"
    text: Annotated[list[Pattern], BeforeValidator(_listed)] = []
    """Each must be found in the answer's words, upper or lower case; `/…/` is a regular
    expression.
    """
    tools: Mapping[Words, Count] | None = None
    """How often each of the user's tools ran, and no other ran: `{weather: 2}`."""
    together: bool = False
    """All of the user's tools were called in one reply."""
    server_tools: Count | None = None
    images: Count | None = None
    parents: Annotated[list[Words], BeforeValidator(_listed)] = []
    """Names of earlier pictures from which one of this turn was made."""
    prompt: Annotated[list[Pattern], BeforeValidator(_listed)] = []
    """Each must be found in what one picture of this turn was drawn from, as `text` is."""
    colours: Annotated[list[Colour], BeforeValidator(_listed)] = []
    """Each must be seen in one picture of this turn."""
    failures: Count = 0
    """Pictures that were announced and could not be had."""


STUDIO = "studio"
"""In `tools:`, the Image API's own: `studio: {model: …, quality: low}`."""
STUDIO_TOOLS = ("draw_image", "edit_image")


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """One of `tools:`. `name` is a reference (`tools.py:weather`, `package.module:weather`), a
    server tool's type, or `studio`.
    """

    name: str
    parameters: Mapping[str, Any] | None = None
    """Of a server tool or the studio; None for a reference."""

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the user's tools that it stands for."""
        if self.name == STUDIO:
            return STUDIO_TOOLS
        return (self.name.partition(":")[2].rpartition(".")[2],) if self.parameters is None else ()


def _tool(value: object) -> object:
    if isinstance(value, Mapping) and len(value) == 1:  # pyright: ignore[reportUnknownArgumentType]
        (name, parameters), *_ = value.items()  # pyright: ignore[reportUnknownVariableType]
        is_known = isinstance(name, str) and (name == STUDIO or re.fullmatch(_TYPE, name))
        if is_known and isinstance(parameters, Mapping | None):
            return ToolEntry(name, dict(parameters or {}))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, str) and (value == STUDIO or value.startswith("openrouter:")):
        return ToolEntry(value, {})
    elif isinstance(value, str) and re.fullmatch(r"[^:\s][^:]*:[A-Za-z_][\w.]*", value):
        return ToolEntry(value)
    raise ValueError(
        "accepted is FILE.py:NAME, package.module:NAME, a server tool such "
        "as openrouter:image_generation: {…}, "
        "or studio: {model: …}"
    )


Entry = Annotated[ToolEntry, BeforeValidator(_tool)]


class Turn(_Part):
    """What the user says, how it is asked where that is not as in the rest of the script, and what
    is to come of it.
    """

    say: Words
    model: Words | None = None
    settings: Mapping[str, Any] = {}
    """Over those of the script."""
    tools: list[Entry] | None = None
    """In place of those of the script."""
    expect: Expect = Expect()


class _Shape(_Part):
    name: Words
    about: str = ""
    model: Words
    instructions: str = ""
    apis: Annotated[list[Literal["chat", "responses"]], Field(min_length=1, max_length=2)] = list(
        APIS
    )
    tools: list[Entry] = []
    settings: Mapping[str, Any] = {}
    limits: Mapping[str, Any] = {}
    turns: Annotated[list[Turn], Field(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True)
class Script:
    """A demo that can be played."""

    name: str
    about: str
    model: str
    instructions: str
    apis: tuple[Api, ...]
    tools: tuple[ToolEntry, ...]
    settings: ModelSettings
    limits: Limits
    turns: tuple[Turn, ...]
    document: Document
    folder: Path
    """References to Python files start here."""

    def model_of(self, turn: Turn) -> str:
        """The model that is asked in this turn."""
        return turn.model or self.model

    def settings_of(self, turn: Turn) -> ModelSettings:
        """How the model is asked in this turn."""
        return self.settings.merged(ModelSettings(**turn.settings))

    def error(self, path: FieldPath, why: str) -> ScriptError:
        """An error about a field of this script."""
        return self.document.error(path, why)


def load(path: Path) -> Script:
    """The script in a file. Raises `ScriptError`."""
    try:
        with path.open("rb") as file:
            data = file.read(4 * MAX_CHARACTERS + 1)
    except OSError as error:
        raise ScriptError(f"{path}: the script cannot be read: {error.strerror or error}") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(10, 0, error.start) + 1
        raise ScriptError(f"{path}:{line}: the script is not UTF-8") from None
    return read(text, str(path), folder=path.resolve().parent)


def read(text: str, file: str, *, folder: Path) -> Script:
    """The script that a text is. `file` is its name in errors. Raises `ScriptError`."""
    document = parse(text, file)
    try:
        shape = _Shape.model_validate(document.data)
    except ValidationError as error:
        raise _first(document, error) from None
    if len(set(shape.apis)) != len(shape.apis):
        raise document.error(("apis",), f"given {_shown(shape.apis)}, accepted is each API once")
    for index, turn in enumerate(shape.turns):
        _check_references(document, shape, turn, index)
        _built(document, ("turns", index, "settings"), ModelSettings, turn.settings)
    return Script(
        name=shape.name,
        about=shape.about,
        model=shape.model,
        instructions=shape.instructions,
        apis=tuple(shape.apis),
        tools=tuple(shape.tools),
        settings=_built(document, ("settings",), ModelSettings, shape.settings),
        limits=_built(document, ("limits",), Limits, shape.limits),
        turns=tuple(shape.turns),
        document=document,
        folder=folder,
    )


def _check_references(document: Document, shape: _Shape, turn: Turn, index: int) -> None:
    """A misspelt name in `expect` would only make the play fail, at its end."""
    entries = shape.tools if turn.tools is None else turn.tools
    known = [name for each in entries for name in each.functions]
    for name in turn.expect.tools or ():
        if name not in known:
            path = ("turns", index, "expect", "tools", name)
            raise document.error(
                path, f"no such tool in `tools:`, accepted are: {', '.join(known) or 'none'}"
            )


def _built(
    document: Document, at: FieldPath, kind: type[SettingsT], given: Mapping[str, Any]
) -> SettingsT:
    fields = kind.__dataclass_fields__
    for key in given:
        if key not in fields:
            raise document.error((*at, key), f"unknown, accepted are: {', '.join(fields)}")
    try:
        return kind(**given)
    except ValueError as error:
        wrong = next((key for key in given if f"({key}=" in str(error)), None)
        given_value = f"given {_shown(given[wrong])}, " if wrong is not None else ""
        path = at if wrong is None else (*at, wrong)
        raise document.error(path, given_value + str(error).rpartition("): ")[2]) from None
    except TypeError as error:
        raise document.error(at, f"given {_shown(given)}, which does not fit: {error}") from None


_ACCEPTED = {
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _first(document: Document, error: ValidationError) -> ScriptError:
    """The error that stands first in the file; one about a missing field yields to one about what
    is there.
    """
    found = [(_place(detail), detail) for detail in error.errors(include_url=False)]
    path, detail = min(
        found, key=lambda each: (each[1]["type"] == "missing", document.lines.get(each[0], 0))
    )
    return document.error(path, _why(path, detail))


def _place(detail: ErrorDetails) -> FieldPath:
    return tuple(step for step in detail["loc"] if step != "[key]")


def _why(path: FieldPath, detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return "missing; it is required"
    if kind == "extra_forbidden":
        return f"unknown, accepted are: {', '.join(_fields_at(path[:-1]))}"
    given = f"given {_shown(detail['input'])}, "
    match kind:
        case "literal_error":
            return f"{given}accepted is {str(context['expected']).replace(chr(39), '')}"
        case "greater_than_equal" | "less_than_equal":
            return f"{given}accepted is a whole number from 0 to 1000"
        case "too_short" | "too_long":
            return (
                f"given {context['actual_length']}, accepted are "
                f"{context.get('min_length', 0) or 'at most'} "
                f"{context.get('max_length') or 'or more'}"
            )
        case "value_error":
            return given + str(context["error"])
        case _:
            return given + (
                f"accepted is {_ACCEPTED[kind]}" if kind in _ACCEPTED else detail["msg"]
            )


def _fields_at(path: FieldPath) -> Sequence[str]:
    shape: type[BaseModel] = _Shape
    if path[:1] == ("turns",):
        shape = Expect if "expect" in path else Turn
    return tuple(shape.model_fields)


def _shown(value: object) -> str:
    """A value as a YAML writer knows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
