"""README and docs: every example runs as it stands, every command parses, every link leads
somewhere.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agentkit.cli import main
from agentkit.demo.script import read
from agentkit.demo.tools import load_tools
from agentkit.emulator import Emulator, faults_from_text
from tests.architecture.documents import PAGES, README, ROOT, Block, anchors, blocks, links
from tests.processes import execute, forked, pytest_run

LARGEST_README = 7_000
SAID = {
    "studio.edit": "[('img_1', ()), ('img_2', ('img_1',)), ('img_3', ('img_2',))]\n('img_1',) 0.0",
    "Unsupported": "1K ('google/",
    "order_print": "paused [('call_",
    "run=run": "Your name is Ada",
    'conversation("ada", sessions=sessions)': "Your name is Ada",
    'user="ada", wait=60': "['img_1', 'img_2']",
    'search="oslo"': "bea-1 Sums 2 0.0",
    "DAYS = 90": "0 were deleted",
    'export("ada"': "from-ada\n['img_1'] 2",
    'Denied("too dear")': "too dear",
    "Budget(": "limited images",
    "as_tool": "['illustrator', 'openrouter:image_generation']",
    "is not one of us": "eve@example.org is not one of us",
    "BaseModel": "Oslo 3",
    "external=True": "21.5",
    "StreamInterrupted": "in the end: I painted",
    "busy = Fault": "completed 2 1",
    'places=["markdown"]': "(Text(text='Here it is:'",
    "def test_": " passed",
    "ImagePreview": "preview ",
    "CountingStore": "1 True True",
}
"""What a block with these words prints, among other things."""
PYTHON = blocks("python")
SHELL = [
    (block, line)
    for block in blocks("sh")
    for line in block.code.splitlines()
    if line and not line.startswith("#")
]
YAML = blocks("yaml")


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_an_example_runs(block: Block, emulator: Emulator, tmp_path: Path) -> None:
    code = block.code
    done = run(code, emulator, tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    if "out/oslo" in code:
        assert "Oslo" in done.stdout
        assert list((tmp_path / "out" / "oslo" / "images").iterdir())
    if "chat.stream" in code and "ImageReady" in code:
        assert "['img_1', 'img_2']" in done.stdout
    for marker, said in SAID.items():
        if marker in code:
            assert said in done.stdout


def run(code: str, emulator: Emulator, folder: Path) -> subprocess.CompletedProcess[str]:
    """An example in a process of its own: a test by pytest, anything else as a script."""
    environment = {
        **os.environ,
        "OPENROUTER_API_KEY": "sk-or-any",
        "OPENROUTER_BASE_URL": emulator.base_url,
        "AGENTKIT_STORE": str(folder / "store"),
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
    }
    if "\ndef test_" not in code:
        return forked(execute, code, cwd=folder, environment=environment)
    file = folder / "test_example.py"
    file.write_text(code, encoding="utf-8")
    # Of all plugins that are installed, ours alone.
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    given = ("-q", "-p", "no:cacheprovider", "-p", "agentkit.testing.plugin", "-c", os.devnull)
    return forked(pytest_run, (*given, str(file)), cwd=folder, environment=environment)


def test_there_are_examples() -> None:
    assert len([block for block in PYTHON if block.page == README]) == 1
    assert len(PYTHON) >= 19
    assert all(any(marker in block.code for block in PYTHON) for marker in SAID)


def test_a_block_is_in_a_language_that_is_checked() -> None:
    """Those in JSX run in a browser: `tests/stacks/test_web_pages.py`."""
    assert {block.language for block in blocks()} <= {"python", "sh", "yaml", "text", "jsx"}
    assert {block.page.name for block in blocks("jsx")} == {"chat-server-wire.md"}


@pytest.mark.parametrize(
    ("block", "line"), SHELL, ids=lambda value: str(value) if isinstance(value, Block) else None
)
def test_a_command_parses(block: Block, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(line, comments=True)
    while words and re.match(r"[A-Z_]+=", words[0]):
        del words[0]
    command, *rest = words
    match command:
        case "agentkit":
            assert main([*rest, "--help"]) == 0, capsys.readouterr().err
        case "make":
            targets = re.findall(
                r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
            )
            assert rest[0] in targets
        case "python" | ".venv/bin/python":
            assert rest[0] in {"-m", "-c"} or (ROOT / rest[0]).exists()
        case "export" | "pip" | "git":
            pass
        case _:
            raise AssertionError(f"{block}: nothing is known of {command!r}")
    for word in rest:
        if re.match(r"(?:examples|tests|agentkit)/", word):
            assert (ROOT / re.split(":", word)[0]).exists(), f"{block}: {word}"


@pytest.mark.parametrize("block", YAML, ids=str)
def test_a_file_is_accepted(block: Block) -> None:
    if "faults:" in block.code:
        assert len(faults_from_text(block.code)) > 0
    else:
        load_tools(read(block.code, str(block), folder=ROOT / "examples"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_linked_to_is_there(page: Path) -> None:
    """Files, and headings of this page or another."""
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme == "https":
            continue
        assert not parts.scheme, link
        target = (page.parent / parts.path).resolve() if parts.path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if parts.fragment:
            assert parts.fragment in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_named_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    for path in re.findall(r"`((?:agentkit|docs|examples|tests)/[\w./-]+)`", text):
        assert path == "docs/NAME.md" or (ROOT / path).exists(), path
    if page == README:
        for name in re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE):
            assert (ROOT / "examples" / name).exists(), name


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen = {README}
    waiting = [README]
    while waiting:
        page = waiting.pop()
        for link in links(page):
            target = (page.parent / urlsplit(link).path).resolve()
            if target in PAGES and target not in seen:
                seen.add(target)
                waiting.append(target)
    assert seen == set(PAGES)


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= LARGEST_README
