"""`Durable`: runs that outlive their process, on one machine or on many."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from agentkit._check import (
    check_choice,
    check_kind,
    check_model,
    check_number,
    check_optional,
    check_pattern,
    check_text,
)
from agentkit._sync import finish
from agentkit.agent import Agent
from agentkit.answer import Answer
from agentkit.errors import UsageError
from agentkit.events import Event
from agentkit.images.store import ImageStore
from agentkit.integrations.dbos import states
from agentkit.integrations.dbos.agents import agents_by_name, store_of
from agentkit.integrations.dbos.engine import check_installed
from agentkit.integrations.dbos.following import Following
from agentkit.integrations.dbos.handlings import Handlings
from agentkit.integrations.dbos.prompts import decisions_data, prompt_data
from agentkit.integrations.dbos.queue import MOST, Queue
from agentkit.integrations.dbos.runs import Runs
from agentkit.integrations.dbos.states import RunState, Status
from agentkit.integrations.dbos.turn import Answers
from agentkit.integrations.dbos.worker import Place, Worker
from agentkit.loop.begin import AgentLike
from agentkit.loop.decisions import Decisions
from agentkit.loop.prompt import Prompt
from agentkit.openrouter.stored_call import Verdict
from agentkit.run import Run
from agentkit.sessions.address import read_address
from agentkit.sessions.names import check_name
from agentkit.sessions.sessions import Sessions
from agentkit.tools import Denied, Edited
from agentkit.values import APIS, Api

_NAME = re.compile(r"(?!_dbos_)[a-z0-9_-]{3,60}")
"""Queues are named after it, and those of DBOS's own begin with `_dbos_`."""
_MOST = 1000


@dataclass(frozen=True, slots=True)
class DurableRun:
    """A run by its id, and what a `Durable` does with it."""

    id: str
    durable: Durable

    async def result(self, *, timeout: float | None = None) -> Answer[Any]:  # noqa: ASYNC109
        """See `Durable.result`."""
        return await self.durable.result(self.id, timeout=timeout)

    def events(self, *, after: int = 0) -> AsyncIterator[Event]:
        """See `Durable.events`."""
        return self.durable.events(self.id, after=after)

    async def read(self) -> Run:
        """See `Durable.read`."""
        return await self.durable.read(self.id)

    async def approve(
        self,
        approve: Mapping[str, bool | Denied | Edited] | None = None,
        *,
        results: Mapping[str, object] | None = None,
        outcomes: Mapping[str, Verdict] | None = None,
        answers: Answers | None = None,
    ) -> None:
        """See `Durable.approve`."""
        await self.durable.approve(
            self.id, approve, results=results, outcomes=outcomes, answers=answers
        )

    async def cancel(self) -> None:
        """See `Durable.cancel`."""
        await self.durable.cancel(self.id)

    async def state(self) -> RunState:
        """See `Durable.state`."""
        return await self.durable.state(self.id)


