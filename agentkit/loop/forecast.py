"""What the first request of a turn may cost, before there is a turn."""

from __future__ import annotations

from typing import Any

from agentkit.budget import Budget
from agentkit.errors import AgentkitError
from agentkit.loop.begin import AgentLike, services_of
from agentkit.loop.capabilities import with_capabilities
from agentkit.loop.money import build_request
from agentkit.run import Run
from agentkit.values import Message, Text

_BOUNDLESS = 1e9
"""USD. Requests are priced only where something limits them."""


async def first_price(agent: AgentLike[Any], words: str) -> float | None:
    """The highest known price, in USD, of a first request with these words and no pictures; None
    where it is not known. Nothing is sent but what the catalogue is asked.
    """
    run = Run(
        id="run_forecast",
        model=agent.model,
        api=agent.api,
        messages=(Message("user", (Text(words),)),),
        start=0,
        limits=agent.limits,
    )
    live = services_of(agent, run, budget=Budget(_BOUNDLESS))
    try:
        context = await with_capabilities(live.base, run)
        return build_request(run, context).price
    except AgentkitError:
        return None  # what is wrong with the request is told when it is made
    finally:
        await live.close()
