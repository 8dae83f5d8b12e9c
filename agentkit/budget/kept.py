"""Budgets that are kept outside of this process, as far as a run knows of them: their figures as
they were last seen, and the protocol of whoever keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from agentkit.budget.account import guard
from agentkit.budget.state import BudgetState
from agentkit.values.making import fast_init

Per = Literal["day", "month"]


@dataclass(frozen=True, slots=True)
class LedgerKey:
    """One attempt at a paid request in a call ledger. A hold that carries it is found again by the
    process that goes on with the request.
    """

    call: str
    """The run, and the call within it."""
    attempt: int
    """From 1 on."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a request that is about to be sent may use."""

    cost_usd: float
    images: int
    key: LedgerKey | None = None
    sent: bool = False
    """Whether it was sent before, so that it counts whether it fits or not."""


@fast_init
@dataclass(frozen=True, slots=True)
class Ending:
    """What a request has used, once it has ended: nothing, unless said."""

    usd: float = 0.0
    images: int = 0
    uncertain_usd: float = 0.0
    """What it may have used beside that."""
    uncertain_images: int = 0
    is_uncertain: bool = False
    """Whether its outcome, or all of its cost, is unknown."""
    shape: Hashable = None
    """Requests of the same shape cost about the same. None: nothing is learnt of this one."""
    told_usd: float | None = None
    """The cost to learn; None where nobody told it."""


class KeptHold(Protocol):
    """What one request under way holds of kept budgets."""

    async def again(self, worst_usd: float, attempt: int | None) -> bool:
        """Count what was sent so far as uncertain, at this worst cost, and hold the same once more,
        for the next attempt. False, and nothing has changed, if that does not fit.
        """
        ...

    async def end(self, ending: Ending) -> None:
        """Put what was used in the place of what was held. Raises nothing: what cannot be written
        now is written later, and counts as held until then.
        """
        ...


class Keeper(Protocol):
    """Keeps budgets outside of this process. What it cannot do raises `SessionError`."""

    def look(self, account: KeptAccount) -> None:
        """Read the figures of this budget, and `show` them to it. Waits for the database."""
        ...

    async def refresh(self, accounts: Sequence[KeptAccount], *, thorough: bool = False) -> None:
        """The same of several budgets, off the event loop. `thorough` also finds the holds of
        processes that have died.
        """
        ...

    async def reserve(
        self, accounts: Sequence[KeptAccount], wanted: Reservation
    ) -> KeptHold | None:
        """Hold this much of all these budgets, or of none: None if one does not cover it. Shows
        them their figures. A cancellation leaves nothing held.
        """
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of a kept budget."""

    state: BudgetState
    highest_cost: Mapping[str, float | None] = field(default_factory=dict[str, "float | None"])
    """USD by the name of a shape; None where nobody told what such a request cost."""


def shape_name(shape: Hashable) -> str:
    """The shape of a request as text, the same in each process."""
    return json.dumps(shape, default=str)


class KeptAccount:
    """One budget that is kept elsewhere: its limits, and its figures as they were last seen."""

    def __init__(
        self,
        keeper: Keeper,
        name: str,
        cost_usd: float | None,
        images: int | None,
        *,
        per: Per | None = None,
        unmetered: bool = False,
    ) -> None:
        self.keeper, self.name = keeper, name
        self.per: Per | None = per
        self.cost_usd, self.images, self.unmetered = cost_usd, images, unmetered
        self._seen: Seen | None = None
        self._written = self._ended = 0

    def show_read(self, seen: Seen, begun: int) -> None:
        """Take figures that were read. `begun` is the keeper's count when the reading began: what
        was written since then is newer.
        """
        with guard.lock:
            if self._seen is None or begun > self._ended:
                self._seen = seen

    def show_written(self, seen: Seen, written: int, ended: int) -> None:
        """Take figures that were written: `written` is the keeper's count while no one else could
        write, `ended` the count after.
        """
        with guard.lock:
            if written > self._written:
                self._seen, self._written = seen, written
            self._ended = max(self._ended, ended)

    @property
    def seen(self) -> Seen:
        """What was last seen. The first look reads it, and waits for that."""
        if self._seen is None:
            self.keeper.look(self)
        return Seen(BudgetState()) if self._seen is None else self._seen

    @property
    def state(self) -> BudgetState:
        return self.seen.state

    @property
    def spent_usd(self) -> float:
        return self.state.spent_usd

    @property
    def spent_images(self) -> int:
        return self.state.spent_images

    @property
    def reserved_usd(self) -> float:
        return self.state.reserved_usd

    @property
    def reserved_images(self) -> int:
        return self.state.reserved_images

    @property
    def uncertain_usd(self) -> float:
        return self.state.uncertain_usd

    @property
    def uncertain_images(self) -> int:
        return self.state.uncertain_images

    @property
    def uncertain_requests(self) -> int:
        return self.state.uncertain_requests

    @property
    def usd_left(self) -> float | None:
        return None if self.cost_usd is None else self.state.remaining_usd

    @property
    def images_left(self) -> int | None:
        return None if self.images is None else self.state.remaining_images

    def highest_cost_of(self, shape: Hashable) -> float | None:
        """The highest cost in USD of a request of this shape; None where none has told it."""
        return self.seen.highest_cost.get(shape_name(shape))

    def is_costless(self, shape: Hashable) -> bool:
        """Whether nothing is known of what a request of this shape costs, though one was sent."""
        return self.seen.highest_cost.get(shape_name(shape), 0.0) is None
