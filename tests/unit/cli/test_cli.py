"""The command, as a user runs it: a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from agentkit import __version__
from agentkit.cli import main
from tests.processes import PATIENCE, command, forked

SCRIPT = """\
name: Small
model: openai/gpt-5.2
tools: [openrouter:image_generation]
turns:
  - say: Hello!
    expect: {images: 0}
  - say: Draw a blue owl.
    expect: {images: 1}
"""
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def environment(**changes: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENROUTER_", "AGENTKIT_", "LIVE"))
    }
    return kept | {"AGENTKIT_KEY_FILE": "/nowhere/key"} | changes


def run(*arguments: str, stdin: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
    return forked(command, arguments, stdin=stdin, environment=environment(**changes))


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "small.demo.yaml"
    path.write_text(SCRIPT)
    return path


def test_a_demo_is_played_shown_and_reported(script: Path, tmp_path: Path) -> None:
    done = run("demo", str(script), "--out", str(tmp_path / "out"), LIVE="")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "Chat Completions API" in done.stdout
    assert "Responses API" in done.stdout
    assert done.stdout.count("✓ 2 of 2 turns as expected") == 2
    assert not CONTROL.search(done.stdout)
    for file in (
        "index.html",
        "transcript.md",
        "run.json",
        "images/chat/img_1.png",
        "images/responses/img_1.png",
    ):
        assert (tmp_path / "out" / file).is_file()


def test_the_emulator_is_reached_whatever_proxy_the_environment_names(
    script: Path, tmp_path: Path
) -> None:
    """On its own machine, a proxy would look for it in vain."""
    dead = "http://127.0.0.1:9"
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    proxies = dict.fromkeys(names, dead)
    done = run("demo", str(script), "--out", str(tmp_path / "out"), **proxies, NO_PROXY="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✓ 2 of 2 turns as expected") == 2
    done = run("chat", stdin="Draw a green frog.\n", **proxies, no_proxy="")
    assert (done.returncode, done.stderr) == (0, "")
    assert "img_1" in done.stdout


def test_a_failed_expectation_is_exit_1_and_says_which(script: Path, tmp_path: Path) -> None:
    script.write_text(SCRIPT.replace("images: 1", "images: 2"))
    done = run("demo", str(script), "--api", "chat", "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert done.stderr == "agentkit: not as expected: chat, turn 2: expected 2 images, came 1\n"
    assert (tmp_path / "out/index.html").is_file()


def test_a_broken_script_is_exit_2_and_one_line(script: Path, tmp_path: Path) -> None:
    script.write_text(SCRIPT.replace("images: 1", "images: two"))
    done = run("demo", str(script))
    assert done.returncode == 2
    assert done.stdout == ""
    assert (
        done.stderr
        == f'agentkit: {script}:8: field turns[1].expect.images: given "two", accepted is a whole number\n'
    )


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ["demo", "none.yaml"],
            2,
            "agentkit: none.yaml: the script cannot be read: No such file or directory\n",
        ),
        (["demo", "x", "--api", "soap"], 2, "'soap' is not one of 'chat', 'responses', 'both'"),
        (["demo"], 2, "Missing argument 'SCRIPT'"),
        (["paint"], 2, "No such command 'paint'"),
        (["emulator", "--port", "99999"], 2, "Invalid value for '--port'"),
        (["emulator", "--host", "203.0.113.1"], 2, "agentkit: cannot listen on 203.0.113.1:0: "),
        (["chat", "--live"], 3, "agentkit: --live needs a key: set OPENROUTER_API_KEY"),
        (
            ["chat", "--budget", "-1"],
            2,
            "agentkit: Budget(cost_usd=-1.0): accepted is a finite number of USD",
        ),
        (
            ["chat", "--tool", "paint"],
            2,
            'agentkit: --tool:1: field tools[0]: given "paint", accepted is FILE.py:NAME',
        ),
        (["chat", "--model", "no such model"], 2, "agentkit: Agent(model='no such model')"),
    ],
)
def test_wrong_use_is_told_without_a_traceback(arguments: list[str], code: int, told: str) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback() -> None:
    done = run("demo", "none.yaml", "--debug")
    assert "Traceback" in done.stderr
    assert "ScriptError" in done.stderr


def test_live_without_a_key(script: Path) -> None:
    for done in (run("demo", str(script), "--live"), run("demo", str(script), LIVE="1")):
        assert done.returncode == 3
        assert "OPENROUTER_API_KEY" in done.stderr
        assert done.stderr.count("\n") == 1


def test_version_and_help() -> None:
    assert run("--version").stdout == f"agentkit {__version__}\n"
    told = run("--help").stdout
    for name in ("demo", "chat", "emulator", "--debug"):
        assert name in told


def test_a_missing_package_is_told_in_one_line() -> None:
    code = "import sys; sys.modules['typer'] = None\nfrom agentkit.cli import main\nsys.exit(main(['--version']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "agentkit: typer is not installed: pip install agentkit-openrouter\n"


def test_main_gives_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert main(["nothing"]) == 2
    assert "No such command" in capsys.readouterr().err


def test_the_emulator_runs_until_it_is_told_to_stop() -> None:
    command = [sys.executable, "-m", "agentkit", "emulator"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        try:
            with urllib.request.urlopen(f"{address}/models", timeout=PATIENCE) as reply:
                assert reply.status == 200
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0


def test_a_chat_draws_lists_and_saves(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    lines = [
        "/images",
        "Draw a blue owl.",
        "/images",
        f"/save {folder}",
        "/attach none.png",
        "/what",
        "/help",
        "/quit",
        "never read",
    ]
    done = run("chat", stdin="\n".join(lines), AGENTKIT_STORE=str(tmp_path / "store"))
    assert done.returncode == 0, done.stderr
    assert "no pictures yet" in done.stdout
    assert "▣ img_1" in done.stdout
    assert "cannot read the picture 'none.png'" in done.stdout
    assert "/attach FILE" in done.stdout
    assert [each.name for each in folder.iterdir()] == ["img_1.png"]
    assert not CONTROL.search(done.stdout)


TOOLS = """\
from agentkit import Image, tool

