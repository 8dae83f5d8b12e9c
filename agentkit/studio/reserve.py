"""What a request to the Image API may cost, held in a budget before it is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil, fsum

from agentkit.budget import Budget, Hold
from agentkit.errors import BudgetExceeded, UsageError
from agentkit.openrouter.billing import highest_price, ledger_key
from agentkit.openrouter.catalogue import Catalogue
from agentkit.openrouter.client import OpenRouter
from agentkit.openrouter.paid_call import PaidCall
from agentkit.openrouter.prices import CHARACTERS_A_TOKEN, price
from agentkit.values import Usage
from agentkit.wire.images import ImageRequest


async def reserve(
    request: ImageRequest,
    budget: Budget,
    client: OpenRouter,
    catalogue: Catalogue,
    *,
    sent: bool = False,
    call: PaidCall | None = None,
) -> Hold:
    """The hold for this request. Raises `BudgetExceeded` where it does not fit, and `UsageError`
    where nobody knows what it costs; one that was `sent` before is held in any case. `call` is the
    request in the ledger. Raises `SessionError` for a budget in a database that cannot be used.
    """
    if not sent:
        _check_metered(request, budget, client)
    shape, images, worst = ("studio", request.model), request.n or 1, 0.0
    await budget.refresh()
    if budget.limits_usd:
        worst = highest_price(budget, shape, await _implied(request, client, catalogue))
    hold = await budget.hold(
        worst,
        images,
        shape=shape,
        worst=lambda: highest_price(budget, shape, None),
        sent=sent,
        key=await ledger_key(call),
    )
    if hold is None:
        raise _exceeded(request, budget, worst, images)
    return hold


async def _implied(request: ImageRequest, client: OpenRouter, catalogue: Catalogue) -> float | None:
    """What is known of the price beforehand; None where nothing is. The user's prices win."""
    if (told := price_told(request, client)) is not None:
        return told
    if not client.service.lists_abilities:
        return None
    known = await catalogue.image_model(request.model)
    return None if known is None else price(known.endpoints, request, datetime.now(UTC))


def price_told(request: ImageRequest, client: OpenRouter) -> float | None:
    """USD at most, as far as the prices that the user told say it: those of pictures, and of the
    tokens of the prompt.
    """
    known = client.prices.of(request.model)
    if known is None or known.image is None:
        return None if known is None or known.by_tokens else 0.0
    words = Usage(input_tokens=ceil(len(request.prompt) / CHARACTERS_A_TOKEN))
    return fsum((known.image * (request.n or 1), known.of(words)))


def _check_metered(request: ImageRequest, budget: Budget, client: OpenRouter) -> None:
    """Raises `UsageError` for a limit in money where nobody knows what a picture costs."""
    limits = budget.metered_limits
    if client.service.tells_cost or not limits or client.prices.of(request.model) is not None:
        return
    raise UsageError(
        f"Studio(model={request.model!r}): {client.service.label} does not tell what a picture "
        f"costs, so {' and '.join([f'Budget(cost_usd={usd:g})' for usd in limits])} cannot be "
        f"kept. OpenRouter(prices={{{request.model!r}: Price(image=…)}}) tells it; "
        "Budget(…, unmetered=True) lets it cost what it may"
    )


def _exceeded(request: ImageRequest, budget: Budget, worst: float, images: int) -> BudgetExceeded:
    usd, left = budget.remaining_usd, budget.remaining_images
    if left is not None and left < images:
        needs, has = f"asks for {images} picture{'s' * (images > 1)}", f"{max(left, 0)} are left"
    else:
        needs = f"may cost ${worst:.4f} at worst" if worst else "costs money"
        has = f"${max(usd or 0.0, 0.0):.4f} is left"
    return BudgetExceeded(
        f"not sent: a request to {request.model} {needs}, and {has} of the budget",
        price_usd=worst or None,
        remaining_usd=usd,
        remaining_images=left,
    )