class Durable:
    """Runs that outlive their process: any process starts them and reads what comes of them, and
    workers, on this machine or on others, go on with them.

        durable = Durable("sqlite:///runs.db", agents=[painter])
        async with durable.working(4):
            run = await durable.start("Draw a fox")
            answer = await run.result()

    - `url` is the database: an SQLite file, or Postgres where workers are on several machines.
    - `agents` are those that workers here go on with, and whose names `start` knows; each has a
      name of its own (`Agent(name=…)`). Without any, a process can still start runs and read them.
    - `store` is where their pictures are: that of the agents.
    - `name` keeps the runs of several applications in one database apart.
    - `shared_folder` says that the folder of a `FileImageStore` is one that all machines share.
    - `deps` is what tools get in their `Context`.
    - `queue` (`Queue`) limits how many runs go on at once, and how many begin in a while.
    - `handlings` is for tests of what a worker does where DBOS alone would lose or repeat a run.

    Conversations are in `sessions`. Raises `UsageError` for what cannot be right, and for a missing
    package; the database is opened when it is first used, and raises `SessionError` then.
    """

    def __init__(
        self,
        url: str = "sqlite:///runs.db",
        *,
        agents: Iterable[Agent[Any]] = (),
        store: ImageStore | None = None,
        name: str = "agentkit",
        shared_folder: bool = False,
        deps: Any = None,
        queue: Queue | None = None,
        handlings: Handlings | None = None,
    ) -> None:
        check_installed()
        self._address = read_address(url)
        self._url = url
        self.agents: Mapping[str, Agent[Any]] = agents_by_name(agents)
        self.name = check_pattern(
            "Durable(name={!r})", name, _NAME, "is 3 to 60 of a-z, 0-9, - and _"
        )
        self.queue = (
            Queue()
            if queue is None
            else check_kind("Durable(queue={!r})", queue, Queue, "Queue(…)")
        )
        self.store = store_of(self.agents, store, self._address, shared_folder=shared_folder)
        self.deps = deps
        self.sessions = Sessions(url, store=self.store)
        """The conversations of the runs."""
        handlings = Handlings() if handlings is None else handlings
        self._runs = Runs(url, self._address, self.name, self.store, handlings)
        self._following = Following(self._runs, self.agents)
        self._working: AbstractAsyncContextManager[Worker] | None = None
        self._workers = 0
        """Those of this process that begin, are at work or end with these connections: one, and
        for a moment one that is refused.
        """

    def __repr__(self) -> str:
        return f"Durable({self._address.name!r}, agents={list(self.agents)})"

    async def start(
        self,
        prompt: Prompt,
        *,
        agent: str | Agent[Any] | None = None,
        id: str | None = None,  # noqa: A002 - its name in every call
        conversation: str | None = None,
        user: str | None = None,
        key: str | None = None,
        model: str | None = None,
        api: Api | None = None,
        alone: bool = False,
    ) -> DurableRun:
        """Begin a run, which a worker goes on with, and return at once.

        - `agent` is the name of its agent, where there are several. No worker here need know it.
        - `id` names the run: starting it again with the same prompt gives the one that is there.
        - `conversation` is the one that it is a turn of; without it, it has one of its own, named
          by its id. `user` is whom a new one belongs to.
        - `key` is for the limits of a `Queue` that hold for each key: a user, say.
        - `model` and `api` are those of `Agent.conversation`.
        - `alone` is for a chat: `ConversationBusy` is raised where another run of its conversation
          has not ended. Without it, the run waits for that one.

        Raises `UsageError`, also for an id whose run had another prompt; `ImageError`, `StoreError`
        and `SessionError`.
        """
        run = _new_id() if id is None else states.check_id("start(id={!r})", id)
        values = await self._values(prompt, agent, conversation, user, key)
        chat, options = values["conversation"] or run, _options(model, api)
        values |= {"id": run, "conversation": chat, "options": options}
        await self._runs.begin(values, alone=alone)
        return DurableRun(run, self)

    async def run(
        self,
        prompt: Prompt,
        *,
        agent: str | Agent[Any] | None = None,
        id: str | None = None,  # noqa: A002
        conversation: str | None = None,
        user: str | None = None,
        key: str | None = None,
    ) -> Answer[Any]:
        """Begin a run and wait for its answer. If this task is cancelled, so is the run; one that
        is to go on is begun by `start`. Raises as `start` and `result` do.
        """
        name = _new_id() if id is None else id
        try:
            run = await self.start(
                prompt, agent=agent, id=name, conversation=conversation, user=user, key=key
            )
            return await run.result()
        except asyncio.CancelledError:
            if self._runs.handlings.cancels:
                with suppress(UsageError):  # it was not begun
                    await finish(self.cancel(name), None)
            raise

    def get(self, id: str) -> DurableRun:  # noqa: A002
        """The run with this id, which was begun before, or elsewhere. Nothing is read."""
        return DurableRun(states.check_id("get({!r})", id), self)

    async def result(self, id: str, *, timeout: float | None = None) -> Answer[Any]:  # noqa: A002, ASYNC109
        """Wait for the answer of a run, also while the database is away. Where the run waits for a
        person, it is `paused`, as that of `Agent.run` is.

        Raises the error of a run that failed, with what had come in `error.run`; `RunError` for one
        that was cancelled; `UsageError` for an unknown id; `TimeoutError` after `timeout` seconds.
        """
        if timeout is not None:
            check_number("result(timeout={!r})", timeout, unit="seconds", also=", or None")
        async with asyncio.timeout(timeout):
            return await self._following.result(id)

    async def events(self, id: str, *, after: int = 0) -> AsyncIterator[Event]:  # noqa: A002
        """The events of a run from its first on, but for so many (`after`): those that are there,
        then those that come, until it has ended or waits for a person. From any process.

        They arrive several at once, within a tenth of a second; previews are left out. Where
        another worker takes a step again, what was told of it is not told twice. Raises
        `UsageError` for an unknown id.
        """
        check_number("events(after={!r})", after, whole=True, least=0)
        async for event in self._following.events(id, after):
            yield event

    async def read(self, id: str) -> Run:  # noqa: A002
        """The run as it was written down last, with its own messages alone (`start` is 0): what it
        has by now, or its prompt, where no worker has begun it. Raises `UsageError` for an unknown
        id.
        """
        return await self._following.read(id)

    async def approve(
        self,
        id: str,  # noqa: A002
        approve: Mapping[str, bool | Denied | Edited] | None = None,
        *,
        results: Mapping[str, object] | None = None,
        outcomes: Mapping[str, Verdict] | None = None,
        answers: Answers | None = None,
    ) -> None:
        """Decide what a run waits for, as `Agent.resume` takes it; a worker goes on with it. Of two
        who decide at once, one does. Raises `UsageError` for a run that does not wait, or not for
        this, or not any more.
        """
        decisions = Decisions.checked(approve, results, outcomes, answers)
        given = decisions_data(decisions)
        row = await self._runs.row(id)
        named = {call for each in given.values() for call in each}
        if row.status == "waiting" and (unknown := sorted(named - set(row.waiting), key=str)):
            raise UsageError(
                f"approve({id!r}): the run waits for {list(row.waiting)}, and not for {unknown}"
            )
        if row.status != "waiting" or not named:
            what = f"is {row.status}" if row.status != "waiting" else "waits, and nothing was said"
            raise UsageError(f"approve({id!r}): the run {what}; it waits where it is 'waiting'")
        await self._runs.go_on(row, "waiting", given)

    async def resume(self, id: str) -> None:  # noqa: A002
        """Go on with a run that failed, from where it was: what had come is kept, and not paid for
        again. Raises `UsageError` for a run that did not fail.
        """
        row = await self._runs.row(id)
        if row.status != "failed":
            raise UsageError(
                f"resume({id!r}): the run is {row.status}; accepted is one that failed"
            )
        await self._runs.go_on(row, "failed", {"again": True})

    async def cancel(self, id: str) -> None:  # noqa: A002
        """End a run that has not ended. What came of it is kept as its turn, as a stop button keeps
        it; of one that waited for a person, its pictures and its cost. The worker that has it hears
        of it within a second. Nothing happens to a run that is over. Raises `UsageError` for an
        unknown id.
        """
        row = await self._runs.row(id)
        await self._runs.cancel(row, self.agents.get(row.agent))

    async def schedule(
        self,
        name: str,
        times: str,
        prompt: Prompt,
        *,
        agent: str | Agent[Any] | None = None,
        conversation: str | None = None,
        user: str | None = None,
        key: str | None = None,
        timezone: str | None = None,
    ) -> None:
        """Begin a run at these times, for as long as a worker is there: `"0 9 * * 1-5"`, as cron
        has them, at 9 o'clock UTC, or of a `timezone` (`"Europe/Oslo"`). The id of each run begins
        with `name@`. In the place of what this schedule was. Raises as `start` does.
        """
        states.check_schedule("schedule({!r})", name)
        check_text("schedule(times={!r})", times)
        check_optional("schedule(timezone={!r})", timezone, str, "a time zone, or None")
        values = await self._values(prompt, agent, conversation, user, key)
        engine = await self._runs.engine()
        given = {"schedule": name, "values": values}
        await asyncio.to_thread(engine.make_schedule, name, times, given, timezone)

    async def unschedule(self, name: str) -> None:
        """Begin no more runs of a schedule. Nothing happens where there is none of this name."""
        states.check_schedule("unschedule({!r})", name)
        engine = await self._runs.engine()
        await asyncio.to_thread(engine.drop_schedule, name)

    async def state(self, id: str) -> RunState:  # noqa: A002
        """What is known of a run. Raises `UsageError` for an unknown id."""
        states.check_known(id)
        found = await self._runs.listed("r.id = :id", {"id": id, "most": 1})
        if not found:
            raise states.unknown(id)
        return found[0]

    async def list(
        self,
        *,
        status: Status | None = None,
        agent: str | None = None,
        conversation: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[RunState]:
        """The runs, the newest first; at most `limit`, from 1 to 1,000. `after` is the id of the
        last one of the page before. Raises `UsageError`.
        """
        check_number("list(limit={!r})", limit, whole=True, least=1, most=_MOST)
        if status is not None:
            check_choice("list(status={!r})", status, states.STATUSES)
        wanted = ["1 = 1"]
        values: dict[str, Any] = {"most": limit}
        asked = (("status", status), ("agent", agent), ("conversation", conversation))
        for column, value in asked:
            if value is not None:
                wanted.append(f"r.{column} = :{column}")
                values[column] = check_name(f"list({column}={{!r}})", value)
        if after is not None:
            row = await self._runs.row(after)
            values |= {"at": row.created_at, "id": after}
            wanted.append("(r.created_at < :at OR (r.created_at = :at AND r.id > :id))")
        return await self._runs.listed(" AND ".join(wanted), values)

    @asynccontextmanager
    async def working(self, runs: int = 4) -> AsyncGenerator[Worker]:
        """A block in which this process is a worker: it goes on with at most so many runs of each
        agent at once. There is one for each process.

        At its end, the steps under way are waited for; what is left of the runs goes on elsewhere.
        Raises `UsageError` where there are no agents, and `SessionError`.
        """
        check_number("working({!r})", runs, whole=True, least=1, most=MOST)
        if not self.agents:
            raise UsageError("Durable(agents=[…]): a worker needs the agents of the runs")
        engine = await self._runs.engine()
        queues: dict[str, AgentLike[Any]] = {
            self._queue_of(name): agent for name, agent in self.agents.items()
        }
        for queue in queues:
            await asyncio.to_thread(engine.make_queue, queue, self.queue.limits(runs))
        place = Place(self._runs.address, self._url, self.name, queues)
        worker = Worker(place, self._runs.desk(self.deps), engine, self._runs.handlings, self._due)
        self._workers += 1
        try:
            await worker.begin()
            try:
                yield worker
            finally:
                await worker.end()
        finally:
            self._workers -= 1

    async def __aenter__(self) -> Self:
        working = self.working()
        await working.__aenter__()
        self._working = working
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        working, self._working = self._working, None
        if working is not None:
            await working.__aexit__(kind, error, trace)
        await self.close()

    @property
    def is_working(self) -> bool:
        """Whether a worker of it is at work in this process: in the block of `working()`."""
        return self._workers > 0

    async def close(self) -> None:
        """Give back the connections to the database. A later use opens them again. Raises
        `UsageError` in the block of `working()`: the worker holds locks on them.
        """
        if self.is_working:
            raise UsageError(
                "Durable.close(): a worker of it is at work in this process, and holds locks on "
                "its connections; accepted is after the block of durable.working()"
            )
        await asyncio.to_thread(self._runs.close)
        await asyncio.to_thread(self.sessions.close)

    # What is behind these.

    async def _values(
        self,
        prompt: Prompt,
        agent: str | Agent[Any] | None,
        conversation: str | None,
        user: str | None,
        key: str | None,
    ) -> dict[str, Any]:
        """The row of a new run, but for its id. Raises `UsageError`."""
        name = self._agent_name(agent)
        for word, value in (("conversation", conversation), ("user", user)):
            if value is not None:
                check_name(f"start({word}={{!r}})", value)
        self.queue.check_key(key)
        data = await asyncio.to_thread(prompt_data, prompt, self.store)
        return {
            "agent": name,
            "conversation": conversation,
            "owner": user,
            "prompt": data,
            "queue": self._queue_of(name),
            "part": key,
        }

    async def _due(self, run: str, values: Mapping[str, Any]) -> None:
        """Begin the run of a schedule, which is due."""
        chat = values["conversation"] or run
        await self._runs.begin({**values, "id": run, "conversation": chat})

    def _agent_name(self, agent: str | Agent[Any] | None) -> str:
        if isinstance(agent, Agent):
            if self.agents.get(agent.name) is not agent:
                raise UsageError(f"start(agent={agent!r:.80}): it is none of Durable(agents=[…])")
            return agent.name
        if agent is None:
            if len(self.agents) != 1:
                known = ", ".join(map(repr, self.agents)) or "none here"
                raise UsageError(f"start(agent=None): say the name of the agent: {known}")
            return next(iter(self.agents))
        return check_name("start(agent={!r})", agent)

    def _queue_of(self, agent: str) -> str:
        return f"{self.name}.{agent}"


def _new_id() -> str:
    return f"run_{secrets.token_hex(8)}"


def _options(model: str | None, api: Api | None) -> str | None:
    """What a run says beside its agent, as JSON; None for nothing."""
    options: dict[str, str] = {}
    if model is not None:
        options["model"] = check_model("start(model={!r})", model)
    if api is not None:
        options["api"] = check_choice("start(api={!r})", api, APIS)
    return json.dumps(options) if options else None
