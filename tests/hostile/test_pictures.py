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


@pytest.fixture(scope="session")
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


def harm(told: Mapping[str, Any]) -> list[str]:
    """What is wrong with what came of one picture."""
    found = [f"took {told['seconds']} s"] if told["seconds"] > SECONDS else []
    for step, came in told["steps"].items():
        if came != "ok" and not came.startswith("refused: "):
            found.append(f"{step}: {came}")
        if len(came) >= 300 or not came.isprintable():
            found.append(f"{step} is told badly: {came[:400]!r}")
    return found


def test_no_picture_does_harm(outcomes: Mapping[str, Any]) -> None:
    assert {name: harm(outcomes[name]) for name in NAMES if harm(outcomes[name])} == {}


def test_what_is_no_picture_is_refused(outcomes: Mapping[str, Any]) -> None:
    for name in REFUSED:
        told = outcomes[name]["steps"]
        assert told["inspect"].startswith("refused: "), name
        assert told["store"] == told["inspect"], name
        assert told.get("to_pillow", "refused: ").startswith("refused: "), name
        assert "notebook" not in told or told["notebook"] == "ok", name


def test_no_svg_is_shown_or_decoded(outcomes: Mapping[str, Any]) -> None:
    svgs = [name for name in ODD if name.startswith("SVG")]
    assert svgs
    for name in svgs:
        assert outcomes[name]["steps"]["to_pillow"].startswith("refused: "), name
