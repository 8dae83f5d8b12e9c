"""Node, and the clients of a chat stream that run in it.

They are for these tests alone: without Node 20, or without the packages of `package-lock.json`, the
tests skip, and say how to get them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LEAST = 20
VERSIONS = ("first", "six", "seven")
"""Of npm's `ai`: the first 6, which refuses unknown fields, the latest 6, and 7."""
HOW = "`make clients` installs the packages of tests/web_clients (Node 20 or newer, and npm)"


def is_new_enough() -> bool:
    """Whether there is a Node that the clients run in."""
    node = shutil.which("node")
    if node is None:
        return False
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    number = told.strip().removeprefix("v").partition(".")[0]
    return number.isdecimal() and int(number) >= LEAST


def missing() -> str | None:
    """Why the clients cannot run here; None where they can."""
    if not is_new_enough():
        return f"Node {LEAST} or newer is not installed: {HOW}"
    if not (HERE / "node_modules" / "ai7" / "package.json").exists():
        return f"the npm packages are not installed: {HOW}"
    return None


class Clients:
    """The clients in one process of Node, which are asked one thing after the other."""

    def __init__(self) -> None:
        node = shutil.which("node")
        assert node is not None
        self._process = subprocess.Popen(
            [node, str(HERE / "client.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE,
        )

    def ask(self, do: str, **given: Any) -> dict[str, Any]:
        """What came of an action of `client.mjs`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **given}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "failed" not in answer, answer["failed"]
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
