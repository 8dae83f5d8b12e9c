"""Money and pictures of a request to the Image API: what it may cost is held before it is sent,
what it did cost is settled after, come what may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agentkit.budget import Budget, Hold
from agentkit.errors import (
    APIError,
    BudgetExceeded,
    ConnectionFailed,
    ImageError,
    RunError,
    UsageError,
)
from agentkit.openrouter.catalogue import Catalogue
from agentkit.openrouter.prices import price
from agentkit.studio.values import Drawing
from agentkit.wire.images import ImageRequest


async def paid(
    request: ImageRequest,
    budget: Budget,
    catalogue: Catalogue,
    draw: Callable[[], Awaitable[Drawing]],
) -> Drawing:
    """What `draw` gives, paid for out of the budget. Raises `BudgetExceeded`, or what `draw`
    raises.
    """
    with await _held(request, budget, catalogue) as hold:
        try:
            drawing = await draw()
        except (UsageError, ImageError):
            hold.release()  # nothing was sent
            raise
        except RunError as error:
            _settle(hold, error)
            raise
        hold.settle(drawing.usage.cost_usd, len(drawing.images))
        return drawing


async def _held(request: ImageRequest, budget: Budget, catalogue: Catalogue) -> Hold:
    shape, images, worst = ("studio", request.model), request.n or 1, 0.0
    if budget.remaining_usd is not None:
        known = await catalogue.image_model(request.model)
        implied = None if known is None else price(known.endpoints, request)
        worst = max(implied or 0.0, budget.highest_cost(shape) or 0.0)
    hold = budget.reserve(worst, images, shape=shape)
    if hold is None:
        raise _exceeded(request, budget, worst, images)
    return hold


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


def _settle(hold: Hold, error: RunError) -> None:
    """A cost that the reply or the look-up told is spent, beside an error too. Else all or nothing:
    what ended with an error status was not billed, nor what failed before it was sent whole; of the
    rest it is open what it cost."""
    drawing = error.drawing
    came, told = (len(drawing.images), drawing.usage.cost_usd) if drawing is not None else (0, None)
    if told is not None:
        hold.settle(told, came)
    elif not came and (isinstance(error, APIError | ConnectionFailed) or _was_not_sent(error)):
        hold.release()
    else:
        hold.keep(came)


def _was_not_sent(error: RunError) -> bool:
    """A plain error before there was a reply is one of this side: a reference that is gone, a store
    that cannot be read.
    """
    return (
        type(error) is RunError and error.drawing is not None and not error.drawing.usage.requests
    )
