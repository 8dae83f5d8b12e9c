"""The `variables:` of a script: `{name}` in its texts stands for a value. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from agentkit.demo.document import Document, ScriptError

if TYPE_CHECKING:
    from agentkit.emulator.yaml_lines import FieldPath

_NAME = re.compile(r"[A-Za-z_]\w*")
_USE = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*)\}")
_LEFT_ALONE = {"variables", "settings", "limits", "json_schema", "edit"}
"""Fields whose values are no texts for a reader."""


def filled(document: Document, given: Mapping[str, str]) -> Document:
    """The document with the values of its variables in the place of `{name}`.

    `given` replaces values of the script. A script without `variables` is left as it is, and its
    braces are braces. Raises `ScriptError` for a name that is none of the variables.
    """
    found = _mapping(_mapping(document.data).get("variables"))
    if not found:
        if given:
            raise ScriptError(
                f"{document.file}: the script has no variables, so {_listing(given)} cannot be set"
            )
        return document
    variables = dict(found)
    for name in variables:
        if not _NAME.fullmatch(name):
            raise document.error(
                ("variables", name), "accepted are names of letters, digits and underscores"
            )
    for name in given:
        if name not in variables:
            raise ScriptError(
                f"{document.file}: there is no variable {name!r}, "
                f"accepted are: {_listing(variables)}"
            )
    values = {name: str(value) for name, value in {**variables, **given}.items()}
    changed = _walk(document.data, (), document, values)
    changed["variables"] = {**variables, **given}
    return Document(document.file, changed, document.lines)


def _mapping(value: object) -> Mapping[str, Any]:
    """A mapping, or an empty one for what is none."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _walk(value: Any, path: FieldPath, document: Document, values: Mapping[str, str]) -> Any:
    if path and path[-1] in _LEFT_ALONE:
        return value
    if isinstance(value, str):
        return _with_values(value, path, document, values)
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value).items()
        return {key: _walk(inner, (*path, key), document, values) for key, inner in entries}
    if isinstance(value, list):
        items = enumerate(cast("list[Any]", value))
        return [_walk(inner, (*path, index), document, values) for index, inner in items]
    return value


def _with_values(text: str, path: FieldPath, document: Document, values: Mapping[str, str]) -> str:
    def value_of(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]  # {{ and }} are a brace each
        if match[1] not in values:
            raise document.error(
                path,
                f"{{{match[1]}}} is no variable, accepted are: {_listing(values)} "
                "(a brace is written {{ or }})",
            )
        return values[match[1]]

    return _USE.sub(value_of, text)


def _listing(names: Mapping[str, object]) -> str:
    return ", ".join(names)
