"""The YAML document of a demo script: its data, and the line of each field for errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentkit.errors import UsageError

if TYPE_CHECKING:
    from agentkit.emulator.yaml_lines import FieldPath, YamlError

MAX_CHARACTERS = 256 * 1024
MAX_DEPTH = 24
MAX_VALUES = 10_000


class ScriptError(UsageError):
    """A demo script that cannot be played. The message names the file, the line and the field."""


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document as plain data, and the line of each value in it."""

    file: str
    data: Any
    lines: Mapping[FieldPath, int]

    def error(self, path: FieldPath, why: str) -> ScriptError:
        """The error `FILE:LINE: field turns[2].say: why`.

        A missing field has the line of the mapping that should hold it.
        """
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        field = f"field {field_name(path)}: " if path else ""
        return ScriptError(f"{self.file}:{self.lines.get(known, 1)}: {field}{why}")


def field_name(path: FieldPath) -> str:
    """A path in words: `turns[2].expect.images`, counting from 0."""
    name = ""
    for step in path:
        if isinstance(step, int):
            name += f"[{step}]"
        else:
            name += f".{step}" if name else step
    return name


def parse(text: str, file: str) -> Document:
    """The first document of a YAML text. Raises `ScriptError`."""
    from agentkit.emulator.yaml_lines import YamlError, YamlLimits, read_yaml

    if len(text) > MAX_CHARACTERS:
        raise ScriptError(
            f"{file}:1: the script has {len(text)} characters; "
            f"accepted are at most {MAX_CHARACTERS}"
        )
    try:
        data, lines = read_yaml(text, YamlLimits(depth=MAX_DEPTH, values=MAX_VALUES))
    except YamlError as error:
        raise ScriptError(f"{file}:{error.line or 1}: {_explain(error)}") from None
    return Document(file, data, lines)


def _explain(error: YamlError) -> str:
    field = field_name(error.path)
    match error.flaw:
        case "depth":
            return f"nested more than {MAX_DEPTH} deep"
        case "size":
            return f"more than {MAX_VALUES} values or {MAX_DEPTH} levels, aliases expanded"
        case "key":
            return f"a key in {field or 'the script'} is no plain text"
        case "duplicate":
            return f"field {field}: given twice"
        case "value":
            return f"field {field}: {error.detail}"
        case "syntax" | "alias":
            return f"this is no YAML: {error.detail}"
