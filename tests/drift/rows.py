"""The differences between OpenRouter's SDK and agentkit, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tests.drift import ours, theirs
from tests.drift.explained import EXPLAINED


@dataclass(frozen=True)
class Row:
    """A name that the SDK has and agentkit has not."""

    area: str
    name: str
    reason: str | None

    def __str__(self) -> str:
        return f"{self.area}.{self.name}: {self.reason or 'unknown to agentkit'}"


@cache
def rows() -> tuple[Row, ...]:
    known = theirs.names()
    named = ours.names(known)
    return tuple(
        Row(area, name, EXPLAINED.get(area, {}).get(name))
        for area, names in known.items()
        for name in sorted(names - named[area])
    )


def stale() -> list[tuple[str, str]]:
    """Explanations of what is no difference."""
    differing = {(row.area, row.name) for row in rows()}
    given = [(area, name) for area, reasons in EXPLAINED.items() for name in reasons]
    return [each for each in given if each not in differing]
