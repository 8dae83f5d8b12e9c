"""Budgets as rows: what is read and written of one budget in one transaction.

The row of a budget has what was spent, and what is uncertain. What is held is in the rows of its
holds: those that are `open` count as reserved, those that are `uncertain` are in the figures of the
budget too, and so are those that are `settled`. Whoever changes either has locked the row of the
budget.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from math import fsum
from typing import Literal

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agentkit.budget import BudgetState, Ending, KeptAccount, LedgerKey, Per, Seen, shape_name
from agentkit.sessions.tables import budgets, holds
from agentkit.values.usage import EPSILON

State = Literal["open", "uncertain", "settled"]
KEEP_SECONDS = 40 * 86_400.0
"""How long a hold is found again that has ended: longer than a call ledger keeps its calls."""
_MOST_SHAPES = 500
"""Shapes of requests whose highest cost is remembered, the latest ones."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One period of a budget: where a hold counts."""

    name: str
    period: str


def period_of(per: Per | None, now: float) -> tuple[str, datetime | None]:
    """The period at this Unix time, and its end, in UTC."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match per:
        case None:
            return "", None
        case "day":
            return f"{today:%Y-%m-%d}", today + timedelta(days=1)
        case "month":
            after = today.replace(day=1) + timedelta(days=32)
            return f"{today:%Y-%m}", after.replace(day=1)


def place_of(account: KeptAccount, now: float) -> Place:
    """Where what is held now of this budget counts."""
    return Place(account.name, period_of(account.per, now)[0])


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One hold, as its table has it."""

    id: str
    budget: str
    period: str
    state: State
    cost_usd: float
    images: int
    owner: str
    made_at: float
    call: str | None = None
    attempt: int | None = None
    spent_usd: float = 0.0
    spent_images: int = 0

    @property
    def place(self) -> Place:
        return Place(self.budget, self.period)

    def ended(self, ending: Ending) -> HoldRow:
        """The hold once its request has ended so."""
        return replace(
            self,
            state="uncertain" if ending.is_uncertain else "settled",
            cost_usd=ending.uncertain_usd,
            images=ending.uncertain_images,
            spent_usd=ending.usd,
            spent_images=ending.images,
        )


_FIELDS = [holds.c[name] for name in HoldRow.__slots__]


def _hold(row: Row[tuple[object, ...]]) -> HoldRow:
    return HoldRow(*row)


@dataclass(slots=True)
class BudgetRow:
    """The figures of one budget in one period, inside a transaction. Those of a `locked` one may be
    changed, and are written by `save`.
    """

    place: Place
    spent_usd: float = 0.0
    spent_images: int = 0
    uncertain_usd: float = 0.0
    uncertain_images: int = 0
    uncertain_requests: int = 0
    highest_cost: dict[str, float | None] | None = None
    open: dict[str, HoldRow] | None = None

    @property
    def owners(self) -> set[str]:
        """The processes that hold something."""
        return {each.owner for each in (self.open or {}).values()}

    def seen_by(self, account: KeptAccount, now: float) -> Seen:
        """The figures beside the limits of this account."""
        period, ends_at = period_of(account.per, now)
        held = (self.open or {}).values()
        state = BudgetState(
            account.cost_usd,
            account.images,
            self.spent_usd,
            self.spent_images,
            fsum(each.cost_usd for each in held),
            sum(each.images for each in held),
            self.uncertain_usd,
            self.uncertain_images,
            self.uncertain_requests,
            period,
            ends_at,
        )
        return Seen(state, dict(self.highest_cost or {}))

    def count(self, before: HoldRow | None, after: HoldRow | None) -> None:
        """Put one hold in the place of another, or of none."""
        for row, sign in ((before, -1), (after, 1)):
            if row is None:
                continue
            self.spent_usd = _sum(self.spent_usd, sign * row.spent_usd)
            self.spent_images += sign * row.spent_images
            if row.state == "uncertain":
                self.uncertain_usd = _sum(self.uncertain_usd, sign * row.cost_usd)
                self.uncertain_images += sign * row.images
                self.uncertain_requests += sign
        opened = self.open = {} if self.open is None else self.open
        if before is not None:
            opened.pop(before.id, None)
        if after is not None and after.state == "open":
            opened[after.id] = after

    def learn(self, ending: Ending) -> None:
        """Remember what such a request costs, as `Hold.settle` does."""
        if ending.shape is None:
            return
        known = self.highest_cost = dict(self.highest_cost or {})
        name = shape_name(ending.shape)
        if ending.told_usd is not None:
            known[name] = max(known.pop(name, None) or 0.0, ending.told_usd)
        elif not ending.uncertain_usd:
            known.setdefault(name, None)
        while len(known) > _MOST_SHAPES:
            known.pop(next(iter(known)))


def _sum(*amounts: float) -> float:
    found = fsum(amounts)
    return 0.0 if abs(found) < EPSILON else found


