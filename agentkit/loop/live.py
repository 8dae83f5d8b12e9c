"""What is live beside a run: made when it begins, and made anew where it comes from disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agentkit.loop.clock import Clock
from agentkit.loop.context import RunContext
from agentkit.stream import EventLog


@dataclass(slots=True)
class LiveRun:
    """All that the steps of one run need and that no saved run holds. `services_of` makes it."""

    base: RunContext
    """The services of the run, and the agent's own tools, instructions and settings."""
    log: EventLog
    """Its events. `log.run` is the run as far as it has come, after an error too."""
    clock: Clock
    context: RunContext | None = None
    """`base` with the tools that were made for the latest request, and as hooks wanted it. None
    before the first step.
    """

    has_summarised: bool = False
    """Whether a summary was tried: once in a run is enough."""

    async def close(self) -> None:
        """Close the connections for downloads, and let go of the run in the ledger."""
        try:
            await self.base.services.fetcher.close()
        finally:
            if self.base.calls is not None:
                await self.base.calls.close()


class Cancellation:
    """Whether the task that drives a run was cancelled since this was made. A tool or a hook that
    swallows the `CancelledError` does not keep the run going.
    """

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        # A run may begin in the cleanup of a task that was cancelled before.
        self._before = self._task.cancelling() if self._task is not None else 0

    def check(self) -> None:
        """Raises `CancelledError` if the task was cancelled."""
        if self._task is not None and self._task.cancelling() > self._before:
            raise asyncio.CancelledError
