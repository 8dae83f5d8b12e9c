"""The working time of a run."""

from __future__ import annotations

import asyncio

from agentkit.run import Run
from agentkit.run.step import CLOSING_SHARE


class Clock:
    """The working time of a run, in seconds. Time in which it waits for a person does not count.

    All times of a run are those of its event loop, so that whoever moves the loop's clock moves
    the run's as well.
    """

    def __init__(self, run: Run) -> None:
        self._now = asyncio.get_running_loop().time
        self._before, self._began = run.seconds, self._now()
        self.limit = run.limits.seconds
        self.stage = ""
        """What the error says, beside the limit, if the time is over now."""

    def spent(self) -> float:
        """The time so far."""
        return self._before + self._now() - self._began

    def left(self) -> float:
        """The time until the deadline; less than 0 after it."""
        return self.limit - (self._before + self._now() - self._began)

    def left_for_tools(self) -> float:
        """The time in which tools may run: some is kept for closing the run in words."""
        return max(CLOSING_SHARE * self.limit - self.spent(), 0.001)
