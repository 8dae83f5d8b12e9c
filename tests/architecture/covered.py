"""Branch coverage of the floors 0 to 3, where nothing waits on chance: `make coverage` runs the
tests, then this.

    python -m tests.architecture.covered .coverage.json

Fails below 95 %, and names the files that lack most.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.architecture.test_architecture import FLOORS

GOAL = 95.0
LISTED = 15


def main() -> int:
    files = json.loads(Path(sys.argv[1]).read_text("utf-8"))["files"]
    rows: list[tuple[int, int, str]] = []
    for name, each in files.items():
        parts = Path(name).parts
        module = (
            parts[parts.index("agentkit") + 1].removesuffix(".py") if "agentkit" in parts else ""
        )
        if FLOORS.get(module, 9) <= 3:
            of = each["summary"]
            rows.append((of["num_branches"] - of["covered_branches"], of["num_branches"], name))
    missed, total = sum(row[0] for row in rows), sum(row[1] for row in rows)
    share = 100.0 * (total - missed) / total
    for lacking, branches, name in sorted(rows, reverse=True)[:LISTED]:
        if lacking:
            print(f"{name}: {lacking} of {branches} branches not taken")
    print(f"floors 0 to 3: {share:.2f} % of {total} branches taken (goal {GOAL:g} %)")
    return int(share < GOAL)


if __name__ == "__main__":
    raise SystemExit(main())
