"""An expectation that was checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation: its field, what was expected, and what came instead."""

    field: str
    """In `expect`, or `approve.TOOL`: `text`, `tools.weather`, `image.min_width`."""
    expected: str
    came: str
    outcome: Literal["met", "unmet", "skipped"]
    """`skipped`: it could not be checked; `came` says why."""

    @property
    def is_unmet(self) -> bool:
        return self.outcome == "unmet"

    @property
    def line(self) -> str:
        """In words: `expected 2 images, came 1`."""
        return f"expected {self.expected}, came {self.came}"


def met(is_met: bool, field: str, expected: str, came: str) -> Check:
    """A check that was made."""
    return Check(field, expected, came, "met" if is_met else "unmet")


def listing(items: Sequence[str]) -> str:
    """Items with commas; `nothing` where there is none."""
    return ", ".join(items) or "nothing"


def short(text: str) -> str:
    """A text on one line, cut after 120 characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= 120 else f"{flat[:119]}…"
