"""A request to the Image API that is watched while it goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agentkit._sync import in_background
from agentkit.stream import EventLog, WatchedTask
from agentkit.studio.values import Drawing


class DrawingLog(EventLog):
    """The events of a request, and what it had drawn when it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.drawing: Drawing | None = None


Work = Callable[[DrawingLog], Awaitable[Drawing]]


class DrawingStream(WatchedTask[Drawing]):
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
        self._drawn = log = DrawingLog()

        async def drawn() -> Drawing:
            return await work(log)

        super().__init__(log, lambda: in_background(drawn()))

    async def finish(self) -> Drawing:
        """Wait for the end and return what was drawn. Raises the error of the request."""
        return await super().finish()

    @property
    def result(self) -> Drawing:
        """What was drawn. Raises the error of the request, or `UsageError` while it is running."""
        return self._ended(
            "the drawing goes on: read the stream to its end, or await stream.finish(), "
            "before you ask for its result",
            "the request was stopped before its end: stream.drawing holds what had arrived",
        )

    @property
    def drawing(self) -> Drawing | None:
        """What had arrived when the request ended, however it did. None while it goes on, or where
        no reply came.
        """
        return self._drawn.drawing

    @property
    def generation_id(self) -> str | None:
        """OpenRouter's id of the request, as soon as it is told."""
        return self._log.generation_id
