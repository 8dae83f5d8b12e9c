"""`agentkit "Draw a fox"`: what goes where, and how it ends."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say
from tests.conftest import picture
from tests.processes import PATIENCE
from tests.unit.cli.commands import CONTROL, asks, environment, on_terminal, run

BIG = picture(size=(160, 120), noise=90)
TOOLS = """\
from agentkit import Agent, Context, Image, tool

@tool(approve=True)
def pay(euros: int) -> str:
    "Pays."
    return f"paid {euros}"

@tool
def weather(city: str) -> str:
    "The weather."
    return f"rain in {city}"

@tool
def book(context: Context) -> str:
    "Books."
    form = {"guests": {"type": "integer", "minimum": 1, "title": "Guests"}}
    form |= {"seat": {"enum": ["in", "out"]}}
    return f"for {context.ask('For how many?', {'properties': form, 'required': ['guests']})}"

agent = Agent("openai/gpt-5.2", instructions="Be brief.", tools=[weather, pay, book])

def made():
    return Agent("google/gemini-2.5-flash")

other = 3
"""


@pytest.fixture
def slow() -> Iterator[Emulator]:
    """An emulator whose long replies take minutes."""
    with Emulator(chunk_delay=0.05) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(TOOLS)
    return tmp_path


def test_the_answer_and_its_pictures_alone_go_to_stdout(home: Path, emulator: Emulator) -> None:
    emulator.play([Reply([Say("Here:\nit is.\n"), Draw("a fox", data=BIG)])])
    done = run("Draw a fox", **asks(emulator, home))
    assert done.returncode == 0, done.stderr
    words, path = done.stdout.rstrip("\n").rsplit("\n", 1)
    assert words == "Here:\nit is."
    assert Path(path).read_bytes() == BIG
    assert "▣ img_1 · 160×120" in done.stderr
    assert "tokens · $" in done.stderr


def test_words_piped_in_stand_before_those_of_the_command(home: Path, emulator: Emulator) -> None:
    emulator.play([Reply([Say("Yes.")]), Reply([Say("Yes.")])])
    done = run("Is it\tred?", stdin="\ufeffA fox\r\nin snow\n", **asks(emulator, home))
    assert (done.returncode, done.stdout) == (0, "Yes.\n"), done.stderr
    assert asked(emulator) == "A fox\nin snow\nIs it\tred?"
    assert run(stdin="paint", **asks(emulator, home)).returncode == 0
    assert asked(emulator) == "paint"


def test_options_come_before_or_after_the_words(home: Path, emulator: Emulator) -> None:
    emulator.play([Reply([Say("Yes.")])])
    done = run(
        *("-m", "google/gemini-2.5-flash", "-s", "Be brief.", "-o", "temperature", "0.5"),
        *("-o", 'stop=["END"]', "Is", "it", "red?", "--no-draw", "--api", "responses"),
        **asks(emulator, home),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    body = last(emulator).body
    assert (body["model"], body["temperature"]) == ("google/gemini-2.5-flash", 0.5)
    assert "Be brief." in json.dumps(body)
    assert "tools" not in body
    assert last(emulator).path.endswith("/responses")


def test_the_model_of_the_environment(home: Path, emulator: Emulator) -> None:
    emulator.play([Reply([Say("Yes.")])])
    env = asks(emulator, home) | {"AGENTKIT_MODEL": "google/gemini-2.5-flash"}
    assert run("Red?", **env).returncode == 0
    assert last(emulator).body["model"] == "google/gemini-2.5-flash"


def test_a_model_that_draws_by_itself_gets_no_server_tool(home: Path, emulator: Emulator) -> None:
    done = run("-m", "google/gemini-2.5-flash-image", "Draw a fox", **asks(emulator, home))
    assert done.returncode == 0, done.stderr
    assert "tools" not in last(emulator).body
    assert Path(done.stdout.splitlines()[-1]).is_file()


def test_pictures_are_saved_and_nothing_is_overwritten(home: Path, emulator: Emulator) -> None:
    (home / "out").mkdir()
    (home / "out/img_1.png").write_text("mine")
    emulator.play([Reply([Draw("a fox", data=BIG)])])
    done = run("Draw", "a", "fox", "--out", str(home / "out"), **asks(emulator, home))
    assert (done.returncode, done.stdout) == (0, f"{home / 'out/img_1-2.png'}\n"), done.stderr
    assert (home / "out/img_1.png").read_text() == "mine"
    assert (home / "out/img_1-2.png").read_bytes() == BIG


def test_attachments_from_files_and_from_the_input(home: Path, emulator: Emulator) -> None:
    (home / "cat.png").write_bytes(picture())
    emulator.play([Reply([Say("A cat.")])])
    done = run("-a", str(home / "cat.png"), "What is it?", **asks(emulator, home))
    assert (done.returncode, done.stdout) == (0, "A cat.\n"), done.stderr
    assert "data:image/png" in json.dumps(last(emulator).body)


def test_events_as_json(home: Path, emulator: Emulator) -> None:
    emulator.play(
        [
            Reply([Draw("a fox", data=BIG), CallTool("weather", {"city": "Oslo"}, id="w")]),
            Reply([Say("Rain \x1b[2J\u202e\x7f.")]),
        ]
    )
    shop = f"{home / 'shop.py'}:weather"
    done = run("-T", shop, "--json", "Weather?", **asks(emulator, home))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.isascii()
    assert not CONTROL.search(done.stdout)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["kind"] for event in events]
    assert kinds[-1] == "run_finished"
    assert {"image_ready", "text_delta", "invocation_finished"} < set(kinds)
    image = next(event["image"] for event in events if event["kind"] == "image_ready")
    assert Path(image["path"]).read_bytes() == BIG
    assert image["sha256"] in image["path"]
    text = "".join(event["text"] for event in events if event["kind"] == "text_delta")
    assert "Rain \x1b[2J\u202e\x7f." in text


def test_not_streamed(home: Path, emulator: Emulator) -> None:
    emulator.play([Reply([Say("Here."), Draw("a fox", data=BIG)])] * 2)
    done = run("Draw it now", "--no-stream", **asks(emulator, home))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Here.\n/")
    assert "▣ img_1" in done.stderr
    assert not last(emulator).body.get("stream")
    done = run("Draw it now", "--no-stream", "--json", **asks(emulator, home))
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert [*kinds[:2], kinds[-1]] == ["session", "text_delta", "run_finished"]


def test_quiet_and_offline(home: Path) -> None:
    done = run("Hello, who are you?", "-q", "--offline", HOME=str(home))
    assert done.returncode == 0
    assert done.stdout.endswith("\n")
    assert done.stderr == ""


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_an_agent_of_ones_own(home: Path, emulator: Emulator, api: str) -> None:
    emulator.play([Reply([CallTool("weather", {"city": "Oslo"}, id="w")]), Reply([Say("Rain.")])])
    done = run("-A", "shop.py:agent", "--api", api, "Weather?", cwd=home, **asks(emulator, home))
    assert (done.returncode, done.stdout) == (0, "Rain.\n"), done.stderr
    assert '✓ weather(city: "Oslo") → rain in Oslo' in done.stderr
    assert "Be brief." in json.dumps(last(emulator).body)


def test_an_agent_without_a_client_of_its_own_works_offline(home: Path) -> None:
    for name in ("shop.py", "shop:agent", "shop:made", f"{home}/shop.py:agent"):
        done = run("-A", name, "--offline", "Hello there", cwd=home, HOME=str(home))
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("none.py:agent", "none.py cannot be imported: FileNotFoundError: there is no file"),
        ("no.such.module:agent", "no.such.module cannot be imported: ModuleNotFoundError"),
        ("bad.py:agent", "bad.py cannot be imported: ZeroDivisionError: division by zero"),
        ("exits.py:agent", "exits.py cannot be imported: SystemExit: 7"),
        ("shop.py:nobody", "shop.py has no agent 'nobody'; it has: agent"),
        ("shop.py:other", "shop.py has no agent 'other'; it has: agent"),
        ("shop.py:", "accepted is package.module:name, or file.py:name"),
        ("asks.py:agent", "the agent has a client of its own, which asks https://openrouter.ai"),
    ],
)
def test_an_agent_that_cannot_be_used(home: Path, name: str, told: str) -> None:
    (home / "bad.py").write_text("1 / 0\n")
    (home / "exits.py").write_text("raise SystemExit(7)\n")
    (home / "asks.py").write_text(
        "from agentkit import Agent, OpenRouter\n"
        "agent = Agent('a/b', client=OpenRouter(api_key='k', base_url='https://openrouter.ai/api/v1'))\n"
    )
    done = run("-A", name, "--offline", "Hello there", cwd=home, HOME=str(home))
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["Hello there"], 3, "no API key: set OPENROUTER_API_KEY, or keep one"),
        (["Hello there", "--offline", "--live"], 2, "--offline and --live: accepted is one"),
        (["Hello there", "-A", "x.py", "-s", "y"], 2, "-s with -A: the agent says that itself"),
        (["Hello there", "-o", "warmth", "3"], 2, "-o 'warmth': there is no such setting"),
        (["Hello there", "-o", "temperature"], 2, "-o 'temperature': a value is missing"),
        (["Hello there", "-o", "temperature", "hot"], 2, "ModelSettings(temperature='hot')"),
        (["Hello there", "-o"], 2, "requires an argument"),
        (["Hello there", "-a", "none.png"], 2, "-a none.png: cannot read the picture"),
        (["Hello there", "-a", "/etc"], 2, "cannot read the file '/etc': it is no file"),
        (["Hello there", "-a", "-"], 2, "-a -: it has no bytes"),
        (["Hello there", "--out", "/dev/null/x"], 2, "--out /dev/null/x: "),
        (["Hello there", "--colour"], 2, "No such option: --colour"),
        (["Hello there", "-m", "no model", "--offline"], 2, "Agent(model='no model')"),
        (["Hello there", "-m", "openai/gpt-5.22", "--offline"], 2, "did you mean openai/gpt-5.2"),
        (["Hello there", "--budget", "0.00001", "--offline"], 1, "at least --budget 0."),
        (["modls"], 2, "No such command 'modls'. Did you mean 'models'?"),
        (["image", "fox"], 2, "No such command: image 'fox'; accepted are draw and edit"),
        (["keys", "sett"], 2, "No such command: keys 'sett'; accepted are set"),
        (["emulater", "--offline"], 2, "Did you mean 'emulator'?"),
        ([""], 2, "nothing to ask"),
        ([], 2, "nothing to ask"),
    ],
)
def test_what_is_wrong_is_one_line(home: Path, arguments: list[str], code: int, told: str) -> None:
    done = run(*arguments, HOME=str(home))
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("failure", "code", "told"),
    [
        (Reply(error=Failure("No.", 401)), 3, ""),
        (Reply(error=Failure("No.", 402)), 4, ""),
        (Reply(error=Failure("No.", 403)), 4, ""),
        (Reply(error=Failure("No.", 503)), 4, ""),
    ],
    ids=["401", "402", "403", "503"],
)
def test_what_the_service_refuses(
    home: Path, emulator: Emulator, failure: Any, code: int, told: str
) -> None:
    emulator.play([failure] * 9)
    done = run("Hello there", "--json", **asks(emulator, home))
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("agentkit: ")
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["kind"], last["exit_code"]) == ("error", code)


def test_nobody_at_the_address(home: Path) -> None:
    env = {"OPENROUTER_BASE_URL": "http://127.0.0.1:9/api/v1", "OPENROUTER_API_KEY": "k"}
    done = run("Hello there", HOME=str(home), **env)
    assert done.returncode == 4
    assert done.stderr.startswith("agentkit: ")
    assert done.stderr.count("\n") == 1


def test_a_refusal_is_exit_1(home: Path, emulator: Emulator) -> None:
    emulator.play([Reply([Say("")], finish_reason="content_filter")])
    done = run("Draw what is forbidden", **asks(emulator, home))
    assert done.returncode == 1
    assert "agentkit: refused: " in done.stderr


def test_nothing_is_approved_without_a_terminal(home: Path, emulator: Emulator) -> None:
    emulator.play([Reply([CallTool("pay", {"euros": 3}, id="p")])])
    done = run("-A", "shop.py", "Pay three", cwd=home, stdin="y\n", **asks(emulator, home))
    assert done.returncode == 5, done.stderr
    assert "paused: waits for a person: pay(euros=3)" in done.stderr
    assert len(emulator.posts) == 1


def test_an_interrupt_keeps_what_came(home: Path, slow: Emulator) -> None:
    slow.play([Reply([Draw("a fox", data=BIG), Say("word " * 9000)], chunk=5)])
    with subprocess.Popen(
        [sys.executable, "-m", "agentkit", "Draw a fox"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**asks(slow, home)),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        assert process.stderr is not None
        while "▣ img_1" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert Path(said.splitlines()[-1]).read_bytes() == BIG
    assert "interrupted: it was stopped before its end" in told


def test_a_reader_that_leaves_is_no_error(home: Path) -> None:
    line = f"{sys.executable} -m agentkit models --offline | head -1"
    done = subprocess.run(
        ["sh", "-c", line],
        env=environment(HOME=str(home)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def last(emulator: Emulator) -> Any:
    """The last request that cost money."""
    return next(each for each in reversed(emulator.requests) if each.body is not None)


def asked(emulator: Emulator) -> str:
    """The words of the last prompt."""
    content = last(emulator).body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[0]["text"]


def test_help_imports_no_more_than_it_needs() -> None:
    """So that it is there at once; each command imports what it uses."""
    code = (
        "import sys; from agentkit.cli import main; main(['--help']); "
        "print('agentkit.values' in sys.modules, sorted({name.split('.')[0] for name in sys.modules} & "
        "{'rich', 'pydantic', 'openai', 'aiohttp', 'PIL', 'sqlalchemy', 'prompt_toolkit', "
        "'asyncio', 'yaml', 'jinja2', 'structlog', 'starlette'}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr == "False []\n"


def test_what_failed_at_once_is_not_gone_on_with(home: Path, emulator: Emulator) -> None:
    env = asks(emulator, home)
    unknown = run("Hello there", "-m", "no/such-model", **env)
    assert unknown.returncode == 2
    assert "the catalogue has no name like it" in unknown.stderr
    assert run("-c", "Hello again", **env).stderr.endswith("no conversation to go on with yet\n")
    emulator.play([Reply([Say("One.")]), Reply([Say("Two.")])])
    assert run("Hello there", **env).returncode == 0
    assert run("Hello there", "-m", "no/such-model", **env).returncode == 2
    assert run("-c", "Hello again", **env).stdout == "Two.\n"
    assert "Hello there" in json.dumps(last(emulator).body)


def test_each_command_says_how_to_ask_it(home: Path, emulator: Emulator) -> None:
    env = asks(emulator, home)
    assert 'agentkit image draw "a fox"' in run("image", "draw", **env).stderr
    assert 'agentkit "Draw a fox"' in run("-q", **env).stderr


@pytest.mark.parametrize(
    "words", [("ask", "hello"), ("ask", "--", "hello"), ("image", "draw", "fox")]
)
def test_one_word_is_enough_where_the_command_is_named(
    home: Path, emulator: Emulator, words: tuple[str, ...]
) -> None:
    done = run(*words, cwd=home, **asks(emulator, home))
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_conversation_goes_on(home: Path, emulator: Emulator) -> None:
    emulator.play([Reply([Draw("a fox", data=BIG)]), Reply([Say("A hat.")]), Reply([Say("Two.")])])
    env = asks(emulator, home)
    assert run("Draw a fox", "-q", "-m", "google/gemini-2.5-flash-image", **env).returncode == 0
    done = run("-c", "Now a hat", "--json", **env)
    assert done.returncode == 0, done.stderr
    cid = json.loads(done.stdout.splitlines()[0])["id"]
    assert last(emulator).body["model"] == "google/gemini-2.5-flash-image"
    assert "tools" not in last(emulator).body
    assert "Draw a fox" in json.dumps(last(emulator).body)
    assert run("--cid", cid, "How many?", "-m", "openai/gpt-5.2", **env).stdout == "Two.\n"
    assert last(emulator).body["model"] == "openai/gpt-5.2"
    row = run("sessions", "list", **env).stdout.rstrip("\n").split("\t")
    assert [row[0], row[2], row[4]] == [cid, "3", "Draw a fox"]
    file = str(home / "a.zip")
    assert run("sessions", "export", cid, file, **env).stdout == f"{file}\n"
    assert "--force" in run("sessions", "export", cid, file, **env).stderr
    assert run("sessions", "import", file, "--cid", "other", **env).stdout == "other\n"
    shown = run("sessions", "show", "other", **env).stdout
    assert shown == run("sessions", "show", cid, **env).stdout
    assert shown.startswith("› Draw a fox\n")
    assert run("sessions", "import", file, **env).returncode == 2
    assert run("sessions", "delete", "other", "--yes", **env).returncode == 0
    assert run("sessions", "delete", cid, "--yes", **env).returncode == 0
    assert run("sessions", "show", cid, **env).returncode == 2
    assert run("-c", "And now?", **env).returncode == 2


@pytest.mark.parametrize(
    ("option", "told"),
    [("--approve={}", "paid 3"), ("--deny={}=too dear", "denied: too dear")],
    ids=["approve", "deny"],
)
def test_a_call_that_waits_goes_on(home: Path, emulator: Emulator, option: str, told: str) -> None:
    emulator.play([Reply([CallTool("pay", {"euros": 3}, id="p 1")]), Reply([Say("Done.")])])
    env = asks(emulator, home)
    first = run("-A", "shop.py", "Pay three", cwd=home, **env)
    assert first.returncode == 5, first.stderr
    words = shlex.split(first.stderr.split("to go on: ", 1)[1].splitlines()[0])
    assert words[0] == "agentkit"
    assert words[-2:] == ["--approve", "p 1"]
    again = run(*words[1:-2], cwd=home, **env)
    assert again.returncode == 5
    assert len(emulator.posts) == 1
    done = run(*words[1:-2], option.format("p 1"), cwd=home, **env)
    assert (done.returncode, done.stdout) == (0, "Done.\n"), done.stderr
    assert told in done.stderr
    wrong = run(*words[1:], cwd=home, **env)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize(
    ("given", "told"), [('{"guests": 2}', "for {'guests': 2}"), ("no", "for None")]
)
def test_a_question_that_waits(home: Path, emulator: Emulator, given: str, told: str) -> None:
    emulator.play([Reply([CallTool("book", {}, id="b 1")]), Reply([Say("Done.")])])
    env = asks(emulator, home)
    first = run("-A", "shop.py", "Book", cwd=home, **env)
    assert first.returncode == 5, first.stderr
    assert 'b 1 asks: For how many? {"properties": {"guests": {"type": "integer"' in first.stderr
    words = shlex.split(first.stderr.split("to go on: ", 1)[1].splitlines()[0])
    assert words[-2:] == ["--answer", "b 1=JSON"]
    for wrong in ("b 1={", "b 1=5", 'b 1={"guests": "hunter2"}', "b 1={}"):
        refused = run(*words[1:-1], wrong, cwd=home, **env)
        assert refused.returncode == 2, refused.stderr
        assert "hunter2" not in refused.stderr
    done = run(*words[1:-1], f"b 1={given}", cwd=home, **env)
    assert (done.returncode, done.stdout) == (0, "Done.\n"), done.stderr
    assert told in done.stderr


def test_two_writers_of_one_conversation(home: Path, slow: Emulator) -> None:
    slow.play([Reply([Say(".")]), Reply([Say("It is " * 9000)], chunk=5), Reply([Say("No")])])
    env = asks(slow, home)
    assert run("What is it?", "-q", **env).returncode == 0
    with subprocess.Popen(
        [sys.executable, "-m", "agentkit", "-c", "Really?"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment(**env),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == b"It is"
        done = run("-c", "And now?", **env)
        process.kill()
    assert done.returncode == 1
    assert "takes a turn of conversation" in done.stderr
    assert done.stderr.count("\n") == 1
    assert len(slow.posts) == 2
    died = run("-c", "And now?", **env)
    assert died.returncode == 5, died.stderr
    assert len(slow.posts) == 2
    words = shlex.split(died.stderr.split("to go on: ")[-1].splitlines()[0])
    assert words[-2] == "--outcome"
    assert words[-1].endswith("=give_up")
    assert run(*words[1:], **env).returncode == 0
    done = run("-c", "And now?", **env)
    assert done.stdout == "No\n", done.stderr


def test_a_person_at_the_terminal_is_asked(home: Path, emulator: Emulator) -> None:
    emulator.play([Reply([CallTool("pay", {"euros": 3}, id="p")]), Reply([Say("Done.")])])
    shop = f"{home / 'shop.py'}:agent"
    env = asks(emulator, home)
    code, shown = on_terminal("-A", shop, "Pay three", columns=20, typed="y\n", **env)
    assert code == 0, shown
    assert "? pay(euros=3)" in shown
    assert "paid 3" in shown
    assert "\nDone.\n" in shown


def test_a_person_answers_at_a_terminal(home: Path, emulator: Emulator) -> None:
    emulator.play([Reply([CallTool("book", {}, id="b")]), Reply([Say("Done.")])])
    env = asks(emulator, home)
    shop = str(home / "shop.py")
    code, shown = on_terminal("-A", shop, "Book", columns=200, typed="y\nnone\n2\n\n", **env)
    assert code == 0, shown
    assert "For how many?" in shown
    assert "guests: accepted is a whole number, at least 1" in shown
    assert "for {'guests': 2}" in shown
    assert "\nDone.\n" in shown


def test_nothing_is_kept_where_that_is_not_wanted(home: Path, emulator: Emulator) -> None:
    emulator.play([Reply([Say("A fox.")])])
    env = asks(emulator, home)
    assert run("What is it?", "--no-save", **env).stdout == "A fox.\n"
    assert run("sessions", "list", **env).stdout == ""


def test_a_database_that_cannot_be_used(home: Path) -> None:
    for url, code in (("mysql://x", 2), ("sqlite:////dev/null/chats.db", 3)):
        done = run("Hello there", "--offline", "--sessions", url, HOME=str(home))
        assert done.returncode == code, done.stderr
        assert done.stderr.count("\n") == 1
