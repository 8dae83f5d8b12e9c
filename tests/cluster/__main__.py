"""`make cluster`: two web processes and four workers on loopback, Postgres and an S3 between them.
One of each is killed while it is at work. What it shows is printed, and the exit code says whether
every run came to its end, with every picture, and nothing was paid for twice.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from agentkit.emulator import Emulator
from tests.buckets import s3
from tests.cluster.running import Cluster, database_of
from tests.cluster.talk import Client


def main() -> int:
    """Print what was found; 0 if it is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=2, help="runs of a worker at once")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))  # and end the processes
    with (
        TemporaryDirectory(prefix="agentkit-cluster-") as folder,
        Emulator(chunk_delay=0.02) as emulator,
        s3() as service,
    ):
        database = database_of(Path(folder))
        cluster = Cluster(Path(folder), database, emulator, service)
        try:
            cluster.begin(fronts=2, workers=given.workers, at_once=given.at_once)
            faults = _shown(cluster, Client(cluster), given.runs)
        finally:
            cluster.end()
    for fault in faults:
        print(f"FAULT {fault}")
    print("as it must be" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


def _shown(cluster: Cluster, client: Client, runs: int) -> list[str]:
    client.begin(runs)
    print(f"{runs} runs begun, through {len(cluster.fronts)} web processes", flush=True)
    client.until_drawn(1)
    worker = cluster.kill_a_busy_worker()
    front = cluster.kill_a_front()
    print(f"killed while they draw: worker {worker}, web process {front}", flush=True)
    client.until_over()
    found = cluster.found(client)
    for line in found.lines():
        print(line)
    return found.faults()


if __name__ == "__main__":
    sys.exit(main())
