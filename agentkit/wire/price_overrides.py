"""Prices that hold at some times, or for long prompts: the `overrides` of the catalogue. Pure.

Source: `PricingOverride` of OpenRouter's specification (November 2026). An entry holds where all
its conditions do; of those that hold, the last one that names a price sets it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import cast

from agentkit.wire.json import as_objects
from agentkit.wire.types import JsonObject

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_BOUNDS = ("min_", "max_", "utc_")
"""How names begin that are conditions, not prices."""
_MARGIN = timedelta(minutes=5)
"""Clocks differ, and a request may be sent a second time."""
_ESTIMATE = 2.0
"""By how much the tokens of a prompt may be wrong: they are counted from its bytes."""
_MOST = 1e15


@dataclass(frozen=True, slots=True)
class PriceOverride:
    """Prices that hold under conditions. What is None is no condition."""

    prices: Mapping[str, float] = field(default_factory=dict[str, float], hash=False)
    """USD, by the names that they have without conditions."""
    days: frozenset[int] | None = None
    """Days of the week in UTC; Monday is 0."""
    start: int | None = None
    end: int | None = None
    """Minutes of the day in UTC, from and until which they hold; past midnight where `end` is
    before `start`.
    """
    min_tokens: float | None = None
    """The prompt has more tokens than this."""
    is_clear: bool = True
    """Whether each condition is known here; where one is not, the prices may hold at any time."""

    def holds(self, when: datetime | None, tokens: float | None) -> bool | None:
        """Whether the prices hold for a request at this time (None: at any) with about so many
        tokens; None where they may.
        """
        found = (self._holds_for(tokens), self._holds_around(when))
        if False in found:
            return False
        return None if None in found or not self.is_clear else True

    def _holds_for(self, tokens: float | None) -> bool | None:
        if self.min_tokens is None:
            return True
        if tokens is None:
            return None
        if tokens * _ESTIMATE <= self.min_tokens:
            return False
        return True if tokens > self.min_tokens * _ESTIMATE else None

    def _holds_around(self, when: datetime | None) -> bool | None:
        if self.days is None and self.start is None and self.end is None:
            return True
        if when is None:
            return None
        near = {self._holds_at(when + shift) for shift in (-_MARGIN, timedelta(), _MARGIN)}
        return near.pop() if len(near) == 1 else None

    def _holds_at(self, when: datetime) -> bool:
        when = when.astimezone(UTC)
        if self.days is not None and when.weekday() not in self.days:
            return False
        start = 0 if self.start is None else self.start
        end = 24 * 60 if self.end is None else self.end
        minute = when.hour * 60 + when.minute
        return start <= minute < end if start < end else minute >= start or minute < end


def highest(
    name: str,
    usual: float | None,
    overrides: Sequence[PriceOverride],
    when: datetime | None,
    tokens: float | None = None,
) -> float | None:
    """The highest price of this name that a request may have; None where there is none."""
    if not overrides:
        return usual
    possible = [] if usual is None else [usual]
    for each in overrides:
        price, holds = each.prices.get(name), each.holds(when, tokens)
        if price is not None and holds is not False:
            possible = [price] if holds else [*possible, price]
    return max(possible, default=None)


def exact(
    name: str,
    usual: float | None,
    overrides: Sequence[PriceOverride],
    when: datetime,
    tokens: float,
) -> float | None:
    """The price of this name in a request at this time with so many tokens; None where there is
    none, and where it is not sure which one holds.
    """
    found = usual
    for each in overrides:
        price = each.prices.get(name)
        if price is None:
            continue
        holds = each.holds(when, tokens)
        if holds is None:
            return None
        found = price if holds else found
    return found


def overrides_of(pricing: JsonObject) -> tuple[PriceOverride, ...]:
    """The `overrides` of a pricing object, in their order; what is no object is passed over."""
    return tuple([_override(each) for each in as_objects(pricing.get("overrides"))])


def _override(entry: JsonObject) -> PriceOverride:
    days, least = _days(entry.get("utc_days")), _number(entry.get("min_prompt_tokens"))
    start, end = _minute(entry.get("utc_start")), _minute(entry.get("utc_end"))
    read = {"utc_days": days, "utc_start": start, "utc_end": end, "min_prompt_tokens": least}
    given = {name: value for name, value in entry.items() if value is not None}
    rest = {name: dollars(value) for name, value in given.items() if name not in read}
    prices = {
        name: price
        for name, price in rest.items()
        if price is not None and not name.startswith(_BOUNDS)
    }
    # A name that is neither may be a condition that came later than this reader.
    is_clear = prices.keys() == rest.keys() and (start is None or start != end)
    is_clear = is_clear and all(read[name] is not None for name in given.keys() & read.keys())
    return PriceOverride(prices, days, start, end, least, is_clear)


def _days(value: object) -> frozenset[int] | None:
    """The days of a list; None where one of them is not known, or there is none."""
    names = cast("list[object]", value) if isinstance(value, list) else []
    found = [str(each).lower() for each in names]
    if not found or not set(_DAYS).issuperset(found):
        return None
    return frozenset(map(_DAYS.index, found))


def _minute(value: object) -> int | None:
    """The minute of the day that a number such as 1030 stands for."""
    number = _number(value)
    if number is None or number != int(number):
        return None
    hours, minutes = divmod(int(number), 100)
    return hours * 60 + minutes if minutes < 60 and hours * 60 + minutes <= 24 * 60 else None


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value < _MOST else None


def dollars(value: object) -> float | None:
    """A price, as a number or as a string; OpenRouter says "-1" of one that depends on what a
    router chooses.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    price = _number(value)
    return price if price is not None and isfinite(price) else None
