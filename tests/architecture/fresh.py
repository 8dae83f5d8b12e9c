"""A fresh environment with the built wheel and the packages of its base install, made without a
network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from zipfile import Path as ZipPath
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LEFT_OUT = ("OPENROUTER_", "AGENTKIT_", "LIVE", "PYTHONPATH", "VIRTUAL_ENV")
LONGEST = 1_800.0
"""Seconds until a command hangs: pip alone has taken five minutes beside a dozen other programs."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True)
class Wheel:
    """A built wheel."""

    path: Path

    @property
    def files(self) -> set[str]:
        with ZipFile(self.path) as archive:
            return set(archive.namelist())

    @property
    def distribution(self) -> Distribution:
        """What the wheel says of itself: name, version, requirements, entry points."""
        name, version, *_ = self.path.stem.split("-")
        folder = ZipPath(self.path, f"{name}-{version}.dist-info/")
        return PathDistribution(folder)  # type: ignore[arg-type]  # a path inside an archive will do


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own. Its commands see nothing of the one that runs the tests."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def agentkit(self) -> Path:
        return self.folder / "bin" / "agentkit"

    @property
    def packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def variables(self, **changes: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(LEFT_OUT) and name.lower() not in PROXIES
        }
        return kept | {"AGENTKIT_STORE": str(self.folder / "store")} | changes

    def run(
        self, *command: str | Path, stdin: str = "", **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """The finished command, run in the environment's own folder."""
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
            cwd=self.folder,
            env=self.variables(**changes),
        )

    def add(self, requirement: Requirement) -> None:
        """Install a package, and what it requires, as links to the copies that the tests run
        with.
        """
        for each in _with_all_that_it_requires(requirement, set()):
            for entry in {file.parts[0] for file in each.files or [] if file.parts[0] != ".."}:
                link = self.packages / entry
                if entry != "__pycache__" and not link.exists():
                    link.symlink_to(Path(str(each.locate_file(entry))).resolve())


def build_wheel(folder: Path) -> Wheel:
    """The wheel of this source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return Wheel(path)


def fresh_environment(folder: Path, wheel: Wheel) -> Environment:
    """An environment that holds the wheel and the packages that it requires without any extra, and
    no other.

    pip installs the wheel from its file and resolves what it requires; no index is asked, so what
    is missing is an error here.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    made = Environment(folder)
    for requirement in requirements(wheel.distribution):
        made.add(requirement)
    install = [sys.executable, "-m", "pip", "--python", made.python, "install", "--no-index"]
    done = made.run(*install, wheel.path)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def requirements(found: Distribution, extra: str = "") -> list[Requirement]:
    """What a distribution requires on this system, with one of its extras or with none."""
    several = [Requirement(line) for line in found.requires or []]
    return [
        each for each in several if each.marker is None or each.marker.evaluate({"extra": extra})
    ]


def _with_all_that_it_requires(
    requirement: Requirement, seen: set[tuple[str, str]]
) -> Iterator[Distribution]:
    found = distribution(requirement.name)
    for extra in ("", *requirement.extras):
        key = (canonicalize_name(requirement.name), extra)
        if key in seen:
            continue
        seen.add(key)
        yield found
        for each in requirements(found, extra):
            yield from _with_all_that_it_requires(each, seen)
