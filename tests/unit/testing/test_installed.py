"""The plugin as pytest finds it in an environment that has the wheel and pytest."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.architecture.fresh import build_wheel, fresh_environment

TEST = """
import pytest
from agentkit import Agent

@pytest.mark.anyio
async def test_it_says_what_was_scripted(scripted_model):
    scripted_model.play("Hello.")
    assert (await Agent("acme/any").run("Hi")).text == "Hello."
"""


@pytest.mark.slow  # a wheel and an environment are made
def test_the_fixtures_are_there_without_being_named(tmp_path: Path) -> None:
    place = fresh_environment(tmp_path / "venv", build_wheel(tmp_path))
    place.add(Requirement("pytest"))
    (place.folder / "test_agent.py").write_text(TEST, encoding="utf-8")
    done = place.run(place.python, "-W", "error", "-m", "pytest", "test_agent.py")
    assert "agentkit-openrouter-" in done.stdout, done.stdout + done.stderr
    assert "1 passed" in done.stdout
