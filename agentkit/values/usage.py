"""What a reply cost, in tokens, pictures and money."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import fsum
from operator import attrgetter

from agentkit.values.codec import Amount
from agentkit.values.making import fast_init


@fast_init
@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, pictures and money that were used. `cost_usd` is None if no reply told its cost."""

    input_tokens: int = 0
    """Tokens of the requests, cached ones included."""
    output_tokens: int = 0
    """Tokens of the replies, reasoning included."""
    cached_tokens: int = 0
    """Input tokens that were read from the provider's prompt cache, at a lower price."""
    reasoning_tokens: int = 0
    image_tokens: int = 0
    server_tool_calls: int = 0
    images: int = 0
    requests: int = 0
    priced_requests: int = 0
    """How many of `requests` told their cost. If it is less than `requests`, the true cost is
    higher than `cost_usd`.
    """
    cache_write_tokens: int = 0
    """Input tokens that were written to the provider's prompt cache, which may cost extra."""
    unmetered_requests: int = 0
    """How many of `requests` went to a service that does not tell what they cost, and of which no
    price is known.
    """
    cost_usd: Amount | None = None
    """USD that the replies told, `upstream_cost_usd` included."""
    upstream_cost_usd: Amount | None = None
    """USD that providers bill to keys of your own (BYOK), on top of OpenRouter's fee; None if no
    reply told it.
    """
    server_tool_cost_usd: Amount | None = None
    """USD of `cost_usd` that metered server tools took; None if no reply told it."""
    cache_saved_usd: Amount | None = None
    """USD that the prompt cache saved, by the prices of the catalogue or your own; below 0 where
    writing to it cost more than reading from it saved. None if no request told what it read and
    wrote, or no such price is known. A part of no other amount.
    """
    uncertain_usd: Amount = 0.0
    """USD that may have been spent beside `cost_usd`: the highest known prices of requests that
    broke off, or whose replies did not tell their cost.
    """

    @property
    def cost_is_whole(self) -> bool:
        """Whether `cost_usd` holds the cost of every request; else it is the least that was
        spent.
        """
        return self.priced_requests == self.requests

    @property
    def fresh_tokens(self) -> int:
        """Input tokens that were neither read from a prompt cache nor written to it."""
        return max(0, self.input_tokens - self.cached_tokens - self.cache_write_tokens)

    @property
    def is_metered(self) -> bool:
        """Whether somebody knows what each request costs."""
        return not self.unmetered_requests

    @property
    def highest_usd(self) -> float:
        """USD that may have been spent at most, as far as prices are known."""
        return fsum((self.cost_usd or 0.0, self.uncertain_usd))

    @classmethod
    def total(cls, usages: Iterable[Usage]) -> Usage:
        """The sum; costs are added by `fsum`, those not told left out."""
        each = tuple(usages)
        if len(each) < 2:
            return each[0] if each else cls()
        counts = map(sum, zip(*map(_COUNTS, each), strict=True))
        costs = zip(*map(_COSTS, each), strict=True)
        cost, upstream, server_tool, saved = map(_sum_of_known, costs)
        uncertain = fsum([usage.uncertain_usd for usage in each])
        return cls(
            *counts,
            cost_usd=cost,
            upstream_cost_usd=upstream,
            server_tool_cost_usd=server_tool,
            cache_saved_usd=saved,
            uncertain_usd=uncertain,
        )


def _sum_of_known(costs: Iterable[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return fsum(known) if known else None


_COSTS = attrgetter("cost_usd", "upstream_cost_usd", "server_tool_cost_usd", "cache_saved_usd")
_COUNTS = attrgetter(*(name for name in Usage.__dataclass_fields__ if not name.endswith("_usd")))

EPSILON = 1e-12
"""USD below which sums of floats tell nothing apart."""


def fits(price: float, left: float) -> bool:
    """Whether something is left, and the price is within it; both are in USD."""
    return left > EPSILON and price <= left + EPSILON
