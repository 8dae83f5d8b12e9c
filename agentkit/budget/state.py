"""What was used of a budget, at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import fsum


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What was used of a budget, at one moment: `await budget.state()`. It tells of this budget
    alone, without those that it lies within. Money is in USD.
    """

    cost_usd: float | None = None
    """The limit; None without one."""
    images: int | None = None
    """The limit in pictures; None without one."""
    spent_usd: float = 0.0
    """Told by replies."""
    spent_images: int = 0
    """Arrived."""
    reserved_usd: float = 0.0
    """Held for requests that are under way."""
    reserved_images: int = 0
    uncertain_usd: float = 0.0
    """Held for requests whose cost was never told, or whose process died. Counts as used."""
    uncertain_images: int = 0
    uncertain_requests: int = 0
    """How many such requests there were."""
    period: str = ""
    """The day (`2026-11-30`) or the month (`2026-11`), in UTC; empty without periods."""
    ends_at: datetime | None = None
    """When the period ends, in UTC, and all counts anew; None without periods."""

    @property
    def remaining_usd(self) -> float | None:
        """USD that are left; None without a limit. Below 0 if the last requests cost more than was
        known.
        """
        if self.cost_usd is None:
            return None
        return self.cost_usd - fsum((self.spent_usd, self.uncertain_usd, self.reserved_usd))

    @property
    def remaining_images(self) -> int | None:
        """Pictures that are left; None without a limit. Below 0 if requests gave more than they
        were asked for.
        """
        if self.images is None:
            return None
        return self.images - (self.spent_images + self.uncertain_images + self.reserved_images)
