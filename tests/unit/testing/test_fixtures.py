"""The plugin of pytest, in projects of their own: its fixtures, and what it costs those who do not
use them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.processes import forked, pytest_run

ROOT = Path(__file__).parents[3]
APP = """
from agentkit import Agent, ImageGeneration, tool

@tool
def weather(city: str) -> str:
    '''Today's weather in a city.'''
    return f"Light snow in {city}"

# Made before any fixture.
agent = Agent("acme/model-of-tomorrow", tools=[weather])
painter = Agent("openai/gpt-5.2", tools=[ImageGeneration()])
"""
WORKS = """
import asyncio, os, threading

import pytest
from agentkit import Agent, OpenRouter, Text
from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say
from agentkit.testing import assert_billed_once, assert_calls, assert_drawn
from app import agent, painter

def test_sync(scripted_model: Emulator) -> None:
    scripted_model.play(CallTool("weather", {"city": "Oslo"}), "Take a coat.")
    answer = agent.run_sync("What shall I wear in Oslo?")
    assert answer.text == "Take a coat."
    assert_calls(answer, ("weather", {"city": "Oslo"}))
    assert_billed_once(scripted_model)

async def test_async(scripted_model: Emulator) -> None:
    scripted_model.play("Hello.")
    assert (await agent.run("Hello")).text == "Hello."

async def test_streamed_slowly(scripted_model: Emulator) -> None:
    scripted_model.play(Reply([Say("Snow falls")], delay=0.01, pause=0.001, chunk=2))
    async with agent.stream("Hello") as stream:
        assert (await stream.finish()).text == "Snow falls"

@pytest.mark.parametrize("number", range(3))
def test_nothing_is_shared(scripted_model: Emulator, number: int) -> None:
    assert not scripted_model.posts and not scripted_model.requests
    scripted_model.play(str(number))
    answer = agent.run_sync("Hello")
    assert answer.text == str(number)
    asked = [each.path.partition("?")[0] for each in scripted_model.requests]
    assert "/api/v1/models" in asked, "the catalogue that an earlier test had read was used"

def test_both_are_one(emulator: Emulator, scripted_model: Emulator) -> None:
    assert emulator is scripted_model
    emulator.play("Hello.")
    assert agent.run_sync("Hello").text == "Hello."

def test_rules(emulator: Emulator) -> None:
    answer = agent.run_sync("What is the weather in Oslo?")
    assert_calls(answer, "weather")

def test_a_picture_is_kept_for_this_test(scripted_model: Emulator, tmp_path_factory) -> None:
    scripted_model.play(Draw("a fox", size=(64, 64)))
    assert_drawn(painter.run_sync("Draw a fox"), 1)
    assert os.environ["AGENTKIT_STORE"].startswith(str(tmp_path_factory.getbasetemp()))
    assert os.listdir(os.environ["AGENTKIT_STORE"])

def test_a_failure_is_told_and_can_be_caught(scripted_model: Emulator) -> None:
    from agentkit.errors import InsufficientCredits
    scripted_model.play(Failure("no credits", 402))
    with pytest.raises(InsufficientCredits, match="no credits"):
        agent.run_sync("Hello")

class TestOptions:
    @pytest.fixture
    def emulator_options(self):
        return {"seed": 7, "api_key": "sk-or-of-this-test"}

    def test_are_taken(self, scripted_model: Emulator) -> None:
        scripted_model.play("Hello.")
        assert agent.run_sync("Hello").text == "Hello."
        assert os.environ["OPENROUTER_API_KEY"] == "sk-or-of-this-test"

def test_the_environment_is_as_before() -> None:
    assert os.environ["OPENROUTER_BASE_URL"] == "https://before.example/api/v1"
    assert "OPENROUTER_API_KEY" not in os.environ
    assert not [each.name for each in threading.enumerate() if "emulator" in each.name]
"""
FAILS = """
import pytest
from agentkit.errors import AgentkitError
from app import agent

def test_one_request_too_many(scripted_model) -> None:
    scripted_model.play("one")
    agent.run_sync("Hello")
    try:
        agent.run_sync("And again")
    except AgentkitError:
        pass

def test_one_reply_too_many(scripted_model) -> None:
    scripted_model.play("one", "two")
    agent.run_sync("Hello")

def test_its_own_word(scripted_model) -> None:
    scripted_model.play("one")
    assert False, "the test itself"

def test_unscripted(scripted_model) -> None:
    agent.run_sync("Hello")

def test_what_cannot_be_played(scripted_model) -> None:
    scripted_model.play(["one", 5])
"""
OWN = """
import pytest

@pytest.fixture
def emulator():
    return "their own"

@pytest.fixture
def scripted_model():
    return "theirs too"

def test_a_fixture_of_that_name(emulator, scripted_model) -> None:
    assert (emulator, scripted_model) == ("their own", "theirs too")
"""
LOADED = """
import sys
import pytest
before = set(sys.modules)
import agentkit.testing.plugin
print(*sorted(set(sys.modules) - before))
"""


def run(folder: Path, *arguments: str, **files: str) -> subprocess.CompletedProcess[str]:
    """pytest in a project of these files, with the plugin."""
    for name, text in {"app": APP, **files}.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENROUTER_", "PYTEST_"))
    }
    environment |= {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
        "OPENROUTER_BASE_URL": "https://before.example/api/v1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "COLUMNS": "200",
    }
    plugin = "-p agentkit.testing.plugin -p pytest_asyncio.plugin -p no:cacheprovider".split()
    plugin += ["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"]
    given = ("-q", "-c", os.devnull, *plugin, *arguments, str(folder))
    return forked(pytest_run, given, cwd=folder, environment=environment)


def test_the_fixtures_serve_sync_and_async_tests(tmp_path: Path) -> None:
    done = run(tmp_path, test_works=WORKS)
    assert "12 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_a_script_that_does_not_fit_fails_the_test(tmp_path: Path) -> None:
    done = run(tmp_path, test_fails=FAILS)
    told = done.stdout
    assert "AssertionError: the script had no reply left for:" in told, told
    assert "the user's 'And again'" in told
    assert "AssertionError: never asked for, of the script: 1 reply" in told
    assert "Reply(content=(Say(text='two'),))" in told
    assert "AssertionError: the test itself" in told
    assert (
        "The script has no reply left for the user's 'Hello'; 0 of its replies were given" in told
    )
    assert "play: 5 was given; accepted are Reply(…), RawReply(…), words, Failure(…)" in told
    assert "3 failed, 2 passed, 2 errors" in told, "the script has no word where a test failed"


def test_fixtures_of_the_same_name_come_first(tmp_path: Path) -> None:
    assert "1 passed" in run(tmp_path, test_own=OWN).stdout


def test_the_plugin_imports_pytest_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOADED],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    ours = ["agentkit", "agentkit._version", "agentkit.testing", "agentkit.testing.plugin"]
    assert done.stdout.split() == ours


def test_the_list_of_fixtures_says_what_each_is(tmp_path: Path) -> None:
    listed = run(tmp_path, "--fixtures", test_own="").stdout
    for name in ("emulator", "scripted_model", "emulator_options"):
        assert f"\n{name} -- " in listed, listed
    assert "no docstring" not in listed.partition("from agentkit")[2].partition("fixtures def")[0]
