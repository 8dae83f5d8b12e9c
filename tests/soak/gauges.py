"""What a process holds: memory, descriptors, threads, tasks."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

WARM_UP = 0.25
"""The share of the time in which caches, pools and histories fill, and no memory is compared."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The state of this process at one moment."""

    at: float
    """Seconds since an arbitrary moment."""
    megabytes: float
    """Memory that it holds, in MiB."""
    descriptors: int
    threads: int
    tasks: int

    def __str__(self) -> str:
        return (
            f"{self.megabytes:.1f} MiB, {self.descriptors} descriptors, {self.threads} threads, "
            f"{self.tasks} tasks"
        )


def read() -> Reading:
    """The state now. Needs `/proc`."""
    status = Path("/proc/self/status").read_text()
    kilobytes = int(status.partition("VmRSS:")[2].split()[0])
    return Reading(
        time.monotonic(),
        kilobytes / 1024,
        descriptors(),
        threading.active_count(),
        len(asyncio.all_tasks()),
    )


def descriptors() -> int:
    """How many files, sockets and pipes are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


class Gauge:
    """Readings over time."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    async def run(self, every: float, tell: float) -> None:
        """Take a reading every so many seconds, and print one every `tell` seconds."""
        told = time.monotonic()
        while True:
            gc.collect()
            self.readings.append(read())
            if time.monotonic() - told >= tell:
                told = time.monotonic()
                print(f"  {self.readings[-1]}", flush=True)
            await asyncio.sleep(every)

    def drift(self) -> float:
        """How much more memory is held in the last tenth of the time than in the tenth after the
        warm-up: 0.05 is five hundredths.
        """
        count = len(self.readings)
        tenth = max(1, count // 10)
        begins = int(count * WARM_UP)
        first = median(each.megabytes for each in self.readings[begins : begins + tenth])
        last = median(each.megabytes for each in self.readings[-tenth:])
        return last / first - 1
