"""What comes of a run, as any process reads it while a worker goes on with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any

from agentkit.agent import Agent
from agentkit.answer import Answer
from agentkit.errors import RunError
from agentkit.events import Event
from agentkit.integrations.dbos import told
from agentkit.integrations.dbos.failures import error_of
from agentkit.integrations.dbos.prompts import message_of
from agentkit.integrations.dbos.runs import Runs
from agentkit.integrations.dbos.states import RunRow
from agentkit.integrations.dbos.told import Told
from agentkit.run import Run


class Following:
    """Reads runs, and waits for what comes of them, also while the database is away."""

    def __init__(self, runs: Runs, agents: Mapping[str, Agent[Any]]) -> None:
        self._runs, self._agents = runs, agents

    async def result(self, run: str) -> Answer[Any]:
        """See `Durable.result`."""
        row = await self._runs.waited_for(run)
        with self._runs.notices.watching(run) as watch:
            while not row.is_at_rest:
                await watch.wait()
                row = await self._runs.patiently(partial(self._runs.row, run))
        found = await self._runs.patiently(partial(self._runs.run, row))
        if row.status == "failed":
            raise error_of(row.outcome.get("error", {}), found)
        if row.status == "cancelled" or found is None:
            error = RunError(f"run {run} was cancelled")
            error.run = found
            raise error
        output = self._agents[row.agent].output if row.agent in self._agents else None
        if output is None or row.status != "completed":
            return Answer.of(found)
        return Answer.of(found, output.read(found.messages[-1].text))

    async def events(self, run: str, after: int) -> AsyncGenerator[Event]:
        """See `Durable.events`."""
        skipped, retold = 0, told.Retold()
        async for row in self._told(run):
            for event in retold.new(row):
                if skipped < after:
                    skipped += 1
                else:
                    yield event

    async def _told(self, run: str) -> AsyncGenerator[Told]:
        """The rows of events, until the run is at rest."""
        last, row = 0, await self._runs.waited_for(run)
        with self._runs.notices.watching(run) as watch:
            while True:
                rows = await self._runs.patiently(partial(self._runs.told, run, last))
                for each in rows:
                    last = each.number
                    yield each
                if not rows and row.is_at_rest:
                    return
                if not rows:
                    await watch.wait()
                row = await self._runs.patiently(partial(self._runs.row, run))

    async def read(self, run: str) -> Run:
        """See `Durable.read`."""
        row = await self._runs.patiently(partial(self._runs.row, run))
        found = await self._runs.patiently(partial(self._runs.run, row))
        return self._queued(row) if found is None else found

    def _queued(self, row: RunRow) -> Run:
        """A run of which nothing is written but its prompt."""
        agent, options = self._agents.get(row.agent), row.options
        prompt = message_of(row.prompt, self._runs.store)
        return Run(
            row.id,
            options.get("model", "" if agent is None else agent.model),
            options.get("api", "chat" if agent is None else agent.api),
            (prompt,),
            0,
            started_at=row.created_at,
        )
