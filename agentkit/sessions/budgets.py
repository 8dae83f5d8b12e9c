"""Budgets for all processes that share a database: held before a request, settled after it.

A hold is one transaction, in a thread. A process that holds something has a lock of its own: where
that is free, the process has died, and what it held counts as uncertain.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from agentkit._check import argument, check_choice, check_kind, check_several
from agentkit._log import logger
from agentkit._sync import finish
from agentkit.budget import (
    Budget,
    Ending,
    KeptAccount,
    KeptBudget,
    Per,
    Reservation,
    check_limits,
    covers,
)
from agentkit.errors import SessionError
from agentkit.sessions import budget_rows as rows
from agentkit.sessions.budget_rows import BudgetRow, HoldRow, Place, place_of
from agentkit.sessions.database import Database
from agentkit.sessions.names import check_name
from agentkit.sessions.owner import Owner

_OWNERS_SECONDS = 5.0
"""How often a hold looks for processes that have died. What they hold counts all the same."""
_TIDY_SECONDS = 3600.0
_PERIODS: tuple[Per | None, ...] = ("day", "month", None)


class Budgets:
    """The budgets of one database, for this process."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock
        self._owner = Owner(database.locks)
        self._accounts: weakref.WeakValueDictionary[tuple[Any, ...], KeptAccount] = (
            weakref.WeakValueDictionary()
        )
        self._order = itertools.count(1)
        """Tells which figures are newer: see `KeptAccount.show_written`."""
        self._unwritten: deque[tuple[_Held, Ending]] = deque()
        """The ends of requests that the database did not take."""
        self._looked = self._tidied = -inf
        """When dead processes were looked for, and what is over was tidied."""

    def budget(
        self,
        name: str,
        cost_usd: float | None = None,
        images: int | None = None,
        *,
        per: Per | None = None,
        within: Iterable[Budget | None] = (),
        unmetered: bool = False,
    ) -> KeptBudget:
        """The budget of this name: see `Sessions.budget`. Raises `UsageError`."""
        owner = "Sessions.budget"
        check_name(f"{owner}({{!r}})", name)
        check_limits(owner, cost_usd, images, unmetered=unmetered)
        per = check_choice(argument(owner, "per"), per, _PERIODS)
        above = [
            check_kind(argument(owner, "within"), each, Budget, "budgets: [Budget(…), …]")
            for each in check_several(argument(owner, "within"), within, "budgets: [Budget(…), …]")
            if each is not None
        ]
        limits = (name, cost_usd, images, per, unmetered)
        account = self._accounts.get(limits)
        if account is None:
            made = KeptAccount(self, name, cost_usd, images, per=per, unmetered=unmetered)
            account = self._accounts.setdefault(limits, made)
        return KeptBudget(account, above)

    def look(self, account: KeptAccount) -> None:
        """See `Keeper`."""
        self._read([account])

    async def refresh(self, accounts: Sequence[KeptAccount], *, thorough: bool = False) -> None:
        """See `Keeper`."""
        await asyncio.to_thread(self._refresh, accounts, thorough)

    async def reserve(self, accounts: Sequence[KeptAccount], wanted: Reservation) -> _Held | None:
        """See `Keeper`."""
        taking = asyncio.ensure_future(asyncio.to_thread(self._reserve, accounts, wanted))
        try:
            return await finish(taking, None)
        except asyncio.CancelledError:
            if taking.exception() is None and (held := taking.result()) is not None:
                await finish(held.end(Ending()), None)
            raise

    def _refresh(self, accounts: Sequence[KeptAccount], thorough: bool) -> None:
        if self._unwritten:
            self._write_endings()
        found = self._read(accounts)
        if thorough and self._owner.dead({owner for each in found for owner in each.owners}):
            now = self._clock()
            with self._writing([place_of(each, now) for each in accounts], accounts, now) as open_:
                self._mark_dead(*open_)

    def _read(self, accounts: Sequence[KeptAccount]) -> list[BudgetRow]:
        begun, now = next(self._order), self._clock()
        with self._database.reading() as connection:
            found = [rows.read(connection, place_of(each, now)) for each in accounts]
        for account, row in zip(accounts, found, strict=True):
            account.show_read(row.seen_by(account, now), begun)
        return found

    @contextmanager
    def _writing(
        self, places: Iterable[Place], accounts: Iterable[KeptAccount], now: float
    ) -> Generator[tuple[Connection, dict[Place, BudgetRow]]]:
        """A transaction in which nobody else changes these budgets. What they are after it is shown
        to the accounts.
        """
        is_sqlite = self._database.is_sqlite
        with self._database.writing() as connection:
            found = rows.locked(connection, set(places), now, is_sqlite=is_sqlite)
            yield connection, found
            for each in found.values():
                rows.save(connection, each, now)
            written = next(self._order)
        ended = next(self._order)
        for account in accounts:
            if (row := found.get(place_of(account, now))) is not None:
                account.show_written(row.seen_by(account, now), written, ended)

    def _reserve(self, accounts: Sequence[KeptAccount], wanted: Reservation) -> _Held | None:
        if self._unwritten:
            self._write_endings()
        self._tidy(accounts)
        owner = self._owner.enter()
        try:
            held = self._hold(accounts, wanted, owner)
        except BaseException:
            self._owner.leave(owner)
            raise
        if held is None:
            self._owner.leave(owner)
        return held

    def _hold(
        self, accounts: Sequence[KeptAccount], wanted: Reservation, owner: str
    ) -> _Held | None:
        now = self._clock()
        places = {place_of(each, now) for each in accounts}
        before = self._held_before({each.name for each in places}, wanted)
        touched = places | {each.place for each in before.values()}
        with self._writing(touched, accounts, now) as (connection, found):
            before = rows.holds_of(connection, [each.id for each in before.values()])
            taken: list[HoldRow] = []
            for each in before.values():
                if wanted.sent:  # what was uncertain is being found out
                    state = "open" if each.state == "uncertain" else each.state
                    taken.append(replace(each, owner=owner, state=state))
                    found[each.place].count(each, taken[-1])
                    rows.write_hold(connection, taken[-1])
                else:  # its process died before it had sent the request
                    found[each.place].count(each, None)
                    rows.remove_hold(connection, each.id)
            self._look_for_dead(connection, found)
            known = {each.budget for each in taken}
            missing = [each for each in sorted(places) if each.name not in known]
            if not wanted.sent and not _all_cover(accounts, found, wanted, now):
                return None
            for place in missing:
                new = _new_hold(place, wanted, owner, now)
                found[place].count(None, new)
                rows.add_hold(connection, new)
                taken.append(new)
        return _Held(self, tuple(accounts), wanted, owner, taken)

    def _held_before(self, names: set[str], wanted: Reservation) -> dict[str, HoldRow]:
        """What another process holds for the same request, by the name of the budget: one that was
        sent goes on with that; one that it never sent is held anew.
        """
        if wanted.key is None:
            return {}
        with self._database.reading() as connection:
            asked = {
                name: rows.hold_for(connection, name, wanted.key, sent=wanted.sent)
                for name in names
            }
        found = {name: each for name, each in asked.items() if each is not None}
        if wanted.sent:
            return found
        dead = self._owner.dead({each.owner for each in found.values() if each.state != "settled"})
        return {
            name: each
            for name, each in found.items()
            if each.owner in dead and each.state != "settled"
        }

    def again(self, held: _Held, worst_usd: float, attempt: int | None) -> bool:
        """See `KeptHold`. Blocks."""
        now = self._clock()
        places = {each.place for each in held.rows}
        with self._writing(places, held.accounts, now) as (connection, found):
            wanted = replace(held.wanted, cost_usd=worst_usd)
            if not _all_cover(held.accounts, found, wanted, held.rows[0].made_at):
                return False
            known = rows.holds_of(connection, [each.id for each in held.rows])
            following: list[HoldRow] = []
            for row in held.rows:
                old = known.get(row.id)
                new = replace(row, id=uuid4().hex, attempt=attempt)  # in the same period
                lost = replace(row, state="uncertain", cost_usd=worst_usd)
                _close(connection, found[row.place], old, lost)
                found[row.place].count(None, new)
                rows.add_hold(connection, new)
                following.append(new)
        held.rows = following
        return True

    def end(self, held: _Held, ending: Ending) -> None:
        """See `KeptHold`. Blocks."""
        self._unwritten.append((held, ending))
        self._write_endings()

    def _write_endings(self) -> None:
        """Write what has ended; what cannot be written stays for the next time."""
        for _ in range(len(self._unwritten)):
            try:
                held, ending = self._unwritten.popleft()
            except IndexError:  # another thread has it
                return
            try:
                self._write_ending(held, ending)
            except SessionError as error:
                self._unwritten.append((held, ending))
                names = [each.name for each in held.accounts]
                logger().warning("budget_not_settled", budgets=names, reason=str(error))
            else:
                self._owner.leave(held.owner)

    def _write_ending(self, held: _Held, ending: Ending) -> None:
        now = self._clock()
        places = {each.place for each in held.rows}
        with self._writing(places, held.accounts, now) as (connection, found):
            known = rows.holds_of(connection, [each.id for each in held.rows])
            for row in held.rows:
                old = known.get(row.id)
                _close(connection, found[row.place], old, (old or row).ended(ending))
                found[row.place].learn(ending)

    def _look_for_dead(self, connection: Connection, found: dict[Place, BudgetRow]) -> None:
        """Now and then, find the holds of processes that have died."""
        clock = time.monotonic()
        if clock - self._looked > _OWNERS_SECONDS:
            self._looked = clock
            self._mark_dead(connection, found)

    def _tidy(self, accounts: Sequence[KeptAccount]) -> None:
        """Now and then, do the same in periods that are over, and remove what ended long ago."""
        clock = time.monotonic()
        if clock - self._tidied <= _TIDY_SECONDS:
            return
        self._tidied = clock
        now, names = self._clock(), {each.name for each in accounts}
        with self._database.reading() as connection:
            places = rows.open_places(connection, names)
        with self._writing(places, (), now) as (connection, found):
            self._mark_dead(connection, found)
            rows.prune(connection, names, now)

    def _mark_dead(self, connection: Connection, found: dict[Place, BudgetRow]) -> None:
        """Let the holds of processes that have died count as uncertain."""
        dead = self._owner.dead({owner for each in found.values() for owner in each.owners})
        for row in found.values():
            for old in list((row.open or {}).values()):
                if old.owner in dead:
                    lost = replace(old, state="uncertain")
                    row.count(old, lost)
                    rows.write_hold(connection, lost)


