"""YAML with the line of each value, within limits. For files of faults and for demo scripts.

PyYAML's safe loader forgets where a value stood, accepts a key twice and expands an alias bomb.
Here the document is read as nodes: each value keeps its line, an alias counts as often as it is
used, and a text that is too deep or too large is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from yaml.events import Event
    from yaml.nodes import MappingNode, Node

FieldPath = tuple[str | int, ...]
"""The keys and indexes that lead to a value: `("turns", 2, "expect")`."""

_PLAIN_TAGS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}

YamlFlaw = Literal["syntax", "depth", "alias", "size", "key", "duplicate", "value"]


class YamlError(ValueError):
    """A text that was refused.

    `flaw` is the kind of error, `line` counts from 1 (None: unknown), `path` leads to the field,
    `detail` is what PyYAML says.
    """

    def __init__(
        self, flaw: YamlFlaw, line: int | None, path: FieldPath = (), detail: str = ""
    ) -> None:
        super().__init__(f"{flaw} in line {line}: {detail}")
        self.flaw: YamlFlaw = flaw
        self.line = line
        self.path = path
        self.detail = detail


@dataclass(frozen=True, slots=True)
class YamlLimits:
    """What a text may hold: levels, values (aliases expanded), and whether aliases are accepted."""

    depth: int
    values: int
    aliases: bool = True


def read_yaml(text: str, limits: YamlLimits) -> tuple[Any, dict[FieldPath, int]]:
    """The first document as plain data, and the line of each value and key in it.

    Keys are strings as they are written. Raises `YamlError`.
    """
    import yaml
    from yaml.reader import ReaderError

    try:
        _check_events(text, limits)
        untyped: Any = yaml
        root: Node | None = untyped.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        detail = " ".join(part for part in (error.context, error.problem) if part)
        raise YamlError("syntax", mark.line + 1 if mark else None, (), detail) from None
    except ReaderError as error:  # of a character; it has a position and no mark
        line = text.count("\n", 0, error.position) + 1
        detail = f"unacceptable character U+{error.character:04X}"
        raise YamlError("syntax", line, (), detail) from None
    except yaml.YAMLError as error:
        raise YamlError("syntax", None, (), " ".join(str(error).split())) from None
    reader = _Reader(limits, yaml.SafeLoader(""))
    data = reader.value(root, ()) if root is not None else None
    return data, reader.lines


def _check_events(text: str, limits: YamlLimits) -> None:
    """Refuse deep nesting first: PyYAML composes nodes by recursion, but not its events."""
    import yaml

    depth = 0
    untyped: Any = yaml
    events: Iterator[Event] = untyped.parse(text, Loader=yaml.SafeLoader)
    for event in events:
        line = event.start_mark.line + 1
        if getattr(event, "anchor", None) is not None and not limits.aliases:
            raise YamlError("alias", line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > limits.depth:
                raise YamlError("depth", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


@dataclass(slots=True)
class _Reader:
    limits: YamlLimits
    constructor: Any
    """PyYAML's loader, which makes a value of a scalar."""
    lines: dict[FieldPath, int] = field(default_factory=dict[FieldPath, int])

    def value(self, node: Node, path: FieldPath) -> Any:
        import yaml

        line = node.start_mark.line + 1 if node.start_mark else 1
        self.lines.setdefault(path, line)
        if len(self.lines) > self.limits.values or len(path) > self.limits.depth:
            raise YamlError("size", line, path)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN_TAGS:
            detail = f"could not determine a constructor for the tag {node.tag!r}"
            raise YamlError("value", line, path, detail)
        if isinstance(node, yaml.MappingNode):
            entries = self._entries(node, path)
            return {key: self.value(inner, (*path, key)) for key, inner in entries}
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            return [self.value(inner, (*path, index)) for index, inner in items]
        # A tag such as !!python/name, or a date such as 2026-02-31, cannot be made.
        try:
            return self.constructor.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            problem: object = getattr(error, "problem", None)
            raise YamlError("value", line, path, str(problem or error)) from None

    def _entries(self, node: MappingNode, path: FieldPath) -> Iterator[tuple[str, Node]]:
        seen: set[str] = set()
        for key, inner in node.value:
            line = key.start_mark.line + 1
            name: object = key.value
            if not isinstance(name, str):
                raise YamlError("key", line, path)
            if name in seen:
                raise YamlError("duplicate", line, (*path, name))
            seen.add(name)
            self.lines[*path, name] = line
            yield name, inner
