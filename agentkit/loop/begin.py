"""How a turn begins, before anything is sent: a person's decisions are taken, and what cannot work
is said.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from typing_extensions import TypeVar

from agentkit._check import check_optional
from agentkit.budget import Budget
from agentkit.hooks import Hooks
from agentkit.images.drafts import check_writable
from agentkit.images.fetch import Fetcher
from agentkit.images.fetch_policy import FetchPolicy
from agentkit.images.outgoing import Outgoing
from agentkit.images.store import ImageStore
from agentkit.loop.approvals import decided
from agentkit.loop.capabilities import with_capabilities
from agentkit.loop.clock import Clock
from agentkit.loop.context import RunContext, Services
from agentkit.loop.money import within_limits
from agentkit.loop.start import Start
from agentkit.openrouter.client import OpenRouter
from agentkit.run import History, Run
from agentkit.settings import Limits, ModelSettings
from agentkit.stream import EventLog
from agentkit.tools import Tools
from agentkit.tools.output import Output
from agentkit.values import Api
from agentkit.wire.body import Encoded

OutputT = TypeVar("OutputT", default=Any)


class AgentLike(Protocol[OutputT]):
    """What a conversation reads of its `Agent`, whose docstring says what each is."""

    model: str
    instructions: str
    tools: Tools
    api: Api
    settings: ModelSettings
    limits: Limits
    history: History
    budget: Budget | None
    output: Output[OutputT] | None
    store: ImageStore
    fetch: FetchPolicy
    outgoing: Outgoing
    checks: bool
    name: str
    hooks: tuple[Hooks, ...]
    scale: bool

    @property
    def client(self) -> OpenRouter: ...


def context_for(agent: AgentLike[Any], start: Start, encoded: Encoded) -> RunContext:
    """The context of a run of this agent. `encoded` is what was serialised of its conversation."""
    given = check_optional("budget={!r}", start.budget, Budget, "Budget(…)")
    client = agent.client
    services = Services(
        client,
        agent.store,
        Fetcher(agent.fetch, agent.store, origin=client.origin),
        agent.outgoing,
        encoded,
        agent.history,
        agent.hooks,
        agent.output,
        start.deps,
        start.stream,
        0 if start.delegation is None else start.delegation.depth,
        agent.checks,
        agent.name,
    )
    budget = Budget(within=[agent.budget, given])
    return RunContext(services, agent.tools, agent.instructions, agent.settings, budget)


async def begin(
    start: Start, run: Run, context: RunContext, clock: Clock, log: EventLog
) -> tuple[Run, RunContext]:
    """The run and its context for the first request.

    Raises `UsageError` for a decision that cannot be taken and for what the model cannot do, and
    `StoreError` for a store that cannot be written.
    """
    clock.stage = "; nothing was sent"
    if start.run is not None:
        run, context = await decided(run.replace(partial=None), start.decisions, context, log)
    context = await with_capabilities(context, run)
    if context.may_draw:
        await asyncio.to_thread(check_writable, context.services.store)
    clock.stage = ""
    return run.replace(seconds=clock.spent()), within_limits(context, run)
