"""The screen of the chat: one writer for what is final and for what still changes.

What is final is printed once, above the moving part, and belongs to the terminal from then on. The
moving part (the unfinished line, the rows of what runs, the line of input) alone is drawn again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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

from agentkit.cli.terminal.asking import cell_of

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

    def cell(self) -> tuple[int, int] | None:
        """Width and height of a cell in pixels, if the system knows them."""
        try:
            return cell_of(self._output.fileno())
        except OSError:
            return None

    def update(self) -> None:
        """Take note of the size that the terminal has now."""
        self._size = self._now()

    def _now(self) -> Size:
        try:
            columns, rows = os.get_terminal_size(self._output.fileno())
        except OSError:  # the terminal has gone
            columns, rows = 0, 0
        return Size(rows=rows or 24, columns=columns or 80)


class FrameOutput(Vt100_Output):
    """Writes one frame at once. `flush` does nothing while a frame is drawn."""

    _is_drawing = False

    @contextmanager
    def frame(self) -> Generator[None]:
        """What is drawn within is written at its end."""
        self._is_drawing = True
        try:
            yield
        finally:
            self._is_drawing = False
            self.flush()

    def discard(self) -> None:
        """Forget what was drawn and not written."""
        self._buffer.clear()

    def flush(self) -> None:
        if not self._is_drawing:
            super().flush()


def terminal_output(stream: TextIO) -> tuple[Output, HeldSize]:
    """The output of prompt_toolkit for a terminal, and the size that it draws for."""
    size = HeldSize(stream)
    if sys.platform == "win32":
        return create_output(stream), size
    return FrameOutput(stream, size, term=os.environ.get("TERM")), size


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
        self._draw(text.replace("\n", "\r\n"), anew=True)

    def _on_resize(self) -> None:
        self._draw(anew=True)

    def _request_absolute_cursor_position(self) -> None:
        """Not asked: the answer would come as input, in the middle of what is typed."""

    def _redraw(self, render_as_done: bool = False) -> None:
        self._draw(render_as_done=render_as_done)

    def _draw(self, above: str = "", *, anew: bool = False, render_as_done: bool = False) -> None:
        """Draw the moving part, `anew` or what has changed of it, below these lines.

        Rows that are drawn for another size than the terminal has would be cut or broken, and then
        nobody knows how many there are to erase: a frame during which the size changed is not
        written, but drawn again.
        """
        output, drawn = self.output, self._drawn()
        if not isinstance(output, FrameOutput):  # the console of Windows
            self._draw_frame(drawn, above, anew=anew, render_as_done=render_as_done)
            return
        with output.frame():
            while not self._draw_frame(drawn, above, anew=anew, render_as_done=render_as_done):
                output.discard()
                anew = True

    def _draw_frame(
        self, drawn: _Drawn | None, above: str, *, anew: bool, render_as_done: bool
    ) -> bool:
        """Whether the terminal still has the size that was drawn for."""
        self._size.update()
        size = self._size()
        self._prepare()
        if drawn is not None and not anew:
            wanted = self.layout.container.preferred_height(size.columns, size.rows).preferred
            anew = size.columns != drawn.columns or wanted < drawn.rows
        self.output.write_raw(_BEGIN)
        if anew:
            self._erase(drawn, size.columns)
        self.output.write_raw(above)
        super()._redraw(render_as_done)
        self.output.write_raw(_END)
        self.output.flush()
        self._drawn_columns = size.columns
        self._size.update()
        return self._size() == size

    def _drawn(self) -> _Drawn | None:
        """The moving part that the terminal shows."""
        screen = self.renderer.last_rendered_screen
        if screen is None:
            return None
        cursor = screen.get_cursor_position(self.layout.current_window)
        lengths = tuple(_length(screen.data_buffer[row]) for row in range(cursor.y))
        return _Drawn(lengths, screen.height, cursor, self._drawn_columns)

    def _erase(self, drawn: _Drawn | None, columns: int) -> None:
        """Take the moving part off the screen, also where the terminal has become narrower and has
        broken its rows in two meanwhile; the cursor is where the first of them was.

        The rows are cleared one by one: tmux moves rows that are cleared all at once, from the top
        of the screen on, into its scrollback.
        """
        output = self.output
        if drawn is not None:
            more = 0
            if columns < drawn.columns and self._reflows:
                more = sum(-(-length // columns) - 1 for length in drawn.lengths if length)
                more += drawn.cursor.x // columns
            rows = drawn.rows + more
            output.write_raw("\r")
            output.cursor_up(drawn.cursor.y + more)
            for row in range(rows):
                output.write_raw("\x1b[2K")
                output.cursor_down(1 if row < rows - 1 else 0)
            output.cursor_up(rows - 1)
            output.erase_down()
        self.renderer.reset(leave_alternate_screen=False)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The moving part as the terminal shows it."""

    lengths: tuple[int, ...]
    """Columns of each row above the cursor."""
    rows: int
    cursor: Point
    columns: int
    """Of the terminal, when it was drawn."""


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
