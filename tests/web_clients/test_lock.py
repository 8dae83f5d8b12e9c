"""The packages of npm are the same for everybody, from whichever registry they come."""

from __future__ import annotations

import json
import re

from tests.web_clients.install import LOCK
from tests.web_clients.node import HERE


def test_the_lock_names_no_registry() -> None:
    """`npm install --omit-lockfile-registry-resolved=true` writes it so."""
    packages = json.loads(LOCK.read_text("utf-8"))["packages"]
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert not name or package["integrity"].startswith("sha512-"), name


def test_each_client_has_an_exact_version() -> None:
    wanted = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads(LOCK.read_text("utf-8"))["packages"]
    for name, told in wanted.items():
        version = told.rpartition("@")[2]
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), told
        assert locked[f"node_modules/{name}"]["version"] == version
