"""A worker in a process of its own, which may die at a given point, and what a round of kills left."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from agentkit import Agent, FileImageStore, ImageGeneration, OpenRouter, tool
from agentkit.integrations.dbos import Durable
from agentkit.integrations.dbos.handlings import Handlings
from agentkit.openrouter import Timeouts

PROMPT = "What is the weather in Oslo and in Rome? Then draw a fox in the snow."
QUICK = Handlings(look_seconds=0.25, poll_seconds=0.02)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker does, and when it dies."""

    url: str
    base_url: str
    folder: Path
    """Of the pictures, and of what tools write down: all machines share it."""
    kill: int | None = None
    """It dies before its transaction of this number is committed, from 1 on."""
    kill_in_tool: bool = False
    """It dies in the first call of its tool."""
    runs: int = 4
    """At once."""
    handlings: Handlings = field(default_factory=lambda: QUICK)
    stays: bool = False
    """Whether it goes on when no run is left."""
    tools: bool = True

    def durable(self, client: OpenRouter | None = None) -> Durable:
        """What a worker is, or with no client what asks for runs only."""
        store = FileImageStore(self.folder / "store")
        agents = [] if client is None else [self._agent(client, store)]
        return Durable(
            self.url, agents=agents, store=store, shared_folder=True, handlings=self.handlings
        )

    def _agent(self, client: OpenRouter, store: FileImageStore) -> Agent[Any]:
        tools: list[Any] = [self._weather(), ImageGeneration(size="256x256")] if self.tools else []
        return Agent(
            "openai/gpt-5.2", name="fox", client=client, store=store, checks=False, tools=tools
        )

    def _weather(self) -> Any:
        @tool
        def weather(city: str) -> str:
            """The weather in a city."""
            with (self.folder / "calls").open("a") as file:
                file.write(f"{city}\n")
            if self.kill_in_tool:
                os.kill(os.getpid(), signal.SIGKILL)
            return f"{city}: snow"

        return weather


def work(plan: Plan) -> None:
    """Be a worker until no run is left, or a signal ends it."""
    asyncio.run(_work(plan))


async def _work(plan: Plan) -> None:
    quick = Timeouts(lookup=2.0)
    async with OpenRouter(base_url=plan.base_url, api_key="sk-or-any", timeouts=quick) as client:
        durable = plan.durable(client)
        async with durable.working(plan.runs) as worker:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
            if plan.kill is not None:
                die_at(plan.kill)
            (plan.folder / "ready").touch()
            looking = asyncio.create_task(_until_done(durable, worker.stop, plan))
            await worker.wait()
            looking.cancel()
        await durable.close()


async def _until_done(durable: Durable, stop: Callable[[], None], plan: Plan) -> None:
    async def are_left() -> bool:
        queued = await durable.list(status="queued", limit=1)
        return bool(queued or await durable.list(status="running", limit=1))

    while plan.stays or await are_left():  # noqa: ASYNC110 - in a database
        await asyncio.sleep(0.1)
    stop()


def die_at(commit: int) -> None:
    """Die in the transaction of this number of this process, as the last thing before its end."""
    guard, left = threading.Lock(), commit

    def die(_: Connection) -> None:
        nonlocal left
        with guard:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "commit", die)


def count_commits() -> Callable[[], int]:
    """How many transactions this process has committed since."""
    counted: list[int] = []
    event.listen(Engine, "commit", lambda _: counted.append(1))
    return lambda: len(counted)


def calls_with(connection: Connection, kind: str) -> set[tuple[str, str, int]]:
    """The attempts in the ledger that have an entry of this kind: run, call and number."""
    found = connection.exec_driver_sql(
        "SELECT DISTINCT c.run, c.call, c.attempt FROM agentkit_calls c "
        f"JOIN agentkit_entries e ON e.call = c.id WHERE e.kind = '{kind}'"
    )
    return {(run, call, attempt) for run, call, attempt in found}


def sent_again(received: Sequence[tuple[str, str, int]], sent: set[tuple[str, str, int]]) -> int:
    """How many calls were sent again although their replies had been received."""
    return sum(
        any((run, call) == (r, c) and other > attempt for r, c, other in sent)
        for run, call, attempt in received
    )
