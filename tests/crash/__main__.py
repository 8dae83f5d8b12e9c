"""`make crash`: programs killed at every point and at random moments, with a ledger and without."""

from __future__ import annotations

import argparse
import random
import sys

from tests.crash.experiment import Setting
from tests.crash.series import (
    DEAD,
    ONCE,
    RIGHT,
    SCENES,
    Total,
    control,
    killed_at,
    random_kills,
    scripted,
)


def main() -> int:
    """Print what was found. The exit code says whether it is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="at random moments")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--jobs", type=int, default=2, help="programs at once")
    given = parser.parse_args()
    print(f"seed {given.seed}, {len(SCENES)} scenes", flush=True)
    faults: list[str] = []
    at_every_point = killed_at(scripted(), at_once=given.jobs)
    faults += _told("at every point", at_every_point)
    halves = random_kills(given.kills, given.seed, (DEAD, ONCE), at_once=given.jobs)
    faults += _told("at random", halves)
    without = random_kills(
        max(given.kills // 5, 10),
        given.seed,
        (Setting(ledger=False, pause=DEAD.pause),),
        at_once=given.jobs,
    )
    print(f"without the ledger: {without}", flush=True)
    if not (without.sum("repeated") and without.sum("lost")):
        faults.append("without the ledger: no harm")
    for name, harm in (("received", "waited"), ("pictures", "lost"), ("look-up", "waited")):
        total = control(name, at_once=given.jobs)
        print(f"without {name}: {total}", flush=True)
        if not total.sum(harm):
            faults.append(f"without {name}: no harm")
    total = control("none", at_once=given.jobs)
    faults += _told("not billed, with the look-up", total)
    if total.sum("waited"):
        faults.append("with the look-up: a request that was not billed waits")
    for each in faults:
        print(f"FAULT {each}")
    return 1 if faults else 0


def _told(name: str, total: Total) -> list[str]:
    print(f"{name}: {total}", flush=True)
    wrong = [f"{name}: {each} {total.sum(each)}" for each in RIGHT if total.sum(each)]
    return [*wrong, *(f"{name}: {each}" for each in total.broken)]


if __name__ == "__main__":
    sys.exit(main())
