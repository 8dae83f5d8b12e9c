"""A turn that a worker takes: this process begins it, or finds it in the database, and tells what
is written of it there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentkit._log import logger
from agentkit.errors import AgentkitError, ConversationBusy, UsageError
from agentkit.events import Event, RunFinished
from agentkit.run import Run
from agentkit.sessions import SavedConversation
from agentkit.stream import Gather
from agentkit.web.acts import acts_of
from agentkit.web.notes import Decided, Notes, Paused

if TYPE_CHECKING:
    from agentkit.integrations.dbos import Durable, RunState

_ENDING_SECONDS, _LOOK_SECONDS = 20.0, 0.1
"""How long a worker may take to write what it has of a run that was cancelled."""
_LATEST = 20
"""Runs of a conversation among which the one is that goes on."""


class WasStopped(Exception):
    """A person has ended the turn, here or elsewhere."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The turn waited for a person here, and this was decided."""

    paused: Paused
    decided: Decided


class HandedTurn:
    """A `Taken`: what `Turn` is for a turn of this process."""

    def __init__(
        self, durable: Durable, run: Run, chat: SavedConversation[Any], *, after: int = 0
    ) -> None:
        """`run` is as it was read; `after` is how many of its events were told before."""
        self.run: Run = run
        self.done = False
        self._durable, self._chat, self._after = durable, chat, after
        self._stopping: asyncio.Task[None] | None = None

    async def begun(self) -> None:
        """Return at once: it is in the queue, whether a worker has it or not."""

    def stop(self) -> None:
        """End the turn: whichever worker has it hears of it, and keeps what came."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop())

    async def _stop(self) -> None:
        try:
            await self._durable.cancel(self.run.id)
        except AgentkitError as error:
            logger().warning("web_failed", reason=f"stop of {self.run.id}: {error}")
            self._stopping = None  # it may be tried again

    async def drained(self, gather: Gather | None = None) -> AsyncGenerator[Event | Answered]:  # noqa: ARG002 - they come several at once
        """Its events, and what was decided where it waited. Raises the error of the turn, and
        `WasStopped`.
        """
        told, pauses, held = 0, 0, False
        async for event in self._durable.events(self.run.id):
            told += 1
            if held and told > self._after + 1:  # what follows is after the person's answer
                answered = await self._answered(pauses)
                if answered is not None:
                    yield answered
            held = isinstance(event, RunFinished) and event.status == "paused"
            pauses += held
            if told > self._after:
                yield event
        state = await self._durable.state(self.run.id)
        if state.status == "cancelled":
            async for event in self._rest(told):
                yield event
        await self._end(state)

    async def _answered(self, number: int) -> Answered | None:
        """What was decided when it waited for the so manieth time, as far as it was noted."""
        noted = await self._durable.sessions.notes([self.run.id])
        notes = Notes.from_json(noted.get(self.run.id, ""))
        paused, found = None, list[Answered]()
        for act in acts_of(await self._durable.read(self.run.id), notes):
            if isinstance(act, Paused):
                paused = act
            elif isinstance(act, Decided) and paused is not None:
                found.append(Answered(paused, act))
        return found[number - 1] if number <= len(found) else None

    async def _rest(self, told: int) -> AsyncGenerator[Event]:
        """What a worker writes yet of a run that was cancelled."""
        await self._free()
        async for event in self._durable.events(self.run.id, after=max(told, self._after)):
            yield event

    async def _free(self) -> None:
        """Wait until nobody holds the conversation, for a while."""
        busy = self._durable.sessions.busy
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENDING_SECONDS):
                while await busy([self._chat.id]):  # noqa: ASYNC110 - in another process
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _end(self, state: RunState) -> None:
        """Know how it has ended. Raises its error."""
        run = await self._durable.read(self.run.id)
        self.run, self.done = run, True
        if state.status == "cancelled" and not await self._is_written():
            await self._keep(run)
        if state.status == "cancelled":
            raise WasStopped
        if state.status == "failed":
            await self._durable.result(run.id)

    async def _is_written(self) -> bool:
        found = await self._durable.sessions.runs(self._chat.id)
        return any(each.run.id == self.run.id for each in found)

    async def _keep(self, run: Run) -> None:
        """Keep the prompt of a turn that was stopped before a worker had begun it. Another process
        that tells of the turn does so too: one of them is enough.
        """
        before = self._chat.messages
        whole = run.replace(messages=(*before, *run.messages), start=len(before))
        try:
            self.run = (await asyncio.to_thread(self._chat.adopt, whole)).run
        except ConversationBusy:
            await self._free()
        except AgentkitError as error:
            logger().warning("web_failed", reason=f"prompt of {run.id}: {error}")


async def going_on(durable: Durable, chat: str) -> RunState | None:
    """The run of a conversation that a worker has, or that is in the queue for one."""
    found = await durable.list(conversation=chat, limit=_LATEST)
    active = [each for each in found if each.status in {"queued", "running"}]
    return active[-1] if active else None


async def waiting(durable: Durable, chat: str) -> RunState | None:
    """The run of a conversation that waits for a person."""
    found = await durable.list(conversation=chat, status="waiting", limit=1)
    return found[0] if found else None


async def is_known(durable: Durable, run: str) -> bool:
    """Whether workers go on with a run."""
    try:
        await durable.state(run)
    except UsageError:
        return False
    return True
