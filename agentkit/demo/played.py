"""What came of a play, as values, and who is told of it meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from agentkit.answer import Answer
from agentkit.demo.checks import Check
from agentkit.demo.form import Turn, Verdict
from agentkit.demo.script import Script
from agentkit.events import Event
from agentkit.values import Api, Image, Invocation, Usage

INTERRUPTED = "interrupted before its end"
"""The error of a turn that was cancelled."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A call that waited for an approval, and what the script said to it."""

    call: Invocation
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PlayedTurn:
    """One turn that was played."""

    number: int
    """From 1."""
    say: str
    answer: Answer | None
    """After an error: what had arrived until then. None: nothing."""
    problems: tuple[str, ...]
    """Expectations that were not met."""
    error: str | None
    seconds: float
    first_word: float | None
    """Seconds until the first words came. None: no words came."""
    model: str = ""
    """The model that answered."""
    checks: tuple[Check, ...] = ()
    """Every expectation. Empty after an error."""
    attached: tuple[Image, ...] = ()
    """The pictures that the user sent."""
    decided: tuple[Decided, ...] = ()
    """What was said to calls that waited for an approval."""

    @property
    def complaints(self) -> tuple[str, ...]:
        """What was not as expected, and the error, in words."""
        return self.problems if self.error is None else (*self.problems, self.error)

    @property
    def is_good(self) -> bool:
        return not self.complaints


@dataclass(frozen=True, slots=True)
class Played:
    """One conversation that was played."""

    api: Api
    turns: tuple[PlayedTurn, ...]
    planned: int
    """How many turns the script has. After an error fewer were played."""
    images: Mapping[str, Image]
    started_at: float
    """Unix time in seconds."""
    seconds: float
    model: str = ""
    """The model of the script in this play."""
    number: int = 1
    """Which of the repeated plays this is."""

    @property
    def usage(self) -> Usage:
        return Usage.total(turn.answer.usage for turn in self.turns if turn.answer is not None)

    @property
    def is_good(self) -> bool:
        return len(self.turns) == self.planned and all(turn.is_good for turn in self.turns)

    @property
    def failed(self) -> tuple[str, ...]:
        """What was not as expected, a line each: `chat, turn 3: expected 2 images, came 1`."""
        lines: list[str] = []
        for turn in self.turns:
            lines += [f"{self.api}, turn {turn.number}: {why}" for why in turn.complaints]
        missing = self.planned - len(self.turns)
        if missing:
            lines.append(f"{self.api}: {missing} turns were not played")
        return tuple(lines)


class Watcher(Protocol):
    """Is told what happens while a script is played."""

    def conversation_started(self, script: Script, api: Api) -> None: ...
    def turn_started(self, number: int, turn: Turn) -> None: ...
    def event(self, event: Event) -> None: ...
    def turn_finished(self, turn: PlayedTurn) -> None: ...
    def conversation_finished(self, played: Played) -> None: ...
