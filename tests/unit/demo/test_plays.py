"""Several plays: at once, again and again, from a cassette, as tests, as JUnit XML, by a program."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest
import yaml

from agentkit.demo import ScriptError, load, play_scripts
from agentkit.demo.checks import Check
from agentkit.demo.json_schema import json_schema
from agentkit.demo.plays import Rate, rates
from agentkit.errors import UsageError
from tests.processes import execute, forked
from tests.unit.demo.hand_made import played, turn

SCRIPT = """\
name: Small
model: google/gemini-2.5-flash-image
settings: {modalities: [image, text]}
apis: [chat]
turns:
  - say: Draw a fox.
    replies: [{say: "Here:", draw: {prompt: a fox, size: 64x64}}]
    expect: {images: 1, image: {dominant_colour: navy}}
  - say: Thanks.
    replies: [You are welcome.]
    expect: {text: welcome}
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "small.demo.yaml"
    path.write_text(SCRIPT)
    return path


async def test_a_program_plays_scripts_again_and_again(script: Path, tmp_path: Path) -> None:
    results = await play_scripts(script, load(script), repeat=2, at_once=3)
    assert [each.number for each in results.plays] == [1, 2, 1, 2]
    assert all(len(each.turns) == 2 for each in results.plays)
    assert not results.is_good
    assert len(results.failed) == 4  # the colour of a picture that the painter chose
    first, second = results.results.scripts
    shaky = [
        (each.turn, each.field, each.held, each.of)
        for each in results.rates(first)
        if each.held < each.of
    ]
    assert shaky == [(1, "image.dominant_colour", 0, 2)]
    pages = results.report(tmp_path / "out", single_file=True)
    assert all(page.is_file() for page in pages)
    assert len(pages) == 2
    results.junit(tmp_path / "junit.xml")
    suites = ET.parse(tmp_path / "junit.xml").getroot()
    assert [(each.get("tests"), each.get("failures")) for each in suites] == [("2", "1")] * 4
    assert [each.get("name") for each in suites[0]] == ["1. Draw a fox.", "2. Thanks."]
    assert second.name == "Small"


async def test_a_cassette_is_recorded_and_played(script: Path, tmp_path: Path) -> None:
    tape = tmp_path / "small.yaml"
    recorded = await play_scripts(script, cassette=tape)
    assert recorded.answered_by.kind == "emulator"
    again = await play_scripts(script, cassette=tape)
    assert (again.answered_by.kind, again.answered_by.cassette) == ("cassette", "small.yaml")
    assert again.answered_by.recorded_from == "the emulator by the script Small"
    assert again.failed == []  # what a picture looks like is not in a cassette
    script.write_text(SCRIPT.replace("a fox.", "an owl."))  # noqa: ASYNC240
    with pytest.raises(UsageError, match="was not recorded from this script"):
        await play_scripts(script, cassette=tape)
    with pytest.raises(UsageError, match="at_once=2"):
        await play_scripts(script, cassette=tape, at_once=2)


async def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one script"):
        await play_scripts()
    with pytest.raises(UsageError, match="repeat=0"):
        await play_scripts(tmp_path / "x", repeat=0)
    with pytest.raises(ScriptError, match="cannot be read"):
        await play_scripts(tmp_path / "x")


def test_how_often_an_expectation_held() -> None:
    good, bad = Check("text", "a", "a", "met"), Check("text", "a", "b", "unmet")
    flat, extra = (
        Check("colours", "red", "flat", "skipped"),
        Check("tools.x", "0 calls", "1", "unmet"),
    )
    turns = [turn(None, error="x"), turn(None), turn(None), turn(None)]
    made = [(), (good, flat), (bad, flat), (good, flat, extra)]
    from dataclasses import replace

    plays = [played(replace(each, checks=checks)) for each, checks in zip(turns, made, strict=True)]
    assert rates(plays) == [
        Rate(1, "text", "a", 2, 4),
        Rate(1, "colours", "red", 0, 1),
        Rate(1, "tools.x", "0 calls", 2, 4),
    ]


def test_the_schema_takes_what_is_a_script() -> None:
    schema = json_schema()
    validator = jsonschema_rs.validator_for(json.loads(json.dumps(schema)))
    examples = Path(__file__).parents[3] / "examples"
    for text in (SCRIPT, (examples / "fox.demo.yaml").read_text("utf-8")):
        assert validator.is_valid(yaml.safe_load(text))
    for old, new in (("say: Thanks", "sing: la"), ("images: 1", "images: one"), ("chat]", "soap]")):
        assert not validator.is_valid(yaml.safe_load(SCRIPT.replace(old, new)))


def test_pytest_collects_scripts_on_request(script: Path) -> None:
    folder = script.parent
    (folder / "broken.demo.yaml").write_text("name: 5")
    code = "import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    plain = ["-p", "no:cacheprovider", "-q", "--rootdir", str(folder), str(folder)]
    plugin = ["-p", "agentkit.demo.plugin"]
    # Where agentkit is installed, pytest loads the plugin by itself, and not twice.
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    none = forked(execute, code, (*plugin, *plain), cwd=folder, environment=alone)
    assert none.returncode == 5, none.stdout  # nothing was collected
    asked = ("--demos", "--continue-on-collection-errors")
    done = forked(execute, code, (*plugin, *plain, *asked), cwd=folder, environment=alone)
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "1 error" in done.stdout
    assert "expected images of mostly navy" in done.stdout
    assert "broken.demo.yaml:1: field name: given 5, accepted is text" in done.stdout
