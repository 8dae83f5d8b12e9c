"""How many runs go on at once, and how many begin in a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from agentkit._check import argument, check_number, refused
from agentkit.errors import UsageError

MOST = 2**31 - 1
"""How many runs a queue is told of: what a column of Postgres holds."""

Rate = tuple[int, float]
"""How many runs may begin in so many seconds."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Limits of the runs of each agent, all workers together. Raises `UsageError`.

    A limit for each key makes `start(key=…)` necessary: the name of a user, or of an API key.
    """

    runs: int | None = None
    """At once."""
    rate: Rate | None = None
    """So many runs begin within so many seconds: `(100, 60)`."""
    runs_per_key: int | None = None
    rate_per_key: Rate | None = None

    def __post_init__(self) -> None:
        for name in ("runs", "runs_per_key"):
            value = getattr(self, name)
            if value is not None:
                check_number(argument("Queue", name), value, whole=True, least=1, most=MOST)
        if self.runs is not None and (self.runs_per_key or 0) > self.runs:
            raise refused(
                argument("Queue", "runs_per_key"), self.runs_per_key,
                f"is at most the runs of all keys together, which are {self.runs}",
            )  # fmt: skip
        for name in ("rate", "rate_per_key"):
            _check_rate(argument("Queue", name), getattr(self, name))

    @property
    def has_keys(self) -> bool:
        """Whether it has limits for each key."""
        return self.runs_per_key is not None or self.rate_per_key is not None

    def check_key(self, key: object) -> None:
        """Raises `UsageError` for a key where there are none, and the other way round."""
        if self.has_keys and not (isinstance(key, str) and key):
            raise refused("start(key={!r})", key, "is a string: the queue has limits for each key")
        if key is not None and not self.has_keys:
            raise UsageError(
                f"start(key={key!r:.80}): the queue has no limits for each key: "
                "Durable(queue=Queue(runs_per_key=…))"
            )

    def limits(self, runs_per_worker: int) -> dict[str, Any]:
        """The limits as DBOS takes them."""
        found: dict[str, Any] = {
            "global_concurrency": self.runs,
            "partition_concurrency": self.runs_per_key,
            "limiter": _limiter(self.rate),
            "partition_limiter": _limiter(self.rate_per_key),
        }
        most = runs_per_worker if self.runs is None else min(runs_per_worker, self.runs)
        return {"worker_concurrency": most, **{k: v for k, v in found.items() if v is not None}}


def _limiter(rate: Rate | None) -> dict[str, Any] | None:
    return None if rate is None else {"limit": rate[0], "period": float(rate[1])}


def _check_rate(where: str, rate: object) -> None:
    if rate is None:
        return
    accepted = "is (runs, seconds): (100, 60)"
    is_pair = isinstance(rate, tuple | list)
    said: Sequence[object] = cast("Sequence[object]", rate) if is_pair else [None]
    if len(said) != len(("runs", "seconds")):
        raise refused(where, rate, accepted)
    check_number(where, said[0], whole=True, least=1, most=MOST)
    check_number(where, said[1], above=0, unit="seconds")
