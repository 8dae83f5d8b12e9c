"""`make drift`: each name that OpenRouter's SDK knows and agentkit's typed surface does not, with the
reason where there is one. Ends with status 1 if there is a row without a reason, or a reason without a
row.
"""

from __future__ import annotations

import sys
from importlib.metadata import version

from tests.drift.rows import rows, stale


def main() -> int:
    print(f"openrouter {version('openrouter')}")
    found = rows()
    for row in found:
        print(f"{'' if row.reason else '! '}{row}")
    left = [row for row in found if not row.reason]
    gone = stale()
    for area, name in gone:
        print(f"! {area}.{name}: explained, and no difference any more")
    print(f"{len(found)} differences, {len(left)} unexplained, {len(gone)} explained for nothing")
    return 1 if left or gone else 0


if __name__ == "__main__":
    sys.exit(main())
