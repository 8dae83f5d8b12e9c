"""The words of the table: what a row says, what a cell of it is, and what may be asked of its
end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentkit.emulator import Fault, Socket
from agentkit.errors import (
    OutcomeUnknown,
    RunError,
    StreamInterrupted,
)
from tests.faults.scene import MOMENTS, WAYS, Leap, Moment, Scene, Seen, Way

Check = Callable[[Seen], None]
ALL = ("chat", "responses", "images")
TEXT = ("chat", "responses")
SILENT = Leap("stalls")
FORLORN = Leap("lookups")
MIDDLE = {"chat": 5, "responses": 12, "images": 1}
"""How many events of a stream come before the one that something happens to, the words having
begun.
"""


@dataclass(frozen=True)
class Outcome:
    """What has to come of a cell. `error` None: it ends well, with the answer whole."""

    error: type[RunError] | tuple[type[RunError], ...] | None = None
    sent: int = 1
    """POSTs of the struck turn, its repetitions included; a turn that goes well is followed by
    another after its tool.
    """
    looked: bool = False
    """Whether `GET /generation` was asked."""
    billed: bool | None = None
    """What the look-up told, where it has to be known."""
    id: bool | None = None
    """Whether the error has the generation id; None: either."""
    pictures: int | None = None
    """Pictures in what had arrived."""
    failures: int = 0
    ran: Sequence[str] | None = None
    """The tools that ran in the struck turn; by default `note` where it ends well, and none
    otherwise.
    """
    check: Check | None = None


GOOD = Outcome()


@dataclass(frozen=True, eq=False)
class Row:
    """One fault. `buffered` or `streamed` None: it has no meaning there. `faults`, and what differs
    by mode.
    """

    name: str
    faults: Callable[[Way], Sequence[Fault]]
    buffered: Outcome | None
    streamed: Outcome | None
    apis: Sequence[str] = ALL
    moments: Sequence[Moment] = MOMENTS
    leap: Leap | None = None
    phase: str = ""
    seconds: float = 10.0
    """Within which the cell has to be over."""
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Cell:
    row: Row
    way: Way
    moment: Moment
    outcome: Outcome
    number: int
    """Of the row."""

    def __str__(self) -> str:
        return f"{self.row.phase}: {self.row.name} [{self.moment}, {self.way}]"

    @property
    def slow(self) -> bool:
        """Whether it is left to the long run. The short one plays each row in its first turn, in one
        of the ways for text, in turn, and each sixteenth row in one for pictures; and of the later
        turns each sixteenth row.
        """
        if self.moment in ("after_tool", "follow_up") and self.number % 16 != 0:
            return True
        ways = [
            way
            for way in WAYS
            if way.api in self.row.apis and (way.api in TEXT) == (self.way.api in TEXT)
            if (self.row.streamed if way.stream else self.row.buffered) is not None
        ]
        if self.way.api not in TEXT and set(TEXT) <= set(self.row.apis) and self.number % 16:
            return True
        return self.way != ways[self.number // 2 % len(ways)]

    @property
    def scene(self) -> Scene:
        row = self.row
        return Scene(self.way, self.moment, row.faults(self.way), row.leap, **row.more)


def has(**wanted: Any) -> Check:
    """The error has these attributes."""

    def check(seen: Seen) -> None:
        found = {name: getattr(seen.error, name) for name in wanted}
        assert found == wanted

    return check


def says(*words: str) -> Check:
    def check(seen: Seen) -> None:
        for word in words:
            assert word in str(seen.error), f"{word!r} is not in {str(seen.error)!r}"

    return check


def both(*checks: Check) -> Check:
    def check(seen: Seen) -> None:
        for each in checks:
            each(seen)

    return check


def socket_row(
    name: str,
    phase: str,
    make: Callable[[Way], Socket],
    buffered: Outcome | None,
    streamed: Outcome | None,
    *,
    billed: bool | None = None,
    **more: Any,
) -> Row:
    return Row(
        name,
        lambda way: [Fault(socket=make(way), billed=billed)],
        buffered,
        streamed,
        phase=phase,
        **more,
    )


def actions(
    phase: str,
    where: Callable[[Way, str], Socket],
    buffered: Outcome | None,
    streamed: Outcome | None,
    *,
    of: Sequence[str] = ("cut", "reset", "stall"),
    **more: Any,
) -> Iterator[Row]:
    """The same place for each thing that can happen to a connection."""
    for action in of:
        hasty = {"leap": SILENT} if action == "stall" else {}
        yield socket_row(
            action,
            phase,
            lambda way, action=action: where(way, action),  # type: ignore[misc]
            buffered,
            streamed,
            **{**hasty, **more},
        )


UNKNOWN = Outcome(OutcomeUnknown, id=False, pictures=0)
"""Nothing is known of the request but that it was sent."""
NAMED = Outcome(OutcomeUnknown, looked=True, id=True, billed=True, pictures=0)
"""The headers had come, and with them the id: the look-up knows."""
CUT = Outcome(StreamInterrupted, looked=True, id=True)
