"""`python -m tests.benchmarks.memory ORIGIN SUBJECT MEGABYTES STREAM`: one image in a process of its own, and what it took."""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.measure import peak_memory, reset_peak
from tests.benchmarks.subjects import subjects


async def main(origin: str, name: str, megabytes: int, *, stream: bool) -> float:
    """MiB above what a first, small image had left."""
    with tempfile.TemporaryDirectory() as folder:
        several = subjects(Path(folder))
        subject = next(each for each in several if each.name == name)
        await subject.image(f"{origin}/image-1", Path(folder), stream=stream)
        gc.collect()
        before = reset_peak()
        await subject.image(f"{origin}/image-{megabytes}", Path(folder), stream=stream)
        peak = peak_memory()
        for each in several:
            await each.close()
    return (peak - before) / (1 << 20)


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), stream=sys.argv[4] == "1")))
