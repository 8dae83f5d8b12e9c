"""What the chat needs of the place where it is shown, and the plain one for files and pipes."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, Self, TextIO

from rich.console import Console, RenderableType
from rich.segment import Segments
from rich.text import Text

from agentkit.cli.terminal.pictures import Room
from agentkit.cli.terminal.transcript import Moving

_NO_END = 100_000
"""Columns of a line that is not wrapped."""


class Face(Protocol):
    """A place where a chat is shown and typed."""

    @property
    def is_terminal(self) -> bool:
        """Whether a person sits there, who can be asked."""
        ...

    def print(self, *items: RenderableType) -> None:
        """Show what is final."""
        ...

    def print_picture(self, picture: Segments | str) -> None:
        """Show a picture: rows of cells, or escape codes."""
        ...

    def columns(self) -> int:
        """Columns that a row of words may take."""
        ...

    def room(self) -> Room:
        """The cells that a picture may take."""
        ...

    async def read(self) -> str | None:
        """The next message or command; None when there will be no more."""
        ...

    async def ask(self, question: str, /, *, text: str = "") -> str | None:
        """A line for this question, `text` being typed already; None where nobody answers."""
        ...

    def suggest(self, text: str) -> None:
        """Put words into the line of input, if it is empty."""
        ...

    def watch(self, moving: Callable[[], tuple[Moving, str]] | None) -> None:
        """What still changes from now on, and the line of status; None: nothing does."""
        ...

    def refresh(self) -> None:
        """Something of that has changed."""
        ...

    def on_stop(self, stop: Callable[[], None] | None) -> None:
        """What Ctrl-C does while a turn is under way; None: nothing is under way."""
        ...


class PlainFace:
    """Lines in, lines out: no colours, no escape codes, nothing that moves. Ctrl-C stops a turn,
    and ends the chat where none is under way.
    """

    is_terminal = False

    def __init__(self, source: TextIO | None = None, out: TextIO | None = None) -> None:
        self._source = sys.stdin if source is None else source
        self._console = Console(
            file=sys.stdout if out is None else out,
            force_terminal=False,
            no_color=True,
            color_system=None,
            highlight=False,
            markup=False,
            emoji=False,
            width=_NO_END,
        )
        self._stop: Callable[[], None] | None = None
        self._reading: asyncio.Future[str | None] | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if sys.platform != "win32":  # there, Ctrl-C ends the chat
            with suppress(RuntimeError, ValueError):  # not in the main thread
                loop.add_signal_handler(signal.SIGINT, self._interrupted)
        return self

    async def __aexit__(self, *_: object) -> None:
        if sys.platform != "win32":
            with suppress(RuntimeError, ValueError):
                asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    def _interrupted(self) -> None:
        if self._stop is not None:
            self._stop()
        elif self._reading is not None and not self._reading.done():
            self._reading.set_exception(KeyboardInterrupt())

    def print(self, *items: RenderableType) -> None:
        for item in items:
            self._console.print(item, soft_wrap=isinstance(item, Text))
        self._console.file.flush()

    def print_picture(self, picture: Segments | str) -> None:
        """Nothing: a file has no use for it."""

    def columns(self) -> int:
        return _NO_END

    def room(self) -> Room:
        return Room(0, 0)

    async def read(self) -> str | None:
        line = await self._line()
        return None if line is None else line.rstrip("\r\n")

    async def ask(self, _: str, /, *, text: str = "") -> str | None:  # noqa: ARG002
        return await self.read()

    def suggest(self, text: str) -> None:
        """Nothing: there is no line of input."""

    def watch(self, moving: Callable[[], tuple[Moving, str]] | None) -> None:
        """Nothing moves here."""

    def refresh(self) -> None:
        """Nothing moves here."""

    def on_stop(self, stop: Callable[[], None] | None) -> None:
        self._stop = stop

    async def _line(self) -> str | None:
        """A line of the input. A thread of its own waits for it, so that Ctrl-C need not."""
        loop = asyncio.get_running_loop()
        self._reading = reading = loop.create_future()

        def read() -> None:
            line: str | None = None
            with suppress(OSError, ValueError):
                line = self._source.readline() or None
            with suppress(RuntimeError):  # the chat has ended meanwhile
                loop.call_soon_threadsafe(_give, reading, line)

        threading.Thread(target=read, name="agentkit-chat-input", daemon=True).start()
        try:
            return await reading
        finally:
            self._reading = None


def _give(reading: asyncio.Future[str | None], line: str | None) -> None:
    if not reading.done():
        reading.set_result(line)
