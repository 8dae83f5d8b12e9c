"""The screen of the chat on a pseudo-terminal that changes its size while something is drawn."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import select
import struct
import termios
from collections.abc import Callable, Iterator

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.layout import FormattedTextControl, Layout, Window

from agentkit.cli.terminal.screen import Screen, terminal_output


class Terminal:
    """A pseudo-terminal whose rows say how wide they were drawn: `|====|`, one column short."""

    def __init__(self) -> None:
        self._ours, theirs = os.openpty()
        self.stream = os.fdopen(theirs, "w")
        self.resize(80)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.stream, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def written(self) -> str:
        """What was written since the last time."""
        seen = b""
        while select.select([self._ours], [], [], 0)[0]:
            seen += os.read(self._ours, 65536)
        return seen.decode()

    def close(self) -> None:
        self.stream.close()
        os.close(self._ours)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


def draw(terminal: Terminal, act: Callable[[Screen], None]) -> str:
    """What is written when this is done to a screen whose terminal shrinks to 40 columns in the
    middle of drawing.
    """
    output, size = terminal_output(terminal.stream)
    shrinks = False

    def row() -> str:
        if shrinks:
            terminal.resize(40)
        return f"|{'=' * (size().columns - 3)}|"

    async def main() -> str:
        nonlocal shrinks
        with create_pipe_input() as keys, create_app_session(input=keys, output=output):
            layout = Layout(Window(FormattedTextControl(row, focusable=True)))
            screen = Screen(layout, KeyBindings(), output, size, prepare=lambda: None, environ={})
            ready = asyncio.Event()

            def is_drawn(_: object) -> None:
                ready.set()

            screen.after_render += is_drawn
            running = asyncio.create_task(screen.run_async())
            await ready.wait()
            assert widths(terminal.written()) == [79]
            shrinks = True
            act(screen)
            written = terminal.written()
            screen.exit()
            await running
            return written

    return asyncio.run(main())


def widths(written: str) -> list[int]:
    return [len(row) for row in re.findall(r"\|=*\|", written)]


def test_what_was_drawn_for_another_size_is_not_written(terminal: Terminal) -> None:
    def print_above(screen: Screen) -> None:
        screen.print_above("a final line\n")

    written = draw(terminal, print_above)
    assert widths(written) == [39]
    assert written.count("a final line") == 1
