"""What a command prints: the answer to stdout, all the rest to stderr, never between the words.

Everything passes `agentkit.show.plain` on its way: what a model or a server wrote is shown and
never obeyed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from agentkit.show import plain

_CLEAR = "\r\x1b[2K"
_WIDEST = 400


class Output:
    """The two streams of a command. Where both are one terminal, a row waits for the end of the
    line that is being written.
    """

    def __init__(
        self, out: TextIO | None = None, err: TextIO | None = None, *, quiet: bool = False
    ) -> None:
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err
        self._quiet = quiet
        is_terminal = self._err.isatty()
        self.is_moving = is_terminal and not quiet and os.environ.get("TERM") != "dumb"
        """Whether a line that changes can be shown."""
        self._colours = self.is_moving and not os.environ.get("NO_COLOR")
        self._shared = is_terminal and self._out.isatty()
        self.is_terminal = self._out.isatty()
        """Whether a person reads the answer as it is printed."""
        self._rows: list[str] = []
        self._held = ""
        self._in_line = False
        self._progress = False

    @property
    def columns(self) -> int:
        """The width of the terminal; 80 where there is none."""
        return _columns(self._out)

    def words(self, text: str) -> None:
        """More words of the answer, as they come."""
        text = self._held + text
        # A line end of Windows may be cut in two.
        self._held = "\r" if text.endswith("\r") else ""
        shown = plain.terminal(text.removesuffix(self._held) if self._held else text)
        if not shown:
            return
        *lines, rest = shown.split("\n")
        for line in lines:
            self._write(line + "\n")
            self._in_line = False
            self._write_rows()
        if rest:
            self._write(rest)
            self._in_line = True
        self._out.flush()

    def end(self) -> None:
        """End the line of words, if one was begun."""
        if self._held:
            self._held = ""
            self.words("\n")
        if self._in_line:
            self.words("\n")
        self._clear_progress()
        self._write_rows()

    def line(self, text: str) -> None:
        """One line of the answer, whole however long it is."""
        self.end()
        self._write(plain.line(text, width=sys.maxsize) + "\n")
        self._out.flush()

    def line_of(self, text: str) -> None:
        """One line of the answer whose white space stays."""
        self.end()
        self._write(plain.terminal(text).replace("\n", "␊") + "\n")
        self._out.flush()

    def cells(self, cells: Sequence[str]) -> None:
        """One line of cells with tabs between them."""
        self.line_of("\t".join(plain.line(each, width=sys.maxsize) for each in cells))

    def path(self, path: Path) -> None:
        """A path, as it is: it may hold white space, which `line` would fold."""
        self.line_of(str(path))

    def json(self, line: str) -> None:
        """One line of JSON that is ASCII."""
        self._write(line.replace("\x7f", "\\u007f") + "\n")
        self._out.flush()

    def row(self, sign: str, text: str, colour: int = 0, *, dim: bool = False) -> None:
        """A row of stderr: what a tool did, a picture, the cost. `colour` is that of the sign, as
        ECMA-48 numbers them.
        """
        if self._quiet:
            return
        text = plain.line(text, width=_WIDEST)
        if self._colours:
            sign = f"\x1b[{colour}m{sign}\x1b[0m" if sign and colour else sign
            text = f"\x1b[2m{text}\x1b[0m" if dim else text
        self._rows.append(f"{sign} {text}" if sign else text)
        self._write_rows()

    def tell(self, text: str) -> None:
        """A line of stderr that is told even if the rest is quiet."""
        self.end()
        self._err.write(plain.line(text, width=1000) + "\n")
        self._err.flush()

    def whole(self, text: str) -> None:
        """A line of stderr that is told whole, however long it is."""
        self.end()
        self._err.write(plain.terminal(text).replace("\n", "␊") + "\n")
        self._err.flush()

    def ask(self, question: str) -> str | None:
        """A line that a person types; None at the end of the input. Nobody is asked but at a
        terminal.
        """
        self.end()
        self._err.write(plain.line(question, width=_WIDEST) + " ")
        self._err.flush()
        typed = sys.stdin.readline()
        return typed.strip() if typed else None

    def progress(self, text: str) -> None:
        """Show what goes on, on a line that the next one replaces."""
        if not self.is_moving or (self._shared and self._in_line):
            return
        width = _columns(self._err)
        self._err.write(_CLEAR + plain.line(text, width=max(width - 1, 1)))
        self._err.flush()
        self._progress = True

    def _clear_progress(self) -> None:
        if self._progress:
            self._progress = False
            self._err.write(_CLEAR)
            self._err.flush()

    def _write(self, text: str) -> None:
        if self._shared:
            self._clear_progress()
        self._out.write(text)

    def _write_rows(self) -> None:
        if not self._rows or (self._shared and self._in_line):
            return
        self._out.flush()
        self._clear_progress()
        for row in self._rows:
            self._err.write(row + "\n")
        self._rows.clear()
        self._err.flush()


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
