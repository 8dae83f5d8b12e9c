"""What one request in flight may use, of each budget that it counts against."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import fsum
from types import TracebackType
from typing import Self

from agentkit.budget.account import Account, covers, guard, images_left, usd_left
from agentkit.budget.kept import Ending, KeptHold


class Hold:
    """What one request in flight may use. It ends once: by `settle`, by `release` or, where neither
    comes, as uncertain.

    As an async context manager, it also tells its end to the budgets that are kept elsewhere, which
    no cancellation cuts off.
    """

    def __init__(
        self,
        accounts: Sequence[Account],
        cost_usd: float,
        images: int,
        shape: Hashable,
        worst: Callable[[], float] | None,
    ) -> None:
        self.cost_usd, self.images = cost_usd, images
        self.uncertain_usd = 0.0
        """USD that count as uncertain because of this request."""
        self.kept: Sequence[KeptHold] = ()
        """What it holds of budgets that are kept elsewhere."""
        self._accounts, self._shape, self._worst = accounts, shape, worst
        self._ending: Ending | None = None

    @property
    def is_uncertain(self) -> bool:
        """Whether it has ended, and it is open what the request did cost."""
        return self._ending is not None and self._ending.is_uncertain

    def worst_usd(self) -> float:
        """What the request may have cost at most. Not to be asked under the lock."""
        return self.cost_usd if self._worst is None else max(self.cost_usd, self._worst())

    async def again(self, attempt: int | None = None) -> bool:
        """Count what was sent so far as uncertain, and hold the same once more, for sending the
        request again. False if that does not fit: then nothing has changed. `attempt` is the
        number that the call ledger gives to the next one.
        """
        worst_usd = self.worst_usd()
        with guard.lock:
            usd, images = usd_left(self._accounts), images_left(self._accounts)
            if self._ending is not None or not covers(usd, images, worst_usd, self.images):
                return False
            self._count_uncertain(worst_usd, self.images, 1)
        # Of two keepers, the first then counts what the second refuses: too much, never too little.
        for each in self.kept:
            if not await each.again(worst_usd, attempt):
                with guard.lock:
                    self._count_uncertain(-worst_usd, -self.images, -1)
                return False
        self.uncertain_usd += worst_usd
        return True

    def _count_uncertain(self, usd: float, images: int, requests: int) -> None:
        for each in self._accounts:
            each.uncertain_usd = fsum((each.uncertain_usd, usd))
            each.uncertain_images += images
            each.uncertain_requests += requests

    def settle(self, cost_usd: float | None, images: int = 0, *, whole: bool = True) -> None:
        """The request has ended, at this cost; None where the wire does not tell it. Where it is
        not told, or is not the whole, the rest of what was held stays as uncertain.
        """
        known = cost_usd or 0.0
        whole = whole and cost_usd is not None
        open_usd = 0.0 if whole else max(self.worst_usd() - known, 0.0)
        ending = Ending(
            known,
            images,
            open_usd,
            is_uncertain=not whole,
            shape=self._shape,
            told_usd=cost_usd,
        )
        if not self._end(ending) or self._shape is None:
            return
        with guard.lock:
            for each in self._accounts:
                if cost_usd is not None:
                    each.learn(self._shape, cost_usd)
                elif not open_usd:
                    each.costless |= {self._shape}

    def release(self) -> None:
        """The request was surely not billed."""
        self._end(Ending())

    def keep(self, images: int = 0) -> None:
        """Count the request as uncertain: only the pictures that had arrived are known."""
        open_usd, open_images = self.worst_usd(), max(self.images - images, 0)
        self._end(Ending(0.0, images, open_usd, open_images, is_uncertain=True))

    def _end(self, ending: Ending) -> bool:
        with guard.lock:
            if self._ending is not None:
                return False
            self._ending = ending
            self.uncertain_usd += ending.uncertain_usd
            for each in self._accounts:
                each.holds.discard(self)
                each.spent_usd = fsum((each.spent_usd, ending.usd))
                each.spent_images += ending.images
            self._count_uncertain(
                ending.uncertain_usd, ending.uncertain_images, int(ending.is_uncertain)
            )
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ending is None:
            self.keep()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)
        if self.kept:
            await self._tell_kept()

    async def _tell_kept(self) -> None:
        import asyncio  # here: who only names a budget need not load it

        from agentkit._sync import finish

        ending = self._ending or Ending()
        for each in self.kept:
            try:
                await finish(each.end(ending), None)
            except asyncio.CancelledError:
                # The reply was paid for, and goes its way first. `task.cancelling()` still tells
                # of the cancellation, and whoever drives the run looks at it.
                continue
