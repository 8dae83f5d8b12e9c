"""What a reply costs where the service does not tell it: by the prices that agentkit knows."""

from __future__ import annotations

from agentkit.loop.context import RunContext
from agentkit.openrouter.price_list import with_drawing, with_price
from agentkit.values import Usage, replace
from agentkit.wire.types import Reply


def priced(reply: Reply, usage: Usage, images: int, model: str, context: RunContext) -> Usage:
    """The usage of a reply that brought so many pictures, with what it costs; `model` is the one
    that was asked.
    """
    client = context.services.client
    tells_cost = client.service.tells_cost
    usage = replace(usage, images=images) if images else usage
    if tells_cost and usage.cost_usd is not None:
        return usage
    price, tool = client.prices.of(model), context.image_tool
    drew = reply.drawing is not None or (images > 0 and tool is not None)
    if tells_cost or not drew:
        return with_price(usage, price, tells_cost=tells_cost)
    named = None if tool is None else tool.parameters.get("model")
    painter = client.prices.of_painter(named, reply.drawn_by)
    return with_drawing(usage, reply.drawing, price, painter)
