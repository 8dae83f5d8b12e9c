"""A demo script, read and checked. `load` reads one; what is wrong in it is told by file, line and
field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from agentkit.demo.document import MAX_CHARACTERS, Document, ScriptError, parse
from agentkit.demo.form import BudgetShape, Expect, Form, ToolEntry, Turn
from agentkit.demo.form_errors import first_error, shown
from agentkit.demo.replies import ScriptedReply, files_of
from agentkit.demo.variables import filled
from agentkit.settings import Limits, ModelSettings
from agentkit.values import Api

if TYPE_CHECKING:
    from agentkit.emulator.yaml_lines import FieldPath

SettingsT = TypeVar("SettingsT", ModelSettings, Limits)


@dataclass(frozen=True, slots=True)
class Script:
    """A demo that can be played."""

    name: str
    about: str
    model: str
    """Empty where the agent has it."""
    agent: str | None
    """A reference to an `Agent`, or to a function that returns one."""
    instructions: str
    apis: tuple[Api, ...]
    tools: tuple[ToolEntry, ...]
    settings: ModelSettings
    limits: Limits
    budget: BudgetShape
    """What all turns of one play may cost together."""
    variables: Mapping[str, str | int | float]
    replies: tuple[ScriptedReply, ...]
    """What the emulator's model answers, in order."""
    turns: tuple[Turn, ...]
    document: Document
    folder: Path
    """References to files start here."""

    def model_of(self, turn: Turn) -> str:
        """The model that is asked in this turn. Empty where the agent has it."""
        return turn.model or self.model

    def settings_of(self, turn: Turn) -> ModelSettings:
        """How the model is asked in this turn."""
        return self.settings.merged(ModelSettings(**turn.settings))

    def error(self, path: FieldPath, why: str) -> ScriptError:
        """An error about a field of this script."""
        return self.document.error(path, why)

    @property
    def has_replies(self) -> bool:
        """Whether it says what the emulator's model answers."""
        return bool(self.replies) or any(turn.replies for turn in self.turns)


def load(path: Path, variables: Mapping[str, str] | None = None) -> Script:
    """The script in a file. `variables` replace values of its own. Raises `ScriptError`."""
    try:
        with path.open("rb") as file:
            data = file.read(4 * MAX_CHARACTERS + 1)
    except OSError as error:
        raise ScriptError(f"{path}: the script cannot be read: {error.strerror or error}") from None
    if len(data) > 4 * MAX_CHARACTERS:
        raise ScriptError(
            f"{path}:1: the script has more than {4 * MAX_CHARACTERS} bytes; "
            f"accepted are at most {MAX_CHARACTERS} characters"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(10, 0, error.start) + 1
        raise ScriptError(f"{path}:{line}: the script is not UTF-8") from None
    return read(text, str(path), folder=path.resolve().parent, variables=variables)


def read(
    text: str, file: str, *, folder: Path, variables: Mapping[str, str] | None = None
) -> Script:
    """The script that a text is. `file` is its name in errors. Raises `ScriptError`."""
    document = filled(parse(text, file), variables or {})
    try:
        form = Form.model_validate(document.data)
    except ValidationError as error:
        raise first_error(document, error) from None
    _check(document, form, folder)
    return Script(
        name=form.name,
        about=form.about,
        model=form.model or "",
        agent=form.agent,
        instructions=form.instructions,
        apis=tuple(form.apis),
        tools=tuple(form.tools),
        settings=_built(document, ("settings",), ModelSettings, form.settings),
        limits=_built(document, ("limits",), Limits, form.limits),
        budget=form.budget,
        variables=form.variables,
        replies=tuple(form.replies),
        turns=tuple(form.turns),
        document=document,
        folder=folder,
    )


def _check(document: Document, form: Form, folder: Path) -> None:
    """What no field can tell by itself. Raises `ScriptError`."""
    if form.model is None and form.agent is None:
        raise document.error(("model",), "missing; it is required")
    if len(set(form.apis)) != len(form.apis):
        raise document.error(("apis",), f"given {shown(form.apis)}, accepted is each API once")
    for index, turn in enumerate(form.turns):
        at = ("turns", index)
        if form.agent is None or turn.tools is not None:
            entries = form.tools if turn.tools is None else turn.tools
            check_names(
                document, index, turn, [name for each in entries for name in each.functions]
            )
        _built(document, (*at, "settings"), ModelSettings, turn.settings)
        if turn.replies and form.replies:
            why = "the script has `replies` for all turns; accepted is one of the two"
            raise document.error((*at, "replies"), why)
        for path, name in _files(turn):
            _check_file(document, (*at, *path), folder / name)
    for index, reply in enumerate(form.replies):
        for name in files_of(reply):
            _check_file(document, ("replies", index), folder / name)


def check_names(document: Document, index: int, turn: Turn, known: Sequence[str]) -> None:
    """A misspelt tool in `expect` or `approve` would only make the play fail, at its end."""
    at: FieldPath = ("turns", index)
    named = [
        *((*at, "expect", "tools", name) for name in turn.expect.tools or ()),
        *((*at, "approve", name) for name in turn.approve),
    ]
    for path in named:
        if path[-1] not in known:
            raise document.error(
                path, f"no such tool in `tools:`, accepted are: {', '.join(known) or 'none'}"
            )


def is_file(other: str) -> bool:
    """Whether a picture to compare with is a file: it is no handle."""
    return "." in other or "/" in other


def compared_files(expect: Expect) -> Iterator[tuple[str, str]]:
    """The files with which the pictures of a turn are compared, each with its field."""
    image = expect.image
    for field, others in (
        ("differs_from", image.differs_from if image else ()),
        ("similar_to", image.similar_to if image else ()),
    ):
        yield from ((field, other.name) for other in others if is_file(other.name))


def _files(turn: Turn) -> Iterator[tuple[FieldPath, str]]:
    """The files that a turn names, each with its path in the turn."""
    yield from ((("attach",), name) for name in turn.attach)
    for index, reply in enumerate(turn.replies):
        yield from ((("replies", index), name) for name in files_of(reply))
    for field, name in compared_files(turn.expect):
        yield ("expect", "image", field), name


def _check_file(document: Document, path: FieldPath, file: Path) -> None:
    try:
        is_there = file.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds NUL
        is_there = False
    if not is_there:
        raise document.error(path, f"there is no file {file}")


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
        given_value = f"given {shown(given[wrong])}, " if wrong is not None else ""
        path = at if wrong is None else (*at, wrong)
        raise document.error(path, given_value + str(error).rpartition("): ")[2]) from None
    except TypeError as error:
        raise document.error(at, f"given {shown(given)}, which does not fit: {error}") from None
