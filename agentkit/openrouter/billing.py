"""Money around one request: the highest price it may have is held before it is sent, and what it
did cost is settled after, come what may.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Self

from agentkit.budget import Budget, Hold, LedgerKey
from agentkit.errors import APIError, RunError
from agentkit.openrouter.paid_call import PaidCall
from agentkit.openrouter.retry import Stakes, may_be_at_work, may_have_billed
from agentkit.values import Usage, fast_init


@fast_init
@dataclass(frozen=True, slots=True)
class Told:
    """What was told of a request's cost, by its reply or by a look-up."""

    cost_usd: float | None = None
    """None where nobody told it."""
    images: int = 0
    """How many pictures arrived."""
    whole: bool = True
    """Whether `cost_usd` is all; else more may have been billed, to a key of the user's own."""

    @classmethod
    def of(cls, usage: Usage, images: int) -> Self:
        """What the usage of one request tells."""
        return cls(usage.cost_usd, images, usage.cost_is_whole)


def highest_price(budget: Budget, shape: Hashable, implied: float | None) -> float:
    """The highest price in USD that a request may have: what the catalogue implies, or what the
    costliest request of this shape cost so far; 0 where neither is known.
    """
    return max(implied or 0.0, budget.highest_cost(shape) or 0.0)


async def ledger_key(call: PaidCall | None) -> LedgerKey | None:
    """What a hold carries of the request that is about to be sent, or that was sent before and
    whose outcome is open; None without a ledger.
    """
    if call is None:
        return None
    stored = await call.stored()
    is_open = stored is not None and stored.is_open
    key = stored.key if stored is not None and is_open else call.next_key
    return LedgerKey(key.call_name, key.attempt)


def settle(hold: Hold, told: Told, error: BaseException | None = None) -> None:
    """Put what is known of the cost in the place of what was held.

    A request whose cost was not told, or not all of it, keeps what was held as uncertain, whether
    it ended well or broke off.
    """
    if error is None:
        hold.settle(told.cost_usd, told.images, whole=told.whole)
    elif isinstance(error, RunError) and error.billed is False:
        if told.images:
            hold.settle(0.0, told.images)
        hold.release()
    elif told.cost_usd is not None:
        hold.settle(told.cost_usd, told.images, whole=told.whole)
    else:
        hold.keep(told.images)


def was_billed(error: RunError, told: Told, stakes: Stakes, *, answered: bool) -> bool | None:
    """Whether a request that ended with this error was billed; None where that is open. `answered`:
    a reply had begun.
    """
    if error.billed is not None:  # known where it was raised: nothing was sent
        return error.billed
    if error.generation is not None:
        return error.generation.billed
    if told.cost_usd:
        return True
    if told.cost_usd is not None and told.whole:
        return False
    if not isinstance(error, APIError):
        return None
    if not answered and may_be_at_work(error):
        return None
    if stakes.all_or_nothing:
        return None if told.images else False
    if answered or error.status is None:
        return None
    return None if stakes.server_tools and may_have_billed(error) else False
