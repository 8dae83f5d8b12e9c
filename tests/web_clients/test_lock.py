"""The packages of npm are the same for everybody, from whichever registry they come."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.web_clients.node import HERE

STACKS = HERE.parent / "stacks" / "pages"
FOLDERS = pytest.mark.parametrize("folder", [HERE, STACKS], ids=lambda each: each.name)


@FOLDERS
def test_the_lock_names_no_registry(folder: Path) -> None:
    """`npm install --omit-lockfile-registry-resolved=true` writes it so."""
    packages = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert not name or package["integrity"].startswith("sha512-"), name


@FOLDERS
def test_each_client_has_an_exact_version(folder: Path) -> None:
    wanted = json.loads((folder / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    for name, told in wanted.items():
        version = told.rpartition("@")[2]
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), told
        assert locked[f"node_modules/{name}"]["version"] == version
