"""Taking the measurements: interleaved samples and their medians, in one process; growth of memory
and imports in others.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks.cases import Case
from tests.benchmarks.subjects import Subject

KIB = 1024
_IMPORT = "import time; began = time.process_time(); import {}; print(time.process_time() - began)"


async def medians(
    case: Case, subjects: Sequence[Subject], origin: str, folder: Path, samples: int
) -> dict[str, float]:
    """Seconds of each subject for this case. One sample of each before that is not counted."""
    clock: Callable[[], float] = time.perf_counter if case.wall else time.process_time
    taken: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for number in range(samples + 1):
        for subject in subjects:
            gc.collect()
            began = clock()
            result = await case.work(subject, origin, folder)
            seconds = clock() - began
            if number:
                taken[subject.name].append(seconds)
            if isinstance(result, Path):
                result.unlink()
    return {name: median(each) for name, each in taken.items()}


def import_seconds(modules: Sequence[str], samples: int) -> dict[str, float]:
    """CPU seconds of a first import, each in a new interpreter."""
    taken: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(samples):
        for module in modules:
            done = subprocess.run(
                [sys.executable, "-c", _IMPORT.format(module)],
                capture_output=True,
                text=True,
                check=True,
            )
            taken[module].append(float(done.stdout))
    return {name: median(each) for name, each in taken.items()}


def start_seconds(commands: Mapping[str, Sequence[str]], samples: int) -> dict[str, float]:
    """User CPU seconds of a whole interpreter with these arguments, by title. One run of each is not counted."""
    taken: dict[str, list[float]] = {title: [] for title in commands}
    for number in range(samples + 1):
        for title, arguments in commands.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
            if number:
                taken[title].append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    return {title: median(each) for title, each in taken.items()}


def growth(origin: str, subject: str, megabytes: int, transport: str, *, stream: bool) -> float:
    """MiB by which the process's memory grows at its peak while one image arrives and is stored."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.memory",
        origin,
        subject,
        str(megabytes),
        str(int(stream)),
        transport,
    ]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def peak_memory() -> int:
    """Bytes that were resident at most, since `reset_peak` where the system can tell."""
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def reset_peak() -> int:
    """Begin to watch for a new peak; bytes that are resident now."""
    clear = Path("/proc/self/clear_refs")
    if os.access(clear, os.W_OK):
        clear.write_text("5")
    return _status("VmRSS") or peak_memory()


def _status(field: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except FileNotFoundError:  # not Linux
        return None
    return next(
        (int(line.split()[1]) * KIB for line in lines if line.startswith(f"{field}:")), None
    )
