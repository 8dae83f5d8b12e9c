"""Durable runs whose workers are killed, stopped and cut off, on both databases; what a step costs,
and what four workers do. `python -m tests.durable kills --kept postgres --step 3`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from typing import get_args

from agentkit.integrations.dbos.handlings import Handlings
from tests.durable import loads, others
from tests.durable.kills import Found, Kept, killed, taken_over

_MOST = 2_000
"""Transactions."""


def main() -> int:
    """Print what was found. The exit code says whether it is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.durable", description=__doc__)
    parser.add_argument("what", choices=list(PARTS), nargs="*", default=list(PARTS))
    parser.add_argument("--kept", choices=get_args(Kept), action="append")
    parser.add_argument("--step", type=int, default=1, help="kill at each so manieth transaction")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1000, help="of `scale`")
    parser.add_argument("--seconds", type=float, default=60.0, help="of `outage`")
    given = parser.parse_args()
    wrong = 0
    for what in given.what:
        for kept in given.kept or get_args(Kept):
            print(f"{what}, {kept}", flush=True)
            wrong += not PARTS[what](kept, given)
    return 1 if wrong else 0


def _kills(kept: Kept, given: argparse.Namespace) -> bool:
    """At each transaction of a worker that goes on with three runs, and in their tools."""
    total = Found()
    _add(total, killed(kept, kill=None, in_tool=True))
    for commit in range(given.first, _MOST, given.step):
        found = killed(kept, kill=commit)
        _add(total, found)
        if not found.was_killed:
            break
    print(f"  {total}", flush=True)
    return total.is_right


def _add(total: Found, found: Found) -> None:
    total.add(found)
    for each in found.faults:
        print(f"  FAULT {each}", flush=True)


def _over(kept: Kept, _: argparse.Namespace) -> bool:
    found, adopted, done = taken_over(kept, quiet=Handlings().quiet_seconds)
    print(f"  adopted after {adopted:.2f} s, done after {done:.2f} s; {found}", flush=True)
    return found.is_right and adopted < 3 and done < 10


def _stopped(kept: Kept, _: argparse.Namespace) -> bool:
    right = True
    for everything in (False, True):
        if kept == "sqlite":
            continue  # whose locks no stopped process loses
        found = asyncio.run(others.stopped(everything=everything))
        print(f"  all of its connections ended: {everything}; {found} {found.faults}", flush=True)
        right = right and found.is_right
    return right


def _forced(kept: Kept, _: argparse.Namespace) -> bool:
    found = asyncio.run(others.same_executor(kept))
    print(f"  {found} {found.faults}", flush=True)
    return found.is_right


def _restarts(kept: Kept, _: argparse.Namespace) -> bool:
    return True if kept == "sqlite" else asyncio.run(loads.restarts())


def _outage(kept: Kept, given: argparse.Namespace) -> bool:
    if kept == "sqlite":
        return True
    found = asyncio.run(loads.outage(given.seconds))
    print(f"  {found} {found.faults}", flush=True)
    return found.is_right


def _cost(kept: Kept, _: argparse.Namespace) -> bool:
    return asyncio.run(loads.cost(kept))


def _scale(kept: Kept, given: argparse.Namespace) -> bool:
    return True if kept == "sqlite" else asyncio.run(loads.scale(given.runs))


PARTS: dict[str, Callable[[Kept, argparse.Namespace], bool]] = {
    "kills": _kills,
    "over": _over,
    "stopped": _stopped,
    "forced": _forced,
    "restarts": _restarts,
    "outage": _outage,
    "cost": _cost,
    "scale": _scale,
}


if __name__ == "__main__":
    sys.exit(main())
