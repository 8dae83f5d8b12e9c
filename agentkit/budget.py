"""Money and pictures that runs share: `Budget`, the one object among settings that changes.

Before a request goes out, its worst known price is held; once its outcome is known, the true cost
takes the place of what was held. A request that does not fit is not sent, so a budget is overshot
at most by what the requests in flight cost more than was known of their price.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from math import fsum
from types import TracebackType
from typing import Self

from agentkit._check import check_kind, check_number
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


_guard = _Guard()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_guard.renew)


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
    holds: set[Hold] = field(default_factory=set["Hold"])
    highest_cost: dict[Hashable, float] = field(default_factory=dict[Hashable, float])
    costless: set[Hashable] = field(default_factory=set[Hashable])
    """The shapes of requests whose cost nobody told, and of whose price nothing was known."""

    def learn(self, shape: Hashable, cost_usd: float) -> None:
        self.costless.discard(shape)
        self.highest_cost[shape] = max(self.highest_cost.get(shape, 0.0), cost_usd)

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


class Budget:
    """Money (USD) and pictures that any number of runs may use together. `None` means no limit.

        budget = Budget(cost_usd=2.0, images=20)
        agent = Agent(…, budget=budget)         # every run of this agent
        await other.run("…", budget=budget)     # this run too, at the same time, on any thread
        budget.spent_usd, budget.remaining_usd

    A run for which nothing is left ends as `limited`, with what it has. `images` counts the
    pictures that models drew. What is used of this budget also counts against the budgets in
    `within`. With `unmetered`, requests are sent also where nobody knows what they cost; they count
    as 0 USD. Raises `UsageError` for a wrong limit.
    """

    def __init__(
        self,
        cost_usd: float | None = None,
        images: int | None = None,
        *,
        within: Iterable[Budget | None] = (),
        unmetered: bool = False,
    ) -> None:
        if cost_usd is not None:
            where = "Budget(cost_usd={!r})"
            check_number(where, cost_usd, least=0, unit="USD", also=", or None")
        if images is not None:
            check_number("Budget(images={!r})", images, whole=True, least=0, also=", or None")
        check_kind("Budget(unmetered={!r})", unmetered, bool, "True or False")
        self._own = Account(cost_usd, images, unmetered)
        above = [account for budget in within if budget is not None for account in budget.accounts]
        self.accounts: tuple[Account, ...] = (self._own, *dict.fromkeys(above))
        """All in which a hold counts: its own, then those of the budgets that it lies within."""
        self._in_usd = [each for each in self.accounts if each.cost_usd is not None]
        self._in_images = [each for each in self.accounts if each.images is not None]

    @property
    def cost_usd(self) -> float | None:
        """The limit in USD, as it was given."""
        return self._own.cost_usd

    @property
    def images(self) -> int | None:
        """The limit in pictures, as it was given."""
        return self._own.images

    @property
    def unmetered(self) -> bool:
        """Whether requests of unknown cost are sent, as it was given."""
        return self._own.unmetered

    @property
    def accepts_unmetered(self) -> bool:
        """Whether this budget, or one that it lies within, was made `unmetered`."""
        return any(each.unmetered for each in self.accounts)

    @property
    def metered_limits(self) -> tuple[float, ...]:
        """The limits in USD, of this budget and those that it lies within, that cannot be kept
        where a cost is not known.
        """
        return tuple(
            [
                usd
                for each in self._in_usd
                if (usd := each.cost_usd) is not None and not each.unmetered
            ]
        )

    @property
    def spent_usd(self) -> float:
        """USD that the replies told, those that providers bill to keys of your own (BYOK)
        included. More may have been spent, see `uncertain_usd`.
        """
        return self._own.spent_usd

    @property
    def spent_images(self) -> int:
        """Pictures that arrived."""
        return self._own.spent_images

    @property
    def reserved_usd(self) -> float:
        """USD held for requests that are under way."""
        with _guard.lock:
            return self._own.reserved_usd

    @property
    def reserved_images(self) -> int:
        """Pictures held for requests that are under way."""
        with _guard.lock:
            return self._own.reserved_images

    @property
    def uncertain_usd(self) -> float:
        """USD that were held for requests whose cost was never told: the connection broke, or the
        reply does not say. They may have been spent, so they count as used.
        """
        return self._own.uncertain_usd

    @property
    def uncertain_images(self) -> int:
        """Pictures that were held for requests whose outcome is unknown. They count as used."""
        return self._own.uncertain_images

    @property
    def uncertain_requests(self) -> int:
        """How many such requests there were. A request whose price was unknown held nothing, so
        `uncertain_usd` may be 0.
        """
        return self._own.uncertain_requests

    @property
    def remaining_usd(self) -> float | None:
        """USD that are left; None without a limit. Below 0 if the last requests cost more than was
        known.
        """
        if not self._in_usd:
            return None
        with _guard.lock:
            return self._usd_left()

    @property
    def remaining_images(self) -> int | None:
        """Pictures that are left; None without a limit. Below 0 if requests gave more than they
        were asked for.
        """
        if not self._in_images:
            return None
        with _guard.lock:
            return self._images_left()

    def _usd_left(self) -> float | None:
        return min(
            [left for each in self._in_usd if (left := each.usd_left) is not None], default=None
        )

    def _images_left(self) -> int | None:
        return min(
            [left for each in self._in_images if (left := each.images_left) is not None],
            default=None,
        )

    def highest_cost(self, shape: Hashable) -> float | None:
        """The highest cost in USD of the requests of this shape so far; None where none has told
        its cost.
        """
        with _guard.lock:
            known = [
                cost for each in self.accounts if (cost := each.highest_cost.get(shape)) is not None
            ]
        return max(known, default=None)

    def cannot_count(self, shape: Hashable) -> bool:
        """Whether a limit in money cannot be kept, since a request of this shape did not tell its
        cost, and nothing is known of its price.
        """
        with _guard.lock:
            return any(shape in each.costless for each in self._in_usd if not each.unmetered)

    def learn(self, shape: Hashable, cost_usd: float) -> None:
        """Remember, for this budget alone, what a request of this shape is said to have cost: a
        saved run may say anything.
        """
        with _guard.lock:
            self._own.learn(shape, cost_usd)

    def reserve(
        self,
        cost_usd: float = 0.0,
        images: int = 0,
        *,
        shape: Hashable = None,
        worst: Callable[[], float] | None = None,
        sent: bool = False,
    ) -> Hold | None:
        """Hold this much for a request that is about to be sent. Returns None if it does not fit,
        or nothing is left. One that was `sent` before is held whether it fits or not.

        `worst` gives USD, and is called if the end of the request is never seen, or its cost not
        told: what it gives counts as uncertain, or `cost_usd` where that is more.

        A request of unknown price holds 0 USD, and needs only that something is left. Use the hold
        as a context manager and `settle` it: a hold that is left unsettled counts as uncertain. The
        cost is remembered by `shape`, for later requests of the same kind.
        """
        hold = Hold(self, cost_usd, images, shape, worst)
        with _guard.lock:
            if not sent and not self.covers(cost_usd, images):
                return None
            for each in self.accounts:
                each.holds.add(hold)
        return hold

    def covers(self, cost_usd: float, images: int) -> bool:
        """Whether so much is left. To be asked under the lock."""
        usd = self._usd_left() if self._in_usd else None
        pictures = self._images_left() if self._in_images else None
        return (usd is None or fits(cost_usd, usd)) and (
            pictures is None or images <= max(pictures, 0)
        )

    def __repr__(self) -> str:
        names = ("cost_usd", "images", "spent_usd", "spent_images", "reserved_usd", "uncertain_usd")
        return f"Budget({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


class Hold:
    """What one request in flight may use. It ends once: by `settle`, by `release` or, where neither
    comes, as uncertain.
    """

    def __init__(
        self,
        budget: Budget,
        cost_usd: float,
        images: int,
        shape: Hashable,
        worst: Callable[[], float] | None,
    ) -> None:
        self.cost_usd, self.images = cost_usd, images
        self.uncertain_usd = 0.0
        """USD that count as uncertain because of this request."""
        self._budget, self._shape, self._worst = budget, shape, worst
        self._ended = False

    def _worst_usd(self) -> float:
        """What the request may have cost at most. Not to be asked under the lock."""
        return self.cost_usd if self._worst is None else max(self.cost_usd, self._worst())

    def again(self) -> bool:
        """Count what was sent so far as uncertain, and hold the same once more, for sending the
        request again. False if that does not fit: then nothing has changed.
        """
        budget, worst_usd = self._budget, self._worst_usd()
        with _guard.lock:
            if self._ended or not budget.covers(worst_usd, self.images):
                return False
            self.uncertain_usd += worst_usd
            for each in budget.accounts:
                each.uncertain_usd = fsum((each.uncertain_usd, worst_usd))
                each.uncertain_images += self.images
                each.uncertain_requests += 1
        return True

    def settle(self, cost_usd: float | None, images: int = 0, *, whole: bool = True) -> None:
        """The request has ended, at this cost; None where the wire does not tell it. Where it is
        not told, or is not the whole, the rest of what was held stays as uncertain.
        """
        known = cost_usd or 0.0
        whole = whole and cost_usd is not None
        open_usd = 0.0 if whole else max(self._worst_usd() - known, 0.0)
        ended = self._end(known, images, open_usd, 0, uncertain=not whole)
        if not ended or self._shape is None:
            return
        with _guard.lock:
            for each in self._budget.accounts:
                if cost_usd is not None:
                    each.learn(self._shape, cost_usd)
                elif not open_usd:
                    each.costless.add(self._shape)

    def release(self) -> None:
        """The request was surely not billed."""
        self._end(0.0, 0, 0.0, 0)

    def keep(self, images: int = 0) -> None:
        """Count the request as uncertain: only the pictures that had arrived are known."""
        open_usd, open_images = self._worst_usd(), max(self.images - images, 0)
        self._end(0.0, images, open_usd, open_images, uncertain=True)

    def _end(
        self, usd: float, images: int, open_usd: float, open_images: int, *, uncertain: bool = False
    ) -> bool:
        with _guard.lock:
            if self._ended:
                return False
            self._ended = True
            self.uncertain_usd += open_usd
            for each in self._budget.accounts:
                each.holds.discard(self)
                each.spent_usd = fsum((each.spent_usd, usd))
                each.spent_images += images
                each.uncertain_usd = fsum((each.uncertain_usd, open_usd))
                each.uncertain_images += open_images
                each.uncertain_requests += uncertain
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._ended:
            self.keep()
