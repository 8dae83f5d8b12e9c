"""A run of the tests ends with a list of what failed, even where the run itself breaks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.documents import ROOT

BREAKS = """
from tests.failure_list import FailureList

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailureList(), "failure-list")

def pytest_runtest_logfinish(nodeid):
    if nodeid.endswith("test_second"):
        raise RuntimeError("a plugin that breaks")
"""
TESTS = """
def test_first():
    assert False, "a failure of its own"

def test_second():
    pass
"""


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["alone", "with a worker"])
def test_what_failed_is_named(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "conftest.py").write_text(BREAKS)
    (tmp_path / "test_both.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "xdist.plugin",
        *workers,
        str(tmp_path),
    ]
    # Without the plugins that need seconds to load; xdist is named.
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == pytest.ExitCode.INTERNAL_ERROR
    assert "1 tests had failed" in done.stderr
    assert "FAILED test_both.py::test_first (call)" in done.stderr
