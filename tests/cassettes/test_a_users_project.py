"""A project that uses agentkit records its tests and plays them without a network: with vcrpy, with
pytest-recording and with `agentkit.testing`, on both transports, in all four ways.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.architecture.fresh import ROOT, Environment, build_wheel, fresh_environment
from tests.cassettes.talk import KEY
from tests.processes import forked, pytest_run

SOURCE = Path(__file__).parent / "project"


class Here(Environment):
    """The environment of these tests, whose pytest runs in a forked process."""

    def run(
        self, *command: str | Path, stdin: str = "", **changes: str
    ) -> subprocess.CompletedProcess[str]:
        given = tuple(map(str, command[command.index("pytest") + 1 :]))
        return forked(pytest_run, given, stdin=stdin, environment=self.variables(**changes))


def project(folder: Path) -> Path:
    folder.mkdir()
    shutil.copy(SOURCE / "conftest_of_a_user.py", folder / "conftest.py")
    shutil.copy(SOURCE / "tests_of_a_user.py", folder / "test_talk.py")
    return folder


def run(
    place: Environment, folder: Path, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    command = [place.python, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return place.run(*command, "-c", "/dev/null", str(folder), *arguments, **variables)


def recorded_and_played(
    place: Environment, folder: Path, *arguments: str, **variables: str
) -> list[Path]:
    """The cassettes of the project, which were played."""
    for step, mode in ({"RECORD": "1", "OPENROUTER_API_KEY": KEY}, "once"), ({}, "none"):
        key = {} if mode == "once" else {"OPENROUTER_API_KEY": "any"}
        done = run(place, folder, f"--record-mode={mode}", *arguments, **variables, **key, **step)
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"^\d+ passed", done.stdout.splitlines()[-1]), done.stdout
    return sorted((folder / "cassettes").rglob("*.yaml"))


def check(found: list[Path], each: int) -> None:
    """As many cassettes of each kind; no key in any, and those of agentkit are small."""
    assert len(found) == 3 * each
    assert [path.name for path in found if KEY in path.read_text()] == []
    ours = [path for path in found if path.read_text().startswith("# Recorded by agentkit.testing")]
    assert len(ours) == each
    assert max(path.stat().st_size for path in ours) <= 60_000


def test_in_this_environment(tmp_path: Path) -> None:
    """Of the four ways, one."""
    here = Here(Path(sys.prefix))
    plugins = ["-p", "agentkit.testing.plugin", "-p", "pytest_recording.plugin"]
    variables = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    folder = project(tmp_path / "project")
    found = recorded_and_played(here, folder, *plugins, "-k", "streamed and chat", **variables)
    check(found, each=2)


@pytest.mark.slow
def test_with_the_wheel_and_its_extra_alone(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    place = fresh_environment(tmp_path / "environment", wheel)
    for line in wheel.distribution.requires or []:
        requirement = Requirement(line)
        if requirement.marker is not None and requirement.marker.evaluate({"extra": "testing"}):
            place.add(requirement)
    found = recorded_and_played(place, project(tmp_path / "project"))
    check(found, each=8)
