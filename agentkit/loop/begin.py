"""How a turn begins, before anything is sent: its services are made, a person's decisions are
taken, and what cannot work is said.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from typing_extensions import TypeVar

from agentkit._check import check_optional
from agentkit.budget import Budget
from agentkit.hooks import Hooks
from agentkit.images.drafts import check_room
from agentkit.images.fetch_policy import FetchPolicy
from agentkit.images.outgoing import Outgoing
from agentkit.images.store import ImageStore
from agentkit.loop import caching
from agentkit.loop.approvals import decided
from agentkit.loop.capabilities import with_capabilities
from agentkit.loop.clock import Clock
from agentkit.loop.context import RunContext, Services
from agentkit.loop.decisions import Decisions
from agentkit.loop.known import Known
from agentkit.loop.live import LiveRun
from agentkit.loop.money import within_limits
from agentkit.openrouter.client import OpenRouter
from agentkit.openrouter.ledger import Ledger
from agentkit.openrouter.paid_call import RunLedger
from agentkit.run import History, Run
from agentkit.run.planner import Planner
from agentkit.settings import Limits, ModelSettings
from agentkit.stream import EventLog
from agentkit.tools import Tools
from agentkit.tools.output import Output
from agentkit.values import Api, replace
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
    fetch: FetchPolicy
    outgoing: Outgoing
    checks: bool
    name: str
    hooks: tuple[Hooks, ...]
    scale: bool
    ledger: Ledger | None

    @property
    def known(self) -> Known: ...
    @property
    def store(self) -> ImageStore: ...
    @property
    def client(self) -> OpenRouter: ...


def services_of(
    agent: AgentLike[Any],
    run: Run,
    *,
    deps: Any = None,
    budget: Budget | None = None,
    stream: bool = False,
    depth: int = 0,
    encoded: Encoded | None = None,
    planner: Planner | None = None,
    log: EventLog | None = None,
    calls: RunLedger | None = None,
    ledger: Ledger | None = None,
    is_conversation: bool = False,
) -> LiveRun:
    """All that is live of a run of this agent, whether it is new or comes from disk.

    `depth` is how many agents it works for. `encoded` is what was serialised of its conversation,
    `planner` has planned its requests.
    `calls` is where its requests are written down, if that is the ledger of a caller; `ledger` is
    the one to use where the agent has none. `is_conversation`: further turns are likely to follow.
    Raises `UsageError` for a `budget` that is none. It is made where the event loop runs, and
    closed by `LiveRun.close`.
    """
    given = check_optional("budget={!r}", budget, Budget, "Budget(…)")
    client, store = agent.client, agent.store
    services = Services(
        client,
        store,
        agent.known.fetcher(agent.fetch, store, client),
        agent.outgoing,
        Encoded() if encoded is None else encoded,
        Planner() if planner is None else planner,
        agent.history,
        agent.hooks,
        agent.output,
        deps,
        stream,
        depth,
        agent.checks,
        agent.name,
        agent.ledger or ledger,
        is_conversation,
        agent.known,
    )
    shared = Budget.part_of([agent.budget, given])
    context = RunContext(
        services, agent.tools, agent.instructions, agent.settings, shared, calls=calls
    )
    return LiveRun(context, EventLog() if log is None else log, Clock(run))


async def begin(run: Run, live: LiveRun, decisions: Decisions | None = None) -> Run:
    """The run and `live` made ready for the first step. `decisions` are for a run that goes on; a
    new one has its prompt already.

    Raises `UsageError` for a decision that cannot be taken and for what the model cannot do,
    `RunBusy` where another process goes on with the run, and `StoreError` for a store or a ledger
    that cannot be written.
    """
    clock = live.clock
    clock.stage = "; nothing was sent"
    ledger = live.base.services.ledger
    if ledger is not None and live.base.calls is None:
        live.base = replace(live.base, calls=await ledger.open(run.id, run.session_id))
    context = live.base
    if decisions is not None:
        run, context = await decided(run, decisions, context, live.log)
        if run.status != "running":
            return run
    context = await with_capabilities(context, run)
    if context.settings.cache in {"5m", "1h"}:
        caching.tell(run, context)
    if context.may_draw:
        await asyncio.to_thread(check_room, context.services.store)
    clock.stage = ""
    run = run.replace(seconds=clock.spent())
    live.base = within_limits(context, run)
    return run
