"""`python -m tests.fuzz [--target sse] [--seconds 600] [--seed N]`: fuzzes, and leaves what it
finds in `out/fuzz/`.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.engine import Outcome, fuzz
from tests.fuzz.targets import TARGETS

OUT = Path("out/fuzz")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", choices=[*TARGETS, "all"], default="all")
    parser.add_argument("--seconds", type=float, default=600, help="for each target")
    parser.add_argument("--seed", type=int, default=None, help="by default another one each time")
    parser.add_argument("--replay", type=Path, help="a file that was left in out/fuzz/")
    given = parser.parse_args()
    names = list(TARGETS) if given.target == "all" else [given.target]
    if given.replay is not None:
        seed = int(given.replay.stem.rpartition("-")[2])
        print(TARGETS[names[0]].check(given.replay.read_bytes(), random.Random(seed)))
        return 0
    seed = int(time.time()) if given.seed is None else given.seed
    outcomes = {name: fuzz(TARGETS[name], seconds=given.seconds, seed=seed) for name in names}
    for name, outcome in outcomes.items():
        print(line(name, outcome, seed))
    return int(any(outcome.finding is not None for outcome in outcomes.values()))


def line(name: str, outcome: Outcome, seed: int) -> str:
    facts = (
        f"{name:<10} {outcome.runs:>9,} runs in {outcome.seconds:,.0f} s, {outcome.kept} inputs kept, "
        f"slowest {outcome.slowest * 1000:.0f} ms, seed {seed}"
    )
    if outcome.finding is None:
        return f"{facts}: no finding"
    OUT.mkdir(parents=True, exist_ok=True)
    file = OUT / f"{name}-{outcome.finding.seed}.bin"
    file.write_bytes(outcome.finding.data)
    told = "".join(traceback.format_exception(outcome.finding.error))
    return f"{facts}: FOUND, see {file}\n{told}"


if __name__ == "__main__":
    sys.exit(main())
