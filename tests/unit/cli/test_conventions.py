"""What a user expects of any command line (clig.dev), and of one that asks models (`llm`)."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import pytest

from tests.unit.cli.commands import CONTROL, on_terminal, run

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CHECKS: list[tuple[str, Callable[[Path], None]]] = []


@dataclass(frozen=True)
class _Convention:
    name: str

    def __call__(self, check: Callable[[Path], None]) -> Callable[[Path], None]:
        CHECKS.append((self.name, check))
        return check


@_Convention("every command has -h and --help, on stdout")
def _(home: Path) -> None:
    groups = ["", "ask", "chat", "models", "emulator", "image draw", "image edit", "store size"]
    names = (*groups, "sessions list", "keys set", "worker", "runs show")
    for name, flag in zip(names, cycle(("-h", "--help")), strict=False):
        done = run(*name.split(), flag, HOME=str(home))
        assert (done.returncode, done.stderr) == (0, ""), name
        assert done.stdout.startswith("Usage: agentkit")


@_Convention("the help names each command with what it does")
def _(home: Path) -> None:
    told = run("--help").stdout
    for name in "ask chat demo image models sessions store worker runs keys emulator".split():
        assert re.search(rf"^  {name} +[A-Z].+", told, re.MULTILINE), name


@_Convention("the help fits into 80 columns")
def _(home: Path) -> None:
    assert max(map(len, run("ask", "--help", COLUMNS="80").stdout.splitlines())) <= 80


@_Convention("without arguments, at a terminal, it shows its help")
def _(home: Path) -> None:
    _, shown = on_terminal(HOME=str(home))
    assert shown.startswith("Usage: agentkit")


@_Convention("--version")
def _(home: Path) -> None:
    assert re.fullmatch(r"agentkit \d+\.\d+\.\d+\S*\n", run("--version").stdout)


@_Convention("an unknown option is told on stderr, with exit code 2")
def _(home: Path) -> None:
    done = run("models", "--outputs", "image")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such option" in done.stderr
    assert "--output" in done.stderr


@_Convention("a slip of the finger is answered with what was meant, and is not paid for")
def _(home: Path) -> None:
    done = run("sesions", "list", HOME=str(home))
    assert done.returncode == 2
    assert "Did you mean 'sessions'?" in done.stderr


@_Convention("errors go to stderr, one line, without a traceback")
def _(home: Path) -> None:
    done = run("Hello there", HOME=str(home))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1


@_Convention("--debug shows the traceback, wherever it stands")
def _(home: Path) -> None:
    assert "Traceback" in run("--debug", "Hello there", HOME=str(home)).stderr
    assert "Traceback" in run("Hello there", "--debug", HOME=str(home)).stderr


@_Convention("an error says what to do")
def _(home: Path) -> None:
    assert "agentkit keys set" in run("Hello there", HOME=str(home)).stderr


@_Convention("the answer alone goes to stdout")
def _(home: Path) -> None:
    done = run("Draw a fox", "--offline", HOME=str(home))
    assert done.returncode == 0
    assert "$" not in done.stdout
    assert "tokens · $" in done.stderr


@_Convention("no colours and no escapes in a pipe")
def _(home: Path) -> None:
    done = run("Draw a fox", "--offline", HOME=str(home), FORCE_COLOR="1", TERM="xterm-256color")
    assert not CONTROL.search(done.stdout + done.stderr)


@_Convention("colours at a terminal, unless NO_COLOR, --no-color or TERM=dumb")
def _(home: Path) -> None:
    words = ("Draw a fox", "--offline")
    assert "\x1b[35m▣" in on_terminal(*words, HOME=str(home))[1]
    for more, env in (((), {"NO_COLOR": "1"}), (("--no-color",), {})):
        _, shown = on_terminal(*words, *more, HOME=str(home), **env)
        assert not re.search(r"\x1b\[\d+m", shown)
        assert "▣ img_1" in shown


@_Convention("what a terminal shows stays readable at 20 columns")
def _(home: Path) -> None:
    code, shown = on_terminal("models", "--offline", columns=20, HOME=str(home))
    assert code == 0
    assert "  1.75 $/M prompt\n" in shown
    assert on_terminal("--help", columns=20, HOME=str(home))[0] == 0


@_Convention("--json prints one JSON value a line")
def _(home: Path) -> None:
    for words in (("Hello there",), ("models",)):
        done = run(*words, "--json", "--offline", HOME=str(home))
        assert [json.loads(line) for line in done.stdout.splitlines()]


@_Convention("columns are separated by tabs in a pipe")
def _(home: Path) -> None:
    done = run("models", "--output", "image", "--offline", HOME=str(home))
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert {len(row) for row in rows} == {4}
    assert ["black-forest-labs/flux.2-pro", "1", "4", "0.03"] in rows


@_Convention("-- ends the options")
def _(home: Path) -> None:
    done = run("--offline", "-q", "--", "--debug", "-m", "Hello there", HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@_Convention("options may stand before and after the words, and as --name=value")
def _(home: Path) -> None:
    for words in (("-m", "a/b", "Hello there"), ("Hello there", "--model=a/b")):
        done = run(*words, "--offline", HOME=str(home))
        assert "a/b" in done.stderr


@_Convention("an option wins over the environment")
def _(home: Path) -> None:
    done = run("Hello there", "-m", "a/b", "--offline", HOME=str(home), AGENTKIT_MODEL="c/d")
    assert "a/b" in done.stderr
    assert "c/d" not in done.stderr


@_Convention("what is piped in stands before the words")
def _(home: Path) -> None:
    done = run("Hello there", "--offline", "-q", stdin="Draw a fox.\n", HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert ".png" in done.stdout


@_Convention("- is the input")
def _(home: Path) -> None:
    done = run("image", "edit", "-a", "-", "a hat", "--offline", stdin="x", HOME=str(home))
    assert done.returncode == 2
    assert "-a -: " in done.stderr


@_Convention("a key is never an argument; its file is the owner's alone")
def _(home: Path) -> None:
    file = home / "config/key"
    done = run("keys", "set", stdin="sk-or-v1-secret\n", AGENTKIT_KEY_FILE=str(file))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "secret" not in done.stderr
    assert file.read_text() == "sk-or-v1-secret\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run("keys", "set", "sk-or-v1-secret").returncode == 2
    assert run("keys", "show", AGENTKIT_KEY_FILE=str(file)).stdout == f"{file}\n"


@_Convention("the environment's key wins over the kept one, which is for OpenRouter alone")
def _(home: Path) -> None:
    file = home / "key"
    run("keys", "set", stdin="sk-or-v1-secret\n", AGENTKIT_KEY_FILE=str(file))
    env = {"AGENTKIT_KEY_FILE": str(file), "OPENROUTER_API_KEY": "other"}
    assert run("keys", "show", **env).stdout == "OPENROUTER_API_KEY\n"
    assert run("keys", "remove", AGENTKIT_KEY_FILE=str(file)).returncode == 0
    assert not file.exists()
    assert run("keys", "show", AGENTKIT_KEY_FILE=str(file)).returncode == 3


@_Convention("files that are there are not overwritten")
def _(home: Path) -> None:
    for _ in range(2):
        done = run("image", "draw", "A fox!", "--offline", "-q", cwd=home, HOME=str(home))
        assert done.returncode == 0, done.stderr
    assert {each.name for each in home.glob("*.png")} == {"a-fox.png", "a-fox-2.png"}
    assert done.stdout == "a-fox-2.png\n"


@_Convention("what cannot be undone is asked about; where nobody can be, it needs --yes")
def _(home: Path) -> None:
    done = run("sessions", "delete", "ada", HOME=str(home))
    assert done.returncode == 2
    assert "--yes" in done.stderr


@_Convention("-q prints nothing but the answer")
def _(home: Path) -> None:
    done = run("Draw a fox", "-q", "--offline", HOME=str(home))
    assert (done.returncode, done.stderr) == (0, "")


@_Convention("shells complete commands and options")
def _(home: Path) -> None:
    env = {"COMP_WORDS": "agentkit ses", "COMP_CWORD": "1", "HOME": str(home)}
    done = run(_AGENTKIT_COMPLETE="complete_bash", **env)
    assert done.stdout.split() == ["sessions"], done.stderr
    env |= {"COMP_WORDS": "agentkit ask --at", "COMP_CWORD": "2"}
    assert run(_AGENTKIT_COMPLETE="complete_bash", **env).stdout.split() == ["--attach"]


@_Convention("data lies where the user's system keeps data")
def _(home: Path) -> None:
    env = {"HOME": str(home), "XDG_DATA_HOME": str(home / "data")}
    assert run("Draw a fox", "-q", "--offline", **env).returncode == 0
    assert (home / "data/agentkit/images").is_dir()
    assert (home / "data/agentkit/chats.db").is_file()


@pytest.mark.parametrize(
    "check", [check for _, check in CHECKS], ids=[name.replace(" ", "-") for name, _ in CHECKS]
)
def test_convention(check: Callable[[Path], None], tmp_path: Path) -> None:
    check(tmp_path)


def test_there_are_enough() -> None:
    assert len(CHECKS) >= 20
