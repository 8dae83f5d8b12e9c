"""The bill of one reply: what its `usage` tells of tokens and money, of either API.

`docs/money.md` has a table of the fields. Sources: the `ChatUsage`, `OpenResponsesUsage` and
`CostDetails` of OpenRouter's specification, and recorded traffic, which also has the fields of
providers that are passed on as they came.
"""

from __future__ import annotations

from math import fsum
from typing import cast

from agentkit.values import Usage
from agentkit.wire.json import as_object
from agentkit.wire.types import JsonObject

MOST_USD = 10**9
"""A cost beyond this is no cost; it may be a number that no float holds."""
_MOST_TOKENS = 2**53

COUNTS: dict[str, tuple[str, ...]] = {
    "input_tokens": ("prompt_tokens", "input_tokens"),
    "output_tokens": ("completion_tokens", "output_tokens"),
    "cached_tokens": (
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
    ),
    "cache_write_tokens": (
        "prompt_tokens_details.cache_write_tokens",
        "input_tokens_details.cache_write_tokens",
    ),
    "reasoning_tokens": (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
    ),
    "image_tokens": (
        "completion_tokens_details.image_tokens",
        "output_tokens_details.image_tokens",
    ),
    "server_tool_calls": (
        "server_tool_use_details.tool_calls_executed",
        "server_tool_use.tool_calls_executed",
        "server_tool_use_details.web_search_requests",
        "server_tool_use.web_search_requests",
    ),
}
"""Where each count of a `Usage` stands: the first that is not 0 counts."""
SEARCHES = COUNTS["server_tool_calls"][2:]
UPSTREAM = (
    ("cost_details.upstream_inference_cost",),
    (
        "cost_details.upstream_inference_prompt_cost",
        "cost_details.upstream_inference_completions_cost",
    ),
    (
        "cost_details.upstream_inference_input_cost",
        "cost_details.upstream_inference_output_cost",
    ),
)
"""Where the provider's own price stands: as one sum, or as the two parts of it, which Chat
Completions and Responses name differently.
"""
SERVER_TOOL_COST = "cost_details.server_tool_cost"
COSTS = ("cost", SERVER_TOOL_COST, *(path for paths in UPSTREAM for path in paths))
BYOK = "is_byok"
_MOST = {
    **dict.fromkeys([path for paths in COUNTS.values() for path in paths], _MOST_TOKENS),
    **dict.fromkeys(COSTS, MOST_USD),
}
_FIELDS = {
    holder: [
        (path, path.removeprefix(f"{holder}."), most)
        for path, most in _MOST.items()
        if path.rpartition(".")[0] == holder
    ]
    for holder in dict.fromkeys(path.rpartition(".")[0] for path in _MOST)
}
"""The fields of each object inside a `usage`, and of itself (""): path, name, and the bound."""


class Bill:
    """What the `usage` objects of one reply tell, put together field by field.

    A stream may tell its usage in several chunks, each with the totals so far, or with a part of
    the fields. So the latest value of a field counts, but null, 0, and what is no amount at all
    never take the place of an amount.
    """

    __slots__ = ("_amounts", "_byok")

    def __init__(self) -> None:
        self._amounts: dict[str, float] = {}
        self._byok = False

    def add(self, usage: object) -> None:
        """Take one `usage` object; anything else is passed over."""
        if not usage or not isinstance(usage, dict):
            return
        given, amounts = cast("JsonObject", usage), self._amounts
        self._byok = self._byok or given.get(BYOK) is True
        for holder, fields in _FIELDS.items():
            values = given.get(holder) if holder else given
            if not values or not isinstance(values, dict):
                continue  # as in most replies: of most holders nothing is told
            told = cast("JsonObject", values)
            for path, name, most in fields:
                if name in told:
                    amount = amount_of(told[name], most)
                    if amount or (amount is not None and path not in amounts):
                        amounts[path] = amount

    def usage(self) -> Usage:
        """The usage of this one request. What was not told is 0, a cost that was not told None."""
        told = self._amounts
        cost, upstream = told.get("cost"), self._upstream() if self._byok else None
        known = [each for each in (cost, upstream) if each is not None]
        # Of a key of the user's own, `cost` is OpenRouter's fee alone, and the provider bills too.
        whole = cost is not None and not (self._byok and upstream is None)
        counts: dict[str, int] = {}
        for name, paths in COUNTS.items():
            for path in paths:
                if count := told.get(path):
                    counts[name] = int(count)
                    break
        return Usage(
            **counts,
            requests=1,
            priced_requests=int(whole),
            cost_usd=fsum(known) if known else None,
            upstream_cost_usd=upstream,
            server_tool_cost_usd=told.get(SERVER_TOOL_COST),
        )

    @property
    def tells_cache(self) -> bool:
        """Whether it is told how many tokens were read from the prompt cache, be it none."""
        return any(path in self._amounts for path in COUNTS["cached_tokens"])

    def count(self, *paths: str) -> int:
        """The first of these counts that is not 0."""
        for path in paths:
            if count := self._amounts.get(path):
                return int(count)
        return 0

    def _upstream(self) -> float | None:
        for paths in UPSTREAM:
            parts = [told for path in paths if (told := self._amounts.get(path)) is not None]
            if len(parts) == len(paths):
                return fsum(parts)
        return None


def amount_of(value: object, most: float) -> float | None:
    """The value, if it is a number from 0 up to this one; text is no number here."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if 0 <= value < most else None


def own_cost(holder: JsonObject) -> float | None:
    """USD of one call or one picture, if its own record says it: `cost`, or `usage.cost`. An
    unknown cost is None, never 0.
    """
    own = amount_of(holder.get("cost"), MOST_USD)
    if own is None:
        own = amount_of(as_object(holder.get("usage")).get("cost"), MOST_USD)
    return None if own is None else float(own)
