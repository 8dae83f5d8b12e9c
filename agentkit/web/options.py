"""What the owner of a server says of it, and what its page is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentkit.agent import Agent
from agentkit.budget import Budget
from agentkit.loop.capabilities import picture_price
from agentkit.tools.server_tools import ImageGeneration
from agentkit.values import APIS
from agentkit.values.file_kind import MOST_BYTES
from agentkit.web.refusal import Refused

if TYPE_CHECKING:
    from agentkit.integrations.dbos import Durable

IMAGE_TOOL = ImageGeneration().name
_CATALOGUE_SECONDS = 1.0

BudgetOf = Callable[[str | None], Budget | None]
"""The budget of a user; None for one without."""
DepsOf = Callable[[str | None], Any]
"""What tools get in their `Context`, for a user."""


@dataclass(frozen=True, slots=True)
class WebOptions:
    """What the owner says."""

    agent: Agent[Any]
    models: Sequence[str] = ()
    """Models that users may choose, beside the agent's own."""
    budget_of: BudgetOf | None = None
    deps_of: DepsOf | None = None
    emulator: bool = False
    """Whether no model answers."""
    durable: Durable | None = None
    """Whose workers take the turns; None: this process does."""

    @property
    def offered(self) -> tuple[str, ...]:
        """The models that users may choose, the agent's own first."""
        return tuple(dict.fromkeys((self.agent.model, *self.models)))

    def budget(self, user: str | None) -> Budget | None:
        """What the turns of a user count against, beside the agent's own budget."""
        return None if self.budget_of is None else self.budget_of(user)

    def deps(self, user: str | None) -> Any:
        """What tools get for a user."""
        return None if self.deps_of is None else self.deps_of(user)

    def model(self, given: str | None) -> str | None:
        """The model that a request asks for. Raises `Refused` for one that is not offered."""
        if given is None:
            return None
        if given not in self.offered:
            raise Refused(400, "This model is not offered here.", ", ".join(self.offered))
        return given

    async def about(self, user: str | None) -> dict[str, Any]:
        """What the page shows of the server."""
        agent, limits = self.agent, self.agent.limits
        return {
            "agent": agent.name,
            "model": agent.model,
            "models": list(self.offered),
            "api": agent.api,
            "apis": list(APIS),
            "emulator": self.emulator,
            "user": user,
            "limits": {
                "turns": limits.turns,
                "costUsd": limits.cost_usd,
                "images": limits.images,
                "seconds": limits.seconds,
            },
            "budget": await self._budget_left(user),
            "maxFileBytes": MOST_BYTES,
            "pictureUsd": await self._picture_usd(),
        }

    async def _picture_usd(self) -> float | None:
        """What a picture of the agent's server tool costs at most, where that is known by now: the
        page does not wait for a catalogue that is slow to come.
        """
        drawing = [tool for tool in self.agent.tools.server if tool.name == IMAGE_TOOL]
        if not drawing:
            return None
        try:
            async with asyncio.timeout(_CATALOGUE_SECONDS):
                return await picture_price(drawing[0], self.agent.client)
        except TimeoutError:
            return None

    async def _budget_left(self, user: str | None) -> dict[str, Any] | None:
        budget = self.budget(user) or self.agent.budget
        if budget is None:
            return None
        state = await budget.state()
        return {
            "costUsd": state.cost_usd,
            "spentUsd": state.spent_usd,
            "leftUsd": state.remaining_usd,
            "images": state.images,
            "spentImages": state.spent_images,
            "leftImages": state.remaining_images,
        }
