"""`python -m tests.benchmarks.memory ORIGIN SUBJECT MEGABYTES STREAM TRANSPORT`: one image in a
process of its own, and what it took.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from pathlib import Path

from agentkit.openrouter.transport import TRANSPORTS, Transport
from tests.benchmarks.measure import peak_memory, reset_peak
from tests.benchmarks.subjects import subjects


async def main(
    origin: str, name: str, megabytes: int, transport: Transport | None, *, stream: bool
) -> float:
    """MiB above what a first, small image had left."""
    with tempfile.TemporaryDirectory() as folder:
        several = subjects(Path(folder), transport)
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
    given = sys.argv
    chosen = next((name for name in TRANSPORTS if name == given[5]), None)
    print(asyncio.run(main(given[1], given[2], int(given[3]), chosen, stream=given[4] == "1")))
