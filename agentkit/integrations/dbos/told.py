"""The events of a run, on their way into the database and out of it.

Not each by itself: several become one row, every 100 ms, or 64 of them, or at once when a picture
is ready. Previews are left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated

from sqlalchemy import Connection, delete, func, select

from agentkit._redact import masked
from agentkit.events import (
    Event,
    ImagePreview,
    ImageReady,
    InvocationProgress,
    ReasoningDelta,
    TextDelta,
)
from agentkit.integrations.dbos.notices import notify
from agentkit.integrations.dbos.tables import events
from agentkit.values import Blobs
from agentkit.values.codec import dumped

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Batches:
    """How many events become one row."""

    seconds: float = 0.1
    """An event waits for more, at most so long."""
    most: int = 64


class Buffer:
    """The events of a run that are not written yet. For one event loop."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._events: list[Event] = []
        self._some, self._full = asyncio.Event(), asyncio.Event()

    def add(self, event: Event) -> None:
        """One more event, unless it is a preview."""
        if _is_preview(event):
            return
        self._events.append(event)
        self._some.set()
        if isinstance(event, ImageReady) or len(self._events) >= self._batches.most:
            self._full.set()

    async def due(self) -> None:
        """Wait until a row is to be written."""
        await self._some.wait()
        try:
            async with asyncio.timeout(self._batches.seconds):
                await self._full.wait()
        except TimeoutError:
            return

    def take(self) -> list[Event]:
        """What is to be written."""
        taken, self._events = self._events, []
        self._some.clear()
        self._full.clear()
        return taken

    def give_back(self, taken: Iterable[Event]) -> None:
        """What could not be written."""
        self._events[:0] = taken
        if self._events:
            self._some.set()


def write(connection: Connection, run: str, step: int, told: Sequence[Event]) -> None:
    """Write events of a step, behind those that are there."""
    if not told:
        return
    last = connection.scalar(select(func.max(events.c.number)).where(events.c.run == run))
    data = masked(dumped(_codec(), tuple(told)), cut=True)
    connection.execute(
        events.insert().values(run=run, number=(last or 0) + 1, step=step, data=data.decode())
    )
    notify(connection, run)


def forget(connection: Connection, run: str, step: int) -> None:
    """Delete the events of a step that is begun again: they are told anew. A row that stays says
    so to those who have read them, and keeps the numbers rising.
    """
    these = (events.c.run == run, events.c.step >= step)
    last = connection.scalar(select(func.max(events.c.number)).where(*these))
    if last is None:
        return
    connection.execute(delete(events).where(*these))
    connection.execute(events.insert().values(run=run, number=last + 1, step=step, data="null"))


@dataclass(frozen=True, slots=True)
class Told:
    """One row of events."""

    number: int
    step: int
    events: tuple[Event, ...]
    is_again: bool = False
    """Whether the step was begun again here: what was told of it before is told anew."""


def read(connection: Connection, run: str, after: int, blobs: Blobs | None) -> list[Told]:
    """The rows of events after this one, at most 100."""
    found = connection.execute(
        select(events.c.number, events.c.step, events.c.data)
        .where(events.c.run == run, events.c.number > after)
        .order_by(events.c.number)
        .limit(100)
    )
    return [
        Told(number, step, (), is_again=True)
        if data == "null"
        else Told(number, step, _codec().validate_json(data, context={"blobs": blobs}))
        for number, step, data in found
    ]


class Retold:
    """What a reader has heard of a step, so that it is not told again where the step is."""

    def __init__(self) -> None:
        self._step = -1
        self._heard: list[Event] = []
        self._left: list[Event] = []
        self._words = {TextDelta: 0, ReasoningDelta: 0}

    def new(self, row: Told) -> Iterator[Event]:
        """What is new in a row."""
        if row.is_again and row.step <= self._step:
            self._left, self._heard = self._heard, []
            for kind in self._words:
                words = [each.text for each in self._left if isinstance(each, kind)]
                self._words[kind] = sum(map(len, words))
        elif row.step != self._step:
            self._heard, self._left = [], []
            self._words = dict.fromkeys(self._words, 0)
        self._step = row.step
        for event in row.events:
            self._heard.append(event)
            if (left := self._unheard(event)) is not None:
                yield left

    def _unheard(self, event: Event) -> Event | None:
        if isinstance(event, TextDelta | ReasoningDelta):
            heard = min(self._words[type(event)], len(event.text))
            self._words[type(event)] -= heard
            return replace(event, text=event.text[heard:]) if heard < len(event.text) else None
        if event in self._left:
            self._left.remove(event)
            return None
        return event


def _is_preview(event: Event) -> bool:
    inner = event.event if isinstance(event, InvocationProgress) else None
    return isinstance(event, ImagePreview) or (inner is not None and _is_preview(inner))


@cache
def _codec() -> TypeAdapter[tuple[Event, ...]]:
    from pydantic import Field, TypeAdapter

    return TypeAdapter(tuple[Annotated[Event, Field(discriminator="kind")], ...])
