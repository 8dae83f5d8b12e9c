"""The face of a chat in a real terminal: prompt_toolkit reads the line, one writer prints."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from io import TextIOBase
from typing import Self, TextIO, cast

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI, AnyFormattedText, StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    VerticalAlign,
    Window,
)
from rich.console import RenderableType
from rich.segment import Segments
from rich.text import Text

from agentkit.cli.terminal.asking import Answered
from agentkit.cli.terminal.keys import TWICE, chat_keys, keys_of
from agentkit.cli.terminal.live import View, live_text
from agentkit.cli.terminal.pictures import COLUMNS, ROWS, PreviewPainter, Room
from agentkit.cli.terminal.screen import Painter, Screen, terminal_output
from agentkit.cli.terminal.sixel import CELL
from agentkit.cli.terminal.transcript import Moving
from agentkit.show import plain

PROMPT = "› "
_INPUT_ROWS = 10
"""Rows of the line of input at most; a longer message scrolls within them."""
_MENU_ROWS = 7
_TICK = 0.15
"""Seconds between two pictures of the moving part while a turn is under way."""


class TerminalFace:
    """A chat in a terminal. An async context manager: within it, the terminal is the chat's, and
    what others print to `sys.stdout` and `sys.stderr` comes above the line of input, escaped.
    """

    is_terminal = True

    def __init__(
        self, history: History, completer: Completer, answered: Answered | None = None
    ) -> None:
        """`answered` is what the terminal said about itself, and what was typed meanwhile."""
        found = answered or Answered()
        self._cell = found.cell or CELL
        self.painter = Painter()
        self._view = View()
        self._moving: Callable[[], tuple[Moving, str]] | None = None
        self._shown_preview = PreviewPainter()
        self._typed: deque[str] = deque()
        self._wanted: asyncio.Future[str | None] | None = None
        self._asked: asyncio.Future[str | None] | None = None
        self._question = ""
        self._stop: Callable[[], None] | None = None
        self._last_interrupt = -TWICE
        self._has_left = False
        self._buffer = Buffer(
            completer=completer,
            complete_while_typing=Condition(self._completes_while_typing),
            history=history,
            multiline=True,
        )
        output, self._size = terminal_output(sys.stdout)
        self._live = ""
        self._screen = Screen(
            self._layout(), chat_keys(self), output, self._size, prepare=self._prepare
        )
        if found.typed:
            store_typeahead(self._screen.input, keys_of(found.typed))
        self._tasks: list[asyncio.Task[object]] = []
        self._redirected = ExitStack()

    # The life of the terminal

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        self._screen.after_render += _Setting(ready)
        lines = cast("TextIO", _Lines(self, loop))
        self._redirected.enter_context(redirect_stdout(lines))
        self._redirected.enter_context(redirect_stderr(lines))
        self._tasks = [
            asyncio.create_task(self._run(), name="agentkit-chat-terminal"),
            asyncio.create_task(self._tick(), name="agentkit-chat-clock"),
        ]
        # Before the keys are ours, the terminal would echo them between the rows.
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([waiting, self._tasks[0]], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._redirected.close()
        running, ticking = self._tasks
        ticking.cancel()
        if self._screen.is_running:
            self._screen.exit()
        await asyncio.wait([running, ticking])

    async def _run(self) -> None:
        try:
            await self._screen.run_async()
        except (EOFError, OSError):  # the terminal has gone
            self._has_left = True
        finally:
            self.leave()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            if self._moving is not None or self._view.note:
                if self._view.note and time.monotonic() - self._last_interrupt > TWICE:
                    self._set_note("")
                self.refresh()

    # What is shown

    def print(self, *items: RenderableType) -> None:
        self._write(self.painter.paint(*items, width=self.columns()))

    def print_picture(self, picture: Segments | str) -> None:
        if isinstance(picture, str):
            self._write(picture + "\n")
        else:
            self._write(self.painter.paint(picture, width=self.columns()))

    def _write(self, text: str) -> None:
        if self._screen.is_running:
            self._screen.print_above(text)
        else:
            self._screen.output.write_raw(text.replace("\n", "\r\n"))
            self._screen.output.flush()

    def room(self) -> Room:
        self._size.update()
        size = self._size()
        cell = self._size.cell() or self._cell
        return Room(min(COLUMNS, size.columns - 1), min(ROWS, max(size.rows - 4, 1)), cell)

    def columns(self) -> int:
        self._size.update()
        return self._size().columns

    def watch(self, moving: Callable[[], tuple[Moving, str]] | None) -> None:
        self._moving = moving
        self.refresh()

    def refresh(self) -> None:
        if self._screen.is_running:
            self._screen.invalidate()

    def on_stop(self, stop: Callable[[], None] | None) -> None:
        self._stop = stop

    # What is typed

    async def read(self) -> str | None:
        if self._typed:
            return self._typed.popleft()
        if self._has_left:
            return None
        self._wanted = asyncio.get_running_loop().create_future()
        try:
            return await self._wanted
        finally:
            self._wanted = None

    async def ask(self, question: str, *, text: str = "") -> str | None:
        """A line for this question. What was being typed comes back afterwards; Ctrl-C and Ctrl-D
        answer None.
        """
        if self._has_left:
            return None
        before = self._buffer.document
        self._question = question
        self._buffer.set_document(Document(text))
        self._asked = asyncio.get_running_loop().create_future()
        self.refresh()
        try:
            return await self._asked
        finally:
            self._asked, self._question = None, ""
            self._buffer.set_document(before)
            self.refresh()

    def suggest(self, text: str) -> None:
        if not self._buffer.text:
            self._buffer.set_document(Document(text))

    # What the keys do

    def accept(self) -> None:
        """Enter: the line is the answer to a question, or the next message."""
        text = self._buffer.text
        if self._asked is not None:
            if not self._asked.done():
                self._asked.set_result(text)
            return
        if not text.strip():
            self._buffer.reset()
            return
        self._buffer.append_to_history()
        self._buffer.reset()
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(text)
        else:
            self._typed.append(text)
        self.refresh()

    def interrupt(self) -> None:
        """Ctrl-C: stops the turn; clears a half-typed line; twice within a second leaves."""
        now = time.monotonic()
        again = now - self._last_interrupt < TWICE
        self._last_interrupt = now
        if again:
            self.leave()
        elif self._asked is not None:
            if not self._asked.done():
                self._asked.set_result(None)
            self._last_interrupt = now
        elif self._stop is not None:
            self._stop()
            self._set_note("stopping; Ctrl-C again leaves")
        elif self._buffer.text:
            self._buffer.reset()
            self._last_interrupt = -TWICE
        else:
            self._set_note("Ctrl-C again leaves, and so does Ctrl-D")

    def end_of_input(self) -> None:
        """Ctrl-D: leaves, on an empty line; answers a question with nothing."""
        if self._asked is not None:
            if not self._asked.done():
                self._asked.set_result(None)
        elif self._buffer.text:
            self._buffer.delete()
        else:
            self.leave()

    def leave(self) -> None:
        """End the chat. A turn that is under way is stopped."""
        self._has_left = True
        self._typed.clear()
        for waiting in (self._wanted, self._asked):
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        if self._stop is not None:
            self._stop()

    def _completes_while_typing(self) -> bool:
        return self._asked is None and self._buffer.text.startswith("/")

    def _set_note(self, note: str) -> None:
        self._view = View(note=note)
        self.refresh()

    # The layout

    def _layout(self) -> Layout:
        moving = Window(
            FormattedTextControl(self._moving_text, focusable=False),
            height=self._moving_height,
            dont_extend_height=True,
        )
        line = Window(
            BufferControl(self._buffer),
            height=self._line_height,
            get_line_prefix=self._prefix,
            wrap_lines=True,
            dont_extend_height=True,
        )
        menu = Window(
            FormattedTextControl(self._menu_text, focusable=False),
            dont_extend_height=True,
            height=self._menu_height,
        )
        has_moving = Condition(lambda: bool(self._live))
        is_completing = Condition(lambda: self._buffer.complete_state is not None)
        return Layout(
            HSplit(
                [
                    ConditionalContainer(moving, has_moving),
                    line,
                    ConditionalContainer(menu, is_completing),
                ],
                align=VerticalAlign.TOP,
            ),
            focused_element=line,
        )

    def _prepare(self) -> None:
        """Make the moving part, once for each drawing."""
        size = self._size()
        moving, status = self._moving() if self._moving is not None else (Moving(), "")
        view = View(moving, status, tuple(self._typed), self._preview(moving), self._view.note)
        now = time.monotonic()
        self._live = live_text(view, self.painter, now=now, columns=size.columns, rows=size.rows)

    def _preview(self, moving: Moving) -> Segments | None:
        return self._shown_preview.of(moving.preview, self.room())

    def _moving_text(self) -> AnyFormattedText:
        return ANSI(self._live)

    def _moving_height(self) -> Dimension:
        return Dimension.exact(self._live.count("\n") + 1)

    def _line_height(self) -> Dimension:
        rows = self._size().rows
        return Dimension(min=1, max=max(min(_INPUT_ROWS, rows // 2), 1))

    def _prefix(self, number: int, wrapped: int) -> StyleAndTextTuples:
        first = self._question or PROMPT
        if number or wrapped:
            return [("", " " * min(len(first), 2))]
        return [("bold" if self._question else "ansicyan bold", first)]

    def _menu_height(self) -> Dimension:
        state = self._buffer.complete_state
        return Dimension.exact(min(len(state.completions), _MENU_ROWS) if state else 0)

    def _menu_text(self) -> StyleAndTextTuples:
        state = self._buffer.complete_state
        if state is None:
            return []
        chosen = state.complete_index
        begin = max((chosen or 0) - _MENU_ROWS + 1, 0)
        width = max((len(each.display_text) for each in state.completions), default=0)
        columns = max(self.columns() - 1, 1)
        rows: StyleAndTextTuples = []
        for number, each in enumerate(state.completions[begin : begin + _MENU_ROWS], begin):
            text = f"  {each.display_text:<{width}}  {each.display_meta_text}".rstrip()[:columns]
            style = "reverse" if number == chosen else "ansibrightblack"
            rows.append((style, text + "\n"))
        return rows


class _Setting:
    """Sets an event when it is called."""

    def __init__(self, event: asyncio.Event) -> None:
        self._event = event

    def __call__(self, _: object) -> None:
        self._event.set()


class _Lines(TextIOBase):
    """Stands for `sys.stdout` and `sys.stderr` while the chat has the terminal: whole lines come
    above the line of input, escaped. Safe from any thread.
    """

    def __init__(self, face: TerminalFace, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._face, self._loop, self._line = face, loop, ""

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        *whole, self._line = (self._line + text).split("\n")
        if whole:
            rows = [Text(plain.terminal(line), style="dim") for line in whole]
            with suppress(RuntimeError):  # the chat has ended
                self._loop.call_soon_threadsafe(self._face.print, *rows)
        return len(text)
