"""A run that a crash has cut, and that is not to go on: kept as far as it comes without a new
request.
"""

from __future__ import annotations

from agentkit.loop import outcomes
from agentkit.loop.approvals import given_up
from agentkit.loop.begin import begin
from agentkit.loop.decisions import Decisions
from agentkit.loop.driver import advance
from agentkit.loop.live import LiveRun
from agentkit.run import Finish, Run, Wait, next_step
from agentkit.run.step import NextCost


async def settled(run: Run, live: LiveRun) -> Run:
    """The run with the replies that its ledger has, and with the pictures in them. Nothing is sent
    but look-ups, and no tool is called: a run that had not ended is given up, as `chat.adopt` does.

    It is paused where a person has to say what becomes of a request that may have drawn. Raises as
    `drive` does.
    """
    live.log.run = run = await begin(run, live, Decisions())
    while run.status == "running" and not run.pending:
        sent = await outcomes.sent_before(run, live.context or live.base)
        if sent is None and not isinstance(next_step(run, NextCost()), Finish | Wait):
            break
        run, _ = await advance(run, live)
    if run.status == "running":
        live.log.run = run = given_up(run)
    return run
