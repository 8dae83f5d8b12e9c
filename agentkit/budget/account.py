"""The figures of one budget that lives in this process, and the lock under which they change."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from math import fsum
from typing import Protocol

from agentkit.budget.state import BudgetState
from agentkit.values.usage import fits


class _Guard:
    """One lock for all budgets: a hold counts against several at once, on whatever thread its loop
    runs.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def renew(self) -> None:
        """In the child of a fork, the lock may be held for ever."""
        self.lock = threading.Lock()


guard = _Guard()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=guard.renew)


class Amount(Protocol):
    """What one request may use."""

    @property
    def cost_usd(self) -> float: ...
    @property
    def images(self) -> int: ...


@dataclass(slots=True, eq=False)
class Account:
    """What one budget's requests have used. Changed under the lock alone."""

    cost_usd: float | None
    images: int | None
    unmetered: bool = False
    spent_usd: float = 0.0
    spent_images: int = 0
    uncertain_usd: float = 0.0
    uncertain_images: int = 0
    uncertain_requests: int = 0
    holds: set[Amount] = field(default_factory=set[Amount])
    """Of the requests that are under way."""
    highest_cost: dict[Hashable, float] = field(default_factory=dict[Hashable, float])
    costless: frozenset[Hashable] = frozenset()
    """The shapes of requests whose cost nobody told, and of whose price nothing was known."""

    def learn(self, shape: Hashable, cost_usd: float) -> None:
        self.costless -= {shape}
        self.highest_cost[shape] = max(self.highest_cost.get(shape, 0.0), cost_usd)

    def highest_cost_of(self, shape: Hashable) -> float | None:
        """The highest cost in USD of a request of this shape; None where none has told it."""
        return self.highest_cost.get(shape)

    def is_costless(self, shape: Hashable) -> bool:
        """Whether nothing is known of what a request of this shape costs, though one was sent."""
        return shape in self.costless

    @property
    def reserved_usd(self) -> float:
        return fsum(hold.cost_usd for hold in self.holds)

    @property
    def reserved_images(self) -> int:
        return sum(hold.images for hold in self.holds)

    @property
    def usd_left(self) -> float | None:
        if self.cost_usd is None:
            return None
        held = [hold.cost_usd for hold in self.holds]
        return self.cost_usd - fsum((self.spent_usd, self.uncertain_usd, *held))

    @property
    def images_left(self) -> int | None:
        if self.images is None:
            return None
        return self.images - (self.spent_images + self.uncertain_images + self.reserved_images)

    @property
    def state(self) -> BudgetState:
        return BudgetState(
            self.cost_usd,
            self.images,
            self.spent_usd,
            self.spent_images,
            self.reserved_usd,
            self.reserved_images,
            self.uncertain_usd,
            self.uncertain_images,
            self.uncertain_requests,
        )


class Left(Protocol):
    """What is left of one budget; None where it has no such limit."""

    @property
    def usd_left(self) -> float | None: ...
    @property
    def images_left(self) -> int | None: ...


def usd_left(accounts: Iterable[Left]) -> float | None:
    """The least that is left of these, in USD; None where none limits it."""
    return min([left for each in accounts if (left := each.usd_left) is not None], default=None)


def images_left(accounts: Iterable[Left]) -> int | None:
    """The least that is left of these, in pictures; None where none limits it."""
    return min([left for each in accounts if (left := each.images_left) is not None], default=None)


def covers(usd: float | None, pictures: int | None, cost_usd: float, images: int) -> bool:
    """Whether what is left covers a request that may cost so much, and bring so many pictures."""
    return (usd is None or fits(cost_usd, usd)) and (pictures is None or images <= max(pictures, 0))
