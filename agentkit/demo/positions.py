"""YAML with line numbers, within limits.

PyYAML's safe loader forgets where a value stood, and expands an alias bomb. Here the document is
walked as nodes: each value remembers its line, each alias counts as often as it is used, and what
is too large, too deep or said twice is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentkit.errors import UsageError

if TYPE_CHECKING:
    from yaml.events import Event
    from yaml.nodes import MappingNode, Node

MAX_CHARACTERS = 256 * 1024
MAX_DEPTH = 24
MAX_VALUES = 10_000

Place = tuple[str | int, ...]
"""Where in a document: `("turns", 2, "expect")`."""


class ScriptError(UsageError):
    """A demo script that cannot be played: its message names the file, the line and the field."""


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document as plain data, and the line of each value in it."""

    file: str
    data: Any
    lines: Mapping[Place, int]

    def error(self, place: Place, why: str) -> ScriptError:
        """`FILE:LINE: field turns[2].say: why`; a place that is not there has the line of what
        should hold it.
        """
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        field = f"field {field_name(place)}: " if place else ""
        return ScriptError(f"{self.file}:{self.lines.get(known, 1)}: {field}{why}")


def field_name(place: Place) -> str:
    """`turns[2].expect.images`, counting from 0."""
    name = ""
    for step in place:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
    return name


def parse(text: str, file: str) -> Document:
    """The first document of a YAML text. Raises `ScriptError`."""
    import yaml

    if len(text) > MAX_CHARACTERS:
        raise ScriptError(
            f"{file}:1: the script has {len(text)} characters; "
            f"accepted are at most {MAX_CHARACTERS}"
        )
    try:
        _look_at_depth(text, file)
        untyped: Any = yaml
        node: Node | None = untyped.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        why = " ".join(part for part in (error.context, error.problem) if part)
        raise ScriptError(
            f"{file}:{mark.line + 1 if mark else 1}: this is no YAML: {why}"
        ) from None
    except yaml.YAMLError as error:
        raise ScriptError(f"{file}:1: this is no YAML: {' '.join(str(error).split())}") from None
    walk = _Walk(file)
    data = walk.value(node, ()) if node is not None else None
    return Document(file, data, walk.lines)


def _look_at_depth(text: str, file: str) -> None:
    """PyYAML composes by recursion; its events do not, so they are looked at first."""
    import yaml

    depth = 0
    untyped: Any = yaml
    events: Iterator[Event] = untyped.parse(text, Loader=yaml.SafeLoader)
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise ScriptError(
                    f"{file}:{event.start_mark.line + 1}: nested more than {MAX_DEPTH} deep"
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Walk:
    def __init__(self, file: str) -> None:
        import yaml

        self.file = file
        self.lines: dict[Place, int] = {}
        self._constructor: Any = yaml.SafeLoader("")

    def value(self, node: Node, place: Place) -> Any:
        import yaml

        line = node.start_mark.line + 1 if node.start_mark else 1
        self.lines.setdefault(place, line)
        if len(self.lines) > MAX_VALUES or len(place) > MAX_DEPTH:
            raise ScriptError(
                f"{self.file}:{line}: more than {MAX_VALUES} values or "
                f"{MAX_DEPTH} levels, aliases expanded"
            )
        if isinstance(node, yaml.MappingNode):
            return {
                key: self.value(inner, (*place, key)) for key, inner in self._entries(node, place)
            }
        if isinstance(node, yaml.SequenceNode):
            return [self.value(inner, (*place, index)) for index, inner in enumerate(node.value)]
        # A tag such as !!python/name, or a date such as 2026-02-31.
        try:
            return self._constructor.construct_object(node)
        except (
            yaml.YAMLError,
            ValueError,
        ) as error:
            problem: object = getattr(error, "problem", None)
            raise ScriptError(
                f"{self.file}:{line}: field {field_name(place)}: {problem or error}"
            ) from None

    def _entries(self, node: MappingNode, place: Place) -> Iterator[tuple[str, Node]]:
        seen: set[str] = set()
        for key, inner in node.value:
            line = key.start_mark.line + 1
            name: object = key.value
            if not isinstance(name, str):
                raise ScriptError(
                    f"{self.file}:{line}: a key in "
                    f"{field_name(place) or 'the script'} is no plain text"
                )
            if name in seen:
                raise ScriptError(
                    f"{self.file}:{line}: field {field_name((*place, name))}: given twice"
                )
            seen.add(name)
            self.lines[*place, name] = line
            yield name, inner
