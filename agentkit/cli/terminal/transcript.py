"""The events of one turn as what a terminal shows: rows that are final, and what still changes.

Pure: `show` takes an event and returns what is final now, each thing once; `moving` is the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from rich.console import RenderableType
from rich.style import Style
from rich.text import Text

from agentkit.cli.terminal.markdown import PICTURE, WIDEST, Hanging, MarkdownLines, Words
from agentkit.demo.descriptions import (
    call_line,
    caption,
    failure_line,
    file_line,
    outcome,
    parents,
)
from agentkit.events import (
    Event,
    ImageFailed,
    ImagePreview,
    ImageReady,
    InvocationFinished,
    InvocationProgress,
    InvocationStarted,
    ReasoningDelta,
    RunFinished,
    TextDelta,
    TurnFinished,
)
from agentkit.show import plain
from agentkit.values import File, Image, Invocation, Source


@dataclass(frozen=True, slots=True)
class ShownImage:
    """A picture that is to be drawn, and then named."""

    image: Image


Shown = RenderableType | ShownImage
"""What is final: printed once, in order."""


@dataclass(frozen=True, slots=True)
class Running:
    """A call that runs, and since when, in seconds of the clock that the transcript was given."""

    words: str
    since: float


@dataclass(frozen=True, slots=True)
class Moving:
    """What still changes, and is drawn again and again below what is final."""

    words: tuple[str, ...] = ()
    """Lines that are still being written."""
    running: tuple[Running, ...] = ()
    note: str = ""
    """What the model does where nothing else moves: `thinking`."""
    preview: bytes | None = None
    """The latest coarse version of a picture that is being drawn."""


class Transcript:
    """One turn, as it is shown."""

    def __init__(
        self, *, formatted: bool = True, columns: Callable[[], int] = lambda: 1_000_000
    ) -> None:
        """`columns` tells how wide the terminal is now: a paragraph is given row by row."""
        self._columns = columns
        self._lines = MarkdownLines(formatted=formatted)
        self._rows: list[Shown] = []
        """Rows that wait until the line being written has ended."""
        self._running: dict[str, Running] = {}
        self._previews: dict[str, bytes] = {}
        self._note = ""
        self._gap = False
        """An empty line came; it is shown before the next line of words."""
        self._has_shown = False
        self._links: dict[str, str] = {}
        """Captions of the links to pictures that stood alone on a line, by URL."""
        self._shown_urls: set[str] = set()
        """URLs of the pictures that have a row of their own."""
        self._line = ""
        """The line being written, as the model wrote it."""

    def moving(self) -> Moving:
        """What is not final."""
        line = plain.terminal(self._line.removesuffix("\r"))
        line = self._lines.prefix + line if line else ""
        return Moving(
            (*self._lines.table_rows, line) if line else self._lines.table_rows,
            tuple(self._running.values()),
            self._note,
            next(reversed(self._previews.values()), None),
        )

    def show(self, event: Event, now: float = 0.0) -> list[Shown]:
        """What is final once this has happened, at `now` (seconds)."""
        self._note = ""
        match event:
            case TextDelta():
                return self._write(event.text)
            case ReasoningDelta():
                self._note = "thinking"
            case InvocationStarted() | InvocationProgress():
                self._runs(event, now)
            case InvocationFinished():
                self._running.pop(event.invocation.id, None)
                rows = self._row(call_row(event.invocation))
                return [*rows, *map(file_row, event.files)]
            case ImagePreview():
                self._previews[event.item] = event.data
            case ImageReady():
                self._previews.pop(event.item, None)
                self._mark_shown(event.image.sources)
                return self._row(ShownImage(event.image))
            case ImageFailed():
                self._previews.pop(event.item, None)
                self._mark_shown((event.failure.source,))
                return self._row(signed("✗", "red", failure_line(event.failure)))
            case TurnFinished():
                return self._end_words()
            case RunFinished():
                pass
            case _:
                assert_never(event)
        return []

    def end(self) -> list[Shown]:
        """The end of the turn, whatever ended it."""
        shown = self._end_words()
        for url, words in self._links.items():
            if url not in self._shown_urls:
                shown.append(Words(Text(f"[{words or 'picture'}: {url}]")))
        for each in self._running.values():
            shown.append(signed("■", "yellow", f"{each.words} · not at its end"))
        self._links.clear()
        self._running.clear()
        self._previews.clear()
        self._note = ""
        return shown

    def _runs(self, event: InvocationStarted | InvocationProgress, now: float) -> None:
        call = event.invocation
        if call.status == "pending":
            return  # a person is asked about it when the run has paused
        before = self._running.get(call.id)
        words = call_line(call)
        if isinstance(event, InvocationProgress) and event.message:
            words += f": {plain.line(event.message)}"
        self._running[call.id] = Running(words, before.since if before else now)

    def _write(self, text: str) -> list[Shown]:
        *whole, self._line = (self._line + text).split("\n")
        shown = [each for line in whole for each in self._end_line(line)]
        return [*shown, *self._rows_of_line()]

    def _rows_of_line(self) -> list[Shown]:
        """The rows of the line being written that are full."""
        shown: list[Shown] = []
        # What ends in half of a pair, or of a line end, may still become another character.
        text = self._line.removesuffix("\r")
        while found := self._lines.split(plain.terminal(text), self._columns()):
            row, text = found
            shown += self._after_gap([row])
            self._line = text
        return shown

    def _end_line(self, line: str) -> list[Shown]:
        line = plain.terminal(line.removesuffix("\r"))
        if self._lines.is_code:
            return [*self._lines.take(line), *self._rows_now(line="")]
        link = PICTURE.fullmatch(line.strip())
        if link and link[2]:
            # A link alone on its line waits: if its picture arrives, the picture's row replaces it.
            self._links[link[2]] = link[1]
            return self._rows_now(line="")
        shown: list[Shown] = []
        while found := self._lines.split(line, self._columns()):
            row, line = found
            shown += self._after_gap([row])
        was_split = bool(self._lines.prefix or shown)
        shown += self._after_gap(self._lines.take(line))
        self._gap = self._gap or not (line.strip() or was_split)
        return [*shown, *self._rows_now(line="")]

    def _after_gap(self, blocks: Sequence[Shown]) -> list[Shown]:
        if not blocks:
            return []
        gap: list[Shown] = [Text("")] if self._gap and self._has_shown else []
        self._gap, self._has_shown = False, True
        return [*gap, *blocks]

    def _end_words(self) -> list[Shown]:
        line, self._line = self._line, ""
        shown = self._end_line(line) if line else []
        return [*shown, *self._after_gap(self._lines.end_table()), *self._rows_now()]

    def _row(self, row: Shown) -> list[Shown]:
        """A row, after the line that is being written."""
        self._rows.append(row)
        return self._rows_now()

    def _rows_now(self, line: str | None = None) -> list[Shown]:
        """The rows that waited, unless a line or a table is being written."""
        if (self._line if line is None else line) or self._lines.table_rows:
            return []
        rows, self._rows = self._rows, []
        self._has_shown = self._has_shown or bool(rows)
        return rows

    def _mark_shown(self, sources: Iterable[Source]) -> None:
        self._shown_urls.update(plain.terminal(each.url) for each in sources if each.url)


def signed(sign: str, style: str, words: str, words_style: str = "") -> Hanging:
    """A row with a sign before it: `✓ weather(city: "Oslo")`. The words are escaped already."""
    return Hanging(f"{sign} ", "  ", Text(words, words_style), style)


def call_row(call: Invocation) -> Hanging:
    """The row of a call that has ended."""
    words = call_line(call)
    if result := outcome(call):
        words += f" → {plain.line(result, width=120)}"
    if call.seconds is not None:
        words += f" · {plain.duration(call.seconds)}"
    if call.cost_usd is not None:
        words += f" · {plain.dollars(call.cost_usd)}"
    if call.status == "completed":
        return signed("✓", "green", words, "dim")
    return signed("✗", "red", words)


def image_row(image: Image, path: Path | None = None, *, columns: int = 73) -> Words:
    """The row of a picture: `▣ img_2 · 1024×576 · 34 kB · $0.0400 · a fox in the snow`.

    With a `path`, a second row of at most so many columns names it, and handle and path are links
    to the file, for terminals that know links.
    """
    facts = [plain.pixels(image), plain.kilobytes(image.size)]
    if image.cost_usd is not None:
        facts.append(plain.dollars(image.cost_usd))
    facts += [parents(image), caption(image)]
    words = plain.line(" · ".join(["", *filter(None, facts)]), width=160)
    link = Style() if path is None else Style(link=path.as_uri())
    text = Text.assemble(("▣ ", "magenta"), (image.name, Style(bold=True) + link), f" {words}")
    if path is not None:
        text.append("\n  ")
        room = max(min(columns, WIDEST) - 3, 12)
        text.append(short_path(path, width=room), Style(dim=True) + link)
    return Words(text)


def file_row(file: File) -> Words:
    """The row of a file: `▤ file_1 · report.pdf · 12 pages · 340 kB`."""
    return Words(Text.assemble(("▤ ", "magenta"), file_line(file)))


def short_path(path: Path, *, width: int = 70) -> str:
    """A path for one line: the home folder as `~`, a long one with its middle left out."""
    try:
        shown = f"~/{path.relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):
        shown = str(path)
    shown = plain.line(shown, width=4096)
    if len(shown) <= width:
        return shown
    half = (width - 1) // 2
    return f"{shown[:half]}…{shown[-half:]}"
