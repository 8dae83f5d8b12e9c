"""What one run costs the database and the processors, and what more workers bring.

python -m tests.cluster.measure --runs 60
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from agentkit.emulator import Emulator
from tests.buckets import Service, s3
from tests.cluster.running import Cluster, database_of
from tests.cluster.talk import Client
from tests.postgres import running_server

_PARTS = {
    "engine and queue": ("workflow", "operation", "notifications", "queue", "durable_runs", "step"),
    "call ledger": ("call", "entries", "chunk", "bodies"),
    "events": ("event", "told"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.measure", description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    given = parser.parse_args()
    with s3() as service:
        for words in ("Say hello, number", "Draw the fox of"):
            for workers in (1, 2, 4):
                _measure(service, words, workers, given.runs)


def _measure(service: Service, words: str, workers: int, runs: int) -> None:
    with TemporaryDirectory(prefix="agentkit-cluster-") as folder, Emulator() as emulator:
        database = database_of(Path(folder))
        cluster = Cluster(Path(folder), database, emulator, service)
        try:
            cluster.begin(fronts=1, workers=workers, at_once=4)
            before, cpu = _counted(database), cluster.cpu_seconds()
            client, began = Client(cluster, words=words), time.monotonic()
            client.begin(runs)
            client.until_over()
            seconds = time.monotonic() - began
            cpu = cluster.cpu_seconds() - cpu
            time.sleep(1.0)  # the database tells what was done a moment later
            after = _counted(database)
            size = cluster.store().size()
        finally:
            cluster.end()
        grown = {name: after[name] - before.get(name, 0) for name in after}
        told = ", ".join(f"{part} {count / runs:.1f}" for part, count in _by_part(grown).items())
        print(f"{words!r}, {workers} workers: {runs / seconds:.1f} runs a second, "
              f"{1000 * cpu / runs:.0f} ms of a processor a run", flush=True)  # fmt: skip
        print(f"  rows a run: {told}; transactions a run: {grown['commits'] / runs:.1f}; "
              f"log of the database: {grown['wal'] / runs / 1024:.1f} KiB a run; "
              f"pictures: {size / runs / 1024:.0f} KiB a run", flush=True)  # fmt: skip


def _counted(database: str) -> dict[str, int]:
    """Rows that were written, by table; transactions; bytes of the write-ahead log."""
    server, name = running_server(), database.partition("?")[0].rpartition("/")[2]
    rows = server.execute(
        "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables", name
    )
    (commits,) = server.execute(
        f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{name}'"
    )
    (wal,) = server.execute("SELECT (pg_current_wal_lsn() - '0/0')::bigint", name)
    return {**{str(table): int(count) for table, count in rows},
            "commits": int(commits[0]), "wal": int(wal[0])}  # fmt: skip


def _by_part(grown: Mapping[str, int]) -> dict[str, int]:
    parts = dict.fromkeys((*_PARTS, "conversation"), 0)
    for table, count in grown.items():
        if table not in {"commits", "wal"}:
            found = [part for part, words in _PARTS.items() if any(word in table for word in words)]
            parts[found[-1] if found else "conversation"] += count
    return parts


if __name__ == "__main__":
    main()
