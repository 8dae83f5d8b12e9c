"""Hostile texts, wherever they come from, reach no terminal as themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say, Think
from tests.conftest import picture
from tests.unit.cli.commands import CONTROL, HOSTILE, asks, run

BIG = picture(size=(160, 120), noise=90)
ALL = "\n".join(HOSTILE.values())
TOOL = """\
from agentkit import Agent, tool

@tool
def echo(text: str) -> str:
    "Says it again."
    return text

agent = Agent("openai/gpt-5.2", tools=[echo])
"""


@pytest.mark.parametrize("more", [(), ("--no-stream",), ("--json",)], ids=["", "whole", "json"])
def test_in_an_answer_a_tool_and_a_picture(
    emulator: Emulator, tmp_path: Path, more: tuple[str, ...]
) -> None:
    (tmp_path / "echo.py").write_text(TOOL)
    emulator.play(
        [
            Reply([Think(ALL), CallTool("echo", {"text": ALL}, id=f"c\x1b[2J{'x' * 50}")]),
            Reply([Say(ALL), Draw(ALL[:200], data=BIG)]),
        ]
    )
    done = run("-A", "echo.py", "Go on now", *more, cwd=tmp_path, **asks(emulator, tmp_path))
    assert done.returncode == 0, done.stderr[-300:]
    assert not CONTROL.search(done.stdout + done.stderr)
    if not more:
        for kind, text in HOSTILE.items():
            letters = [each for each in text if each.isalnum()]
            assert all(each in done.stdout for each in letters), kind


def test_in_an_error(emulator: Emulator, tmp_path: Path) -> None:
    emulator.play([Reply(error=Failure(ALL, 400))])
    done = run("Go on now", **asks(emulator, tmp_path))
    assert done.returncode in {2, 4}
    assert not CONTROL.search(done.stdout + done.stderr)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "{}"),
        ("-a", "{}"),
        ("-A", "{}"),
        ("-T", "{}"),
        ("-o", "{}", "x"),
        ("-o", "reasoning", "{}"),
        ("--out", "/dev/null/{}"),
        ("--cid", "{}"),
        ("--sessions", "{}"),
        ("--approve", "{}", "--cid", "x"),
    ],
    ids=lambda words: " ".join(words)[:20],
)
def test_in_an_argument(tmp_path: Path, words: tuple[str, ...]) -> None:
    hostile = ALL.replace("\x00", "")[:2000]
    given = [each.format(hostile) for each in words]
    done = run("Go on now", "--offline", *given, HOME=str(tmp_path))
    assert done.returncode != 0 or words[1] == "reasoning"
    assert "Traceback" not in done.stderr
    assert not CONTROL.search(done.stdout + done.stderr)


@pytest.mark.parametrize(
    "command",
    [
        ("models", "{}", "--offline"),
        ("sessions", "list", "{}"),
        ("sessions", "show", "{}"),
        ("sessions", "export", "{}", "out.zip"),
        ("sessions", "import", "{}"),
        ("sessions", "delete", "{}", "--yes"),
        ("image", "draw", "{}", "--offline"),
        ("{}",),
        ("{}", "x"),
    ],
    ids=lambda words: " ".join(words)[:20],
)
def test_in_the_words_of_a_command(tmp_path: Path, command: tuple[str, ...]) -> None:
    hostile = ALL.replace("\x00", "")[:2000]
    given = [each.format(hostile) for each in command]
    done = run(*given, cwd=tmp_path, HOME=str(tmp_path))
    assert "Traceback" not in done.stderr
    assert not CONTROL.search(done.stdout + done.stderr)


def test_in_a_kept_conversation(emulator: Emulator, tmp_path: Path) -> None:
    emulator.play([Reply([Say(ALL)])])
    env = asks(emulator, tmp_path)
    assert run(ALL.replace("\x00", ""), "-q", **env).returncode == 0
    listed = run("sessions", "list", **env)
    assert listed.stdout.count("\n") == 1
    cid = listed.stdout.split("\t")[0]
    for command in (("list", "--json"), ("show", cid), ("show", cid, "--json")):
        done = run("sessions", *command, **env)
        assert done.returncode == 0, done.stderr
        assert not CONTROL.search(listed.stdout + done.stdout + done.stderr)
