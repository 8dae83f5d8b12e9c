"""Terminal view of several plays at once: a bar that counts their turns, and a line for each play
that has ended. Output that is no terminal gets the lines alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from agentkit.demo.descriptions import API_NAMES, cost
from agentkit.demo.live import plain_console
from agentkit.demo.played import Played, PlayedTurn
from agentkit.demo.plays import Job, Silent
from agentkit.show import plain


class ProgressView:
    """A context manager: leaving it gives the terminal its cursor back."""

    def __init__(self, jobs: Sequence[Job], to: Console | None = None) -> None:
        self.console = to or plain_console()
        self._turns = sum(len(job.loaded.script.turns) for job in jobs)
        self._has_repeats = any(job.number > 1 for job in jobs)
        self._bar = Progress(
            TextColumn("turns"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("turns", total=self._turns)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def watcher_of(self, job: Job) -> Silent:
        """Who is told of this play."""
        return _Line(self, job)

    def turn_ended(self) -> None:
        """Count a turn."""
        self._bar.advance(self._task)

    def play_ended(self, job: Job, played: Played) -> None:
        """Print the line of a play, and count the turns that were not played."""
        self._bar.advance(self._task, played.planned - len(played.turns))
        good = sum(turn.is_good for turn in played.turns)
        sign, style = ("✓", "bold green") if played.is_good else ("✗", "bold red")
        names = [plain.line(job.loaded.script.name), API_NAMES[played.api]]
        names += [plain.line(job.model)] if job.model else []
        names += [f"play {job.number}"] if self._has_repeats else []
        line = Text.assemble((f"{sign} ", style), " · ".join(names))
        facts = (
            f"{good} of {played.planned} turns as expected",
            f"{len(played.images)} pictures",
            plain.duration(played.seconds),
            cost(played.usage),
        )
        line.append(f" · {' · '.join(facts)}", "dim")
        self.console.print(line, soft_wrap=True)


class _Line(Silent):
    """The `Watcher` of one play."""

    def __init__(self, view: ProgressView, job: Job) -> None:
        super().__init__()
        self._view = view
        self._job = job

    def turn_finished(self, turn: PlayedTurn) -> None:
        del turn
        self._view.turn_ended()

    def conversation_finished(self, played: Played) -> None:
        self._view.play_ended(self._job, played)
