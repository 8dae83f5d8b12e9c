"""`python -m tests.faults --runs 10000 --seed 1`: the long forms of what the tests here do in
short, and their numbers.

`--runs N`: the money law over N random runs. `--only N`: run N of them alone, and what it found.
`--cuts`: each recorded reply cut at each byte, and in slices.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time

from tests.faults.cuts import every_byte
from tests.faults.money import Run, Tally, prove
from tests.unit.openrouter.peer import PEM


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=0, help="of the money law")
    parser.add_argument("--seed", type=int, default=None, help="by default another one each time")
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--only", type=int, help="the seed of one run, as a finding names it")
    parser.add_argument("--cuts", action="store_true")
    given = parser.parse_args()
    os.environ["SSL_CERT_FILE"] = str(PEM)  # the system's take longer to read than a run lasts
    logging.getLogger("agentkit").setLevel(logging.CRITICAL)
    if given.only is not None:
        tally = Tally()
        asyncio.run(Run(given.only, tally).play())
        print(tally)
        return int(tally.wrong > 0)
    if given.cuts:
        wrong = asyncio.run(every_byte(lambda words: print(words, flush=True)))
        print(*wrong[:50], sep="\n")
        return int(bool(wrong))
    seed = int(time.time()) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    began = time.monotonic()

    shown = 0

    def told(tally: Tally) -> None:
        nonlocal shown
        print(
            *tally.findings[shown:],
            sep="\n",
            end="\n" if tally.findings[shown:] else "",
            flush=True,
        )
        shown = len(tally.findings)
        print(
            f"… {tally.runs:,} runs in {time.monotonic() - began:,.0f} s, wrong: {tally.wrong}",
            flush=True,
        )

    tally = asyncio.run(prove(given.runs, seed, at_once=given.at_once, told=told))
    print(f"{tally}\nin {time.monotonic() - began:,.0f} s")
    return int(tally.wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
