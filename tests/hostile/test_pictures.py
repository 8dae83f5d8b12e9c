"""Hostile pictures harm nothing: no crash, no exception but agentkit's own, within two seconds and 512 MB."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.pictures import ODD, REFUSED, Build, cuts

SECONDS = 2.0
TABLE: dict[str, Build] = {**REFUSED, **ODD, **{name: (lambda data=data: data) for name, data in cuts()}}
NAMES = list(TABLE)


def test_the_table_is_large_enough() -> None:
    assert len(REFUSED) + len(ODD) >= 60


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    folder = tmp_path_factory.mktemp("hostile")
    for number, name in enumerate(NAMES):
        (folder / f"{number:04d}.in").write_bytes(TABLE[name]())
    command = [sys.executable, "-m", "tests.hostile.child", str(folder)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=240, cwd=Path(__file__).parents[2]
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = {NAMES[int(line["file"][:4])]: line for line in lines}
    assert done.returncode == 0, f"crashed at {NAMES[len(lines)]!r}: {done.returncode} {done.stderr[-2000:]}"
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_picture_does_harm(name: str, outcomes: Mapping[str, Any]) -> None:
    told = outcomes[name]
    assert told["seconds"] <= SECONDS
    for step, came in told["steps"].items():
        assert came == "ok" or came.startswith("refused: "), f"{step}: {came}"
        assert len(came) < 300, step
        assert came.isprintable(), step


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_refused(name: str, outcomes: Mapping[str, Any]) -> None:
    told = outcomes[name]["steps"]
    assert told["inspect"].startswith("refused: ")
    assert told["store"] == told["inspect"]
    assert told.get("to_pillow", "refused: ").startswith("refused: ")
    assert "notebook" not in told or told["notebook"] == "ok"


@pytest.mark.parametrize("name", [name for name in ODD if name.startswith("SVG")])
def test_no_svg_is_shown_or_decoded(name: str, outcomes: Mapping[str, Any]) -> None:
    assert outcomes[name]["steps"]["to_pillow"].startswith("refused: ")
