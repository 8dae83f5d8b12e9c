"""`python -m tests.benchmarks [--quick] [--only WORD] [--samples N] [--transport NAME]` prints the
table.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import itertools
import json
import pstats
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from agentkit.openrouter.transport import TRANSPORTS
from tests.benchmarks import floors, page, web
from tests.benchmarks.cases import QUICK, Case, Sizes, cases
from tests.benchmarks.ledger import GOAL as LEDGER_GOAL
from tests.benchmarks.ledger import shares
from tests.benchmarks.measure import growth, import_seconds, medians, start_seconds
from tests.benchmarks.past import Row, rows
from tests.benchmarks.path import CALLS_GOAL, FRAMES_GOAL, footprint
from tests.benchmarks.server import running
from tests.benchmarks.subjects import Raw, RunContext, Subject, subjects

WIDTH, COLUMN = 58, 20
PROFILED = 15
"""Functions of a profile that are shown."""
GROWING = "text turn behind others, pictures, fork, burst, heartbeat"
FLOORED = "cold start, first token, download, large picture, saved bytes"
MEMORY_GOAL = 2.0
IMPORT_GOAL = 0.3
START_SAMPLES = 9
LEDGER = "ledger on a plain turn (wall)"
STARTS = {
    "agentkit --help": (["-m", "agentkit", "--help"], 0.20),
    "import agentkit": (["-c", "import agentkit"], 0.06),
    "from agentkit import Agent, tool": (["-c", "from agentkit import Agent, tool"], 0.135),
}
"""Arguments of the interpreter, and the goal for it: user CPU seconds."""


def line(cells: Iterable[str], title: str) -> str:
    return f"{title:<{WIDTH}}" + "".join(f"{cell:>{COLUMN}}" for cell in cells)


def verdict(value: float, goal: float) -> str:
    return "hit" if value <= goal else f"missed by {value - goal:.2f}"


def timed(case: Case, seconds: dict[str, float]) -> str:
    """A row: milliseconds, and the ratio to raw httpx2."""
    base = seconds[Raw.name]
    cells = [
        f"{each * 1e3:,.1f} ms" + (f" ({each / base:.2f}×)" if name != Raw.name else "")
        for name, each in seconds.items()
    ]
    return line(
        [f"≤ {case.goal:g}", *cells, verdict(seconds[RunContext.name] / base, case.goal)],
        case.title,
    )


async def compare(options: argparse.Namespace, sizes: Sizes, origin: str, folder: Path) -> None:
    several = subjects(folder, options.transport)
    several = [
        each
        for each in several
        if not options.subjects or each.name in {Raw.name, *options.subjects}
    ]
    print(line(["goal", *(each.name for each in several), "agentkit"], ""))
    worst: tuple[float, Case] | None = None
    for case in cases(sizes):
        if options.only in case.title:
            samples = min(options.samples, case.samples or options.samples)
            seconds = await medians(case, several, origin, folder, samples)
            print(timed(case, seconds), flush=True)
            if missed(case, seconds) > 0:
                seconds = await medians(case, several, origin, folder, samples)
                print(f"  once more:\n{timed(case, seconds)}", flush=True)
            if missed(case, seconds) > 0 and (worst is None or worst[0] < missed(case, seconds)):
                worst = missed(case, seconds), case
    if worst is not None:
        ours = next(each for each in several if each.name == RunContext.name)
        await profile(worst[1], ours, origin, folder)
    for each in several:
        await each.close()


def missed(case: Case, seconds: dict[str, float]) -> float:
    """How far the goal is missed, as a share of it."""
    return seconds[RunContext.name] / seconds[Raw.name] / case.goal - 1


async def profile(case: Case, ours: Subject, origin: str, folder: Path) -> None:
    """Where the time of the row goes that misses its goal by most."""
    print(f"\nThe profile of {case.title}:")
    profiler = cProfile.Profile()
    profiler.enable()
    await case.work(ours, origin, folder)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(PROFILED)


async def growing(origin: str, folder: Path, sizes: Sizes, only: str) -> None:
    """What must not grow with what lies behind, or with how much is ready."""
    if only not in GROWING:
        return

    async def measured() -> list[Row]:
        return await rows(
            origin,
            folder,
            turns=sizes.turns_behind,
            pictures=sizes.pictures_behind,
            streams=sizes.ready,
        )

    await again_where_missed(measured)


async def floored(origin: str, folder: Path, sizes: Sizes, samples: int, only: str) -> None:
    """What is compared with raw sockets and other floors."""
    if only not in FLOORED:
        return
    runs = itertools.count()

    async def measured() -> list[Row]:
        fresh = folder / f"floors-{next(runs)}"
        fresh.mkdir()
        return await floors.rows(
            origin, fresh, megabytes=sizes.megabytes, turns=sizes.saved, samples=samples
        )

    await again_where_missed(measured)


async def again_where_missed(measured: Callable[[], Awaitable[list[Row]]]) -> None:
    """Print the rows, and once more those that miss their goal."""
    missed = [row.title for row in await measured() if not told(row)]
    if missed:
        print("  once more:")
        for row in await measured():
            if row.title in missed:
                told(row)


def told(row: Row) -> bool:
    """Print a row. Returns whether its goal is met."""
    factor, unit = (1e3, "ms") if row.unit == "s" else (1.0, row.unit)
    cells = [f"{each * factor:,.3f} {unit}" for each in (row.ours, row.floor)]
    cells = [f"≤ {row.goal:g}", *cells, f"{row.ratio:.2f}×", verdict(row.ratio, row.goal)]
    print(line(cells, row.title), flush=True)
    return row.ratio <= row.goal


def memory(several: list[Subject], sizes: Sizes, origin: str, transport: str) -> None:
    for stream in (False, True):
        title = f"its growth of memory, {'streamed' if stream else 'buffered'}"
        replace = {
            each.name: growth(origin, each.name, sizes.megabytes, transport, stream=stream)
            for each in several
        }
        cells = [f"{each:.1f} MiB" for each in replace.values()]
        print(
            line(
                [f"≤ {MEMORY_GOAL:g} MiB", *cells, verdict(replace[RunContext.name], MEMORY_GOAL)],
                title,
            ),
            flush=True,
        )


def ledger(origin: str, folder: Path, sizes: Sizes, samples: int, transport: str) -> None:
    """What the call ledger adds to a plain turn, beside the syncs that it consists of."""
    kind = "httpx2" if transport == "httpx2" else "aiohttp" if transport else None
    more, syncs = asyncio.run(shares(origin, folder, sizes.turns, samples, kind))
    cells = [
        f"{more * 1e3:.1f} ms",
        f"{syncs * 1e3:.1f} ms (the syncs alone)",
        f"{more / syncs:.2f}×",
    ]
    print(
        line([f"≤ {LEDGER_GOAL:g}", *cells, verdict(more / syncs, LEDGER_GOAL)], LEDGER), flush=True
    )


def imports(samples: int) -> None:
    seconds = import_seconds(["openai", "agentkit"], samples)
    ratio = seconds["agentkit"] / seconds["openai"]
    cells = [f"{each * 1e3:.0f} ms ({name})" for name, each in seconds.items()]
    print(
        line([f"≤ {IMPORT_GOAL:g}", *cells, f"{ratio:.2f}×", verdict(ratio, IMPORT_GOAL)], "import")
    )


def starts() -> None:
    seconds = start_seconds(
        {title: arguments for title, (arguments, _) in STARTS.items()}, START_SAMPLES
    )
    print("\nUser CPU time of a whole process, medians of nine.\n")
    for title, (_, goal) in STARTS.items():
        print(
            line([f"≤ {goal:g} s", f"{seconds[title]:.3f} s", verdict(seconds[title], goal)], title)
        )


def path(origin: str, folder: Path) -> None:
    """Two rows for each: how deep our own code lies on a plain turn, and how much of it runs."""
    for usd in (None, 1.0):
        found = asyncio.run(footprint(origin, folder, usd))
        limited = "with a cost limit" if usd is not None else "no cost limit"
        for what, goal, count in (
            ("frames to the transport", FRAMES_GOAL, len(found.frames)),
            ("calls", CALLS_GOAL, len(found.calls)),
        ):
            cells = [f"≤ {goal}", f"{count}", verdict(count, goal)]
            print(line(cells, f"own {what}, {limited}"), flush=True)


async def beside_peers(python: Path, origin: str, folder: Path, sizes: Sizes, samples: int) -> None:
    """The CPU time of three rows in other frameworks, each in the environment of `python`."""
    work = {"turns": sizes.turns, "rounds": sizes.rounds, "deltas": sizes.deltas}
    command = [str(python), "-m", "tests.benchmarks.peers", origin, json.dumps(work), str(samples)]
    told = await asyncio.to_thread(
        subprocess.run, command, stdout=subprocess.PIPE, text=True, check=True
    )
    ours = RunContext(folder)
    of_chat = [each for each in cases(sizes) if "Responses" not in each.title]
    rows = {"plain": of_chat[0], "tools": of_chat[1], "deltas": of_chat[2]}
    own = {
        name: (await medians(case, [ours], origin, folder, samples))[ours.name]
        for name, case in rows.items()
    }
    await ours.close()
    print("\nThe same work in other frameworks; × is the ratio to agentkit.\n")
    found = [{"name": ours.name, **own}, *map(json.loads, told.stdout.splitlines())]
    print(line([each["name"] for each in found], ""))
    for name, case in rows.items():
        cells = [f"{each[name] * 1e3:,.1f} ms ({each[name] / own[name]:.2f}×)" for each in found]
        print(line(cells, case.title), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make bench", description="agentkit beside raw httpx2 and the openai SDK"
    )
    parser.add_argument("--quick", action="store_true", help="less work in each case")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="only the cases with this word in their title"
    )
    parser.add_argument("--samples", type=int, default=7, help="of each case; the median counts")
    parser.add_argument(
        "--subjects", nargs="*", default=[], help="beside raw httpx2: all by default"
    )
    parser.add_argument(
        "--transport",
        choices=TRANSPORTS,
        help="agentkit's; by default the one that it takes by itself",
    )
    parser.add_argument(
        "--peers", type=Path, metavar="PYTHON", help="of an environment with other frameworks"
    )
    options = parser.parse_args()
    sizes = QUICK if options.quick else Sizes()
    print("CPU time of the client, medians of interleaved samples; × is the ratio to raw httpx2.\n")
    with running() as origin, tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(options, sizes, origin, Path(folder)))
        asyncio.run(floored(origin, Path(folder), sizes, options.samples, options.only))
        asyncio.run(growing(origin, Path(folder), sizes, options.only))
        if options.peers is not None:
            peers = beside_peers(options.peers, origin, Path(folder), sizes, options.samples)
            asyncio.run(peers)
        if options.only in "memory":
            memory(subjects(Path(folder)), sizes, origin, options.transport or "")
        if options.only in LEDGER:
            ledger(origin, Path(folder), sizes, options.samples, options.transport or "")
        if options.only in "frames and calls":
            path(origin, Path(folder))
        if options.only in "import":
            imports(options.samples)
        if options.only in "start":
            starts()
    if options.only in web.TITLE:
        print()
        web.report(sizes.streams, sizes.stream_seconds)
    if options.only in page.TITLE:
        print()
        page.report(20 if options.quick else 200)


if __name__ == "__main__":
    main()
