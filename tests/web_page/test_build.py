"""What is committed is what the sources build, to the byte."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import agentkit.web
from tests.clock import GUARD

WEB = Path(agentkit.web.__file__).parent
PAGE = WEB / "page"


def test_the_page_is_what_its_sources_build(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (PAGE / "node_modules" / "esbuild").is_dir():
        pytest.skip("what builds the page is missing: make web installs it, with Node 20 or newer")
    subprocess.run([node, PAGE / "build.js", tmp_path], check=True, timeout=GUARD)
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in (WEB / "static").iterdir()}
    assert sorted(built) == sorted(kept)
    assert [name for name in kept if built[name] != kept[name]] == []


def test_the_lock_names_no_registry_and_one_version_of_each() -> None:
    lock = json.loads((PAGE / "package-lock.json").read_text("utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert {"node_modules/markdown-it", "node_modules/dompurify"} <= set(packages)
    for name, each in packages.items():
        assert "resolved" not in each, name
        assert each["integrity"].startswith("sha512-"), name
    wanted = json.loads((PAGE / "package.json").read_text("utf-8"))
    for name, version in (wanted["dependencies"] | wanted["devDependencies"]).items():
        assert packages[f"node_modules/{name}"]["version"] == version
