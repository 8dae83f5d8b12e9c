"""`make crash`: programs killed at every point and at random moments, with a ledger and without; or
with `--kept sqlite` or `--kept postgres`, those that are turns of a conversation in a database.
"""

from __future__ import annotations

import argparse
import random
import sys
from dataclasses import replace
from typing import get_args

from tests.crash.experiment import Setting
from tests.crash.plan import Kept
from tests.crash.series import (
    DEAD,
    ONCE,
    RIGHT,
    SCENES,
    Total,
    control,
    in_transactions,
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
    parser.add_argument("--kept", choices=get_args(Kept), default="file", help="where the run is")
    given = parser.parse_args()
    print(f"seed {given.seed}, {len(SCENES)} scenes, kept in: {given.kept}", flush=True)
    faults: list[str] = []
    faults += _told("at every point", killed_at(scripted(kept=given.kept), at_once=given.jobs))
    settings = [replace(each, kept=given.kept) for each in (DEAD, ONCE)]
    if given.kept != "file":
        in_each = in_transactions(given.kept, given.seed)
        faults += _told("in transactions", killed_at(in_each, at_once=given.jobs))
        settings.append(Setting(kept=given.kept, sends=True))
    found = random_kills(given.kills, given.seed, settings, at_once=given.jobs)
    faults += _told("at random", found)
    if given.kept == "file":
        faults += _controls(given)
    for each in faults:
        print(f"FAULT {each}")
    return 1 if faults else 0


def _controls(given: argparse.Namespace) -> list[str]:
    """What each part of the ledger is for."""
    faults: list[str] = []
    without = random_kills(
        max(given.kills // 5, 10),
        given.seed,
        (Setting(ledger=False, pause=DEAD.pause),),
        at_once=given.jobs,
    )
    print(f"without the ledger: {without}", flush=True)
    faults += without.failed
    if not (without.sum("repeated") and without.sum("lost")):
        faults.append("without the ledger: no harm")
    for name, harm in (("received", "waited"), ("pictures", "lost"), ("look-up", "waited")):
        total = control(name, at_once=given.jobs)
        print(f"without {name}: {total}", flush=True)
        faults += total.failed
        if not total.sum(harm):
            faults.append(f"without {name}: no harm")
    total = control("none", at_once=given.jobs)
    faults += _told("not billed, with the look-up", total)
    if total.sum("waited"):
        faults.append("with the look-up: a request that was not billed waits")
    return faults


def _told(name: str, total: Total) -> list[str]:
    print(f"{name}: {total}", flush=True)
    wrong = [f"{name}: {each} {total.sum(each)}" for each in RIGHT if total.sum(each)]
    return [*wrong, *(f"{name}: {each}" for each in total.broken)]


if __name__ == "__main__":
    sys.exit(main())
