"""Installs the clients that `tests/web_clients` read with: `python -m tests.web_clients.install`, or
`make clients`.

Where Node or npm is missing, or no registry can be reached, nothing is installed and the tests
skip: it says so and ends well.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from tests.web_clients.node import HERE, HOW, is_new_enough

LOCK = HERE / "package-lock.json"
READY = HERE / "node_modules" / ".ready"
GUARD = 300.0
"""Seconds that npm may take."""
NPM = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1")


def main() -> None:
    wanted = LOCK.read_text("utf-8")
    if READY.exists() and READY.read_text("utf-8") == wanted:
        return
    npm = shutil.which("npm")
    if npm is None or not is_new_enough():
        print(f"the tests of real chat clients skip: {HOW}", file=sys.stderr)
        return
    try:
        done = subprocess.run([npm, *NPM], cwd=HERE, check=False, timeout=GUARD).returncode == 0
    except subprocess.TimeoutExpired:
        done = False
    if not done:
        print(f"npm could not install: the tests of real chat clients skip; {HOW}", file=sys.stderr)
        return
    READY.write_text(wanted, "utf-8")


if __name__ == "__main__":
    main()
