"""To a type checker a tool still is its function: arguments and result keep their types."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import agentkit
from tests.clock import GUARD

GOOD = """
from collections.abc import AsyncIterator
from typing import Any, assert_type
from agentkit.tools import Context, Progress, tool
from agentkit.values import Invocation

@tool
def weather(city: str, days: int = 1) -> str:
    return city

@tool(timeout=3)
async def wait(context: Context[int], seconds: float) -> bool:
    assert_type(context.deps, int)
    return True

@tool
async def count(to: int) -> AsyncIterator[Progress | int]:
    yield Progress("one")
    yield 1

class Desk:
    @tool
    def tidy(self, hard: bool) -> int:
        return 3

def plain(x: int) -> str:
    return ""

assert_type(weather("Oslo", days=2), str)
async def main() -> None:
    assert_type(await wait(Context(3, Invocation("a", "b")), 1.5), bool)
assert_type(count(3), AsyncIterator[Progress | int])
assert_type(Desk().tidy(True), int)
assert_type(tool(plain, name="other")(3), str)
assert_type(weather.schema, dict[str, Any])
"""

BAD = [
    "weather(3)",
    "weather()",
    "weather('Oslo', day=2)",
    "Desk().tidy('x')",
    "tool(timeout='3')",
    "wait(3, 1.5)",
]


def test_types(tmp_path: Path):
    lines = GOOD.splitlines()
    first_bad = len(lines)
    file = tmp_path / "use.py"
    file.write_text("\n".join([*lines, *BAD]) + "\n")
    config = tmp_path / "pyrightconfig.json"
    root = str(Path(agentkit.__path__[0]).parent)
    config.write_text(
        json.dumps(
            {
                "typeCheckingMode": "standard",
                "extraPaths": [root],
                "include": ["use.py"],
                "reportUnusedCoroutine": False,
            }
        )
    )
    command = [
        sys.executable,
        "-m",
        "basedpyright",
        "--outputjson",
        "--level",
        "error",
        "--pythonpath",
        sys.executable,
        "-p",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GUARD, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    at = {each["range"]["start"]["line"] for each in found}
    assert at == set(range(first_bad, first_bad + len(BAD))), [
        (each["range"]["start"]["line"] + 1, each["message"]) for each in found
    ]
