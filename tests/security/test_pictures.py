"""Hostile pictures harm nothing: no crash, no exception but agentkit's own, within two seconds and
512 MB.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.clock import GUARD
from tests.security import photos, pictures
from tests.security.pictures import Build, cuts

SECONDS = 20.0
"""Of the processor, for one picture: ten times what the slowest takes on a quiet machine."""
ODD = {**pictures.ODD, **photos.ODD}
REFUSED = {**pictures.REFUSED, **photos.REFUSED}
TABLE: dict[str, Build] = {
    **REFUSED,
    **ODD,
    **{name: (lambda data=data: data) for name, data in cuts()},
}
HEAVY = {
    "AVIF whose size is not that of its pixels",
    "BMP whose RLE never ends",
    "GIF with a comment of 16 MB",
    "GIF of extensions that never end",
    "JPEG whose EXIF tells 30 MB again and again",
    "JPEG with 1,000 ICC pieces",
    "JPEG with a place, and a scan of fill bytes",
    "JPEG with a place, and segments behind its pixels",
    "JPEG, progressive, 7,000 × 7,000",
    "PNG of a million chunks",
    "PNG of 16 bits, 5,000 × 5,000",
    "PNG with EXIF of 20 MB that is turned",
    "PNG with a text of 24 MB",
    "PNG with an ICC profile of 24 MB",
    "PNG, 7,000 × 7,000 and all there",
    "PNG, 7,000 × 7,000 of 16 bits with alpha",
    "PNG, interlaced, 7,000 × 7,000",
    "PNG, more pixels than it says",
    "SVG, a bomb of gzip",
    "TIFF of 30 MB again and again",
    "TIFF of CMYK, 4,000 × 4,000",
    "TIFF of floats, 4,000 × 4,000",
    "WebP of 20,000 frames",
    "WebP with an ICC profile of 24 MB",
    "WebP, a canvas of 7,000 × 7,000 with frames",
}
"""These take nine tenths of the time; of each kind, others are quick."""


def test_the_table_is_large_enough() -> None:
    assert len(REFUSED) + len(ODD) >= 60


def outcomes(folder: Path, names: Sequence[str]) -> Mapping[str, Any]:
    """What came of each picture in a child process."""
    for number, name in enumerate(names):
        (folder / f"{number:04d}.in").write_bytes(TABLE[name]())
    command = [sys.executable, "-m", "tests.security.child", str(folder)]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=5 * GUARD,
        cwd=Path(__file__).parents[2],
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = {names[int(line["file"][:4])]: line for line in lines}
    assert done.returncode == 0, (
        f"crashed at {names[len(lines)]!r}: {done.returncode} {done.stderr[-2000:]}"
    )
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


def passed_for_a_picture(told: Mapping[str, str]) -> list[str]:
    """Steps that took what is no picture for one."""
    wrong = [
        step
        for step in ("inspect", "store", "to_pillow")
        if not told.get(step, "refused: ").startswith("refused: ")
    ]
    return wrong + [f"store says {told['store']!r}, inspect {told['inspect']!r}"] * (
        told["store"] != told["inspect"]
    )


def check(folder: Path, names: Sequence[str]) -> None:
    came = outcomes(folder, names)
    assert {name: found for name in names if (found := harm(came[name]))} == {}
    assert {
        name: found
        for name in names
        if name in REFUSED and (found := passed_for_a_picture(came[name]["steps"]))
    } == {}
    svgs = [name for name in names if name in ODD and name.startswith("SVG")]
    assert [
        name for name in svgs if not came[name]["steps"]["to_pillow"].startswith("refused: ")
    ] == []


def test_no_picture_does_harm(tmp_path: Path) -> None:
    """All in one test, for making the pictures takes longer than looking at them."""
    names = [name for name in TABLE if name not in HEAVY]
    assert any(name.startswith("SVG") for name in names)
    check(tmp_path, names)


@pytest.mark.slow
def test_no_heavy_picture_does_harm(tmp_path: Path) -> None:
    assert set(TABLE) >= HEAVY
    check(tmp_path, sorted(HEAVY))
