"""The moving part of the screen as text: unfinished words, what runs, what waits, the status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import RenderableType
from rich.segment import Segments
from rich.text import Text

from agentkit.cli.terminal.screen import Painter
from agentkit.cli.terminal.transcript import Moving
from agentkit.show import plain

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
"""What turns while something runs."""
_WORD_ROWS = 2
"""Rows of unfinished words at most."""


@dataclass(frozen=True, slots=True)
class View:
    """All that the moving part shows above the line of input."""

    moving: Moving = field(default_factory=Moving)
    status: str = ""
    queued: tuple[str, ...] = ()
    """Messages that wait for the turn to end."""
    preview: Segments | None = None
    note: str = ""
    """A word to the person: `Ctrl-C again leaves`."""


def live_text(view: View, painter: Painter, *, now: float, columns: int, rows: int) -> str:
    """The rows of the moving part as text with colours, for a terminal of so many columns and rows.
    Each is shorter than the terminal is wide.

    Of unfinished words, the last two rows are shown: where a terminal becomes so narrow that the
    moving part is broken into more rows than there are, what scrolled out of it cannot be taken
    back.
    """
    width = max(columns - 1, 1)
    frame = FRAMES[int(now * 10) % len(FRAMES)]
    below: list[RenderableType] = [
        _running(each.words, now - each.since, frame, width) for each in view.moving.running[-4:]
    ]
    queued = [Text(f"next: {plain.line(message)}", style="dim") for message in view.queued[-3:]]
    below += [_cut(each, width) for each in queued]
    words = view.status
    if words:
        note = view.moving.note
        text = f"{frame} {note + ' · ' if note and not view.moving.running else ''}{words}"
        below.append(_cut(Text(text, style="cyan"), width))
    if view.note:
        below.append(_cut(Text(view.note, style="dim"), width))
    tail = _tail(view.moving.words, width, _WORD_ROWS, painter)
    if view.preview is not None and not tail:
        shown = painter.paint(view.preview, width=columns).rstrip("\n").split("\n")
        tail = shown if len(shown) <= rows // 2 else []
    painted = painter.paint(*below, width=columns).rstrip("\n").split("\n") if below else []
    return "\n".join([*tail, *painted])


def _running(words: str, seconds: float, frame: str, width: int) -> Text:
    clock = f" {seconds:.0f} s"
    text = Text(f"{frame} {words}", style="cyan")
    text.truncate(max(width - len(clock), 1), overflow="ellipsis")
    return text.append(clock, "dim")


def _cut(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    return text


def _tail(words: Sequence[str], width: int, rows: int, painter: Painter) -> list[str]:
    """The last rows of the unfinished words."""
    if not words:
        return []
    recent = [line[-rows * width :] for line in words[-rows:]]
    painted = painter.paint(*(Text(line, overflow="fold") for line in recent), width=width)
    return painted.rstrip("\n").split("\n")[-rows:]