def read(connection: Connection, place: Place, *, lock: bool = False) -> BudgetRow:
    """The figures of a budget, all zero where it was never used."""
    asked = select(budgets).where(budgets.c.name == place.name, budgets.c.period == place.period)
    found = connection.execute(asked.with_for_update() if lock else asked).one_or_none()
    row = BudgetRow(place)
    if found is None:
        row.highest_cost = _learnt_before(connection, place.name)
    else:
        row.spent_usd, row.spent_images = found.spent_usd, found.spent_images
        row.uncertain_usd, row.uncertain_images = found.uncertain_usd, found.uncertain_images
        row.uncertain_requests = found.uncertain_requests
        row.highest_cost = json.loads(found.highest_cost)
    asked_holds = select(*_FIELDS).where(
        holds.c.budget == place.name, holds.c.period == place.period, holds.c.state == "open"
    )
    row.open = {each.id: _hold(each) for each in connection.execute(asked_holds)}
    return row


def locked(
    connection: Connection, places: Iterable[Place], now: float, *, is_sqlite: bool
) -> dict[Place, BudgetRow]:
    """The figures of these budgets, which nobody else changes until the transaction ends. Always in
    the same order, so that no two transactions wait for each other.
    """
    making = (sqlite.insert if is_sqlite else postgresql.insert)(budgets).on_conflict_do_nothing()
    found: dict[Place, BudgetRow] = {}
    for place in sorted(places):
        here = (budgets.c.name == place.name, budgets.c.period == place.period)
        if connection.execute(select(budgets.c.name).where(*here)).one_or_none() is None:
            learnt = json.dumps(_learnt_before(connection, place.name))
            values = {"name": place.name, "period": place.period, "highest_cost": learnt}
            connection.execute(making, {**values, "changed_at": now})
        found[place] = read(connection, place, lock=True)
    return found


def _learnt_before(connection: Connection, name: str) -> dict[str, float | None]:
    """What was learnt of costs in the period before: a new day need not begin with nothing."""
    asked = (
        select(budgets.c.highest_cost)
        .where(budgets.c.name == name)
        .order_by(budgets.c.changed_at.desc())
        .limit(1)
    )
    found = connection.execute(asked).scalar_one_or_none()
    return {} if found is None else json.loads(found)


def save(connection: Connection, row: BudgetRow, now: float) -> None:
    """Write the figures of a budget that is locked."""
    connection.execute(
        update(budgets)
        .where(budgets.c.name == row.place.name, budgets.c.period == row.place.period)
        .values(
            spent_usd=row.spent_usd,
            spent_images=row.spent_images,
            uncertain_usd=row.uncertain_usd,
            uncertain_images=row.uncertain_images,
            uncertain_requests=row.uncertain_requests,
            highest_cost=json.dumps(row.highest_cost or {}),
            changed_at=now,
        )
    )


def add_hold(connection: Connection, row: HoldRow) -> None:
    """Write a new hold."""
    connection.execute(insert(holds).values(**asdict(row)))


def write_hold(connection: Connection, row: HoldRow) -> None:
    """Write what has become of a hold."""
    connection.execute(update(holds).where(holds.c.id == row.id).values(**asdict(row)))


def remove_hold(connection: Connection, id_: str) -> None:
    """Remove a hold."""
    connection.execute(delete(holds).where(holds.c.id == id_))


def holds_of(connection: Connection, ids: Collection[str]) -> dict[str, HoldRow]:
    """The holds with these ids, as far as they are there."""
    asked = select(*_FIELDS).where(holds.c.id.in_(ids))
    return {each.id: _hold(each) for each in connection.execute(asked)}


def hold_for(connection: Connection, name: str, key: LedgerKey, *, sent: bool) -> HoldRow | None:
    """The hold of a budget for this attempt at a request. One that was `sent` may have been held
    with an earlier attempt, which was refused.
    """
    attempt = holds.c.attempt
    asked = (
        select(*_FIELDS)
        .where(holds.c.call == key.call, holds.c.budget == name)
        .where(attempt <= key.attempt if sent else attempt == key.attempt)
        .order_by(attempt.desc(), holds.c.made_at.desc())
        .limit(1)
    )
    found = connection.execute(asked).one_or_none()
    return None if found is None else _hold(found)


def open_places(connection: Connection, names: Collection[str]) -> list[Place]:
    """Where anything of these budgets is held, in whatever period."""
    place = (holds.c.budget, holds.c.period)
    asked = select(*place).where(holds.c.budget.in_(names), holds.c.state == "open").distinct()
    return [Place(name, period) for name, period in connection.execute(asked)]


def prune(connection: Connection, names: Collection[str], now: float) -> None:
    """Remove the holds of these budgets that ended so long ago that nobody asks for them."""
    connection.execute(
        delete(holds).where(
            holds.c.budget.in_(names),
            holds.c.state != "open",
            holds.c.made_at < now - KEEP_SECONDS,
        )
    )