@tool(approve=True)
def order_print(picture: Image, copies: int) -> str:
    \"\"\"Order prints of a picture.\"\"\"
    return f"{copies} of {picture.name} are on their way."

@tool(external=True)
def ask_printer(question: str) -> str:
    \"\"\"Ask the printer a question.\"\"\"
"""


def test_a_chat_without_a_terminal_approves_nothing(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(TOOLS)
    lines = [
        "Draw a blue owl.",
        "Order prints of img_1, copies: 3.",
        "y",
        "Order prints of img_1, copies: 9.",
        "far too \x1b[31mmany",
        "Order prints of img_1, copies: 7.",
        "",
        "Ask the printer: is it done?",
        "nearly",
        "Order prints of img_1, copies: 5.",
    ]
    tools = [
        "--tool",
        f"{tmp_path / 'shop.py'}:order_print",
        "--tool",
        f"{tmp_path / 'shop.py'}:ask_printer",
    ]
    done = run("chat", *tools, stdin="\n".join(lines), AGENTKIT_STORE=str(tmp_path / "store"))
    assert done.returncode == 0, done.stderr
    assert '? order_print(picture="img_1", copies=3)' in done.stdout
    assert "not approved: nobody at a terminal approved it" in done.stdout
    assert "denied: far too ␛[31mmany" in done.stdout
    assert "→ denied by the user" in done.stdout
    assert '? ask_printer(question="Ask the printer: is it done")' in done.stdout
    assert "→ nearly" in done.stdout
    assert not re.search("[3579] of img_1", done.stdout)  # the end of the input is a no
    assert not CONTROL.search(done.stdout)


def test_a_chat_edits_with_the_studio_and_tells_the_cost_so_far(tmp_path: Path) -> None:
    lines = ["Draw a blue owl.", "Put a red hat on the owl in img_1.", "/images"]
    done = run(
        "chat",
        "--no-draw",
        "--tool",
        "studio",
        stdin="\n".join(lines),
        AGENTKIT_STORE=str(tmp_path / "store"),
    )
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"▣ img_2 · 1024×1024 · .* · \$0\.0\d+ · made from img_1 · a blue owl wearing a red hat",
        done.stdout,
    )
    first, second = (float(each) for each in re.findall(r"\$(\d\.\d+) so far", done.stdout))
    assert 0 < first < second


def test_a_chat_stops_at_its_budget_and_says_why(tmp_path: Path) -> None:
    done = run(
        "chat",
        "--budget",
        "0.02",
        stdin="Draw a blue owl.\n",
        AGENTKIT_STORE=str(tmp_path / "store"),
    )
    assert done.returncode == 0, done.stderr
    assert "■ limited: $0.0200 is left, and the next request may cost $" in done.stdout
    assert "at worst, a picture included" in done.stdout
    assert "so far, of $0.0200" in done.stdout
    assert "▣" not in done.stdout


def test_a_chat_says_at_once_who_answers_and_what_cannot_be(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    done = run("chat", "--budget", "0.0001", stdin="", **home)
    assert "The emulator answers: no model, no network, no cost." in done.stdout
    assert "no turn fits" in done.stdout
    assert "at least --budget 0." in done.stdout
    done = run("chat", "--cid", "nope", stdin="Hello", **home)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--cid nope: there is no such conversation" in done.stderr
    done = run("chat", "--model", "google/gemini-2.5-flash-image", stdin="/tools\r\n", **home)
    assert done.stdout.splitlines()[-1] == "no tools"  # it draws by itself


def test_the_end_of_the_input_ends_a_chat(tmp_path: Path) -> None:
    done = run(
        "chat", "--api", "responses", stdin="Hello!\n", AGENTKIT_STORE=str(tmp_path / "store")
    )
    assert done.returncode == 0, done.stderr
    assert "Hello" in done.stdout


@pytest.mark.slow
def test_an_interrupt_ends_a_demo_quietly(tmp_path: Path) -> None:
    script = tmp_path / "long.demo.yaml"
    script.write_text(SCRIPT + "  - say: Tell me a story about a fox.\n" * 90)
    command = [
        sys.executable,
        "-m",
        "agentkit",
        "demo",
        str(script),
        "--out",
        str(tmp_path / "out"),
    ]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        # A shell that starts the tests in the background has them, and what they start, ignore
        # interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        assert process.stdout is not None
        while "img_1" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in errors
    record = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert record["answered_by"]["kind"] == "emulator"
    assert not record["is_whole"]
    assert record["conversations"][0]["turns"][-1]["error"] == "interrupted before its end"
    assert list((tmp_path / "out" / "images" / "chat").iterdir())
