"""The README's examples, run as they stand, against the emulator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agentkit.emulator import Emulator

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: code.strip().splitlines()[0])
def test_an_example_runs(code: str, emulator: Emulator, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "OPENROUTER_API_KEY": "sk-or-any",
        "OPENROUTER_BASE_URL": emulator.base_url,
        "AGENTKIT_STORE": str(tmp_path / "store"),
        "PYTHONPATH": str(README.parent),
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    if "run_sync" in code:
        assert "Oslo" in done.stdout
        assert list((tmp_path / "out" / "oslo" / "images").iterdir())
    if "chat.stream" in code:
        assert "['img_1', 'img_2']" in done.stdout


def test_there_are_examples() -> None:
    assert len(BLOCKS) == 3
