"""`make soak MINUTES=60`: 200 streams against the emulator, with a ledger and sessions, one in ten
cancelled. Prints what the process holds meanwhile, and at the end what is left.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agentkit import Agent, FileImageStore, ImageGeneration, OpenRouter
from agentkit.images.file_draft import PARTIAL
from agentkit.sessions import Sessions
from tests.postgres import Postgres, make_data, start, stop
from tests.soak.elsewhere import emulator
from tests.soak.gauges import Gauge, read
from tests.soak.streams import Tally, User

DRIFT = 0.05
"""More memory than this is a fault."""
_DESCRIPTORS = 8192


def main() -> int:
    """Print what was found. The exit code says whether it is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--streams", type=int, default=200, help="at once")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--postgres", action="store_true", help="on a server of its own")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_DESCRIPTORS, most), most))
    print(f"seed {given.seed}, {given.streams} streams, {given.minutes:g} minutes", flush=True)
    with (
        tempfile.TemporaryDirectory() as name,
        _database(Path(name), postgres=given.postgres) as url,
        emulator() as base_url,
    ):
        soak = Soak(url, Path(name), base_url, given.streams, given.seed)
        faults = asyncio.run(soak.run(60 * given.minutes))
    for each in faults:
        print(f"FAULT {each}")
    return 1 if faults else 0


class Soak:
    """One run of all streams."""

    def __init__(self, url: str, folder: Path, base_url: str, streams: int, seed: int) -> None:
        self._url, self._folder, self._base_url = url, folder, base_url
        self._streams, self._seed = streams, seed
        self._tally, self._gauge = Tally(), Gauge()

    async def run(self, seconds: float) -> list[str]:
        """The faults that were found."""
        await self._live(0.0)  # libraries that are imported at their first use open files
        self._tally.counts.clear()
        gc.collect()
        before = read()
        print(f"before: {before}", flush=True)
        began = time.monotonic()
        await self._live(seconds)
        seconds = time.monotonic() - began
        gc.collect()
        after = read()
        print(f"after:  {after}", flush=True)
        for name, count in sorted(self._tally.counts.items()):
            print(f"{count:8} {name} ({count / seconds:.1f}/s)")
        drift = self._gauge.drift()
        drafts, left = self._drafts(), self._left()
        print(f"memory drift {100 * drift:+.1f} %, drafts left {drafts}, {left}")
        for error, count in self._tally.errors.most_common(20):
            print(f"{count:8} × {error}")
        faults = [f"{count} × {error}" for error, count in self._tally.errors.items()]
        faults += [f"drafts left: {drafts}"] if drafts else []
        faults += [f"memory drift: {100 * drift:.1f} %"] if drift >= DRIFT else []
        if after.descriptors > before.descriptors or after.tasks > before.tasks:
            faults.append(f"descriptors or tasks: {before} before, {after} after")
        return faults

    async def _live(self, seconds: float) -> None:
        store = FileImageStore(self._folder / "store")
        gauge = asyncio.create_task(self._gauge.run(every=max(0.5, seconds / 400), tell=30))
        async with (
            OpenRouter(api_key="sk-or-soak", base_url=self._base_url) as client,
            Sessions(self._url, store=store) as sessions,
        ):
            agent = Agent(
                "openai/gpt-5.2",
                tools=[ImageGeneration(size="64x64")],
                client=client,
                store=store,
                checks=False,
            )
            until = asyncio.get_running_loop().time() + max(seconds, 1.0)
            names = [f"user {number}" for number in range(self._streams)] if seconds else ["first"]
            users = [User(name, self._seed, agent, sessions, self._tally) for name in names]
            await asyncio.gather(*(user.live(until) for user in users))
        gauge.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gauge
        if not seconds:
            self._gauge.readings.clear()

    def _drafts(self) -> int:
        return sum(1 for path in self._folder.rglob("*") if path.suffix == PARTIAL)

    def _left(self) -> str:
        files = [path for path in (self._folder / "store").rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in self._folder.rglob("*.db*")) / (1 << 20)
        return f"files in the store {len(files)}, the database {size:.1f} MiB"


@contextlib.contextmanager
def _database(folder: Path, *, postgres: bool) -> Iterator[str]:
    """The address of an empty database."""
    if not postgres:
        yield f"sqlite:///{folder}/chats.db"
        return
    with tempfile.TemporaryDirectory(prefix="agentkit-pg-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        make_data(place)
        server = start(place)
        try:
            yield Postgres(place / "socket", server.pid).url("postgres")
        finally:
            stop(server)


if __name__ == "__main__":
    sys.exit(main())
