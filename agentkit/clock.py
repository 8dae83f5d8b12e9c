"""The time of a run."""

from __future__ import annotations

import time

from agentkit.run import Run


class Clock:
    """The working time of a run. Waiting for a person, between two sittings, does not count."""

    def __init__(self, run: Run) -> None:
        self._before, self._began, self._limit = run.seconds, time.monotonic(), run.limits.seconds

    def spent(self) -> float:
        return self._before + time.monotonic() - self._began

    def left(self) -> float:
        return self._limit - self.spent()
