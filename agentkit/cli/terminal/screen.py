"""The screen of the chat: one writer for what is final and for what still changes.

What is final is printed once, above the moving part, and belongs to the terminal from then on. The
moving part (the unfinished line, the rows of what runs, the line of input) alone is drawn again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Literal, TextIO, cast

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point, Size
from prompt_toolkit.key_binding import KeyBindingsBase
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.output import ColorDepth, Output, create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from rich.console import Console, RenderableType

_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
"""One frame, for terminals that know synchronised output; others ignore both."""


_Colours = Literal["standard", "256", "truecolor", "windows"]


class Painter:
    """Makes the text and the escape codes of what is to be shown, in the colours that the terminal
    has. Writes nothing.
    """

    def __init__(self, console: Console | None = None) -> None:
        real = console or Console()
        self._colours: _Colours | None = cast("_Colours | None", real.color_system)
        self._no_color = real.no_color

    def paint(self, *items: RenderableType, width: int) -> str:
        """What is shown, each line ended by `\\n`, wrapped at `width` columns."""
        out = StringIO()
        console = Console(
            file=out,
            force_terminal=True,
            color_system=self._colours,
            no_color=self._no_color,
            width=max(width, 1),
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
        )
        for item in items:
            console.print(item, crop=False)
        return out.getvalue()


class HeldSize:
    """The size of the terminal, which stays as it is while something is drawn."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._size = self._now()

    def __call__(self) -> Size:
        return self._size

    def update(self) -> None:
        """Take note of the size that the terminal has now."""
        self._size = self._now()

    def _now(self) -> Size:
        try:
            columns, rows = os.get_terminal_size(self._output.fileno())
        except OSError:  # the terminal has gone
            columns, rows = 0, 0
        return Size(rows=rows or 24, columns=columns or 80)


def terminal_output(stream: TextIO) -> tuple[Output, HeldSize]:
    """The output of prompt_toolkit for a terminal, and the size that it draws for."""
    size = HeldSize(stream)
    if sys.platform == "win32":
        return create_output(stream), size
    return Vt100_Output(stream, size, term=os.environ.get("TERM")), size


class Screen(Application[None]):
    """The running terminal: `print_above` is how anything final gets there."""

    def __init__(
        self,
        layout: Layout,
        bindings: KeyBindingsBase,
        output: Output,
        size: HeldSize,
        *,
        prepare: Callable[[], None],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """`prepare` is called before the moving part is drawn, for the size that holds then."""
        depth = ColorDepth.DEPTH_1_BIT if environ.get("NO_COLOR") else None
        super().__init__(
            layout=layout,
            key_bindings=bindings,
            output=output,
            color_depth=depth,
            erase_when_done=True,
        )
        self._size = size
        self._prepare = prepare
        self._drawn_columns = size().columns
        self._reflows = reflows(environ)

    def print_above(self, text: str) -> None:
        """Print lines (`\\n` at the end of each) above the moving part. Escape codes in it are sent
        as they are.
        """
        self.erase()
        self.output.write_raw(_BEGIN + text.replace("\n", "\r\n"))
        self.output.flush()
        self._redraw()
        self.output.write_raw(_END)
        self.output.flush()

    def erase(self) -> None:
        """Take the moving part off the screen, also where the terminal has become narrower and has
        broken its rows in two meanwhile.
        """
        self._size.update()
        columns = self._size().columns
        screen = self.renderer.last_rendered_screen
        if screen is not None:
            cursor = screen.get_cursor_position(self.layout.current_window)
            more = 0
            if columns < self._drawn_columns and self._reflows:
                lengths = [_length(screen.data_buffer[row]) for row in range(cursor.y)]
                more = sum(-(-length // columns) - 1 for length in lengths if length)
                more += cursor.x // columns
            self._clear_rows(cursor, screen.height + more, more)
        self._drawn_columns = columns
        self.renderer.erase(leave_alternate_screen=False)

    def _clear_rows(self, cursor: Point, rows: int, more: int) -> None:
        """Clear the rows of the moving part one by one, and leave the cursor where it is expected
        to be, below the first of them. tmux moves rows that are cleared all at once, from the top
        of the screen on, into its scrollback.
        """
        output = self.output
        output.write_raw("\r")
        output.cursor_up(cursor.y + more)
        for row in range(rows):
            output.write_raw("\x1b[2K")
            output.cursor_down(1 if row < rows - 1 else 0)
        output.cursor_up(rows - 1)
        output.cursor_down(cursor.y)
        output.cursor_forward(cursor.x)

    def _on_resize(self) -> None:
        self.erase()
        self._redraw()

    def _request_absolute_cursor_position(self) -> None:
        """Not asked: the answer would come as input, in the middle of what is typed."""

    def _redraw(self, render_as_done: bool = False) -> None:
        # A terminal that changes its size between here and the end of the drawing leaves rows of
        # the moving part behind: what takes long is done before.
        self._prepare()
        before = self._size()
        self._size.update()
        if self._size() != before:
            self._prepare()
        screen, size = self.renderer.last_rendered_screen, self._size()
        if screen is not None:
            wanted = self.layout.container.preferred_height(size.columns, size.rows).preferred
            if size.columns != self._drawn_columns or wanted < screen.height:
                self.erase()
        super()._redraw(render_as_done)


def reflows(environ: Mapping[str, str]) -> bool:
    """Whether the terminal breaks rows anew when it becomes narrower. All do that but xterm, screen
    and the console of Linux.
    """
    return not (
        environ.get("XTERM_VERSION") or environ.get("STY") or environ.get("TERM") == "linux"
    )


def _length(row: Mapping[int, Char]) -> int:
    """Columns that one drawn row takes; spaces at its end are not drawn."""
    ends = [column + max(char.width, 1) for column, char in row.items() if char.char != " "]
    return max(ends, default=0)
