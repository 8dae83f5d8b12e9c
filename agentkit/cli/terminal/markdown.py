"""Markdown that arrives line by line, as rows for a terminal: each is given once, when it is final.

The lines are escaped for a terminal already (`plain.terminal`), so only styles made here reach it.
A table is final when its last row is there; until then its rows are still being written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

WIDEST = 100
"""Columns of a line of words. Code and tables may be wider."""

_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})\s*([\w+-]*)")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_RULE = re.compile(r"\s{0,3}([-*_])(\s*\1){2,}\s*$")
_ITEM = re.compile(r"(\s*)([-*+]|\d{1,4}[.)])\s+(.*)")
_QUOTE = re.compile(r"\s{0,3}((?:>\s?)+)(.*)")
_DELIMITER = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_CELL = re.compile(r"(?<!\\)\|")
_UNSPLIT = ("|", "!", "`", "~", "#")
"""First characters of lines that are given whole: tables, pictures, code, titles."""
_LOOK_AHEAD = 3
"""Rows after which a mark that is not closed is taken for a letter."""
PICTURE = re.compile(r"!\[([^\]\n]*)\](?:\(([^)\n]*)\)|\[[^\]\n]*\])")
"""A picture in Markdown: its caption, and its URL if that stands there."""
_INLINE = re.compile(
    r"(?P<tick>`+)(?P<code>.+?)(?P=tick)(?!`)"
    r"|\*\*(?P<bold>\S(?:.*?\S)?)\*\*"
    r"|(?<![\w*])\*(?P<italic>[^\s*](?:[^*]*[^\s*])?)\*(?![\w*])"
    r"|(?<!!)\[(?P<label>[^\]\[]+)\]\((?P<url>[^)\s]+)\)"
)


def _width(console: Console, options: ConsoleOptions) -> int:
    """Columns of a line of words: in a file, as many as it has."""
    return max(min(options.max_width, WIDEST) if console.is_terminal else options.max_width, 1)


@dataclass(frozen=True, slots=True)
class Hanging:
    """Words with a prefix before their first line, and another one before those that follow."""

    first: str
    rest: str
    words: Text
    style: str = "dim"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(_width(console, options) - cell_len(self.first), 8)
        for number, line in enumerate(self.words.wrap(console, width)):
            line.rstrip()
            yield Text.assemble((self.rest if number else self.first, self.style), line)


@dataclass(frozen=True, slots=True)
class Words:
    """Words, wrapped between words at `WIDEST` columns or where the terminal ends."""

    words: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.words.wrap(console, _width(console, options)):
            line.rstrip()
            yield line


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A line that the terminal itself breaks, so that copying it gives one line."""

    line: str
    style: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self.line, console.get_style(self.style))
        yield Segment.line()


@dataclass(frozen=True, slots=True)
class _Shape:
    """A line without its marks: what stands before its first row and before those that follow."""

    words: str
    first: str = ""
    rest: str = ""
    style: str = ""
    prefix_style: str = ""

    def row(self) -> RenderableType:
        words = inline(self.words, self.style)
        if not self.first:
            return Words(words)
        return Hanging(self.first, self.rest, words, self.prefix_style)

    def after(self, cut: int) -> _Shape:
        """What follows its first row."""
        return replace(self, words=self.words[cut:].lstrip(), first=self.rest)


class MarkdownLines:
    """Takes lines of Markdown, and gives what is final: all but a table that has not ended.

    With `formatted=False` each line comes as it is, for a file or a pipe.
    """

    def __init__(self, *, formatted: bool = True) -> None:
        self._formatted = formatted
        self._table: list[str] = []
        """Rows of a table that has not ended."""
        self._fence = ""
        """The fence that ends the code being written."""
        self._split: _Shape | None = None
        """The line whose first rows were given already."""

    @property
    def prefix(self) -> str:
        """What stands before the rest of a line whose first rows were given already."""
        return self._split.first if self._split is not None else ""

    def split(self, line: str, width: int) -> tuple[RenderableType, str] | None:
        """The first row of a line that is too long for one of `width` columns, and the rest of the
        line; None where that is not known yet, or the line is not split: code, and a table.
        """
        if not self._formatted or self._fence or self._table or line.lstrip()[:1] in _UNSPLIT:
            return None
        shape = _shape(line) if self._split is None else replace(self._split, words=line)
        cut = _end_of_row(shape.words, max(min(width, WIDEST) - cell_len(shape.first), 8))
        if cut is None:
            return None
        self._split = rest = shape.after(cut)
        return replace(shape, words=shape.words[:cut].rstrip()).row(), rest.words

    @property
    def is_code(self) -> bool:
        """Whether the next line is code."""
        return bool(self._fence)

    @property
    def table_rows(self) -> tuple[str, ...]:
        """The rows of a table that has not ended."""
        return tuple(self._table)

    def take(self, line: str) -> list[RenderableType]:
        """One more line, whole, escaped for a terminal, without its end. Returns what is final
        now.
        """
        if not self._formatted:
            return [Text(line)]
        if self._fence:
            return [self._code(line)]
        split, self._split = self._split, None
        if split is not None:
            return [replace(split, words=line).row()] if line.strip() else []
        if "|" in line and (self._table or line.lstrip().startswith("|")):
            self._table.append(line)
            if len(self._table) == 2 and not _DELIMITER.match(line):
                rows, self._table = self._table, []
                return [Words(inline(row)) for row in rows]
            return []
        ended = self.end_table()
        return [*ended, self._formatted_line(line)] if line.strip() else ended

    def end_table(self) -> list[RenderableType]:
        """The end of a table, if there is one: returns it."""
        rows, self._table = self._table, []
        if len(rows) < 2:
            return [Words(inline(row)) for row in rows]
        return [table(rows)]

    def _code(self, line: str) -> RenderableType:
        if line.strip().startswith(self._fence) and not line.strip().strip(self._fence[0]):
            self._fence = ""
            return Unwrapped(line, "dim")
        return Unwrapped(line, "cyan")

    def _formatted_line(self, line: str) -> RenderableType:
        if match := _FENCE.match(line):
            self._fence = match[1]
            return Unwrapped(line, "dim")
        if _RULE.match(line):
            return Text("─" * 24, style="dim")
        return _shape(line.rstrip()).row()


