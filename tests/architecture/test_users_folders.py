"""Where tests keep what a program of agentkit keeps in the user's folders."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import platformdirs
import pytest

FOLDERS = (
    platformdirs.user_data_path("agentkit"),
    platformdirs.user_config_path("agentkit"),
    platformdirs.user_cache_path("agentkit"),
)


@pytest.mark.skipif(os.name == "nt", reason="Windows asks the system for these folders")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_nothing_of_the_user_is_read_or_written(folder: Path) -> None:
    assert folder.is_relative_to(tempfile.gettempdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows asks the system for these folders")
def test_programs_that_tests_start_know_it() -> None:
    line = "import platformdirs; print(platformdirs.user_data_path('agentkit'))"
    told = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert Path(told.stdout.strip()) == FOLDERS[0]
