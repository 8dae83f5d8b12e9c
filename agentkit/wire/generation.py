"""What `GET /generation` tells of a request whose reply was lost: whether it was carried out, and
what it cost.
"""

from __future__ import annotations

from dataclasses import dataclass

from agentkit.values import Usage, replace
from agentkit.wire.json import as_count, as_object, as_text
from agentkit.wire.types import JsonObject
from agentkit.wire.usage import MOST_USD, amount_of

PATH = "/generation"


@dataclass(frozen=True, slots=True)
class Generation:
    """One request as OpenRouter remembers it."""

    id: str
    model: str | None = None
    provider: str | None = None
    cost_usd: float | None = None
    """What the account was billed; None where it is not told."""
    upstream_cost_usd: float | None = None
    """What the provider billed to a key of the user's own."""
    finish: str | None = None
    cancelled: bool | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    images: int = 0
    byok: bool = False
    """Whether it went by a key of the user's own, which the provider bills."""

    @property
    def total_usd(self) -> float | None:
        """What the account and the key of the user's own were billed together; None where the
        record does not tell both.
        """
        if self.cost_usd is None or (self.byok and self.upstream_cost_usd is None):
            return None
        return self.cost_usd + (self.upstream_cost_usd or 0.0)

    @property
    def billed(self) -> bool | None:
        """Whether somebody paid for it; None where the record does not say."""
        if self.cost_usd or self.upstream_cost_usd:
            return True
        return None if self.total_usd is None else False

    def __str__(self) -> str:
        if self.billed:
            least = "" if self.total_usd is not None else "at least "
            known = (self.cost_usd or 0.0) + (self.upstream_cost_usd or 0.0)
            return f"it was carried out and cost {least}${known:g}"
        return "it was not billed" if self.billed is False else "its cost is not known yet"


def completed(usage: Usage, found: Generation | None) -> Usage:
    """The usage of a request with the cost that a look-up told, where its reply did not tell the
    whole.
    """
    if found is None or found.total_usd is None:
        return usage
    if usage.cost_usd is not None and usage.cost_is_whole:
        return usage
    return replace(
        usage,
        cost_usd=found.total_usd,
        upstream_cost_usd=found.upstream_cost_usd,
        priced_requests=usage.requests,
    )


def generation_of(body: JsonObject) -> Generation | None:
    """The record in the body of `GET /generation`; None where the body holds none."""
    data = as_object(body.get("data"))
    generation_id = as_text(data.get("id"))
    if not generation_id:
        return None
    cancelled, byok = data.get("cancelled"), data.get("is_byok") is True
    return Generation(
        generation_id,
        model=as_text(data.get("model")),
        provider=as_text(data.get("provider_name")),
        cost_usd=_usd(data.get("total_cost", data.get("usage"))),
        upstream_cost_usd=_usd(data.get("upstream_inference_cost")) if byok else None,
        finish=as_text(data.get("finish_reason")),
        cancelled=cancelled if isinstance(cancelled, bool) else None,
        input_tokens=as_count(data.get("tokens_prompt")),
        output_tokens=as_count(data.get("tokens_completion")),
        images=as_count(data.get("num_media_completion")),
        byok=byok,
    )


def _usd(value: object) -> float | None:
    amount = amount_of(value, MOST_USD)
    return None if amount is None else float(amount)
