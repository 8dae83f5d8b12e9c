"""The fixture `cassette`, in projects of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from agentkit.testing.tape_file import Interaction, write
from tests.unit.testing.test_fixtures import run

PLAYED = """
import os
from pathlib import Path

import pytest
from agentkit import Agent
from agentkit.testing import Cassette

agent = Agent("openai/gpt-5.2", checks=False)  # made before any fixture

def test_without_a_key(cassette: Cassette) -> None:
    assert (cassette.mode, cassette.path.name) == ("none", "test_without_a_key.yaml")
    assert cassette.path.parent == Path(__file__).parent / "cassettes" / "test_played"
    assert agent.run_sync("Hello").text == "Good day."
    assert cassette.unplayed == ()

class TestOfAClass:
    @pytest.mark.parametrize("word", ["a/b: c"])
    def test_name(self, cassette: Cassette, word: str) -> None:
        assert cassette.path.name == "TestOfAClass.test_name[a-b- c].yaml"

@pytest.mark.parametrize("word", ["x" * 300, "x" * 301])
def test_long(cassette: Cassette, word: str) -> None:
    assert len(cassette.path.name) < 200
    seen = os.environ.setdefault("SEEN", "")
    assert cassette.path.name not in seen
    os.environ["SEEN"] += cassette.path.name

class TestOptions:
    @pytest.fixture
    def cassette_options(self):
        return {"mode": "once", "pictures": "size"}

    def test_options(self, cassette: Cassette) -> None:
        assert cassette.mode == "once"
        assert cassette.may_record
        assert "OPENROUTER_API_KEY" not in os.environ

def test_the_environment_is_as_before() -> None:
    assert "OPENROUTER_API_KEY" not in os.environ
"""
MISSING = """
from agentkit import Agent

def test_missing(cassette) -> None:
    Agent("openai/gpt-5.2", checks=False).run_sync("Hello")

def test_twice(cassette) -> None:
    from agentkit.testing import cassette as another
    with another("other.yaml"):
        pass
"""
HELLO = Interaction(
    "POST",
    "https://openrouter.test/api/v1/chat/completions",
    {"content-type": ["application/json"]},
    b'{"model":"openai/gpt-5.2","session_id":"redacted","messages":[{"role":"user","content":"Hello"}]}',
    200,
    "OK",
    {"content-type": ["application/json"]},
    b'{"id":"gen-0-a","object":"chat.completion","created":0,"model":"openai/gpt-5.2","choices":'
    b'[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Good day."}}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"cost":0.001}}',
)


def test_a_cassette_that_was_written_by_hand_is_played_without_a_key(tmp_path: Path) -> None:
    write(tmp_path / "cassettes" / "test_played" / "test_without_a_key.yaml", [HELLO], "")
    done = run(tmp_path, test_played=PLAYED)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    told = run(tmp_path, test_missing=MISSING).stdout
    assert "2 failed" in told, told
    file = tmp_path / "cassettes" / "test_missing" / "test_missing.yaml"
    assert f"is not in this cassette, {file}, which does not exist" in told
    assert "pytest --record-mode=new_episodes" in told
    assert "another cassette is open" in told


def test_without_vcrpy_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['vcr'] = None\n"
        "from agentkit.testing import cassette\n"
        "try: cassette('a.yaml').__enter__()\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "agentkit-openrouter[testing]"' in done.stdout
