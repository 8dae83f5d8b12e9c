"""`Budget`, in this process; and `KeptBudget`, in a database that processes share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from agentkit._check import argument, check_kind, check_number, check_several
from agentkit.budget.account import Account, covers, guard, images_left, usd_left
from agentkit.budget.hold import Hold
from agentkit.budget.kept import (
    Ending,
    Keeper,
    KeptAccount,
    KeptHold,
    LedgerKey,
    Per,
    Reservation,
)
from agentkit.budget.state import BudgetState
from agentkit.errors import UsageError


def check_limits(
    owner: str, cost_usd: object, images: object, *, unmetered: object = False
) -> None:
    """Raises `UsageError` for limits that are none. `owner` is what was called: `Budget`, say."""
    if cost_usd is not None:
        where = argument(owner, "cost_usd")
        check_number(where, cost_usd, least=0, unit="USD", also=", or None")
    if images is not None:
        check_number(argument(owner, "images"), images, whole=True, least=0, also=", or None")
    check_kind(argument(owner, "unmetered"), unmetered, bool, "True or False")


def _checked(within: object) -> list[Budget]:
    """The budgets of a list, in which None is none. Raises `UsageError`."""
    accepted = "a list of Budget(…)"
    given = check_several("Budget(within={!r})", within, accepted)
    where = "Budget(within=[{!r}])"
    return [check_kind(where, each, Budget, accepted) for each in given if each is not None]


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
        check_limits("Budget", cost_usd, images, unmetered=unmetered)
        self._begin(Account(cost_usd, images, unmetered), _checked(within))

    @classmethod
    def part_of(
        cls,
        within: Iterable[Budget | None],
        cost_usd: float | None = None,
        images: int | None = None,
        *,
        unmetered: bool = False,
    ) -> Budget:
        """A budget within others, for the limits of a run, which were checked when they were
        given.
        """
        budget = cls.__new__(cls)
        budget._begin(Account(cost_usd, images, unmetered), within)  # noqa: SLF001 - its own
        return budget

    def _begin(self, own: Account | KeptAccount, within: Iterable[Budget | None]) -> None:
        self._own = own
        above = [account for budget in within if budget is not None for account in budget.accounts]
        self.accounts: tuple[Account | KeptAccount, ...] = (own, *dict.fromkeys(above))
        """All in which a hold counts: its own, then those of the budgets that it lies within."""
        self._plain = [each for each in self.accounts if isinstance(each, Account)]
        self._kept = [each for each in self.accounts if isinstance(each, KeptAccount)]
        self.is_kept = bool(self._kept)
        """Whether this budget, or one that it lies within, is kept in a database."""
        self.limits_usd = any(each.cost_usd is not None for each in self.accounts)
        """Whether this budget, or one that it lies within, has a limit in USD."""
        self.limits_images = any(each.images is not None for each in self.accounts)
        """Whether this budget, or one that it lies within, has a limit in pictures."""

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
                for each in self.accounts
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
        if isinstance(self._own, KeptAccount):
            return self._own.reserved_usd
        with guard.lock:
            return self._own.reserved_usd

    @property
    def reserved_images(self) -> int:
        """Pictures held for requests that are under way."""
        if isinstance(self._own, KeptAccount):
            return self._own.reserved_images
        with guard.lock:
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
        if not self.limits_usd:
            return None
        kept = usd_left(self._kept)
        with guard.lock:
            plain = usd_left(self._plain)
        return min([left for left in (plain, kept) if left is not None], default=None)

    @property
    def remaining_images(self) -> int | None:
        """Pictures that are left; None without a limit. Below 0 if requests gave more than they
        were asked for.
        """
        if not self.limits_images:
            return None
        kept = images_left(self._kept)
        with guard.lock:
            plain = images_left(self._plain)
        return min([left for left in (plain, kept) if left is not None], default=None)

    async def state(self) -> BudgetState:
        """What was used of this budget, as it is now: of one that is kept in a database, what all
        processes have used, read from there. Raises `SessionError` where that cannot be read.
        """
        if isinstance(self._own, KeptAccount):
            await self._own.keeper.refresh([self._own], thorough=True)
            return self._own.state
        with guard.lock:
            return self._own.state

    async def refresh(self) -> None:
        """Read anew the figures of those budgets that are kept in a database: what is decided next
        is decided by them. Raises `SessionError`.
        """
        for keeper, accounts in self._by_keeper():
            await keeper.refresh(accounts)

    def _by_keeper(self) -> list[tuple[Keeper, list[KeptAccount]]]:
        if not self._kept:
            return []
        found: dict[Keeper, list[KeptAccount]] = {}
        for each in self._kept:
            found.setdefault(each.keeper, []).append(each)
        return list(found.items())

    def highest_cost(self, shape: Hashable) -> float | None:
        """The highest cost in USD of the requests of this shape so far; None where none has told
        its cost.
        """
        found = [each.highest_cost_of(shape) for each in self._kept]
        with guard.lock:
            found += [each.highest_cost_of(shape) for each in self._plain]
        return max([cost for cost in found if cost is not None], default=None)

    def cannot_count(self, shape: Hashable) -> bool:
        """Whether a limit in money cannot be kept, since a request of this shape did not tell its
        cost, and nothing is known of its price.
        """
        limited = [
            each for each in self.accounts if each.cost_usd is not None and not each.unmetered
        ]
        return any(each.is_costless(shape) for each in limited)

    def learn(self, shape: Hashable, cost_usd: float) -> None:
        """Remember, for this budget alone, what a request of this shape is said to have cost: a
        saved run may say anything. One that is kept elsewhere does not believe it.
        """
        if isinstance(self._own, Account):
            with guard.lock:
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
        if self._kept:
            names = " and ".join([repr(each.name) for each in self._kept])
            raise UsageError(
                f"Budget.reserve(): the budget {names} is kept in a database: "
                "await budget.hold(…), and use the hold with `async with`"
            )
        return self._reserve(cost_usd, images, shape, worst, sent=sent)

    def _reserve(
        self,
        cost_usd: float,
        images: int,
        shape: Hashable,
        worst: Callable[[], float] | None,
        *,
        sent: bool,
    ) -> Hold | None:
        """The hold in those budgets that live in this process."""
        hold = Hold(self._plain, cost_usd, images, shape, worst)
        with guard.lock:
            usd = usd_left(self._plain) if self.limits_usd else None
            pictures = images_left(self._plain) if self.limits_images else None
            if not sent and not covers(usd, pictures, cost_usd, images):
                return None
            for each in self._plain:
                each.holds.add(hold)
        return hold

    async def hold(
        self,
        cost_usd: float = 0.0,
        images: int = 0,
        *,
        shape: Hashable = None,
        worst: Callable[[], float] | None = None,
        sent: bool = False,
        key: LedgerKey | None = None,
        counted: bool = False,
    ) -> Hold | None:
        """The same as `reserve`, for budgets that are kept in a database too: the hold is an async
        context manager. Raises `SessionError` where the database cannot be used.

        `key` names the request in a call ledger, if it has one: one that was `sent` before takes up
        the hold that it had. `counted`: the budgets of this process have counted it already.
        """
        if counted:
            hold = Hold((), cost_usd, images, shape, worst)
        else:
            hold = self._reserve(cost_usd, images, shape, worst, sent=sent)
        if hold is None or not self._kept:
            return hold
        try:
            kept = await self._reserve_kept(Reservation(cost_usd, images, key, sent))
        except BaseException:
            hold.release()
            raise
        if kept is None:
            hold.release()
            return None
        hold.kept = kept
        return hold

    async def _reserve_kept(self, wanted: Reservation) -> list[KeptHold] | None:
        """What the request holds of the budgets that are kept elsewhere; None if one of them does
        not cover it.
        """
        held: list[KeptHold] = []
        try:
            for keeper, accounts in self._by_keeper():
                taken = await keeper.reserve(accounts, wanted)
                if taken is None:
                    break
                held.append(taken)
            else:
                kept, held = held, []
                return kept
        finally:
            from agentkit._sync import finish  # here: it loads asyncio

            for each in held:
                await finish(each.end(Ending()), None)
        return None

    def __repr__(self) -> str:
        names = ("cost_usd", "images", "spent_usd", "spent_images", "reserved_usd", "uncertain_usd")
        return f"Budget({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


class KeptBudget(Budget):
    """A `Budget` that is kept in a database, for all processes that use it by its name:
    `sessions.budget("team", cost_usd=20, per="day")`, which makes it.

    Runs, agents, studios and other budgets take it as they take any other. Its properties are what
    this process has last seen: each request of its own shows them anew, and the first look reads
    them. `await budget.state()` reads what they are now.
    """

    def __init__(self, account: KeptAccount, within: Iterable[Budget | None] = ()) -> None:
        self._account = account
        self._begin(account, within)

    @property
    def name(self) -> str:
        """Its name in the database."""
        return self._account.name

    @property
    def per(self) -> Per | None:
        """After what time all counts anew: `"day"`, `"month"`, or None for never."""
        return self._account.per

    def __repr__(self) -> str:
        names = ("cost_usd", "images", "per")
        told = ", ".join(f"{each}={getattr(self, each)!r}" for each in names)
        return f"<budget {self.name!r}: {told}>"