def inline(line: str, style: str = "") -> Text:
    """A line with its bold, italic and code; a link shows its address, for that is what is opened.

    The line is escaped already.
    """
    text, at = Text(style=style), 0
    line = PICTURE.sub(lambda match: f"[{match[1] or 'picture'}]", line)
    for match in _INLINE.finditer(line):
        text.append(line[at : match.start()])
        at = match.end()
        if match["code"] is not None:
            text.append(match["code"], "cyan")
        elif match["bold"] is not None:
            text.append(match["bold"], "bold")
        elif match["italic"] is not None:
            text.append(match["italic"], "italic")
        else:
            text.append(match["label"], "underline")
            if match["label"] != match["url"]:
                text.append(f" ({match['url']})", "dim")
    text.append(line[at:])
    return text


def _shape(line: str) -> _Shape:
    if match := _HEADING.match(line):
        return _Shape(match[2], style="bold underline" if len(match[1]) == 1 else "bold")
    if match := _ITEM.match(line):
        mark = "•" if match[2] in "-*+" else match[2]
        first = f"{match[1][:16]}{mark} "
        return _Shape(match[3], first, " " * cell_len(first))
    if match := _QUOTE.match(line):
        bar = "│ " * match[1].count(">")
        return _Shape(match[2], bar, bar, "italic", "dim")
    return _Shape(line)


def _end_of_row(words: str, room: int) -> int | None:
    """How many characters of these words make one row of `room` columns; None while they may be
    one row as a whole, or a mark in them (`**`) is not closed yet.
    """
    start = words[: _LOOK_AHEAD * room]
    if cell_len(start) <= room or cell_len(inline(start).plain) <= room:
        return None
    ends = [match.start() for match in re.finditer(" ", start)]
    if not ends or ends[0] > 2 * room:
        ends = list(range(1, min(len(start), room) + 1))
    fitting = [end for end in ends if cell_len(inline(start[:end]).plain) <= room]
    closed = [end for end in fitting if start[:end].strip() and _is_closed(start[:end])]
    if closed:
        return closed[-1]
    if len(words) < _LOOK_AHEAD * room:
        return None
    # A word longer than a row, such as an address: the row breaks within it.
    return fitting[-1] if fitting else next(filter(lambda end: _is_closed(start[:end]), ends), None)


def _is_closed(words: str) -> bool:
    """Whether no mark is open at the end of these words."""
    opened, closed = words.rfind("["), words.rfind("]")
    in_link = opened > closed or words.endswith("]") or words.rfind("](") > words.rfind(")")
    return words.count("`") % 2 == 0 and words.count("*") % 2 == 0 and not in_link


def table(rows: Sequence[str]) -> Table:
    """A table from its lines in Markdown: the head, the line below it, and the rows."""
    head, *body = [_cells(row) for number, row in enumerate(rows) if number != 1]
    shown = Table(box=box.ROUNDED, border_style="dim", header_style="bold", pad_edge=True)
    for cell, rule in zip(head, _padded(_cells(rows[1]), len(head)), strict=True):
        right = rule.endswith(":")
        justify = "center" if right and rule.startswith(":") else "right" if right else "left"
        shown.add_column(inline(cell), justify=justify, overflow="fold")
    for row in body:
        shown.add_row(*(inline(cell) for cell in _padded(row, len(head))))
    return shown


def _cells(row: str) -> list[str]:
    cells = _CELL.split(row.strip().removeprefix("|"))
    if len(cells) > 1 and not cells[-1].strip():
        cells.pop()
    return [cell.strip().replace("\\|", "|") for cell in cells]


def _padded(cells: list[str], count: int) -> list[str]:
    return [*cells[:count], *[""] * (count - len(cells))]
