"""What agentkit does where DBOS alone would lose, repeat or slow down a run: small values, so that
a test can show what happens without each of them.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from agentkit.integrations.dbos.serializer import JsonSerializer
from agentkit.integrations.dbos.told import Batches

VERSION = "agentkit-runs-1"
"""Raised by hand, when workflows of older ones cannot go on with what they have recorded."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STARTED = time.time_ns()


def process_name() -> str:
    """A name that no other process has or had: host, boot, number and start."""
    try:
        boot = _BOOT.read_text("ascii").strip()[:8]
    except OSError:
        boot = "boot"
    return f"{platform.node()}/{boot}/{os.getpid()}/{_STARTED % 10**15}"


@dataclass(frozen=True, slots=True)
class Handlings:
    """How a worker goes about it."""

    executor: Callable[[], str] = process_name
    """The name of a worker. DBOS calls all of them `local`, and lets each take over what the others
    are doing.
    """
    lease: bool = True
    """Whether a worker has a lock while it lives, and takes over the runs of those whose lock is
    free: DBOS leaves them `PENDING` for ever.
    """
    look_seconds: float = 1.0
    """How often it looks."""
    quiet_seconds: float = 10.0
    """After the database was restarted every lock is free: nobody takes anything over so long."""
    claims: bool = True
    """Whether a worker looks if a run is still its own before it pays: DBOS looks afterwards."""
    version: str = VERSION
    """DBOS's own is a hash of sources, with which no upgrade goes on with anything."""
    serializer: object = field(default_factory=JsonSerializer)
    """DBOS's own is pickle, which makes objects of any class that a database names."""
    cancels: bool = True
    """Whether a task that waits for its run, and is cancelled, cancels the run."""
    waits_out: bool = True
    """Whether errors of the database are waited for. DBOS ends a run by them, for good."""
    forks: int = 10
    """How often a run goes on that DBOS has ended by an error all the same."""
    poll_seconds: float = 0.05
    """How often queues are looked into. DBOS does so once a second."""
    listens: bool = True
    """Whether Postgres tells of what is new of a run; else it is looked at 20 times a second."""
    batches: Batches = field(default_factory=partial(Batches))
    """How many events are written at once. DBOS writes each by itself."""
