"""A request to the Image API that is watched while it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

from agentkit.errors import UsageError
from agentkit.events import Event
from agentkit.stream import EventLog
from agentkit.studio.values import Drawing

Work = Callable[[EventLog], Awaitable[Drawing]]


class DrawingStream:
    """A drawing with events while it is made:

        async with studio.stream("A fox") as stream:
            async for event in stream: ...
        stream.result

    The events are `ImagePreview`, `ImageReady` and `ImageFailed`. While an SVG is written,
    `TextDelta` has its markup; what the model thinks meanwhile is a `ReasoningDelta`. Each
    `async for` gives every event from the start. An error is raised in the `async for`, or at the
    end of the block. Leaving the block early stops the request.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._log = EventLog()
        self._task: asyncio.Task[Drawing] | None = None
        self._raised = False

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise UsageError("a stream is entered once; for another, call stream() again")
        self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(lambda _: self._log.close())
        return self

    async def _run(self) -> Drawing:
        return await self._work(self._log)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        task = self._started()
        left_early = not task.done()
        if left_early:
            task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        if (
            kind is None
            and not left_early
            and not self._raised
            and isinstance(result, BaseException)
        ):
            raise result

    async def __aiter__(self) -> AsyncIterator[Event]:
        task = self._started()
        async for event in self._log.read():
            yield event
        if not task.cancelled() and (error := task.exception()) is not None:
            self._raised = True
            raise error

    async def finish(self) -> Drawing:
        """Wait for the end and return what was drawn. Raises the error of the request."""
        task = self._started()
        try:
            return await asyncio.shield(task)
        finally:  # one who gave up waiting has not heard of an error that comes later
            self._raised = self._raised or task.done()

    @property
    def result(self) -> Drawing:
        """What was drawn. Raises the error of the request, or `UsageError` while it is running."""
        task = self._started()
        if not task.done():
            raise UsageError(
                "the drawing goes on: read the stream to its end, or await "
                "stream.finish(), before you ask for its result"
            )
        if task.cancelled():
            raise UsageError(
                "the request was stopped before its end; pictures that had "
                "arrived were told by their events"
            )
        return task.result()

    @property
    def generation_id(self) -> str | None:
        """OpenRouter's id of the request, as soon as it is told."""
        return self._log.generation_id

    def _started(self) -> asyncio.Task[Drawing]:
        if self._task is None:
            raise UsageError("enter the stream first: async with … as stream")
        return self._task