class _Held:
    """What one request under way holds of the budgets of a database: see `KeptHold`."""

    def __init__(
        self,
        keeper: Budgets,
        accounts: tuple[KeptAccount, ...],
        wanted: Reservation,
        owner: str,
        held: list[HoldRow],
    ) -> None:
        self._keeper, self.accounts, self.wanted, self.owner = keeper, accounts, wanted, owner
        self.rows = held
        """As they were when they were made, or found."""
        self._is_ended = False

    async def again(self, worst_usd: float, attempt: int | None) -> bool:
        """See `KeptHold`."""
        work = asyncio.to_thread(self._keeper.again, self, worst_usd, attempt)
        return await finish(asyncio.ensure_future(work), None)

    async def end(self, ending: Ending) -> None:
        """See `KeptHold`."""
        try:
            await asyncio.to_thread(self._end, ending)
        except RuntimeError:  # the interpreter shuts down, and begins no thread any more
            self._end(ending)

    def _end(self, ending: Ending) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._keeper.end(self, ending)


def _new_hold(place: Place, wanted: Reservation, owner: str, now: float) -> HoldRow:
    key = wanted.key
    return HoldRow(
        uuid4().hex,
        place.name,
        place.period,
        "open",
        wanted.cost_usd,
        wanted.images,
        owner,
        now,
        None if key is None else key.call,
        None if key is None else key.attempt,
    )


def _all_cover(
    accounts: Iterable[KeptAccount],
    found: dict[Place, BudgetRow],
    wanted: Reservation,
    now: float,
) -> bool:
    for account in accounts:
        if (row := found.get(place_of(account, now))) is None:
            continue  # its period has ended meanwhile
        state = row.seen_by(account, now).state
        if not covers(state.remaining_usd, state.remaining_images, wanted.cost_usd, wanted.images):
            return False
    return True


def _close(connection: Connection, budget: BudgetRow, old: HoldRow | None, new: HoldRow) -> None:
    """Put how a request has ended in the place of its hold. It is found again where a call ledger
    knows the request; one that used nothing leaves no trace.
    """
    budget.count(old, new)
    if old is None:
        return
    used = new.state == "uncertain" or new.spent_usd or new.spent_images
    if new.call is not None and used:
        rows.write_hold(connection, new)
    else:
        rows.remove_hold(connection, old.id)
